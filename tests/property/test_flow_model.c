// The flow table against a plain model: random packets of few flows, with silences, jumps and
// closes, in batches of random size and with the wheel turned at random moments, must give the very
// segments that the model gives packet by packet. Fixed seeds.
#include "core/flow/flow_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { PACKETS = 20000, SEGMENTS_MAX = 4 * PACKETS, HOSTS = 6, PORTS = 4, FRAME = 40 };

#define IDLE_TCP (60 * NS_PER_S)
#define IDLE_UDP (30 * NS_PER_S)
#define IDLE_OTHER (10 * NS_PER_S)
#define IDLE_CLOSED (5 * NS_PER_S)
#define ACTIVE (100 * NS_PER_S)

struct segment {
	uint8_t low[6], high[6]; // canonical ends: address and port
	uint8_t proto, reason;
	uint64_t flow_start, start, end, when;
	uint64_t packets, bytes;
};

struct segments {
	struct segment *items;
	size_t count;
};

static uint64_t random_state;

static uint64_t rnd(uint64_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % below;
}

// ---- the model

struct model_flow {
	bool used, closed;
	struct segment now; // of the segment at hand
	uint64_t last, cut, idle;
	struct model_flow *next;
};

struct model {
	struct model_flow flows[2 * HOSTS * HOSTS * PORTS * PORTS * 3];
	size_t count;
	struct segments out;
};

static void model_emit(struct model *m, struct model_flow *f, uint8_t reason, uint64_t when)
{
	struct segment *s = &m->out.items[m->out.count++];

	*s = f->now;
	s->reason = f->closed && reason != END_ACTIVE ? END_DETECTED : reason;
	s->when = when;
	s->end = f->last;
	f->now.packets = f->now.bytes = 0;
	f->now.start = f->last;
}

// Everything that is due to this flow before or at `time`; at the end of all, whatever remains.
static void model_advance(struct model *m, struct model_flow *f, uint64_t time, bool strictly)
{
	for (;;) {
		uint64_t idle_at = f->last + f->idle;
		if (f->cut <= time && f->cut < idle_at) {
			if (f->now.packets > 0)
				model_emit(m, f, END_ACTIVE, f->cut);
			f->cut += ACTIVE;
			continue;
		}
		if (strictly ? idle_at < time : idle_at <= time) {
			model_emit(m, f, END_IDLE, idle_at);
			f->used = false;
		}
		return;
	}
}

static struct model_flow *model_flow_of(struct model *m, const struct segment *key)
{
	for (size_t i = 0; i < m->count; i++) {
		struct model_flow *f = &m->flows[i];
		if (f->now.proto == key->proto && memcmp(f->now.low, key->low, 6) == 0 &&
			memcmp(f->now.high, key->high, 6) == 0)
			return f;
	}
	struct model_flow *f = &m->flows[m->count++];
	memset(f, 0, sizeof(*f));
	f->now = *key;
	return f;
}

static void model_packet(struct model *m, const struct packet *p, const struct segment *key)
{
	struct model_flow *f = model_flow_of(m, key);

	if (f->used)
		model_advance(m, f, p->time_ns, true);
	if (f->used && f->closed && p->tcp_flags == TCP_SYN) {
		model_emit(m, f, END_DETECTED, p->time_ns);
		f->used = false;
	}
	if (!f->used) {
		f->used = true;
		f->closed = false;
		f->now.flow_start = f->now.start = p->time_ns;
		f->now.packets = f->now.bytes = 0;
		f->cut = p->time_ns + ACTIVE;
		f->idle = p->ip_proto == IP_PROTO_TCP ? IDLE_TCP
			: p->ip_proto == IP_PROTO_UDP ? IDLE_UDP
						      : IDLE_OTHER;
	}
	if (f->now.packets == 0)
		f->now.start = p->time_ns;
	f->now.packets++;
	f->now.bytes += p->l3_len;
	f->last = p->time_ns;
	if (p->tcp_flags & TCP_RST) {
		f->closed = true;
		f->idle = IDLE_CLOSED;
	}
}

