// Capture source over DPDK (capture_dpdk.h), the first stage of the pipeline of `weir-dpdk`.
//
// The thread polls, on the cores that EAL was given for it. When nothing came for a while it rests
// between polls for less time than the NIC's ring takes to fill, so that an idle port costs little
// and a burst finds room.
#include "capture_dpdk.h"

#include "capture/frame_filter.h"
#include "core/base/compiler.h"
#include "core/base/memory.h"
#include "core/packet/capture_clock.h"
#include "place.h"
#include "port.h"

#include <errno.h>
#include <rte_cycles.h>
#include <rte_ether.h>
#include <string.h>
#include <time.h>

enum {
	EMPTY_POLLS_MAX = 256, // in a row, before the first rest
	CHECKS_PER_S = 10,
};

struct capture {
	struct port *port; // may be other captures', too
	uint16_t queue; // the first of ours, and the one polled next
	uint16_t queue_next;
	uint16_t queue_step; // to the next of ours
	bool watches; // the port: the first of its captures does
	struct frame_filter *filter;
	struct capture_clock clock;
	uint8_t *joined; // frames of several segments, snaplen octets for each of a batch
	uint32_t snaplen;
	uint8_t iface;
	bool packet_clock;
	bool stamped; // the port gives packets' times
	uint64_t exit_idle_ns;
	uint64_t checked_cycles; // when the port was last looked at
	uint16_t count; // of mbufs
	struct rte_mbuf *held; // the first of the next batch: see capture_clock_file()
	struct rte_mbuf *mbufs[PACKET_BATCH_MAX]; // of the batch that is out
	char name[PORT_NAME_SIZE];
	char error[CAPTURE_ERROR_SIZE];
};

// In a row, of all captures that this thread polls: one of them that is silent must not hold up the
// others.
static _Thread_local uint32_t empty_polls;
// The shortest rest of those polled since: a slow port's would be too long for a fast one.
static _Thread_local uint64_t rest_ns;

static size_t joined_size(const struct capture *capture)
{
	return (size_t)PACKET_BATCH_MAX * capture->snaplen;
}

// As rte_pktmbuf_free_bulk(), at a third of its cost for frames of one segment from one pool.
static void give_back(struct rte_mbuf **mbufs, uint16_t count)
{
	void *whole[PACKET_BATCH_MAX];
	struct rte_mempool *pool = count > 0 ? mbufs[0]->pool : NULL;
	unsigned wholes = 0;

	for (uint16_t i = 0; i < count; i++) {
		struct rte_mbuf *m = mbufs[i];
		if (unlikely(m->nb_segs > 1 || m->pool != pool))
			rte_pktmbuf_free(m);
		else if (likely((m = rte_pktmbuf_prefree_seg(m)) != NULL))
			whole[wholes++] = m;
	}
	if (wholes > 0)
		rte_mempool_put_bulk(pool, whole, wholes);
}

static void capture_release(struct capture *capture, struct packet_batch *batch)
{
	give_back(capture->mbufs, capture->count);
	capture->count = 0;
	batch->count = 0;
}

static void capture_close(struct capture *capture)
{
	if (capture == NULL)
		return;
	give_back(capture->mbufs, capture->count);
	rte_pktmbuf_free(capture->held);
	port_close(capture->port);
	frame_filter_free(capture->filter);
	memory_release(capture->joined, joined_size(capture));
	free(capture);
}

static int refuse(char error[CAPTURE_ERROR_SIZE], int err, const char *why)
{
	snprintf(error, CAPTURE_ERROR_SIZE, "%s", why);
	return err;
}

static struct port_config port_of(const struct capture_config *config)
{
	return (struct port_config){
		.name = config->interface,
		.threads = (uint16_t)MAX(config->queues, 1),
		.mtu = config->mtu,
		.promiscuous = config->promiscuous,
		.buffer_bytes = config->buffer_bytes,
	};
}

static bool capture_shares(const struct capture_config *config)
{
	struct port_config port = port_of(config);

	return port_shares(&port);
}

