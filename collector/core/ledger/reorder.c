// Reorder: a bounded heap of events.
#include "core/ledger/reorder.h"

#include "core/base/memory.h"

#include <errno.h>
#include <string.h>

// A wide heap is shallow, and what is compared stands side by side.
enum { BRANCHES = 4 };

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
	reorder->items = memory_reserve(reorder->max * sizeof(struct reorder_item));
	return reorder->items == NULL ? -ENOMEM : 0;
}

void reorder_fini(struct reorder *reorder)
{
	for (unsigned i = 0; i < REORDER_SIZES; i++)
		pool_fini(&reorder->pools[i]);
	memory_release(reorder->items, reorder->max * sizeof(struct reorder_item));
	reorder->items = NULL;
}

size_t reorder_bytes(const struct reorder *reorder)
{
	size_t bytes = reorder->max * sizeof(struct reorder_item);

	for (unsigned i = 0; i < REORDER_SIZES; i++)
		bytes += pool_bytes(&reorder->pools[i]);
	return bytes;
}

void reorder_prefault(struct reorder *reorder)
{
	for (unsigned i = 0; i < REORDER_SIZES; i++)
		pool_prefault(&reorder->pools[i]);
	memory_prefault(reorder->items, reorder->max * sizeof(struct reorder_item));
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
static uint64_t order_of(const struct event *event)
{
	uint64_t time_ns = MIN(event->time_ns, UINT64_MAX >> RANK_BITS);

	return time_ns << RANK_BITS | rank_of(event);
}

static uint64_t big_endian(const uint8_t *bytes, unsigned count)
{
	uint64_t word = 0;

	for (unsigned i = 0; i < count; i++)
		word = word << 8 | bytes[i];
	return word;
}

// Of an IPv6 address the last octets, in which hosts differ.
static uint64_t tie_of_ip(const uint8_t *ip, uint8_t ip_version)
{
	return big_endian(ip_version == 6 ? ip + 12 : ip, 4);
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
		return (uint64_t)fact->kind << 48 | big_endian(fact->mac, 6);
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

static inline bool before(
	const struct reorder *reorder, const struct reorder_item *a, const struct reorder_item *b)
{
	if (likely(a->order != b->order))
		return a->order < b->order;
	if (likely(a->tie != b->tie))
		return a->tie < b->tie;
	return event_compare(pool_at(&reorder->pools[a->size], a->slot),
		       pool_at(&reorder->pools[b->size], b->slot)) < 0;
}

bool reorder_put(struct reorder *reorder, const struct event *event)
{
	struct reorder_item item = {
		.order = order_of(event), .tie = tie_of(event), .slot = POOL_NONE};

	for (; item.size < REORDER_SIZES; item.size++) {
		if (event->size > slot_size[item.size])
			continue;
		item.slot = pool_take(&reorder->pools[item.size]);
		if (item.slot != POOL_NONE)
			break;
	}
	if (item.slot == POOL_NONE)
		return false;
	memcpy(pool_at(&reorder->pools[item.size], item.slot), event, event->size);

	uint32_t hole = reorder->count++;
	while (hole > 0) {
		uint32_t parent = (hole - 1) / BRANCHES;
		if (!before(reorder, &item, &reorder->items[parent]))
			break;
		reorder->items[hole] = reorder->items[parent];
		hole = parent;
	}
	reorder->items[hole] = item;
	return true;
}

// The earliest of the items that stand below `hole`, or `count` when there are none.
static inline uint32_t first_below(const struct reorder *reorder, uint32_t hole)
{
	const struct reorder_item *items = reorder->items;
	uint32_t from = BRANCHES * hole + 1;

	if (likely(from + BRANCHES <= reorder->count)) {
		uint32_t a = from + before(reorder, &items[from + 1], &items[from]);
		uint32_t b = from + 2 + before(reorder, &items[from + 3], &items[from + 2]);
		return before(reorder, &items[b], &items[a]) ? b : a;
	}
	uint32_t first = MIN(from, reorder->count);
	for (uint32_t i = from + 1; i < reorder->count; i++)
		if (before(reorder, &items[i], &items[first]))
			first = i;
	return first;
}

void reorder_pop(struct reorder *reorder)
{
	struct reorder_item *items = reorder->items;

	INVARIANT(reorder->count > 0);
	pool_give(&reorder->pools[items[0].size], items[0].slot);
	struct reorder_item last = items[--reorder->count];
	uint32_t hole = 0;
	for (;;) {
		uint32_t child = first_below(reorder, hole);
		if (child == reorder->count || !before(reorder, &items[child], &last))
			break;
		items[hole] = items[child];
		hole = child;
	}
	items[hole] = last;
	if (reorder->count > 0) {
		const uint8_t *next = pool_at(&reorder->pools[items[0].size], items[0].slot);
		for (unsigned line = 0; line < 5; line++)
			__builtin_prefetch(next + line * CACHE_LINE);
	}
}
