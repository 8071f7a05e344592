// A pool of equal objects: its memory.
#include "core/base/pool.h"

#include "core/base/memory.h"

#include <errno.h>
#include <string.h>

int pool_init(struct pool *pool, uint32_t max, uint32_t object_size)
{
	REQUIRE(object_size > 0 && object_size % 8 == 0 && max < POOL_NONE);
	memset(pool, 0, sizeof(*pool));
	pool->max = max;
	pool->object_size = object_size;
	pool->twos = (uint32_t)__builtin_ctz(object_size);
	uint32_t odd = object_size >> pool->twos, inverse = odd; // of the last three bits
	for (unsigned bits = 3; bits < 32; bits *= 2)
		inverse *= 2 - odd * inverse; // Newton: twice as many
	pool->odd_inverse = inverse;
	pool->objects = memory_reserve((size_t)max * object_size);
	pool->free = memory_reserve((size_t)max * sizeof(uint32_t));
	if (pool->objects == NULL || pool->free == NULL) {
		pool_fini(pool);
		return -ENOMEM;
	}
	return 0;
}

void pool_fini(struct pool *pool)
{
	memory_release(pool->objects, (size_t)pool->max * pool->object_size);
	memory_release(pool->free, (size_t)pool->max * sizeof(uint32_t));
	memset(pool, 0, sizeof(*pool));
}

void pool_prefault(struct pool *pool)
{
	memory_prefault(pool->objects, (size_t)pool->max * pool->object_size);
	memory_prefault(pool->free, (size_t)pool->max * sizeof(uint32_t));
}
