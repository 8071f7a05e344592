// What one end of a TCP connection has left out so far: ranges of sequence numbers, skipped or
// acknowledged unseen, below the next that is expected. What fills them was late; what was seen
// whole before is sent again.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { SEQ_HOLES = 3 }; // remembered at a time; of more the earliest, or who is 1 GiB away, goes

struct seq_holes {
	struct {
		uint32_t start, stop; // [start, stop); equal: none
	} holes[SEQ_HOLES];
};

// Sequence numbers wrap (RFC 9293 section 3.4).
static inline bool seq_after(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

void seq_holes_add(struct seq_holes *all, uint32_t start, uint32_t stop);

enum seq_seen {
	SEQ_SEEN, // whole, before
	SEQ_LATE, // none of it
	SEQ_PARTLY_SEEN,
};

// [start, stop), not empty, has come; says what of it had before.
enum seq_seen seq_holes_fill(struct seq_holes *all, uint32_t start, uint32_t stop);
