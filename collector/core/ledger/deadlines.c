// Deadlines: a heap of clients by when their row is due.
#include "core/ledger/deadlines.h"

#include "core/base/memory.h"

#include <errno.h>
#include <string.h>

int deadlines_init(struct deadlines *deadlines, struct client_table *clients)
{
	*deadlines = (struct deadlines){.clients = clients, .max = clients->pool.max};
	deadlines->heap = memory_reserve(deadlines->max * sizeof(uint32_t));
	return deadlines->heap == NULL ? -ENOMEM : 0;
}

void deadlines_fini(struct deadlines *deadlines)
{
	memory_release(deadlines->heap, deadlines->max * sizeof(uint32_t));
	deadlines->heap = NULL;
}

static struct client *client_at(const struct deadlines *deadlines, uint32_t place)
{
	return pool_at(&deadlines->clients->pool, deadlines->heap[place]);
}

static bool before(const struct client *a, const struct client *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->serial < b->serial;
}

static void put(struct deadlines *deadlines, uint32_t place, struct client *client)
{
	deadlines->heap[place] = pool_index(&deadlines->clients->pool, client);
	client->deadline = place;
}

// Moves a client from `place` to where it belongs.
static void settle(struct deadlines *deadlines, uint32_t place, struct client *client)
{
	while (place > 0 && before(client, client_at(deadlines, (place - 1) / 2))) {
		put(deadlines, place, client_at(deadlines, (place - 1) / 2));
		place = (place - 1) / 2;
	}
	for (;;) {
		uint32_t child = 2 * place + 1;
		if (child >= deadlines->count)
			break;
		if (child + 1 < deadlines->count &&
			before(client_at(deadlines, child + 1), client_at(deadlines, child)))
			child++;
		if (!before(client_at(deadlines, child), client))
			break;
		put(deadlines, place, client_at(deadlines, child));
		place = child;
	}
	put(deadlines, place, client);
}

void deadline_set(struct deadlines *deadlines, struct client *client, uint64_t due_ns)
{
	uint32_t place = client->deadline;

	client->due_ns = due_ns;
	if (due_ns != CLIENT_NEVER) {
		settle(deadlines, place == POOL_NONE ? deadlines->count++ : place, client);
		return;
	}
	if (place == POOL_NONE)
		return;
	client->deadline = POOL_NONE;
	struct client *last = client_at(deadlines, --deadlines->count);
	if (last != client)
		settle(deadlines, place, last);
}
