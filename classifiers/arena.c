// A capped heap: four size classes to each power of two, a free list for each. A block is never
// split or joined, which is right for a library that asks for the same sizes again and again.
#include "classifiers/arena.h"

#include "core/base/compiler.h"
#include "core/base/memory.h"

#include <errno.h>
#include <string.h>

enum { BLOCK_ALIGN = 16, BLOCK_MIN = 32 };

// Stands before each block; as long as the alignment.
struct block {
	_Alignas(BLOCK_ALIGN) uint32_t class;
};
static_assert(sizeof(struct block) == BLOCK_ALIGN);

int arena_init(struct arena *arena, size_t size)
{
	memset(arena, 0, sizeof(*arena));
	arena->memory = memory_reserve(size);
	if (arena->memory == NULL)
		return -ENOMEM;
	arena->size = size;
	return 0;
}

void arena_fini(struct arena *arena)
{
	memory_release(arena->memory, arena->size);
	memset(arena, 0, sizeof(*arena));
}

void arena_prefault(struct arena *arena)
{
	memory_prefault(arena->memory, arena->size);
}

// Octets of a block of this class, header included: 32, 48, 48, 64, 64, 80, 96, 112, 128, 160, ...
static size_t class_size(uint32_t class)
{
	size_t size = ((size_t)BLOCK_MIN << class / 4) / 4 * (4 + class % 4);

	return (size + BLOCK_ALIGN - 1) & ~(size_t)(BLOCK_ALIGN - 1);
}

static uint32_t class_of(size_t size)
{
	if (size <= BLOCK_MIN)
		return 0;
	uint32_t log = 63 - (uint32_t)__builtin_clzll(size - 1); // 2^log < size <= 2^(log + 1)
	uint32_t quarter = (uint32_t)((size - 1) >> (log - 2)) & 3; // 1 + quarter quarters more
	return (log - 5) * 4 + quarter + 1;
}

void *arena_take(struct arena *arena, size_t size)
{
	uint32_t class = class_of(size + sizeof(struct block));

	if (size > arena->size || class >= ARENA_CLASSES) {
		arena->full = true;
		return NULL;
	}
	size_t whole = class_size(class);
	struct block *block = arena->free[class];

	if (block != NULL) {
		memcpy(&arena->free[class], block + 1, sizeof(void *));
	} else if (whole <= arena->size - arena->fresh) {
		block = (struct block *)(arena->memory + arena->fresh);
		arena->fresh += whole;
		block->class = class;
	} else {
		arena->full = true;
		return NULL;
	}
	arena->used += whole;
	arena->peak = MAX(arena->peak, arena->used);
	return block + 1;
}

void arena_give(struct arena *arena, void *memory)
{
	struct block *block = (struct block *)memory - 1;

	REQUIRE(arena_owns(arena, block) && block->class < ARENA_CLASSES);
	memcpy(memory, &arena->free[block->class], sizeof(void *));
	arena->free[block->class] = block;
	arena->used -= class_size(block->class);
}

bool arena_owns(const struct arena *arena, const void *memory)
{
	return (const uint8_t *)memory >= arena->memory &&
		(const uint8_t *)memory < arena->memory + arena->size;
}
