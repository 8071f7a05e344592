// Deadlines: queues of clients by when their row is due, and a heap.
#include "core/ledger/deadlines.h"

#include "core/base/memory.h"

#include <errno.h>
#include <string.h>

// In `places`: a place in the heap, counted from 1, or in a queue.
#define IN_QUEUE (UINT32_C(1) << 31)
enum { QUEUE_SHIFT = 30 };
static_assert(DEADLINE_QUEUES <= 2);

static size_t queue_bytes(const struct deadlines *deadlines)
{
	return ((size_t)deadlines->queue_mask + 1) * sizeof(struct deadline);
}

int deadlines_init(struct deadlines *deadlines, struct client_table *clients)
{
	uint32_t places = 1;

	*deadlines = (struct deadlines){
		.clients = clients, .max = clients->pool.max, .first_ns = CLIENT_NEVER};
	// Room for those that nobody has any more, so that they need to be looked for seldom.
	while (places < 2 * (uint64_t)deadlines->max)
		places *= 2;
	deadlines->queue_mask = places - 1;
	deadlines->heap = memory_reserve(deadlines->max * sizeof(*deadlines->heap));
	deadlines->places = memory_reserve(deadlines->max * sizeof(*deadlines->places));
	for (unsigned i = 0; i < DEADLINE_QUEUES; i++) {
		deadlines->queues[i].entries = memory_reserve(queue_bytes(deadlines));
		if (deadlines->queues[i].entries == NULL)
			return -ENOMEM;
	}
	return deadlines->heap == NULL || deadlines->places == NULL ? -ENOMEM : 0;
}

void deadlines_fini(struct deadlines *deadlines)
{
	memory_release(deadlines->heap, deadlines->max * sizeof(*deadlines->heap));
	memory_release(deadlines->places, deadlines->max * sizeof(*deadlines->places));
	deadlines->heap = NULL;
	deadlines->places = NULL;
	for (unsigned i = 0; i < DEADLINE_QUEUES; i++) {
		memory_release(deadlines->queues[i].entries, queue_bytes(deadlines));
		deadlines->queues[i].entries = NULL;
	}
}

size_t deadlines_bytes(const struct deadlines *deadlines)
{
	return deadlines->max * (sizeof(*deadlines->heap) + sizeof(*deadlines->places)) +
		DEADLINE_QUEUES * queue_bytes(deadlines);
}

static void put(struct deadlines *deadlines, uint32_t place, const struct deadline *deadline)
{
	deadlines->heap[place] = *deadline;
	deadlines->places[deadline->client] = place + 1;
}

// Moves a deadline from `place` in the heap to where it belongs.
static void settle(struct deadlines *deadlines, uint32_t place, struct deadline deadline)
{
	const struct deadline *heap = deadlines->heap;

	while (place > 0 && deadline_before(&deadline, &heap[(place - 1) / 2])) {
		put(deadlines, place, &heap[(place - 1) / 2]);
		place = (place - 1) / 2;
	}
	for (;;) {
		uint32_t child = 2 * place + 1;
		if (child >= deadlines->count)
			break;
		if (child + 1 < deadlines->count && deadline_before(&heap[child + 1], &heap[child]))
			child++;
		if (!deadline_before(&heap[child], &deadline))
			break;
		put(deadlines, place, &heap[child]);
		place = child;
	}
	put(deadlines, place, &deadline);
}

static uint32_t place_in(const struct deadlines *deadlines, unsigned kind, uint32_t at)
{
	return IN_QUEUE | kind << QUEUE_SHIFT | (at & deadlines->queue_mask);
}

static bool is_left(const struct deadlines *deadlines, unsigned kind, uint32_t at)
{
	const struct deadline_queue *queue = &deadlines->queues[kind];
	const struct deadline *entry = &queue->entries[at & deadlines->queue_mask];

	return deadlines->places[entry->client] != place_in(deadlines, kind, at);
}

// What is first in a queue is somebody's.
static void pass_left(struct deadlines *deadlines, unsigned kind)
{
	struct deadline_queue *queue = &deadlines->queues[kind];

	while (queue->from != queue->to && is_left(deadlines, kind, queue->from))
		queue->from++;
}

static void forget_left(struct deadlines *deadlines, unsigned kind)
{
	struct deadline_queue *queue = &deadlines->queues[kind];
	uint32_t mask = deadlines->queue_mask, to = queue->from;

	for (uint32_t at = queue->from; at != queue->to; at++) {
		if (is_left(deadlines, kind, at))
			continue;
		const struct deadline *entry = &queue->entries[at & mask];
		deadlines->places[entry->client] = place_in(deadlines, kind, to);
		queue->entries[to++ & mask] = *entry;
	}
	queue->to = to;
}

static void add(struct deadlines *deadlines, const struct deadline *deadline, unsigned kind)
{
	uint32_t mask = deadlines->queue_mask;

	if (kind < DEADLINE_QUEUES) {
		struct deadline_queue *queue = &deadlines->queues[kind];
		if (queue->from == queue->to ||
			deadline_before(&queue->entries[(queue->to - 1) & mask], deadline)) {
			if (queue->to - queue->from > mask)
				forget_left(deadlines, kind);
			queue->entries[queue->to & mask] = *deadline;
			deadlines->places[deadline->client] =
				place_in(deadlines, kind, queue->to++);
			return;
		}
	}
	settle(deadlines, deadlines->count++, *deadline);
}

static void remove_from_heap(struct deadlines *deadlines, uint32_t place)
{
	if (place != --deadlines->count)
		settle(deadlines, place, deadlines->heap[deadlines->count]);
}

void deadline_set(struct deadlines *deadlines, struct client *client, uint64_t due_ns,
	enum deadline_kind kind)
{
	uint32_t idx = pool_index(&deadlines->clients->pool, client);
	uint32_t place = deadlines->places[idx];

	client->due_ns = due_ns;
	deadlines->places[idx] = 0;
	if ((place & IN_QUEUE) != 0)
		pass_left(deadlines, place >> QUEUE_SHIFT & 1);
	else if (place != 0)
		remove_from_heap(deadlines, place - 1);
	struct deadline deadline = {.due_ns = due_ns, .serial = client->serial, .client = idx};
	if (due_ns != CLIENT_NEVER)
		add(deadlines, &deadline, kind);
	const struct deadline *first = deadline_earliest(deadlines);
	deadlines->first_ns = first == NULL ? CLIENT_NEVER : first->due_ns;
}
