// The verdicts of classifiers/ndpi.c, which shows nDPI few packets, equal those of plain nDPI,
// which is shown every packet as ndpiReader does it, whether its dissectors are asked by our loop
// (classifiers/ndpi_dispatch.c) or by its own: on our own capture, on the corpus where it
// lies beside the sources, and on both with packets changed, lost, doubled and swapped (fixed
// seeds).
//
// Flows come from a plain list here, so that only classification is compared.
#include "captures.h"
#include "core/classify/classify.h"
#include "core/packet/decode.h"

#include <ndpi/ndpi_api.h>
#include <netinet/in.h>
#include <pcap/pcap.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum {
	BUCKETS = 1 << 16,
	PLAIN_TCP_MAX = 80, // ndpiReader's limits
	PLAIN_UDP_MAX = 24,
	MUTATIONS = 8,
};

// A flow, and what plain nDPI thinks of it.
struct entry {
	struct flow flow;
	struct flow_more more;
	struct pool mores; // it alone
	struct entry *next;
	struct entry *all_next;
	struct ndpi_flow_struct plain;
	ndpi_protocol plain_last;
	uint32_t packets;
	bool plain_done;
};

struct world {
	struct classify *classify;
	struct ndpi_detection_module_struct *plain;
	struct counters counters;
	struct event_ring ring;
	struct entry *buckets[BUCKETS];
	struct entry *all, **all_end;
	struct entry *ended; // of those on the list: the next
	uint64_t time_ns;
	uint64_t flows, verdicts, differ;
	bool little_memory;
};

static struct world world;

// The flow table that classify.c is linked with.
struct flow *flow_table_ended(struct flow_table *)
{
	struct entry *e = world.ended;

	if (e == NULL)
		return NULL;
	world.ended = e->all_next;
	e->flow.end_reason = END_FORCED;
	return &e->flow;
}

void flow_table_done(struct flow_table *, struct flow *)
{
	event_ring_publish(&world.ring, world.time_ns);
	while (event_ring_peek(&world.ring) != NULL)
		event_ring_pop(&world.ring);
}

extern const struct classifier_ops ndpi_classifier_ops;
static const struct classifier_ops *const only_ndpi[] = {&ndpi_classifier_ops, NULL};

static void world_open(uint64_t memory_bytes, bool plain)
{
	struct classify_settings settings = {
		.dpi_states_max = 1 << 18,
		.dpi_memory_bytes = memory_bytes,
		.findings_max = 1024,
		.dpi = true,
		.dpi_plain = plain,
		.classifiers = only_ndpi,
	};
	NDPI_PROTOCOL_BITMASK all;

	memset(&world, 0, sizeof(world));
	world.all_end = &world.all;
	assert_int_equal(event_ring_init(&world.ring, 1 << 16, &world.counters), 0);
	assert_int_equal(classify_new(&world.classify, &settings, &world.counters), 0);
	world.plain = ndpi_init_detection_module(ndpi_no_prefs);
	assert_non_null(world.plain);
	NDPI_BITMASK_SET_ALL(all);
	ndpi_set_protocol_detection_bitmask2(world.plain, &all);
	ndpi_finalize_initialization(world.plain);
}

static void world_close(void)
{
	classify_free(world.classify);
	ndpi_exit_detection_module(world.plain);
	event_ring_fini(&world.ring);
}

static void key_of(struct flow_key *key, const struct packet *p, bool *swapped)
{
	const uint8_t *ip = p->data + p->l3_offset;
	const uint8_t *l4 = p->data + p->l4_offset;
	unsigned len = p->bits & PACKET_IP6 ? 16 : 4;
	uint8_t ends[2][18] = {{0}};
	bool ports = (p->ip_proto == IPPROTO_TCP || p->ip_proto == IPPROTO_UDP) &&
		!(p->bits & PACKET_LATER);

	memcpy(ends[0], ip + (len == 16 ? 8 : 12), len);
	memcpy(ends[1], ip + (len == 16 ? 24 : 16), len);
	if (ports) {
		memcpy(ends[0] + 16, l4, 2);
		memcpy(ends[1] + 16, l4 + 2, 2);
	}
	memset(key, 0, sizeof(*key));
	*swapped = memcmp(ends[0], ends[1], sizeof(ends[0])) > 0;
	for (unsigned i = 0; i < 2; i++) {
		const uint8_t *end = ends[i ^ (*swapped ? 1u : 0u)];
		memcpy(key->ip[i], end, 16);
		key->port[i] = (uint16_t)(end[16] << 8 | end[17]);
	}
	key->vlan = p->vlan;
	key->ip_proto = p->ip_proto;
	key->ip_version = len == 16 ? 6 : 4;
	key->group = p->bits & PACKET_LATER ? 1 : 0;
}

static struct entry *entry_of(struct packet *p)
{
	struct flow_key key;
	bool swapped;

