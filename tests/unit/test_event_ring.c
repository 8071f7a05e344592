// The ring of events: order, wrap-around, full, the promise of room, and two threads at once.
#include "core/event/event_ring.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { RING_SIZE = 4 * EVENT_SIZE_MAX };

static struct counters counters;
static struct event_ring ring;

static uint32_t random_next(uint32_t *state, uint32_t below)
{
	*state = *state * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)*state * below >> 32);
}

static int set_up(void **)
{
	memset(&counters, 0, sizeof(counters));
	return event_ring_init(&ring, RING_SIZE, &counters);
}

static int tear_down(void **)
{
	event_ring_fini(&ring);
	return 0;
}

// An event whose octets after the header all follow from its number.
static bool put(uint64_t number, size_t size)
{
	struct event *e = event_ring_add(&ring, EVENT_FACT, size);

	if (e == NULL)
		return false;
	e->time_ns = number;
	memset(e + 1, (int)(number % 251), size - sizeof(*e));
	return true;
}

static void check_next(uint64_t number, size_t size)
{
	const struct event *e = event_ring_peek(&ring);

	assert_non_null(e);
	assert_int_equal(e->time_ns, number);
	assert_int_equal(e->kind, EVENT_FACT);
	assert_int_equal(e->size, (size + 7) & ~(size_t)7);
	const uint8_t *bytes = (const uint8_t *)(e + 1);
	for (size_t i = 0; i < size - sizeof(*e); i++)
		assert_int_equal(bytes[i], number % 251);
	event_ring_pop(&ring);
}

static void test_appears_when_published(void **)
{
	assert_null(event_ring_peek(&ring));
	assert_true(put(7, 100));
	assert_null(event_ring_peek(&ring));
	event_ring_publish(&ring, 42);
	assert_int_equal(event_ring_clock(&ring), 42);
	check_next(7, 100);
	assert_null(event_ring_peek(&ring));
}

// Sizes are the test's own arithmetic, so that both sides know them.
static size_t size_of(uint64_t number)
{
	uint32_t state = (uint32_t)number * 2654435761u;

	return number % 97 == 0 ? EVENT_SIZE_MAX : sizeof(struct event) + random_next(&state, 700);
}

static void test_wraps(void **)
{
	uint64_t written = 0, read = 0;
	uint32_t state = 1;

	while (read < 20000) {
		for (uint32_t n = random_next(&state, 60); n > 0; n--) {
			if (!put(written, size_of(written)))
				break;
			written++;
		}
		event_ring_publish(&ring, written);
		for (uint32_t n = random_next(&state, 60); n > 0 && read < written; n--) {
			check_next(read, size_of(read));
			read++;
		}
	}
	assert_true(ring.read > 10 * RING_SIZE);
}

static void test_full_is_counted_by_kind(void **)
{
	uint64_t written = 0;

	while (put(written, 1000))
		written++;
	assert_true(written >= RING_SIZE / 1000 - 1);
	assert_int_equal(counters.value[COUNTER_event_lost_fact], 1);
	assert_null(event_ring_add(&ring, EVENT_SEGMENT, 1000));
	assert_null(event_ring_add(&ring, EVENT_ANSWER, 1000));
	assert_null(event_ring_add(&ring, EVENT_ANSWER, 1000));
	assert_int_equal(counters.value[COUNTER_event_lost_segment], 1);
	assert_int_equal(counters.value[COUNTER_event_lost_answer], 2);
	event_ring_publish(&ring, 1);
	check_next(0, 1000);
	check_next(1, 1000);
	assert_true(put(written, 1000));
	event_ring_publish(&ring, 2);
	for (uint64_t i = 2; i <= written; i++)
		check_next(i, 1000);
	assert_null(event_ring_peek(&ring));
}

