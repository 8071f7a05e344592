// The pool of batches between ledger and export thread.
#include "core/record/batch.h"

#include "core/base/compiler.h"
#include "core/base/memory.h"

#include <errno.h>
#include <string.h>
#include <time.h>

enum { WAIT_NS = 100 * 1000 };

static size_t batches_bytes(const struct batch_pool *pool)
{
	return (size_t)pool->count * sizeof(struct batch);
}

static size_t rows_bytes(const struct batch_pool *pool)
{
	return (size_t)pool->count * pool->capacity;
}

int batch_pool_init(struct batch_pool *pool, uint32_t count, uint32_t capacity)
{
	uint32_t ring_count = 1;

	REQUIRE(count > BATCHES_FOR_HEALTH);
	memset(pool, 0, sizeof(*pool));
	pool->count = count;
	pool->capacity = capacity;
	while (ring_count < count)
		ring_count *= 2;
	pool->batches = memory_reserve(batches_bytes(pool));
	uint8_t *bytes = memory_reserve(rows_bytes(pool));
	pool->free = calloc(count, sizeof(struct batch *));
	if (pool->batches != NULL)
		pool->batches[0].bytes = bytes;
	if (pool->batches == NULL || bytes == NULL || pool->free == NULL ||
		ring_init(&pool->sealed, ring_count) < 0 ||
		ring_init(&pool->done, ring_count) < 0) {
		if (pool->batches == NULL)
			memory_release(bytes, rows_bytes(pool));
		batch_pool_fini(pool);
		return -ENOMEM;
	}
	for (uint32_t i = count; i-- > 0;) {
		pool->batches[i].bytes = bytes + (size_t)i * capacity;
		pool->batches[i].capacity = capacity;
		pool->free[pool->free_count++] = &pool->batches[i];
	}
	return 0;
}

void batch_pool_fini(struct batch_pool *pool)
{
	if (pool->batches != NULL)
		memory_release(pool->batches[0].bytes, rows_bytes(pool));
	memory_release(pool->batches, batches_bytes(pool));
	free(pool->free);
	ring_fini(&pool->sealed);
	ring_fini(&pool->done);
	memset(pool, 0, sizeof(*pool));
}

size_t batch_pool_bytes(const struct batch_pool *pool)
{
	return batches_bytes(pool) + rows_bytes(pool);
}

// How many empty batches must stay for others: when export is slow flows are lost first, then
// usage, then clients, health last.
static uint32_t kept_back(const struct batch_pool *pool, enum record_type type)
{
	switch (type) {
	case RECORD_HEALTH:
	case RECORD_ERASURE:
		return 0;
	case RECORD_CLIENT:
		return BATCHES_FOR_HEALTH;
	case RECORD_USAGE:
		return BATCHES_FOR_HEALTH + pool->count / 32;
	default:
		return BATCHES_FOR_HEALTH + pool->count / 16;
	}
}

static void collect_done(struct batch_pool *pool)
{
	for (struct batch *batch; (batch = ring_take(&pool->done)) != NULL;)
		pool->free[pool->free_count++] = batch;
}

struct batch *batch_pool_take(struct batch_pool *pool, enum record_type type, bool wait)
{
	uint32_t keep = wait ? 0 : kept_back(pool, type);

	collect_done(pool);
	while (pool->free_count <= keep) {
		if (!wait || (pool->give_up != NULL && pool->give_up(pool->give_up_arg)))
			return NULL;
		nanosleep(&(struct timespec){.tv_nsec = WAIT_NS}, NULL);
		collect_done(pool);
	}
	struct batch *batch = pool->free[--pool->free_count];
	batch->type = (uint8_t)type;
	batch->size = 0;
	batch->count = 0;
	return batch;
}

void batch_pool_seal(struct batch_pool *pool, struct batch *batch)
{
	bool sealed = ring_put(&pool->sealed, batch);
	REQUIRE(sealed);
}

struct batch *batch_pool_next(struct batch_pool *pool)
{
	return ring_take(&pool->sealed);
}

void batch_pool_done(struct batch_pool *pool, struct batch *batch)
{
	bool done = ring_put(&pool->done, batch);
	REQUIRE(done);
}
