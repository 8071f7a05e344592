// A run from inside, for the files that make it, turn it and tell it. Main's thread.
#pragma once

#include "core/export/export.h"
#include "core/ledger/ledger.h"
#include "core/record/record.h"
#include "core/settings/interfaces.h"
#include "core/shard/crew.h"
#include "core/shard/memory_room.h"
#include "core/shard/run.h"
#include "core/shard/summary.h"

enum { BROKEN_MAX = 256 };

struct run {
	const struct run_config *config;
	const struct settings *settings;
	bool live;
	struct record_identity identity;
	struct interfaces interfaces;
	const char *titles[INTERFACES_MAX]; // as records call them
	const char *told[BROKEN_MAX]; // of broken sources, in the crew's order; NULL: nothing
	bool told_own; // that connections of our own are collected

	struct memory_room room; // before anything was taken
	struct crew *crew;
	struct counters *counters; // the ledger's
	struct batch_pool batches;
	struct record *record;
	struct ledger *ledger;
	struct export *export;
	struct summary *summary;

	uint64_t started_ns; // steady clock
	uint64_t housekeeping_ns, health_ns, progress_ns;
	uint64_t stop_ns; // when the source ends, once a signal came; 0: none came
	bool interrupted; // a signal, or export's end, came before a file was read to its end
	bool no_taker; // it was export
	uint64_t export_by_ns; // when export must be through; 0: it has all the time it needs
};

// ---- run_open.c

// Logs what fails. Returns 0 or -errno; -EINTR: a signal came first.
int run_open(struct run *r);
void run_close(struct run *r); // accepts a half-made one

// Whether rows wait for room: where the source can wait, too.
bool run_waits(const struct run *r);

// Whether export has had its time. It has all it needs until a signal comes or a live source ends,
// shutdown_timeout from then on, and none after a second signal. `run`: a struct run.
bool run_time_is_up(void *run);

bool run_to_stdout(const struct run *r); // whether rows go there

// ---- run_report.c

void run_say_what_runs(const struct run *r);

// What all sources have lost; each queue's part in `interfaces` unless that is NULL.
void run_sum_sources(
	const struct run *r, struct capture_stats *ret, struct health_interface *interfaces);

void run_write_health(struct run *r, bool last);
void run_progress(struct run *r, uint64_t now_ns); // on a terminal

// Tells of sources that broke, each once, and of those that came back. Whether any is broken now.
bool run_say_broken(struct run *r);

// Tells once when what goes to the brokers cannot all be left out.
void run_say_own(struct run *r);

// Tells of rows that did not arrive, by type and cause: what export lost, what the door could not
// hand over, and segments that never reached the ledger. Whether there are any.
bool run_say_what_was_lost(const struct run *r);

// Each packet is in a flow, consumed, or dropped by a name: the three are counted apart and must
// add up. Tells when they do not.
bool run_sum_is_right(const struct run *r);

void run_summarise(const struct run *r);
