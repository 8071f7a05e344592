// The nDPI classifier by itself: names, verdicts on packets made here, which segments without data
// it asks for, when it has had enough.
#include "core/classify/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

extern const struct classifier_ops ndpi_classifier_ops;

enum { UNKNOWN = 0, DNS = 5, HTTP = 7, ICMP = 81, TLS = 91 }; // nDPI's numbers

static struct counters counters;
static struct taxonomy taxonomy;
static struct flow flow;
static struct flow_more more;
static struct pool mores = {.objects = (uint8_t *)&more, .max = 1, .object_size = sizeof(more)};
static struct report report;
static struct flow_view view;
static void *self;
static uint8_t *state;
static uint8_t frame[2048];
static struct packet packet;

static int set_up(void **)
{
	const struct classifier_config config = {
		.taxonomy = &taxonomy,
		.counters = &counters,
		.states_max = 1,
		.memory_bytes = 1 << 20,
	};

	memset(&counters, 0, sizeof(counters));
	memset(&flow, 0, sizeof(flow));
	mores.fresh = 0;
	flow.more_from = &mores;
	report = (struct report){.counters = &counters, .flow = &flow};
	state = calloc(1, ndpi_classifier_ops.flow_state_size);
	assert_non_null(state);
	return ndpi_classifier_ops.open(&self, &config);
}

static int tear_down(void **)
{
	ndpi_classifier_ops.close(self);
	free(state);
	return 0;
}

static void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

// An IPv4 packet from 192.168.1.2 to 192.0.2.1 (or back), at the frame's beginning.
static void make(uint8_t proto, bool back, uint16_t client_port, uint16_t server_port,
	uint8_t flags, const void *payload, size_t len)
{
	static const uint8_t ip[2][4] = {{192, 168, 1, 2}, {192, 0, 2, 1}};
	uint32_t header = proto == IP_PROTO_TCP ? 20 : proto == IP_PROTO_UDP ? 8 : 0;

	memset(frame, 0, sizeof(frame));
	frame[0] = 0x45;
	put16(frame + 2, (unsigned)(20 + header + len));
	frame[8] = 64;
	frame[9] = proto;
	memcpy(frame + 12, ip[back], 4);
	memcpy(frame + 16, ip[!back], 4);
	if (header > 0) {
		put16(frame + 20, back ? server_port : client_port);
		put16(frame + 22, back ? client_port : server_port);
	}
	if (proto == IP_PROTO_UDP)
		put16(frame + 24, (unsigned)(8 + len));
	if (proto == IP_PROTO_TCP) {
		put16(frame + 24, 1);
		put16(frame + 28, 1);
		frame[32] = 0x50;
		frame[33] = flags;
	}
	if (len > 0)
		memcpy(frame + 20 + header, payload, len);
	packet = (struct packet){
		.data = frame,
		.cap_len = (uint32_t)(20 + header + len),
		.l3_len = (uint32_t)(20 + header + len),
		.l4_offset = 20,
		.payload_len = (uint16_t)len,
		.l4_header_len = (uint8_t)header,
		.ip_proto = proto,
		.tcp_flags = flags,
		.time_ns = NS_PER_S,
		.bits = back ? PACKET_REVERSE : 0,
	};
	view = (struct flow_view){
		.ip = {ip[0], ip[1]},
		.port = {client_port, server_port},
		.ip_version = 4,
		.ip_proto = proto,
		.from = back,
		.payload_packets = (uint16_t)(view.payload_packets + 1),
	};
}

static enum classify_next inspect(void)
{
	return ndpi_classifier_ops.inspect(self, state, &packet, &view, &report);
}

static void finish(void)
{
	ndpi_classifier_ops.finish(self, state, &view, &report);
	memset(state, 0, ndpi_classifier_ops.flow_state_size);
}

