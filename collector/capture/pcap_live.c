// Live interfaces, by one queue or several.
#include "capture/pcap_parts.h"

#include "capture/fanout_program.h"
#include "core/base/clock.h"
#include "core/base/memory.h"
#include "core/base/own_connections.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

static int activate(struct capture *capture, const struct capture_config *config,
	char error[CAPTURE_ERROR_SIZE])
{
	pcap_t *pcap = capture->pcap;

	pcap_set_snaplen(pcap, (int)MIN(config->snaplen, (uint32_t)FRAME_MAX));
	pcap_set_promisc(pcap, config->promiscuous);
	pcap_set_timeout(pcap, (int)capture->poll_ms);
	pcap_set_buffer_size(pcap, (int)MIN(config->buffer_bytes, (uint64_t)INT32_MAX));
	pcap_set_tstamp_precision(pcap, PCAP_TSTAMP_PRECISION_NANO);

	int err = pcap_activate(pcap);
	if (err >= 0) // above 0: a warning, as that there is no promiscuous mode
		return 0;
	switch (err) {
	case PCAP_ERROR_PERM_DENIED:
	case PCAP_ERROR_PROMISC_PERM_DENIED:
		return capture_explain(error, -EPERM,
			"no permission to capture on \"%s\": run as root or with CAP_NET_RAW",
			config->interface);
	case PCAP_ERROR_NO_SUCH_DEVICE:
		return capture_explain(error, -ENODEV,
			"there is no interface \"%s\": see `ip link`", config->interface);
	case PCAP_ERROR_IFACE_NOT_UP:
		return capture_explain(error, -ENETDOWN,
			"interface \"%s\" is down: set it up first (`ip link set %s up`)",
			config->interface, config->interface);
	default:
		return capture_explain(error, -EIO, "cannot capture on \"%s\": %s",
			config->interface,
			*pcap_geterr(pcap) != '\0' ? pcap_geterr(pcap) : pcap_statustostr(err));
	}
}

int live_open(struct capture *capture, const struct capture_config *config,
	char error[CAPTURE_ERROR_SIZE])
{
	char why[PCAP_ERRBUF_SIZE] = "";

	capture->pcap = pcap_create(config->interface, why);
	if (capture->pcap == NULL)
		return capture_explain(
			error, -ENODEV, "cannot capture on \"%s\": %s", config->interface, why);
	int err = activate(capture, config, error);
	if (err)
		return err;
	if (pcap_setnonblock(capture->pcap, 1, why) != 0)
		return capture_explain(
			error, -EIO, "cannot capture on \"%s\": %s", config->interface, why);
	if (frames_link_type(pcap_datalink(capture->pcap)) == LINK_OTHER)
		return capture_explain(error, -EPFNOSUPPORT,
			"interface \"%s\" has a link type that is not understood (%s)",
			config->interface,
			pcap_datalink_val_to_description_or_dlt(pcap_datalink(capture->pcap)));
	capture->fd = pcap_get_selectable_fd(capture->pcap);
	if (capture->fd < 0)
		return capture_explain(
			error, -EIO, "interface \"%s\" cannot be waited for", config->interface);
	interface_watch_start(&capture->interface, capture->fd, capture->name, config->promiscuous);
	capture->shared_out = config->queues > 1;
	capture_clock_start(&capture->clock, config->wall_offset_ns);
	capture->counts_nic = config->first == NULL;
	memory_prefault(capture->frames, FRAMES_SIZE);
	return 0;
}

// ---- several queues

static void discard(u_char *, const struct pcap_pkthdr *, const u_char *) {}

// Whether the kernel has kept packets for the socket since it was bound.
static bool has_heard(struct capture *capture)
{
	struct pcap_stat counts;

	// Whoever was in the filter when it was changed is through by then.
	poll(NULL, 0, 1);
	return pcap_stats(capture->pcap, &counts) != 0 || counts.ps_recv != counts.ps_drop;
}

// The socket has heard everything since it was bound. From now on it hears nothing.
static int silence(struct capture *capture, char error[CAPTURE_ERROR_SIZE])
{
	struct bpf_insn nothing = BPF_STMT(BPF_RET | BPF_K, 0);
	struct bpf_program program = {.bf_len = 1, .bf_insns = &nothing};

	int err = filter_apply(capture, &program, error);
	capture->silent_ns = clock_steady_ns();
	return err;
}

// Whether there is something to be read before that time, waited for.
static bool readable_before(const struct capture *capture, uint64_t until_ns)
{
	struct pollfd wait = {.fd = capture->fd, .events = POLLIN};
	uint64_t now_ns = clock_steady_ns();

	return now_ns < until_ns &&
		poll(&wait, 1, (int)((until_ns - now_ns) / NS_PER_MS) + 1) > 0 &&
		(wait.revents & POLLIN);
}

