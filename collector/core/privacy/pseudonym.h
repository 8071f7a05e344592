// The key that pseudonyms are made with, in locked memory that no core dump and no child sees.
//
// Read-only after pseudonym_new(): any thread.
#pragma once

#include "core/settings/problems.h"

#include <stddef.h>
#include <stdint.h>

struct pseudonym;

enum { PSEUDONYM_FILE_MIN = 32, PSEUDONYM_FILE_MAX = 4096 };

// What a pseudonym stands for: each has a key of its own, so that two never compare.
enum pseudonym_purpose {
	PSEUDONYM_CLIENT = 1,
	PSEUDONYM_TEXT, // the policy's `pseudonym` on strings
	PSEUDONYM_ID, // the same on keyed ids
	PSEUDONYM_FLOW,
	PSEUDONYM_EXCLUDED, // the excluded, in the policy's fingerprint
	PSEUDONYM_PURPOSE_COUNT,
};

// From the key file when `path` is given: a regular file, its owner root or the effective user,
// nobody else allowed to read or write it, 32 to 4096 octets, all of which are the key. Else from
// `seed` when that is not 0. Else from the kernel, for this run only. Returns 0, or -errno with
// *ret untouched and a problem.
int pseudonym_new(
	struct pseudonym **ret, const char *path, uint64_t seed, struct problems *problems);
void pseudonym_free(struct pseudonym *pseudonym); // wipes; accepts NULL

// HMAC-SHA-256 of the message under the purpose's key.
void pseudonym_make(const struct pseudonym *pseudonym, enum pseudonym_purpose purpose,
	const void *message, size_t len, uint8_t ret[32]);

// The same of messages that fit into one block of the hash with its end: the first `len` octets of
// each block, which is taken apart in the making. Many at a time cost half of what they do one by
// one (hmac_lanes.h).
enum { PSEUDONYM_BLOCK = 64, PSEUDONYM_SHORT_MAX = PSEUDONYM_BLOCK - 9 };
struct pseudonym_short {
	_Alignas(16) uint8_t block[PSEUDONYM_BLOCK]; // zero past `len`; out: the first 32 octets
	size_t len;
};
void pseudonym_make_short(const struct pseudonym *pseudonym, enum pseudonym_purpose purpose,
	struct pseudonym_short *messages, size_t count);

// The same for one word, by SipHash: for ids made by the million.
uint64_t pseudonym_word(const struct pseudonym *pseudonym, uint64_t word);
