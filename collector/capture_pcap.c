// Capture source over libpcap (capture_pcap.h), the first stage of the pipeline of `weir`.
//
// A plain file (plain_file.h) is read without libpcap, which opens it and takes over where it stops
// being plain, its end included. What comes by a pipe or is compressed reaches libpcap through
// byte_stream.h, which knows when it would wait.
//
// libpcap's bytes live only until it reads the next packet, and a batch must live until release():
// so each frame is copied, once, into a buffer of the source's own that is used again for the next
// batch and stays in the cache.
#include "capture_pcap.h"

#include "byte_stream.h"
#include "core/base/compiler.h"
#include "core/base/memory.h"
#include "core/packet/capture_clock.h"
#include "fanout_program.h"
#include "plain_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <pcap/pcap.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	FRAME_MAX = 262144, // libpcap's own limit for the link types that are understood
	FRAMES_SIZE = 2 * FRAME_MAX, // a batch ends when less than FRAME_MAX is left
	FILE_BUFFER_SIZE = 1 << 20,
};

// How long one that is down is not looked at: first, and at the most.
#define LOOK_MIN_NS (100 * NS_PER_MS)
#define LOOK_MAX_NS (2 * NS_PER_S)

#define SECONDS_MAX (INT64_C(1) << 33) // year 2242; in ns it still fits 63 bits

struct capture {
	pcap_t *pcap;
	uint8_t *frames; // FRAMES_SIZE
	char *file_buffer; // stdio's, FILE_BUFFER_SIZE; NULL: live
	uint32_t used; // octets of frames
	uint8_t link; // enum link_type
	uint8_t iface;
	struct packet_batch *batch; // being filled; of the last receive()
	struct packet held; // the first of the next batch, its bytes in frames
	bool holds; // there is one: see capture_clock_file()
	struct plain_file file;
	bool plain; // libpcap is not needed so far
	struct byte_stream *stream; // what libpcap reads; NULL: a file that is not compressed
	uint64_t size, announced; // octets it had when opened; that it should have, 0: says nothing
	bool quiet; // nothing came in this turn, but will: a pipe's, or too much is held
	struct capture_clock clock;
	uint64_t packets; // returned so far
	int failed; // -errno to be returned when the batch before it has been
	char error[CAPTURE_ERROR_SIZE];
	char *name; // of the file or the interface

	// Live.
	int fd; // to wait on; -1: file
	uint32_t poll_ms;
	bool shared_wait; // somebody else waits
	bool watched; // a network interface that can go down, not "any"
	bool down; // it is
	bool shared_out; // to several queues: the kernel binds such a socket once only
	int index; // of the interface: one made anew by its name has another
	int hardware; // what it is, as ARPHRD_*: libpcap has the link type by that
	bool promiscuous;
	uint64_t look_ns, look_pause_ns; // steady: when one that is down is looked at again
	bool packet_clock;
	uint64_t exit_idle_ns;
	int fanout; // the group's number; queue 0's is the one that counts
	struct bpf_program filter; // of several queues: for start()
	struct capture_stats stats;
	uint32_t kernel_last, nic_last; // libpcap's counts, which wrap
};

static enum link_type link_type_of(int dlt)
{
	switch (dlt) {
	case DLT_EN10MB:
		return LINK_ETHERNET;
	case 12: // LINKTYPE_RAW as various systems number it
	case 14:
	case DLT_IPV4:
	case DLT_IPV6:
		return LINK_RAW_IP;
	case DLT_LINUX_SLL:
		return LINK_COOKED_1;
	case DLT_LINUX_SLL2:
		return LINK_COOKED_2;
	case DLT_NULL:
		return LINK_NULL;
	case DLT_LOOP:
		return LINK_LOOP;
	default:
		return LINK_OTHER;
	}
}

__attribute__((format(printf, 3, 4))) static int explain(
	char error[CAPTURE_ERROR_SIZE], int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, CAPTURE_ERROR_SIZE, format, args);
	va_end(args);
	return err;
}

static void capture_close(struct capture *capture)
{
	if (capture == NULL)
		return;
	if (capture->pcap != NULL)
		pcap_close(capture->pcap);
	byte_stream_free(capture->stream);
	pcap_freecode(&capture->filter);
	plain_file_close(&capture->file);
	memory_release(capture->frames, FRAMES_SIZE);
	free(capture->file_buffer);
	free(capture->name);
	free(capture);
}

