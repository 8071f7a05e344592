// Reorder: events of all shards, put into the order of time, bounded; ties are decided by content,
// so that the order does not depend on which ring an event came through.
//
// Events come nearly sorted: within some milliseconds, or at one time, in any order. A run of those
// that came last is sorted and merged into the end of a queue; only what belongs further up goes to
// a heap.
//
// Most are taken as soon as they have come: they are lent, where they lie, and only what has to
// wait is copied. Ledger's thread only.
#pragma once

#include "core/base/pool.h"
#include "core/ledger/reorder_sort.h"

#include <stdbool.h>

enum { REORDER_SIZES = 3 };

struct reorder {
	struct pool pools[REORDER_SIZES]; // slots for events of up to 512, 2048, 8192 octets
	struct reorder_item *queue; // sorted; a power of two of places, round and round
	struct reorder_item *heap;
	uint32_t queue_mask;
	uint32_t queue_from, queue_to; // places counted up for ever
	uint32_t heap_count, run_count;
	bool run_sorted;
	uint32_t count, max; // in all three
	uint32_t lent_count, lent[REORDER_SIZES]; // not given back; by the pools that they may need
	struct reorder_item run[REORDER_RUN_MAX]; // came last, not in the queue yet
};

// For about `max` events. Returns 0 or -ENOMEM.
int reorder_init(struct reorder *reorder, uint32_t max);
void reorder_fini(struct reorder *reorder); // accepts a zeroed one
size_t reorder_bytes(const struct reorder *reorder);
void reorder_prefault(struct reorder *reorder);

// Copies an event in. False when there is no room.
bool reorder_put(struct reorder *reorder, const struct event *event);

// The same, but the event is borrowed until it is given back, or all that are lent are kept.
bool reorder_lend(struct reorder *reorder, const struct event *event);
// Copies those that are lent and were not taken. There is room for them.
void reorder_keep(struct reorder *reorder);

// The earliest, or NULL.
const struct event *reorder_first(struct reorder *reorder);

// Takes the earliest out, in their order: at most `max`, and only those before `until_ns`
// (UINT64_MAX: all). Returns how many. Their slots are taken until they are given back.
uint32_t reorder_take(
	struct reorder *reorder, uint64_t until_ns, struct reorder_item *items, uint32_t max);
void reorder_give(struct reorder *reorder, const struct reorder_item *item);
