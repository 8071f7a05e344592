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
	INSERTION_MAX = 8, // as many are sorted by insertion
	INDEX_BITS = 8, // of an item's place in the run
};
static_assert(1 << INDEX_BITS == REORDER_RUN_MAX);

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

enum { RANK_BITS = 2 };

static unsigned rank_of(const struct event *event)
{
	// What is said at a time holds at that time: facts first, and names before flows.
	static const uint8_t rank[] = {
		[EVENT_FACT] = 0, [EVENT_ANSWER] = 1, [EVENT_SEGMENT] = 2, [EVENT_NONE] = 3};

	return rank[event->kind];
}

// Times past the year 2116, which a capture file may claim, are all one.
static uint64_t order_at(uint64_t time_ns)
{
	return MIN(time_ns, UINT64_MAX >> RANK_BITS) << RANK_BITS;
}

static uint64_t order_of(const struct event *event)
{
	return order_at(event->time_ns) | rank_of(event);
}

// By octets as they stand in memory.
static uint64_t by_octets(const void *at, unsigned count)
{
	uint64_t word = 0;

	memcpy(&word, at, count);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	return word >> (64 - 8 * count);
}

// Of an IPv6 address the last octets, in which hosts differ.
static uint64_t tie_of_ip(const uint8_t *ip, uint8_t ip_version)
{
	return by_octets(ip_version == 6 ? ip + 12 : ip, 4);
}

// At the end of a capture all flows that are left end at one time: then this is all the order.
static uint64_t tie_of(const struct event *event)
{
	const struct segment_event *s = (const struct segment_event *)event;
	const struct fact_event *fact = (const struct fact_event *)event;
	const struct answer_event *answer = (const struct answer_event *)event;

	switch (event->kind) {
	case EVENT_SEGMENT:
		return (uint64_t)s->ip_proto << 56 | (uint64_t)(s->ip_version == 6) << 55 |
			tie_of_ip(s->ip[0], s->ip_version) << 16 | s->port[0];
	case EVENT_FACT:
		return (uint64_t)fact->kind << 48 | by_octets(fact->mac, 6);
	case EVENT_ANSWER:
		return tie_of_ip(answer->client_ip, answer->client_ip_version) << 16 |
			answer->name_len;
	default:
		return 0;
	}
}

#define BY(x, y) \
	do { \
		if ((x) != (y)) \
			return (x) < (y) ? -1 : 1; \
	} while (0)
#define BY_OCTETS(x, y, len) \
	do { \
		int by_ = memcmp((x), (y), (len)); \
		if (by_ != 0) \
			return by_; \
	} while (0)

static size_t ip_len(uint8_t ip_version)
{
	return ip_version == 4 ? 4 : ip_version == 6 ? 16 : 0;
}

// Field by field: octets between fields are whatever the ring held before.
static int segment_compare(const struct segment_event *a, const struct segment_event *b)
{
	BY(a->ip_version, b->ip_version);
	BY(a->ip_proto, b->ip_proto);
	for (unsigned e = 0; e < 2; e++) {
		BY_OCTETS(a->ip[e], b->ip[e], ip_len(a->ip_version));
		BY(a->port[e], b->port[e]);
	}
	BY(a->flow_start_ns, b->flow_start_ns);
	BY(a->segment, b->segment);
	BY(a->vlan_inner, b->vlan_inner);
	BY(a->tunnel, b->tunnel);
	BY(a->tunnel_id, b->tunnel_id);
	BY(a->flow_id, b->flow_id);
	for (unsigned e = 0; e < 2; e++) {
		BY(a->packets[e], b->packets[e]);
		BY(a->bytes[e], b->bytes[e]);
	}
	return 0;
}

static int fact_compare(const struct fact_event *a, const struct fact_event *b)
{
	BY(a->kind, b->kind);
	BY_OCTETS(a->mac, b->mac, 6);
	BY(a->ip_version, b->ip_version);
	BY_OCTETS(a->ip, b->ip, ip_len(a->ip_version));
	BY(a->prefix_len, b->prefix_len);
	BY(a->text_len, b->text_len);
	BY_OCTETS(a->text, b->text, a->text_len);
	return 0;
}

static int answer_compare(const struct answer_event *a, const struct answer_event *b)
{
	BY(a->client_ip_version, b->client_ip_version);
	BY_OCTETS(a->client_ip, b->client_ip, ip_len(a->client_ip_version));
	BY(a->name_len, b->name_len);
	BY_OCTETS(a->name, b->name, a->name_len);
	BY(a->address_count, b->address_count);
	for (unsigned i = 0; i < a->address_count; i++) {
		BY(a->addresses[i].ip_version, b->addresses[i].ip_version);
		BY_OCTETS(
			a->addresses[i].ip, b->addresses[i].ip, ip_len(a->addresses[i].ip_version));
	}
	return 0;
}

