// The capture source over DPDK on a real driver, net_ring, whose queues this test fills: each
// capture gets what came on its queues, by its own thread; tags that a driver took off are back;
// frames of several segments are whole; buffers go back to their pool; a port that is taken away
// says so. EAL runs without huge pages and touches no NIC.
#define ALLOW_EXPERIMENTAL_API // rte_dev_event_callback_process()
#include "../../dpdk-app/capture_dpdk.h"
#include "../../dpdk-app/place.h"
#include "core/packet/capture_clock.h"

#include <errno.h>
#include <pthread.h>
#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { QUEUES = 3, RING = 1024, SKIPPED = 77 };
#define PORT "net_ring_fed"

static struct rte_mempool *pool;
static struct rte_ring *rings[QUEUES], *sent;

static void fill(uint8_t *frame, size_t len, unsigned first)
{
	for (size_t i = 0; i < len; i++)
		frame[i] = (uint8_t)(first + i * 7);
}

// `len` octets in segments of `part` at the most.
static struct rte_mbuf *make_frame(const uint8_t *bytes, size_t len, size_t part)
{
	struct rte_mbuf *whole = NULL;

	for (size_t at = 0; at < len; at += part) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
		size_t here = len - at < part ? len - at : part;
		assert_non_null(m);
		memcpy(rte_pktmbuf_append(m, (uint16_t)here), bytes + at, here);
		if (whole == NULL)
			whole = m;
		else
			assert_int_equal(rte_pktmbuf_chain(whole, m), 0);
	}
	return whole;
}

static void feed(unsigned queue, struct rte_mbuf *m)
{
	assert_int_equal(rte_ring_enqueue(rings[queue], m), 0);
}

// A new port each time: closing a capture is the end of it.
static int open_port(void **)
{
	for (unsigned q = 0; q < QUEUES; q++)
		assert_true(rte_ring_empty(rings[q]));
	return rte_eth_from_rings("fed", rings, QUEUES, &sent, 1, 0) < 0;
}

// No buffer is out, neither held back nor forgotten, and nothing was transmitted.
static int check_nothing_left(void **)
{
	rte_eal_hotplug_remove("vdev", PORT); // the device, which outlives its port
	return rte_mempool_in_use_count(pool) != 0 || !rte_ring_empty(sent);
}

static const char *filter; // of the captures that are opened next

static struct capture *open_queue(
	uint16_t queue, uint16_t queues, const struct capture *first, uint32_t snaplen)
{
	struct capture_config config = {
		.interface = PORT,
		.filter = filter,
		.snaplen = snaplen,
		.buffer_bytes = 4 << 20,
		.mtu = 1500,
		.iface = 5,
		.queues = queues,
		.first = first,
		.wall_offset_ns = capture_clock_wall_offset_ns(),
	};
	char error[CAPTURE_ERROR_SIZE] = "";
	struct capture *capture = NULL;

	if (dpdk_capture_ops.open(&capture, &config, queue, error) != 0)
		fail_msg("%s", error);
	return capture;
}

// ---- one thread

static void test_frames_as_they_came(void **)
{
	struct packet_batch batch;
	uint8_t frame[9000];
	struct capture *capture = open_queue(0, 1, NULL, 65535);

	// Of every queue of the port, whole, in pieces, and cut by nobody.
	static const size_t lens[QUEUES] = {60, 1514, 9000};
	static const size_t parts[QUEUES] = {2000, 700, 2000};
	bool seen[QUEUES] = {false};
	for (unsigned q = 0; q < QUEUES; q++) {
		fill(frame, lens[q], q);
		feed(q, make_frame(frame, lens[q], parts[q]));
	}
	for (unsigned turn = 0; turn < QUEUES; turn++) {
		assert_int_equal(dpdk_capture_ops.receive(capture, &batch), 1);
		const struct packet *p = &batch.packets[0];
		unsigned q = 0;
		while (q < QUEUES && lens[q] != p->wire_len)
			q++;
		assert_in_range(q, 0, QUEUES - 1);
		assert_false(seen[q]);
		seen[q] = true;
		fill(frame, lens[q], q);
		assert_int_equal(p->cap_len, lens[q]);
		assert_memory_equal(p->data, frame, lens[q]);
		assert_int_equal(p->iface, 5);
		assert_in_range(p->time_ns, 1, batch.now_ns);
		dpdk_capture_ops.release(capture, &batch);
	}
	assert_int_equal(dpdk_capture_ops.receive(capture, &batch), 0);
	dpdk_capture_ops.close(capture);
}

