// Several capture sources as one: order, ties, link types, silence, ends and faults, roles. The
// sources are fakes that play a script.
#include "core/packet/capture_merge.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

// One answer of a source's receive(): a time for each packet, or none and what it returns.
struct answer {
	uint64_t times[5]; // up to the first 0
	int result; // where there are no times
};

struct capture {
	const struct answer *answers; // the last is given for ever
	uint8_t link, iface;
	uint8_t bytes[64]; // of the batch that is out; a released one's are overwritten
	bool out;
	uint64_t now_ns;
};

static const struct answer *scripts[4];
static uint8_t links[4];
static struct capture *fakes[4];
static uint32_t opened, closed, started;

static int fake_open(struct capture **ret, const struct capture_config *config, uint16_t queue,
	char error[CAPTURE_ERROR_SIZE])
{
	if (scripts[opened] == NULL) {
		snprintf(error, CAPTURE_ERROR_SIZE, "there is no source %u", opened);
		return -ENOENT;
	}
	assert_true(config->shared_wait);
	assert_int_equal(config->exit_idle_ns, 0);
	assert_int_equal(config->first != NULL, queue > 0);
	struct capture *c = test_calloc(1, sizeof(*c));
	c->answers = scripts[opened];
	c->link = links[opened];
	c->iface = config->iface;
	fakes[opened++] = c;
	*ret = c;
	return 0;
}

static int fake_start(struct capture *, char[CAPTURE_ERROR_SIZE])
{
	started++;
	return 0;
}

static int fake_receive(struct capture *c, struct packet_batch *batch)
{
	const struct answer *a = c->answers;

	assert_false(c->out);
	batch->count = 0;
	batch->link = c->link;
	while (batch->count < 5 && a->times[batch->count] != 0) {
		c->bytes[batch->count] = (uint8_t)a->times[batch->count];
		batch->packets[batch->count] = (struct packet){
			.data = &c->bytes[batch->count],
			.time_ns = a->times[batch->count],
			.ts_ns = a->times[batch->count],
			.wire_len = 10,
			.cap_len = 1,
			.iface = c->iface,
		};
		c->now_ns = a->times[batch->count++];
	}
	batch->now_ns = c->now_ns;
	c->out = batch->count > 0;
	if (batch->count > 0 || a->result >= 0)
		c->answers++;
	return batch->count > 0 ? (int)batch->count : a->result;
}

static void fake_release(struct capture *c, struct packet_batch *batch)
{
	assert_true(c->out);
	memset(c->bytes, 0xee, sizeof(c->bytes));
	batch->count = 0;
	c->out = false;
}

static void fake_stats(struct capture *c, struct capture_stats *ret)
{
	*ret = (struct capture_stats){.dropped_kernel = 1u + c->iface, .dropped_nic = 10};
}

static const char *fake_error(struct capture *c)
{
	static char text[32];

	snprintf(text, sizeof(text), "source %u broke", c->iface);
	return text;
}

static void fake_close(struct capture *c)
{
	closed += c != NULL;
	test_free(c);
}

static const struct capture_ops fake_ops = {
	.name = "fake",
	.open = fake_open,
	.start = fake_start,
	.receive = fake_receive,
	.release = fake_release,
	.stats = fake_stats,
	.error = fake_error,
	.close = fake_close,
};

static const struct capture_ops *ops = &merge_capture_ops;
static struct counters counters;
static struct packet_batch batch;

static struct capture *merge(uint32_t count, bool live, bool wan)
{
	struct capture_config configs[4] = {0};
	bool counted_only[4] = {wan};
	struct merge_config config = {
		.ops = &fake_ops,
		.sources = configs,
		.count = count,
		.counted_only = counted_only,
		.counters = &counters,
	};
	struct capture *m = NULL;
	char error[CAPTURE_ERROR_SIZE];

	opened = closed = started = 0;
	memset(&counters, 0, sizeof(counters));
	for (uint8_t i = 0; i < count; i++) {
		configs[i].file = live ? NULL : "file";
		configs[i].iface = i;
		configs[i].exit_idle_ns = 7;
	}
	assert_int_equal(merge_open(&m, &config, 0, error), 0);
	assert_int_equal(opened, count);
	return m;
}

static void finish(struct capture *m)
{
	ops->close(m);
	assert_int_equal(closed, opened);
}

