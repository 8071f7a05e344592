// What a packet of an established flow costs a shard from receive to release, everything on but
// nDPI: with few flows, whose tables stay in the L2 cache, and with a million, which lie in DRAM.
//
//	micro_flow [-p PASSES] [FLOWS...]      (1024 and 1048576 where none are given)
//
// A source of its own hands out frames as a NIC's ring would: TCP segments with payload, in order,
// of all flows in turn, each flow's turn at a random place, both ways. Setting up, the first
// packets of each flow and what comes after them until no classifier watches any more are not
// measured.
//
// Prints a line a number of flows: flows, packets measured, ns a packet: the least and the median
// of the passes. measured() alone is what is measured, so that instructions can be counted on any
// machine:
//	valgrind --tool=callgrind --toggle-collect=measured bench/micro_flow -p 20 1024
#include "core/base/memory.h"
#include "core/shard/shard.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	FRAMES = 256, // in the ring of frames
	FRAME_LEN = 128, // octets apart
	HEADERS = 14 + 20 + 20,
	PAYLOAD = 60,
	PASSES_BEFORE = 80, // packets of each flow before it is measured; nobody watches so long
	PASSES_MAX = 1000,
	RING_BYTES = 4 << 20,
};

struct capture {
	uint8_t (*frames)[FRAME_LEN];
	uint32_t flows; // a power of two
	uint32_t order; // of the flows within a turn: an odd number to step by
	uint32_t turn; // every flow has sent so many segments
	uint32_t next; // flows that had their turn
	uint64_t now_ns;
};

static void store_be32(uint8_t *p, uint32_t value)
{
	value = __builtin_bswap32(value);
	memcpy(p, &value, sizeof(value));
}

static void frame_init(uint8_t *frame)
{
	static const uint8_t headers[HEADERS] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0,
		0, HEADERS - 14 + PAYLOAD, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 0, 192, 0, 2, 1, 0,
		0, 0x13, 0x88, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, TCP_ACK, 1, 0, 0, 0, 0, 0};

	memcpy(frame, headers, sizeof(headers));
	memset(frame + HEADERS, 0xa5, PAYLOAD);
}

// Segments that answer each other: in even turns from the client, in odd ones from the server.
static void frame_of(uint8_t *frame, const struct capture *c, uint32_t flow)
{
	uint32_t client = UINT32_C(10) << 24 | flow >> 8, server = UINT32_C(192) << 24 | 513;
	uint32_t client_port = 40000 + (flow & 0xff), server_port = 5000;
	uint32_t sent = 1000 + (c->turn + 1) / 2 * PAYLOAD, heard = 1000 + c->turn / 2 * PAYLOAD;
	bool odd = c->turn & 1;

	store_be32(frame + 26, odd ? server : client);
	store_be32(frame + 30, odd ? client : server);
	store_be32(frame + 34,
		odd ? server_port << 16 | client_port : client_port << 16 | server_port);
	store_be32(frame + 38, odd ? heard : sent);
	store_be32(frame + 42, odd ? sent : heard);
}

static int receive(struct capture *c, struct packet_batch *batch)
{
	for (batch->count = 0; batch->count < PACKET_BATCH_MAX; batch->count++) {
		struct packet *p = &batch->packets[batch->count];
		uint8_t *frame = c->frames[c->next % FRAMES];

		frame_of(frame, c, c->next * c->order & (c->flows - 1));
		c->now_ns += 10;
		p->data = frame;
		p->cap_len = p->wire_len = HEADERS + PAYLOAD;
		p->ts_ns = p->time_ns = c->now_ns;
		p->iface = 0;
		if (++c->next == c->flows) {
			c->next = 0;
			c->turn++;
		}
	}
	batch->link = LINK_ETHERNET;
	batch->now_ns = c->now_ns;
	return (int)batch->count;
}

static void release(struct capture *, struct packet_batch *batch)
{
	batch->count = 0;
}

static const struct capture_ops memory_ops = {
	.name = "memory", .receive = receive, .release = release};

static void fail(const char *what, int err)
{
	fprintf(stderr, "micro_flow: %s: %s\n", what, strerror(-err));
	exit(2);
}