static void model_end(struct model *m, uint64_t now)
{
	for (size_t i = 0; i < m->count; i++) {
		struct model_flow *f = &m->flows[i];
		if (f->used)
			model_advance(m, f, now, true);
		if (f->used)
			model_emit(m, f, END_FORCED, now);
	}
}

// ---- packets

struct frame {
	uint8_t bytes[FRAME];
};

static void make_packet(struct packet *p, struct packet_extra *extra, struct frame *frame,
	struct segment *key, uint64_t time_ns)
{
	static const uint8_t protos[] = {IP_PROTO_TCP, IP_PROTO_TCP, IP_PROTO_UDP, IP_PROTO_ICMP};
	static const uint8_t flags[] = {TCP_ACK, TCP_ACK, TCP_ACK, TCP_SYN, TCP_RST};
	uint8_t source = (uint8_t)rnd(HOSTS), destination = (uint8_t)rnd(HOSTS);

	memset(frame, 0, sizeof(*frame));
	memset(p, 0, sizeof(*p));
	*extra = (struct packet_extra){.mpls_label = UINT32_MAX};
	p->data = frame->bytes;
	p->ts_ns = p->time_ns = time_ns;
	p->cap_len = p->wire_len = FRAME;
	p->ip_proto = protos[rnd(ARRAY_COUNT(protos))];
	p->l3_len = (uint32_t)(40 + rnd(1400));
	p->l4_offset = 20;
	p->l4_header_len = p->ip_proto == IP_PROTO_TCP ? 20 : 8;
	p->fate = PACKET_FLOW;
	frame->bytes[12] = frame->bytes[16] = 10;
	frame->bytes[15] = source;
	frame->bytes[19] = destination;
	uint8_t ports = p->ip_proto != IP_PROTO_ICMP;
	frame->bytes[21] = (uint8_t)(ports * rnd(PORTS));
	frame->bytes[23] = (uint8_t)(ports * rnd(PORTS));
	if (p->ip_proto == IP_PROTO_TCP)
		p->tcp_flags = flags[rnd(ARRAY_COUNT(flags))];

	uint8_t a[6] = {10, 0, 0, source, 0, frame->bytes[21]};
	uint8_t b[6] = {10, 0, 0, destination, 0, frame->bytes[23]};
	bool low = memcmp(a, b, 6) < 0;
	memset(key, 0, sizeof(*key));
	key->proto = p->ip_proto;
	memcpy(key->low, low ? a : b, 6);
	memcpy(key->high, low ? b : a, 6);
}

// ---- the table

static void take_ended(struct flow_table *t, struct segments *out)
{
	struct flow *flow;

	while ((flow = flow_table_ended(t)) != NULL) {
		struct segment *s = &out->items[out->count++];
		memset(s, 0, sizeof(*s));
		memcpy(s->low, flow->key.ip[0], 4);
		memcpy(s->high, flow->key.ip[1], 4);
		s->low[4] = (uint8_t)(flow->key.port[0] >> 8);
		s->low[5] = (uint8_t)flow->key.port[0];
		s->high[4] = (uint8_t)(flow->key.port[1] >> 8);
		s->high[5] = (uint8_t)flow->key.port[1];
		s->proto = flow->key.ip_proto;
		s->reason = flow->end_reason;
		s->flow_start = flow->start_ns;
		s->start = flow_segment_start(flow);
		s->end = flow->last_ns;
		s->when = flow->ended_ns;
		s->packets = flow->packets[0] + flow->packets[1];
		s->bytes = flow->bytes[0] + flow->bytes[1];
		flow_table_done(t, flow);
	}
}

static int compare(const void *a, const void *b)
{
	const struct segment *x = a, *y = b;
	int order = memcmp(x->low, y->low, 13);

	if (order != 0)
		return order;
	if (x->when != y->when)
		return x->when < y->when ? -1 : 1;
	return x->reason - y->reason;
}