// Takes all there is up to `result`; "time/iface" of each packet, "|" after each batch.
static void expect(struct capture *m, const char *text, int result)
{
	char got[512] = "";
	int count;

	while ((count = ops->receive(m, &batch)) > 0) {
		assert_int_equal(count, batch.count);
		for (uint32_t i = 0; i < batch.count; i++) {
			const struct packet *p = &batch.packets[i];
			size_t used = strlen(got);
			snprintf(got + used, sizeof(got) - used, "%llu/%u ",
				(unsigned long long)p->time_ns, p->iface);
			assert_int_equal(p->data[0], (uint8_t)p->ts_ns);
			assert_int_equal(batch.link, links[p->iface]);
		}
		assert_int_equal(batch.now_ns, batch.packets[batch.count - 1].time_ns);
		ops->release(m, &batch);
		strcat(got, "|");
	}
	assert_string_equal(got, text);
	assert_int_equal(count, result);
}

static void order(void **)
{
	static const struct answer a[] = {
		{.times = {1, 4, 5}}, {.times = {9}}, {.result = -ENODATA}};
	static const struct answer b[] = {
		{.times = {2, 3, 5, 6}}, {.times = {7, 12}}, {.result = -ENODATA}};
	static const struct answer c[] = {{.result = -ENODATA}};

	scripts[0] = a, scripts[1] = b, scripts[2] = c;
	struct capture *m = merge(3, false, false);
	// Among equals the earlier source is first; a source that must be asked ends a batch.
	expect(m, "1/0 2/1 3/1 4/0 5/0 |5/1 6/1 |7/1 9/0 |12/1 |", -ENODATA);
	expect(m, "", -ENODATA);
	assert_int_equal(batch.now_ns, 12);
	finish(m);
}

// A run of one source's packets ends before one that another has at that time, and is before it.
static void ties(void **)
{
	static const struct answer a[] = {{.times = {4}}, {.result = -ENODATA}};
	static const struct answer b[] = {{.times = {3, 4}}, {.result = -ENODATA}};

	scripts[0] = a, scripts[1] = b;
	struct capture *m = merge(2, false, false);
	expect(m, "3/1 4/0 |4/1 |", -ENODATA);
	finish(m);
}

static void link_types_do_not_mix(void **)
{
	static const struct answer a[] = {{.times = {1, 3}}, {.result = -ENODATA}};
	static const struct answer b[] = {{.times = {2, 4}}, {.result = -ENODATA}};

	scripts[0] = a, scripts[1] = b;
	links[1] = LINK_RAW_IP;
	struct capture *m = merge(2, false, false);
	expect(m, "1/0 |2/1 |3/0 |4/1 |", -ENODATA);
	links[1] = 0;
	finish(m);
}

static void a_silent_pipe_holds_files_up(void **)
{
	static const struct answer a[] = {{.times = {5, 6}}, {.result = -ENODATA}};
	static const struct answer b[] = {
		{.times = {1}}, {.result = 0}, {.times = {2, 8}}, {.result = -ENODATA}};

	scripts[0] = a, scripts[1] = b;
	struct capture *m = merge(2, false, false);
	expect(m, "1/1 |", 0);
	assert_int_equal(batch.now_ns, 1);
	expect(m, "2/1 5/0 6/0 |8/1 |", -ENODATA);
	finish(m);
}

static void one_that_breaks_does_not_end_the_others(void **)
{
	static const struct answer a[] = {{.times = {1}}, {.result = -EBADMSG}};
	static const struct answer b[] = {{.times = {2}}, {.times = {3}}, {.result = -ENODATA}};

	for (unsigned live = 0; live < 2; live++) {
		scripts[0] = b, scripts[1] = a;
		struct capture *m = merge(2, live, false);
		assert_null(merge_source_broken(m, 1));
		expect(m, "1/1 |2/0 |3/0 |", -EIO);
		assert_null(merge_source_broken(m, 0));
		assert_string_equal(merge_source_broken(m, 1), "source 1 broke");
		assert_string_equal(ops->error(m), "source 1 broke");
		finish(m);
	}
}