static void test_snaplen(void **)
{
	struct packet_batch batch;
	uint8_t frame[3000];
	struct capture *capture = open_queue(0, 1, NULL, 1000);

	fill(frame, sizeof(frame), 9);
	feed(1, make_frame(frame, sizeof(frame), 400)); // ends within the third segment
	feed(1, make_frame(frame, sizeof(frame), 1500)); // within the first
	assert_int_equal(dpdk_capture_ops.receive(capture, &batch), 2);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(batch.packets[i].wire_len, sizeof(frame));
		assert_int_equal(batch.packets[i].cap_len, 1000);
		assert_memory_equal(batch.packets[i].data, frame, 1000);
	}
	dpdk_capture_ops.release(capture, &batch);
	dpdk_capture_ops.close(capture);
}

// A frame's addresses, its tags, what follows.
static void check_tagged(const struct packet *p, const uint8_t *bare, size_t len,
	const uint8_t *tags, size_t tags_len)
{
	assert_int_equal(p->wire_len, len + tags_len);
	assert_int_equal(p->cap_len, len + tags_len);
	assert_memory_equal(p->data, bare, 12);
	assert_memory_equal(p->data + 12, tags, tags_len);
	assert_memory_equal(p->data + 12 + tags_len, bare + 12, len - 12);
}

static void test_tags_are_put_back(void **)
{
	static const uint8_t one[] = {0x81, 0, 0x60, 7},
			     two[] = {0x88, 0xa8, 0, 99, 0x81, 0, 0x60, 7};
	struct packet_batch batch;
	uint8_t frame[200];
	struct capture *capture = open_queue(0, 1, NULL, 65535);

	fill(frame, sizeof(frame), 1);
	for (unsigned i = 0; i < 3; i++) {
		struct rte_mbuf *m = make_frame(frame, sizeof(frame), i == 2 ? 100 : 200);
		m->vlan_tci = 0x6007;
		m->vlan_tci_outer = 99;
		if (i > 0)
			m->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
		if (i > 1)
			m->ol_flags |= RTE_MBUF_F_RX_QINQ | RTE_MBUF_F_RX_QINQ_STRIPPED;
		feed(0, m);
	}
	assert_int_equal(dpdk_capture_ops.receive(capture, &batch), 3);
	check_tagged(&batch.packets[0], frame, sizeof(frame), NULL, 0); // was not taken off
	check_tagged(&batch.packets[1], frame, sizeof(frame), one, sizeof(one));
	check_tagged(&batch.packets[2], frame, sizeof(frame), two, sizeof(two));
	dpdk_capture_ops.release(capture, &batch);
	dpdk_capture_ops.close(capture);
}

// What the filter leaves out goes back at once, in one segment or several.
static void test_filter(void **)
{
	struct packet_batch batch;
	uint8_t frame[200];

	filter = "less 100";
	struct capture *capture = open_queue(0, 1, NULL, 65535);
	filter = NULL;
	for (unsigned i = 0; i < 12; i++) {
		size_t len = i % 3 == 0 ? 60 : sizeof(frame);
		fill(frame, len, i);
		feed(0, make_frame(frame, len, i % 2 != 0 ? 50 : 200));
	}
	assert_int_equal(dpdk_capture_ops.receive(capture, &batch), 4);
	for (unsigned i = 0; i < 4; i++) {
		fill(frame, 60, 3 * i);
		assert_int_equal(batch.packets[i].wire_len, 60);
		assert_memory_equal(batch.packets[i].data, frame, 60);
	}
	assert_int_equal(rte_mempool_in_use_count(pool), 4 + 2); // two of them in two segments
	dpdk_capture_ops.release(capture, &batch);
	dpdk_capture_ops.close(capture);
}

static void test_closed_with_a_batch_out(void **)
{
	struct packet_batch batch;
	uint8_t frame[100] = {0};
	struct capture *capture = open_queue(0, 1, NULL, 65535);

	for (unsigned i = 0; i < 10; i++)
		feed(0, make_frame(frame, sizeof(frame), i % 2 != 0 ? 30 : 100));
	assert_int_equal(dpdk_capture_ops.receive(capture, &batch), 10);
	dpdk_capture_ops.close(capture);
}

// ---- several

struct poller {
	pthread_t thread;
	uint32_t number;
	struct capture *capture;
	uint32_t wanted, got, others; // frames of its own queues, of others'
};

// The queue stands in the first octet of a frame.
static void *poll_queue(void *arg)
{
	struct poller *poller = arg;
	struct packet_batch batch;

	place_thread(poller->number);
	while (poller->got + poller->others < poller->wanted) {
		int count = dpdk_capture_ops.receive(poller->capture, &batch);
		for (int i = 0; i < count; i++) {
			bool own = batch.packets[i].data[0] % 2 == poller->number;
			poller->got += own;
			poller->others += !own;
		}
		if (count > 0)
			dpdk_capture_ops.release(poller->capture, &batch);
	}
	return NULL;
}

