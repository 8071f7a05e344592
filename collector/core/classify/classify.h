// Classify: shows packets to classifiers, gives them their states, weighs what they report, and
// turns ended flows into segment events. One shard's thread.
#pragma once

#include "core/base/memory.h"
#include "core/classify/classifier.h"
#include "core/event/event_ring.h"
#include "core/flow/flow_table.h"

struct classify;

struct classify_settings {
	uint32_t dpi_states_max;
	uint64_t dpi_memory_bytes;
	uint16_t dpi_packets_max;
	// New flows a second that are shown to whoever gives verdicts; 0: all.
	uint32_t dpi_admitted;
	uint32_t findings_max; // chunks
	bool dpi; // off: no nDPI
	bool dpi_plain; // struct classifier_config, plain
	const struct excluded *excluded; // borrowed; NULL: nobody
	bool prefault; // live
	const struct classifier_ops *const *classifiers; // a test links its own
};

// Returns 0 or -errno with *ret untouched.
int classify_new(
	struct classify **ret, const struct classify_settings *settings, struct counters *counters);
void classify_free(struct classify *classify); // accepts NULL
void classify_memory(const struct classify *classify, struct memory_pools *pools);
const struct taxonomy *classify_taxonomy(const struct classify *classify);

// Shows those of packets [from, to) that batch->watched names to whoever still wants them. Facts
// and answers go out as events.
void classify_batch(struct classify *classify, struct packet_batch *batch, uint32_t from,
	uint32_t to, struct event_ring *events);

// Every flow on the table's list: last word of its classifiers, states back, segment out, done.
void classify_finish(
	struct classify *classify, struct flow_table *flows, struct event_ring *events);