// What it took is told whole: memory for flows, the library's own tables (some 5 MiB), the names
// and addresses that are kept.
static void test_bytes(void **)
{
	size_t bytes = ndpi_classifier_ops.bytes(self);

	assert_in_range(bytes, (1 << 20) + (4 << 20) + (128 << 10), (1 << 20) + (8 << 20));
}

static void test_names(void **)
{
	assert_string_equal(taxonomy.protocol[UNKNOWN], "Unknown");
	assert_string_equal(taxonomy.protocol[DNS], "DNS");
	assert_string_equal(taxonomy.protocol[HTTP], "HTTP");
	assert_string_equal(taxonomy.protocol[ICMP], "ICMP");
	assert_string_equal(taxonomy.protocol[TLS], "TLS");
	assert_string_equal(taxonomy.category[5], "Web");
	assert_null(taxonomy.protocol[TAXONOMY_PROTOCOLS_MAX - 1]);
}

static void test_names_outlive_the_module(void **)
{
	ndpi_classifier_ops.close(self);
	self = NULL;
	assert_string_equal(taxonomy.protocol[TLS], "TLS");
	ndpi_classifier_ops.close(NULL);
}

static void test_dns(void **)
{
	static const uint8_t query[] = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
				       "\x07weather\x07"
				       "example\x00\x00\x01\x00\x01";

	make(IP_PROTO_UDP, false, 40000, 53, 0, query, sizeof(query) - 1);
	assert_int_equal(inspect(), CLASSIFY_MORE); // the answer may still refine it
	finish();
	assert_int_equal(flow.protocol, DNS);
	assert_int_equal(flow.application, DNS);
	assert_int_equal(flow.confidence, CONFIDENCE_DPI);
	assert_int_equal(flow.dpi, DPI_VERDICT);
	assert_int_equal(counters.value[COUNTER_dpi_verdicts], 1);
	assert_string_equal(taxonomy.category[flow.category], "Network");
}

static void test_icmp(void **)
{
	static const uint8_t echo[64] = {8};

	make(IP_PROTO_ICMP, false, 0, 0, 0, echo, sizeof(echo));
	assert_int_equal(inspect(), CLASSIFY_ENOUGH);
	finish();
	assert_int_equal(flow.application, ICMP);
}

static void test_http(void **)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: www.example.org\r\n"
				      "User-Agent: test/1\r\nAccept: */*\r\n\r\n";
	static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
				    "Content-Length: 5\r\nServer: test\r\n\r\nhello";

	make(IP_PROTO_TCP, false, 40000, 8080, TCP_ACK | TCP_PSH, request, sizeof(request) - 1);
	view.bare_packets = 3;
	view.opening = OPENING_SYN | OPENING_SYN_ACK | OPENING_ACK;
	assert_int_equal(inspect(), CLASSIFY_MORE);
	make(IP_PROTO_TCP, true, 40000, 8080, TCP_ACK | TCP_PSH, reply, sizeof(reply) - 1);
	assert_int_equal(inspect(), CLASSIFY_ENOUGH);
	finish();
	assert_int_equal(flow.application, HTTP);
	assert_true(flow_more(&flow)->risk_bits != 0); // HTTP on a port that is not its own
	assert_true(flow.risk_score > 0);
}

// What nothing recognises is given up, and not guessed by its port.
static void test_unknown_is_not_guessed(void **)
{
	static const uint8_t noise[] = {0x9c, 0x01, 0xfe, 0x33, 0x70, 0x07, 0x88, 0xc1};
	unsigned shown = 0;

	do {
		make(IP_PROTO_UDP, shown % 2, 40000, 5060, 0, noise, sizeof(noise));
		shown++;
	} while (inspect() == CLASSIFY_MORE && shown < ndpi_classifier_ops.packets_max);
	finish();
	assert_int_equal(flow.application, UNKNOWN);
	assert_int_equal(flow.protocol, UNKNOWN);
	assert_int_equal(flow.dpi, DPI_GIVEN_UP);
	assert_int_equal(flow.confidence, CONFIDENCE_UNKNOWN);
	assert_int_equal(counters.value[COUNTER_dpi_given_up], 1);
}

