// HMAC-SHA-256 in lanes: FIPS 180-4 section 6.2, each word a vector with one message a lane.
#include "core/privacy/hmac_lanes.h"

#include "core/base/compiler.h"

#include <string.h>

#ifdef __x86_64__

// Below so many lanes in use the processor's own SHA instructions, one message after the other, are
// as quick.
enum { LANES_LEAST = 9 };

typedef uint32_t lanes __attribute__((vector_size(4 * HMAC_LANES)));
#define TARGET __attribute__((target("avx512f")))

static const uint32_t round_constants[64] = {0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5,
	0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
	0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
	0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152,
	0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e,
	0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624,
	0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3,
	0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
	0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

bool hmac_lanes_pay(size_t count)
{
	return count >= LANES_LEAST && __builtin_cpu_supports("avx512f");
}

#define ROTR(x, n) ((x) >> (n) | (x) << (32 - (n)))

// The names are the standard's: section 6.2.2, step 3.
#define ROUND(a, b, c, d, e, f, g, h, t) \
	do { \
		lanes t1_ = h + (ROTR(e, 6) ^ ROTR(e, 11) ^ ROTR(e, 25)) + (g ^ (e & (f ^ g))) + \
			(round_constants[t] + w[(t) % 16]); \
		d += t1_; \
		h = t1_ + (ROTR(a, 2) ^ ROTR(a, 13) ^ ROTR(a, 22)) + ((a & b) | (c & (a | b))); \
	} while (0)
// Section 6.2.2, step 1, of the word that a later round takes from the same place.
#define SCHEDULE(t) \
	do { \
		lanes w15_ = w[((t) + 1) % 16], w2_ = w[((t) + 14) % 16]; \
		w[(t) % 16] += (ROTR(w15_, 7) ^ ROTR(w15_, 18) ^ w15_ >> 3) + w[((t) + 9) % 16] + \
			(ROTR(w2_, 17) ^ ROTR(w2_, 19) ^ w2_ >> 10); \
	} while (0)
#define EIGHT_ROUNDS(t) \
	do { \
		ROUND(a, b, c, d, e, f, g, h, (t)); \
		ROUND(h, a, b, c, d, e, f, g, (t) + 1); \
		ROUND(g, h, a, b, c, d, e, f, (t) + 2); \
		ROUND(f, g, h, a, b, c, d, e, (t) + 3); \
		ROUND(e, f, g, h, a, b, c, d, (t) + 4); \
		ROUND(d, e, f, g, h, a, b, c, (t) + 5); \
		ROUND(c, d, e, f, g, h, a, b, (t) + 6); \
		ROUND(b, c, d, e, f, g, h, a, (t) + 7); \
	} while (0)

// One block, all lanes from the same `state`; `w`: its words, taken apart. The new states take the
// place of the first eight.
TARGET static void hash_block(const uint32_t state[8], lanes w[16])
{
	const lanes none = {0};
	lanes a = none + state[0], b = none + state[1], c = none + state[2], d = none + state[3];
	lanes e = none + state[4], f = none + state[5], g = none + state[6], h = none + state[7];

	for (unsigned t = 0;; t += 16) {
		EIGHT_ROUNDS(t);
		EIGHT_ROUNDS(t + 8);
		if (t == 48)
			break;
		for (unsigned i = 0; i < 16; i++)
			SCHEDULE(i);
	}
	w[0] = a + state[0];
	w[1] = b + state[1];
	w[2] = c + state[2];
	w[3] = d + state[3];
	w[4] = e + state[4];
	w[5] = f + state[5];
	w[6] = g + state[6];
	w[7] = h + state[7];
}

TARGET void hmac_lanes(const uint32_t inner[8], const uint32_t outer[8], uint8_t *blocks,
	size_t stride, size_t count)
{
	uint32_t words[16][HMAC_LANES] = {0}, word;
	lanes w[16];

	for (size_t lane = 0; lane < count; lane++)
		for (unsigned t = 0; t < 16; t++) {
			memcpy(&word, blocks + lane * stride + 4 * t, 4);
			words[t][lane] = __builtin_bswap32(word);
		}
	memcpy(w, words, sizeof(w));
	hash_block(inner, w);
	// The digest, its end, and how many bits there are with the padded key's.
	memset(&w[8], 0, 8 * sizeof(w[0]));
	w[8] += 0x80000000;
	w[15] += 8 * (HMAC_BLOCK + 32);
	hash_block(outer, w);
	memcpy(words, w, sizeof(words));
	for (size_t lane = 0; lane < count; lane++)
		for (unsigned t = 0; t < 8; t++) {
			word = __builtin_bswap32(words[t][lane]);
			memcpy(blocks + lane * stride + 4 * t, &word, 4);
		}
}

#else

bool hmac_lanes_pay(size_t)
{
	return false;
}

void hmac_lanes(const uint32_t[8], const uint32_t[8], uint8_t *, size_t, size_t)
{
	REQUIRE(!"hmac_lanes_pay() said no");
}

#endif