int event_compare(const struct event *a, const struct event *b)
{
	BY(a->time_ns, b->time_ns);
	BY(a->vlan, b->vlan);
	BY(a->iface, b->iface);
	switch (a->kind) {
	case EVENT_SEGMENT:
		return segment_compare(
			(const struct segment_event *)a, (const struct segment_event *)b);
	case EVENT_FACT:
		return fact_compare((const struct fact_event *)a, (const struct fact_event *)b);
	case EVENT_ANSWER:
		return answer_compare(
			(const struct answer_event *)a, (const struct answer_event *)b);
	default:
		return 0;
	}
}

// Without a jump on what nobody can foresee: at the end of a capture, and in floods, thousands have
// one time.
static inline bool before(const struct reorder_item *a, const struct reorder_item *b)
{
	if (unlikely(((a->order ^ b->order) | (a->tie ^ b->tie)) == 0))
		return event_compare(reorder_event(a), reorder_event(b)) < 0;
	return (a->order < b->order) | ((a->order == b->order) & (a->tie < b->tie));
}

static void heap_put(struct reorder *reorder, const struct reorder_item *item)
{
	struct reorder_item *heap = reorder->heap;
	uint32_t hole = reorder->heap_count++;

	while (hole > 0) {
		uint32_t parent = (hole - 1) / BRANCHES;
		if (!before(item, &heap[parent]))
			break;
		heap[hole] = heap[parent];
		hole = parent;
	}
	heap[hole] = *item;
}

static void sort_few(struct reorder_item *items, uint32_t count)
{
	for (uint32_t i = 1; i < count; i++) {
		struct reorder_item item = items[i];
		uint32_t place = i;
		for (; place > 0 && before(&item, &items[place - 1]); place--)
			items[place] = items[place - 1];
		items[place] = item;
	}
}

// Merge sort from the bottom up: a few by insertion, then pairs of sorted pieces.
static void sort_items(struct reorder_item *run, uint32_t count)
{
	struct reorder_item *from = run, other[REORDER_RUN_MAX], *to = other;

	for (uint32_t i = 0; i < count; i += INSERTION_MAX)
		sort_few(from + i, MIN(count - i, (uint32_t)INSERTION_MAX));
	for (uint32_t len = INSERTION_MAX; len < count; len *= 2) {
		for (uint32_t begin = 0; begin < count; begin += 2 * len) {
			uint32_t a = begin, a_end = MIN(begin + len, count);
			uint32_t b = a_end, b_end = MIN(begin + 2 * len, count);
			for (uint32_t i = begin; i < b_end; i++) {
				bool first =
					b == b_end || (a < a_end && !before(&from[b], &from[a]));
				to[i] = first ? from[a++] : from[b++];
			}
		}
		struct reorder_item *swapped = from;
		from = to;
		to = swapped;
	}
	if (from != run)
		memcpy(run, from, count * sizeof(*from));
}

static inline void sort_two(uint64_t *a, uint64_t *b)
{
	uint64_t less = MIN(*a, *b), more = MAX(*a, *b);

	*a = less;
	*b = more;
}

static inline void sort_four(uint64_t *keys)
{
	sort_two(&keys[0], &keys[1]);
	sort_two(&keys[2], &keys[3]);
	sort_two(&keys[0], &keys[2]);
	sort_two(&keys[1], &keys[3]);
	sort_two(&keys[1], &keys[2]);
}

// Two sorted pieces of one length: half of the outcome from the front, half from behind, so that
// neither piece ends before. No jumps.
static inline void merge_keys(const uint64_t *from, uint32_t half, uint64_t *to)
{
	uint32_t a = 0, b = half, a_last = half - 1, b_last = 2 * half - 1;

	for (uint32_t i = 0; i < half; i++) {
		uint64_t x = from[a], y = from[b], x_last = from[a_last], y_last = from[b_last];
		to[i] = MIN(x, y);
		a += x < y;
		b += x > y;
		to[2 * half - 1 - i] = MAX(x_last, y_last);
		a_last -= x_last > y_last;
		b_last -= x_last < y_last;
	}
}

// `count`: a power of two, four at least; no two keys are equal but the highest, which only fill
// up. Returns which of the two rooms they stand in.
static uint64_t *sort_keys(uint64_t *keys, uint64_t *other, uint32_t count)
{
	for (uint32_t i = 0; i < count; i += 4)
		sort_four(&keys[i]);
	for (uint32_t half = 4; half < count; half *= 2) {
		for (uint32_t i = 0; i < count; i += 2 * half)
			merge_keys(&keys[i], half, &other[i]);
		uint64_t *swapped = keys;
		keys = other;
		other = swapped;
	}
	return keys;
}

