// Classify: who is shown what, states taken and given back, words weighed, segments written.
//
// Flows are made by hand, and the list of ended flows is the test's own.
#include "core/classify/classify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { STATES = 4, CHUNKS = 256, RING_SIZE = 1 << 18 };

// A classifier that notes how it was called and says what the test has put into its mouth.
struct fake {
	unsigned inspected, bare, finished, cut, closed;
	unsigned dirty; // states that were not zeroed when first seen
	bool enough, want_bare, ended;
	struct flow_view view;
	void (*say)(struct report *report);
	void (*say_last)(struct report *report);
};

struct fake_state {
	uint32_t seen;
	uint8_t dirt[60];
};

static struct fake verdicts, names, packets;

static int open_fake(void **ret_self, struct fake *fake)
{
	*ret_self = fake;
	return 0;
}

static int verdicts_open(void **ret_self, const struct classifier_config *config)
{
	config->taxonomy->protocol[5] = "Five";
	return open_fake(ret_self, &verdicts);
}

static int names_open(void **ret_self, const struct classifier_config *)
{
	return open_fake(ret_self, &names);
}

static int packets_open(void **ret_self, const struct classifier_config *)
{
	return open_fake(ret_self, &packets);
}

static bool fake_bare(void *self, void *, const struct packet *)
{
	struct fake *fake = self;

	fake->bare++;
	return fake->want_bare;
}

static enum classify_next fake_inspect(void *self, void *object, const struct packet *,
	const struct flow_view *view, struct report *report)
{
	struct fake *fake = self;
	struct fake_state *state = object;

	fake->inspected++;
	if (state != NULL) {
		if (state->seen++ == 0)
			for (size_t i = 0; i < sizeof(state->dirt); i++)
				fake->dirty += state->dirt[i] != 0;
		memset(state->dirt, 0xff, sizeof(state->dirt));
	}
	if (view != NULL)
		fake->view = *view;
	if (fake->say != NULL)
		fake->say(report);
	return fake->enough ? CLASSIFY_ENOUGH : CLASSIFY_MORE;
}

static void fake_finish(void *self, void *, const struct flow_view *view, struct report *report)
{
	struct fake *fake = self;

	fake->finished++;
	fake->ended = view->ended;
	if (fake->say_last != NULL)
		fake->say_last(report);
}

static void fake_cut(void *self, void *, const struct flow_view *, uint64_t, struct report *report)
{
	struct fake *fake = self;

	fake->cut++;
	if (fake->say_last != NULL)
		fake->say_last(report);
}

static void fake_close(void *self)
{
	((struct fake *)self)->closed++;
}

static size_t verdicts_bytes(const void *)
{
	return 12345;
}

static const struct classifier_ops verdicts_ops = {
	.name = "verdicts",
	.wants = WANTS_TCP_PAYLOAD | WANTS_TCP_BARE | WANTS_UDP_PAYLOAD | WANTS_OTHER,
	.verdicts = true,
	.whole_packets = true,
	.packets_max = 100,
	.flow_state_size = sizeof(struct fake_state),
	.open = verdicts_open,
	.bare = fake_bare,
	.inspect = fake_inspect,
	.finish = fake_finish,
	.cut = fake_cut,
	.bytes = verdicts_bytes,
	.close = fake_close,
};

static const struct classifier_ops names_ops = {
	.name = "names",
	.wants = WANTS_DNS | WANTS_DHCP,
	.flow_state_size = sizeof(struct fake_state),
	.open = names_open,
	.inspect = fake_inspect,
	.finish = fake_finish,
	.cut = fake_cut,
	.close = fake_close,
};

static const struct classifier_ops packets_ops = {
	.name = "packets",
	.wants = WANTS_ARP | WANTS_NDP | WANTS_TCP_PAYLOAD,
	.packets_max = 2,
	.open = packets_open,
	.inspect = fake_inspect,
	.finish = fake_finish,
	.close = fake_close,
};

static const struct classifier_ops *const fakes[] = {&verdicts_ops, &names_ops, &packets_ops, NULL};

