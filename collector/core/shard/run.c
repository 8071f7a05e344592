// A run: the whole pipeline put together, turned, and taken down in order.
#include "core/shard/run.h"

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/memory.h"
#include "core/export/export.h"
#include "core/ledger/ledger.h"
#include "core/shard/crew.h"
#include "core/shard/identity.h"
#include "core/shard/process.h"
#include "core/shard/summary.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { HEALTH_PERIOD_S = 60, BROKEN_MAX = 256 };

#define HOUSEKEEPING_NS (100 * NS_PER_MS)
#define PROGRESS_NS (500 * NS_PER_MS)

struct run {
	const struct run_config *config;
	const struct settings *settings;
	bool live;
	struct record_identity identity;
	struct interfaces interfaces;
	const char *titles[INTERFACES_MAX]; // as records call them
	bool told[BROKEN_MAX]; // of sources that are broken, in the crew's order

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

// ---- setting up

static int make_crew(struct run *r)
{
	char error[CREW_ERROR_SIZE] = "";
	struct crew_config config = {
		.settings = r->settings,
		.interfaces = &r->interfaces,
		.capture = r->config->capture,
		.classifiers = r->config->classifiers,
		.excluded = policy_excluded(r->config->policy),
		.live = r->live,
	};

	int err = crew_new(&r->crew, &config, error);
	if (!err) // no source is opened any more
		err = process_drop_capabilities(error, sizeof(error));
	if (err && process_stop) { // while it waited for a pipe to say anything
		log_warning("a signal came before there was anything to read");
		return -EINTR;
	}
	if (err)
		log_error("%s", error);
	return err;
}

// Rows wait for room where the source can wait, too.
static bool waits(const struct run *r)
{
	if (r->settings->overload == OVERLOAD_AUTO)
		return !r->live;
	return r->settings->overload == OVERLOAD_WAIT;
}

// Whether export has had its time. It has all it needs until a signal comes or a live source ends,
// shutdown_timeout from then on, and none after a second signal.
static bool time_is_up(void *run)
{
	struct run *r = run;

	if (process_stop && r->export_by_ns == 0)
		r->export_by_ns = clock_steady_ns() + r->settings->shutdown_timeout;
	return process_stop > 1 || (r->export_by_ns != 0 && clock_steady_ns() >= r->export_by_ns);
}

static int make_ledger(struct run *r)
{
	const struct settings *s = r->settings;
	struct ledger_config config = {
		.settings = s,
		.policy = r->config->policy,
		.interface_names = r->titles,
		.counters = r->counters,
		.seed = s->seed,
		.prefault = r->live,
	};

	config.rings = crew_rings(r->crew, &config.ring_count);
	int err = batch_pool_init(&r->batches, (uint32_t)s->batches, (uint32_t)s->batch_bytes);
	r->batches.give_up = time_is_up;
	r->batches.give_up_arg = r;
	if (!err)
		err = record_new(&r->record, r->config->policy, crew_taxonomy(r->crew),
			&r->identity, &r->batches, s->format == FORMAT_JSON, waits(r));
	config.record = r->record;
	if (!err)
		err = ledger_new(&r->ledger, &config);
	if (err)
		log_error("the ledger does not start: %s; lower clients.max, clients.answers, "
			  "usage.max "
			  "or export.batches",
			strerror(-err));
	return err;
}

// Whether it is a link with clients behind it.
static bool is_lan(const struct run *r, const char *name)
{
	for (uint32_t i = 0; i < r->interfaces.count; i++)
		if (strcmp(r->interfaces.items[i].name, name) == 0)
			return r->interfaces.items[i].role == ROLE_LAN;
	return false;
}

// The links' own prefixes are local.
static int add_link_prefixes(struct run *r)
{
	struct ifaddrs *all;
	int err = 0;

	if (!r->live)
		return 0;
	if (getifaddrs(&all) != 0)
		return -errno;
	for (const struct ifaddrs *a = all; a != NULL && !err; a = a->ifa_next) {
		if (a->ifa_addr == NULL || a->ifa_netmask == NULL || !is_lan(r, a->ifa_name))
			continue;
		bool ip6 = a->ifa_addr->sa_family == AF_INET6;
		if (!ip6 && a->ifa_addr->sa_family != AF_INET)
			continue;
		const uint8_t *ip = ip6 ? ((struct sockaddr_in6 *)a->ifa_addr)->sin6_addr.s6_addr
					: (uint8_t *)&((struct sockaddr_in *)a->ifa_addr)->sin_addr;
		const uint8_t *mask = ip6
			? ((struct sockaddr_in6 *)a->ifa_netmask)->sin6_addr.s6_addr
			: (uint8_t *)&((struct sockaddr_in *)a->ifa_netmask)->sin_addr;
		unsigned bits = 0;
		for (unsigned i = 0; i < (ip6 ? 16u : 4u); i++)
			bits += (unsigned)__builtin_popcount(mask[i]);
		err = ledger_add_local(r->ledger, ip, ip6, (uint8_t)bits);
	}
	freeifaddrs(all);
	return err;
}

static bool to_stdout(const struct run *r)
{
	return r->settings->output != NULL && strcmp(r->settings->output, "-") == 0;
}

static int start_export(struct run *r)
{
	char error[EXPORTER_ERROR_SIZE] = "";
	struct exporter_config config = {
		.settings = r->settings,
		.identity = &r->identity,
		.policy_sha256 = policy_sha256(r->config->policy),
		.to_stdout = to_stdout(r),
		.patience_ns = r->live ? 0 : r->settings->patience,
	};

	// What the exporter makes must be writable for whom we become.
	if (r->settings->exporter == EXPORTER_FILE && !config.to_stdout) {
		const char *directory =
			r->settings->output != NULL ? r->settings->output : r->settings->directory;
		int err = process_make_directory(directory, r->settings->user);
		if (err) {
			log_error("%s: cannot be made: %s", directory, strerror(-err));
			return err;
		}
	}
	int err = export_start(&r->export, r->config->exporter, &config, &r->batches, error);
	if (err)
		log_error("%s", error);
	return err;
}

static int drop_privileges(const struct run *r)
{
	char error[256];

	int err = process_drop_privileges(r->settings->user, error, sizeof(error));
	if (err)
		log_error("%s", error);
	return err;
}

static void list_memory(const struct run *r, struct memory_pools *pools)
{
	*pools = (struct memory_pools){0};
	crew_memory(r->crew, pools);
	ledger_memory(r->ledger, pools);
	memory_pools_add(pools, "batches", MEMORY_UNKNOWN, batch_pool_bytes(&r->batches));
}

static void say_what_runs(const struct run *r)
{
	char limits[SETTING_WORD_SIZE];
	struct memory_pools pools;
	char text[512];
	size_t total = 0, len = 0;

	list_memory(r, &pools);
	for (uint32_t i = 0; i < pools.count && len < sizeof(text); i++) {
		const struct memory_pool *p = &pools.items[i];
		total += p->size;
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s %zu",
			i > 0 ? ", " : "", p->name, p->size >> 10);
	}
	settings_word(r->settings, "limits", limits);
	log_info("memory reserved, limits %s: %zu KiB (%s)", limits, total >> 10, text);
	if (crew_taxonomy(r->crew)->origin != NULL)
		log_info("applications are recognised by %s", crew_taxonomy(r->crew)->origin);
}

