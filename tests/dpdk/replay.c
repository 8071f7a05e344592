// A NIC in memory: weir-dpdk on a port of net_ring whose queues hold a capture file, put there as a
// NIC does that shares packets out by RSS: by Toeplitz hash under the port's own key, of addresses
// and ports, of addresses only for fragments, the rest on queue 0. All of it is there before the
// run begins; when the queues are empty, the run is ended by a signal.
//
//     replay FILE QUEUES CORES [OPTIONS of weir run]
//
// Standard error ends with CPU time from the first packet to the last, and to the end of the run.
#include "../../dpdk-app/capture_dpdk.h"
#include "../../dpdk-app/port.h"
#include "collect.h"

#include <pcap.h>
#include <pthread.h>
#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ip.h>
#include <rte_net.h>
#include <rte_thash.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	QUEUES_MAX = 16,
	// Of a frame in a buffer: two buffers fill a page of 4 KiB, which none may cross.
	ROOM = 1664,
	BUFFER_BYTES = 2048, // with all that DPDK puts around it
	OTHER_MIB = 512, // rings, and what the port and EAL take
	CACHE = 128, // buffers that a core keeps
	SPARE = 4 * CACHE, // which keep others waiting in other cores' caches
	SKIPPED = 77,
	FAILED = 1,
};

static struct rte_ring *rings[QUEUES_MAX], *sent;
static struct rte_mempool *pools[QUEUES_MAX];
static struct rte_mbuf *probe; // a frame's head, to be hashed
static unsigned queues, buffers, queue_buffers[QUEUES_MAX];
static double first_s,
	drained_s; // CPU of the process: before the first packet, while the queues emptied

static double cpu_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

// ---- filling

static uint32_t hash_of(const struct rte_mbuf *m)
{
	struct rte_net_hdr_lens lens = {0};
	union rte_thash_tuple tuple = {0};
	uint32_t type = rte_net_get_ptype(
		m, &lens, RTE_PTYPE_L2_MASK | RTE_PTYPE_L3_MASK | RTE_PTYPE_L4_MASK);
	const void *l3 = rte_pktmbuf_mtod_offset(m, const void *, lens.l2_len);
	bool ip6 = RTE_ETH_IS_IPV6_HDR(type);
	uint16_t ports[2];

	if (!ip6 && !RTE_ETH_IS_IPV4_HDR(type))
		return 0;
	if (ip6) {
		rte_thash_load_v6_addrs(l3, &tuple);
	} else {
		const struct rte_ipv4_hdr *ip = l3;
		tuple.v4.src_addr = rte_be_to_cpu_32(ip->src_addr);
		tuple.v4.dst_addr = rte_be_to_cpu_32(ip->dst_addr);
	}
	uint32_t l4 = type & RTE_PTYPE_L4_MASK,
		 words = ip6 ? RTE_THASH_V6_L3_LEN : RTE_THASH_V4_L3_LEN;
	if (l4 == RTE_PTYPE_L4_TCP || l4 == RTE_PTYPE_L4_UDP || l4 == RTE_PTYPE_L4_SCTP) {
		memcpy(ports, (const uint8_t *)l3 + lens.l3_len, sizeof(ports));
		uint16_t *at = ip6 ? &tuple.v6.dport : &tuple.v4.dport;
		at[0] = rte_be_to_cpu_16(ports[1]);
		at[1] = rte_be_to_cpu_16(ports[0]);
		words++;
	}
	return rte_softrss((uint32_t *)&tuple, words, port_symmetric_key);
}

static uint32_t buffers_for(uint32_t len)
{
	return (len + ROOM - 1) / ROOM;
}

static unsigned queue_of(const uint8_t *bytes, uint32_t len)
{
	uint16_t head = (uint16_t)RTE_MIN(len, (uint32_t)ROOM);

	rte_pktmbuf_reset(probe);
	memcpy(rte_pktmbuf_append(probe, head), bytes, head);
	return hash_of(probe) % queues;
}

static bool count_all(const uint8_t *, uint32_t len)
{
	buffers += buffers_for(len);
	return true;
}

static bool count_by_queue(const uint8_t *bytes, uint32_t len)
{
	queue_buffers[queue_of(bytes, len)] += buffers_for(len);
	return true;
}

static bool put(const uint8_t *bytes, uint32_t len)
{
	unsigned queue = queue_of(bytes, len);
	struct rte_mbuf *whole = NULL;

	while (len > 0) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(pools[queue]);
		if (m == NULL)
			return false;
		uint16_t here = (uint16_t)RTE_MIN(len, (uint32_t)ROOM);
		memcpy(rte_pktmbuf_append(m, here), bytes, here);
		if (whole == NULL)
			whole = m;
		else if (rte_pktmbuf_chain(whole, m) != 0)
			return false;
		bytes += here;
		len -= here;
	}
	return whole == NULL || rte_ring_enqueue(rings[queue], whole) == 0;
}

