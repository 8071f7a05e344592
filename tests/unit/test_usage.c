// Usage: windows, seconds in which something was active, members, and what does not fit.
#include "core/client/usage.h"

#include "core/client/client_table.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct counters counters;

static void open_usage(struct usage *usage, uint32_t rows_max, uint32_t window_s, bool by_client)
{
	struct usage_settings settings = {.rows_max = rows_max,
		.window_s = window_s,
		.idle_ns = 60 * NS_PER_S,
		.by_client = by_client,
		.key = hash_key_new(1, 1)};

	memset(&counters, 0, sizeof(counters));
	assert_int_equal(usage_init(usage, &settings, &counters), 0);
}

static struct usage_delta delta_of(double start_s, double end_s, uint16_t application)
{
	return (struct usage_delta){.start_s = (uint64_t)start_s,
		.end_s = (uint64_t)end_s,
		.application = application,
		.category = (uint16_t)(application / 10),
		.bytes_up = 1,
		.bytes_down = 2,
		.packets_up = 3,
		.packets_down = 4,
		.retransmissions = 5,
		.flows = 1,
		.flows_failed = 1};
}

static struct client_table no_clients;

static void test_active_seconds(void **)
{
	struct usage usage;
	struct client client = {.serial = 1};
	static const struct {
		double start_s, end_s;
		uint32_t active_s;
	} steps[] = {
		{610.2, 610.3, 1}, // part of a second
		{610.9, 610.95, 1}, // the same second
		{612.0, 615.0, 5}, // 612 to 615
		{613.0, 616.5, 6}, // overlaps
		{100.0, 600.5, 7}, // only what lies in the window
		{700.0, 899.999, 207}, // to its last second, over words
		{600.0, 899.9, 300}, // all of it
	};

	open_usage(&usage, 16, 300, true);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct usage_delta delta = delta_of(steps[i].start_s, steps[i].end_s, 7);
		usage_book(&usage, &client, &delta);
		struct usage_window *window = usage_due(&usage, UINT64_MAX);
		assert_int_equal(window->start_s, 600);
		assert_int_equal(usage_active_s(&usage, usage_next(&usage, window, NULL)),
			steps[i].active_s);
	}
	struct usage_window *window = usage_due(&usage, UINT64_MAX);
	const struct usage_entry *entry = usage_next(&usage, window, NULL);
	assert_int_equal(entry->numbers.bytes_down, 14);
	assert_int_equal(entry->numbers.packets_up, 21);
	assert_int_equal(entry->numbers.retransmissions, 35);
	assert_int_equal(entry->numbers.flows, 7);
	assert_null(usage_next(&usage, window, entry));
	usage_fini(&usage);
}

static void test_long_windows_count_in_steps(void **)
{
	struct usage usage;
	struct client client = {.serial = 1};

	open_usage(&usage, 16, 86400, true);
	struct usage_delta delta = delta_of(86400 + 3600, 86400 + 7199, 7);
	usage_book(&usage, &client, &delta);
	struct usage_window *window = usage_due(&usage, UINT64_MAX);
	assert_int_equal(usage_active_s(&usage, usage_next(&usage, window, NULL)), 3600);
	delta = delta_of(86400, 2 * 86400 - 0.5, 7);
	usage_book(&usage, &client, &delta);
	assert_int_equal(usage_active_s(&usage, usage_next(&usage, window, NULL)), 86400);
	usage_fini(&usage);
}

static void test_due(void **)
{
	struct usage usage;
	struct client client = {.serial = 1};

	open_usage(&usage, 16, 300, true);
	assert_null(usage_due(&usage, UINT64_MAX));
	struct usage_delta delta = delta_of(899, 900, 7), before = delta_of(10, 20, 7);
	usage_book(&usage, &client, &delta);
	usage_book(&usage, &client, &before);
	assert_null(usage_due(&usage, 359 * NS_PER_S));
	struct usage_window *window = usage_due(&usage, 360 * NS_PER_S);
	assert_int_equal(window->start_s, 0);
	usage_close(&usage, window, &no_clients);
	assert_null(usage_due(&usage, 1259 * NS_PER_S));
	assert_int_equal(usage_due(&usage, 1260 * NS_PER_S)->start_s, 900);
	usage_close(&usage, usage_due(&usage, UINT64_MAX), &no_clients);
	assert_int_equal(usage.entries.used, 0);
	usage_fini(&usage);
}