static const char *file_title(const char *file)
{
	return strcmp(file, "-") == 0 ? "standard input" : file;
}

// A descriptor of our own, which may be closed. Returns it or -errno with a sentence in `error`.
static int open_descriptor(const char *path, char error[CAPTURE_ERROR_SIZE])
{
	bool input = strcmp(path, "-") == 0;

	if (input && isatty(STDIN_FILENO))
		return explain(error, -EINVAL,
			"standard input is a terminal: pipe a capture file into it");
	int fd = input ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	int err = errno;
	return explain(error, -err, "cannot open capture file \"%s\": %s", file_title(path),
		strerror(err));
}

// What libpcap reads, on `fd`, which belongs to it then. Returns 0 or -errno.
static int open_stdio(struct capture *capture, int fd, FILE **ret)
{
	FILE *file;

	if (byte_stream_needed(fd)) {
		int err = byte_stream_new(&capture->stream, fd);
		if (err) {
			close(fd);
			return err;
		}
		file = byte_stream_file(capture->stream);
	} else {
		file = fdopen(fd, "rb");
		if (file == NULL)
			close(fd);
	}
	if (file == NULL)
		return -ENOMEM;
	capture->file_buffer = malloc(FILE_BUFFER_SIZE);
	if (capture->file_buffer != NULL)
		setvbuf(file, capture->file_buffer, _IOFBF, FILE_BUFFER_SIZE);
	*ret = file;
	return 0;
}

// Octets of a pcapng file whose first section says how long it is; 0: it does not, or is none.
static uint64_t announced_size(int fd)
{
	struct {
		uint32_t type, len, order, version;
		uint64_t
			section; // draft-ietf-opsawg-pcapng section 4.1: UINT64_MAX where not known
	} head;
	static_assert(sizeof(head) == 24);

	if (pread(fd, &head, sizeof(head), 0) != sizeof(head) || head.type != 0x0a0d0d0a)
		return 0;
	bool other_order = head.order == 0x4d3c2b1a;
	uint64_t section = other_order ? __builtin_bswap64(head.section) : head.section;
	uint32_t len = other_order ? __builtin_bswap32(head.len) : head.len;
	return section > INT64_MAX ? 0 : len + section;
}

// What of a file may be told by its size: libpcap takes what ends with a record for whole.
static void note_size(struct capture *capture, const char *path, int fd)
{
	struct stat st;

	if (strcmp(path, "-") == 0 || capture->stream != NULL || fstat(fd, &st) != 0)
		return;
	capture->size = (uint64_t)st.st_size;
	capture->announced = announced_size(fd);
}

// At a file's end: whether some of it is missing.
static bool is_short(struct capture *capture)
{
	struct stat st;

	if (capture->size == 0 || fstat(fileno(pcap_file(capture->pcap)), &st) != 0)
		return false;
	bool shrank = (uint64_t)st.st_size < capture->size;
	uint64_t whole = shrank ? capture->size : capture->announced;
	if ((uint64_t)st.st_size >= whole)
		return false;
	explain(capture->error, 0,
		"\"%s\" is cut after packet %" PRIu64 ": it is %" PRIu64 " octets shorter than %s",
		capture->name, capture->packets, whole - (uint64_t)st.st_size,
		shrank ? "when it was opened" : "its head says");
	return true;
}

static int open_file(struct capture *capture, const char *path, char error[CAPTURE_ERROR_SIZE])
{
	char why[PCAP_ERRBUF_SIZE] = "";

	int fd = open_descriptor(path, error);
	if (fd < 0)
		return fd;
	FILE *file;
	int err = open_stdio(capture, fd, &file);
	if (err)
		return explain(error, err, "cannot read capture file \"%s\": %s", capture->name,
			strerror(-err));
	capture->pcap =
		pcap_fopen_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO, why);
	if (capture->pcap != NULL) {
		note_size(capture, path, fd);
		return 0;
	}
	fclose(file);
	const char *broken = capture->stream != NULL ? byte_stream_error(capture->stream) : NULL;
	return explain(error, -EBADMSG, "\"%s\" is not a capture file that can be read: %s",
		capture->name, broken != NULL ? broken : why);
}

