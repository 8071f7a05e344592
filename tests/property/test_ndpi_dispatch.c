// The rules of classifiers/ndpi_rules.h are true of libndpi: a dissector that they leave out is
// asked all the same, on a copy of the flow, and must do to it what the rules say and nothing else.
// Over made-up packets with the ports, lengths and first octets that dissectors look for, our own
// capture, and the corpus where it lies beside the sources; each as it is and changed (fixed
// seeds).
#define ndpi_check_flow_func check_ours // of the library's name is one here that calls it
#include "../../classifiers/ndpi_dispatch.c"
#undef ndpi_check_flow_func

#include "captures.h"

#include <pcap/pcap.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { FLOWS = 4096, PACKETS_MAX = 24, MADE = 150000 };

static struct ndpi_detection_module_struct *module;
static struct ndpi_names names;
static uint64_t left_out[2][DISSECTORS_MAX]; // by place, of datagrams and of segments: how often
static uint64_t wrong_at[2][DISSECTORS_MAX]; // and how often wrongly
static uint64_t wrong;

static bool has(const struct mask *mask, unsigned place)
{
	return (mask->word[place / 64] >> place % 64 & 1) != 0;
}

static void witness_one(
	struct ndpi_flow_struct *flow, const struct list *list, unsigned place, bool excludes)
{
	const struct dissector *d = &list->dissectors[place];
	struct ndpi_packet_struct packet = module->packet;
	struct ndpi_flow_struct asked = *flow, expected = *flow;

	if (excludes)
		set_add(&expected.excluded_protocol_bitmask, d->protocol);
	d->look(module, &asked);
	if (d->protocol == NDPI_PROTOCOL_DTLS) // see WAITS_UNLESS
		set_add(&expected.excluded_protocol_bitmask, NDPI_PROTOCOL_TLS);
	if (memcmp(&asked, &expected, sizeof(asked)) != 0 ||
		memcmp(&packet, &module->packet, sizeof(packet)) != 0) {
		wrong++;
		if (wrong_at[list == &tcp_list][place]++ == 0)
			print_message("%s: the rule is wrong: it does not just %s\n",
				ndpi_get_proto_name(module, d->protocol),
				excludes ? "exclude itself" : "wait");
		module->packet = packet;
	}
	left_out[list == &tcp_list][place]++;
}

static void witness(struct ndpi_flow_struct *flow, const struct list *list, const struct mask *out,
	const struct mask *wait)
{
	const struct mask *selected = &list->selected[traits_of(&module->packet)];
	struct mask done = marked(flow);

	for (unsigned place = 0; place < list->count; place++)
		if (has(selected, place) && !has(&done, place) &&
			!excluded(flow, list->dissectors[place].protocol) &&
			(has(out, place) || has(wait, place)))
			witness_one(flow, list, place, has(out, place));
}

static void witness_datagram(struct ndpi_flow_struct *flow)
{
	struct mask out, wait;
	struct shown d;

	shown_read(&d, module, flow);
	judge(DATAGRAM, &d, true, &out, &wait);
	witness(flow, &udp_list, &out, &wait);
}

static void witness_segment(struct ndpi_flow_struct *flow)
{
	struct mask out, wait;
	struct shown d;

	shown_read(&d, module, flow);
	judge(SEGMENT, &d, true, &out, &wait);
	witness(flow, &tcp_list, &out, &wait);
}

// In the library's place.
u_int32_t ndpi_check_flow_func(struct ndpi_detection_module_struct *m,
	struct ndpi_flow_struct *flow, NDPI_SELECTION_BITMASK_PROTOCOL_SIZE *selection)
{
	assert_ptr_equal(m, module);
	if (m->packet.udp != NULL)
		witness_datagram(flow);
	else if (m->packet.tcp != NULL && m->packet.payload_packet_len > 0)
		witness_segment(flow);
	return check_ours(m, flow, selection);
}

static int set_up(void **)
{
	NDPI_PROTOCOL_BITMASK all;

	module = ndpi_init_detection_module(ndpi_no_prefs);
	assert_non_null(module);
	NDPI_BITMASK_SET_ALL(all);
	ndpi_set_protocol_detection_bitmask2(module, &all);
	ndpi_finalize_initialization(module);
	assert_true(ndpi_dispatch_install(module));
	ndpi_names_now = &names;
	wrong = 0;
	memset(left_out, 0, sizeof(left_out));
	memset(wrong_at, 0, sizeof(wrong_at));
	return 0;
}

static int tear_down(void **)
{
	ndpi_names_now = NULL;
	ndpi_exit_detection_module(module);
	return 0;
}