// Whatever events are as many octets as there was room for do fit.
static void test_room_is_a_promise(void **)
{
	uint64_t written = 0, read = 0;
	uint32_t state = 3, largest = 0;

	for (unsigned round = 0; round < 4000; round++) {
		uint32_t room = event_ring_room(&ring);
		largest = MAX(largest, room);
		for (;;) {
			size_t size = round % 5 == 0 ? EVENT_SIZE_MAX : size_of(written);
			size = (size + 7) & ~(size_t)7;
			if (size > room)
				break;
			assert_true(put(written, size));
			written++;
			room -= (uint32_t)size;
		}
		event_ring_publish(&ring, written);
		for (uint32_t n = 1 + random_next(&state, 200); n > 0 && read < written; n--) {
			event_ring_pop(&ring);
			read++;
		}
	}
	assert_int_equal(counters.value[COUNTER_event_lost_fact], 0);
	assert_true(largest >= RING_SIZE - EVENT_SIZE_MAX);
}

// What is passed by is valid, and its room taken, until it is released.
static void test_passed_until_released(void **)
{
	const struct event *passed[3];
	uint32_t room = event_ring_room(&ring);

	for (uint64_t n = 0; n < 3; n++)
		assert_true(put(n, 200));
	event_ring_publish(&ring, 3);
	for (unsigned n = 0; n < 3; n++) {
		passed[n] = event_ring_peek(&ring);
		event_ring_pass(&ring, passed[n]);
	}
	assert_null(event_ring_peek(&ring));
	assert_int_equal(event_ring_waiting(&ring), 0);
	assert_int_equal(event_ring_room(&ring), room - 3 * 200);
	for (unsigned n = 0; n < 3; n++)
		assert_int_equal(passed[n]->time_ns, n);
	event_ring_release(&ring);
	// What is written next ends where these begin.
	for (uint64_t n = 3; n * 200 + 200 <= RING_SIZE; n++)
		assert_true(put(n, 200));
	assert_true(put(3, 184));
}

// Where one thread turns both ends, what follows an empty ring stands at its beginning, and what
// follows events not yet read stands behind them.
static void test_begins_anew_when_empty(void **)
{
	uint64_t written = 0, read = 0;

	ring.one_thread = true;
	for (unsigned round = 0; round < 100; round++) {
		for (unsigned n = 0; n < 20; n++)
			assert_true(put(written++, 500));
		event_ring_publish(&ring, written);
		assert_ptr_equal(event_ring_peek(&ring), ring.bytes);
		while (read + 1 < written)
			check_next(read++, 500);
		assert_true(put(written++, 500));
		check_next(read++, 500);
		assert_null(event_ring_peek(&ring)); // not published yet
		event_ring_publish(&ring, written);
		check_next(read++, 500);
		assert_int_equal(event_ring_waiting(&ring), 0);
		assert_true(event_ring_room(&ring) > RING_SIZE - EVENT_SIZE_MAX - 22 * 512);
	}
	assert_int_equal(counters.value[COUNTER_event_lost_fact], 0);
}

enum { THREAD_EVENTS = 300000 };

static void *produce(void *)
{
	uint32_t state = 5;

	for (uint64_t i = 0; i < THREAD_EVENTS;) {
		if (put(i, size_of(i) / 8 + sizeof(struct event))) {
			i++;
			if (random_next(&state, 8) == 0)
				event_ring_publish(&ring, i);
		} else {
			event_ring_publish(&ring, i);
		}
	}
	event_ring_publish(&ring, THREAD_EVENTS);
	return NULL;
}

// The consumer sees every event once, whole and in order; and after a clock everything before it.
static void test_two_threads(void **)
{
	pthread_t producer;
	uint64_t read = 0;

	assert_int_equal(pthread_create(&producer, NULL, produce, NULL), 0);
	while (read < THREAD_EVENTS) {
		uint64_t clock = event_ring_clock(&ring);
		while (event_ring_peek(&ring) != NULL) {
			check_next(read, size_of(read) / 8 + sizeof(struct event));
			read++;
		}
		assert_true(read >= clock);
	}
	assert_int_equal(pthread_join(producer, NULL), 0);
	assert_null(event_ring_peek(&ring));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_appears_when_published),
		TEST(test_wraps),
		TEST(test_full_is_counted_by_kind),
		TEST(test_room_is_a_promise),
		TEST(test_passed_until_released),
		TEST(test_begins_anew_when_empty),
		TEST(test_two_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
