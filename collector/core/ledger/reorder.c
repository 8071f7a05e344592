// Reorder: a sorted queue of events, and a heap of those that came too early for it.
#include "core/ledger/reorder.h"

#include "core/base/memory.h"

#include <errno.h>
#include <string.h>

enum {
	// A wide heap is shallow, and what is compared stands side by side.
	BRANCHES = 4,
	// So many places of the queue are moved for a run; what belongs further up goes to the
	// heap.
	MOVES_MAX = 4 * REORDER_RUN_MAX,
};

static const uint32_t slot_size[REORDER_SIZES] = {512, 2048, EVENT_SIZE_MAX};
static const uint32_t slot_share[REORDER_SIZES] = {1, 8, 32}; // one of so many is that large

int reorder_init(struct reorder *reorder, uint32_t max)
{
	memset(reorder, 0, sizeof(*reorder));
	for (unsigned i = 0; i < REORDER_SIZES; i++) {
		int err = pool_init(&reorder->pools[i], max / slot_share[i], slot_size[i]);
		if (err)
			return err;
		reorder->max += max / slot_share[i];
	}
	reorder->run_sorted = true;
	uint32_t places = 1;
	while (places < reorder->max)
		places *= 2;
	reorder->queue_mask = places - 1;
	reorder->queue = memory_reserve(places * sizeof(struct reorder_item));
	reorder->heap = memory_reserve(reorder->max * sizeof(struct reorder_item));
	return reorder->queue == NULL || reorder->heap == NULL ? -ENOMEM : 0;
}

static size_t queue_bytes(const struct reorder *reorder)
{
	return ((size_t)reorder->queue_mask + 1) * sizeof(struct reorder_item);
}

void reorder_fini(struct reorder *reorder)
{
	for (unsigned i = 0; i < REORDER_SIZES; i++)
		pool_fini(&reorder->pools[i]);
	memory_release(reorder->queue, queue_bytes(reorder));
	memory_release(reorder->heap, reorder->max * sizeof(struct reorder_item));
	reorder->queue = NULL;
	reorder->heap = NULL;
}

size_t reorder_bytes(const struct reorder *reorder)
{
	size_t bytes = queue_bytes(reorder) + reorder->max * sizeof(struct reorder_item);

	for (unsigned i = 0; i < REORDER_SIZES; i++)
		bytes += pool_bytes(&reorder->pools[i]);
	return bytes;
}

void reorder_prefault(struct reorder *reorder)
{
	for (unsigned i = 0; i < REORDER_SIZES; i++)
		pool_prefault(&reorder->pools[i]);
	memory_prefault(reorder->queue, queue_bytes(reorder));
	memory_prefault(reorder->heap, reorder->max * sizeof(struct reorder_item));
}

static void heap_put(struct reorder *reorder, const struct reorder_item *item)
{
	struct reorder_item *heap = reorder->heap;
	uint32_t hole = reorder->heap_count++;

	while (hole > 0) {
		uint32_t parent = (hole - 1) / BRANCHES;
		if (!reorder_before(item, &heap[parent]))
			break;
		heap[hole] = heap[parent];
		hole = parent;
	}
	heap[hole] = *item;
}

// The run comes after all that is in the queue.
static void append_run(struct reorder *reorder, uint32_t count)
{
	uint32_t at = reorder->queue_to & reorder->queue_mask;
	uint32_t to_end = MIN(count, reorder->queue_mask + 1 - at);

	memcpy(&reorder->queue[at], reorder->run, to_end * sizeof(*reorder->run));
	memcpy(reorder->queue, &reorder->run[to_end], (count - to_end) * sizeof(*reorder->run));
	reorder->queue_to += count;
}

// The run goes into the end of the queue; what belongs more than MOVES_MAX places up, to the heap.
static void merge_run(struct reorder *reorder, uint32_t count)
{
	const struct reorder_item *run = reorder->run;
	struct reorder_item *queue = reorder->queue;
	uint32_t mask = reorder->queue_mask, left = count, skip = 0;
	uint32_t queued = reorder->queue_to - reorder->queue_from;
	uint32_t stop = reorder->queue_to - MIN(queued, (uint32_t)MOVES_MAX);

	if (queued > MOVES_MAX)
		while (skip < left && reorder_before(&run[skip], &queue[stop & mask]))
			heap_put(reorder, &run[skip++]);
	uint32_t hole = reorder->queue_to + left - skip, last = reorder->queue_to;
	reorder->queue_to = hole;
	while (left > skip) {
		const struct reorder_item *item = &run[left - 1];
		if (last != stop && reorder_before(item, &queue[(last - 1) & mask])) {
			queue[--hole & mask] = queue[--last & mask];
		} else {
			queue[--hole & mask] = *item;
			left--;
		}
	}
}

static void settle_run(struct reorder *reorder)
{
	uint32_t count = reorder->run_count;

	if (count == 0)
		return;
	if (!reorder->run_sorted)
		reorder_sort(reorder->run, count);
	if (reorder->queue_from == reorder->queue_to ||
		!reorder_before(&reorder->run[0],
			&reorder->queue[(reorder->queue_to - 1) & reorder->queue_mask]))
		append_run(reorder, count);
	else
		merge_run(reorder, count);
	reorder->run_count = 0;
	reorder->run_sorted = true;
}