static bool interface_there(const struct capture *capture, struct ifreq *ret_name)
{
	*ret_name = (struct ifreq){.ifr_ifindex = capture->index};
	return ioctl(capture->fd, SIOCGIFNAME, ret_name) == 0;
}

static bool interface_up(const struct capture *capture)
{
	struct ifreq request;

	return interface_there(capture, &request) &&
		ioctl(capture->fd, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP);
}

// What the interface of this name is now: its index, and ARPHRD_*; 0: there is none.
static int interface_named(const struct capture *capture, int *ret_hardware)
{
	struct ifreq request = {0};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", capture->name);
	if (ioctl(capture->fd, SIOCGIFHWADDR, &request) != 0)
		return 0;
	*ret_hardware = request.ifr_hwaddr.sa_family;
	return ioctl(capture->fd, SIOCGIFINDEX, &request) == 0 ? request.ifr_ifindex : 0;
}

static uint64_t steady_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

// An interface that was removed and made anew by its name, as a modem is that comes back, is
// another to the kernel. The socket is bound to that one: unlike a new socket that takes no
// privileges, which are gone by now. Filter, ring and link type stay.
static bool bind_anew(struct capture *capture)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
	};
	int hardware, error;
	socklen_t len = sizeof(error);

	address.sll_ifindex = interface_named(capture, &hardware);
	if (address.sll_ifindex == 0 || hardware != capture->hardware ||
		bind(capture->fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		return false;
	capture->index = address.sll_ifindex;
	getsockopt(capture->fd, SOL_SOCKET, SO_ERROR, &error, &len); // that it is not up yet
	struct packet_mreq all = {.mr_ifindex = capture->index, .mr_type = PACKET_MR_PROMISC};
	if (capture->promiscuous)
		setsockopt(capture->fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all));
	return true;
}

// Whether the interface can be heard. One that is down is looked at now and then.
static bool interface_heard(struct capture *capture)
{
	struct ifreq request;

	if (capture->down && steady_ns() < capture->look_ns)
		return false;
	if (interface_up(capture))
		return true;
	if (capture->down && !interface_there(capture, &request) && bind_anew(capture) &&
		interface_up(capture))
		return true;
	capture->look_pause_ns =
		capture->down ? MIN(2 * capture->look_pause_ns, LOOK_MAX_NS) : LOOK_MIN_NS;
	capture->look_ns = steady_ns() + capture->look_pause_ns;
	return false;
}

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
		return explain(error, -EPERM,
			"no permission to capture on \"%s\": run as root or with CAP_NET_RAW",
			config->interface);
	case PCAP_ERROR_NO_SUCH_DEVICE:
		return explain(error, -ENODEV, "there is no interface \"%s\": see `ip link`",
			config->interface);
	case PCAP_ERROR_IFACE_NOT_UP:
		return explain(error, -ENETDOWN,
			"interface \"%s\" is down: set it up first (`ip link set %s up`)",
			config->interface, config->interface);
	default:
		return explain(error, -EIO, "cannot capture on \"%s\": %s", config->interface,
			*pcap_geterr(pcap) != '\0' ? pcap_geterr(pcap) : pcap_statustostr(err));
	}
}

static int open_live(struct capture *capture, const struct capture_config *config,
	char error[CAPTURE_ERROR_SIZE])
{
	char why[PCAP_ERRBUF_SIZE] = "";

	capture->pcap = pcap_create(config->interface, why);
	if (capture->pcap == NULL)
		return explain(
			error, -ENODEV, "cannot capture on \"%s\": %s", config->interface, why);
	int err = activate(capture, config, error);
	if (err)
		return err;
	if (pcap_setnonblock(capture->pcap, 1, why) != 0)
		return explain(error, -EIO, "cannot capture on \"%s\": %s", config->interface, why);
	if (link_type_of(pcap_datalink(capture->pcap)) == LINK_OTHER)
		return explain(error, -EPFNOSUPPORT,
			"interface \"%s\" has a link type that is not understood (%s)",
			config->interface,
			pcap_datalink_val_to_description_or_dlt(pcap_datalink(capture->pcap)));
	capture->fd = pcap_get_selectable_fd(capture->pcap);
	if (capture->fd < 0)
		return explain(
			error, -EIO, "interface \"%s\" cannot be waited for", config->interface);
	capture->index = interface_named(capture, &capture->hardware);
	capture->promiscuous = config->promiscuous;
	capture->shared_out = config->queues > 1;
	capture->watched = interface_up(capture);
	capture_clock_start(&capture->clock);
	memory_prefault(capture->frames, FRAMES_SIZE);
	return 0;
}

