// Deadlines: which client's row is due next. A heap of clients, each in it at most once.
//
// Ledger's thread only. Memory is fixed.
#pragma once

#include "core/client/client_table.h"

// What is compared stands in the heap itself, and its places side by side: clients lie far apart.
struct deadline {
	uint64_t due_ns;
	uint64_t serial; // the client's
	uint32_t client; // index
};

struct deadlines {
	struct client_table *clients; // borrowed
	struct deadline *heap;
	uint32_t *places; // by client's index: in the heap, counted from 1; 0: not in it
	uint32_t count, max;
};

int deadlines_init(struct deadlines *deadlines, struct client_table *clients);
void deadlines_fini(struct deadlines *deadlines); // accepts a zeroed one
size_t deadlines_bytes(const struct deadlines *deadlines);

// Sets when a client's row is due; CLIENT_NEVER: not at all.
void deadline_set(struct deadlines *deadlines, struct client *client, uint64_t due_ns);

// Whose row is due first, or NULL; of equal times, the client that was made first.
static inline struct client *deadline_first(const struct deadlines *deadlines)
{
	return deadlines->count == 0
		? NULL
		: pool_at(&deadlines->clients->pool, deadlines->heap[0].client);
}

// When that is; CLIENT_NEVER: nobody's is.
static inline uint64_t deadline_first_ns(const struct deadlines *deadlines)
{
	return deadlines->count == 0 ? CLIENT_NEVER : deadlines->heap[0].due_ns;
}
