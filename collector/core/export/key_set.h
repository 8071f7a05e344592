// A set of client keys: those whose rows a segment holds, so that erasure finds its segments.
// Grows with what it holds; the segment's writer bounds it. Export thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { KEY_SET_KEY_SIZE = 16 };

struct key_set {
	uint8_t (*keys)[KEY_SET_KEY_SIZE]; // in the order added
	uint32_t count;
	uint32_t *slots; // index + 1 into keys; 0: empty
	uint32_t slot_count; // a power of two, or 0
};

// Adds `key`; *ret_new says whether it was not there. A key of zeros is no key and never new.
// Returns 0 or -ENOMEM.
int key_set_add(struct key_set *set, const uint8_t key[KEY_SET_KEY_SIZE], bool *ret_new);

// Sorts the keys; until key_set_clear() nothing can be added. Returns 0 or -ENOMEM.
int key_set_sort(struct key_set *set);

void key_set_clear(struct key_set *set); // keeps the memory
void key_set_fini(struct key_set *set);
