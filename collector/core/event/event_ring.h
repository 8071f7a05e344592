// The ring of events from one shard to the ledger: bytes of varying size, one producer, one
// consumer, no lock. With one shard both ends are turned by one thread, and the ring then begins
// anew whenever it is empty: a batch's events are read where the last batch's were, from near
// caches.
//
// Events appear to the consumer when published, together with the shard's clock: the promise that
// nothing earlier follows.
#pragma once

#include "core/base/counters.h"
#include "core/event/event.h"

#include <stdatomic.h>
#include <stdbool.h>

struct event_ring {
	uint8_t *bytes;
	uint32_t size; // power of two
	bool one_thread; // turns both ends (set after init): an empty ring begins anew
	struct counters *counters; // the producer's
	// Each end's own, and what it tells the other, in lines of their own: what one core writes
	// with every event the other would wait for with every event.
	_Alignas(CACHE_LINE) uint64_t written; // producer: reserved and filled so far
	uint64_t tail_seen; // producer
	uint32_t added; // producer: events so far, as they count up for ever
	_Alignas(CACHE_LINE) _Atomic uint64_t head; // producer: wo, consumer: ro
	_Atomic uint64_t clock_ns; // producer: wo, consumer: ro
	_Atomic bool ended; // producer: wo, consumer: ro
	_Alignas(CACHE_LINE) _Atomic uint64_t tail; // consumer: wo, producer: ro
	_Atomic uint32_t released; // consumer: wo, producer: ro; of those added
	_Atomic bool paused; // consumer: wo, producer: ro
	_Alignas(CACHE_LINE) uint64_t read; // consumer
	uint64_t head_seen; // consumer
	uint32_t passed; // consumer
};

// `size` octets, a power of two. Returns 0 or -ENOMEM.
int event_ring_init(struct event_ring *ring, uint32_t size, struct counters *counters);
void event_ring_fini(struct event_ring *ring);

// Producer: room for an event of `size` octets, or NULL when the ring is full (counted by `kind`).
// The fixed header is filled in (size rounded up to eight, kind); the rest is not zeroed. It is the
// consumer's after the next publish.
void *event_ring_add(struct event_ring *ring, enum event_kind kind, size_t size);

// Producer: octets free. A turn starts only when a batch's worst case fits.
uint32_t event_ring_room(struct event_ring *ring);

// Producer: events that the consumer has not released; whether the consumer has paused it.
uint32_t event_ring_held(const struct event_ring *ring);
bool event_ring_paused(const struct event_ring *ring);

// Producer: makes events visible; `clock_ns`: none earlier follows.
void event_ring_publish(struct event_ring *ring, uint64_t clock_ns);

// Producer, after its last publish: nothing follows, and nobody need wait for its clock.
void event_ring_end(struct event_ring *ring);

// Consumer: the next event, or NULL; valid until popped.
const struct event *event_ring_peek(struct event_ring *ring);
void event_ring_pop(struct event_ring *ring);
// Consumer: the same of the event that was peeked at, but it, and all that are passed after it,
// stay valid until they are released, which has to be before the producer's next turn where both
// ends are one thread's.
static inline void event_ring_pass(struct event_ring *ring, const struct event *event)
{
	ring->read += event->size;
	ring->passed++;
}
void event_ring_release(struct event_ring *ring);
void event_ring_pause(struct event_ring *ring, bool paused); // consumer
uint32_t event_ring_waiting(struct event_ring *ring); // octets of events not yet popped
uint64_t event_ring_clock(const struct event_ring *ring);
bool event_ring_ended(const struct event_ring *ring); // all its events are there