static void test_rows_by_client_and_application(void **)
{
	struct usage usage;
	struct client a = {.serial = 1}, b = {.serial = 2};
	struct usage_delta web = delta_of(1, 2, 70), dns = delta_of(1, 2, 50);

	open_usage(&usage, 16, 300, true);
	web.category = 0;
	usage_book(&usage, &a, &web);
	usage_book(&usage, &b, &web);
	usage_book(&usage, &a, &dns);
	web.category = 9; // known by now
	usage_book(&usage, &a, &web);
	struct usage_window *window = usage_due(&usage, UINT64_MAX);
	const struct usage_entry *entry = usage_next(&usage, window, NULL);
	assert_true(usage_client(entry) == 1 && entry->application == 70 && entry->category == 9);
	assert_int_equal(entry->numbers.flows, 2);
	entry = usage_next(&usage, window, entry);
	assert_true(usage_client(entry) == 2 && entry->application == 70);
	entry = usage_next(&usage, window, entry);
	assert_true(usage_client(entry) == 1 && entry->application == 50);
	assert_null(usage_next(&usage, window, entry));
	usage_fini(&usage);
}

static void test_full_folds_into_other(void **)
{
	struct usage usage;
	struct client clients[4];

	for (unsigned i = 0; i < 4; i++)
		clients[i] = (struct client){.serial = i + 1, .standing = CLIENT_AGAIN};
	open_usage(&usage, 4, 300, true);
	for (unsigned i = 0; i < 40; i++) {
		struct usage_delta delta = delta_of(1, 2, (uint16_t)(i / 4));
		usage_book(&usage, &clients[i % 4], &delta);
		struct client *const ends[2] = {&clients[i % 4], NULL};
		usage_book_total(&usage, ends, &delta);
	}
	struct usage_window *window = usage_due(&usage, UINT64_MAX);
	assert_int_equal(window->count, 4);
	assert_int_equal(window->other->numbers.flows, 36);
	assert_int_equal(window->other->members, 4);
	assert_int_equal(window->total->numbers.flows, 40);
	assert_int_equal(window->total->members, 4);
	assert_int_equal(counters.value[COUNTER_usage_folded], 36);
	usage_close(&usage, window, &no_clients);
	assert_int_equal(usage.entries.used, 0);
	usage_fini(&usage);
}

// Who was met once leaves half of the rows to the others.
static void test_half_for_who_was_met_once(void **)
{
	struct usage usage;
	struct client once = {.serial = 1, .standing = CLIENT_ONCE},
		      again = {.serial = 2, .standing = CLIENT_AGAIN};

	open_usage(&usage, 256, 300, true);
	for (unsigned i = 0; i < 200; i++) {
		struct usage_delta delta = delta_of(1, 2, (uint16_t)i);
		usage_book(&usage, &once, &delta);
	}
	assert_int_equal(counters.value[COUNTER_usage_folded], 200 - 128);
	for (unsigned i = 0; i < 200; i++) {
		struct usage_delta delta = delta_of(1, 2, (uint16_t)i);
		usage_book(&usage, &again, &delta);
	}
	assert_int_equal(counters.value[COUNTER_usage_folded], 400 - 256);
	usage_fini(&usage);
}

