// Deadlines: a heap of clients by when their row is due.
#include "core/ledger/deadlines.h"

#include "core/base/memory.h"

#include <errno.h>
#include <string.h>

int deadlines_init(struct deadlines *deadlines, struct client_table *clients)
{
	*deadlines = (struct deadlines){.clients = clients, .max = clients->pool.max};
	deadlines->heap = memory_reserve(deadlines->max * sizeof(*deadlines->heap));
	deadlines->places = memory_reserve(deadlines->max * sizeof(*deadlines->places));
	return deadlines->heap == NULL || deadlines->places == NULL ? -ENOMEM : 0;
}

void deadlines_fini(struct deadlines *deadlines)
{
	memory_release(deadlines->heap, deadlines->max * sizeof(*deadlines->heap));
	memory_release(deadlines->places, deadlines->max * sizeof(*deadlines->places));
	deadlines->heap = NULL;
	deadlines->places = NULL;
}

size_t deadlines_bytes(const struct deadlines *deadlines)
{
	return deadlines->max * (sizeof(*deadlines->heap) + sizeof(*deadlines->places));
}

static bool before(const struct deadline *a, const struct deadline *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->serial < b->serial;
}

static void put(struct deadlines *deadlines, uint32_t place, const struct deadline *deadline)
{
	deadlines->heap[place] = *deadline;
	deadlines->places[deadline->client] = place + 1;
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
	uint32_t idx = pool_index(&deadlines->clients->pool, client);
	uint32_t place = deadlines->places[idx] - 1; // UINT32_MAX: in none

	client->due_ns = due_ns;
	if (due_ns != CLIENT_NEVER) {
		struct deadline deadline = {
			.due_ns = due_ns, .serial = client->serial, .client = idx};
		settle(deadlines, place == UINT32_MAX ? deadlines->count++ : place, deadline);
		return;
	}
	if (place == UINT32_MAX)
		return;
	deadlines->places[idx] = 0;
	if (place != --deadlines->count)
		settle(deadlines, place, deadlines->heap[deadlines->count]);
}