static struct counters counters;
static struct event_ring ring;
static struct classify *classify;
static struct flow flow;
static struct flow_more more;
static struct pool mores = {.objects = (uint8_t *)&more, .max = 1, .object_size = sizeof(more)};
static uint64_t now_ns;
static struct flow *ended;
static unsigned done;
static const uint8_t excluded_mac[1][6] = {{2, 0, 0, 0, 0, 9}};
static const struct excluded_subnet excluded_net[1] = {{.ip = {10, 9}, .prefix_len = 16}};
static const struct excluded excluded = {excluded_mac, 1, excluded_net, 1};

struct flow *flow_table_ended(struct flow_table *)
{
	struct flow *f = ended;

	ended = NULL;
	return f;
}

void flow_table_done(struct flow_table *, struct flow *)
{
	done++;
}

static int start_limited(bool dpi, uint32_t ring_size, uint32_t admitted)
{
	struct classify_settings settings = {
		.dpi_states_max = STATES,
		.dpi_memory_bytes = 1 << 20,
		.dpi_packets_max = 5,
		.dpi_admitted = admitted,
		.findings_max = CHUNKS,
		.dpi = dpi,
		.excluded = &excluded,
		.classifiers = fakes,
	};

	memset(&counters, 0, sizeof(counters));
	verdicts = names = packets = (struct fake){0};
	done = 0;
	now_ns = 1000;
	assert_int_equal(event_ring_init(&ring, ring_size, &counters), 0);
	return classify_new(&classify, &settings, &counters);
}

static int start(bool dpi, uint32_t ring_size)
{
	return start_limited(dpi, ring_size, 0);
}

static int set_up(void **)
{
	return start(true, RING_SIZE);
}

static int tear_down(void **)
{
	classify_free(classify);
	event_ring_fini(&ring);
	return 0;
}

static void flow_make(uint8_t proto, uint16_t port0, uint16_t port1)
{
	memset(&flow, 0, sizeof(flow));
	flow.key.ip[0][0] = 10;
	flow.key.ip[1][0] = 11;
	flow.key.port[0] = port0;
	flow.key.port[1] = port1;
	flow.key.ip_proto = proto;
	flow.key.ip_version = 4;
	flow.id = 77;
	flow.iface = 3;
	flow.vlan = 12;
	mores.fresh = 0;
	flow.more_from = &mores;
}

// Shows one packet of `f`; `bits`: enum packet_bits.
static void show(struct flow *f, uint8_t bits, uint8_t flags, uint16_t payload_len, uint32_t seq,
	uint32_t ack)
{
	static struct packet_batch batch;
	uint8_t bytes[64] = {0};
	struct packet *p = &batch.packets[0];

	for (unsigned i = 0; i < 4; i++) {
		bytes[4 + i] = (uint8_t)(seq >> (24 - 8 * i));
		bytes[8 + i] = (uint8_t)(ack >> (24 - 8 * i));
	}
	*p = (struct packet){
		.data = bytes,
		.cap_len = sizeof(bytes),
		.wire_len = sizeof(bytes),
		.time_ns = now_ns,
		.flow = f,
		.payload_len = payload_len,
		.l4_header_len = 20,
		.ip_proto = f->key.ip_proto,
		.tcp_flags = flags,
		.bits = bits,
		.fate = PACKET_FLOW,
	};
	batch.count = 1;
	if (payload_len > 0)
		f->seen |= bits & PACKET_REVERSE ? 8 : 4;
	f->seen |= bits & PACKET_REVERSE ? 2 : 1;
	batch.watched = UINT64_MAX;
	classify_batch(classify, &batch, 0, 1, &ring);
}

static void finish(struct flow *f, enum end_reason reason)
{
	f->end_reason = (uint8_t)reason;
	f->ended_ns = 5000;
	ended = f;
	classify_finish(classify, NULL, &ring);
	event_ring_publish(&ring, 1);
}

// The next event, which must be a segment; popped by the next call of next_event().
static const struct segment_event *next_segment(void)
{
	const struct event *event = event_ring_peek(&ring);

	assert_non_null(event);
	assert_int_equal(event->kind, EVENT_SEGMENT);
	return (const struct segment_event *)event;
}