static uint32_t random_state;

static uint32_t random_next(uint32_t below)
{
	random_state = random_state * 1664525 + 1013904223; // Knuth's LCG
	return (uint32_t)((uint64_t)random_state * below >> 32);
}

struct entry {
	uint8_t key[37];
	unsigned packets;
	struct ndpi_flow_struct flow;
};

static struct entry entries[FLOWS]; // a flow that meets another in its place takes it over

static void entry_reset(struct entry *e)
{
	ndpi_free_flow_data(&e->flow);
	memset(e, 0, sizeof(*e));
}

static void entries_reset(void)
{
	for (unsigned i = 0; i < FLOWS; i++)
		entry_reset(&entries[i]);
}

static struct entry *entry_of(
	const uint8_t *ip, unsigned head, unsigned address, unsigned at, unsigned protocol)
{
	uint8_t ends[2][18] = {{0}}, key[37];
	uint32_t hash = 0;

	for (unsigned i = 0; i < 2; i++) {
		memcpy(ends[i], ip + at + i * address, address);
		memcpy(ends[i] + 16, ip + head + i * 2, 2);
	}
	bool swap = memcmp(ends[0], ends[1], 18) > 0;
	memcpy(key, ends[swap], 18);
	memcpy(key + 18, ends[!swap], 18);
	key[36] = (uint8_t)protocol;
	for (unsigned i = 0; i < sizeof(key); i++)
		hash = hash * 31 + key[i];
	struct entry *e = &entries[hash % FLOWS];
	if (memcmp(e->key, key, sizeof(key)) != 0) {
		entry_reset(e);
		memcpy(e->key, key, sizeof(key));
	}
	return e;
}

// Shows a packet of UDP or TCP over IPv4, or over IPv6 without extension headers.
static void show(const uint8_t *ip, uint32_t len, uint64_t time_ms)
{
	bool v6 = len >= 48 && ip[0] >> 4 == 6;
	unsigned head = v6 ? 40 : (ip[0] & 0xfu) * 4;
	unsigned protocol = v6 ? ip[6] : ip[9];

	if (!v6 && (ip[0] >> 4 != 4 || head < 20))
		return;
	if (len < head + 8 || (protocol != 17 && protocol != 6))
		return;
	struct entry *e = entry_of(ip, head, v6 ? 16 : 4, v6 ? 8 : 12, protocol);
	if (++e->packets <= PACKETS_MAX)
		ndpi_detection_process_packet(
			module, &e->flow, ip, (uint16_t)(len < 65535 ? len : 65535), time_ms);
}

// ---- Made-up packets

static const uint16_t ports[] = {20, 25, 43, 53, 102, 110, 139, 143, 179, 443, 445, 502, 554, 1521,
	2000, 2197, 3724, 4343, 5223, 6003, 8009, 8333, 9418, 11095, 19305, 53, 67, 68, 80, 88, 123,
	137, 138, 161, 177, 443, 500, 546, 547, 600, 902, 1119, 1719, 1812, 2123, 2152, 3074, 3389,
	3544, 4341, 4342, 4569, 5001, 5003, 5072, 5201, 5246, 5247, 5353, 5355, 5683, 6000, 8080,
	8116, 8801, 10000, 10001, 17500, 17788, 18013, 19302, 19309, 30303, 57621, 61616, 61631};
static const uint16_t lengths[] = {7, 9, 17, 21, 22, 49, 50, 54, 72, 125, 213, 325, 406, 1412, 1460,
	1, 2, 3, 4, 5, 6, 8, 10, 11, 12, 13, 14, 15, 16, 20, 23, 24, 25, 28, 32, 34, 36, 40, 42, 44,
	46, 52, 56, 60, 62, 64, 66, 73, 76, 80, 82, 84, 88, 94, 96, 102, 104, 112, 135, 136, 148,
	188, 200, 244, 286, 512, 1099, 1200, 1300};
static const uint8_t octets[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 0x0d, 0x10, 0x14, 0x16, 0x17, 0x1a,
	0x20, 0x28, 0x30, 0x31, 0x32, 0x33, 0x39, 0x3a, 0x3c, 0x40, 0x43, 0x44, 0x47, 0x49, 0x4d,
	0x4e, 0x50, 0x52, 0x53, 0x54, 0x55, 0x56, 0x58, 0x60, 0x62, 0x6c, 0x72, 0x80, 0x81, 0x84,
	0x90, 0xa0, 0xc5, 0xc8, 0xde, 0xe3, 0xe4, 0xe5, 0xf7, 0xfe, 0xff};
