// Dispatch: one reader for several shards, where a source has one queue only (a capture file,
// standard input). The reader decodes, so that it knows each packet's flow, and hands the packet,
// its bytes lent or copied, to the shard that the flow belongs to: by a symmetric keyed hash of the
// very key that the flow table uses. Each shard sees it as a capture source of its own.
//
// Packets travel in blocks, through a ring to the shard and, once released, through another back.
// A shard whose blocks are all on their way makes the reader wait. The reader's clock is every
// shard's: at the end of a file, and where no packet of a shard comes for long, too.
//
// Who reads: main, where somebody must see to the source come what may (live), or else the first
// shard, as it takes its own packets, which then never change cores. All of it but the shards'
// ends, each of which is its shard's, is the reader's, or main's where it says so.
#pragma once

#include "core/base/counters.h"
#include "core/base/hash.h"
#include "core/packet/capture.h"
#include "core/packet/dedup.h"

struct dispatch;

struct dispatch_config {
	const struct capture_ops *ops;
	struct capture *source; // borrowed
	uint32_t shard_count;
	bool vlan_in_key; // as the flow tables have it, like the next
	const uint8_t *iface_group; // borrowed
	struct hash_key key;
	struct dedup *dedup; // borrowed; NULL: copies of frames stay
	struct counters *counters; // the reader's: decode counts there
	bool first_reads; // the first shard's end reads for all; else dispatch_step() does
};

// Returns 0 or -ENOMEM with *ret untouched.
int dispatch_new(struct dispatch **ret, const struct dispatch_config *config);
void dispatch_free(struct dispatch *dispatch); // accepts NULL; main, after the shards' threads

size_t dispatch_bytes(const struct dispatch *dispatch);

// What shard `shard` reads, by dispatch_capture_ops.
struct capture *dispatch_end(struct dispatch *dispatch, uint32_t shard);

// One turn. Returns the count of packets handed over, 0 when none came or a shard has no room, or
// -ENODATA when the source has ended and all has been handed over.
int dispatch_step(struct dispatch *dispatch);

// Main: ends the source: what was read of it is still handed over.
void dispatch_stop(struct dispatch *dispatch);

bool dispatch_ended(const struct dispatch *dispatch); // main: by itself or by dispatch_stop()

// Main: -errno of the source, 0: none, or it has not ended.
int dispatch_error(const struct dispatch *dispatch);

// Receives what the reader hands over; never waits. open() is not for it.
extern const struct capture_ops dispatch_capture_ops;
