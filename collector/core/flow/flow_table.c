// The flow table of one shard. See flow_table.h for the idea; flow_wheel.h for what finds idle
// flows.
#include "core/flow/flow_table.h"

#include "core/base/memory.h"
#include "core/base/pool.h"
#include "core/flow/flow_key.h"
#include "core/flow/flow_wheel.h"
#include "core/flow/tcp_state.h"

#include <errno.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum {
	BUCKET_ENTRIES = 7,
	// Beyond flows_max, so that a batch's new flows always fit while its ended ones await their
	// segment: at most a batch of evicted and a batch of replaced ones.
	SPARE_FLOWS = 4 * PACKET_BATCH_MAX,
	WALK_PACKETS = 4, // between two steps of the walk; a power of two
	WALK_REST = 8, // between a flow that goes first and its bucket, when they are got under way
	WALK_EVICTED =
		96, // so far ahead of the next to be evicted: a batch's, and those on the way
	WALKED = 128, // a power of two
	EVICT_LOOKS = 8, // candidates compared for one eviction
	CONVERSATION_PACKETS = 6, // a handshake, a question and its answer are fewer
};

#define WALK_AHEAD_NS (34 * NS_PER_MS) // the wheel's slots that come next

enum timeout_class { TIMEOUT_TCP, TIMEOUT_UDP, TIMEOUT_OTHER, TIMEOUT_CLOSED, TIMEOUT_COUNT };

struct bucket {
	_Alignas(CACHE_LINE) uint32_t signature[BUCKET_ENTRIES]; // 0: empty
	uint32_t idx[BUCKET_ENTRIES];
	uint32_t elsewhere; // flows whose home this is and that stand in a later bucket
	uint32_t reserved;
};
static_assert(sizeof(struct bucket) == CACHE_LINE, "one line to look at");

struct flow_table {
	struct flow_settings settings;
	uint64_t idle_ns[TIMEOUT_COUNT];
	struct counters *counters;
	struct bucket *buckets;
	uint32_t bucket_mask;
	uint32_t farthest; // buckets past its home that any flow has ever stood
	uint32_t count; // flows in the table
	struct pool flows;
	struct pool more; // struct flow_more, of those that have one
	struct flow_wheel *wheel;
	uint32_t *ended; // list of flows that ended or were cut: a ring with room for all
	uint32_t ended_mask;
	uint32_t ended_first, ended_count;
	uint64_t now_ns; // latest table time seen
	uint32_t flush_bucket;
	struct wheel_walk walk; // ahead of what is due
	uint64_t walk_until_ns;
	bool walk_done; // for the batch at hand: it has met all, and all have rested
	uint32_t walked[WALKED]; // the last it met; a ring
	uint32_t walked_count;
	uint32_t walked_rest; // of these the next whose bucket is got under way
	uint32_t walked_first; // of these the next to be evicted
	uint32_t evicted; // for the batch at hand

	// Of the batch at hand.
	struct flow_key keys[PACKET_BATCH_MAX];
	struct hash_batch hash;
	struct flow *candidates[PACKET_BATCH_MAX]; // of equal signature, or NULL
	uint8_t reverse[PACKET_BATCH_MAX]; // the source is the key's second end
};

static uint32_t signature_of(uint64_t hash)
{
	return (uint32_t)(hash >> 32) | 1;
}

// Bit e: the array, of BUCKET_ENTRIES in a bucket, has this value at e.
static inline unsigned lanes_match(const uint32_t *lanes, uint32_t value)
{
#ifdef __SSE2__
	// The eighth is the bucket's still, and left out.
	const __m128i *quads = (const __m128i *)(const void *)lanes;
	__m128i all = _mm_set1_epi32((int)value);
	__m128i low = _mm_cmpeq_epi32(_mm_loadu_si128(quads), all);
	__m128i high = _mm_cmpeq_epi32(_mm_loadu_si128(quads + 1), all);
	int bits = _mm_movemask_ps(_mm_castsi128_ps(low)) |
		_mm_movemask_ps(_mm_castsi128_ps(high)) << 4;
	return (unsigned)bits & ((1u << BUCKET_ENTRIES) - 1);
#else
	unsigned bits = 0;

	for (unsigned e = 0; e < BUCKET_ENTRIES; e++)
		bits |= (unsigned)(lanes[e] == value) << e;
	return bits;
#endif
}

// Bit e: entry e is somebody's.
static unsigned entries_used(const struct bucket *bucket)
{
	return lanes_match(bucket->signature, 0) ^ ((1u << BUCKET_ENTRIES) - 1);
}