#define PICK(array) array[random_next(sizeof(array) / sizeof((array)[0]))]

static void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void address_make(uint8_t *at, bool far)
{
	static const uint8_t nets[] = {1, 8, 31, 95, 142, 178, 192, 224, 255};

	at[0] = far ? PICK(nets) : 10;
	at[1] = far && at[0] == 1 ? 201 : (uint8_t)random_next(256);
	at[2] = (uint8_t)random_next(4);
	at[3] = (uint8_t)random_next(256);
	if (far && at[0] == 255)
		memset(at, 255, 4);
}

static void payload_make(uint8_t *payload, uint32_t len)
{
	static const char *const words[] = {"NOTIFY * HTTP/1.1\r\nsip:", "M-SEARCH * HTTP/1.1",
		"<stream:stream ", "GND\x02\x01", "SIP/2.0 200 OK", "AUEP 1 MGCP \n",
		"BT-SEARCH * HTTP", "TS3INIT1", "SpotUdp", "BJNP", "!/1 [", "r6fnvWj8", "VS01",
		"RSP/1.0 STUN_", "POST /", "USER me", "230 in", "PASS it", "GET / HTTP/1.1\r\n",
		"HTTP/1.1 200 OK\r\n", "+OK\r\n", "-ERR no", "220 mail ESMTP\r\n", "EHLO me\r\n",
		"A1 OK \r\n", "* OK IMAP4", "200 news ", "SSH-2.0-x\r\n", "RFB 003.008\n",
		"$Lock x|", "$MyNick |", "HSUP ADBAS0", "ajprot\r\n", "GIVE 12\r\n",
		"GIV 1:", "GNUTELLA/0.6", "INFO {}\r\n", "SUB\r\n", "@RSYNCD: 28", "GIOP",
		"<stream:stream ", "<?xml version=\"1.0\"", "ICY 200 OK\r\n", "123456", "0 a 17\n",
		"8=FIX.4", "ZBXD\x01", "AUTHINFO USER ", "Ad", "HG", "{\"method\":"};
	uint32_t made = len < 48 ? len : 48;

	memset(payload, 'x', len);
	for (uint32_t i = 0; i < made; i++)
		payload[i] = random_next(3) > 0 ? PICK(octets) : (uint8_t)random_next(256);
	if (random_next(4) == 0) {
		const char *word = PICK(words);
		size_t size = strlen(word);
		memcpy(payload, word, size < len ? size : len);
		if (len >= 2 && random_next(2) == 0)
			memcpy(payload + len - 2, "\r\n", 2);
	}
}

// Headers of one packet; returns their length. `flow[0]`: 0x40 or 0x60, `flow[1]`: TCP or UDP.
static uint32_t head_make(uint8_t *packet, const uint8_t flow[2], uint8_t ends[2][4],
	const uint16_t port[2], unsigned from, uint32_t len)
{
	uint32_t head = flow[0] == 0x60 ? 40 : 20, inner = flow[1] == 17 ? 8 : 20;

	memset(packet, 0, head + inner);
	if (flow[0] == 0x60) {
		packet[0] = 0x60;
		put16(packet + 4, inner + len);
		packet[6] = flow[1];
		memcpy(packet + 8, ends[from], 4);
		memcpy(packet + 24, ends[!from], 4);
	} else {
		packet[0] = 0x45;
		put16(packet + 2, head + inner + len);
		packet[9] = flow[1];
		memcpy(packet + 12, ends[from], 4);
		memcpy(packet + 16, ends[!from], 4);
	}
	put16(packet + head, port[from]);
	put16(packet + head + 2, port[!from]);
	if (inner == 8) {
		put16(packet + head + 4, inner + len);
	} else {
		put16(packet + head + 4, random_next(65536));
		packet[head + 12] = 0x50;
		packet[head + 13] = 0x18; // PSH, ACK
	}
	return head + inner;
}

static void flow_make(void)
{
	uint8_t packet[60 + 2048], ends[2][4];
	uint16_t port[2] = {PICK(ports), PICK(ports)};
	uint8_t flow[2] = {random_next(8) == 0 ? 0x60 : 0x40, random_next(2) == 0 ? 6 : 17};

	address_make(ends[0], false);
	address_make(ends[1], random_next(3) > 0);
	for (unsigned i = 0; i < 2; i++)
		if (random_next(2) == 0)
			port[i] = (uint16_t)random_next(65536);
	for (unsigned left = 1 + random_next(10); left > 0; left--) {
		uint32_t len = random_next(4) > 0 ? PICK(lengths) : random_next(300);
		uint32_t head = head_make(packet, flow, ends, port, random_next(3) == 0, len);
		payload_make(packet + head, len);
		show(packet, head + len, 1);
	}
}

