// The capped heap for a library: blocks do not overlap, come back, and end with NULL.
#include "classifiers/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { SIZE = 1 << 20, BLOCKS = 400 };

static uint32_t random_state = 1;

static uint32_t random_next(uint32_t below)
{
	random_state = random_state * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)random_state * below >> 32);
}

static void test_blocks_keep_what_is_written(void **)
{
	struct arena arena;
	uint8_t *blocks[BLOCKS] = {0};
	size_t sizes[BLOCKS];

	assert_int_equal(arena_init(&arena, SIZE), 0);
	for (unsigned round = 0; round < 50000; round++) {
		unsigned i = random_next(BLOCKS);
		if (blocks[i] != NULL) {
			for (size_t n = 0; n < sizes[i]; n++)
				assert_int_equal(blocks[i][n], i % 256);
			arena_give(&arena, blocks[i]);
			blocks[i] = NULL;
			continue;
		}
		sizes[i] = random_next(4) == 0 ? random_next(3000) : random_next(100);
		blocks[i] = arena_take(&arena, sizes[i]);
		assert_non_null(blocks[i]);
		assert_int_equal((uintptr_t)blocks[i] % 16, 0);
		assert_true(arena_owns(&arena, blocks[i]));
		assert_true(blocks[i] + sizes[i] <= arena.memory + arena.size);
		memset(blocks[i], (int)(i % 256), sizes[i]);
	}
	for (unsigned i = 0; i < BLOCKS; i++)
		if (blocks[i] != NULL)
			arena_give(&arena, blocks[i]);
	assert_int_equal(arena.used, 0);
	assert_true(arena.peak > 0);
	assert_false(arena.full);
	arena_fini(&arena);
}

static void test_full(void **)
{
	struct arena arena;
	void *blocks[64];
	unsigned count = 0;

	assert_int_equal(arena_init(&arena, 4096), 0);
	while ((blocks[count] = arena_take(&arena, 200)) != NULL)
		count++;
	assert_int_equal(count, 4096 / 224); // 200 and a header of 16 make a block of 224
	assert_true(arena.full);
	arena.full = false;
	assert_null(arena_take(&arena, SIZE_MAX));
	assert_true(arena.full);
	arena.full = false;
	arena_give(&arena, blocks[3]);
	assert_ptr_equal(arena_take(&arena, 190), blocks[3]);
	assert_false(arena.full);
	assert_false(arena_owns(&arena, &arena));
	arena_fini(&arena);
}

// Every size gets a block that holds it and wastes at most half of it.
static void test_sizes(void **)
{
	struct arena arena;

	assert_int_equal(arena_init(&arena, (size_t)16 << 20), 0);
	for (size_t size = 0; size < 300000; size += 1 + size / 50) {
		size_t fresh = arena.fresh;
		uint8_t *block = arena_take(&arena, size);
		assert_non_null(block);
		size_t whole = arena.used;
		assert_true(block + size <= arena.memory + fresh + whole || fresh == arena.fresh);
		assert_true(whole >= size + 16 && whole <= size + size / 3 + 48);
		arena_give(&arena, block);
	}
	arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocks_keep_what_is_written),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_sizes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