static int apply_filter(
	struct capture *capture, struct bpf_program *program, char error[CAPTURE_ERROR_SIZE])
{
	if (pcap_setfilter(capture->pcap, program) == 0)
		return 0;
	return explain(
		error, -EINVAL, "the capture filter cannot be set: %s", pcap_geterr(capture->pcap));
}

static int compile_filter(
	struct capture *capture, const char *filter, char error[CAPTURE_ERROR_SIZE])
{
	if (pcap_compile(capture->pcap, &capture->filter, filter != NULL ? filter : "", 1,
		    PCAP_NETMASK_UNKNOWN) == 0)
		return 0;
	return explain(error, -EINVAL,
		"the capture filter does not fit pcap-filter(7) or the link type: %s",
		pcap_geterr(capture->pcap));
}

static int set_filter(struct capture *capture, const char *filter, char error[CAPTURE_ERROR_SIZE])
{
	if (filter == NULL || *filter == '\0')
		return 0;
	int err = compile_filter(capture, filter, error);
	return err ? err : apply_filter(capture, &capture->filter, error);
}

// ---- several queues

static void discard(u_char *, const struct pcap_pkthdr *, const u_char *) {}

// The socket has heard everything since it was bound. From now on it hears nothing, and what it
// heard is forgotten: a block that the kernel has begun comes after `poll` at the latest.
static int silence(struct capture *capture, char error[CAPTURE_ERROR_SIZE])
{
	struct bpf_insn nothing = BPF_STMT(BPF_RET | BPF_K, 0);
	struct bpf_program program = {.bf_len = 1, .bf_insns = &nothing};
	struct pollfd wait = {.fd = capture->fd, .events = POLLIN};
	struct pcap_stat counts;

	int err = apply_filter(capture, &program, error);
	if (err)
		return err;
	int count;
	do {
		count = pcap_dispatch(capture->pcap, -1, discard, NULL);
	} while (count > 0 ||
		(count == 0 && poll(&wait, 1, 2 * (int)capture->poll_ms) > 0 &&
			(wait.revents & POLLIN)));
	if (pcap_stats(capture->pcap, &counts) == 0) {
		capture->kernel_last = counts.ps_drop;
		capture->nic_last = counts.ps_ifdrop;
	}
	return 0;
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
		return explain(error, err,
			"the packets of \"%s\" cannot be shared out to several shards: %s; set "
			"%s",
			capture->name, strerror(-err),
			config->fanout_key != 0 ? "capture.fanout to hash" : "shards to 1");
	capture->fanout &= 0xffff;
	return 0;
}

static int open_queue(struct capture *capture, const struct capture_config *config,
	char error[CAPTURE_ERROR_SIZE])
{
	int err = compile_filter(capture, config->filter, error);
	if (!err)
		err = silence(capture, error);
	if (!err)
		err = join_queues(capture, config, error);
	return err;
}

static int capture_start(struct capture *capture, char error[CAPTURE_ERROR_SIZE])
{
	return apply_filter(capture, &capture->filter, error);
}