static void test_memory_of_the_library(void **)
{
	struct memory_pools pools = {.count = 0};
	bool found = false;

	classify_memory(classify, &pools);
	for (uint32_t i = 0; i < pools.count; i++) {
		if (strcmp(pools.items[i].name, "DPI library") != 0)
			continue;
		assert_int_equal(pools.items[i].size, 12345);
		found = true;
	}
	assert_true(found);
}

static void test_who_is_shown_what(void **)
{
	flow_make(IP_PROTO_TCP, 1000, 443);
	show(&flow, PACKET_NEW_FLOW, TCP_ACK, 10, 0, 0);
	assert_int_equal(verdicts.inspected, 1);
	assert_int_equal(names.inspected, 0);
	assert_int_equal(packets.inspected, 1);

	flow_make(IP_PROTO_TCP, 53, 1000);
	show(&flow, PACKET_NEW_FLOW, TCP_ACK, 10, 0, 0);
	assert_int_equal(names.inspected, 1);
	assert_int_equal(packets.inspected, 2);

	flow_make(IP_PROTO_UDP, 1000, 53);
	show(&flow, PACKET_NEW_FLOW, 0, 10, 0, 0);
	assert_int_equal(names.inspected, 2);
	flow_make(IP_PROTO_UDP, 67, 68);
	show(&flow, PACKET_NEW_FLOW, 0, 10, 0, 0);
	assert_int_equal(names.inspected, 3);
	assert_int_equal(packets.inspected, 2);
	assert_int_equal(verdicts.inspected, 4);

	flow_make(47, 0, 0);
	show(&flow, PACKET_NEW_FLOW, 0, 10, 0, 0);
	assert_int_equal(verdicts.inspected, 4); // its four states are taken
	assert_int_equal(counters.value[COUNTER_dpi_given_up], 1);
	assert_int_equal(counters.value[COUNTER_dpi_states_lost], 1);
	assert_int_equal(flow.dpi, DPI_GIVEN_UP);
}

static void test_consumed_packets(void **)
{
	static struct packet_batch batch;

	batch.packets[0] = (struct packet){.fate = PACKET_ARP};
	batch.packets[1] = (struct packet){.fate = PACKET_NDP};
	batch.packets[2] = (struct packet){.fate = PACKET_CONSUMED};
	batch.packets[3] = (struct packet){.fate = PACKET_DROPPED};
	batch.packets[4] = (struct packet){.fate = PACKET_FLOW}; // in no flow: the table was full
	batch.count = 5;
	batch.watched = UINT64_MAX;
	classify_batch(classify, &batch, 0, 5, &ring);
	assert_int_equal(packets.inspected, 2);
	assert_int_equal(verdicts.inspected, 0);
}

// A handshake and segments without data take no state; what they told stands in the view.
static void test_opening(void **)
{
	flow_make(IP_PROTO_TCP, 1000, 443);
	show(&flow, PACKET_NEW_FLOW, TCP_SYN, 0, 100, 0);
	show(&flow, PACKET_REVERSE, TCP_SYN | TCP_ACK, 0, 500, 101);
	show(&flow, 0, TCP_ACK, 0, 101, 501);
	assert_int_equal(verdicts.bare, 3);
	assert_int_equal(verdicts.inspected, 0);
	assert_int_equal(counters.value[COUNTER_dpi_states], 0);
	show(&flow, 0, TCP_ACK | TCP_PSH, 40, 101, 501);
	assert_int_equal(counters.value[COUNTER_dpi_states], 1);
	assert_int_equal(verdicts.view.bare_packets, 3);
	assert_int_equal(verdicts.view.payload_packets, 1);
	assert_int_equal(verdicts.view.opening, OPENING_SYN | OPENING_SYN_ACK | OPENING_ACK);
	assert_int_equal(verdicts.view.opening_seq[0], 101);
	assert_int_equal(verdicts.view.opening_seq[1], 501);
	assert_int_equal(verdicts.view.port[1], 443);
	assert_int_equal(verdicts.view.from, 0);
	verdicts.want_bare = true;
	show(&flow, PACKET_REVERSE, TCP_ACK, 0, 501, 141);
	assert_int_equal(verdicts.inspected, 2);
	assert_int_equal(verdicts.view.from, 1);
	assert_int_equal(packets.inspected, 1);
}

