// The summary at the end of a run: who was there, what they used, and what of it left. Made from
// rows after the door and from counters, never from tables before it. Ledger's thread.
#pragma once

#include "core/export/export.h"
#include "core/packet/capture.h"
#include "core/record/record.h"

#include <stdio.h>

struct summary;

struct summary_run {
	const struct settings *settings;
	const uint64_t *counters; // COUNTER_COUNT
	const struct capture_stats *capture;
	const struct export_stats *export;
	uint64_t wall_ns;
};

// Listens at the door from now on. Returns 0 or -ENOMEM.
int summary_new(struct summary **ret, struct record *record);
void summary_free(struct summary *summary); // accepts NULL
void summary_print(const struct summary *summary, const struct record *record,
	const struct summary_run *run, FILE *out);
