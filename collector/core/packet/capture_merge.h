// Several capture sources as one: files in order of time, interfaces as their packets come.
//
// Files: each next packet is the earliest of all files' next, so that the order, and what comes of
// it, depends on the files alone; one that stands earlier among equals comes first. A pipe that is
// silent holds the others up. Interfaces: of what has come the earliest; nobody waits for who is
// silent, and table time never runs back: what comes late takes the time before it.
//
// A source that breaks or ends does not end the others; an interface that went down is heard again
// when it comes up. The merge breaks when none is left and one of them broke.
#pragma once

#include "core/base/counters.h"
#include "core/packet/capture.h"

enum { MERGE_SOURCES_MAX = 256 };

struct merge_config {
	const struct capture_ops *ops; // of all sources
	const struct capture_config *sources; // borrowed for the call
	uint32_t count;
	const bool *counted_only; // of each source: its packets are counted and not handed on
	struct counters *counters; // where they are: seen and consumed; its owner turns the merge
	uint64_t exit_idle_ns; // the end when no source gave anything for so long; 0: never
	const struct capture *first; // the merge of queue 0, which the others join; or NULL
};

// Opens queue `queue` of each source. Returns 0, or what a source's open() returns, *ret untouched.
int merge_open(struct capture **ret, const struct merge_config *config, uint16_t queue,
	char error[CAPTURE_ERROR_SIZE]);

// What the merge's stats(), which its owner calls, found last of source `i`, and what came of it.
// Any thread.
void merge_source_stats(const struct capture *merge, uint32_t i, struct capture_stats *ret_stats,
	uint64_t *ret_packets, uint64_t *ret_bytes);

// Why source `i` is broken now, or NULL. Any thread.
const char *merge_source_broken(const struct capture *merge, uint32_t i);

// All but open().
extern const struct capture_ops merge_capture_ops;
