// What a classifier's report needs to know while the classifier is called. Seen by core/classify
// only: to classifiers it is opaque.
#pragma once

#include "core/classify/classifier.h"
#include "core/event/event_ring.h"
#include "core/flow/excluded.h"
#include "core/flow/flow.h"

struct report {
	struct findings_pool *findings;
	struct counters *counters;
	const struct excluded *excluded; // NULL: nobody
	struct event_ring *events;
	struct flow *flow; // NULL: a consumed packet's
	uint64_t time_ns; // table time of what is reported
	uint16_t vlan;
	uint8_t iface;
};

// Writes a flow's segment: its counters, or zeros for one that goes out early because a list was
// full; its labels and findings as they stand. Takes the DNS entries away with it.
void segment_write(struct report *report, enum end_reason reason, bool zero);
