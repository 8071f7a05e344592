// Deadlines: a heap of clients by when their row is due.
#include "core/ledger/deadlines.h"

#include "core/base/memory.h"

#include <errno.h>
#include <string.h>

int deadlines_init(struct deadlines *deadlines, struct client_table *clients)
{
	*deadlines = (struct deadlines){.clients = clients, .max = clients->pool.max};
	deadlines->heap = memory_reserve(deadlines->max * sizeof(*deadlines->heap));
	return deadlines->heap == NULL ? -ENOMEM : 0;
}

void deadlines_fini(struct deadlines *deadlines)
{
	memory_release(deadlines->heap, deadlines->max * sizeof(*deadlines->heap));
	deadlines->heap = NULL;
}

static bool before(const struct deadline *a, const struct deadline *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->serial < b->serial;
}

static void put(struct deadlines *deadlines, uint32_t place, const struct deadline *deadline)
{
	struct client *client = pool_at(&deadlines->clients->pool, deadline->client);

	deadlines->heap[place] = *deadline;
	client->deadline = place;
}

// Moves a deadline from `place` to where it belongs.
static void settle(struct deadlines *deadlines, uint32_t place, struct deadline deadline)
{
	const struct deadline *heap = deadlines->heap;

	while (place > 0 && before(&deadline, &heap[(place - 1) / 2])) {
		put(deadlines, place, &heap[(place - 1) / 2]);
		place = (place - 1) / 2;
	}
	for (;;) {
		uint32_t child = 2 * place + 1;
		if (child >= deadlines->count)
			break;
		if (child + 1 < deadlines->count && before(&heap[child + 1], &heap[child]))
			child++;
		if (!before(&heap[child], &deadline))
			break;
		put(deadlines, place, &heap[child]);
		place = child;
	}
	put(deadlines, place, &deadline);
}

void deadline_set(struct deadlines *deadlines, struct client *client, uint64_t due_ns)
{
	uint32_t place = client->deadline;

	client->due_ns = due_ns;
	if (due_ns != CLIENT_NEVER) {
		struct deadline deadline = {.due_ns = due_ns,
			.serial = client->serial,
			.client = pool_index(&deadlines->clients->pool, client)};
		settle(deadlines, place == POOL_NONE ? deadlines->count++ : place, deadline);
		return;
	}
	if (place == POOL_NONE)
		return;
	client->deadline = POOL_NONE;
	if (place != --deadlines->count)
		settle(deadlines, place, deadlines->heap[deadlines->count]);
}
