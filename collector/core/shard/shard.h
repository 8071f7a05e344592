// A shard: one core's whole way from packets to events. Knows packets and flows, nobody's name.
#pragma once

#include "core/classify/classify.h"
#include "core/event/event_ring.h"
#include "core/flow/flow_table.h"
#include "core/packet/capture.h"
#include "core/packet/dedup.h"

enum { SHARDS_MAX = 64 };

struct shard {
	const struct capture_ops *ops;
	struct capture *capture;
	struct dedup *dedup; // NULL: copies of frames stay
	struct flow_table *flows;
	struct classify *classify;
	struct event_ring *events;
	uint32_t events_held; // it says no more while so many wait; 0: it may
	struct counters *counters;
	// The source is dry or broken: only the final flush is left. Main looks at it as well.
	_Atomic bool ended;
	bool flushed;
	int error; // -errno of the source, 0: none
	_Atomic uint32_t flows_now; // shard: wo, main: ro
	uint64_t now_ns; // its clock: the last batch's
	struct packet_batch batch; // where the source has none of its own
};

// One turn: everything that happens to packets, in the order data flows. Returns the count of
// packets, 0 when none came, or -ENODATA when the source is at its end and all flows are flushed. A
// turn does nothing but expiry and flush while the ring has no room for a batch's worst case, or
// holds too many events, or is paused.
int shard_step(struct shard *shard);

// Ends the source (a signal, say): the next turns flush.
void shard_stop(struct shard *shard);
