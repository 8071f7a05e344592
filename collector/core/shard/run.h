// A run: the whole pipeline put together, turned until the source ends or a signal comes, and taken
// down in order. The same for every program; what differs is handed in.
#pragma once

#include "core/classify/classifier.h"
#include "core/export/exporter.h"
#include "core/packet/capture.h"
#include "core/privacy/policy.h"
#include "core/settings/settings.h"

enum run_status {
	RUN_FINE = 0,
	RUN_SOURCE_BROKE = 1, // or a signal came before its end: what could be read was collected
	RUN_REFUSED = 2, // settings, source or exporter: nothing was collected
	RUN_ROWS_LOST = 3, // on their way out, whoever lost them
	RUN_BROKE_AND_LOST = 4, // both of these
	RUN_SUM_WRONG = 70, // packets seen are not those accounted for: a fault of ours
};

struct run_config {
	const struct settings *settings;
	const struct policy *policy;
	const struct capture_ops *capture;
	const struct classifier_ops *const *classifiers;
	const struct exporter_ops *exporter;
};

// Main thread. Logs what the operator must know. Returns an exit status.
enum run_status run(const struct run_config *config);