static void assert_same(struct segments *table, struct segments *model)
{
	qsort(table->items, table->count, sizeof(struct segment), compare);
	qsort(model->items, model->count, sizeof(struct segment), compare);
	for (size_t i = 0; i < table->count && i < model->count; i++) {
		const struct segment *t = &table->items[i], *m = &model->items[i];
		if (memcmp(t, m, sizeof(*t)) != 0)
			print_message("segment %zu: proto %u %u, reason %u %u, when %llu %llu, "
				      "start %llu %llu, "
				      "end %llu %llu, packets %llu %llu\n",
				i, t->proto, m->proto, t->reason, m->reason,
				(unsigned long long)t->when, (unsigned long long)m->when,
				(unsigned long long)t->start, (unsigned long long)m->start,
				(unsigned long long)t->end, (unsigned long long)m->end,
				(unsigned long long)t->packets, (unsigned long long)m->packets);
		assert_memory_equal(t, m, sizeof(*t));
	}
	assert_int_equal(table->count, model->count);
}

static const uint8_t groups[256];

static struct flow_table *table_of(uint32_t flows_max, struct counters *counters)
{
	struct flow_settings settings = {
		.flows_max = flows_max,
		.vlan_in_key = true,
		.idle_tcp_ns = IDLE_TCP,
		.idle_udp_ns = IDLE_UDP,
		.idle_icmp_ns = IDLE_OTHER,
		.idle_closed_ns = IDLE_CLOSED,
		.active_ns = ACTIVE,
		.iface_group = groups,
		.key = {1, 2},
	};
	struct flow_table *t;

	assert_int_equal(flow_table_new(&t, &settings, counters), 0);
	return t;
}

// Mostly close together; now and then a silence, rarely a leap.
static uint64_t step_ns(void)
{
	switch (rnd(200)) {
	case 0:
		return rnd(120 * NS_PER_S);
	case 1:
		return IDLE_UDP;
	case 2:
		return rnd(20) == 0 ? 86400 * NS_PER_S : 0;
	default:
		return rnd(NS_PER_S / 4);
	}
}

static void run_against_model(uint64_t seed)
{
	static struct packet_batch batch;
	static struct frame frames[PACKET_BATCH_MAX];
	struct counters *counters = aligned_alloc(64, sizeof(*counters));
	struct model *model = calloc(1, sizeof(*model));
	struct segments out = {calloc(SEGMENTS_MAX, sizeof(struct segment)), 0};
	uint64_t now = 1700000000 * NS_PER_S;

	random_state = seed;
	memset(counters, 0, sizeof(*counters));
	model->out.items = calloc(SEGMENTS_MAX, sizeof(struct segment));
	struct flow_table *t = table_of(4096, counters);
	for (unsigned done = 0; done < PACKETS; done += batch.count) {
		batch.count = (uint32_t)(1 + rnd(PACKET_BATCH_MAX));
		for (unsigned i = 0; i < batch.count; i++) {
			struct segment key;
			now += step_ns();
			make_packet(&batch.packets[i], &batch.extra[i], &frames[i], &key, now);
			model_packet(model, &batch.packets[i], &key);
		}
		batch.now_ns = now;
		flow_table_prepare(t, &batch);
		for (uint32_t from = 0; from < batch.count;) {
			from = flow_table_update(t, &batch, from);
			take_ended(t, &out);
		}
		for (unsigned i = 0; i < batch.count; i++)
			assert_non_null(batch.packets[i].flow);
		if (rnd(3) == 0) {
			while (!flow_table_expire(t, now, (uint32_t)(1 + rnd(8))))
				take_ended(t, &out);
			take_ended(t, &out);
			assert_true(flow_table_clock(t, now) <= now);
		}
	}
	model_end(model, now);
	bool all;
	do {
		all = flow_table_expire(t, now, 16);
		take_ended(t, &out);
	} while (!all);
	do {
		all = flow_table_flush(t, now, 16);
		take_ended(t, &out);
	} while (!all);
	assert_int_equal(flow_table_count(t), 0);
	assert_same(&out, &model->out);
	assert_true(counters->value[COUNTER_packets_in_flows] >= PACKETS);
	flow_table_free(t);
	free(out.items);
	free(model->out.items);
	free(model);
	free(counters);
}

static void test_same_segments_as_the_model(void **)
{
	for (uint64_t seed = 1; seed <= 12; seed++)
		run_against_model(seed * UINT64_C(0x9e3779b97f4a7c15));
}

