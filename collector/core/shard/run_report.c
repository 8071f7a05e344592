// What a run says of itself: at its start, in health rows, on the progress line, and at its end.
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/memory.h"
#include "core/base/own_connections.h"
#include "core/shard/run_parts.h"

#include <inttypes.h>
#include <string.h>

static void list_memory(const struct run *r, struct memory_pools *pools)
{
	*pools = (struct memory_pools){0};
	crew_memory(r->crew, pools);
	ledger_memory(r->ledger, pools);
	memory_pools_add(pools, "batches", MEMORY_UNKNOWN, batch_pool_bytes(&r->batches));
}

// Live, what does not fit has not been touched yet; of a file nothing has.
static void warn_of_memory(const struct run *r, uint64_t total, const char *limits)
{
	char advice[96];
	uint32_t mib;

	if (total + MEMORY_BESIDE_POOLS <= r->room.bytes)
		return;
	const char *preset = memory_room_preset(r->room.bytes, &mib);
	if (preset == NULL)
		snprintf(advice, sizeof(advice),
			"not even limits: gateway fits, which takes 128 MiB");
	else if (strcmp(preset, limits) == 0)
		snprintf(advice, sizeof(advice), "limits: %s fits, without what else is set",
			preset);
	else
		snprintf(
			advice, sizeof(advice), "limits: %s fits, which takes %u MiB", preset, mib);
	log_warning("memory: %" PRIu64 " MiB are set aside, but %" PRIu64
		    " MiB is all there is (%s): the kernel ends weir when they are used; %s",
		(total + MEMORY_BESIDE_POOLS) >> 20, r->room.bytes >> 20, r->room.who, advice);
}

void run_say_what_runs(const struct run *r)
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
	warn_of_memory(r, total, limits);
	if (crew_taxonomy(r->crew)->origin != NULL)
		log_info("applications are recognised by %s", crew_taxonomy(r->crew)->origin);
}

static void sum_counters(const struct run *r, uint64_t sum[COUNTER_COUNT])
{
	memset(sum, 0, COUNTER_COUNT * sizeof(*sum));
	counters_publish(r->counters);
	counters_sum(r->counters, sum);
	crew_counters(r->crew, sum);
}

void run_sum_sources(
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

void run_write_health(struct run *r, bool last)
{
	uint64_t counters[COUNTER_COUNT];
	struct health_interface interfaces[INTERFACES_MAX * SHARDS_MAX];
	struct memory_pools pools;
	struct capture_stats capture;
	struct ledger_stats ledger;
	struct export_stats export;

	sum_counters(r, counters);
	run_sum_sources(r, &capture, interfaces);
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

void run_progress(struct run *r, uint64_t now_ns)
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

bool run_say_broken(struct run *r)
{
	uint32_t count = crew_captures(r->crew);
	bool any = false;

	REQUIRE(count <= BROKEN_MAX);
	for (uint32_t i = 0; i < count; i++) {
		const char *why = crew_broken(r->crew, i);
		const char *told = r->told[i];
		// One that is down may turn out to be gone.
		if (why != NULL && (told == NULL || strcmp(why, told) != 0))
			log_error("%s", why);
		else if (why == NULL && told != NULL)
			log_info("interface \"%s\" is up again", r->interfaces.items[i].name);
		r->told[i] = why;
		any |= why != NULL;
	}
	return any;
}

void run_say_own(struct run *r)
{
	if (!r->live || r->told_own || own_connections_missed() == 0)
		return;
	r->told_own = true;
	log_warning("some of what goes to the brokers is collected like anybody's: the kernel took "
		    "no filter of them, or there are more than %d; name them in capture.filter",
		OWN_CONNECTIONS_MAX);
}

bool run_sum_is_right(const struct run *r)
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

bool run_say_what_was_lost(const struct run *r)
{
	uint64_t counters[COUNTER_COUNT];
	struct export_stats export;
	struct record_stats made;
	bool any = false;

	sum_counters(r, counters);
	export_stats(r->export, &export);
	record_stats(r->record, &made);
	for (unsigned type = 1; type < RECORD_TYPE_COUNT; type++)
		for (unsigned cause = 0; cause < LOST_CAUSE_COUNT; cause++) {
			uint64_t rows = export.lost[type][cause];
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

void run_summarise(const struct run *r)
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
	run_sum_sources(r, &capture, NULL);
	export_stats(r->export, &export);
	summary_print(r->summary, r->record, &about, run_to_stdout(r) ? stderr : stdout);
}
