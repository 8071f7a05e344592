// The export thread, with exporters that are slow, refuse, lose or fail.
#include "batches.h"

#include "core/export/export.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

// An exporter that does as the test says.
struct exporter {
	struct export_done *done;
	struct batch *held[64];
	unsigned held_count;
};

enum behaviour {
	DELIVERS,
	SLOW, // 30 ms a batch
	REFUSES, // always
	REFUSES_EVERY_OTHER,
	HOLDS, // takes all and delivers at idle(), one at a time
	HOLDS_FOR_EVER,
	LOSES,
};

static _Atomic enum behaviour behaviour;
static _Atomic bool up;
static _Atomic unsigned polls, idles, submits;
static char thread_name[16];

static void pause_ms(long ms)
{
	nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static int fake_open(struct exporter **ret, const struct exporter_config *config, char error[])
{
	if (config->to_stdout) {
		snprintf(error, EXPORTER_ERROR_SIZE, "this exporter has no standard output");
		return -EINVAL;
	}
	*ret = calloc(1, sizeof(**ret));
	assert_non_null(*ret);
	(*ret)->done = config->done;
	return 0;
}

static void deliver(struct exporter *e, struct batch *batch)
{
	export_delivered(e->done, batch->type, batch->count);
	export_batch(e->done, batch);
}

static int fake_submit(struct exporter *e, struct batch *batch)
{
	pthread_getname_np(pthread_self(), thread_name, sizeof(thread_name));
	unsigned count = atomic_fetch_add(&submits, 1);
	switch (atomic_load(&behaviour)) {
	case REFUSES:
		return -EAGAIN;
	case REFUSES_EVERY_OTHER:
		if (count % 2 == 0)
			return -EAGAIN;
		break;
	case SLOW:
		pause_ms(30);
		break;
	case HOLDS:
	case HOLDS_FOR_EVER:
		assert_true(e->held_count < ARRAY_COUNT(e->held));
		e->held[e->held_count++] = batch;
		return 0;
	case LOSES:
		up = false;
		export_lost(e->done, batch->type, LOST_BROKER, batch->count);
		export_error(e->done, "the broker is not there");
		export_batch(e->done, batch);
		return 0;
	case DELIVERS:
		break;
	}
	up = true;
	deliver(e, batch);
	return 0;
}

static void fake_poll(struct exporter *, int timeout_ms)
{
	atomic_fetch_add(&polls, 1);
	pause_ms(timeout_ms);
}

static bool fake_idle(struct exporter *e, bool)
{
	atomic_fetch_add(&idles, 1);
	if (atomic_load(&behaviour) == HOLDS && e->held_count > 0)
		deliver(e, e->held[--e->held_count]);
	return e->held_count == 0;
}

static void fake_stats(struct exporter *e, struct exporter_stats *ret)
{
	*ret = (struct exporter_stats){.up = up, .in_flight = e->held_count, .bytes_raw = 7};
}

static void fake_close(struct exporter *e)
{
	if (e == NULL)
		return;
	while (e->held_count > 0) {
		struct batch *batch = e->held[--e->held_count];
		export_lost(e->done, batch->type, LOST_SHUTDOWN, batch->count);
		export_batch(e->done, batch);
	}
	free(e);
}

static const struct exporter_ops fake_ops = {
	.name = "fake",
	.open = fake_open,
	.submit = fake_submit,
	.poll = fake_poll,
	.idle = fake_idle,
	.stats = fake_stats,
	.close = fake_close,
};

enum { BATCHES = 16, ROWS = 3 };

struct fixture {
	struct batch_pool pool;
	struct exporter_config config;
	struct export *export;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char error[EXPORTER_ERROR_SIZE];

	assert_non_null(f);
	assert_int_equal(batch_pool_init(&f->pool, BATCHES, 4096), 0);
	behaviour = DELIVERS;
	up = true;
	polls = idles = submits = 0;
	assert_int_equal(export_start(&f->export, &fake_ops, &f->config, &f->pool, error), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	unsigned given_back = 0;

	export_stop(f->export, NS_PER_S);
	export_free(f->export);
	// Every batch came back.
	while (batch_pool_take(&f->pool, RECORD_HEALTH, false) != NULL)
		given_back++;
	assert_int_equal(given_back, BATCHES);
	batch_pool_fini(&f->pool);
	free(f);
	return 0;
}

static void seal(struct fixture *f, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct batch *batch = batch_pool_take(&f->pool, RECORD_HEALTH, true);
		batch->type = i % 2 == 0 ? RECORD_FLOW : RECORD_USAGE;
		for (unsigned row = 0; row < ROWS; row++)
			rows_add(batch, row, 0);
		batch_pool_seal(&f->pool, batch);
	}
}

static struct export_stats stats_of(struct fixture *f)
{
	struct export_stats stats;

	export_stats(f->export, &stats);
	return stats;
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void test_delivers(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 100; i++)
		seal(f, 10);
	assert_true(export_drain(f->export, 10 * NS_PER_S));
	struct export_stats stats = stats_of(f);
	assert_int_equal(stats.delivered[RECORD_FLOW], 500 * ROWS);
	assert_int_equal(stats.delivered[RECORD_USAGE], 500 * ROWS);
	assert_string_equal(stats.last_error, "");
	assert_int_equal(stats.exporter.bytes_raw, 7);
	assert_true(stats.exporter.up);
	assert_true(export_stop(f->export, NS_PER_S));
	assert_string_equal(thread_name, "weir-export");
	assert_false(stats_of(f).exporter.up);
}

// It sleeps when there is nothing to do, and yet takes a batch soon and stops at once.
static void test_sleeps(void **state)
{
	struct fixture *f = *state;

	pause_ms(300);
	unsigned before = idles;
	pause_ms(1000);
	assert_in_range(idles - before, 5, 40);
	double start = seconds();
	seal(f, 1);
	assert_true(export_drain(f->export, NS_PER_S));
	assert_true(seconds() - start < 0.5);
	pause_ms(300);
	start = seconds();
	assert_true(export_stop(f->export, NS_PER_S));
	assert_true(seconds() - start < 0.5);
}

static void test_refused_is_offered_again(void **state)
{
	struct fixture *f = *state;

	behaviour = REFUSES_EVERY_OTHER;
	seal(f, 10);
	assert_true(export_stop(f->export, 10 * NS_PER_S));
	assert_int_equal(submits, 20);
	assert_true(polls >= 10);
	assert_int_equal(stats_of(f).delivered[RECORD_FLOW], 5 * ROWS);
}

// Nobody takes anything: drain and stop keep their time, and the rest is counted.
static void test_refuses(void **state)
{
	struct fixture *f = *state;

	behaviour = REFUSES;
	seal(f, 10);
	double start = seconds();
	assert_false(export_drain(f->export, 200 * NS_PER_MS));
	assert_true(seconds() - start >= 0.2);
	// Asks the exporter again and again: a thread that got no CPU is given more time for it ...
	for (unsigned more = 0; polls < 5 && more < 100; more++)
		pause_ms(20);
	// ... and does not spin: 30 times in a fifth of a second, whatever time has passed.
	assert_in_range(polls, 5, (uintmax_t)((seconds() - start) * 150));
	start = seconds();
	assert_false(export_stop(f->export, 200 * NS_PER_MS));
	assert_true(seconds() - start >= 0.2 && seconds() - start < 1.5);
	struct export_stats stats = stats_of(f);
	assert_int_equal(stats.delivered[RECORD_FLOW], 0);
	assert_int_equal(stats.lost[RECORD_FLOW][LOST_SHUTDOWN], 5 * ROWS);
	assert_int_equal(stats.lost[RECORD_USAGE][LOST_SHUTDOWN], 5 * ROWS);
}

static void test_slow(void **state)
{
	struct fixture *f = *state;

	behaviour = SLOW;
	seal(f, 14);
	assert_false(export_drain(f->export, 10 * NS_PER_MS));
	assert_true(export_drain(f->export, UINT64_MAX));
	seal(f, 14);
	assert_false(export_stop(f->export, 100 * NS_PER_MS));
	struct export_stats stats = stats_of(f);
	uint64_t delivered = stats.delivered[RECORD_FLOW] + stats.delivered[RECORD_USAGE];
	uint64_t lost =
		stats.lost[RECORD_FLOW][LOST_SHUTDOWN] + stats.lost[RECORD_USAGE][LOST_SHUTDOWN];
	assert_int_equal(delivered + lost, 28 * ROWS);
	assert_in_range(lost, 1, 13 * ROWS);
}

// Delivery may come later: stop waits for it.
static void test_holds(void **state)
{
	struct fixture *f = *state;

	behaviour = HOLDS;
	seal(f, 10);
	assert_true(export_stop(f->export, 10 * NS_PER_S));
	struct export_stats stats = stats_of(f);
	assert_int_equal(stats.delivered[RECORD_FLOW] + stats.delivered[RECORD_USAGE], 10 * ROWS);
}

static void test_holds_for_ever(void **state)
{
	struct fixture *f = *state;

	behaviour = HOLDS_FOR_EVER;
	seal(f, 10);
	assert_false(export_stop(f->export, 100 * NS_PER_MS));
	struct export_stats stats = stats_of(f);
	assert_int_equal(stats.lost[RECORD_FLOW][LOST_SHUTDOWN], 5 * ROWS);
	assert_int_equal(stats.lost[RECORD_USAGE][LOST_SHUTDOWN], 5 * ROWS);
	assert_int_equal(stats.exporter.in_flight, 0);
}

// The last error stands in health until the exporter is up again; then a line says what it cost,
// the rows of the first batch that failed among them.
static void test_error_and_its_end(void **state)
{
	struct fixture *f = *state;
	char said[512] = "", expected[64];
	FILE *file = tmpfile();
	int terminal = dup(STDERR_FILENO);

	assert_true(file != NULL && terminal >= 0 && dup2(fileno(file), STDERR_FILENO) >= 0);
	behaviour = LOSES;
	seal(f, 10);
	assert_true(export_drain(f->export, NS_PER_S));
	pause_ms(100);
	struct export_stats stats = stats_of(f);
	assert_string_equal(stats.last_error, "the broker is not there");
	assert_false(stats.exporter.up);
	assert_int_equal(stats.lost[RECORD_FLOW][LOST_BROKER], 5 * ROWS);
	behaviour = DELIVERS;
	seal(f, 1);
	assert_true(export_drain(f->export, NS_PER_S));
	pause_ms(100);
	stats = stats_of(f);
	assert_true(dup2(terminal, STDERR_FILENO) >= 0);
	close(terminal);
	assert_true(pread(fileno(file), said, sizeof(said) - 1, 0) > 0);
	fclose(file);
	assert_string_equal(stats.last_error, "");
	assert_true(stats.exporter.up);
	snprintf(expected, sizeof(expected), "fake works again; %d rows were lost", 10 * ROWS);
	assert_non_null(strstr(said, expected));
	assert_false(export_stop(f->export, NS_PER_S)); // something was lost
}

// Seen from another thread the error is whole, whatever changes.
static _Atomic bool reading;

static void *read_errors(void *argument)
{
	struct fixture *f = argument;

	while (reading) {
		struct export_stats stats = stats_of(f);
		REQUIRE(stats.last_error[0] == '\0' ||
			strcmp(stats.last_error, "the broker is not there") == 0);
	}
	return NULL;
}

static void test_stats_from_another_thread(void **state)
{
	struct fixture *f = *state;
	pthread_t reader;

	reading = true;
	assert_int_equal(pthread_create(&reader, NULL, read_errors, f), 0);
	for (unsigned i = 0; i < 50; i++) {
		behaviour = i % 2 == 0 ? LOSES : DELIVERS;
		seal(f, 4);
		assert_true(export_drain(f->export, NS_PER_S));
	}
	reading = false;
	pthread_join(reader, NULL);
}

static void test_does_not_open(void **)
{
	struct batch_pool pool;
	struct exporter_config config = {.to_stdout = true};
	struct export *export = NULL;
	char error[EXPORTER_ERROR_SIZE];

	assert_int_equal(batch_pool_init(&pool, BATCHES, 4096), 0);
	assert_int_equal(export_start(&export, &fake_ops, &config, &pool, error), -EINVAL);
	assert_null(export);
	assert_string_equal(error, "this exporter has no standard output");
	export_free(NULL);
	batch_pool_fini(&pool);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_delivers),
		TEST(test_sleeps),
		TEST(test_refused_is_offered_again),
		TEST(test_refuses),
		TEST(test_slow),
		TEST(test_holds),
		TEST(test_holds_for_ever),
		TEST(test_error_and_its_end),
		TEST(test_stats_from_another_thread),
		cmocka_unit_test(test_does_not_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
