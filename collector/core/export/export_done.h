// What became of every row. The exporter tells it, by the functions of exporter.h; others ask.
#pragma once

#include "core/export/export.h"

#include <stdatomic.h>

enum { ERROR_WORDS = EXPORTER_ERROR_SIZE / sizeof(uint64_t) };

// Written by the export thread only; read by any.
struct export_done {
	struct batch_pool *batches;
	_Atomic uint64_t delivered[RECORD_TYPE_COUNT];
	_Atomic uint64_t lost[RECORD_TYPE_COUNT][LOST_CAUSE_COUNT];
	_Atomic uint32_t batches_done; // wraps, as the ring's indexes do
	_Atomic bool up;
	_Atomic bool gone;
	_Atomic uint64_t in_flight, bytes_raw, bytes_sent;
	// The last error, under a sequence number that is odd while it changes.
	_Atomic uint32_t error_sequence;
	_Atomic uint64_t error_words[ERROR_WORDS];

	// The export thread's own.
	const char *name;
	bool failing; // an error was told since all was well
	bool was_up;
	uint64_t lost_untold; // rows, since a line told how many
	uint64_t error_logged_s, errors_held;
	uint64_t end_logged_s, ends_held;
};

void export_done_init(struct export_done *done, struct batch_pool *batches, const char *name);

// Export thread: how the exporter is.
void export_done_publish(struct export_done *done, const struct exporter_stats *stats);

// Any thread.
uint64_t export_done_lost(const struct export_done *done);
void export_done_stats(const struct export_done *done, struct export_stats *ret);
