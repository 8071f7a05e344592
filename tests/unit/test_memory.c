// Memory is there before it is used, unless somebody wants the program to end.
#include "core/base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include <cmocka.h>

enum { PAGE = 4096, PAGES = 1000, BYTES = PAGES * PAGE };

static unsigned pages_there(uint8_t *memory)
{
	unsigned char there[PAGES];
	unsigned count = 0;

	assert_int_equal(mincore(memory, BYTES, there), 0);
	for (unsigned i = 0; i < PAGES; i++)
		count += there[i] & 1;
	return count;
}

static void test_prefault(void **)
{
	static volatile sig_atomic_t stop;
	uint8_t *memory = memory_reserve(BYTES);

	assert_non_null(memory);
	assert_int_equal(pages_there(memory), 0);
	memory[PAGE] = 7;
	stop = 1;
	memory_prefault_until(&stop);
	memory_prefault(memory, BYTES);
	assert_true(pages_there(memory) < PAGES); // one, or a huge one
	stop = 0;
	memory_prefault(memory, BYTES);
	assert_int_equal(pages_there(memory), PAGES);
	assert_int_equal(memory[PAGE], 7);
	memory_prefault_until(NULL);
	memory_release(memory, BYTES);
	memory_release(NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_prefault)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