// Several shards have threads, which start when nothing of root's is left to do.
static int start_crew(const struct run *r)
{
	char error[CREW_ERROR_SIZE] = "";

	int err = crew_start(r->crew, error);
	if (err)
		log_error("%s", error);
	return err;
}

static int run_open(struct run *r)
{
	r->counters = aligned_alloc(CACHE_LINE, sizeof(*r->counters));
	if (r->counters == NULL)
		return -ENOMEM;
	memset(r->counters, 0, sizeof(*r->counters));
	int err = make_crew(r);
	if (!err)
		err = make_ledger(r);
	if (!err)
		err = add_link_prefixes(r);
	if (!err)
		err = summary_new(&r->summary, r->record);
	if (!err)
		err = start_export(r);
	if (!err)
		err = drop_privileges(r);
	if (!err)
		err = start_crew(r);
	if (!err)
		say_what_runs(r);
	return err;
}

// Accepts a half-made one.
static void run_close(struct run *r)
{
	if (r->export != NULL)
		export_stop(r->export, 0); // its thread, where the start failed after it
	export_free(r->export);
	summary_free(r->summary);
	ledger_free(r->ledger);
	record_free(r->record);
	batch_pool_fini(&r->batches);
	crew_free(r->crew);
	free(r->counters);
}

