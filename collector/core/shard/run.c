// A run: the whole pipeline put together, turned, and taken down in order.
#include "core/shard/run.h"

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/memory.h"
#include "core/shard/identity.h"
#include "core/shard/process.h"
#include "core/shard/run_parts.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

enum { HEALTH_PERIOD_S = 60 };

#define HOUSEKEEPING_NS (100 * NS_PER_MS)
#define PROGRESS_NS (500 * NS_PER_MS)

// What is due by the steady clock: batches that have waited long enough, health, progress.
static void housekeeping(struct run *r, bool terminal)
{
	uint64_t now_ns = clock_steady_ns();

	if (now_ns - r->housekeeping_ns < HOUSEKEEPING_NS)
		return;
	r->housekeeping_ns = now_ns;
	if (r->live) {
		struct capture_stats capture;
		run_sum_sources(r, &capture, NULL);
		record_clock(r->record, capture.clock_step_ns);
	}
	run_say_broken(r);
	run_say_own(r);
	if (export_ended(r->export) && process_stop == 0) {
		process_stop = 1;
		r->no_taker = true;
	}
	record_seal(r->record, now_ns, r->settings->batch_age, false);
	if (r->live && now_ns - r->health_ns >= HEALTH_PERIOD_S * NS_PER_S) {
		r->health_ns = now_ns;
		run_write_health(r, false);
	}
	if (terminal && now_ns - r->progress_ns >= PROGRESS_NS)
		run_progress(r, now_ns);
}

// Standard input is a stream that somebody ends; of a file the rest is missing.
static bool reads_file(const struct run *r)
{
	for (size_t i = 0; i < r->settings->files.count; i++)
		if (strcmp(r->settings->files.items[i].value, "-") != 0)
			return true;
	return false;
}

// Nothing arrives any more that waiting would lose: what is open waits for an empty batch, until
// the time for the export is up. Who was told to drop drops on; neither has who did so far all the
// time in the world.
static void stop_dropping(struct run *r)
{
	if (!run_waits(r) && r->export_by_ns == 0)
		r->export_by_ns = clock_steady_ns() + r->settings->shutdown_timeout;
	if (r->settings->overload != OVERLOAD_DROP)
		record_wait(r->record);
}

// A signal ends the source; a live one when the kernel, which hands packets over after `poll` at
// the latest, has been asked for those that came before the signal. A second signal waits for
// nothing.
static void stop_source(struct run *r)
{
	uint64_t now_ns = clock_steady_ns();

	if (reads_file(r) && !crew_read_whole(r->crew))
		r->interrupted = true;
	if (r->stop_ns == 0)
		r->stop_ns = now_ns + (r->live ? MIN(2 * r->settings->poll, NS_PER_S) : 0);
	if (now_ns < r->stop_ns && process_stop == 1)
		return;
	crew_stop(r->crew);
	stop_dropping(r);
}

// Turns shards and ledger until the source ends, or a signal ends it, and all flows have been
// written.
static void turn(struct run *r)
{
	const struct nap nap = crew_nap(r->crew);
	bool terminal = isatty(STDERR_FILENO) != 0;
	uint32_t idle = 0;
	int count;

	do {
		if (process_stop)
			stop_source(r);
		else if (crew_read_whole(r->crew))
			stop_dropping(r);
		count = crew_turn(r->crew);
		uint32_t taken = ledger_step(r->ledger);
		if (count > 0 || taken > 0)
			idle = 0;
		else if (r->settings->shards > 1) // nobody has waited yet
			worker_nap(&idle, &nap);
		housekeeping(r, terminal);
	} while (count != -ENODATA);
	// However short the run was.
	if (terminal) {
		run_progress(r, clock_steady_ns());
		log_status_end();
	}
}

// Waits until all that was sealed is out, or the time is up.
static bool drain(struct run *r)
{
	while (!export_drain(r->export, HOUSEKEEPING_NS))
		if (run_time_is_up(r))
			return false;
	return true;
}

