// The ring of events: from the shard that fills it to the ledger that empties it, in one piece of
// memory. An event never wraps: what is left at the end and too short for it is skipped, by a
// header of kind EVENT_NONE where one fits there and silently where none does.
#include "core/event/event_ring.h"

#include "core/base/memory.h"

#include <errno.h>
#include <string.h>

// So many octets ahead of what is written, and of what is read, lines are fetched where the other
// end is another core's and had them last: some events, so that they have come when they are used.
enum { AHEAD = 2048 };

int event_ring_init(struct event_ring *ring, uint32_t size, struct counters *counters)
{
	REQUIRE((size & (size - 1)) == 0 && size >= 2 * EVENT_SIZE_MAX);
	memset(ring, 0, sizeof(*ring));
	ring->bytes = memory_reserve(size);
	if (ring->bytes == NULL)
		return -ENOMEM;
	ring->size = size;
	ring->counters = counters;
	return 0;
}

void event_ring_fini(struct event_ring *ring)
{
	memory_release(ring->bytes, ring->size);
	ring->bytes = NULL;
}

static void count_lost(struct counters *counters, enum event_kind kind)
{
	switch (kind) {
	case EVENT_SEGMENT:
		counter_add(counters, COUNTER_event_lost_segment, 1);
		break;
	case EVENT_FACT:
		counter_add(counters, COUNTER_event_lost_fact, 1);
		break;
	case EVENT_ANSWER:
		counter_add(counters, COUNTER_event_lost_answer, 1);
		break;
	case EVENT_NONE:
		break;
	}
}

// As far as was seen.
static uint32_t octets_free(const struct event_ring *ring)
{
	return ring->size - (uint32_t)(ring->written - ring->tail_seen);
}

static uint32_t look_at_tail(struct event_ring *ring)
{
	ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
	return octets_free(ring);
}

// As many lines as an event has.
static inline void fetch_to_write(const struct event_ring *ring, size_t size)
{
	for (size_t i = 0; i < size; i += CACHE_LINE)
		__builtin_prefetch(
			ring->bytes + ((ring->written + AHEAD + i) & (ring->size - 1)), 1);
}

static void begin_anew(struct event_ring *ring)
{
	ring->written = ring->read = ring->tail_seen = ring->head_seen = 0;
	atomic_store_explicit(&ring->head, 0, memory_order_relaxed);
	atomic_store_explicit(&ring->tail, 0, memory_order_relaxed);
}

void *event_ring_add(struct event_ring *ring, enum event_kind kind, size_t size)
{
	size = (size + 7) & ~(size_t)7;
	REQUIRE(size >= sizeof(struct event) && size <= EVENT_SIZE_MAX && kind != EVENT_NONE);

	if (ring->one_thread && ring->read == ring->written)
		begin_anew(ring);
	uint32_t at = (uint32_t)ring->written & (ring->size - 1);
	uint32_t to_end = ring->size - at;
	uint32_t skipped = size > to_end ? to_end : 0;
	uint32_t room = octets_free(ring);

	if (skipped + size > room && skipped + size > (room = look_at_tail(ring))) {
		count_lost(ring->counters, kind);
		return NULL;
	}
	if (skipped >= sizeof(struct event))
		((struct event *)(ring->bytes + at))->kind = EVENT_NONE;
	if (skipped > 0)
		at = 0;
	struct event *event = (struct event *)(ring->bytes + at);
	event->size = (uint32_t)size;
	event->kind = (uint8_t)kind;
	ring->written += skipped + size;
	ring->added++;
	if (!ring->one_thread && room > 2 * AHEAD + size)
		fetch_to_write(ring, size);
	return event;
}

uint32_t event_ring_room(struct event_ring *ring)
{
	uint32_t free = look_at_tail(ring);
	uint32_t to_end = ring->size - ((uint32_t)ring->written & (ring->size - 1));

	if (free <= to_end)
		return free;
	// Somewhere on the way an event will not fit before the end, and less than its size is
	// skipped there.
	uint32_t skipped = MIN(to_end, (uint32_t)EVENT_SIZE_MAX);
	return free > skipped ? free - skipped : 0;
}

uint32_t event_ring_held(const struct event_ring *ring)
{
	return ring->added - atomic_load_explicit(&ring->released, memory_order_relaxed);
}

bool event_ring_paused(const struct event_ring *ring)
{
	return atomic_load_explicit(&ring->paused, memory_order_relaxed);
}

void event_ring_pause(struct event_ring *ring, bool paused)
{
	if (event_ring_paused(ring) != paused)
		atomic_store_explicit(&ring->paused, paused, memory_order_relaxed);
}

void event_ring_publish(struct event_ring *ring, uint64_t clock_ns)
{
	// The events first: whoever sees the new clock sees all that is earlier.
	atomic_store_explicit(&ring->head, ring->written, memory_order_release);
	atomic_store_explicit(&ring->clock_ns, clock_ns, memory_order_release);
}

void event_ring_end(struct event_ring *ring)
{
	atomic_store_explicit(&ring->ended, true, memory_order_release);
}

bool event_ring_ended(const struct event_ring *ring)
{
	return atomic_load_explicit(&ring->ended, memory_order_acquire);
}

// Not beyond what is published: there the producer writes.
static inline void fetch_to_read(const struct event_ring *ring, uint32_t size)
{
	for (uint32_t i = 0; i < size && ring->read + AHEAD + i < ring->head_seen; i += CACHE_LINE)
		__builtin_prefetch(ring->bytes + ((ring->read + AHEAD + i) & (ring->size - 1)));
}

const struct event *event_ring_peek(struct event_ring *ring)
{
	if (ring->read == ring->head_seen) {
		ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);
		if (ring->read == ring->head_seen)
			return NULL;
	}
	uint32_t at = (uint32_t)ring->read & (ring->size - 1);
	const struct event *event = (const struct event *)(ring->bytes + at);

	// What is skipped at the end is always followed by the event it was skipped for.
	if (ring->size - at < sizeof(struct event) || event->kind == EVENT_NONE) {
		ring->read += ring->size - at;
		event = (const struct event *)ring->bytes;
	}
	if (!ring->one_thread)
		fetch_to_read(ring, event->size);
	return event;
}

void event_ring_release(struct event_ring *ring)
{
	atomic_store_explicit(&ring->released, ring->passed, memory_order_relaxed);
	atomic_store_explicit(&ring->tail, ring->read, memory_order_release);
}

void event_ring_pop(struct event_ring *ring)
{
	const struct event *event = event_ring_peek(ring);

	REQUIRE(event != NULL);
	event_ring_pass(ring, event);
	event_ring_release(ring);
}

uint32_t event_ring_waiting(struct event_ring *ring)
{
	ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);
	return (uint32_t)(ring->head_seen - ring->read);
}

uint64_t event_ring_clock(const struct event_ring *ring)
{
	return atomic_load_explicit(&ring->clock_ns, memory_order_acquire);
}