static double cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void shard_open(struct shard *shard, struct capture *capture)
{
	static const uint8_t iface_group[256];
	const struct flow_settings flows = {
		.flows_max = MAX(2 * capture->flows, UINT32_C(65536)),
		.idle_tcp_ns = 3600 * NS_PER_S,
		.idle_udp_ns = 3600 * NS_PER_S,
		.idle_icmp_ns = 3600 * NS_PER_S,
		.idle_closed_ns = 3600 * NS_PER_S,
		.active_ns = 86400 * NS_PER_S,
		.iface_group = iface_group,
		.key = hash_key_new(1, 1),
	};
	const struct classify_settings classify = {
		.dpi_states_max = 2 * capture->flows,
		.findings_max = 65536,
		.classifiers = classifiers,
	};
	struct event_ring *ring = aligned_alloc(CACHE_LINE, sizeof(*ring));
	struct counters *counters = aligned_alloc(CACHE_LINE, sizeof(*counters));

	if (ring == NULL || counters == NULL)
		fail("start", -ENOMEM);
	memset(counters, 0, sizeof(*counters));
	memset(shard, 0, sizeof(*shard));
	shard->ops = &memory_ops;
	shard->capture = capture;
	shard->events = ring;
	shard->counters = counters;
	int err = event_ring_init(ring, RING_BYTES, counters);
	ring->one_thread = true;
	if (!err)
		err = flow_table_new(&shard->flows, &flows, counters);
	if (!err)
		err = classify_new(&shard->classify, &classify, counters);
	if (err)
		fail("start", err);
}

static void shard_close(struct shard *shard)
{
	classify_free(shard->classify);
	flow_table_free(shard->flows);
	event_ring_fini(shard->events);
	free(shard->events);
	free(shard->counters);
	memory_release(shard->capture->frames, FRAMES * FRAME_LEN);
}

static uint64_t turn(struct shard *shard, uint64_t packets)
{
	uint64_t done = 0;

	while (done < packets) {
		done += (uint64_t)shard_step(shard);
		while (event_ring_peek(shard->events) != NULL)
			event_ring_pop(shard->events);
	}
	return done;
}

__attribute__((noinline)) uint64_t measured(struct shard *shard, uint64_t packets);
uint64_t measured(struct shard *shard, uint64_t packets)
{
	return turn(shard, packets);
}

// By this pointer, or the compiler makes a copy of another name.
static uint64_t (*volatile call)(struct shard *shard, uint64_t packets) = measured;

static int less(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void run(uint32_t flows, unsigned passes)
{
	static double ns[PASSES_MAX];
	static struct shard shard;
	struct capture capture = {
		.flows = flows,
		.order = (uint32_t)(0.618 * flows) | 1,
		.now_ns = 1700000000 * NS_PER_S,
		.frames = memory_reserve(FRAMES * FRAME_LEN),
	};
	uint64_t packets = MAX(flows, UINT32_C(65536)), sum = 0;

	if (capture.frames == NULL)
		fail("start", -ENOMEM);
	for (unsigned i = 0; i < FRAMES; i++)
		frame_init(capture.frames[i]);
	shard_open(&shard, &capture);
	turn(&shard, (uint64_t)PASSES_BEFORE * flows);
	for (unsigned i = 0; i < passes; i++) {
		double start = cpu_ns();
		uint64_t done = call(&shard, packets);
		ns[i] = (cpu_ns() - start) / (double)done;
		sum += done;
	}
	if (flow_table_count(shard.flows) != flows ||
		shard.counters->value[COUNTER_flows_created] != flows) {
		fprintf(stderr, "micro_flow: %u flows in the table instead of %u\n",
			flow_table_count(shard.flows), flows);
		exit(2);
	}
	shard_close(&shard);
	qsort(ns, passes, sizeof(ns[0]), less);
	printf("%u\t%llu\t%.1f\t%.1f\n", flows, (unsigned long long)sum, ns[0], ns[passes / 2]);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	unsigned passes = 15;
	int option;

	while ((option = getopt(argc, argv, "p:")) != -1) {
		passes = option == 'p' ? (unsigned)atoi(optarg) : 0;
		if (passes == 0 || passes > PASSES_MAX) {
			fprintf(stderr,
				"usage: micro_flow [-p PASSES] [FLOWS, a power of two]...\n");
			return 2;
		}
	}
	if (optind == argc) {
		run(1024, passes);
		run(1 << 20, passes);
	}
	for (; optind < argc; optind++) {
		uint32_t flows = (uint32_t)atoi(argv[optind]);
		if (flows < 64 || (flows & (flows - 1)) != 0 || flows > 1 << 24) {
			fprintf(stderr, "micro_flow: \"%s\" is no power of two from 64 to 16 Mi\n",
				argv[optind]);
			return 2;
		}
		run(flows, passes);
	}
	return 0;
}
