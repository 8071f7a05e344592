// Reorder: events of all shards, put into the order of time in a bounded heap; ties are decided by
// content, so that the order does not depend on which ring an event came through.
//
// Ledger's thread only. Events are copied in once, and read in place.
#pragma once

#include "core/base/pool.h"
#include "core/event/event.h"

#include <stdbool.h>

enum { REORDER_SIZES = 3 };

struct reorder_item {
	uint64_t order; // time, then kind: facts before answers before segments
	uint64_t tie; // what tells most apart, so that few contents need to be looked at
	uint32_t slot; // index in its pool
	uint32_t size; // which pool
};

struct reorder {
	struct pool pools[REORDER_SIZES]; // slots for events of up to 512, 2048, 8192 octets
	struct reorder_item *items;
	uint32_t count, max;
};

// For about `max` events. Returns 0 or -ENOMEM.
int reorder_init(struct reorder *reorder, uint32_t max);
void reorder_fini(struct reorder *reorder); // accepts a zeroed one
size_t reorder_bytes(const struct reorder *reorder);
void reorder_prefault(struct reorder *reorder);

// Copies an event in. False when there is no room.
bool reorder_put(struct reorder *reorder, const struct event *event);

// The earliest, or NULL; valid until it is popped, whatever is put meanwhile.
static inline const struct event *reorder_first(const struct reorder *reorder)
{
	if (reorder->count == 0)
		return NULL;
	const struct reorder_item *item = &reorder->items[0];
	return pool_at(&reorder->pools[item->size], item->slot);
}

void reorder_pop(struct reorder *reorder);

// By content, of events of one time and kind; 0 only where no difference can matter.
int event_compare(const struct event *a, const struct event *b);