static void test_made(void **)
{
	random_state = 1;
	for (unsigned i = 0; i < MADE; i++)
		flow_make();
	entries_reset();
	assert_int_equal(wrong, 0);
#define LEFT_OUT(place, protocol, condition) assert_true(left_out[0][place] > 1000);
	EXCLUDES_ITSELF_UNLESS(LEFT_OUT)
	WAITS_UNLESS(LEFT_OUT)
#define SEGMENT_LEFT_OUT(place, protocol, condition) assert_true(left_out[1][place] > 1000);
	SEGMENT_EXCLUDES_ITSELF_UNLESS(SEGMENT_LEFT_OUT)
	SEGMENT_WAITS_UNLESS(SEGMENT_LEFT_OUT)
}

// ---- Captures

static void file_run(const char *path, uint32_t seed)
{
	char error[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *head;
	const uint8_t *bytes;
	uint8_t copy[65536];
	pcap_t *pcap = pcap_open_offline(path, error);

	if (pcap == NULL)
		return; // what libpcap refuses, others test
	uint32_t skip = pcap_datalink(pcap) == DLT_EN10MB ? 14 : 0;
	if (skip == 0 && pcap_datalink(pcap) != DLT_RAW) {
		pcap_close(pcap);
		return;
	}
	random_state = seed;
	while (pcap_next_ex(pcap, &head, &bytes) == 1) {
		if (head->caplen < skip + 28 || head->caplen > sizeof(copy))
			continue;
		uint32_t len = head->caplen - skip;
		memcpy(copy, bytes + skip, len);
		for (uint32_t n = seed > 0 ? random_next(4) : 0; n > 0 && len > 28; n--)
			copy[28 + random_next(len - 28 < 24 ? len - 28 : 24)] = PICK(octets);
		show(copy, len, (uint64_t)head->ts.tv_sec * 1000);
	}
	pcap_close(pcap);
	entries_reset();
}

static void test_captures(void **)
{
	for (uint32_t seed = 0; seed < 4; seed++) {
		file_run(HOUSE, seed);
		captures_below(CORPUS, file_run, seed);
	}
	assert_int_equal(wrong, 0);
	assert_true(left_out[0][0] > 100);
}

// ---- Addresses and ports

static struct ndpi_hosts hosts;

static void address_check(uint32_t ip)
{
	static const uint16_t address_ports[] = {53, 80, 443, 8443, 9001, 40000};
	uint32_t wire = htonl(ip);
	uint16_t port = PICK(address_ports);
	struct in_addr address = {.s_addr = wire};
	uint8_t octets_of[4];

	memcpy(octets_of, &wire, sizeof(octets_of));
	assert_int_equal(ndpi_known_host(module, &hosts, octets_of, port),
		ndpi_network_port_ptree_match(module, &address, htons(port)));
}

static unsigned nodes_check(const ndpi_patricia_node_t *node)
{
	if (node == NULL)
		return 0;
	if (node->prefix != NULL) {
		uint32_t first = ntohl(node->prefix->add.sin.s_addr);
		uint32_t size =
			node->prefix->bitlen == 0 ? UINT32_MAX : 1u << (32 - node->prefix->bitlen);
		first &= ~(size - 1);
		uint32_t last = first + size - 1;
		address_check(first - 1);
		address_check(first);
		address_check(first + random_next(size));
		address_check(last);
		address_check(last + 1);
	}
	return 1 + nodes_check(node->l) + nodes_check(node->r);
}

static void test_addresses(void **)
{
	random_state = 1;
	assert_true(nodes_check(((ndpi_patricia_tree_t *)module->protocols_ptree)->head) > 10000);
	for (unsigned i = 0; i < 300000; i++)
		address_check(random_next(65536) << 16 | random_next(65536));
}

static void test_ports(void **)
{
	struct ndpi_flow_struct flow = {0};
	uint8_t user_defined;

	random_state = 1;
	for (unsigned i = 0; i < 65536 * 4; i++) {
		uint16_t port[2] = {(uint16_t)i, (uint16_t)random_next(65536)};
		uint8_t proto = i & 1 << 16 ? IPPROTO_TCP : IPPROTO_UDP;
		if (i & 1 << 17)
			port[1] = PICK(ports);
		assert_int_equal(ndpi_known_port(&flow, proto, port),
			ndpi_guess_protocol_id(
				module, &flow, proto, port[0], port[1], &user_defined));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_made, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_captures, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_addresses, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_ports, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
