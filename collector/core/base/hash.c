// Keyed hashing: many at once, the byte-string form, and where keys come from.
#include "core/base/hash.h"

#include "core/base/compiler.h"

#include <string.h>
#include <sys/random.h>

// One loop, which the compiler turns into lanes of whatever width the caller is compiled for. Whole
// lanes are hashed: beyond `count` stands what an earlier batch left.
static inline __attribute__((always_inline)) void hash_lanes(
	const struct hash_key *key, struct hash_batch *batch, size_t count)
{
	const struct hash_key own = *key; // for all that the compiler knows, `hashes` overlaps it

	count = (count + 7) & ~(size_t)7;
	for (size_t i = 0; i < count; i++) {
		uint64_t words[] = {batch->words[0][i], batch->words[1][i], batch->words[2][i]};
		batch->hashes[i] = hash_words(&own, words, 3);
	}
}

#ifdef __x86_64__
// Rotates in lanes are what makes it worth while: AVX-512 has them.
__attribute__((target("avx512f,avx512vl,avx512dq"))) static void hash_lanes_avx512(
	const struct hash_key *key, struct hash_batch *batch, size_t count)
{
	hash_lanes(key, batch, count);
}

__attribute__((target("avx2"))) static void hash_lanes_avx2(
	const struct hash_key *key, struct hash_batch *batch, size_t count)
{
	hash_lanes(key, batch, count);
}
#endif

void hash_batch(const struct hash_key *key, struct hash_batch *batch, size_t count)
{
	INVARIANT(count <= HASH_BATCH_MAX);
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
		hash_lanes_avx512(key, batch, count);
	else if (__builtin_cpu_supports("avx2"))
		hash_lanes_avx2(key, batch, count);
	else
#endif
		hash_lanes(key, batch, count);
}

uint64_t hash_bytes(const struct hash_key *key, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	uint64_t v0 = key->k0 ^ UINT64_C(0x736f6d6570736575);
	uint64_t v1 = key->k1 ^ UINT64_C(0x646f72616e646f6d);
	uint64_t v2 = key->k0 ^ UINT64_C(0x6c7967656e657261);
	uint64_t v3 = key->k1 ^ UINT64_C(0x7465646279746573);
	uint64_t last = (uint64_t)len << 56;

	for (; len >= 8; len -= 8, p += 8) {
		uint64_t word;
		memcpy(&word, p, 8);
		v3 ^= word;
		HASH_ROUND(v0, v1, v2, v3);
		v0 ^= word;
	}
	for (size_t i = 0; i < len; i++)
		last |= (uint64_t)p[i] << (8 * i);
	v3 ^= last;
	HASH_ROUND(v0, v1, v2, v3);
	v0 ^= last;
	v2 ^= 0xff;
	HASH_ROUND(v0, v1, v2, v3);
	HASH_ROUND(v0, v1, v2, v3);
	HASH_ROUND(v0, v1, v2, v3);
	return v0 ^ v1 ^ v2 ^ v3;
}

struct hash_key hash_key_new(uint64_t seed, uint64_t purpose)
{
	struct hash_key key;

	if (seed != 0) {
		struct hash_key from = {seed, purpose};
		uint64_t one = 1, two = 2;
		return (struct hash_key){hash_words(&from, &one, 1), hash_words(&from, &two, 1)};
	}
	// Without randomness a table could be aimed at: better not to start.
	REQUIRE(getrandom(&key, sizeof(key), 0) == (ssize_t)sizeof(key));
	return key;
}