static void test_new_syn_begins_anew(void **)
{
	flow_make(IP_PROTO_TCP, 1000, 443);
	show(&flow, PACKET_NEW_FLOW, TCP_SYN, 0, 100, 0);
	show(&flow, PACKET_REVERSE, TCP_SYN | TCP_ACK, 0, 500, 101);
	show(&flow, 0, TCP_SYN, 0, 900, 0);
	show(&flow, 0, TCP_ACK | TCP_PSH, 40, 901, 501);
	assert_int_equal(verdicts.view.opening & (OPENING_SYN | OPENING_SYN_ACK), OPENING_SYN);
	assert_int_equal(verdicts.view.opening_seq[0], 0);
}

static void test_snapped_packets_are_not_whole(void **)
{
	flow_make(IP_PROTO_TCP, 1000, 80);
	show(&flow, PACKET_NEW_FLOW | PACKET_SNAPPED, TCP_ACK, 100, 0, 0);
	assert_int_equal(verdicts.inspected, 0);
	assert_int_equal(packets.inspected, 1);
}

// States: zeroed, given back when it was enough, at the budget and at the end; finish() each time.
static void test_states_come_back(void **)
{
	verdicts.enough = true;
	for (unsigned i = 0; i < 10 * STATES; i++) {
		flow_make(IP_PROTO_UDP, 1000, 2000);
		show(&flow, PACKET_NEW_FLOW, 0, 10, 0, 0);
		show(&flow, 0, 0, 10, 0, 0);
		assert_int_equal(flow.watching, 0);
		finish(&flow, END_IDLE);
	}
	assert_int_equal(verdicts.inspected, 10 * STATES);
	assert_int_equal(verdicts.finished, 10 * STATES);
	assert_false(verdicts.ended);

	verdicts.enough = false;
	for (unsigned i = 0; i < 10 * STATES; i++) {
		flow_make(IP_PROTO_UDP, 1000, 2000);
		show(&flow, PACKET_NEW_FLOW, 0, 10, 0, 0);
		for (unsigned n = 0; n < 20; n++)
			show(&flow, 0, 0, 10, 0, 0);
	}
	assert_int_equal(verdicts.inspected, 60 * STATES); // five each, by the settings
	assert_int_equal(verdicts.finished, 20 * STATES);

	for (unsigned i = 0; i < 10 * STATES; i++) {
		flow_make(IP_PROTO_UDP, 1000, 2000);
		show(&flow, PACKET_NEW_FLOW, 0, 10, 0, 0);
		finish(&flow, END_FORCED);
	}
	assert_int_equal(verdicts.finished, 30 * STATES);
	assert_true(verdicts.ended);
	assert_int_equal(verdicts.dirty, 0);
	// Nobody gave a verdict on those that ended; none of them for want of a state.
	assert_int_equal(counters.value[COUNTER_dpi_given_up], done);
	assert_int_equal(counters.value[COUNTER_dpi_states], 30 * STATES);
	assert_int_equal(done, 20 * STATES);
}

static void test_no_state_left(void **)
{
	static struct flow flows[STATES + 1];

	for (unsigned i = 0; i <= STATES; i++) {
		flow_make(IP_PROTO_UDP, 1000, 53);
		flows[i] = flow;
		show(&flows[i], PACKET_NEW_FLOW, 0, 10, 0, 0);
		show(&flows[i], 0, 0, 10, 0, 0);
	}
	assert_int_equal(verdicts.inspected, 2 * STATES);
	assert_int_equal(names.inspected, 2 * STATES);
	assert_int_equal(counters.value[COUNTER_dpi_given_up], 1);
	assert_int_equal(counters.value[COUNTER_states_lost], 1);
	assert_int_equal(flows[STATES].dpi, DPI_GIVEN_UP);
	finish(&flows[STATES], END_IDLE);
	assert_int_equal(next_segment()->dpi, DPI_GIVEN_UP);
	assert_int_equal(verdicts.finished, 0);
}

