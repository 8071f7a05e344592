// Exporter: carries sealed batches of rows out of the process.
//
// Called by the export thread only. What it sees has passed the privacy policy: an exporter can
// neither read nor change a row.
#pragma once

#include "core/record/batch.h"
#include "core/record/record.h"
#include "core/settings/settings.h"

#include <stdbool.h>
#include <stdint.h>

struct exporter; // each defines its own
struct export_done; // core/export's

enum { EXPORTER_ERROR_SIZE = 512 };

struct exporter_config {
	const struct settings *settings;
	const struct record_identity *identity;
	const uint8_t *policy_sha256; // 32
	bool to_stdout; // -o -
	uint64_t patience_ns; // the run ends when no row is taken for so long; 0: it goes on
	struct export_done *done; // for the functions below
};

struct exporter_stats {
	bool up;
	uint64_t in_flight; // rows taken and not yet done
	uint64_t bytes_raw, bytes_sent;
};

struct exporter_ops {
	const char *name;

	// Checks its settings without side effects: all that is wrong. May be NULL.
	void (*check)(const struct settings *settings, struct problems *problems);

	// Returns 0, or -errno with *ret untouched and in `error` one sentence for the operator.
	int (*open)(struct exporter **ret, const struct exporter_config *config,
		char error[EXPORTER_ERROR_SIZE]);

	// Takes all rows of the batch and returns 0: it is the exporter's until export_batch(). Or
	// returns -EAGAIN and leaves it with the caller, who offers it again after poll().
	int (*submit)(struct exporter *exporter, struct batch *batch);

	// Lets deliveries finish; waits at most timeout_ms.
	void (*poll)(struct exporter *exporter, int timeout_ms);

	// Whether everything submitted is safely out (and, for files, a segment is due for
	// rotation). Called when there is nothing to submit, and again and again at the end;
	// `finish`: no more will be submitted.
	bool (*idle)(struct exporter *exporter, bool finish);

	void (*stats)(struct exporter *exporter, struct exporter_stats *ret);

	// Every batch it still holds is done (rows not delivered: LOST_SHUTDOWN) when this returns.
	// Accepts NULL.
	void (*close)(struct exporter *exporter);
};

// What an exporter tells core/export, from submit(), poll(), idle() or close().
// `count` rows of a type were delivered; or lost, for a cause.
void export_delivered(struct export_done *done, enum record_type type, uint64_t count);
void export_lost(
	struct export_done *done, enum record_type type, enum lost_cause cause, uint64_t count);
// The batch goes back to the pool; all its rows have been accounted for.
void export_batch(struct export_done *done, struct batch *batch);
// A fault, for the operator and health: one sentence that says what to do; rate-limited there.
// NULL: it is over; so it is when stats() says that the exporter, which was not, is up again.
void export_error(struct export_done *done, const char *text);
// Whoever takes the rows has left for good (the reader of a pipe), or is waited for no longer: the
// run should end. The export_error() that follows says why.
void export_gone(struct export_done *done);

extern const struct exporter_ops *const exporters[]; // ends with NULL: exporters/exporters.c
