// A ring of pointers between two threads: one puts, one takes, no lock. Bounded.
// (Lamport 1983, "Specifying Concurrent Program Modules"; each side caches the other's index.)
#pragma once

#include "core/base/compiler.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct ring {
	void **slots;
	uint32_t mask;
	_Alignas(CACHE_LINE) _Atomic uint32_t head; // producer: wo, consumer: ro
	uint32_t tail_seen; // producer
	_Alignas(CACHE_LINE) _Atomic uint32_t tail; // consumer: wo, producer: ro
	uint32_t head_seen; // consumer
};

// `count` is a power of two. Returns 0 or -ENOMEM.
int ring_init(struct ring *ring, uint32_t count);
void ring_fini(struct ring *ring);

// Producer. False when the ring is full.
static inline bool ring_put(struct ring *ring, void *item)
{
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

	if (head - ring->tail_seen > ring->mask) {
		ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
		if (head - ring->tail_seen > ring->mask)
			return false;
	}
	ring->slots[head & ring->mask] = item;
	atomic_store_explicit(&ring->head, head + 1, memory_order_release);
	return true;
}

// Consumer. NULL when the ring is empty.
static inline void *ring_take(struct ring *ring)
{
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

	if (tail == ring->head_seen) {
		ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);
		if (tail == ring->head_seen)
			return NULL;
	}
	void *item = ring->slots[tail & ring->mask];
	atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
	return item;
}

// Consumer: what it takes next, if it knows of it already, or NULL.
static inline void *ring_peek(const struct ring *ring)
{
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

	return tail == ring->head_seen ? NULL : ring->slots[tail & ring->mask];
}