	key_of(&key, p, &swapped);
	struct hash_key fixed = {1, 2};
	uint32_t bucket = (uint32_t)hash_bytes(&fixed, &key, sizeof(key)) % BUCKETS;
	struct entry *e = world.buckets[bucket];
	while (e != NULL && memcmp(&e->flow.key, &key, sizeof(key)) != 0)
		e = e->next;
	if (e == NULL) {
		e = aligned_alloc(CACHE_LINE, (sizeof(*e) + 63) & ~(size_t)63);
		assert_non_null(e);
		memset(e, 0, sizeof(*e));
		e->flow.key = key;
		e->mores = (struct pool){
			.objects = (uint8_t *)&e->more, .max = 1, .object_size = sizeof(e->more)};
		e->flow.more_from = &e->mores;
		e->flow.bits = swapped ? FLOW_SWAPPED : 0;
		e->flow.first_flags = p->tcp_flags;
		p->bits |= PACKET_NEW_FLOW;
		e->next = world.buckets[bucket];
		world.buckets[bucket] = e;
		*world.all_end = e;
		world.all_end = &e->all_next;
		world.flows++;
	} else if (swapped != ((e->flow.bits & FLOW_SWAPPED) != 0)) {
		p->bits |= PACKET_REVERSE;
	}
	e->flow.seen |= p->bits & PACKET_REVERSE ? 2 : 1;
	if (p->payload_len > 0)
		e->flow.seen |= p->bits & PACKET_REVERSE ? 8 : 4;
	return e;
}

// ndpiReader's packet_processing(), of reader_util.c.
static void plain_show(struct entry *e, const struct packet *p)
{
	bool udp = p->ip_proto == IPPROTO_UDP, tcp = p->ip_proto == IPPROTO_TCP;
	uint8_t guessed;

	if (p->bits & (PACKET_LATER | PACKET_SNAPPED))
		return;
	e->packets++;
	if (e->plain_done)
		return;
	bool enough = (udp && e->packets > PLAIN_UDP_MAX) || (tcp && e->packets > PLAIN_TCP_MAX);
	e->plain_last =
		ndpi_detection_process_packet(world.plain, &e->plain, p->data + p->l3_offset,
			(uint16_t)(p->cap_len - p->l3_offset), p->time_ns / NS_PER_MS);
	if (!enough &&
		(e->plain_last.app_protocol == NDPI_PROTOCOL_UNKNOWN ||
			ndpi_extra_dissection_possible(world.plain, &e->plain)))
		return;
	e->plain_done = true;
	if (e->plain_last.app_protocol == NDPI_PROTOCOL_UNKNOWN)
		e->plain_last = ndpi_detection_giveup(world.plain, &e->plain, 0, &guessed);
}

static void plain_finish(struct entry *e)
{
	uint8_t guessed;

	// A flow without payload is given no verdict at all.
	if (!e->plain_done && e->flow.payload_packets > 0 &&
		e->plain_last.app_protocol == NDPI_PROTOCOL_UNKNOWN)
		e->plain_last = ndpi_detection_giveup(world.plain, &e->plain, 0, &guessed);
	ndpi_free_flow_data(&e->plain);
}

static void show(
	const uint8_t *bytes, uint32_t cap_len, uint32_t wire_len, uint64_t ts_ns, int link)
{
	static struct packet_batch batch;
	struct packet *p = &batch.packets[0];

	world.time_ns = MAX(world.time_ns, ts_ns);
	memset(p, 0, sizeof(*p));
	batch.count = 1;
	batch.link = (uint8_t)link;
	batch.now_ns = world.time_ns;
	p->data = bytes;
	p->cap_len = cap_len;
	p->wire_len = wire_len;
	p->ts_ns = ts_ns;
	p->time_ns = world.time_ns;
	decode_batch(&batch, &world.counters);
	if (p->fate != PACKET_FLOW)
		return;
	struct entry *e = entry_of(p);
	p->flow = &e->flow;
	plain_show(e, p);
	batch.watched = UINT64_MAX;
	classify_batch(world.classify, &batch, 0, 1, &world.ring);
}

static void differ_print(const struct entry *e, const char *file)
{
	uint16_t protocol = e->plain_last.master_protocol != 0 ? e->plain_last.master_protocol
							       : e->plain_last.app_protocol;

	print_message("%s: ip protocol %u, ports %u and %u, %u packets: plain %u.%u, ours %u.%u\n",
		file, e->flow.key.ip_proto, e->flow.key.port[0], e->flow.key.port[1], e->packets,
		protocol, e->plain_last.app_protocol, e->flow.protocol, e->flow.application);
}

// Ends all flows, and compares.
static void compare(const char *file)
{
	world.ended = world.all;
	classify_finish(world.classify, NULL, &world.ring);
	for (struct entry *e = world.all, *next; e != NULL; e = next) {
		next = e->all_next;
		plain_finish(e);
		uint16_t protocol = e->plain_last.master_protocol != 0
			? e->plain_last.master_protocol
			: e->plain_last.app_protocol;
		if (protocol != 0)
			world.verdicts++;
		if (protocol != e->flow.protocol ||
			e->plain_last.app_protocol != e->flow.application) {
			world.differ++;
			if (!world.little_memory)
				differ_print(e, file);
		}
		free(e);
	}
	memset(world.buckets, 0, sizeof(world.buckets));
	world.all = NULL;
	world.all_end = &world.all;
}

