// The capture source over libpcap from inside: what all of its files see.
#pragma once

#include "capture/byte_stream.h"
#include "capture/interface_watch.h"
#include "capture/plain_file.h"
#include "core/base/compiler.h"
#include "core/packet/capture.h"
#include "core/packet/capture_clock.h"

#include <pcap/pcap.h>

enum {
	FRAME_MAX = 262144, // libpcap's own limit for the link types that are understood
	FRAMES_SIZE = 2 * FRAME_MAX, // a batch ends when less than FRAME_MAX is left
};

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
	bool shared_out; // to several queues: the kernel binds such a socket once only
	struct interface_watch interface;
	bool packet_clock;
	uint64_t exit_idle_ns;
	int fanout; // the group's number; queue 0's is the one that counts
	uint64_t silent_ns; // of several queues: since when it hears nothing, steady
	struct bpf_program filter; // of several queues: for start()
	char *filter_text; // the operator's; NULL: none
	uint32_t own_known; // of our own connections, those that the filter leaves out
	bool counts_nic; // what the interface lost: each of its queues is told all of it
	struct capture_stats stats;
	uint32_t kernel_last, nic_last; // libpcap's counts, which wrap
};

// ---- pcap_frames.c

enum link_type frames_link_type(int dlt);

// A batch begins; then the packet that the batch before left to it comes first.
void frames_begin(struct capture *capture, struct packet_batch *batch);
void frames_take_held(struct capture *capture, struct packet_batch *batch);

// libpcap's callback: one packet into the batch. `user`: the capture.
void frames_keep(u_char *user, const struct pcap_pkthdr *head, const u_char *bytes);
bool frames_full(const struct capture *capture); // the batch has room for no further frame

// What libpcap has, up to a full batch. Returns libpcap's last word, an error after packets
// included.
int frames_dispatch(struct capture *capture, struct packet_batch *batch);

// A file's clock, which may leave the last packet to the next batch. `more`: one may follow.
void frames_set_time(struct capture *capture, struct packet_batch *batch, bool more);

// ---- pcap_file.c: these return 0, a count or -errno, as capture_ops has it.

const char *file_title(const char *file);
int file_open(struct capture *capture, const char *path, char error[CAPTURE_ERROR_SIZE]);
void file_open_plain(struct capture *capture); // without libpcap from now on, where that can be
int file_receive(struct capture *capture, struct packet_batch *batch);

// ---- pcap_filter.c: these return 0 or -errno, with one sentence in `error`.

int filter_set(struct capture *capture, const char *filter, char error[CAPTURE_ERROR_SIZE]);
int filter_compile(struct capture *capture, const char *filter, char error[CAPTURE_ERROR_SIZE]);
// Of a live source: from now on without the connections that we have made meanwhile.
void filter_leave_out_own(struct capture *capture);
int filter_apply(
	struct capture *capture, struct bpf_program *program, char error[CAPTURE_ERROR_SIZE]);

// ---- pcap_live.c, likewise

int live_open(struct capture *capture, const struct capture_config *config,
	char error[CAPTURE_ERROR_SIZE]);
int live_open_queue(struct capture *capture, const struct capture_config *config,
	char error[CAPTURE_ERROR_SIZE]); // with the filter
int live_start(struct capture *capture, char error[CAPTURE_ERROR_SIZE]);
int live_receive(struct capture *capture, struct packet_batch *batch);
void live_stats(struct capture *capture, struct capture_stats *ret);