// As pool_at() and pool_index() have it, but that the compiler knows the size.
static struct flow *flow_at(const struct flow_table *t, uint32_t idx)
{
	INVARIANT(idx < t->flows.max);
	return (struct flow *)(void *)t->flows.objects + idx;
}

static uint32_t flow_index(const struct flow_table *t, const struct flow *flow)
{
	return (uint32_t)(flow - (const struct flow *)(const void *)t->flows.objects);
}

static uint32_t ring_mask(uint32_t entries)
{
	return UINT32_MAX >> __builtin_clz(entries);
}

static size_t ended_bytes(const struct flow_table *t)
{
	return ((size_t)t->ended_mask + 1) * sizeof(uint32_t);
}

int flow_table_new(
	struct flow_table **ret, const struct flow_settings *settings, struct counters *counters)
{
	size_t size = (sizeof(struct flow_table) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
	struct flow_table *t = aligned_alloc(CACHE_LINE, size);
	uint32_t buckets = 64;

	if (t == NULL)
		return -ENOMEM;
	memset(t, 0, sizeof(*t));
	t->settings = *settings;
	t->counters = counters;
	t->walk.next = POOL_NONE;
	t->idle_ns[TIMEOUT_TCP] = settings->idle_tcp_ns;
	t->idle_ns[TIMEOUT_UDP] = settings->idle_udp_ns;
	t->idle_ns[TIMEOUT_OTHER] = settings->idle_icmp_ns;
	t->idle_ns[TIMEOUT_CLOSED] = settings->idle_closed_ns;
	// Half full at the most: a bucket overflows rarely.
	while ((uint64_t)buckets * BUCKET_ENTRIES < 2 * (uint64_t)settings->flows_max)
		buckets *= 2;
	t->bucket_mask = buckets - 1;
	t->buckets = memory_reserve_scattered(buckets * sizeof(struct bucket));
	int err = t->buckets == NULL ? -ENOMEM : 0;
	if (!err)
		err = pool_init(&t->flows, settings->flows_max + SPARE_FLOWS, sizeof(struct flow));
	if (!err)
		err = pool_init(&t->more, t->flows.max, sizeof(struct flow_more));
	t->ended_mask = ring_mask(settings->flows_max + SPARE_FLOWS);
	t->ended = memory_reserve(ended_bytes(t));
	if (!err && t->ended == NULL)
		err = -ENOMEM;
	if (!err)
		err = flow_wheel_new(&t->wheel, settings->flows_max + SPARE_FLOWS);
	if (err) {
		flow_table_free(t);
		return err;
	}
	if (settings->prefault) {
		memory_prefault(t->buckets, buckets * sizeof(struct bucket));
		pool_prefault(&t->flows);
		pool_prefault(&t->more);
	}
	*ret = t;
	return 0;
}

void flow_table_free(struct flow_table *t)
{
	if (t == NULL)
		return;
	flow_wheel_free(t->wheel);
	pool_fini(&t->more);
	memory_release(t->ended, ended_bytes(t));
	pool_fini(&t->flows);
	memory_release(t->buckets, (t->bucket_mask + (size_t)1) * sizeof(struct bucket));
	free(t);
}

size_t flow_table_bytes(const struct flow_table *t)
{
	return sizeof(*t) + (t->bucket_mask + (size_t)1) * sizeof(struct bucket) +
		pool_bytes(&t->flows) + pool_bytes(&t->more) + ended_bytes(t) +
		flow_wheel_bytes(t->wheel);
}

uint32_t flow_table_count(const struct flow_table *t)
{
	return t->count;
}

// ---- buckets

// The flow with this key, or NULL.
static struct flow *table_find(
	const struct flow_table *t, const struct flow_key *key, uint64_t hash)
{
	uint32_t signature = signature_of(hash);
	uint32_t home = (uint32_t)hash & t->bucket_mask;
	uint32_t buckets = t->buckets[home].elsewhere > 0 ? t->farthest + 1 : 1;

	for (uint32_t b = 0; b < buckets; b++) {
		const struct bucket *bucket = &t->buckets[(home + b) & t->bucket_mask];
		for (unsigned match = lanes_match(bucket->signature, signature); match != 0;
			match &= match - 1) {
			struct flow *flow = flow_at(t, bucket->idx[__builtin_ctz(match)]);
			if (flow_key_equal(&flow->key, key))
				return flow;
		}
	}
	return NULL;
}

// The table is at most half full: there is a free entry.
static void table_insert(struct flow_table *t, uint32_t idx, uint64_t hash)
{
	uint32_t home = (uint32_t)hash & t->bucket_mask;

	for (uint32_t b = 0;; b++) {
		struct bucket *bucket = &t->buckets[(home + b) & t->bucket_mask];
		unsigned empty = lanes_match(bucket->signature, 0);
		if (empty == 0)
			continue;
		unsigned e = (unsigned)__builtin_ctz(empty);
		bucket->signature[e] = signature_of(hash);
		bucket->idx[e] = idx;
		if (b > 0)
			t->buckets[home].elsewhere++;
		if (b > t->farthest)
			t->farthest = b;
		t->count++;
		return;
	}
}

static void table_remove(struct flow_table *t, const struct flow *flow)
{
	uint32_t idx = flow_index(t, flow);
	uint32_t home = flow->hash & t->bucket_mask;

	for (uint32_t b = 0; b <= t->farthest; b++) {
		struct bucket *bucket = &t->buckets[(home + b) & t->bucket_mask];
		// An empty entry may still have the index of a flow that stood there.
		unsigned match = lanes_match(bucket->idx, idx) & ~lanes_match(bucket->signature, 0);
		if (match == 0)
			continue;
		bucket->signature[__builtin_ctz(match)] = 0;
		if (b > 0)
			t->buckets[home].elsewhere--;
		t->count--;
		return;
	}
	REQUIRE(false && "a flow in the table stands in a bucket");
}

// ---- ending and cutting

static uint64_t flow_idle_at(const struct flow_table *t, const struct flow *flow)
{
	return flow->last_ns + t->idle_ns[flow->timeout_class];
}

static bool segment_empty(const struct flow *flow)
{
	return flow->packets[0] == 0 && flow->packets[1] == 0;
}

static void list_add(
	struct flow_table *t, struct flow *flow, enum end_reason reason, uint64_t when_ns)
{
	flow->end_reason = (uint8_t)reason;
	flow->ended_ns = when_ns;
	t->ended[(t->ended_first + t->ended_count++) & t->ended_mask] = flow_index(t, flow);
}

// Out of the table and onto the list. The wheel must not hold the flow any more.
static void flow_end(
	struct flow_table *t, struct flow *flow, enum end_reason reason, uint64_t when_ns)
{
	// However it was found, a closed connection has ended by itself.
	if ((flow->bits & FLOW_CLOSED) && reason != END_RESOURCES)
		reason = END_DETECTED;
	table_remove(t, flow);
	flow->bits |= FLOW_ENDED;
	list_add(t, flow, reason, when_ns);
}

static void flow_end_linked(
	struct flow_table *t, struct flow *flow, enum end_reason reason, uint64_t when_ns)
{
	flow_wheel_unlink(t->wheel, flow_index(t, flow));
	flow_end(t, flow, reason, when_ns);
}

static uint64_t wheel_deadline(const struct flow_table *t, const struct flow *flow)
{
	return MIN(flow_idle_at(t, flow), flow->cut_ns);
}

static void wheel_link(struct flow_table *t, struct flow *flow)
{
	flow_wheel_link(t->wheel, flow_index(t, flow), wheel_deadline(t, flow), t->now_ns);
}

// Cuts that came due while there was nothing to report leave no row.
static void skip_empty_cuts(const struct flow_table *t, struct flow *flow, uint64_t time_ns)
{
	uint64_t active_ns = t->settings.active_ns;

	if (time_ns >= flow->cut_ns)
		flow->cut_ns += ((time_ns - flow->cut_ns) / active_ns + 1) * active_ns;
}

struct flow *flow_table_ended(struct flow_table *t)
{
	if (t->ended_count == 0) {
		t->ended_first = 0; // the same lines again
		return NULL;
	}
	t->ended_count--;
	return flow_at(t, t->ended[t->ended_first++ & t->ended_mask]);
}

void flow_table_done(struct flow_table *t, struct flow *flow)
{
	static const enum counter by_reason[] = {
		[END_IDLE] = COUNTER_flows_idle,
		[END_ACTIVE] = COUNTER_flows_active,
		[END_DETECTED] = COUNTER_flows_end,
		[END_FORCED] = COUNTER_flows_forced,
		[END_RESOURCES] = COUNTER_flows_resources,
	};

	counter_add(t->counters, by_reason[flow->end_reason], 1);
	counter_add(t->counters, COUNTER_packets_in_flows, flow->packets[0] + flow->packets[1]);
	if (flow->bits & FLOW_ENDED) {
		if (flow_has_more(flow))
			pool_give(&t->more, pool_index(&t->more, flow->more));
		pool_give(&t->flows, flow_index(t, flow));
		return;
	}
	memset(flow->packets, 0, sizeof(flow->packets));
	memset(flow->bytes, 0, sizeof(flow->bytes));
	memset(flow->payload, 0, sizeof(flow->payload));
	tcp_state_restart(flow);
	flow->seen |= FLOW_SEEN_LONG;
	flow_more(flow)->segment_start_ns = flow->last_ns;
	flow->cut_ns += t->settings.active_ns;
	flow->end_reason = END_NONE;
	wheel_link(t, flow);
}

// Puts a flow that the wheel does not hold on the list, if it is due for something.
static bool flow_due(struct flow_table *t, struct flow *flow, uint64_t now_ns)
{
	uint64_t idle_at = flow_idle_at(t, flow);

	if (flow->cut_ns < idle_at && flow->cut_ns <= now_ns) {
		if (!segment_empty(flow)) {
			list_add(t, flow, END_ACTIVE, flow->cut_ns);
			return true;
		}
		skip_empty_cuts(t, flow, MIN(now_ns, idle_at));
	}
	if (idle_at < now_ns) {
		flow_end(t, flow, END_IDLE, idle_at);
		return true;
	}
	return false;
}

// Flows that end have not been touched for long: they are got under way first, then their buckets
// and the rest of them, which they know.
static void prefetch_rest(const struct flow_table *t, uint32_t idx)
{
	const struct flow *flow = flow_at(t, idx);

	prefetch(&t->buckets[flow->hash & t->bucket_mask]);
	if (flow_has_more(flow))
		prefetch_octets(flow->more, sizeof(*flow->more));
}

// A step ahead of the wheel: a flow that will be due soon, or else the bucket of one met before.
// One leads to the next, a cache miss each: so they are looked for while other work is done, in
// steps so far apart that each finds what the one before it fetched. While flows are evicted, those
// that are due first go: then each packet takes a step, for both, when its flow has been updated.
static __attribute__((noinline)) void step_ahead(struct flow_table *t)
{
	uint64_t until_ns = t->walk_until_ns;

	if (t->evicted > 0) {
		if (t->walked_count - t->walked_first >= WALK_EVICTED)
			return;
		until_ns = UINT64_MAX;
	}
	bool met = flow_wheel_walk_on(t->wheel, &t->walk, until_ns);
	uint32_t lag = t->walked_count - t->walked_rest;
	if (lag > (met ? WALK_REST : 0))
		prefetch_rest(t, t->walked[t->walked_rest++ % WALKED]);
	t->walk_done = !met && lag == 0;
	if (!met)
		return;
	uint32_t idx = flow_wheel_walk(t->wheel, &t->walk);
	t->walked[t->walked_count++ % WALKED] = idx;
	if (t->evicted == 0)
		t->walked_first = t->walked_count;
	prefetch_octets(flow_at(t, idx), sizeof(struct flow));
}

// Who is evicted first, of those met ahead. Where it is none of them, the walk begins anew there.
static void walk_evicted(struct flow_table *t)
{
	uint32_t first = flow_wheel_first(t->wheel);

	while (t->walked_first != t->walked_count && t->walked[t->walked_first % WALKED] != first)
		t->walked_first++;
	if (t->walked_first == t->walked_count)
		t->walk = (struct wheel_walk){.next = POOL_NONE};
}

bool flow_table_expire(struct flow_table *t, uint64_t now_ns, uint32_t max)
{
	t->now_ns = MAX(t->now_ns, now_ns);
	for (uint32_t found = 0; found < max;) {
		uint32_t idx = flow_wheel_due(t->wheel, now_ns);
		if (idx == POOL_NONE)
			return true;
		struct flow *flow = flow_at(t, idx);
		if (flow_due(t, flow, now_ns))
			found++;
		else
			wheel_link(t, flow);
		// It may be idle since long as well: linked again when its segment is out, it must
		// be met before the wheel turns on.
		if (flow->end_reason == END_ACTIVE)
			return false;
	}
	return false;
}

// The flows of a bucket that the flush will come to soon.
static void prefetch_flush(const struct flow_table *t)
{
	enum { AHEAD = 16 };
	const struct bucket *bucket = &t->buckets[(t->flush_bucket + AHEAD) & t->bucket_mask];

	for (unsigned used = entries_used(bucket); used != 0; used &= used - 1)
		prefetch_octets(flow_at(t, bucket->idx[__builtin_ctz(used)]), sizeof(struct flow));
}

bool flow_table_flush(struct flow_table *t, uint64_t now_ns, uint32_t max)
{
	for (uint32_t found = 0; t->count > 0; t->flush_bucket++) {
		struct bucket *bucket = &t->buckets[t->flush_bucket];
		for (unsigned used = entries_used(bucket); used != 0; used &= used - 1) {
			unsigned e = (unsigned)__builtin_ctz(used);
			if (found == max)
				return false;
			struct flow *flow = flow_at(t, bucket->idx[e]);
			flow_wheel_unlink(t->wheel, bucket->idx[e]);
			if (!flow_due(t, flow, now_ns))
				flow_end(t, flow, END_FORCED, now_ns);
			// A cut flow stands here until its segment is out.
			if (!(flow->bits & FLOW_ENDED))
				return false;
			found++;
		}
		prefetch_flush(t);
	}
	return true;
}

uint64_t flow_table_clock(const struct flow_table *t, uint64_t now_ns)
{
	return MIN(now_ns, flow_wheel_clock(t->wheel));
}

// More than a knock: what a flood must not drive out.
static bool conversation(const struct flow *flow)
{
	return flow->seen & FLOW_SEEN_LONG ||
		flow->packets[0] + flow->packets[1] >= CONVERSATION_PACKETS;
}

static bool better_victim(const struct flow *a, const struct flow *b)
{
	if (conversation(a) != conversation(b))
		return !conversation(a);
	return a->last_ns < b->last_ns;
}

// Links an entry of the first slot anew, at its true deadline and behind all that are due then.
static void wheel_renew(struct flow_table *t, struct flow *flow)
{
	flow_wheel_unlink(t->wheel, flow_index(t, flow));
	wheel_link(t, flow);
}

// The flow that is due first: linked where it is due, which those that went on are not.
static struct flow *first_due(struct flow_table *t)
{
	for (;;) {
		uint32_t idx = flow_wheel_first(t->wheel);
		if (idx == POOL_NONE)
			return NULL;
		struct flow *flow = flow_at(t, idx);
		if (flow_wheel_in_first(t->wheel, wheel_deadline(t, flow)))
			return flow;
		wheel_renew(t, flow);
	}
}

// Of the few flows that are due first, one that never became a conversation goes, else the one
// unseen longest.
static void evict(struct flow_table *t)
{
	struct flow *victim = NULL;

	for (unsigned look = 0; look < EVICT_LOOKS; look++) {
		struct flow *flow = first_due(t);
		if (flow == NULL)
			break;
		if (victim == NULL || better_victim(flow, victim))
			victim = flow;
		if (!conversation(flow))
			break;
		wheel_renew(t, flow); // to the end of its slot: room for the next candidate
	}
	if (victim != NULL)
		flow_end_linked(t, victim, END_RESOURCES, t->now_ns);
}

// ---- new flows

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

// RFC 9293 section 3.5: whoever sends a SYN opens; who sends SYN/ACK was asked.
static unsigned initiator_is_receiver(const struct packet *p)
{
	return (p->tcp_flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK);
}

static uint8_t timeout_class_of(uint8_t ip_proto)
{
	if (ip_proto == IP_PROTO_TCP)
		return TIMEOUT_TCP;
	return ip_proto == IP_PROTO_UDP ? TIMEOUT_UDP : TIMEOUT_OTHER;
}

static void remember_macs(
	struct flow *flow, const struct packet *p, const struct packet_extra *extra, unsigned end)
{
	if (p->bits & PACKET_HAS_MAC) {
		memcpy(flow->mac[end], p->data + 6, 6);
		flow->has_mac |= (uint8_t)(1 << end);
		// A group address names nobody.
		if (!(flow->has_mac & 1 << !end) && !(p->data[0] & 1)) {
			memcpy(flow->mac[!end], p->data, 6);
			flow->has_mac |= (uint8_t)(1 << !end);
		}
	} else if (p->bits & PACKET_COOKED_MAC) {
		memcpy(flow->mac[end], extra->cooked_mac, 6);
		flow->has_mac |= (uint8_t)(1 << end);
	}
}

// What is learned once from each end's first packet.
static void first_of_end(
	struct flow *flow, const struct packet *p, const struct packet_extra *extra, unsigned end)
{
	const uint8_t *ip = p->data + p->l3_offset;