static int capture_open(struct capture **ret, const struct capture_config *config, uint16_t queue,
	char error[CAPTURE_ERROR_SIZE])
{
	const char *name = config->file != NULL ? file_title(config->file) : config->interface;

	if (name == NULL)
		return explain(error, -EINVAL,
			"nothing to read: give a capture file (-r FILE) or an interface (-i "
			"INTERFACE)");
	if (config->file != NULL && config->interface != NULL)
		return explain(error, -EINVAL, "give either a capture file or an interface");
	if (config->file != NULL && config->queues > 1)
		return explain(error, -EINVAL, "\"%s\" has one receive queue only", name);
	INVARIANT(queue < MAX(config->queues, 1) && (queue == 0 || config->first != NULL));
	struct capture *capture = calloc(1, sizeof(*capture));
	if (capture == NULL)
		return explain(error, -ENOMEM, "no memory to open \"%s\"", name);
	capture->fd = -1;
	capture->iface = config->iface;
	capture->poll_ms = MAX(config->poll_ms, 1u);
	capture->shared_wait = config->shared_wait;
	capture->packet_clock = config->packet_clock;
	capture->exit_idle_ns = config->exit_idle_ns;
	capture->name = strdup(name);
	capture->frames = memory_reserve(FRAMES_SIZE);
	int err;
	if (capture->name == NULL || capture->frames == NULL)
		err = explain(error, -ENOMEM, "no memory to open \"%s\"", name);
	else if (config->file != NULL)
		err = open_file(capture, config->file, error);
	else
		err = open_live(capture, config, error);
	if (err == 0 && config->queues > 1)
		err = open_queue(capture, config, error);
	else if (err == 0)
		err = set_filter(capture, config->filter, error);
	if (err) {
		capture_close(capture);
		return err;
	}
	capture->link = (uint8_t)link_type_of(pcap_datalink(capture->pcap));
	bool filtered = config->filter != NULL && *config->filter != '\0';
	// Standard input may be a pipe, or stand elsewhere than at the beginning.
	bool whole = config->file != NULL && capture->stream == NULL &&
		ftello(pcap_file(capture->pcap)) == sizeof(struct plain_file_head);
	if (whole && !filtered && capture->link != LINK_OTHER)
		capture->plain = plain_file_open(&capture->file, fileno(pcap_file(capture->pcap)),
			MIN((uint32_t)pcap_snapshot(capture->pcap), (uint32_t)FRAME_MAX));
	*ret = capture;
	return 0;
}

// A timestamp of nanosecond precision in ns since 1970, or -1 when it is none. Classic files hold
// 32 bits of seconds without a sign, which libpcap reads with one.
static int64_t timestamp_ns(const struct timeval *ts)
{
	int64_t seconds = ts->tv_sec;
	int64_t fraction = ts->tv_usec;

	if (seconds < 0 && seconds >= INT32_MIN)
		seconds += INT64_C(1) << 32;
	if (seconds < 0 || seconds > SECONDS_MAX)
		return -1;
	if (fraction < 0 || fraction >= (int64_t)NS_PER_S)
		fraction = 0;
	return seconds * (int64_t)NS_PER_S + fraction;
}

// Each frame begins a cache line: most headers are within one.
static uint32_t frame_room(uint32_t len)
{
	return (len + CACHE_LINE - 1) & ~(uint32_t)(CACHE_LINE - 1);
}

static bool frames_full(const struct capture *capture)
{
	return FRAMES_SIZE - capture->used < FRAME_MAX;
}

// Whether a file's next packet may have been left to the next batch.
static bool batch_full(const struct capture *capture, const struct packet_batch *batch)
{
	if (capture->plain)
		return !plain_file_done(&capture->file);
	return capture->stream != NULL || batch->count == PACKET_BATCH_MAX || frames_full(capture);
}

static void add(struct capture *capture, const struct timeval *ts, uint32_t cap_len,
	uint32_t wire_len, const uint8_t *frame)
{
	struct packet *p = &capture->batch->packets[capture->batch->count++];
	int64_t ts_ns = timestamp_ns(ts);

	p->data = frame;
	p->cap_len = cap_len;
	p->wire_len = MAX(wire_len, cap_len);
	p->ts_ns = ts_ns >= 0 ? (uint64_t)ts_ns : CAPTURE_NO_TIME;
	p->iface = capture->iface;
}

// libpcap's callback: one packet into the batch.
static void keep(u_char *user, const struct pcap_pkthdr *head, const u_char *bytes)
{
	struct capture *capture = (struct capture *)user;
	struct packet_batch *batch = capture->batch;
	uint32_t len = MIN(head->caplen, (uint32_t)FRAME_MAX);
	uint8_t *frame = capture->frames + capture->used;

	INVARIANT(batch->count < PACKET_BATCH_MAX && capture->used + len <= FRAMES_SIZE);
	memcpy(frame, bytes, len);
	capture->used += frame_room(len);
	add(capture, &head->ts, len, MAX(head->len, head->caplen), frame);
	if (frames_full(capture))
		pcap_breakloop(capture->pcap);
}

