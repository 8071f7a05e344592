// Keyed hashing for tables that strangers can fill: SipHash-1-3 (Aumasson, Bernstein: "SipHash: a
// fast short-input PRF", 2012; the 1-3 variant as in Rust's and Linux's tables). With a fresh key
// each start nobody outside can aim at one bucket.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct hash_key {
	uint64_t k0, k1;
};

#define HASH_ROTL(x, b) (uint64_t)(((x) << (b)) | ((x) >> (64 - (b))))
#define HASH_ROUND(v0, v1, v2, v3) \
	do { \
		v0 += v1; \
		v2 += v3; \
		v1 = HASH_ROTL(v1, 13) ^ v0; \
		v3 = HASH_ROTL(v3, 16) ^ v2; \
		v0 = HASH_ROTL(v0, 32); \
		v2 += v1; \
		v0 += v3; \
		v1 = HASH_ROTL(v1, 17) ^ v2; \
		v3 = HASH_ROTL(v3, 21) ^ v0; \
		v2 = HASH_ROTL(v2, 32); \
	} while (0)

// Hash of `count` 64-bit words.
static inline uint64_t hash_words(const struct hash_key *key, const uint64_t *words, size_t count)
{
	uint64_t v0 = key->k0 ^ UINT64_C(0x736f6d6570736575);
	uint64_t v1 = key->k1 ^ UINT64_C(0x646f72616e646f6d);
	uint64_t v2 = key->k0 ^ UINT64_C(0x6c7967656e657261);
	uint64_t v3 = key->k1 ^ UINT64_C(0x7465646279746573);

	for (size_t i = 0; i < count; i++) {
		v3 ^= words[i];
		HASH_ROUND(v0, v1, v2, v3);
		v0 ^= words[i];
	}
	uint64_t last = (uint64_t)(count * 8) << 56;
	v3 ^= last;
	HASH_ROUND(v0, v1, v2, v3);
	v0 ^= last;
	v2 ^= 0xff;
	HASH_ROUND(v0, v1, v2, v3);
	HASH_ROUND(v0, v1, v2, v3);
	HASH_ROUND(v0, v1, v2, v3);
	return v0 ^ v1 ^ v2 ^ v3;
}

enum { HASH_BATCH_MAX = 64 };

// Strings of three words, word by word: the batch's first words stand together, and so on.
struct hash_batch {
	_Alignas(64) uint64_t words[3][HASH_BATCH_MAX];
	uint64_t hashes[HASH_BATCH_MAX];
};

// hash_words() of the first `count` strings of the batch; several at once where the processor can.
void hash_batch(const struct hash_key *key, struct hash_batch *batch, size_t count);

// Hash of any bytes (SipHash-1-3 of the standard's byte string).
uint64_t hash_bytes(const struct hash_key *key, const void *bytes, size_t len);

// A fresh key: from the kernel, or derived from `seed` when that is not 0 (runs that must repeat).
struct hash_key hash_key_new(uint64_t seed, uint64_t purpose);