// No event may come that is due before a clock that was promised.
static void test_clock_promises(void **)
{
	static struct packet_batch batch;
	static struct frame frames[PACKET_BATCH_MAX];
	struct counters *counters = aligned_alloc(64, sizeof(*counters));
	uint64_t now = 1700000000 * NS_PER_S, promised = 0;
	struct flow *flow;

	random_state = 77;
	memset(counters, 0, sizeof(*counters));
	struct flow_table *t = table_of(4096, counters);
	for (unsigned turn = 0; turn < 2000; turn++) {
		batch.count = (uint32_t)(1 + rnd(PACKET_BATCH_MAX));
		for (unsigned i = 0; i < batch.count; i++) {
			struct segment key;
			now += step_ns();
			make_packet(&batch.packets[i], &batch.extra[i], &frames[i], &key, now);
		}
		flow_table_prepare(t, &batch);
		bool all = false;
		for (uint32_t from = 0; from < batch.count || !all;) {
			if (from < batch.count)
				from = flow_table_update(t, &batch, from);
			else
				all = flow_table_expire(t, now, 8);
			while ((flow = flow_table_ended(t)) != NULL) {
				assert_true(flow->ended_ns >= promised);
				flow_table_done(t, flow);
			}
		}
		promised = flow_table_clock(t, now);
	}
	flow_table_free(t);
	free(counters);
}

// A full table evicts, never grows, and loses no packet.
static void test_eviction(void **)
{
	enum { FLOWS = 1024, FLOOD = 50000 };
	static struct packet_batch batch;
	static struct frame frames[PACKET_BATCH_MAX];
	struct counters *counters = aligned_alloc(64, sizeof(*counters));
	uint64_t now = 1700000000 * NS_PER_S, packets = 0, evicted = 0;
	struct flow *flow;

	random_state = 5;
	memset(counters, 0, sizeof(*counters));
	struct flow_table *t = table_of(FLOWS, counters);
	size_t bytes = flow_table_bytes(t);
	for (unsigned sent = 0; sent < FLOOD; sent += PACKET_BATCH_MAX) {
		batch.count = PACKET_BATCH_MAX;
		for (unsigned i = 0; i < batch.count; i++) {
			struct segment key;
			now += 1000;
			make_packet(&batch.packets[i], &batch.extra[i], &frames[i], &key, now);
			// A source of its own for each packet.
			frames[i].bytes[13] = (uint8_t)((sent + i) >> 16);
			frames[i].bytes[14] = (uint8_t)((sent + i) >> 8);
			frames[i].bytes[15] = (uint8_t)(sent + i);
		}
		flow_table_prepare(t, &batch);
		for (uint32_t from = 0; from < batch.count;) {
			from = flow_table_update(t, &batch, from);
			while ((flow = flow_table_ended(t)) != NULL) {
				packets += flow->packets[0] + flow->packets[1];
				evicted += flow->end_reason == END_RESOURCES;
				flow_table_done(t, flow);
			}
		}
		assert_true(flow_table_count(t) <= FLOWS);
	}
	while (!flow_table_flush(t, now, 64))
		while ((flow = flow_table_ended(t)) != NULL) {
			packets += flow->packets[0] + flow->packets[1];
			flow_table_done(t, flow);
		}
	while ((flow = flow_table_ended(t)) != NULL) {
		packets += flow->packets[0] + flow->packets[1];
		flow_table_done(t, flow);
	}
	assert_int_equal(packets, counters->value[COUNTER_packets_in_flows]);
	assert_int_equal(
		packets, (FLOOD + PACKET_BATCH_MAX - 1) / PACKET_BATCH_MAX * PACKET_BATCH_MAX);
	assert_true(evicted > FLOOD - 2 * FLOWS);
	assert_int_equal(counters->value[COUNTER_DROPS + DROP_flow_table_full], 0);
	assert_int_equal(bytes, flow_table_bytes(t));
	flow_table_free(t);
	free(counters);
}

enum { TALK = 10 };

