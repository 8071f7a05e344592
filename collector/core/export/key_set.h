// A set of client keys: those whose rows a segment holds, so that erasure finds its segments.
// Grows with what it holds; the segment's writer bounds it. Export thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
	KEY_SET_KEY_SIZE = 16,
	KEY_SET_MAX = (1 << 20) - 1,
};

struct key_set {
	uint8_t (*keys)[KEY_SET_KEY_SIZE]; // in the order added
	uint32_t count;
	uint32_t *slots; // index + 1 into keys, above it some of the key; 0: empty
	uint32_t slot_count; // a power of two, or 0
};

// Keys are outputs of a keyed hash, so their own first octets spread them.
static inline uint32_t key_set_hash(const uint8_t key[KEY_SET_KEY_SIZE])
{
	uint32_t hash;

	memcpy(&hash, key, sizeof(hash));
	return hash;
}

// Adds `key`; *ret_new says whether it was not there. A key of zeros is no key and never new.
// Returns 0 or -ENOMEM, also when it holds KEY_SET_MAX.
int key_set_add(struct key_set *set, const uint8_t key[KEY_SET_KEY_SIZE], bool *ret_new);

// Fetches ahead what key_set_add() will look at.
static inline void key_set_prefetch(const struct key_set *set, const uint8_t key[KEY_SET_KEY_SIZE])
{
	if (set->slots != NULL)
		__builtin_prefetch(&set->slots[key_set_hash(key) & (set->slot_count - 1)]);
}

// The keys, sorted, into `sorted`, which has room for them all. Until key_set_clear() nothing can
// be added.
void key_set_sort(struct key_set *set, uint8_t (*sorted)[KEY_SET_KEY_SIZE]);

void key_set_clear(struct key_set *set); // keeps the memory
void key_set_fini(struct key_set *set);
