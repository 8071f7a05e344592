// A list that grows: own_connections.h.
#include "core/base/own_connections.h"

#include <sched.h>
#include <stdatomic.h>
#include <string.h>

static struct own_connection connections[OWN_CONNECTIONS_MAX];
static _Atomic uint32_t claimed; // places taken by who writes
static _Atomic uint32_t count; // of those written, in order
static _Atomic uint32_t missed;

static bool same(const struct own_connection *a, const struct own_connection *b)
{
	return a->ip6 == b->ip6 && a->port == b->port && memcmp(a->local, b->local, 16) == 0 &&
		memcmp(a->peer, b->peer, 16) == 0;
}

void own_connections_add(const struct own_connection *connection)
{
	uint32_t known = own_connections_count();

	for (uint32_t i = 0; i < known; i++)
		if (same(&connections[i], connection))
			return;
	uint32_t place = atomic_load_explicit(&claimed, memory_order_relaxed);
	do {
		if (place == OWN_CONNECTIONS_MAX) {
			own_connections_miss();
			return;
		}
	} while (!atomic_compare_exchange_weak(&claimed, &place, place + 1));
	connections[place] = *connection;
	// Who took the place before it is about to have written.
	while (atomic_load_explicit(&count, memory_order_acquire) != place)
		sched_yield();
	atomic_store_explicit(&count, place + 1, memory_order_release);
}

uint32_t own_connections_count(void)
{
	return atomic_load_explicit(&count, memory_order_acquire);
}

const struct own_connection *own_connections_at(uint32_t i)
{
	return &connections[i];
}

void own_connections_miss(void)
{
	atomic_fetch_add_explicit(&missed, 1, memory_order_relaxed);
}

uint32_t own_connections_missed(void)
{
	return atomic_load_explicit(&missed, memory_order_relaxed);
}