// Forgets what a socket heard before it was silent: a block that the kernel has begun comes after
// `poll` at the latest. Where it heard nothing there is nothing to wait for; nor, of many sockets,
// for any but the first, since all have been silent for so long then.
static void forget(struct capture *capture)
{
	uint64_t until_ns = capture->silent_ns + 2 * capture->poll_ms * NS_PER_MS;
	bool heard = has_heard(capture);
	struct pcap_stat counts;
	int count;

	do {
		count = pcap_dispatch(capture->pcap, -1, discard, NULL);
	} while (count > 0 || (heard && count == 0 && readable_before(capture, until_ns)));
	if (pcap_stats(capture->pcap, &counts) == 0) {
		capture->kernel_last = counts.ps_drop;
		capture->nic_last = counts.ps_ifdrop;
	}
}

// The kernel shares the interface's packets out by a hash that is the same for both directions of a
// flow: its own, or fanout_program.h's, which the first queue brings. A full member's packets are
// not rolled over to another: they would be a second flow there.
static int join_queues(struct capture *capture, const struct capture_config *config,
	char error[CAPTURE_ERROR_SIZE])
{
	const struct capture *first = config->first;
	socklen_t len = sizeof(capture->fanout);
	int group = (config->fanout_key != 0 ? PACKET_FANOUT_CBPF : PACKET_FANOUT_HASH) << 16;
	int err = 0;

	if (first == NULL)
		group |= PACKET_FANOUT_FLAG_UNIQUEID << 16;
	else
		group |= first->fanout;
	if (setsockopt(capture->fd, SOL_PACKET, PACKET_FANOUT, &group, sizeof(group)) != 0 ||
		getsockopt(capture->fd, SOL_PACKET, PACKET_FANOUT, &capture->fanout, &len) != 0)
		err = -errno;
	else if (first == NULL && config->fanout_key != 0)
		err = fanout_program_attach(capture->fd, config->fanout_key);
	if (err)
		return capture_explain(error, err,
			"the packets of \"%s\" cannot be shared out to several shards: %s; set %s",
			capture->name, strerror(-err),
			config->fanout_key != 0 ? "capture.fanout to hash" : "shards to 1");
	capture->fanout &= 0xffff;
	return 0;
}

int live_open_queue(struct capture *capture, const struct capture_config *config,
	char error[CAPTURE_ERROR_SIZE])
{
	int err = filter_compile(capture, config->filter, error);
	if (!err)
		err = silence(capture, error);
	if (!err)
		err = join_queues(capture, config, error);
	return err;
}

int live_start(struct capture *capture, char error[CAPTURE_ERROR_SIZE])
{
	forget(capture);
	return filter_apply(capture, &capture->filter, error);
}

// ---- receiving

// Nothing comes of an interface that is down. Whoever calls for this one alone does not wait
// himself.
static int receive_down(struct capture *capture)
{
	if (capture->shared_out && !interface_watch_there(&capture->interface))
		return capture_explain(capture->error, -ENODEV,
			"interface \"%s\" was removed: several shards cannot hear one that is "
			"made anew; restart, or set shards to 1",
			capture->name);
	if (!capture->shared_wait)
		poll(NULL, 0, (int)capture->poll_ms);
	return capture_explain(
		capture->error, -ENETDOWN, "interface \"%s\" went down or away", capture->name);
}

int live_receive(struct capture *capture, struct packet_batch *batch)
{
	if (unlikely(own_connections_count() != capture->own_known))
		filter_leave_out_own(capture);
	int status = frames_dispatch(capture, batch);
	if (status == 0 && batch->count == 0 && !capture->shared_wait) {
		struct pollfd wait = {.fd = capture->fd, .events = POLLIN};
		if (poll(&wait, 1, (int)capture->poll_ms) > 0)
			status = frames_dispatch(capture, batch);
	}
	// The kernel may hold a packet back until it retires the block it stands in.
	if (capture->packet_clock)
		frames_set_time(capture, batch, true);
	else
		capture_clock_live(&capture->clock, batch, 2 * capture->poll_ms * NS_PER_MS);
	bool idle = capture_clock_idle(&capture->clock, batch, capture->exit_idle_ns);
	if (batch->count > 0) // an error comes again with the next call
		return (int)batch->count;
	bool was_down = capture->interface.down;
	if (!interface_watch_heard(&capture->interface) && !idle)
		return receive_down(capture);
	if (status < 0 && !was_down) // what libpcap said of one that was down is over
		return capture_explain(capture->error, -EIO, "capture on \"%s\" broke off: %s",
			capture->name, pcap_geterr(capture->pcap));
	return idle ? capture_explain(capture->error, -ENODATA,
			      "nothing came on \"%s\" for long enough", capture->name)
		    : 0;
}

void live_stats(struct capture *capture, struct capture_stats *ret)
{
	struct pcap_stat counts;

	if (capture->fd >= 0 && pcap_stats(capture->pcap, &counts) == 0) {
		capture->stats.dropped_kernel += counts.ps_drop - capture->kernel_last;
		// That of an interface made anew begins at 0.
		int32_t nic = (int32_t)(counts.ps_ifdrop - capture->nic_last);
		if (capture->counts_nic)
			capture->stats.dropped_nic += (uint32_t)MAX(nic, 0);
		capture->kernel_last = counts.ps_drop;
		capture->nic_last = counts.ps_ifdrop;
	}
	*ret = capture->stats;
	ret->down = capture->interface.down;
	ret->times_down = capture->interface.times_down;
	ret->clock_step_ns = capture->clock.step_ns;
}
