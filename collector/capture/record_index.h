// Where the next records of a mapped capture file (classic pcap, draft-ietf-opsawg-pcap) begin.
//
// Each record says where the one after it is, so whoever walks them waits for memory at every step.
// Here walkers go side by side, each in a stretch of its own, and their waits overlap. All but the
// first set out from a place that looks like a record's beginning, and what such a one found counts
// only if the walker before it arrives at that very place. So the index is what a single walker
// would have found, whatever the file holds; a wrong guess costs time alone.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum {
	RECORD_HEAD = 16,
	RECORD_WALKERS = 12,
	RECORD_STRETCH = 32 << 10, // octets
	RECORD_STRETCH_MAX = 1024, // records of a stretch
	RECORD_INDEX_MAX = RECORD_WALKERS * RECORD_STRETCH_MAX,
};

struct record_index {
	uint32_t at[RECORD_INDEX_MAX]; // each a whole record, in order, without gaps
	uint32_t count;
	uint32_t next; // the reader's
};

// What a file's records have in common.
struct record_kind {
	uint32_t len_max; // octets captured; longer ones end the index
	uint32_t fractions; // in a second
};

// Finds the records of `bytes` from the one that begins at `from` on, as many as there is room for,
// up to the first that is not whole or is too long; `next` is 0. `size`: less than 4 GiB.
void record_index_fill(struct record_index *index, const uint8_t *bytes, size_t size, size_t from,
	const struct record_kind *kind);