// Three queues for two threads: the first has two of them.
static void test_two_threads(void **)
{
	enum { EACH = 60000 };
	struct poller pollers[2] = {
		{.number = 0, .wanted = 2 * EACH}, {.number = 1, .wanted = EACH}};
	uint8_t frame[64] = {0};

	pollers[0].capture = open_queue(0, 2, NULL, 65535);
	pollers[1].capture = open_queue(1, 2, pollers[0].capture, 65535);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(
			pthread_create(&pollers[i].thread, NULL, poll_queue, &pollers[i]), 0);
	for (unsigned i = 0; i < EACH; i++) {
		for (unsigned q = 0; q < QUEUES; q++) {
			struct rte_mbuf *m;
			frame[0] = (uint8_t)q;
			while ((m = rte_pktmbuf_alloc(pool)) == NULL)
				sched_yield();
			memcpy(rte_pktmbuf_append(m, sizeof(frame)), frame, sizeof(frame));
			while (rte_ring_enqueue(rings[q], m) != 0)
				sched_yield();
		}
	}
	for (unsigned i = 0; i < 2; i++) {
		pthread_join(pollers[i].thread, NULL);
		assert_int_equal(pollers[i].got, pollers[i].wanted);
		assert_int_equal(pollers[i].others, 0);
	}
	// The port is there as long as one of them needs it.
	dpdk_capture_ops.close(pollers[0].capture);
	fill(frame, sizeof(frame), 1);
	feed(1, make_frame(frame, sizeof(frame), sizeof(frame)));
	struct packet_batch batch;
	assert_int_equal(dpdk_capture_ops.receive(pollers[1].capture, &batch), 1);
	dpdk_capture_ops.release(pollers[1].capture, &batch);
	dpdk_capture_ops.close(pollers[1].capture);
}

static void test_how_many_may_share(void **)
{
	struct capture_config config = {.interface = PORT, .queues = QUEUES};

	assert_true(dpdk_capture_ops.shares(&config));
	config.queues = QUEUES + 1;
	assert_false(dpdk_capture_ops.shares(&config));
	config.interface = "net_null_shared"; // hashes, by as many queues as anybody wants
	assert_int_equal(rte_eal_hotplug_add("vdev", config.interface, ""), 0);
	assert_true(dpdk_capture_ops.shares(&config));
	assert_int_equal(rte_eal_hotplug_remove("vdev", config.interface), 0);
}

// ---- taken away

// What comes of a port that is gone: within a second it says so.
static void expect_removed(struct capture *capture)
{
	struct packet_batch batch;
	int count = 0;

	for (unsigned i = 0; i < 100000 && count == 0; i++)
		count = dpdk_capture_ops.receive(capture, &batch);
	assert_int_equal(count, -ENODEV);
	assert_non_null(strstr(dpdk_capture_ops.error(capture), PORT));
}

static void test_removed(void **)
{
	struct capture *first = open_queue(0, 2, NULL, 65535);
	struct capture *second = open_queue(1, 2, first, 65535);

	// As vfio does when the kernel wants the device back.
	rte_dev_event_callback_process(PORT, RTE_DEV_EVENT_REMOVE);
	expect_removed(first);
	expect_removed(second);
	dpdk_capture_ops.close(first);
	dpdk_capture_ops.close(second);
}

static void test_unplugged(void **)
{
	struct capture *capture = open_queue(0, 1, NULL, 65535);

	assert_int_equal(rte_eal_hotplug_remove("vdev", PORT), 0);
	expect_removed(capture);
	dpdk_capture_ops.close(capture);
}

static bool start(const char *program)
{
	char prefix[64];
	char *words[] = {(char *)program, "--no-huge", "--no-pci", "--no-shconf", "--no-telemetry",
		"--log-level=4", "-m", "128", "--file-prefix", prefix, NULL};

	snprintf(prefix, sizeof(prefix), "weir-queues-%d", (int)getpid());
	if (rte_eal_init(10, words) < 0)
		return false;
	pool = rte_pktmbuf_pool_create("frames", 4095, 64, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	for (unsigned q = 0; q < QUEUES; q++) {
		char name[16];
		snprintf(name, sizeof(name), "queue-%u", q);
		rings[q] = rte_ring_create(name, RING, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
		if (rings[q] == NULL)
			return false;
	}
	sent = rte_ring_create("sent", RING, 0, 0);
	return pool != NULL && sent != NULL;
}

#define ON_A_PORT(test) cmocka_unit_test_setup_teardown(test, open_port, check_nothing_left)

int main(int, char **argv)
{
	const struct CMUnitTest tests[] = {
		ON_A_PORT(test_frames_as_they_came),
		ON_A_PORT(test_snaplen),
		ON_A_PORT(test_tags_are_put_back),
		ON_A_PORT(test_filter),
		ON_A_PORT(test_closed_with_a_batch_out),
		ON_A_PORT(test_two_threads),
		ON_A_PORT(test_how_many_may_share),
		ON_A_PORT(test_removed),
		ON_A_PORT(test_unplugged),
	};

	if (!start(argv[0])) {
		puts("SKIPPED: DPDK does not start on this machine, not even with --no-huge");
		return SKIPPED;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
