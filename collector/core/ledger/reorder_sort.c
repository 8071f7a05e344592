// Sorts a run of events, which came nearly in order.
#include "core/ledger/reorder_sort.h"

#include <string.h>

enum {
	INSERTION_MAX = 8, // as many are sorted by insertion
	INDEX_BITS = 8, // of an item's place in the run
};
static_assert(1 << INDEX_BITS == REORDER_RUN_MAX);

static void sort_few(struct reorder_item *items, uint32_t count)
{
	for (uint32_t i = 1; i < count; i++) {
		struct reorder_item item = items[i];
		uint32_t place = i;
		for (; place > 0 && reorder_before(&item, &items[place - 1]); place--)
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
				bool first = b == b_end ||
					(a < a_end && !reorder_before(&from[b], &from[a]));
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

void reorder_sort(struct reorder_item *run, uint32_t count)
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
