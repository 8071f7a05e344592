// Exact copies of frames: what is one, what is none, the window, and one copy for each frame.
#include "core/packet/dedup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WINDOW_NS (10 * NS_PER_MS)

static const uint8_t groups[256] = {0, 0, 1}; // interfaces 0 and 1 are one tap
static struct counters counters;
static struct packet_batch batch;
static struct dedup *dedup;

static void begin(void)
{
	struct hash_key key = {1, 2};

	dedup_free(dedup);
	memset(&counters, 0, sizeof(counters));
	assert_int_equal(dedup_new(&dedup, WINDOW_NS, groups, &key), 0);
	batch.count = 0;
}

static void add(const char *frame, uint64_t time_ns, uint32_t wire_len, uint8_t iface)
{
	batch.packets[batch.count++] = (struct packet){
		.data = (const uint8_t *)frame,
		.cap_len = (uint32_t)strlen(frame),
		.wire_len = wire_len,
		.time_ns = time_ns,
		.ts_ns = time_ns,
		.iface = iface,
	};
}

// What stays of the batch: the first octet of each frame.
static void expect(const char *text)
{
	char got[PACKET_BATCH_MAX + 1] = "";
	uint32_t given = batch.count;

	dedup_batch(dedup, &batch, &counters);
	for (uint32_t i = 0; i < batch.count; i++)
		got[i] = (char)batch.packets[i].data[0];
	assert_string_equal(got, text);
	assert_int_equal(counters.value[COUNTER_DROPS + DROP_duplicate], given - batch.count);
	assert_int_equal(counters.value[COUNTER_packets], given - batch.count);
	batch.count = 0;
}

static void copies(void **)
{
	begin();
	add("a frame", 1, 60, 0);
	add("b frame", 2, 60, 0);
	add("a frame", 3, 60, 0);
	add("c", 4, 60, 0);
	add("b frame", 5, 60, 1); // the tap's other half
	expect("abc");
	assert_int_equal(counters.value[COUNTER_bytes], 120);
}

static void no_copies(void **)
{
	begin();
	add("frame", 1, 60, 0);
	add("frame", 1, 61, 0); // longer on the wire
	add("fram", 1, 60, 0);
	add("grame", 1, 60, 0);
	add("frame", 1, 60, 2); // of another group
	expect("fffgf");
}

static void each_takes_one_copy(void **)
{
	begin();
	for (unsigned i = 0; i < 5; i++)
		add("frame", i, 60, 0);
	expect("fff");
}

static void window(void **)
{
	uint64_t later = 1 + WINDOW_NS;

	begin();
	add("a", 1, 60, 0);
	add("a", later, 60, 0);
	add("b", later, 60, 0);
	add("b", later + WINDOW_NS + 1, 60, 0); // too late for a copy
	expect("abb");
	counters = (struct counters){0};
	add("b", later + 2 * WINDOW_NS + 1, 60, 0); // of the second
	expect("");
}

// Over many frames the oldest give way and the newest are known.
static void many(void **)
{
	char frame[16];
	uint32_t kept = 0;

	begin();
	for (uint32_t i = 0; i < 8 * DEDUP_FRAMES; i++) {
		snprintf(frame, sizeof(frame), "%u", i);
		add(frame, i / 100, 60, 0);
		add(frame, i / 100, 60, 0);
		dedup_batch(dedup, &batch, &counters);
		kept += batch.count;
		batch.count = 0;
	}
	assert_int_equal(kept, 8 * DEDUP_FRAMES);
	assert_int_equal(counters.value[COUNTER_DROPS + DROP_duplicate], 8 * DEDUP_FRAMES);
	// Half as many frames as there is room for between a frame and its copy: few are missed.
	for (uint32_t round = 0; round < 2; round++)
		for (uint32_t i = 0; i < DEDUP_FRAMES / 2; i++) {
			snprintf(frame, sizeof(frame), "x%u", i);
			add(frame, NS_PER_S + i, 60, 0);
			dedup_batch(dedup, &batch, &counters);
			kept += batch.count;
			batch.count = 0;
		}
	uint32_t missed = kept - 8 * DEDUP_FRAMES - DEDUP_FRAMES / 2;
	assert_in_range(missed, 0, DEDUP_FRAMES / 2 / 10);
	dedup_free(dedup);
	dedup = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies),
		cmocka_unit_test(no_copies),
		cmocka_unit_test(each_takes_one_copy),
		cmocka_unit_test(window),
		cmocka_unit_test(many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