// Packet `number` of a flood of datagrams, each a flow, of which the first TALK are one flow's.
static void make_datagram(struct packet *p, struct packet_extra *extra, struct frame *frame,
	unsigned number, uint64_t time_ns)
{
	struct segment key;
	unsigned source = number < TALK ? 0 : number;

	make_packet(p, extra, frame, &key, time_ns);
	memset(frame->bytes + 12, 0, 12);
	frame->bytes[12] = frame->bytes[16] = 10;
	frame->bytes[14] = (uint8_t)(source >> 8);
	frame->bytes[15] = (uint8_t)source;
	frame->bytes[17] = 1;
	p->ip_proto = IP_PROTO_UDP;
	p->l4_header_len = 8;
	p->tcp_flags = 0;
}

// Counts by end reason; returns that of the flow with TALK packets, or END_NONE.
static uint8_t take_by_reason(struct flow_table *t, unsigned reasons[END_RESOURCES + 1])
{
	struct flow *flow;
	uint8_t talk = END_NONE;

	while ((flow = flow_table_ended(t)) != NULL) {
		reasons[flow->end_reason]++;
		if (flow->packets[0] == TALK)
			talk = flow->end_reason;
		flow_table_done(t, flow);
	}
	return talk;
}

// Of flows that are due at about one time, all of them in one slot of the wheel, a conversation
// goes last, though it is the one unseen longest.
static void test_a_conversation_stays(void **)
{
	enum { FLOWS = 1024, FLOOD = 4096 };
	static struct packet_batch batch;
	static struct frame frames[PACKET_BATCH_MAX];
	struct counters *counters = aligned_alloc(64, sizeof(*counters));
	unsigned reasons[END_RESOURCES + 1] = {0};
	uint64_t now = ((1700000000 * NS_PER_S >> 24) << 24) - IDLE_UDP;

	memset(counters, 0, sizeof(*counters));
	struct flow_table *t = table_of(FLOWS, counters);
	for (unsigned sent = 0; sent < FLOOD; sent += PACKET_BATCH_MAX) {
		batch.count = PACKET_BATCH_MAX;
		for (unsigned i = 0; i < batch.count; i++)
			make_datagram(&batch.packets[i], &batch.extra[i], &frames[i], sent + i,
				now += 1000);
		flow_table_prepare(t, &batch);
		assert_int_equal(flow_table_update(t, &batch, 0), batch.count);
		assert_int_equal(take_by_reason(t, reasons), END_NONE);
	}
	assert_true(reasons[END_RESOURCES] > FLOOD - 2 * FLOWS);
	assert_true(flow_table_flush(t, now, 2 * FLOWS));
	assert_int_equal(take_by_reason(t, reasons), END_FORCED);
	flow_table_free(t);
	free(counters);
}

// A packet that comes exactly when the flow's time is over belongs to it, whether or not the clock
// was heard to say so before: else a flow's end would hang on where a batch ends.
static void test_exactly_in_time(void **)
{
	enum { PACKETS_FEW = 3 };
	static struct packet_batch batch;
	static struct frame frame;
	struct counters *counters = aligned_alloc(64, sizeof(*counters));
	unsigned reasons[END_RESOURCES + 1] = {0};
	uint64_t now = 1700000000 * NS_PER_S;

	memset(counters, 0, sizeof(*counters));
	struct flow_table *t = table_of(64, counters);
	batch.count = 1;
	for (unsigned sent = 0; sent < PACKETS_FEW; sent++) { // before it is cut
		make_datagram(&batch.packets[0], &batch.extra[0], &frame, 0, now);
		flow_table_prepare(t, &batch);
		assert_int_equal(flow_table_update(t, &batch, 0), 1);
		if (sent + 1 == PACKETS_FEW)
			break;
		now += IDLE_UDP;
		assert_true(flow_table_expire(t, now, 8));
		assert_int_equal(take_by_reason(t, reasons), END_NONE);
	}
	assert_true(flow_table_flush(t, now + IDLE_UDP, 8));
	take_by_reason(t, reasons);
	assert_int_equal(reasons[END_IDLE], 0);
	assert_int_equal(reasons[END_FORCED], 1);
	flow_table_free(t);
	free(counters);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_segments_as_the_model),
		cmocka_unit_test(test_clock_promises),
		cmocka_unit_test(test_eviction),
		cmocka_unit_test(test_a_conversation_stays),
		cmocka_unit_test(test_exactly_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