// One packet of a new flow, which ends at once; what became of its inspection.
static enum dpi short_flow(uint16_t port)
{
	flow_make(IP_PROTO_UDP, 1000, port);
	show(&flow, PACKET_NEW_FLOW, 0, 10, 0, 0);
	finish(&flow, END_IDLE);
	return (enum dpi)flow.dpi;
}

static unsigned admitted_of(unsigned flows)
{
	unsigned admitted = 0;

	for (unsigned i = 0; i < flows; i++)
		admitted += short_flow(9) != DPI_NOT_ADMITTED;
	return admitted;
}

static void test_admission(void **)
{
	enum { RATE = 1000, BURST = RATE / 4 };

	tear_down(NULL);
	assert_int_equal(start_limited(true, RING_SIZE, RATE), 0);
	now_ns = 100 * NS_PER_S;
	assert_int_equal(admitted_of(BURST), BURST);
	flow_make(IP_PROTO_UDP, 1000, 53);
	struct flow known = flow;
	show(&known, PACKET_NEW_FLOW, 0, 10, 0, 0);

	// Past the limit a flow is named by others, and not shown to nDPI.
	unsigned inspected = verdicts.inspected;
	assert_int_equal(short_flow(53), DPI_NOT_ADMITTED);
	assert_int_equal(admitted_of(3 * RATE), 0);
	assert_int_equal(verdicts.inspected, inspected);
	assert_int_equal(names.inspected, 2);
	assert_int_equal(counters.value[COUNTER_dpi_not_admitted], 3 * RATE + 1);
	assert_int_equal(counters.value[COUNTER_dpi_states], BURST + 1);

	// One that was admitted before stays so.
	show(&known, 0, 0, 10, 0, 0);
	assert_int_equal(verdicts.inspected, inspected + 1);
	finish(&known, END_IDLE);

	now_ns += 20 * NS_PER_MS; // so long 20 more are admitted
	assert_int_equal(admitted_of(3 * RATE), 20);
	now_ns += 60 * NS_PER_S; // unused turns are not kept for longer than a burst
	assert_int_equal(admitted_of(3 * RATE), BURST + 1);
}

// A segment without data takes no turn, and a flow that was not admitted says so in its row.
static void test_admission_of_tcp(void **)
{
	tear_down(NULL);
	assert_int_equal(start_limited(true, RING_SIZE, 4), 0);
	now_ns = 100 * NS_PER_S;
	for (unsigned i = 0; i < 100; i++) {
		flow_make(IP_PROTO_TCP, 1000, 80);
		show(&flow, PACKET_NEW_FLOW, TCP_SYN, 0, 0, 0);
		finish(&flow, END_IDLE);
	}
	assert_int_equal(counters.value[COUNTER_dpi_not_admitted], 0);
	for (unsigned i = 0; i < 3; i++) {
		flow_make(IP_PROTO_TCP, 1000, 80);
		show(&flow, PACKET_NEW_FLOW, TCP_ACK, 10, 0, 0);
		finish(&flow, END_IDLE);
	}
	assert_int_equal(counters.value[COUNTER_dpi_not_admitted], 1);
	while (next_segment()->dpi == DPI_NO_PAYLOAD)
		event_ring_pop(&ring);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(next_segment()->dpi, DPI_GIVEN_UP);
		event_ring_pop(&ring);
	}
	assert_int_equal(next_segment()->dpi, DPI_NOT_ADMITTED);
}

static void test_excluded(void **)
{
	flow_make(IP_PROTO_UDP, 1000, 53);
	flow.bits = FLOW_EXCLUDED;
	show(&flow, PACKET_NEW_FLOW, 0, 10, 0, 0);
	finish(&flow, END_IDLE);
	assert_int_equal(verdicts.inspected + names.inspected, 0);
	assert_int_equal(next_segment()->dpi, DPI_EXCLUDED);
	assert_int_equal(counters.value[COUNTER_dpi_excluded], 1);
}