// By keys of one word: what is compared, as far as it finds room, and the place among the items.
// Where the order is nearly that of coming, but not quite, nobody foresees how a comparison ends,
// and these need no jumps.
static void sort_by_keys(struct reorder_item *items, uint64_t keys[REORDER_RUN_MAX], uint32_t count)
{
	struct reorder_item unsorted[REORDER_RUN_MAX];
	uint64_t other[REORDER_RUN_MAX];
	uint32_t room = 4;

	while (room < count)
		room *= 2;
	for (uint32_t i = 0; i < count; i++)
		keys[i] = keys[i] << INDEX_BITS | i;
	for (uint32_t i = count; i < room; i++)
		keys[i] = UINT64_MAX;
	memcpy(unsorted, items, count * sizeof(*items));
	const uint64_t *sorted = sort_keys(keys, other, room);
	for (uint32_t i = 0; i < count; i++)
		items[i] = unsorted[sorted[i] & (REORDER_RUN_MAX - 1)];
}

// Of one time: by the front of their ties, and where that is one by all that tells them apart.
static void sort_ties(struct reorder_item *items, uint32_t count)
{
	uint64_t keys[REORDER_RUN_MAX];

	if (count <= INSERTION_MAX) {
		sort_items(items, count);
		return;
	}
	for (uint32_t i = 0; i < count; i++)
		keys[i] = items[i].tie >> INDEX_BITS;
	sort_by_keys(items, keys, count);
	for (uint32_t from = 0, to; from < count; from = to) {
		for (to = from + 1;
			to < count && items[to].tie >> INDEX_BITS == items[from].tie >> INDEX_BITS;)
			to++;
		if (to - from > 1)
			sort_items(&items[from], to - from);
	}
}

static void sort_run(struct reorder_item *run, uint32_t count)
{
	uint64_t keys[REORDER_RUN_MAX], earliest = UINT64_MAX, latest = 0;

	for (uint32_t i = 0; i < count; i++) {
		earliest = MIN(earliest, run[i].order);
		latest = MAX(latest, run[i].order);
	}
	if (count <= INSERTION_MAX || latest - earliest >= UINT64_MAX >> INDEX_BITS) {
		sort_items(run, count);
		return;
	}
	if (latest != earliest) {
		for (uint32_t i = 0; i < count; i++)
			keys[i] = run[i].order - earliest;
		sort_by_keys(run, keys, count);
	}
	for (uint32_t from = 0, to; from < count; from = to) {
		for (to = from + 1; to < count && run[to].order == run[from].order;)
			to++;
		if (to - from > 1)
			sort_ties(&run[from], to - from);
	}
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
		while (skip < left && before(&run[skip], &queue[stop & mask]))
			heap_put(reorder, &run[skip++]);
	uint32_t hole = reorder->queue_to + left - skip, last = reorder->queue_to;
	reorder->queue_to = hole;
	while (left > skip) {
		const struct reorder_item *item = &run[left - 1];
		if (last != stop && before(item, &queue[(last - 1) & mask])) {
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
		sort_run(reorder->run, count);
	if (reorder->queue_from == reorder->queue_to ||
		!before(&reorder->run[0],
			&reorder->queue[(reorder->queue_to - 1) & reorder->queue_mask]))
		append_run(reorder, count);
	else
		merge_run(reorder, count);
	reorder->run_count = 0;
	reorder->run_sorted = true;
}

static void add(struct reorder *reorder, const struct event *event, const void *at, unsigned size)
{
	struct reorder_item item = {
		.order = order_of(event), .tie = tie_of(event), .place = (uintptr_t)at | size};

	if (reorder->run_count == REORDER_RUN_MAX)
		settle_run(reorder);
	if (reorder->run_count > 0 && before(&item, &reorder->run[reorder->run_count - 1]))
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
		uint32_t a = from + before(&heap[from + 1], &heap[from]);
		uint32_t b = from + 2 + before(&heap[from + 3], &heap[from + 2]);
		return before(&heap[b], &heap[a]) ? b : a;
	}
	uint32_t first = MIN(from, reorder->heap_count);
	for (uint32_t i = from + 1; i < reorder->heap_count; i++)
		if (before(&heap[i], &heap[first]))
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
		if (child == reorder->heap_count || !before(&heap[child], &last))
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
	if (reorder->queue_from == reorder->queue_to || before(&reorder->heap[0], queued))
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
	uint64_t until = until_ns == UINT64_MAX ? UINT64_MAX : order_at(until_ns);
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