// The packet that the batch before left to this one.
static void take_held(struct capture *capture, struct packet_batch *batch)
{
	if (!capture->holds)
		return;
	memmove(capture->frames, capture->held.data, capture->held.cap_len);
	capture->held.data = capture->frames;
	capture->used = frame_room(capture->held.cap_len);
	capture->holds = false;
	batch->packets[batch->count++] = capture->held;
}

static void begin(struct capture *capture, struct packet_batch *batch)
{
	batch->count = 0;
	batch->link = capture->link;
	capture->used = 0;
	capture->batch = batch;
}

// What libpcap has, up to a full batch. Returns libpcap's last word, an error after packets
// included.
static int dispatch(struct capture *capture, struct packet_batch *batch)
{
	int count;

	begin(capture, batch);
	take_held(capture, batch);
	uint32_t held = batch->count;
	do { // a break asked for in the batch before may still be pending
		count = pcap_dispatch(
			capture->pcap, (int)(PACKET_BATCH_MAX - held), keep, (u_char *)capture);
	} while (count == PCAP_ERROR_BREAK && batch->count == held);
	capture->packets += batch->count;
	return count == PCAP_ERROR_BREAK ? 0 : count;
}

// The same, packet by packet as they come to be there.
static int dispatch_stream(struct capture *capture, struct packet_batch *batch)
{
	int count;

	begin(capture, batch);
	capture->quiet = !byte_stream_ready(capture->stream, (int)capture->poll_ms);
	if (capture->quiet)
		return 0;
	take_held(capture, batch);
	do {
		count = pcap_dispatch(capture->pcap, 1, keep, (u_char *)capture);
	} while (batch->count < PACKET_BATCH_MAX && !frames_full(capture) &&
		(count == PCAP_ERROR_BREAK ||
			(count > 0 && byte_stream_ready(capture->stream, 0))));
	capture->packets += batch->count;
	return count == PCAP_ERROR_BREAK ? 0 : count;
}

// The same of a plain file; from where it is none on, libpcap reads it.
static int dispatch_plain(struct capture *capture, struct packet_batch *batch)
{
	batch->link = capture->link;
	plain_file_receive(&capture->file, batch, capture->iface);
	capture->packets += batch->count;
	capture->quiet = batch->count == 0 && plain_file_waits(&capture->file);
	if (batch->count > 0 || capture->quiet)
		return 0;
	off_t offset = (off_t)plain_file_offset(&capture->file);
	REQUIRE(fseeko(pcap_file(capture->pcap), offset, SEEK_SET) == 0);
	plain_file_close(&capture->file);
	capture->plain = false;
	return dispatch(capture, batch);
}

// A file's clock, which may leave the last packet to the next batch.
static void set_time_file(struct capture *capture, struct packet_batch *batch, bool more)
{
	if (!capture_clock_file(&capture->clock, batch, more))
		return;
	const struct packet *last = &batch->packets[--batch->count];
	if (capture->plain) {
		plain_file_back(&capture->file, last->cap_len);
	} else {
		capture->held = *last;
		capture->holds = true;
	}
	capture->packets--;
}

static int receive_file(struct capture *capture, struct packet_batch *batch)
{
	if (capture->failed) {
		batch->count = 0;
		batch->now_ns = capture->clock.last_ns;
		return capture->failed;
	}
	errno = 0;
	int status = capture->plain       ? dispatch_plain(capture, batch)
		: capture->stream != NULL ? dispatch_stream(capture, batch)
					  : dispatch(capture, batch);
	bool interrupted = status < 0 && errno == EINTR;
	set_time_file(capture, batch, batch_full(capture, batch));
	if (interrupted || capture->quiet)
		return (int)batch->count; // no damage: whoever caught the signal knows what follows
	const char *broken = capture->stream != NULL ? byte_stream_error(capture->stream) : NULL;
	if (status < 0 || (batch->count == 0 && broken != NULL)) {
		capture->failed = explain(capture->error, -EBADMSG,
			"\"%s\" is damaged or cut after packet %llu: %s", capture->name,
			(unsigned long long)capture->packets,
			broken != NULL ? broken : pcap_geterr(capture->pcap));
	} else if (batch->count == 0 && is_short(capture)) {
		capture->failed = -EBADMSG;
	} else if (batch->count == 0) {
		capture->failed = explain(
			capture->error, -ENODATA, "\"%s\" has been read to its end", capture->name);
	}
	return batch->count > 0 ? (int)batch->count : capture->failed;
}

