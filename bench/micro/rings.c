// Micro benches of the rings: the House's events from a shard to the ledger, and pointers to
// batches, both ends on one thread and on two.
#include "bench/micro/micro.h"

#include "core/base/ring.h"
#include "core/event/event_ring.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

enum { RING_BYTES = 4 << 20, POINTERS = 4096, SLOTS = 64, TURN = 64, DAYS = 64 };

struct rings {
	const struct house *house;
	struct event_ring events;
	struct ring pointers;
};

static const struct event *put_event(struct event_ring *ring, const struct event *event)
{
	struct event *copy = event_ring_add(ring, (enum event_kind)event->kind, event->size);

	if (copy == NULL)
		return NULL;
	memcpy(copy + 1, event + 1, event->size - sizeof(*event));
	return copy;
}

// Reads what an event says, as the ledger does: one line of it.
static bool take_event(struct event_ring *ring, uint64_t *sum)
{
	const struct event *event = event_ring_peek(ring);

	if (event == NULL)
		return false;
	*sum += event->size;
	event_ring_pop(ring);
	return true;
}

static uint64_t events_alone(void *arg)
{
	struct rings *r = arg;
	uint32_t count = 0;
	uint64_t sum = 0;

	for (size_t at = 0; at < r->house->events_len;) {
		const struct event *event = (const struct event *)(r->house->events + at);
		put_event(&r->events, event);
		at += event->size;
		if (++count % TURN != 0 && at < r->house->events_len)
			continue;
		event_ring_publish(&r->events, count);
		while (take_event(&r->events, &sum))
			continue;
	}
	return sum == r->house->events_len ? count : 0;
}

static void *produce_events(void *arg)
{
	struct rings *r = arg;

	for (unsigned day = 0; day < DAYS; day++)
		for (size_t at = 0; at < r->house->events_len;) {
			const struct event *event = (const struct event *)(r->house->events + at);
			while (event_ring_room(&r->events) < EVENT_SIZE_MAX)
				sched_yield();
			put_event(&r->events, event);
			event_ring_publish(&r->events, day);
			at += event->size;
		}
	return NULL;
}

// Runs the producer beside, and takes until all have come.
static uint64_t events_apart(void *arg)
{
	struct rings *r = arg;
	pthread_t thread;
	uint64_t count = 0, sum = 0, all = (uint64_t)DAYS * r->house->event_count;

	if (pthread_create(&thread, NULL, produce_events, r) != 0)
		micro_fail("thread", -EAGAIN);
	while (count < all) {
		if (take_event(&r->events, &sum))
			count++;
		else
			sched_yield();
	}
	pthread_join(thread, NULL);
	return count;
}

static uint64_t pointers_alone(void *arg)
{
	struct rings *r = arg;
	uint64_t taken = 0;

	for (unsigned i = 0; i < POINTERS; i++) {
		ring_put(&r->pointers, r);
		taken += ring_take(&r->pointers) != NULL;
	}
	return taken;
}

static void *produce_pointers(void *arg)
{
	struct rings *r = arg;

	for (unsigned i = 0; i < DAYS * POINTERS; i++)
		while (!ring_put(&r->pointers, r))
			sched_yield();
	return NULL;
}

static uint64_t pointers_apart(void *arg)
{
	struct rings *r = arg;
	pthread_t thread;
	uint64_t taken = 0;

	if (pthread_create(&thread, NULL, produce_pointers, r) != 0)
		micro_fail("thread", -EAGAIN);
	while (taken < DAYS * POINTERS) {
		if (ring_take(&r->pointers) != NULL)
			taken++;
		else
			sched_yield();
	}
	pthread_join(thread, NULL);
	return taken;
}

void micro_rings(struct house *house)
{
	struct rings *r = micro_alloc(sizeof(*r));

	r->house = house;
	int err = event_ring_init(&r->events, RING_BYTES, house->counters);
	if (!err)
		err = ring_init(&r->pointers, SLOTS);
	if (err)
		micro_fail("ring", err);
	micro("rings: an event, one thread", events_alone, r, false);
	micro("rings: an event, two threads, wall", events_apart, r, true);
	micro("rings: a pointer, one thread", pointers_alone, r, false);
	micro("rings: a pointer, two threads, wall", pointers_apart, r, true);
	ring_fini(&r->pointers);
	event_ring_fini(&r->events);
	free(r);
}