// How many frames `handle` took.
static unsigned each_frame(const char *file, bool (*handle)(const uint8_t *bytes, uint32_t len))
{
	char why[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *head;
	const u_char *bytes;
	unsigned frames = 0;

	pcap_t *pcap = pcap_open_offline(file, why);
	if (pcap == NULL) {
		fprintf(stderr, "%s\n", why);
		exit(FAILED);
	}
	while (pcap_next_ex(pcap, &head, &bytes) == 1 && handle(bytes, head->caplen))
		frames++;
	pcap_close(pcap);
	return frames;
}

static struct rte_mempool *make_pool(const char *name, unsigned size)
{
	struct rte_mempool *pool = rte_pktmbuf_pool_create(
		name, size + SPARE, CACHE, 0, RTE_PKTMBUF_HEADROOM + ROOM, 0);

	if (pool == NULL) {
		fputs("no memory for frames\n", stderr);
		exit(FAILED);
	}
	return pool;
}

// A pool for each queue: a NIC takes a buffer for each that comes back, here they only come back,
// and into one pool all cores would at once.
static unsigned load(const char *file)
{
	probe = rte_pktmbuf_alloc(make_pool("probe", 0));
	each_frame(file, count_by_queue);
	for (unsigned q = 0; q < queues; q++) {
		char name[24];
		snprintf(name, sizeof(name), "frames-%u", q);
		pools[q] = make_pool(name, queue_buffers[q]);
	}
	return each_frame(file, put);
}

static bool make_port(void)
{
	for (unsigned q = 0; q < queues; q++) {
		char name[24];
		snprintf(name, sizeof(name), "queue-%u", q);
		rings[q] = rte_ring_create(
			name, rte_align32pow2(buffers), 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
		if (rings[q] == NULL)
			return false;
	}
	sent = rte_ring_create("sent", 64, 0, 0);
	return sent != NULL && rte_eth_from_rings("fed", rings, queues, &sent, 1, 0) >= 0;
}

// ---- the end

static unsigned left(void)
{
	unsigned sum = 0;

	for (unsigned q = 0; q < queues; q++)
		sum += rte_ring_count(rings[q]);
	return sum;
}

static void *watch(void *)
{
	struct timespec nap = {.tv_nsec = 1000 * 1000};
	unsigned all = left();

	while (all > 0 && left() == all)
		nanosleep(&nap, NULL);
	first_s = cpu_s();
	while (left() > 0)
		nanosleep(&nap, NULL);
	drained_s = cpu_s() - first_s;
	kill(getpid(), SIGTERM); // what is under way has twice capture.poll to be taken
	return NULL;
}

static bool start_eal(char *program, char *cores)
{
	char prefix[64], mib[16];
	char *words[] = {program, "--no-huge", "--no-pci", "--no-shconf", "--no-telemetry", "-m",
		mib, "--log-level=4", "-l", cores, "--file-prefix", prefix, NULL};
	cpu_set_t all;

	snprintf(prefix, sizeof(prefix), "weir-replay-%d", (int)getpid());
	snprintf(mib, sizeof(mib), "%u",
		(unsigned)((uint64_t)buffers * BUFFER_BYTES >> 20) + OTHER_MIB);
	sched_getaffinity(0, sizeof(all), &all);
	bool up = rte_eal_init(12, words) >= 0;
	sched_setaffinity(0, sizeof(all), &all);
	return up;
}

int main(int argc, char **argv)
{
	pthread_t watcher;
	char *words[argc + 4];
	int count = 0;

	if (argc < 4)
		return FAILED;
	queues = (unsigned)RTE_MIN(atoi(argv[2]), (int)QUEUES_MAX);
	each_frame(argv[1], count_all);
	if (!start_eal(argv[0], argv[3]) || !make_port()) {
		fputs("SKIPPED: DPDK does not start on this machine, not even with --no-huge\n",
			stderr);
		return SKIPPED;
	}
	unsigned packets = load(argv[1]);
	words[count++] = argv[0];
	words[count++] = "-i";
	words[count++] = "net_ring_fed";
	for (int i = 4; i < argc; i++)
		words[count++] = argv[i];
	words[count] = NULL;
	if (pthread_create(&watcher, NULL, watch, NULL) != 0)
		return FAILED;
	int status = collect_command(count, words, &dpdk_capture_ops);
	pthread_join(watcher, NULL);
	fprintf(stderr,
		"{\"packets\": %u, \"left\": %u, \"sent\": %u, \"drained_s\": %.4f, "
		"\"whole_s\": %.4f}\n",
		packets, left(), rte_ring_count(sent), drained_s, cpu_s() - first_s);
	rte_eal_cleanup();
	return status;
}