// An interface that went down is asked again, also when no other is left: time goes on meanwhile.
static void down_and_up(void **)
{
	static const struct answer a[] = {{.times = {1}}, {.result = -ENETDOWN}};
	static const struct answer up[] = {{.times = {5}}, {.result = 0}, {.result = 0}};
	static const struct answer b[] = {{.times = {2}}, {.result = 0}, {.result = 0},
		{.result = 0}, {.result = 0}, {.result = 0}, {.result = 0}, {.result = 0}};
	static const struct answer last[] = {{.times = {6}}, {.result = -ENODATA}};

	scripts[0] = a, scripts[1] = b;
	struct capture *m = merge(2, true, false);
	expect(m, "1/0 |2/1 |", 0);
	assert_string_equal(merge_source_broken(m, 0), "source 0 broke");
	fakes[0]->answers = up;
	expect(m, "5/0 |", 0);
	assert_null(merge_source_broken(m, 0));
	fakes[0]->answers = &a[1];
	fakes[1]->answers = last;
	expect(m, "6/1 |", 0);
	fakes[0]->now_ns = 50; // an idle one's
	expect(m, "", 0);
	assert_int_equal(batch.now_ns, 50);
	assert_string_equal(ops->error(m), "source 0 broke");
	static const struct answer end[] = {{.times = {60}}, {.result = -ENODATA}};
	fakes[0]->answers = end;
	expect(m, "60/0 |", -ENODATA);
	finish(m);
}

static void interfaces_do_not_wait(void **)
{
	static const struct answer a[] = {{.result = 0}, {.times = {3, 30}}, {.result = 0},
		{.result = 0}, {.result = -ENODATA}};
	static const struct answer b[] = {{.times = {10, 20}}, {.times = {25}}, {.result = 0},
		{.result = 0}, {.result = 0}, {.result = -ENODATA}};

	scripts[0] = a, scripts[1] = b;
	struct capture *m = merge(2, true, false);
	// What comes late has the time before it; none is lost.
	expect(m, "10/1 20/1 |25/1 |25/0 30/0 |", 0);
	assert_int_equal(batch.now_ns, 30);
	finish(m);
}

static void counted_only(void **)
{
	static const struct answer a[] = {{.times = {1, 2}}, {.times = {3}}, {.result = 0},
		{.result = 0}, {.result = -ENODATA}};
	static const struct answer b[] = {{.times = {2}}, {.result = 0}, {.result = -ENODATA}};
	struct capture_stats stats;
	uint64_t packets, bytes;

	scripts[0] = a, scripts[1] = b;
	struct capture *m = merge(2, true, true);
	expect(m, "2/1 |", 0);
	assert_int_equal(counters.value[COUNTER_packets], 3);
	assert_int_equal(counters.value[COUNTER_packets_consumed], 3);
	assert_int_equal(counters.value[COUNTER_bytes], 30);
	ops->stats(m, &stats);
	assert_int_equal(stats.dropped_kernel, 1 + 2);
	assert_int_equal(stats.dropped_nic, 20);
	merge_source_stats(m, 0, &stats, &packets, &bytes);
	assert_int_equal(packets, 3);
	assert_int_equal(bytes, 30);
	merge_source_stats(m, 1, &stats, &packets, &bytes);
	assert_int_equal(packets, 1);
	assert_int_equal(stats.dropped_kernel, 2);
	finish(m);
}

static void queues(void **)
{
	static const struct answer a[] = {{.result = 0}};
	struct capture_config configs[2] = {0};
	bool counted_only[2] = {0};
	struct merge_config config = {.ops = &fake_ops,
		.sources = configs,
		.count = 2,
		.counted_only = counted_only,
		.counters = &counters};
	struct capture *m = NULL;
	char error[CAPTURE_ERROR_SIZE] = "";

	scripts[0] = scripts[1] = scripts[2] = a, scripts[3] = NULL;
	struct capture *first = merge(2, true, false);
	assert_int_equal(ops->start(first, error), 0);
	assert_int_equal(started, 2);
	// The second interface's second queue cannot be opened: what was opened is closed.
	config.first = first;
	assert_int_equal(merge_open(&m, &config, 1, error), -ENOENT);
	assert_string_equal(error, "there is no source 3");
	assert_int_equal(closed, 1);
	assert_null(m);
	finish(first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order),
		cmocka_unit_test(ties),
		cmocka_unit_test(link_types_do_not_mix),
		cmocka_unit_test(a_silent_pipe_holds_files_up),
		cmocka_unit_test(one_that_breaks_does_not_end_the_others),
		cmocka_unit_test(down_and_up),
		cmocka_unit_test(interfaces_do_not_wait),
		cmocka_unit_test(counted_only),
		cmocka_unit_test(queues),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