// The port, from the capture that opened it where there is one. Its memory is on its NUMA node.
static int take_port(struct capture *capture, const struct capture_config *config, uint16_t queue,
	char error[CAPTURE_ERROR_SIZE])
{
	struct port_config port = port_of(config);
	int err = 0;

	capture->queue = capture->queue_next = queue;
	capture->queue_step = port.threads;
	capture->watches = config->first == NULL;
	if (config->first != NULL)
		capture->port = port_share(config->first->port);
	else
		err = port_open(&capture->port, &port, error);
	if (err)
		return err;
	capture->stamped = port_stamps(capture->port);
	port_check_node(capture->port, queue, place_socket(queue));
	return 0;
}

static int capture_open(struct capture **ret, const struct capture_config *config, uint16_t queue,
	char error[CAPTURE_ERROR_SIZE])
{
	if (config->file != NULL)
		return refuse(
			error, -EINVAL, "weir-dpdk reads ports; capture files are for weir run -r");
	struct capture *capture = calloc(1, sizeof(*capture));
	if (capture == NULL)
		return refuse(error, -ENOMEM, "no memory to capture");
	capture->snaplen = config->snaplen;
	capture->iface = config->iface;
	capture->packet_clock = config->packet_clock;
	capture->exit_idle_ns = config->exit_idle_ns;
	snprintf(capture->name, sizeof(capture->name), "%s",
		config->interface != NULL ? config->interface : "");
	capture->joined = memory_reserve(joined_size(capture));
	int err = capture->joined == NULL ? refuse(error, -ENOMEM, "no memory to capture") : 0;
	if (!err)
		err = frame_filter_new(&capture->filter, config->filter, error);
	if (!err)
		err = take_port(capture, config, queue, error);
	if (err) {
		capture_close(capture);
		return err;
	}
	capture_clock_start(&capture->clock, config->wall_offset_ns);
	*ret = capture;
	return 0;
}

static void put_tag_back(struct rte_mbuf *m, uint16_t type, uint16_t tag)
{
	uint16_t words[2] = {rte_cpu_to_be_16(type), rte_cpu_to_be_16(tag)};
	uint8_t *frame = (uint8_t *)rte_pktmbuf_prepend(m, sizeof(words));

	if (frame == NULL) // no headroom: none of our pool's
		return;
	memmove(frame, frame + sizeof(words), 2 * RTE_ETHER_ADDR_LEN);
	memcpy(frame + 2 * RTE_ETHER_ADDR_LEN, words, sizeof(words));
}

// Some drivers take VLAN tags off whether asked to or not; the flow key and the records want them.
static void restore_tags(struct rte_mbuf *m)
{
	if (likely(!(m->ol_flags & (RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_RX_QINQ_STRIPPED))))
		return;
	if (m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED)
		put_tag_back(m, RTE_ETHER_TYPE_VLAN, m->vlan_tci);
	if (m->ol_flags & RTE_MBUF_F_RX_QINQ_STRIPPED)
		put_tag_back(m, RTE_ETHER_TYPE_QINQ, m->vlan_tci_outer);
	m->ol_flags &= ~(RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_RX_QINQ_STRIPPED);
}

// One packet into the batch, or back to the pool where the filter says so.
static void keep(struct capture *capture, struct packet_batch *batch, struct rte_mbuf *m)
{
	struct packet *p = &batch->packets[batch->count];

	restore_tags(m);
	p->wire_len = rte_pktmbuf_pkt_len(m);
	p->cap_len = MIN(p->wire_len, capture->snaplen);
	if (likely(m->nb_segs == 1))
		p->data = rte_pktmbuf_mtod(m, const uint8_t *);
	else
		p->data = rte_pktmbuf_read(m, 0, p->cap_len,
			capture->joined + (size_t)batch->count * capture->snaplen);
	rte_prefetch0(p->data); // for decode, which has the whole batch
	if (capture->filter != NULL &&
		!frame_filter_passes(capture->filter, p->data, p->cap_len, p->wire_len)) {
		rte_pktmbuf_free(m);
		return;
	}
	p->ts_ns = capture->stamped ? port_time(capture->port, m) : CAPTURE_NO_TIME;
	p->iface = capture->iface;
	capture->mbufs[batch->count++] = m;
}

