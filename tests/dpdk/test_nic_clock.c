// The time of day of a NIC's ticks, from readings of its clock and ours.
#include "../../dpdk-app/nic_clock.h"
#include "core/base/compiler.h"
#include "core/packet/capture_clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define WALL UINT64_C(1700000000000000000)
#define FIRST_TICKS (UINT64_C(1) << 52)

// A clock of `mhz` that runs `ppm` too fast.
struct nic {
	double mhz, ppm;
};

static uint64_t ticks_at(const struct nic *nic, uint64_t ns)
{
	return FIRST_TICKS + (uint64_t)((double)ns * nic->mhz / 1000 * (1 + nic->ppm / 1e6));
}

static void read_at(struct nic_clock *clock, const struct nic *nic, uint64_t ns)
{
	nic_clock_read(clock, ticks_at(nic, ns), 5000 + ns, WALL + ns);
}

static void assert_about(uint64_t got, uint64_t wanted, uint64_t within)
{
	assert_in_range(got, wanted - within, wanted + within);
}

static void test_rates(void **)
{
	static const struct nic nics[] = {{1000, 0}, {156.25, 30}, {78.125, -80}, {2400, 5}};

	for (size_t i = 0; i < ARRAY_COUNT(nics); i++) {
		struct nic_clock clock = {0};
		for (uint64_t s = 0; s < 100; s++) {
			read_at(&clock, &nics[i], s * NS_PER_S);
			if (s == 0)
				continue;
			// Before the reading, between two, and until the next.
			for (uint64_t ms = 0; ms < 2000; ms += 100) {
				uint64_t ns = s * NS_PER_S - NS_PER_S + ms * NS_PER_MS;
				assert_about(nic_clock_time(&clock, ticks_at(&nics[i], ns)),
					WALL + ns, 1000);
			}
		}
	}
}

static void test_not_known_yet(void **)
{
	static const struct nic nic = {1000, 0};
	struct nic_clock clock = {0};

	assert_true(nic_clock_time(&clock, FIRST_TICKS) == CAPTURE_NO_TIME);
	read_at(&clock, &nic, 0);
	assert_true(nic_clock_time(&clock, FIRST_TICKS) == CAPTURE_NO_TIME);
	read_at(&clock, &nic, NIC_CLOCK_BASE_NS - 1);
	assert_true(nic_clock_time(&clock, FIRST_TICKS) == CAPTURE_NO_TIME);
	read_at(&clock, &nic, NIC_CLOCK_BASE_NS);
	assert_about(nic_clock_time(&clock, FIRST_TICKS), WALL, 1000);
}

// The wall clock is set: ticks are of the new time from the next reading on.
static void test_wall_clock_is_set(void **)
{
	static const struct nic nic = {1000, 0};
	struct nic_clock clock = {0};

	read_at(&clock, &nic, 0);
	read_at(&clock, &nic, NS_PER_S);
	nic_clock_read(
		&clock, ticks_at(&nic, 2 * NS_PER_S), 5000 + 2 * NS_PER_S, WALL + 3600 * NS_PER_S);
	assert_about(nic_clock_time(&clock, ticks_at(&nic, 2 * NS_PER_S + 500)),
		WALL + 3600 * NS_PER_S + 500, 10);
}

static void test_no_tick_of_this_clock(void **)
{
	static const struct nic nic = {1000, 0};
	struct nic_clock clock = {0};

	read_at(&clock, &nic, 0);
	read_at(&clock, &nic, NS_PER_S);
	assert_true(nic_clock_time(&clock, 0) == CAPTURE_NO_TIME);
	assert_true(nic_clock_time(&clock, UINT64_MAX) == CAPTURE_NO_TIME);
	assert_true(nic_clock_time(&clock, ticks_at(&nic, 12 * NS_PER_S)) == CAPTURE_NO_TIME);
	assert_about(
		nic_clock_time(&clock, ticks_at(&nic, 10 * NS_PER_S)), WALL + 10 * NS_PER_S, 1000);
}

// A NIC that was reset counts from the beginning: nothing is known of it for a while.
static void test_reset(void **)
{
	static const struct nic nic = {1000, 0};
	struct nic_clock clock = {0};

	read_at(&clock, &nic, 0);
	read_at(&clock, &nic, NS_PER_S);
	nic_clock_read(&clock, 77, 5000 + 2 * NS_PER_S, WALL + 2 * NS_PER_S);
	assert_true(nic_clock_time(&clock, 77) == CAPTURE_NO_TIME);
	nic_clock_read(&clock, 77 + NS_PER_S, 5000 + 3 * NS_PER_S, WALL + 3 * NS_PER_S);
	assert_about(nic_clock_time(&clock, 77), WALL + 2 * NS_PER_S, 1000);
	// One that stands still has no rate.
	nic_clock_read(&clock, 77 + NS_PER_S, 5000 + 4 * NS_PER_S, WALL + 4 * NS_PER_S);
	assert_true(nic_clock_time(&clock, 77 + NS_PER_S) == CAPTURE_NO_TIME);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_not_known_yet),
		cmocka_unit_test(test_wall_clock_is_set),
		cmocka_unit_test(test_no_tick_of_this_clock),
		cmocka_unit_test(test_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