	flow->seen |= (uint8_t)(1 << end);
	flow->dscp[end] = p->bits & PACKET_IP6 ? (uint8_t)((be16(ip) >> 6) & 0x3f) : ip[1] >> 2;
	remember_macs(flow, p, extra, end);
}

static void mark_excluded(const struct flow_table *t, struct flow *flow)
{
	const struct excluded *set = t->settings.excluded;
	bool ip6 = flow->key.ip_version == 6;

	if (set == NULL || set->mac_count + set->subnet_count == 0)
		return;
	for (unsigned end = 0; end < 2; end++)
		if (excluded_matches(set, flow->has_mac & 1 << end ? flow->mac[end] : NULL,
			    flow_ip(flow, end), ip6))
			flow->bits |= FLOW_EXCLUDED;
}

static struct flow *flow_begin(
	struct flow_table *t, const struct packet *p, const struct packet_extra *extra, unsigned i)
{
	uint32_t idx = pool_take(&t->flows);

	if (idx == POOL_NONE)
		return NULL;
	struct flow *flow = flow_at(t, idx);
	// By the library: for `rep stos`, which a constant size becomes, the fields set next would
	// wait.
	memset(flow, 0, t->flows.object_size);
	flow->key = t->keys[i];
	flow->hash = (uint32_t)t->hash.hashes[i];
	flow->start_ns = flow->last_ns = p->time_ns;
	flow->cut_ns = p->time_ns + t->settings.active_ns;
	flow->timeout_class = timeout_class_of(p->ip_proto);
	flow->iface = p->iface;
	flow->vlan = p->vlan;
	flow->vlan_inner = p->vlan_inner;
	flow->more_from = &t->more;
	if (unlikely(extra->mpls_label != UINT32_MAX))
		flow_more(flow)->mpls_label = extra->mpls_label;
	flow->first_flags = p->tcp_flags;
	flow->watching = FLOW_UNASKED;
	flow->findings = POOL_NONE;
	for (unsigned s = 0; s < FLOW_STATES_MAX; s++)
		flow->state[s] = POOL_NONE;