static void add(struct reorder *reorder, const struct event *event, const void *at, unsigned size)
{
	struct reorder_item item = {.order = event_order(event),
		.tie = event_tie(event),
		.place = (uintptr_t)at | size};

	if (reorder->run_count == REORDER_RUN_MAX)
		settle_run(reorder);
	if (reorder->run_count > 0 && reorder_before(&item, &reorder->run[reorder->run_count - 1]))
		reorder->run_sorted = false;
	reorder->run[reorder->run_count++] = item;
	reorder->count++;
}

// The pool of the smallest slots that it finds room in.
static unsigned size_of(const struct event *event)
{
	return event->size <= slot_size[0] ? 0 : event->size <= slot_size[1] ? 1 : 2;
}

bool reorder_put(struct reorder *reorder, const struct event *event)
{
	uint32_t slot = POOL_NONE;
	unsigned size = size_of(event);

	reorder_keep(reorder); // whose room might be taken
	for (; size < REORDER_SIZES; size++) {
		slot = pool_take(&reorder->pools[size]);
		if (slot != POOL_NONE)
			break;
	}
	if (slot == POOL_NONE)
		return false;
	void *at = pool_at(&reorder->pools[size], slot);
	memcpy(at, event, event->size);
	add(reorder, event, at, size);
	return true;
}

bool reorder_lend(struct reorder *reorder, const struct event *event)
{
	unsigned size = size_of(event);

	if (reorder->pools[size].used + reorder->lent[size] >= reorder->pools[size].max)
		return false;
	reorder->lent[size]++;
	reorder->lent_count++;
	add(reorder, event, event, REORDER_LENT);
	return true;
}

static void keep_item(struct reorder *reorder, struct reorder_item *item)
{
	if ((item->place & REORDER_LENT) != REORDER_LENT)
		return;
	const struct event *event = reorder_event(item);
	unsigned size = size_of(event);
	void *at = pool_at(&reorder->pools[size], pool_take(&reorder->pools[size]));

	memcpy(at, event, event->size);
	item->place = (uintptr_t)at | size;
	reorder->lent[size]--;
	reorder->lent_count--;
}

void reorder_keep(struct reorder *reorder)
{
	// The latest came last.
	for (uint32_t i = reorder->run_count; reorder->lent_count > 0 && i-- > 0;)
		keep_item(reorder, &reorder->run[i]);
	for (uint32_t at = reorder->queue_to; reorder->lent_count > 0 && at != reorder->queue_from;
		at--)
		keep_item(reorder, &reorder->queue[(at - 1) & reorder->queue_mask]);
	for (uint32_t i = 0; reorder->lent_count > 0 && i < reorder->heap_count; i++)
		keep_item(reorder, &reorder->heap[i]);
	INVARIANT(reorder->lent_count == 0);
}

// The earliest of the items that stand below `hole`, or `heap_count` when there are none.
static inline uint32_t first_below(const struct reorder *reorder, uint32_t hole)
{
	const struct reorder_item *heap = reorder->heap;
	uint32_t from = BRANCHES * hole + 1;

	if (likely(from + BRANCHES <= reorder->heap_count)) {
		uint32_t a = from + reorder_before(&heap[from + 1], &heap[from]);
		uint32_t b = from + 2 + reorder_before(&heap[from + 3], &heap[from + 2]);
		return reorder_before(&heap[b], &heap[a]) ? b : a;
	}
	uint32_t first = MIN(from, reorder->heap_count);
	for (uint32_t i = from + 1; i < reorder->heap_count; i++)
		if (reorder_before(&heap[i], &heap[first]))
			first = i;
	return first;
}

static void heap_pop(struct reorder *reorder)
{
	struct reorder_item *heap = reorder->heap;
	struct reorder_item last = heap[--reorder->heap_count];
	uint32_t hole = 0;

	for (;;) {
		uint32_t child = first_below(reorder, hole);
		if (child == reorder->heap_count || !reorder_before(&heap[child], &last))
			break;
		heap[hole] = heap[child];
		hole = child;
	}
	heap[hole] = last;
}

// The earliest of both, or NULL.
static const struct reorder_item *first_item(const struct reorder *reorder)
{
	const struct reorder_item *queued =
		&reorder->queue[reorder->queue_from & reorder->queue_mask];

	if (reorder->heap_count == 0)
		return reorder->count == 0 ? NULL : queued;
	if (reorder->queue_from == reorder->queue_to || reorder_before(&reorder->heap[0], queued))
		return &reorder->heap[0];
	return queued;
}

const struct event *reorder_first(struct reorder *reorder)
{
	settle_run(reorder);
	const struct reorder_item *item = first_item(reorder);
	return item == NULL ? NULL : reorder_event(item);
}

uint32_t reorder_take(
	struct reorder *reorder, uint64_t until_ns, struct reorder_item *items, uint32_t max)
{
	uint64_t until = until_ns == UINT64_MAX ? UINT64_MAX : event_order_at(until_ns);
	const struct reorder_item *item;
	uint32_t taken = 0;

	settle_run(reorder);
	while (taken < max && (item = first_item(reorder)) != NULL && item->order < until) {
		items[taken++] = *item;
		if (item == &reorder->heap[0])
			heap_pop(reorder);
		else
			reorder->queue_from++;
		reorder->count--;
	}
	return taken;
}

void reorder_give(struct reorder *reorder, const struct reorder_item *item)
{
	const struct event *event = reorder_event(item);
	unsigned size = item->place & REORDER_LENT;

	if (likely(size == REORDER_LENT)) {
		reorder->lent[size_of(event)]--;
		reorder->lent_count--;
		return;
	}
	pool_give(&reorder->pools[size], pool_index(&reorder->pools[size], event));
}