// A burst of the next of our queues that has any.
static uint16_t poll_queues(struct capture *capture, struct rte_mbuf **ret, uint16_t max)
{
	uint16_t count, queue, first = capture->queue_next;

	do {
		queue = capture->queue_next;
		count = port_receive(capture->port, queue, ret, max);
		capture->queue_next += capture->queue_step;
		if (capture->queue_next >= port_queues(capture->port))
			capture->queue_next = capture->queue;
	} while (count == 0 && capture->queue_next != first);
	return count;
}

static void fetch(struct capture *capture, struct packet_batch *batch)
{
	struct rte_mbuf *burst[PACKET_BATCH_MAX];
	uint16_t count = 0;

	batch->count = 0;
	batch->link = LINK_ETHERNET;
	if (capture->held != NULL)
		burst[count++] = capture->held;
	capture->held = NULL;
	count += poll_queues(capture, burst + count, (uint16_t)(PACKET_BATCH_MAX - count));
	for (uint16_t i = 0; i < count; i++)
		keep(capture, batch, burst[i]);
	uint64_t port_ns = port_rest_ns(capture->port);
	rest_ns = empty_polls == 0 ? port_ns : MIN(rest_ns, port_ns);
	empty_polls = count > 0 ? 0 : empty_polls + 1;
}

static void set_time(struct capture *capture, struct packet_batch *batch)
{
	if (!capture->packet_clock)
		capture_clock_live(&capture->clock, batch, 0);
	else if (capture_clock_file(&capture->clock, batch, true))
		capture->held = capture->mbufs[--batch->count];
	capture->count = (uint16_t)batch->count;
}

// Looks after the port now and then.
static int look_after(struct capture *capture)
{
	uint64_t now = rte_get_tsc_cycles();

	if (likely(now - capture->checked_cycles < rte_get_tsc_hz() / CHECKS_PER_S))
		return 0;
	capture->checked_cycles = now;
	int err = capture->watches            ? port_check(capture->port)
		: port_removed(capture->port) ? -ENODEV
					      : 0;
	if (err)
		snprintf(capture->error, sizeof(capture->error), "port \"%s\" was removed",
			capture->name);
	return err;
}

static int capture_receive(struct capture *capture, struct packet_batch *batch)
{
	fetch(capture, batch);
	set_time(capture, batch);
	if (capture_clock_idle(&capture->clock, batch, capture->exit_idle_ns)) {
		snprintf(capture->error, sizeof(capture->error),
			"nothing came on port \"%s\" for long enough", capture->name);
		return -ENODATA;
	}
	int err = look_after(capture); // which comes again
	if (batch->count > 0)
		return (int)batch->count;
	if (empty_polls > EMPTY_POLLS_MAX)
		nanosleep(&(struct timespec){.tv_nsec = (long)rest_ns}, NULL);
	return err;
}

static void capture_get_stats(struct capture *capture, struct capture_stats *ret)
{
	*ret = (struct capture_stats){.clock_step_ns = capture->clock.step_ns};
	if (!capture->watches)
		return; // they are the port's, which has no other count of them: once
	port_lost(capture->port, ret->nic_lost);
	ret->times_down = port_times_down(capture->port);
	for (unsigned i = 0; i < NIC_LOSS_COUNT; i++)
		ret->dropped_nic += ret->nic_lost[i];
}

static const char *capture_error(struct capture *capture)
{
	return capture->error;
}

const struct capture_ops dpdk_capture_ops = {
	.name = "dpdk",
	.polled = true,
	.place = place_thread,
	.core = place_core,
	.shares = capture_shares,
	.open = capture_open,
	.receive = capture_receive,
	.release = capture_release,
	.stats = capture_get_stats,
	.error = capture_error,
	.close = capture_close,
};