// Of a flow without payload nothing is said but what is known: whether such a flow is shown at all
// hangs on the flows that came before.
static void test_unknown_without_payload(void **)
{
	make(IP_PROTO_TCP, false, 179, 179, TCP_ACK, NULL, 0);
	view.payload_packets = 0;
	(void)inspect();
	finish();
	assert_int_equal(flow.dpi, DPI_UNSET);
	assert_int_equal(counters.value[COUNTER_dpi_given_up], 0);
}

static bool bare(void *s)
{
	return ndpi_classifier_ops.bare(self, s, &packet);
}

static void test_bare_segments_asked_for(void **)
{
	make(IP_PROTO_TCP, false, 40000, 443, TCP_SYN, NULL, 0);
	packet.bits = PACKET_NEW_FLOW;
	assert_false(bare(NULL));
	make(IP_PROTO_TCP, false, 40000, 443, TCP_ACK, NULL, 0);
	packet.bits = PACKET_NEW_FLOW;
	assert_false(bare(NULL));
	make(IP_PROTO_TCP, false, 40000, 5201, TCP_SYN, NULL, 0);
	packet.bits = PACKET_NEW_FLOW;
	assert_true(bare(NULL));
	make(IP_PROTO_TCP, false, 179, 179, TCP_SYN, NULL, 0);
	packet.bits = PACKET_NEW_FLOW;
	assert_true(bare(NULL));
	make(IP_PROTO_TCP, false, 40000, 443, TCP_SYN, NULL, 0);
	packet.bits = PACKET_NEW_FLOW;
	memcpy(frame + 16, (uint8_t[]){178, 77, 120, 5}, 4); // TeamViewer
	assert_true(bare(NULL));
	make(IP_PROTO_TCP, false, 40000, 443, TCP_ACK, NULL, 0);
	frame[32] = 0x20; // a header length that cannot be
	assert_true(bare(NULL));
}

// With a state, segments without data are counted and not shown, but for a SYN that begins anew.
static void test_bare_segments_of_undecided_flows(void **)
{
	static const uint8_t noise[] = {0x9c, 0x01, 0xfe, 0x33, 0x70, 0x07, 0x88, 0xc1};

	make(IP_PROTO_TCP, false, 40000, 7777, TCP_ACK | TCP_PSH, noise, sizeof(noise));
	view.bare_packets = 3;
	assert_int_equal(inspect(), CLASSIFY_MORE);
	make(IP_PROTO_TCP, true, 40000, 7777, TCP_ACK, NULL, 0);
	for (unsigned i = 0; i < 40; i++)
		assert_false(bare(state));
	make(IP_PROTO_TCP, false, 40000, 7777, TCP_SYN, NULL, 0);
	assert_true(bare(state));
	// So many were counted that nDPI would look at no more.
	make(IP_PROTO_TCP, false, 40000, 7777, TCP_ACK | TCP_PSH, noise, sizeof(noise));
	assert_int_equal(inspect(), CLASSIFY_ENOUGH);
	finish();
}

static void test_later_fragment(void **)
{
	static const uint8_t bytes[100] = {0};

	make(IP_PROTO_UDP, false, 40000, 53, 0, bytes, sizeof(bytes));
	packet.bits |= PACKET_FRAGMENT | PACKET_LATER;
	assert_int_equal(inspect(), CLASSIFY_ENOUGH);
	finish();
	assert_int_equal(flow.application, UNKNOWN);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_bytes),
		TEST(test_names),
		TEST(test_names_outlive_the_module),
		TEST(test_dns),
		TEST(test_icmp),
		TEST(test_http),
		TEST(test_unknown_is_not_guessed),
		TEST(test_unknown_without_payload),
		TEST(test_bare_segments_asked_for),
		TEST(test_bare_segments_of_undecided_flows),
		TEST(test_later_fragment),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
