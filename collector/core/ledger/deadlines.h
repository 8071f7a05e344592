// Deadlines: which client's row is due next; each client has one at most.
//
// Nearly all lie as far ahead as the one before did (a client's first row, and its next when
// nothing changes), and hence come in order: they stand in queues, one for each such distance, and
// are neither compared nor moved. The others stand in a heap.
//
// Ledger's thread only. Memory is fixed.
#pragma once

#include "core/client/client_table.h"

// How far ahead: of one kind, each at a fixed distance from a clock that never runs back.
enum deadline_kind { DEADLINE_FIRST_ROW, DEADLINE_NEXT_ROW, DEADLINE_OTHER };
enum { DEADLINE_QUEUES = DEADLINE_OTHER };

// What is compared stands side by side: clients lie far apart.
struct deadline {
	uint64_t due_ns;
	uint64_t serial; // the client's
	uint32_t client; // index
};

// Entries of who has another deadline by now are left where they are until they come first.
struct deadline_queue {
	struct deadline *entries; // round and round; the first is somebody's
	uint32_t from, to; // places counted up for ever
};

struct deadlines {
	struct client_table *clients; // borrowed
	struct deadline_queue queues[DEADLINE_QUEUES];
	struct deadline *heap;
	uint32_t *places; // by client's index: where its deadline stands (deadlines.c); 0: nowhere
	uint32_t queue_mask;
	uint32_t count, max; // in the heap
	uint64_t first_ns; // when the earliest is; CLIENT_NEVER: nobody's is
};

int deadlines_init(struct deadlines *deadlines, struct client_table *clients);
void deadlines_fini(struct deadlines *deadlines); // accepts a zeroed one
size_t deadlines_bytes(const struct deadlines *deadlines);

// Sets when a client's row is due; CLIENT_NEVER: not at all. `kind` is a hint: what is not in order
// after all goes to the heap.
void deadline_set(struct deadlines *deadlines, struct client *client, uint64_t due_ns,
	enum deadline_kind kind);

static inline bool deadline_before(const struct deadline *a, const struct deadline *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->serial < b->serial;
}

// The earliest, or NULL; of equal times, that of the client that was made first.
static inline const struct deadline *deadline_earliest(const struct deadlines *deadlines)
{
	const struct deadline *first = deadlines->count == 0 ? NULL : &deadlines->heap[0];

	for (unsigned i = 0; i < DEADLINE_QUEUES; i++) {
		const struct deadline_queue *queue = &deadlines->queues[i];
		const struct deadline *entry = &queue->entries[queue->from & deadlines->queue_mask];
		if (queue->from != queue->to && (first == NULL || deadline_before(entry, first)))
			first = entry;
	}
	return first;
}

// Whose row is due first, or NULL.
static inline struct client *deadline_first(const struct deadlines *deadlines)
{
	const struct deadline *first = deadline_earliest(deadlines);

	return first == NULL ? NULL : pool_at(&deadlines->clients->pool, first->client);
}

// When that is; CLIENT_NEVER: nobody's is.
static inline uint64_t deadline_first_ns(const struct deadlines *deadlines)
{
	return deadlines->first_ns;
}

// Hint: who comes `after` so many others in the queue of this kind; may have another deadline by
// now. NULL: nobody.
static inline struct client *deadline_later(
	const struct deadlines *deadlines, enum deadline_kind kind, uint32_t after)
{
	const struct deadline_queue *queue = &deadlines->queues[kind];

	if (queue->to - queue->from <= after)
		return NULL;
	const struct deadline *entry =
		&queue->entries[(queue->from + after) & deadlines->queue_mask];
	return pool_at(&deadlines->clients->pool, entry->client);
}
