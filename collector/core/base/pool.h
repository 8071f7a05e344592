// A pool: a fixed number of equal objects, reserved at start, taken and given back in O(1).
// Objects are known by index (32 bits), so that links stay small. One thread only.
//
// Pages are reserved and touched on first use: what a capture file never needs costs no memory.
// Objects are handed out lowest first, so that a small run stays in few pages.
#pragma once

#include "core/base/compiler.h"

#include <stddef.h>
#include <stdint.h>

#define POOL_NONE UINT32_MAX

struct pool {
	uint8_t *objects;
	uint32_t *free; // stack of indexes given back
	uint32_t free_count;
	uint32_t fresh; // objects from here on were never taken
	uint32_t max;
	uint32_t object_size;
	uint32_t odd_inverse, twos; // object_size is 2^twos times an odd number, this its inverse
	uint32_t used;
	uint32_t peak;
};

// Reserves `max` zeroed objects of `object_size` bytes (a multiple of 8). Returns 0 or -ENOMEM.
int pool_init(struct pool *pool, uint32_t max, uint32_t object_size);
void pool_fini(struct pool *pool);

// Touches all pages now, so that a live source never waits for one.
void pool_prefault(struct pool *pool);

static inline void *pool_at(const struct pool *pool, uint32_t idx)
{
	INVARIANT(idx < pool->max);
	return pool->objects + (size_t)idx * pool->object_size;
}

static inline uint32_t pool_index(const struct pool *pool, const void *object)
{
	size_t offset = (size_t)((const uint8_t *)object - pool->objects);

	// It divides without a rest, hence by multiplying (Granlund and Montgomery, "Division by
	// Invariant Integers using Multiplication", 1994, section 9).
	INVARIANT(offset % pool->object_size == 0);
	return (uint32_t)(offset >> pool->twos) * pool->odd_inverse;
}

// Index of an object whose content is whatever its last user left (zero if it had none), or
// POOL_NONE when all are taken.
static inline uint32_t pool_take(struct pool *pool)
{
	uint32_t idx;

	if (pool->free_count > 0)
		idx = pool->free[--pool->free_count];
	else if (pool->fresh < pool->max)
		idx = pool->fresh++;
	else
		return POOL_NONE;
	if (++pool->used > pool->peak)
		pool->peak = pool->used;
	return idx;
}

static inline void pool_give(struct pool *pool, uint32_t idx)
{
	INVARIANT(idx < pool->fresh && pool->free_count < pool->max);
	pool->free[pool->free_count++] = idx;
	pool->used--;
}

// Hint: the object that pool_take() hands out next will be written soon; nobody has touched it for
// long.
static inline void pool_fetch_next(const struct pool *pool)
{
	uint32_t idx = pool->free_count > 0 ? pool->free[pool->free_count - 1] : pool->fresh;

	if (idx < pool->max)
		prefetch_octets(pool_at(pool, idx), pool->object_size);
}

// Bytes of objects in use.
static inline size_t pool_used_bytes(const struct pool *pool)
{
	return (size_t)pool->used * pool->object_size;
}

// Bytes reserved in all.
static inline size_t pool_bytes(const struct pool *pool)
{
	return (size_t)pool->max * (pool->object_size + sizeof(uint32_t));
}