// ---- health

static void sum_counters(const struct run *r, uint64_t sum[COUNTER_COUNT])
{
	memset(sum, 0, COUNTER_COUNT * sizeof(*sum));
	counters_publish(r->counters);
	counters_sum(r->counters, sum);
	crew_counters(r->crew, sum);
}

// What all sources have lost; each queue's part in `interfaces` unless that is NULL.
static void sum_sources(
	const struct run *r, struct capture_stats *ret, struct health_interface *interfaces)
{
	uint32_t queues = crew_queues(r->crew);

	*ret = (struct capture_stats){0};
	for (uint32_t i = 0; i < r->interfaces.count * queues; i++) {
		struct health_interface one = {.name = r->titles[i / queues], .queue = i % queues};
		struct capture_stats stats = {0};
		crew_source(r->crew, i / queues, one.queue, &stats, &one.packets, &one.bytes);
		one.dropped_kernel = stats.dropped_kernel;
		one.dropped_nic = stats.dropped_nic;
		one.times_down = stats.times_down;
		ret->dropped_kernel += stats.dropped_kernel;
		ret->dropped_nic += stats.dropped_nic;
		for (unsigned c = 0; c < NIC_LOSS_COUNT; c++)
			ret->nic_lost[c] += one.nic_lost[c] = stats.nic_lost[c];
		if (i == 0)
			ret->clock_step_ns = stats.clock_step_ns;
		if (interfaces != NULL)
			interfaces[i] = one;
	}
}

static void write_health(struct run *r, bool last)
{
	uint64_t counters[COUNTER_COUNT];
	struct health_interface interfaces[INTERFACES_MAX * SHARDS_MAX];
	struct memory_pools pools;
	struct capture_stats capture;
	struct ledger_stats ledger;
	struct export_stats export;

	sum_counters(r, counters);
	sum_sources(r, &capture, interfaces);
	list_memory(r, &pools);
	ledger_stats(r->ledger, &ledger);
	export_stats(r->export, &export);
	struct health_row row = {
		.time_ns = clock_wall_ns(),
		.uptime_s = (clock_steady_ns() - r->started_ns) / NS_PER_S,
		.version = WEIR_VERSION,
		.interfaces = interfaces,
		.interface_count = r->interfaces.count * crew_queues(r->crew),
		.counters = counters,
		.last = last,
		.flows_active_now = crew_flows(r->crew),
		.clients_now = ledger.clients_now,
		.exporter = r->config->exporter->name,
		.exporter_up = export.exporter.up,
		.in_flight = export.exporter.in_flight,
		.bytes_raw = export.exporter.bytes_raw,
		.bytes_sent = export.exporter.bytes_sent,
		.last_error = export.last_error[0] != '\0' ? export.last_error : NULL,
		.memory = pools.items,
		.memory_count = pools.count,
		.one_way_flows = ledger.one_way_flows,
		.tcp_flows = ledger.tcp_flows,
		.clock_step_ns = capture.clock_step_ns,
	};
	for (unsigned type = 1; type < RECORD_TYPE_COUNT; type++) {
		row.delivered[type] = export.delivered[type];
		memcpy(row.lost[type], export.lost[type], sizeof(row.lost[type]));
	}
	record_health(r->record, &row);
}

// ---- turning

