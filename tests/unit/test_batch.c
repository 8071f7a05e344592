// The pool of batches: who gets the last ones, and what goes round between two threads.
#include "core/record/batch.h"

#include "core/base/compiler.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static uint32_t take_all(struct batch_pool *pool, enum record_type type)
{
	uint32_t taken = 0;

	for (struct batch *batch; (batch = batch_pool_take(pool, type, false)) != NULL; taken++)
		assert_int_equal(batch->type, type);
	return taken;
}

// Flows are refused first, then usage, then clients; health gets the very last.
static void test_order_of_loss(void **)
{
	struct batch_pool pool;

	assert_int_equal(batch_pool_init(&pool, 64, 1024), 0);
	assert_true(batch_pool_bytes(&pool) >= 64 * 1024);
	assert_int_equal(take_all(&pool, RECORD_FLOW), 58);
	assert_int_equal(take_all(&pool, RECORD_FLOW), 0);
	assert_int_equal(take_all(&pool, RECORD_USAGE), 2);
	assert_int_equal(take_all(&pool, RECORD_CLIENT), 2);
	assert_int_equal(take_all(&pool, RECORD_HEALTH), 2);
	assert_int_equal(take_all(&pool, RECORD_HEALTH), 0);
	batch_pool_fini(&pool);
}

// Who may wait takes any.
static void test_waiting_takes_the_last(void **)
{
	struct batch_pool pool;

	assert_int_equal(batch_pool_init(&pool, 8, 1024), 0);
	for (unsigned i = 0; i < 8; i++)
		assert_non_null(batch_pool_take(&pool, RECORD_FLOW, true));
	batch_pool_fini(&pool);
}

enum { ROUNDS = 20000 };

// The export thread: gives back what it gets, in order.
static void *export_all(void *arg)
{
	struct batch_pool *pool = arg;

	for (uint32_t next = 0; next < ROUNDS;) {
		struct batch *batch = batch_pool_next(pool);
		if (batch == NULL)
			continue;
		uint32_t number;
		memcpy(&number, batch->bytes, sizeof(number));
		if (number != next++ || batch->size != sizeof(number))
			return pool;
		batch_pool_done(pool, batch);
	}
	return NULL;
}

static void test_round(void **)
{
	struct batch_pool pool;
	pthread_t thread;
	void *wrong;

	assert_int_equal(batch_pool_init(&pool, 5, 64), 0);
	assert_int_equal(pthread_create(&thread, NULL, export_all, &pool), 0);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		struct batch *batch = batch_pool_take(&pool, RECORD_FLOW, true);
		assert_int_equal(batch->size, 0);
		assert_int_equal(batch->count, 0);
		memcpy(batch->bytes, &i, sizeof(i));
		batch->size = sizeof(i);
		batch->count = 1;
		batch_pool_seal(&pool, batch);
	}
	pthread_join(thread, &wrong);
	assert_null(wrong);
	assert_null(batch_pool_next(&pool));
	batch_pool_fini(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_of_loss),
		cmocka_unit_test(test_waiting_takes_the_last),
		cmocka_unit_test(test_round),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