	uint64_t words[2] = {t->hash.hashes[i], p->time_ns};
	flow->id = hash_words(&t->settings.key, words, 2);

	flow->first_end = (uint8_t)initiator_is_receiver(p);
	if (t->reverse[i] ^ flow->first_end)
		flow->bits |= FLOW_SWAPPED;
	if (p->ip_proto == IP_PROTO_TCP && !(p->bits & PACKET_LATER))
		flow->bits |= p->tcp_flags & TCP_SYN ? FLOW_SYN : FLOW_MID;
	if ((p->ip_proto == IP_PROTO_ICMP || p->ip_proto == IP_PROTO_ICMP6) &&
		!(p->bits & PACKET_LATER) && p->l4_header_len >= 2) {
		flow->icmp_type = p->data[p->l4_offset];
		flow->icmp_code = p->data[p->l4_offset + 1];
	}
	first_of_end(flow, p, extra, flow->first_end);
	mark_excluded(t, flow);
	table_insert(t, idx, t->hash.hashes[i]);
	wheel_link(t, flow);
	counter_add(t->counters, COUNTER_flows_created, 1);
	return flow;
}

// ---- a batch

static void evict_for_batch(struct flow_table *t)
{
	uint32_t room = t->settings.flows_max - PACKET_BATCH_MAX;

	for (t->evicted = 0; unlikely(t->count > room); t->evicted++)
		evict(t);
	if (unlikely(t->evicted > 0))
		walk_evicted(t);
}

// First pass: keys, hashes, buckets under way. Second: flows of equal signature under way.
void flow_table_prepare(struct flow_table *t, struct packet_batch *batch)
{
	bool vlan_in_key = t->settings.vlan_in_key;

	t->walk_until_ns = batch->now_ns + WALK_AHEAD_NS;
	t->walk_done = false;
	for (uint32_t i = 0; i < batch->count; i++) {
		struct packet *p = &batch->packets[i];
		struct flow_key *key = &t->keys[i];
		p->flow = NULL;
		if (unlikely(p->fate != PACKET_FLOW))
			continue;
		t->reverse[i] = (uint8_t)flow_key_of(
			key, p, &batch->extra[i], vlan_in_key, t->settings.iface_group[p->iface]);
		for (unsigned w = 0; w < FLOW_KEY_IP4_WORDS; w++)
			t->hash.words[w][i] = flow_key_ip4_word(key, w);
	}
	hash_batch(&t->settings.key, &t->hash, batch->count);
	evict_for_batch(t);
	for (uint32_t i = 0; i < batch->count; i++) {
		struct packet *p = &batch->packets[i];
		if (p->bits & PACKET_IP6 && p->fate == PACKET_FLOW)
			t->hash.hashes[i] = flow_key_hash(&t->settings.key, &t->keys[i]);
		p->hash = (uint32_t)t->hash.hashes[i];
		__builtin_prefetch(&t->buckets[p->hash & t->bucket_mask]);
	}
	for (uint32_t i = 0; i < batch->count; i++) {
		uint32_t home = (uint32_t)t->hash.hashes[i] & t->bucket_mask;
		const struct bucket *bucket = &t->buckets[home];
		unsigned match = lanes_match(bucket->signature, signature_of(t->hash.hashes[i]));
		t->candidates[i] = NULL;
		if (match != 0) {
			uint32_t idx = bucket->idx[__builtin_ctz(match)];
			t->candidates[i] = flow_at(t, idx);
			prefetch(&t->candidates[i]->key);
			prefetch(&t->candidates[i]->packets);
		}
	}
}

static void prefetch_cold(const struct flow *flow)
{
	prefetch_octets(&flow->start_ns, sizeof(*flow) - offsetof(struct flow, start_ns));
	if (flow_has_more(flow))
		prefetch_octets(flow->more, sizeof(*flow->more));
}

// What is read of a payload lies beyond the headers' line, in the next or the one after.
static void prefetch_payload(const struct packet *p)
{
	const uint8_t *payload = p->data + p->l4_offset + p->l4_header_len;

	prefetch(payload);
	prefetch(payload + CACHE_LINE);
}

static inline struct flow *flow_find(const struct flow_table *t, unsigned i)
{
	struct flow *flow = t->candidates[i];

	// A candidate may have ended since, or be of another key; its memory may even be another's.
	if (likely(flow != NULL && flow_key_equal(&flow->key, &t->keys[i]) &&
		    !(flow->bits & FLOW_ENDED)))
		return flow;
	return table_find(t, &t->keys[i], t->hash.hashes[i]);
}

enum verdict_on_flow { FLOW_GOES_ON, FLOW_IS_OVER, FLOW_IS_CUT };

// Judged by the packet's time alone, so that it does not matter when the wheel came by.
static enum verdict_on_flow judge(const struct flow_table *t, struct flow *flow,
	const struct packet *p, enum end_reason *ret_reason, uint64_t *ret_when_ns)
{
	uint64_t idle_at = flow_idle_at(t, flow);

	if (unlikely(p->time_ns >= flow->cut_ns)) {
		if (flow->cut_ns < idle_at && !segment_empty(flow)) {
			*ret_when_ns = flow->cut_ns;
			return FLOW_IS_CUT;
		}
		skip_empty_cuts(t, flow, p->time_ns);
	}
	if (unlikely(p->time_ns > idle_at)) {
		*ret_reason = END_IDLE;
		*ret_when_ns = idle_at;
		return FLOW_IS_OVER;
	}
	if (unlikely((flow->bits & FLOW_CLOSED) &&
		    (p->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN)) {
		*ret_reason = END_DETECTED;
		*ret_when_ns = p->time_ns;
		return FLOW_IS_OVER;
	}
	return FLOW_GOES_ON;
}

// Whether any packet of [from, to) belongs to the flow: its classifiers have yet to see it.
static bool touched(
	const struct packet_batch *batch, uint32_t from, uint32_t to, const struct flow *flow)
{
	for (uint32_t i = from; i < to; i++)
		if (batch->packets[i].flow == flow)
			return true;
	return false;
}

static uint32_t since_us(uint64_t from_ns, uint64_t to_ns)
{
	uint64_t us = to_ns > from_ns ? (to_ns - from_ns + NS_PER_US / 2) / NS_PER_US : 0;

	return us < UINT32_MAX ? (uint32_t)us : UINT32_MAX - 1;
}

// Time from the initiator's first payload to the other end's.
static void first_payload(struct flow *flow, const struct packet *p, unsigned end)
{
	flow->seen |= (uint8_t)(4 << end);
	if (end == 0) {
		flow->first_payload_ts_ns = p->ts_ns;
	} else if (flow->first_payload_ts_ns != 0) {
		flow->first_reply_us = since_us(flow->first_payload_ts_ns, p->ts_ns);
		flow->seen |= FLOW_SEEN_REPLY;
	}
}

static void close_timeout(struct flow_table *t, struct flow *flow)
{
	flow->timeout_class = TIMEOUT_CLOSED;
	flow_wheel_unlink(t->wheel, flow_index(t, flow));
	wheel_link(t, flow);
}

// No MTU is larger (RFC 791 allows 65535, no link of ours does): the sender's or receiver's card
// puts segments together, and packets counted here are not those on the wire.
enum { LARGEST_MTU = 9216 };

static inline void count(
	struct flow_table *t, struct flow *flow, struct packet *p, unsigned end, bool tcp)
{
	flow->last_ns = p->time_ns;
	flow->packets[end]++;
	flow->bytes[end] += p->l3_len;
	flow->payload[end] += p->payload_len;
	p->bits |= (uint8_t)(end * PACKET_REVERSE);
	p->flow = flow;
	if (tcp && unlikely(tcp_state_update(flow, p, end)) &&
		flow->timeout_class != TIMEOUT_CLOSED)
		close_timeout(t, flow);
}

static unsigned sending_end(const struct flow_table *t, const struct flow *flow, uint32_t i)
{
	static_assert(FLOW_SWAPPED == 1);
	return t->reverse[i] ^ (flow->bits & FLOW_SWAPPED);
}

// Whether there is nothing to do for packet i but to count it: no end of a flow or a segment, no
// first packet or first payload of either, nothing that marks a flow.
static inline bool established(
	const struct flow_table *t, const struct flow *flow, const struct packet *p, uint32_t i)
{
	unsigned seen = (p->payload_len > 0 ? 5u : 1u) << sending_end(t, flow, i);

	return flow_key_equal(&flow->key, &t->keys[i]) &&
		!(flow->bits & (FLOW_ENDED | FLOW_CLOSED)) &&
		!(p->bits & (PACKET_SNAPPED | PACKET_LATER)) && p->time_ns < flow->cut_ns &&
		p->time_ns <= flow_idle_at(t, flow) && (flow->seen & seen) == seen &&
		!segment_empty(flow) && p->l3_len <= LARGEST_MTU;
}

static void account(struct flow_table *t, struct flow *flow, struct packet_batch *batch, uint32_t i)
{
	struct packet *p = &batch->packets[i];
	unsigned end = sending_end(t, flow, i);
	bool tcp = p->ip_proto == IP_PROTO_TCP && !(p->bits & PACKET_LATER);

	if (segment_empty(flow) && flow->seen & FLOW_SEEN_LONG)
		flow->more->segment_start_ns = p->time_ns;
	if (!(flow->seen & 1 << end))
		first_of_end(flow, p, &batch->extra[i], end);
	if (p->payload_len > 0 && !(flow->seen & 4 << end))
		first_payload(flow, p, end);
	if (p->bits & PACKET_SNAPPED)
		flow->bits |= FLOW_SNAPPED;
	if (tcp && p->l3_len > LARGEST_MTU)
		flow->bits |= FLOW_OFFLOAD;
	count(t, flow, p, end, tcp);
}

// Whatever is not established. False: packet i ends or cuts a flow that the batch has touched
// since `from`, and waits.
static __attribute__((noinline)) bool update_slow(
	struct flow_table *t, struct packet_batch *batch, uint32_t from, uint32_t i)
{
	struct packet *p = &batch->packets[i];
	enum end_reason reason = END_NONE;
	uint64_t when_ns = 0;

	t->now_ns = MAX(t->now_ns, p->time_ns);
	struct flow *flow = flow_find(t, i);
	if (flow != NULL) {
		enum verdict_on_flow verdict = judge(t, flow, p, &reason, &when_ns);
		if (verdict != FLOW_GOES_ON && touched(batch, from, i, flow))
			return false;
		if (verdict == FLOW_IS_CUT) {
			flow_wheel_unlink(t->wheel, flow_index(t, flow));
			list_add(t, flow, END_ACTIVE, when_ns);
			return false;
		}
		if (verdict == FLOW_IS_OVER) {
			flow_end_linked(t, flow, reason, when_ns);
			flow = NULL;
		}
	}
	if (flow == NULL) {
		flow = flow_begin(t, p, &batch->extra[i], i);
		if (flow == NULL) {
			p->fate = PACKET_DROPPED;
			counter_drop(t->counters, DROP_flow_table_full);
			return true;
		}
		p->bits |= PACKET_NEW_FLOW;
	}
	account(t, flow, batch, i);
	return true;
}

uint32_t flow_table_update(struct flow_table *t, struct packet_batch *batch, uint32_t from)
{
	uint32_t to = batch->count;
	uint32_t between = t->evicted > 0 ? 0 : WALK_PACKETS - 1; // steps: a mask
	uint64_t watched = 0;

	for (uint32_t i = from; i < to; i++) {
		struct packet *p = &batch->packets[i];
		struct flow *flow = t->candidates[i];

		if ((i & between) == 0 && !t->walk_done)
			step_ahead(t);
		if (unlikely(p->fate != PACKET_FLOW)) {
			watched |= UINT64_C(1) << i;
			continue;
		}
		if (likely(flow != NULL && established(t, flow, p, i))) {
			count(t, flow, p, sending_end(t, flow, i), p->ip_proto == IP_PROTO_TCP);
			if (flow->watching == 0)
				continue;
			prefetch_cold(flow); // core/classify needs the cold lines next
			prefetch_payload(p);
		} else if (!update_slow(t, batch, from, i)) {
			to = i;
			break;
		} else {
			prefetch_payload(p);
		}
		watched |= UINT64_C(1) << i;
	}
	batch->watched = watched;
	if (to == batch->count && to > from)
		t->now_ns = MAX(t->now_ns, batch->packets[to - 1].time_ns);
	return to;
}
