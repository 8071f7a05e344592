// What a run captures from: one source, or several as one (capture_merge.h). Main's thread opens,
// the owner of each turns it.
#pragma once

#include "core/base/counters.h"
#include "core/packet/capture.h"
#include "core/settings/interfaces.h"

struct sources {
	const struct settings *settings; // borrowed, like the next two
	const struct interfaces *interfaces;
	const struct capture_ops *capture;
	uint32_t count; // interfaces, or 1: files are one
	bool merged;
	const struct capture_ops *ops; // of what sources_open() returns
	uint64_t fanout_key; // as in struct capture_config, like the next
	int64_t wall_offset_ns;
};

void sources_init(struct sources *sources, const struct settings *settings,
	const struct interfaces *interfaces, const struct capture_ops *capture);

// Whether each of them can share its packets out to so many queues.
bool sources_share(const struct sources *sources, uint16_t queues);

// One queue of `count` of every interface, or all files.
struct sources_queue {
	uint16_t number, count;
	const struct capture *first; // what was returned for queue 0; NULL for that
	struct counters *counters; // of the thread that will receive
};

// Returns what capture_ops.open() does.
int sources_open(const struct sources *sources, struct capture **ret,
	const struct sources_queue *queue, char error[CAPTURE_ERROR_SIZE]);

// How many captures there are of one queue: interfaces, or files.
uint32_t sources_captures(const struct sources *sources);
