// A lane: one shard's packets on their way from the reader, who has decoded them, to the shard.
//
// Packets travel in blocks, through a ring to the shard and, once released, through another back. A
// lane whose blocks are all on their way takes no more. What a source lends is not copied: the
// shard reads it where it lies (of a plain capture file, in the page cache), and the source leaves
// it there until the last block that points into it came back. A packet of a kilobyte costs its
// shard what a small one does.
//
// One thread at each end. Of the shard whose thread reads it is the same thread at both: its
// packets never change cores.
#pragma once

#include "core/packet/capture.h"

struct lane;

// `own`: of the shard whose thread reads. Returns 0 or -ENOMEM with *ret untouched. Main.
int lane_new(struct lane **ret, bool own);
void lane_free(struct lane *lane); // accepts NULL; main, after both ends' threads

size_t lane_bytes(void); // of memory that each takes

// ---- the reader's end

// Takes packets of `batch`, bit i of `left` for packet i, as far as there is room, and holds a
// block back until it is full. Returns what is left. `loan`: what the packets' bytes lie in, held
// then; NULL: they are copied.
uint64_t lane_put(
	struct lane *lane, struct packet_batch *batch, uint64_t left, struct capture_loan *loan);

// What is held back goes out, and then it is `now_ns` for the shard.
void lane_flush(struct lane *lane, uint64_t now_ns);

// It is `now_ns` for the shard, unless something is held back for it.
void lane_tell_time(struct lane *lane, uint64_t now_ns);

void lane_end(struct lane *lane); // after lane_flush(): nothing follows

// ---- the shard's end

// What the shard reads; never waits. open() is not for it, nor is any of it for an own lane.
extern const struct capture_ops lane_capture_ops;
struct capture *lane_capture(struct lane *lane);

// Of an own lane: the next block's packets, borrowed until lane_release(); NULL: none is full.
struct packet_batch *lane_take_own(struct lane *lane);

// As capture_ops have them, of what was taken.
void lane_confirm(struct lane *lane, struct packet_batch *batch, struct counters *counters);
void lane_release(struct lane *lane);
