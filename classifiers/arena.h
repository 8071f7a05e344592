// A capped heap for a library that allocates by itself: size classes with free lists, in memory
// reserved at start. Full means NULL, and it is remembered. One thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ARENA_CLASSES = 96 };

struct arena {
	uint8_t *memory;
	size_t size;
	size_t fresh; // octets from here on were never handed out
	size_t used, peak; // octets handed out, headers included
	bool full; // a request has failed; whoever looks, clears it
	void *free[ARENA_CLASSES];
};

// Returns 0 or -ENOMEM.
int arena_init(struct arena *arena, size_t size);
void arena_fini(struct arena *arena);
void arena_prefault(struct arena *arena);

// Memory aligned to 16 octets, not zeroed; or NULL, and `full` is set.
void *arena_take(struct arena *arena, size_t size);
void arena_give(struct arena *arena, void *memory);
bool arena_owns(const struct arena *arena, const void *memory);
