// Export: the thread that takes sealed batches to the exporter, and counts what became of every
// row.
#pragma once

#include "core/export/exporter.h"

struct export;

struct export_stats {
	uint64_t delivered[RECORD_TYPE_COUNT];
	uint64_t lost[RECORD_TYPE_COUNT][LOST_CAUSE_COUNT];
	struct exporter_stats exporter;
	char last_error[EXPORTER_ERROR_SIZE]; // "": none, or it is over
};

// Opens the exporter (in the caller's thread, so that what it needs of privileges is still there)
// and starts the thread. Returns 0, or -errno and in `error` one sentence.
int export_start(struct export **ret, const struct exporter_ops *ops,
	struct exporter_config *config, struct batch_pool *batches,
	char error[EXPORTER_ERROR_SIZE]);

// Waits until every batch sealed so far is done, at most timeout_ns (UINT64_MAX: for ever); true
// when it is. Ledger's thread.
bool export_drain(struct export *export, uint64_t timeout_ns);

// No more will be sealed: waits at most timeout_ns for the rest, then closes; what is left is
// counted LOST_SHUTDOWN. Returns whether everything was delivered.
bool export_stop(struct export *export, uint64_t timeout_ns);

// Whether whoever took the rows has left for good: the run should end. Any thread.
bool export_ended(const struct export *export);

void export_stats(struct export *export, struct export_stats *ret); // any thread
void export_free(struct export *export); // after export_stop(); accepts NULL