static void test_dpi_off(void **)
{
	classify_free(classify);
	event_ring_fini(&ring);
	assert_int_equal(start(false, RING_SIZE), 0);
	flow_make(IP_PROTO_TCP, 1000, 53);
	show(&flow, PACKET_NEW_FLOW, TCP_ACK, 10, 0, 0);
	assert_int_equal(verdicts.inspected, 0);
	assert_int_equal(names.inspected, 1);
	assert_int_equal(packets.inspected, 1);
}

static void say_verdict(struct report *report)
{
	const struct verdict verdict = {
		.protocol = 5,
		.application = 6,
		.category = 7,
		.risk_score = 8,
		.risk_bits = 9,
		.confidence = CONFIDENCE_DPI,
		.dpi = DPI_VERDICT,
	};

	report_verdict(report, &verdict);
	report_text(report, FINDING_SERVER_NAME, NAME_SNI, (const uint8_t *)"a.example", 9);
	report_number(report, FINDING_HTTP_STATUS, 200);
	report_malformed(report);
}

static void test_verdict_reaches_the_event(void **)
{
	struct findings_view view;

	assert_string_equal(classify_taxonomy(classify)->protocol[5], "Five");
	assert_string_equal(classify_taxonomy(classify)->protocol[0], "Unknown");
	verdicts.say_last = say_verdict;
	flow_make(IP_PROTO_TCP, 1000, 443);
	flow.bits = FLOW_SYN;
	flow.packets[0] = 3;
	flow.bytes[1] = 4;
	show(&flow, PACKET_NEW_FLOW, TCP_ACK, 10, 0, 0);
	finish(&flow, END_DETECTED);
	const struct segment_event *e = next_segment();
	assert_int_equal(e->event.time_ns, 5000);
	assert_int_equal(e->event.iface, 3);
	assert_int_equal(e->event.vlan, 12);
	assert_int_equal(e->flow_id, 77);
	assert_int_equal(e->protocol, 5);
	assert_int_equal(e->application, 6);
	assert_int_equal(e->category, 7);
	assert_int_equal(e->risk_score, 8);
	assert_int_equal(e->risk_bits, 9);
	assert_int_equal(e->confidence, CONFIDENCE_DPI);
	assert_int_equal(e->dpi, DPI_VERDICT);
	assert_int_equal(e->orientation, ORIENT_SYN);
	assert_int_equal(e->end_reason, END_DETECTED);
	assert_int_equal(e->packets[0], 3);
	assert_int_equal(e->bytes[1], 4);
	assert_int_equal(e->segment, 0);
	findings_read(&view, e->findings, e->findings_size);
	assert_int_equal(view.len[FINDING_SERVER_NAME], 9);
	assert_int_equal(view.number[FINDING_HTTP_STATUS], 200);
	assert_int_equal(counters.value[COUNTER_dpi_verdicts], 1);
	assert_int_equal(counters.value[COUNTER_names_malformed], 1);
}

static void test_no_payload(void **)
{
	flow_make(IP_PROTO_TCP, 1000, 443);
	flow.tcp_flags[1] = TCP_RST | TCP_ACK;
	show(&flow, PACKET_NEW_FLOW, TCP_SYN, 0, 0, 0);
	finish(&flow, END_IDLE);
	const struct segment_event *e = next_segment();
	assert_int_equal(e->dpi, DPI_NO_PAYLOAD);
	assert_int_equal(e->protocol, 0);
	assert_int_equal(e->closed_by_reset, 1);
	assert_int_equal(e->visibility & VISIBLE_ONE_WAY, VISIBLE_ONE_WAY);
	assert_int_equal(verdicts.finished, 0);
}

static unsigned dns_said;

static void say_dns(struct report *report)
{
	for (unsigned i = 0; i < 20; i++) {
		const struct dns_finding entry = {
			.latency_us = dns_said++,
			.type = 1,
			.name_len = 9,
			.name = (const uint8_t *)"a.example",
		};
		report_dns(report, &entry);
	}
	report_dns_counts(report, 20, 20, 1);
}