static void progress(struct run *r, uint64_t now_ns)
{
	uint64_t counters[COUNTER_COUNT];
	double seconds = (double)(now_ns - r->started_ns) / 1e9;

	sum_counters(r, counters);
	log_status("%.1f s  %.2f M packets (%.2f M/s)  %llu flows  %.1f MB", seconds,
		(double)counters[COUNTER_packets] / 1e6,
		(double)counters[COUNTER_packets] / 1e6 / (seconds > 0 ? seconds : 1),
		(unsigned long long)counters[COUNTER_flows_created],
		(double)counters[COUNTER_bytes] / 1e6);
	r->progress_ns = now_ns;
}

// Sources that broke, each once, and those that came back. Whether any is broken now.
static bool say_broken(struct run *r)
{
	uint32_t count = crew_captures(r->crew);
	bool any = false;

	REQUIRE(count <= BROKEN_MAX);
	for (uint32_t i = 0; i < count; i++) {
		const char *why = crew_broken(r->crew, i);
		if (why != NULL && !r->told[i])
			log_error("%s", why);
		else if (why == NULL && r->told[i])
			log_info("interface \"%s\" is up again", r->interfaces.items[i].name);
		r->told[i] = why != NULL;
		any |= r->told[i];
	}
	return any;
}

// What is due by the steady clock: batches that have waited long enough, health, progress.
static void housekeeping(struct run *r, bool terminal)
{
	uint64_t now_ns = clock_steady_ns();

	if (now_ns - r->housekeeping_ns < HOUSEKEEPING_NS)
		return;
	r->housekeeping_ns = now_ns;
	if (r->live) {
		struct capture_stats capture;
		sum_sources(r, &capture, NULL);
		record_clock(r->record, capture.clock_step_ns);
	}
	say_broken(r);
	if (export_ended(r->export) && process_stop == 0) {
		process_stop = 1;
		r->no_taker = true;
	}
	record_seal(r->record, now_ns, r->settings->batch_age, false);
	if (r->live && now_ns - r->health_ns >= HEALTH_PERIOD_S * NS_PER_S) {
		r->health_ns = now_ns;
		write_health(r, false);
	}
	if (terminal && now_ns - r->progress_ns >= PROGRESS_NS)
		progress(r, now_ns);
}

// Standard input is a stream that somebody ends; of a file the rest is missing.
static bool reads_file(const struct run *r)
{
	for (size_t i = 0; i < r->settings->files.count; i++)
		if (strcmp(r->settings->files.items[i].value, "-") != 0)
			return true;
	return false;
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
	if (now_ns >= r->stop_ns || process_stop > 1)
		crew_stop(r->crew);
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
		progress(r, clock_steady_ns());
		log_status_end();
	}
}

// Waits until all that was sealed is out, or the time is up.
static bool drain(struct run *r)
{
	while (!export_drain(r->export, HOUSEKEEPING_NS))
		if (time_is_up(r))
			return false;
	return true;
}

// Everything that is open goes out, health last. Whether every row arrived.
static bool finish(struct run *r)
{
	// Who drops rows rather than wait has not all the time in the world at the end either.
	if (!waits(r) && r->export_by_ns == 0)
		r->export_by_ns = clock_steady_ns() + r->settings->shutdown_timeout;
	ledger_finish(r->ledger);
	record_seal(r->record, clock_steady_ns(), 0, true);
	drain(r);
	write_health(r, true);
	record_seal(r->record, clock_steady_ns(), 0, true);
	// What is left to do is to close.
	bool drained = drain(r);
	return export_stop(r->export, drained ? r->settings->shutdown_timeout : 0);
}

// Each packet is in a flow, consumed, or dropped by a name: the three are counted apart and must
// add up.
static bool sum_is_right(const struct run *r)
{
	uint64_t c[COUNTER_COUNT], dropped = 0;

	sum_counters(r, c);
	for (unsigned d = 0; d < DROP_REASON_COUNT; d++)
		dropped += c[COUNTER_DROPS + d];
	if (c[COUNTER_packets] ==
		c[COUNTER_packets_in_flows] + c[COUNTER_packets_consumed] + dropped)
		return true;
	log_error("%llu packets seen, but %llu in flows, %llu consumed and %llu dropped: please "
		  "report it",
		(unsigned long long)c[COUNTER_packets],
		(unsigned long long)c[COUNTER_packets_in_flows],
		(unsigned long long)c[COUNTER_packets_consumed], (unsigned long long)dropped);
	return false;
}