// Nothing comes of an interface that is down. Whoever calls for this one alone does not wait
// himself.
static int receive_down(struct capture *capture)
{
	struct ifreq request;

	if (capture->shared_out && !interface_there(capture, &request))
		return explain(capture->error, -ENODEV,
			"interface \"%s\" was removed: several shards cannot hear one that is "
			"made anew; restart, or set shards to 1",
			capture->name);
	if (!capture->shared_wait)
		poll(NULL, 0, (int)capture->poll_ms);
	return explain(
		capture->error, -ENETDOWN, "interface \"%s\" went down or away", capture->name);
}

static int receive_live(struct capture *capture, struct packet_batch *batch)
{
	int status = dispatch(capture, batch);
	if (status == 0 && batch->count == 0 && !capture->shared_wait) {
		struct pollfd wait = {.fd = capture->fd, .events = POLLIN};
		if (poll(&wait, 1, (int)capture->poll_ms) > 0)
			status = dispatch(capture, batch);
	}
	// The kernel may hold a packet back until it retires the block it stands in.
	if (capture->packet_clock)
		set_time_file(capture, batch, true);
	else
		capture_clock_live(&capture->clock, batch, 2 * capture->poll_ms * NS_PER_MS);
	bool idle = capture_clock_idle(&capture->clock, batch, capture->exit_idle_ns);
	if (batch->count > 0) // an error comes again with the next call
		return (int)batch->count;
	bool was_down = capture->down;
	capture->down = capture->watched && !interface_heard(capture);
	capture->stats.times_down += capture->down && !was_down;
	if (capture->down && !idle)
		return receive_down(capture);
	if (status < 0 && !was_down) // what libpcap said of one that was down is over
		return explain(capture->error, -EIO, "capture on \"%s\" broke off: %s",
			capture->name, pcap_geterr(capture->pcap));
	return idle ? explain(capture->error, -ENODATA, "nothing came on \"%s\" for long enough",
			      capture->name)
		    : 0;
}

static int capture_receive(struct capture *capture, struct packet_batch *batch)
{
	return capture->fd < 0 ? receive_file(capture, batch) : receive_live(capture, batch);
}

// Only a plain file's bytes lie where they need not be overwritten.
static struct capture_loan *capture_loan_of(struct capture *capture)
{
	return capture->plain ? plain_file_loan(&capture->file) : NULL;
}

static void capture_confirm(
	struct capture *capture, struct packet_batch *batch, struct counters *counters)
{
	struct capture_loan *loan = capture_loan_of(capture);

	if (loan != NULL)
		capture_loan_confirm(&loan, 1, batch, counters);
}

// The bytes are the source's own, and used again by the next receive().
static void capture_release(struct capture *, struct packet_batch *batch)
{
	batch->count = 0;
}

static void capture_get_stats(struct capture *capture, struct capture_stats *ret)
{
	struct pcap_stat counts;

	if (capture->fd >= 0 && pcap_stats(capture->pcap, &counts) == 0) {
		capture->stats.dropped_kernel += counts.ps_drop - capture->kernel_last;
		// That of an interface made anew begins at 0.
		int32_t nic = (int32_t)(counts.ps_ifdrop - capture->nic_last);
		capture->stats.dropped_nic += (uint32_t)MAX(nic, 0);
		capture->kernel_last = counts.ps_drop;
		capture->nic_last = counts.ps_ifdrop;
	}
	*ret = capture->stats;
	ret->down = capture->down;
	ret->clock_step_ns = capture->clock.step_ns;
}

static int capture_descriptor(struct capture *capture)
{
	return capture->fd;
}

static const char *capture_error(struct capture *capture)
{
	return capture->error;
}

const struct capture_ops pcap_capture_ops = {
	.name = "pcap",
	.open = capture_open,
	.start = capture_start,
	.receive = capture_receive,
	.loan = capture_loan_of,
	.confirm = capture_confirm,
	.release = capture_release,
	.descriptor = capture_descriptor,
	.stats = capture_get_stats,
	.error = capture_error,
	.close = capture_close,
};