// Everything that is open goes out, health last. Whether every row arrived.
static bool finish(struct run *r)
{
	stop_dropping(r);
	ledger_finish(r->ledger);
	record_seal(r->record, clock_steady_ns(), 0, true);
	drain(r);
	run_write_health(r, true);
	record_seal(r->record, clock_steady_ns(), 0, true);
	// What is left to do is to close.
	bool drained = drain(r);
	return export_stop(r->export, drained ? r->settings->shutdown_timeout : 0);
}

// A gateway without a clock boots in 1970: what it saw then would carry times that no retention
// fits. It waits, before it listens, until somebody sets the clock. False: a signal came first.
static bool wait_for_clock(const struct run *r)
{
	if (!r->live || clock_wall_ns() >= WEIR_RELEASED_S * NS_PER_S)
		return true;
	log_warning("the wall clock is before this program was made: nothing is collected until it "
		    "is set");
	while (!process_stop && clock_wall_ns() < WEIR_RELEASED_S * NS_PER_S)
		nanosleep(&(struct timespec){.tv_nsec = 200 * NS_PER_MS}, NULL);
	return !process_stop;
}

// Who collects. Returns 0 or -errno.
static int identify(struct run *r)
{
	struct problems problems = {0};
	bool kept;

	int err = identity_make(&r->identity, r->settings, clock_wall_ns(), &kept, &problems);
	if (err) {
		problems_print(&problems, stderr);
		problems_fini(&problems);
		return err;
	}
	if (r->live && !kept)
		log_warning("the collector's id cannot be kept in %s: this run has one of its own",
			r->settings->state_dir);
	return 0;
}

// What came of it, told and as an exit status.
static enum run_status judge(struct run *r, bool delivered)
{
	enum run_status status = RUN_FINE;
	bool broken = run_say_broken(r);

	if (r->interrupted && !broken)
		log_warning("\"%s\" %s: %s", r->settings->files.items[0].value,
			r->settings->files.count > 1
				? "and the files beside it were not read to their ends"
				: "was not read to its end",
			r->no_taker ? "nobody takes its rows" : "a signal came");
	if ((r->interrupted && !r->no_taker) || broken)
		status = RUN_SOURCE_BROKE;
	if (run_say_what_was_lost(r) || !delivered)
		status = status == RUN_FINE ? RUN_ROWS_LOST : RUN_BROKE_AND_LOST;
	return run_sum_is_right(r) ? status : RUN_SUM_WRONG;
}

// What there is room for, and that no more of the pools is touched at start: what does not fit then
// is warned of, when a start that the kernel ends could say nothing.
static void see_to_memory(struct run *r)
{
	const struct settings *s = r->settings;
	uint64_t others = MEMORY_BESIDE_POOLS;

	memory_room("", &r->room);
	if (r->live)
		others += s->buffer * r->interfaces.count * s->shards;
	memory_prefault_most(r->room.bytes - MIN(r->room.bytes, others));
}

enum run_status run(const struct run_config *config)
{
	struct run r = {
		.config = config,
		.settings = config->settings,
		.live = settings_live(config->settings),
		.started_ns = clock_steady_ns(),
	};
	struct problems problems = {0};

	r.health_ns = r.housekeeping_ns = r.progress_ns = r.started_ns;
	REQUIRE(interfaces_read(&r.interfaces, r.settings, &problems) == 0); // checked before
	for (uint32_t i = 0; i < r.interfaces.count; i++)
		r.titles[i] = r.interfaces.items[i].title;
	process_catch_signals();
	memory_prefault_until(&process_stop);
	see_to_memory(&r);
	if (!wait_for_clock(&r))
		return RUN_FINE;
	if (identify(&r) != 0)
		return RUN_REFUSED;
	int err = run_open(&r);
	if (err) {
		run_close(&r);
		return err == -EINTR ? (reads_file(&r) ? RUN_SOURCE_BROKE : RUN_FINE) : RUN_REFUSED;
	}
	run_say_what_runs(&r);
	turn(&r);
	bool delivered = finish(&r);
	enum run_status status = judge(&r, delivered);
	if (!r.live || isatty(STDOUT_FILENO))
		run_summarise(&r);
	run_close(&r);
	return status;
}