// Forty entries in two packets: two full lists go out at once with no counters, the rest at the
// end.
static void test_full_dns_list_goes_out(void **)
{
	struct findings_view view;
	unsigned seen = 0, packets_seen = 0, queries = 0;

	dns_said = 0;
	names.say = say_dns;
	flow_make(IP_PROTO_UDP, 1000, 53);
	flow.packets[0] = 2;
	show(&flow, PACKET_NEW_FLOW, 0, 10, 0, 0);
	show(&flow, 0, 0, 10, 0, 0);
	finish(&flow, END_IDLE);
	for (unsigned segment = 0; segment < 3; segment++) {
		const struct segment_event *e = next_segment();
		assert_int_equal(e->segment, segment);
		assert_int_equal(e->end_reason, segment < 2 ? END_ACTIVE : END_IDLE);
		assert_int_equal(e->event.time_ns, segment < 2 ? 1000 : 5000);
		packets_seen += (unsigned)e->packets[0];
		queries += e->dns_queries;
		findings_read(&view, e->findings, e->findings_size);
		assert_int_equal(view.dns_count, segment < 2 ? DNS_ENTRIES_MAX : 8);
		for (unsigned i = 0; i < view.dns_count; i++)
			assert_int_equal(view.dns[i].latency_us, seen++);
		event_ring_pop(&ring);
	}
	assert_int_equal(seen, 40);
	assert_int_equal(packets_seen, 2);
	assert_int_equal(queries, 40);
	assert_int_equal(counters.value[COUNTER_findings_lost], 0);
}

static void say_one_dns(struct report *report)
{
	const struct dns_finding entry = {.name_len = 1, .name = (const uint8_t *)"x"};

	report_dns(report, &entry);
	report_dns_counts(report, 3, 2, 1);
	report_text(report, FINDING_ALPN, 0, (const uint8_t *)"h2", 2);
}

// A cut flow lives on with its labels; its DNS list and counts begin anew.
static void test_cut(void **)
{
	struct findings_view view;

	names.say = say_one_dns;
	verdicts.say_last = say_verdict;
	flow_make(IP_PROTO_UDP, 1000, 53);
	show(&flow, PACKET_NEW_FLOW, 0, 10, 0, 0);
	finish(&flow, END_ACTIVE);
	assert_int_equal(verdicts.cut, 1);
	assert_int_equal(verdicts.finished, 0);
	const struct segment_event *e = next_segment();
	findings_read(&view, e->findings, e->findings_size);
	assert_int_equal(view.dns_count, 1);
	assert_int_equal(e->dns_queries, 3);
	assert_int_equal(e->dns_answers, 2);
	assert_int_equal(e->dns_failures, 1);
	assert_int_equal(e->protocol, 5);
	event_ring_pop(&ring);
	names.say = NULL;
	show(&flow, 0, 0, 10, 0, 0);
	assert_int_equal(verdicts.inspected, 2);
	finish(&flow, END_IDLE);
	assert_int_equal(verdicts.finished, 1);
	e = next_segment();
	assert_int_equal(e->segment, 1);
	findings_read(&view, e->findings, e->findings_size);
	assert_int_equal(view.dns_count, 0);
	assert_int_equal(e->dns_queries | e->dns_answers | e->dns_failures, 0);
	assert_int_equal(view.len[FINDING_ALPN], 2);
	assert_int_equal(e->protocol, 5);
}

static struct fact fact;
static struct answer answer;

static void say_fact(struct report *report)
{
	report_fact(report, &fact);
}

static void say_answer(struct report *report)
{
	report_answer(report, &answer);
}

static void arp(void)
{
	static struct packet_batch batch;

	batch.packets[0] = (struct packet){.fate = PACKET_ARP, .time_ns = 9, .vlan = 4};
	batch.packets[0].iface = 2;
	batch.count = 1;
	batch.watched = UINT64_MAX;
	classify_batch(classify, &batch, 0, 1, &ring);
	event_ring_publish(&ring, 9);
}

