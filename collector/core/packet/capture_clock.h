// The clock of a capture source: what the table takes for the time of each packet and of a turn in
// which none came. Table time never runs back. A source's thread only.
//
// A file's clock (also a live source's, where capture_config.packet_clock asks for it): the latest
// timestamp so far. A stamp outside 1970-2242 is none, and the packet takes the time before it. A
// leap ahead of more than a day is believed when the next packet does not go back behind it: one
// damaged stamp does not end every flow, two captures in one file do.
//
// A live source's: the timestamp less what the wall clock was moved since the start, which is known
// from the monotonic clock, in that turn. Packets stamped before a step and read after it are kept
// between the last packet's time and the present.
#pragma once

#include "core/packet/packet.h"

struct capture_clock {
	uint64_t last_ns; // table time so far
	int64_t step_ns; // how far the wall clock was moved since the start
	int64_t wall_offset_ns; // wall clock less monotonic clock, at the start
	uint64_t idle_since_ns; // steady clock; 0: packets came in the last turn
};

#define CAPTURE_NO_TIME UINT64_MAX // in packet.ts_ns: the source has none for it

// Wall clock less monotonic clock, now.
int64_t capture_clock_wall_offset_ns(void);

// Before the first turn of a live source. `wall_offset_ns`: at the start, as
// capture_clock_wall_offset_ns() was before the first of all sources that are to agree on table
// time was opened: the wall clock may be moved while the others are.
void capture_clock_start(struct capture_clock *clock, int64_t wall_offset_ns);

// Each sets time_ns of the batch's packets, ts_ns where the source had none, and the batch's
// now_ns.
//
// A file's. Whether a leap is alone is seen at the packet after it: with `more` to come, a batch
// that ends with a leap, and has others before it, returns true; its last packet then has no time,
// and the source takes it out and begins the next batch with it.
bool capture_clock_file(struct capture_clock *clock, struct packet_batch *batch, bool more);
// A live one's; a packet may reach us so much later than its stamp says.
void capture_clock_live(struct capture_clock *clock, struct packet_batch *batch, uint64_t late_ns);

// Whether nothing came for `limit_ns` (0: never), asked once a turn. The clock is read only when
// the batch is empty.
bool capture_clock_idle(
	struct capture_clock *clock, const struct packet_batch *batch, uint64_t limit_ns);