static int link_of(pcap_t *pcap)
{
	switch (pcap_datalink(pcap)) {
	case DLT_EN10MB:
		return LINK_ETHERNET;
	case DLT_RAW:
		return LINK_RAW_IP;
	case DLT_LINUX_SLL:
		return LINK_COOKED_1;
	default:
		return -1;
	}
}

static uint32_t random_state;

static uint32_t random_next(uint32_t below)
{
	random_state =
		random_state * 1664525 + 1013904223; // Knuth's LCG: the same on every machine
	return (uint32_t)((uint64_t)random_state * below >> 32);
}

// Shows a packet that may be changed, lost, doubled, or swapped with the next one.
static void show_mutated(uint8_t *bytes, uint32_t len, uint32_t wire, uint64_t ts_ns, int link)
{
	static uint8_t held[65536];
	static uint32_t held_len;

	switch (random_next(24)) {
	case 0: // lost
		return;
	case 1: // a few octets changed, in headers or payload
		for (uint32_t n = 1 + random_next(4); n > 0 && len > 14; n--)
			bytes[14 + random_next(len - 14)] = (uint8_t)random_next(256);
		break;
	case 2: // octets of the payload's beginning, where dissectors look
		for (uint32_t n = 1 + random_next(3); n > 0 && len > 74; n--)
			bytes[54 + random_next(20)] = (uint8_t)random_next(256);
		break;
	case 3: // doubled
		show(bytes, len, wire, ts_ns, link);
		break;
	case 4: // swapped with the next
		if (held_len == 0 && len == wire && len <= sizeof(held)) {
			memcpy(held, bytes, len);
			held_len = len;
			return;
		}
		break;
	}
	show(bytes, len, wire, ts_ns, link);
	if (held_len > 0) {
		show(held, held_len, held_len, ts_ns, link);
		held_len = 0;
	}
}

static void run_file(const char *path, uint32_t seed)
{
	static uint8_t copy[262144];
	char error[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *head;
	const uint8_t *bytes;
	pcap_t *pcap =
		pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, error);

	if (pcap == NULL)
		return; // what libpcap refuses, others test
	int link = link_of(pcap);
	random_state = seed;
	while (link >= 0 && pcap_next_ex(pcap, &head, &bytes) == 1) {
		uint64_t ts_ns = (uint64_t)head->ts.tv_sec * NS_PER_S + (uint64_t)head->ts.tv_usec;
		if (seed == 0) {
			show(bytes, head->caplen, head->len, ts_ns, link);
		} else if (head->caplen <= sizeof(copy)) {
			memcpy(copy, bytes, head->caplen);
			show_mutated(copy, head->caplen, head->len, ts_ns, link);
		}
	}
	pcap_close(pcap);
	compare(path);
}

static void check(const char *what)
{
	print_message("%s: %lu flows, %lu verdicts, %lu differ\n", what, world.flows,
		world.verdicts, world.differ);
	assert_true(world.verdicts > 20);
	assert_int_equal(world.differ, 0);
}

static void test_house(void **)
{
	for (unsigned plain = 0; plain < 2; plain++) {
		world_open((uint64_t)64 << 20, plain);
		for (uint32_t seed = 0; seed <= MUTATIONS; seed++)
			run_file(HOUSE, seed);
		check(plain ? "house, its loop" : "house, our loop");
		world_close();
	}
}

// The corpus, or what stands in its place; how many captures it has.
static unsigned run_corpus(uint32_t seed)
{
	const char *corpus = getenv("NDPI_PLAIN_CORPUS");

	return captures_below(corpus == NULL ? CORPUS : corpus, run_file, seed);
}

static void test_corpus(void **)
{
	for (unsigned plain = 0; plain < 2; plain++) {
		unsigned captures = 0;
		world_open((uint64_t)64 << 20, plain);
		for (uint32_t seed = 0; seed <= MUTATIONS; seed++)
			captures += run_corpus(seed);
		if (captures > 0)
			check(plain ? "corpus, its loop" : "corpus, our loop");
		world_close();
		if (captures == 0)
			skip(); // no ../shared/corpus here: told as skipped, not as passed
	}
}

// Little memory: flows are given up and counted, in the middle of whatever nDPI was at, and it goes
// on with the next ones.
static void test_little_memory(void **)
{
	world_open(1024, false);
	world.little_memory = true;
	for (uint32_t seed = 0; seed <= MUTATIONS; seed++)
		run_file(HOUSE, seed);
	assert_true(world.counters.value[COUNTER_dpi_verdicts] > 100);
	assert_true(world.differ > 0);
	assert_true(world.counters.value[COUNTER_dpi_given_up] >= world.differ);
	assert_true(world.counters.value[COUNTER_dpi_memory_lost] > 0);
	world_close();

	for (uint64_t memory = 4096; memory <= 16384; memory *= 2) {
		world_open(memory, false);
		world.little_memory = true;
		if (run_corpus(1) > 0)
			assert_true(world.counters.value[COUNTER_dpi_given_up] > 0);
		world_close();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_house),
		cmocka_unit_test(test_corpus),
		cmocka_unit_test(test_little_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