static void test_facts(void **)
{
	packets.say = say_fact;
	fact = (struct fact){
		.kind = FACT_ARP,
		.ip_version = 4,
		.mac = {2, 0, 0, 0, 0, 1},
		.ip = {10, 1, 2, 3},
		.text = (const uint8_t *)"text",
		.text_len = 4,
	};
	arp();
	const struct fact_event *e = (const struct fact_event *)event_ring_peek(&ring);
	assert_non_null(e);
	assert_int_equal(e->event.kind, EVENT_FACT);
	assert_int_equal(e->event.time_ns, 9);
	assert_int_equal(e->event.vlan, 4);
	assert_int_equal(e->event.iface, 2);
	assert_int_equal(e->kind, FACT_ARP);
	assert_memory_equal(e->mac, fact.mac, 6);
	assert_memory_equal(e->ip, fact.ip, 16);
	assert_int_equal(e->text_len, 4);
	assert_memory_equal(e->text, "text", 4);
	event_ring_pop(&ring);
	fact.mac[5] = 9; // excluded
	arp();
	assert_null(event_ring_peek(&ring));
	fact.mac[5] = 1;
	fact.ip[1] = 9; // excluded: whose it is must be known
	arp();
	e = (const struct fact_event *)event_ring_peek(&ring);
	assert_non_null(e);
	assert_memory_equal(e->ip, fact.ip, 16);
	event_ring_pop(&ring);
	fact.kind = FACT_DHCP_NAME; // anything else is not told
	arp();
	assert_null(event_ring_peek(&ring));
}

static void test_answers(void **)
{
	names.say = say_answer;
	answer = (struct answer){
		.client_ip = {10, 1, 2, 3},
		.client_ip_version = 4,
		.address_count = 1,
		.ttl_s = 60,
		.name = (const uint8_t *)"a.example",
		.name_len = 9,
		.addresses = {{.ip = {1, 2, 3, 4}, .ip_version = 4}},
	};
	flow_make(IP_PROTO_UDP, 1000, 53);
	show(&flow, PACKET_NEW_FLOW, 0, 10, 0, 0);
	answer.client_ip[1] = 9; // excluded
	show(&flow, 0, 0, 10, 0, 0);
	event_ring_publish(&ring, 1);
	const struct answer_event *e = (const struct answer_event *)event_ring_peek(&ring);
	assert_int_equal(e->event.kind, EVENT_ANSWER);
	assert_int_equal(e->event.time_ns, 1000);
	assert_int_equal(e->event.vlan, 12);
	assert_int_equal(e->ttl_s, 60);
	assert_int_equal(e->address_count, 1);
	assert_int_equal(e->addresses[0].ip[3], 4);
	assert_int_equal(e->name_len, 9);
	assert_memory_equal(e->name, "a.example", 9);
	event_ring_pop(&ring);
	assert_null(event_ring_peek(&ring));
}

// A full ring loses events, counted, and nothing else.
static void test_full_ring(void **)
{
	classify_free(classify);
	event_ring_fini(&ring);
	assert_int_equal(start(true, 2 * EVENT_SIZE_MAX), 0);
	unsigned flows = 0;
	names.say = say_one_dns;
	while (counters.value[COUNTER_event_lost_segment] < 3) {
		flow_make(IP_PROTO_UDP, 1000, 53);
		show(&flow, PACKET_NEW_FLOW, 0, 10, 0, 0);
		finish(&flow, END_IDLE);
		flows++;
		assert_true(flows < 1000);
	}
	assert_int_equal(done, flows);
	unsigned events = 0;
	for (; event_ring_peek(&ring) != NULL; event_ring_pop(&ring))
		events++;
	assert_int_equal(events + 3, flows);
	assert_int_equal(counters.value[COUNTER_findings_lost], 0); // all chunks came back
	assert_int_equal(verdicts.finished, flows);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_memory_of_the_library),
		TEST(test_who_is_shown_what),
		TEST(test_consumed_packets),
		TEST(test_opening),
		TEST(test_new_syn_begins_anew),
		TEST(test_snapped_packets_are_not_whole),
		TEST(test_states_come_back),
		TEST(test_no_state_left),
		TEST(test_admission),
		TEST(test_admission_of_tcp),
		TEST(test_excluded),
		TEST(test_dpi_off),
		TEST(test_verdict_reaches_the_event),
		TEST(test_no_payload),
		TEST(test_full_dns_list_goes_out),
		TEST(test_cut),
		TEST(test_facts),
		TEST(test_answers),
		TEST(test_full_ring),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
