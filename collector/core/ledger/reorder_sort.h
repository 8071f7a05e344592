// What the order of time compares, and sorts: events by reference.
#pragma once

#include "core/base/compiler.h"
#include "core/ledger/event_order.h"

#include <stdbool.h>

enum { REORDER_LENT = 7, REORDER_RUN_MAX = 256 };

struct reorder_item {
	uint64_t order; // event_order()
	uint64_t tie; // event_tie(), so that few contents need to be looked at
	uintptr_t place; // address of the event; in its last bits which pool it is of, or
			 // REORDER_LENT
};

// The event of an item, one that was taken as well: valid until it is given back.
static inline const struct event *reorder_event(const struct reorder_item *item)
{
	return (const struct event *)(item->place & ~(uintptr_t)REORDER_LENT);
}

// Without a jump on what nobody can foresee: at the end of a capture, and in floods, thousands have
// one time.
static inline bool reorder_before(const struct reorder_item *a, const struct reorder_item *b)
{
	if (unlikely(((a->order ^ b->order) | (a->tie ^ b->tie)) == 0))
		return event_compare(reorder_event(a), reorder_event(b)) < 0;
	return (a->order < b->order) | ((a->order == b->order) & (a->tie < b->tie));
}

// Sorts up to REORDER_RUN_MAX items.
void reorder_sort(struct reorder_item *items, uint32_t count);