// Rows that did not arrive, by type and cause: what export lost, what the door could not hand over,
// and segments that never reached the ledger. Whether there are any.
static bool say_what_was_lost(const struct run *r, const struct export_stats *export)
{
	uint64_t counters[COUNTER_COUNT];
	struct record_stats made;
	bool any = false;

	sum_counters(r, counters);
	record_stats(r->record, &made);
	for (unsigned type = 1; type < RECORD_TYPE_COUNT; type++)
		for (unsigned cause = 0; cause < LOST_CAUSE_COUNT; cause++) {
			uint64_t rows = export->lost[type][cause];
			if (cause == LOST_NO_BATCH)
				rows += made.no_batch[type];
			if (cause == LOST_TOO_LARGE)
				rows += made.too_large[type];
			if (cause == LOST_EVENT_RING && type == RECORD_FLOW)
				rows += counters[COUNTER_event_lost_segment];
			if (rows == 0)
				continue;
			any = true;
			log_warning("%llu rows of type %s were lost: %s", (unsigned long long)rows,
				record_type_name(type), lost_cause_name(cause));
		}
	return any;
}

static void summarise(const struct run *r)
{
	uint64_t counters[COUNTER_COUNT];
	struct capture_stats capture;
	struct export_stats export;
	struct summary_run about = {
		.settings = r->settings,
		.counters = counters,
		.capture = &capture,
		.export = &export,
		.wall_ns = clock_steady_ns() - r->started_ns,
	};

	sum_counters(r, counters);
	sum_sources(r, &capture, NULL);
	export_stats(r->export, &export);
	summary_print(r->summary, r->record, &about, to_stdout(r) ? stderr : stdout);
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

enum run_status run(const struct run_config *config)
{
	struct run r = {
		.config = config,
		.settings = config->settings,
		.live = settings_live(config->settings),
		.started_ns = clock_steady_ns(),
	};
	struct problems problems = {0};
	enum run_status status = RUN_FINE;
	bool kept;

	r.health_ns = r.housekeeping_ns = r.progress_ns = r.started_ns;
	REQUIRE(interfaces_read(&r.interfaces, r.settings, &problems) == 0); // checked before
	for (uint32_t i = 0; i < r.interfaces.count; i++)
		r.titles[i] = r.interfaces.items[i].title;
	process_catch_signals();
	memory_prefault_until(&process_stop);
	if (!wait_for_clock(&r))
		return RUN_FINE;
	if (identity_make(&r.identity, r.settings, clock_wall_ns(), &kept, &problems) != 0) {
		problems_print(&problems, stderr);
		problems_fini(&problems);
		return RUN_REFUSED;
	}
	if (r.live && !kept)
		log_warning("the collector's id cannot be kept in %s: this run has one of its own",
			r.settings->state_dir);
	int err = run_open(&r);
	if (err) {
		run_close(&r);
		return err == -EINTR ? (reads_file(&r) ? RUN_SOURCE_BROKE : RUN_FINE) : RUN_REFUSED;
	}
	turn(&r);
	bool delivered = finish(&r);

	struct export_stats export;
	export_stats(r.export, &export);
	bool broken = say_broken(&r);
	if (r.interrupted && !broken)
		log_warning("\"%s\" %s: %s", r.settings->files.items[0].value,
			r.settings->files.count > 1
				? "and the files beside it were not read to their ends"
				: "was not read to its end",
			r.no_taker ? "nobody takes its rows" : "a signal came");
	if ((r.interrupted && !r.no_taker) || broken)
		status = RUN_SOURCE_BROKE;
	if (say_what_was_lost(&r, &export) || !delivered)
		status = status == RUN_FINE ? RUN_ROWS_LOST : RUN_BROKE_AND_LOST;
	if (!sum_is_right(&r))
		status = RUN_SUM_WRONG;
	if (!r.live || isatty(STDOUT_FILENO))
		summarise(&r);
	run_close(&r);
	return status;
}