// Clients are members of a window's total once, in each window, and anew in one that comes late.
static void test_members(void **)
{
	struct usage usage;
	struct client_table table;

	assert_int_equal(client_table_init(&table, 64, 64, 0, hash_key_new(1, 1)), 0);
	open_usage(&usage, 16, 300, true);
	struct client *ends[2];
	for (uint8_t i = 0; i < 2; i++) {
		struct identity id = identity_of_mac(0, (const uint8_t[6]){0, 0, 0, 0, 1, i});
		ends[i] = client_table_add(&table, &id, client_bucket(&table, &id));
	}
	static const double times[] = {10, 400, 20, 700, 410, 30};
	for (size_t i = 0; i < 6; i++) {
		struct usage_delta delta = delta_of(times[i], times[i], 7);
		usage_book_total(&usage, ends, &delta);
	}
	for (unsigned w = 0; w < 3; w++) {
		struct usage_window *window = usage_due(&usage, UINT64_MAX);
		assert_int_equal(window->start_s, 300 * w);
		assert_int_equal(window->total->members, 2);
		usage_close(&usage, window, &table);
	}
	struct usage_delta late = delta_of(11, 12, 7);
	struct client *const one[2] = {NULL, ends[1]};
	usage_book_total(&usage, one, &late);
	usage_book_total(&usage, one, &late);
	assert_int_equal(usage_due(&usage, UINT64_MAX)->total->members, 1);
	usage_fini(&usage);
	client_table_fini(&table);
}

// So with what found no row, where a late one is booked anew.
static void test_members_of_other(void **)
{
	struct usage usage;
	struct client_table table;

	assert_int_equal(client_table_init(&table, 64, 64, 0, hash_key_new(1, 1)), 0);
	open_usage(&usage, 4, 300, true);
	struct identity id = identity_of_mac(0, (const uint8_t[6]){0, 0, 0, 0, 1, 1});
	struct client *client = client_table_add(&table, &id, client_bucket(&table, &id));
	client->standing = CLIENT_AGAIN;
	for (unsigned round = 0; round < 2; round++) {
		for (uint16_t application = 0; application < 8; application++) {
			struct usage_delta delta = delta_of(10, 11, application);
			usage_book(&usage, client, &delta);
		}
		struct usage_window *window = usage_due(&usage, UINT64_MAX);
		assert_int_equal(window->other->numbers.flows, 4);
		assert_int_equal(window->other->members, 1);
		usage_close(&usage, window, &table);
	}
	usage_fini(&usage);
	client_table_fini(&table);
}

static void test_by_category(void **)
{
	struct usage usage;
	struct client a = {.serial = 1}, b = {.serial = 2};
	struct client *const both[2] = {&a, &b}, *const only_b[2] = {&b, NULL};
	struct usage_delta first = delta_of(1, 2, 70), second = delta_of(5, 5, 71),
			   other = delta_of(1, 2, 80);

	open_usage(&usage, 16, 3600, false);
	usage_book(&usage, &a, &first); // does nothing: no rows by client
	assert_null(usage_due(&usage, UINT64_MAX));
	usage_book_category(&usage, both, &first);
	usage_book_category(&usage, only_b, &second);
	usage_book_category(&usage, only_b, &other);
	struct usage_window *window = usage_due(&usage, UINT64_MAX);
	const struct usage_entry *entry = usage_next(&usage, window, NULL);
	assert_true(usage_client(entry) == 0 && entry->category == 7);
	assert_int_equal(entry->numbers.flows, 2);
	assert_int_equal(entry->members, 2);
	assert_int_equal(usage_active_s(&usage, entry), 3);
	entry = usage_next(&usage, window, entry);
	assert_int_equal(entry->category, 8);
	assert_int_equal(entry->members, 1);
	assert_null(usage_next(&usage, window, entry));
	usage_fini(&usage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_active_seconds),
		cmocka_unit_test(test_long_windows_count_in_steps),
		cmocka_unit_test(test_due),
		cmocka_unit_test(test_rows_by_client_and_application),
		cmocka_unit_test(test_full_folds_into_other),
		cmocka_unit_test(test_half_for_who_was_met_once),
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_members_of_other),
		cmocka_unit_test(test_by_category),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
