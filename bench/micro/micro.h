// Micro benches: single parts of the pipeline on what the House's day gives them.
#pragma once

#include "core/classify/classify.h"
#include "core/event/event.h"
#include "core/packet/packet.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A capture in memory, and what a shard says of it.
struct house {
	struct packet_batch *batches; // as a source fills them, bytes included
	uint32_t batch_count;
	uint64_t packet_count;
	struct counters *counters;
	struct classify *classify; // for its taxonomy
	uint8_t *events; // one after the other
	size_t events_len;
	uint32_t event_count, segment_count;
};

// Ends the process where the capture cannot be read.
void house_load(struct house *house, const char *path);
void house_free(struct house *house);

// Of every part so many rounds, or one of one call; `parts`: beginnings of names, ending with NULL,
// borrowed; none: all.
enum { MICRO_ROUNDS_MAX = 1000 };
void micro_choose(unsigned rounds, bool once, char **parts);

// Calls `part` until a round lasts long enough, some rounds, and prints a line. It returns how many
// operations it has done. `wall`: by the clock, for more than one thread; else by the CPU's time.
// Left out where others were chosen.
typedef uint64_t micro_part(void *arg);
void micro(const char *name, micro_part *part, void *arg, bool wall);

__attribute__((noreturn)) void micro_fail(const char *what, int err);
void *micro_alloc(size_t size); // zeroed; a cache line's alignment

void micro_packets(struct house *house); // decode, names
void micro_rows(struct house *house); // the door, encoding, compression
void micro_rings(struct house *house);
void micro_ledger(const struct house *house); // all of the way from a flow's end to its row
