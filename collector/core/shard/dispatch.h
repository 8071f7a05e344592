// Dispatch: one reader for several shards, where a source has one queue only (a capture file,
// standard input). The reader decodes, so that it knows each packet's flow, and puts the packet,
// its bytes lent or copied, on the lane (lane.h) to the shard that the flow belongs to. Each shard
// sees it as a capture source of its own.
//
// A shard whose lane takes no more makes the reader wait. The reader's clock is every shard's: at
// the end of a file, and where no packet of a shard comes for long, too.
//
// Who reads: main, where somebody must see to the source come what may (live), or else the first
// shard, as it takes its own packets. All here is the reader's, or main's where it says so.
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
	struct hash_key key;
	struct dedup *dedup; // borrowed; NULL: copies of frames stay
	struct counters *counters; // the reader's: decode counts there
	bool first_reads; // the first shard's end reads for all; else dispatch_step() does
};

// Returns 0 or -ENOMEM with *ret untouched. Main.
int dispatch_new(struct dispatch **ret, const struct dispatch_config *config);
void dispatch_free(struct dispatch *dispatch); // accepts NULL; main, after the shards' threads

size_t dispatch_bytes(const struct dispatch *dispatch);

// Main: what shard `shard` reads, and by which operations; never waits. open() is not for it.
const struct capture_ops *dispatch_end(
	struct dispatch *dispatch, uint32_t shard, struct capture **ret);

// One turn. Returns the count of packets handed over, 0 when none came or a shard has no room, or
// -ENODATA when the source has ended and all has been handed over.
int dispatch_step(struct dispatch *dispatch);

// Main: ends the source: what was read of it is still handed over.
void dispatch_stop(struct dispatch *dispatch);

bool dispatch_ended(const struct dispatch *dispatch); // main: by itself or by dispatch_stop()

// Main: -errno of the source, 0: none, or it has not ended.
int dispatch_error(const struct dispatch *dispatch);
