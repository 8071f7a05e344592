// Capture source: turns one receive queue, or one file, into batches of packets.
//
// A source is called by one shard's thread and by no other while that thread runs, and by main
// before and after; so it needs no lock.
#pragma once

#include "core/packet/capture_loan.h"
#include "core/packet/packet.h"

#include <stdbool.h>
#include <stddef.h>

struct capture; // each source defines its own

enum { CAPTURE_ERROR_SIZE = 512 };

// What a source is opened with; borrowed for the call.
struct capture_config {
	const char *file; // a capture file, "-" for standard input; NULL: live
	const char *interface; // live; NULL: file
	const char *filter; // BPF, in pcap-filter(7)'s words; NULL or "": all
	uint32_t snaplen; // octets kept of a frame
	uint64_t buffer_bytes; // the kernel's ring, live
	uint32_t poll_ms; // receive waits at most so long, live
	uint16_t mtu; // a NIC's, where the source sets it
	bool promiscuous;
	bool packet_clock; // live, with a file's clock: see capture_clock.h
	int64_t wall_offset_ns; // live, of the run's start: capture_clock_wall_offset_ns()
	uint64_t exit_idle_ns; // live: the end when nothing came for so long; 0: never
	bool shared_wait; // live: receive() never waits, its caller does for all (descriptor())
	uint8_t iface; // written into every packet
	// Queues that share the interface's packets, live: above 1 each comes silent from open(),
	// and packets come from start() on, when all have been opened.
	uint16_t queues; // 0 as 1
	const struct capture *first; // queue 0's, which the others join
	uint64_t fanout_key; // of a program of ours that shares packets out; 0: the kernel's hash
};

enum nic_loss {
	NIC_MISSED, // its queue was full
	NIC_ERRORS, // what its driver calls errors: damaged on the wire, most of them
	NIC_NO_BUFFER, // its driver found no memory for them
	NIC_LOSS_COUNT,
};

struct capture_stats {
	uint64_t dropped_kernel; // lost before we could read them
	uint64_t dropped_nic;
	uint64_t nic_lost[NIC_LOSS_COUNT]; // of those, by cause, where the source can tell
	uint64_t times_down; // how often the interface went down or away, live
	bool down; // it is, and may come back
	int64_t clock_step_ns; // how far the wall clock was moved since the start, live
};

struct capture_ops {
	const char *name;
	bool decoded; // its packets have been through decode, and been counted there
	bool polled; // its queue is full soon: nobody sleeps longer than 50 us

	// Called once by each thread that receives or turns a shard, before its first turn: it
	// takes its core. The thread that alone receives, or shard 0's, is 0. NULL: the core's
	// choice.
	void (*place)(uint32_t thread);
	int (*core)(uint32_t thread); // one that it takes, where its memory is made; with place

	// Whether the source can share its packets out to config->queues, each flow to one; where
	// not, it is opened for one queue. NULL: live it can.
	bool (*shares)(const struct capture_config *config);

	// Opens receive queue `queue`. Returns 0, or -errno with *ret untouched and in `error` one
	// sentence for the operator that names the file or interface and what to do.
	int (*open)(struct capture **ret, const struct capture_config *config, uint16_t queue,
		char error[CAPTURE_ERROR_SIZE]);

	// Of several queues: lets packets come. Returns 0, or -errno and a sentence in `error`.
	// NULL where that takes nothing.
	int (*start)(struct capture *capture, char error[CAPTURE_ERROR_SIZE]);

	// Fills `batch` with what is there, waiting at most poll_ms. Returns the count (0: nothing
	// came; now_ns is set all the same), -ENODATA at the end of a file and after exit_idle_ns,
	// -ENETDOWN while an interface is down or away that may come back, or -errno: then error()
	// says where it broke, and what was read before has been returned by earlier calls.
	int (*receive)(struct capture *capture, struct packet_batch *batch);

	// In place of receive(), where batches lie ready in the source's own memory: `*ret` is set,
	// to an empty one when nothing came, and borrowed until release(). Above 0 with an empty
	// one: it did something for others. NULL: receive() it is.
	int (*take)(struct capture *capture, struct packet_batch **ret);

	// Called in its place by who cannot take now: others are not to wait for it. NULL: they
	// never do.
	void (*pause)(struct capture *capture);

	// What the bytes of the batch just received lie in, if that may be held beyond release()
	// (capture_hold()); NULL: not these. As long as too much is held receive() brings nothing.
	// NULL: it lends never.
	struct capture_loan *(*loan)(struct capture *capture);

	// Called when the batch's headers have been read: drops and counts in `counters` packets
	// whose bytes went meanwhile. NULL: they never do.
	void (*confirm)(
		struct capture *capture, struct packet_batch *batch, struct counters *counters);

	// Gives the batch's bytes back. Every packet in it dies here.
	void (*release)(struct capture *capture, struct packet_batch *batch);

	// What poll(2) tells packets by, or -1. NULL where there is no such thing.
	int (*descriptor)(struct capture *capture);

	void (*stats)(struct capture *capture, struct capture_stats *ret);
	const char *(*error)(struct capture *capture); // after receive() failed; never NULL
	void (*close)(struct capture *capture); // accepts NULL
};

// What a source has to say to the operator: one sentence. Returns `err`.
__attribute__((format(printf, 3, 4))) int capture_explain(
	char error[CAPTURE_ERROR_SIZE], int err, const char *format, ...);
