// What is worked out of a port. Both directions of a flow land on one receive queue: by the key
// that it is configured with and DPDK's own Toeplitz hash, for random ends. And how long one may
// rest.
#include "../../dpdk-app/port.h"

#include <rte_thash.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { TUPLES = 20000, QUEUES = 4, WORDS_MAX = 9 };

static uint64_t state = 1;

static uint32_t random_word(void)
{
	state = state * 6364136223846793005 + 1442695040888963407;
	return (uint32_t)(state >> 32);
}

// Addresses of `words` words each, then both ports in one word; exchanged.
static void exchange(const uint32_t *tuple, uint32_t *ret, unsigned words)
{
	memcpy(ret, tuple + words, words * sizeof(*tuple));
	memcpy(ret + words, tuple, words * sizeof(*tuple));
	ret[2 * words] = tuple[2 * words] << 16 | tuple[2 * words] >> 16;
}

static void check(unsigned words)
{
	unsigned on_queue[QUEUES] = {0};

	for (unsigned i = 0; i < TUPLES; i++) {
		uint32_t there[WORDS_MAX], back[WORDS_MAX];
		for (unsigned w = 0; w <= 2 * words; w++)
			there[w] = random_word();
		exchange(there, back, words);
		uint32_t hash = rte_softrss(there, 2 * words + 1, port_symmetric_key);
		assert_int_equal(hash, rte_softrss(back, 2 * words + 1, port_symmetric_key));
		on_queue[hash % QUEUES]++;
	}
	for (unsigned q = 0; q < QUEUES; q++) // and all queues have work
		assert_in_range(on_queue[q], TUPLES / QUEUES / 2, TUPLES / QUEUES * 2);
}

static void test_ip4(void **)
{
	check(1);
}

static void test_ip6(void **)
{
	check(4);
}

// 2048 of the smallest frames, 67.2 ns each, take 137.6 us at 10 Gb/s.
static void test_rest(void **)
{
	assert_int_equal(port_rest_of(2048, 1000), 344064);
	assert_int_equal(port_rest_of(512, 1000), 86016);
	assert_int_equal(port_rest_of(4096, 10000), 68812);
	assert_int_equal(port_rest_of(4096, UINT32_MAX), 68812); // nobody knows
	assert_int_equal(port_rest_of(2048, 10000), 50000); // at the least
	assert_int_equal(port_rest_of(4096, 400000), 50000);
	assert_int_equal(port_rest_of(4096, 100), 1000000); // at the most
	assert_int_equal(port_rest_of(64, 0), 1000000); // no link
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ip4),
		cmocka_unit_test(test_ip6),
		cmocka_unit_test(test_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
