// Where a file's CPU time goes: the pipeline's own functions over a capture, each level a stage
// more than the one before it. A stage costs what its level costs beyond the level before.
//
// A level is measured in a process of its own, from the first packet to the last flow's end; what
// is made at start (tables, nDPI's module) is left out. Prints a line a level, tab-separated:
// level, packets, CPU ns, peak RSS in KiB. bench/run repeats, subtracts and compares.
#include "capture/pcap_capture.h"
#include "core/export/export.h"
#include "core/ledger/ledger.h"
#include "core/packet/decode.h"
#include "core/shard/shard.h"
#include "core/shard/stage_settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum level {
	LEVEL_READ, // libpcap and the copy into the batch
	LEVEL_DECODE,
	LEVEL_FLOWS, // the table: look-up, update, expiry
	LEVEL_SEGMENTS, // ended flows as events in the ring, nobody classifies
	LEVEL_NAMES, // our own parsers
	LEVEL_NDPI, // the shard, whole
	LEVEL_RECORDS, // ledger, door, batches; the null exporter
	LEVEL_EXPORT, // segments on disk; all that `weir run` does but its summary
	LEVEL_COUNT,
};

static const char *const level_names[LEVEL_COUNT] = {
	[LEVEL_READ] = "read",
	[LEVEL_DECODE] = "decode",
	[LEVEL_FLOWS] = "flows",
	[LEVEL_SEGMENTS] = "segments",
	[LEVEL_NAMES] = "names",
	[LEVEL_NDPI] = "ndpi",
	[LEVEL_RECORDS] = "records",
	[LEVEL_EXPORT] = "export",
};

enum { RING_BYTES = 4 << 20 }; // as core/shard/run.c has it

extern const struct exporter_ops file_exporter_ops, null_exporter_ops;
static const struct classifier_ops *const no_classifiers[] = {NULL};

struct bench {
	const struct settings *settings;
	enum level level;
	uint8_t iface_group[256];
	struct counters *counters;
	struct event_ring ring;
	struct event_ring *rings[1];
	struct shard *shard;
	struct record_identity identity;
	struct policy *policy;
	struct batch_pool batches;
	struct record *record;
	struct ledger *ledger;
	struct export *export;
};

struct result {
	uint64_t packets, cpu_ns;
};

static void fail(const char *what, int err)
{
	fprintf(stderr, "stages: %s: %s\n", what, strerror(-err));
	exit(2);
}

static uint64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

// ---- making

static void make_flows(struct bench *b)
{
	struct flow_settings flows = stage_flow_settings(b->settings, 1, false);

	flows.iface_group = b->iface_group;
	flows.key = hash_key_new(1, 1); // the same each time
	int err = flow_table_new(&b->shard->flows, &flows, b->counters);
	if (err)
		fail("flow table", err);
}

static void make_classify(struct bench *b)
{
	struct classify_settings classify = stage_classify_settings(b->settings, 1, false);

	classify.dpi &= b->level >= LEVEL_NDPI;
	classify.classifiers = b->level >= LEVEL_NAMES ? classifiers : no_classifiers;
	int err = classify_new(&b->shard->classify, &classify, b->counters);
	if (err)
		fail("classify", err);
}

static const char *const interface_names[] = {"bench"};

static void make_ledger(struct bench *b)
{
	const struct settings *s = b->settings;
	struct problems problems = {0};
	bool random_key;

	b->rings[0] = &b->ring;
	b->identity = (struct record_identity){.tenant = s->tenant,
		.site = s->site,
		.run_start_ns = (uint64_t)time(NULL) * NS_PER_S,
		.offline = true,
		.retention_ns = s->retention};
	int err = policy_new(&b->policy, s, &problems, &random_key);
	problems_print(&problems, stderr);
	if (!err)
		err = batch_pool_init(&b->batches, (uint32_t)s->batches, (uint32_t)s->batch_bytes);
	if (!err)
		err = record_new(&b->record, b->policy, classify_taxonomy(b->shard->classify),
			&b->identity, &b->batches, s->format == FORMAT_JSON, true);
	struct ledger_config config = {
		.settings = s,
		.policy = b->policy,
		.record = b->record,
		.rings = b->rings,
		.ring_count = 1,
		.interface_names = interface_names,
		.counters = b->counters + 1,
		.seed = 1,
	};
	if (!err)
		err = ledger_new(&b->ledger, &config);
	if (err)
		fail("ledger", err);
}

static void start_export(struct bench *b)
{
	char error[EXPORTER_ERROR_SIZE];
	struct exporter_config config = {
		.settings = b->settings,
		.identity = &b->identity,
		.policy_sha256 = policy_sha256(b->policy),
	};

	if (export_start(&b->export,
		    b->level == LEVEL_EXPORT ? &file_exporter_ops : &null_exporter_ops, &config,
		    &b->batches, error)) {
		fprintf(stderr, "stages: %s\n", error);
		exit(2);
	}
}

static void bench_open(struct bench *b, const struct settings *settings, enum level level)
{
	struct capture_config capture = {.file = settings->files.items[0].value};
	char error[CAPTURE_ERROR_SIZE];

	b->settings = settings;
	b->level = level;
	b->counters = aligned_alloc(CACHE_LINE, 2 * sizeof(*b->counters));
	b->shard = aligned_alloc(CACHE_LINE, sizeof(*b->shard));
	if (b->counters == NULL || b->shard == NULL)
		fail("start", -ENOMEM);
	memset(b->counters, 0, 2 * sizeof(*b->counters)); // the shard's, the ledger's
	memset(b->shard, 0, sizeof(*b->shard));
	int err = event_ring_init(&b->ring, RING_BYTES, b->counters);
	if (err)
		fail("ring", err);
	b->ring.one_thread = true;
	b->shard->ops = &pcap_capture_ops;
	b->shard->counters = b->counters;
	b->shard->events = &b->ring;
	if (pcap_capture_ops.open(&b->shard->capture, &capture, 0, error)) {
		fprintf(stderr, "stages: %s\n", error);
		exit(2);
	}
	make_flows(b);
	make_classify(b);
	if (level >= LEVEL_RECORDS) {
		make_ledger(b);
		start_export(b);
	}
}

// ---- the levels

static uint64_t run_decode(struct bench *b)
{
	struct packet_batch *batch = &b->shard->batch;
	uint64_t packets = 0;
	int count;

	while ((count = b->shard->ops->receive(b->shard->capture, batch)) > 0) {
		if (b->level == LEVEL_DECODE)
			decode_batch(batch, b->counters);
		packets += (uint64_t)count;
		b->shard->ops->release(b->shard->capture, batch);
	}
	return packets;
}

static void drop_ended(struct flow_table *flows)
{
	struct flow *flow;

	while ((flow = flow_table_ended(flows)) != NULL)
		flow_table_done(flows, flow);
}

static uint64_t run_flows(struct bench *b)
{
	struct packet_batch *batch = &b->shard->batch;
	struct flow_table *flows = b->shard->flows;
	uint64_t packets = 0;
	int count;

	while ((count = b->shard->ops->receive(b->shard->capture, batch)) > 0) {
		decode_batch(batch, b->counters);
		flow_table_prepare(flows, batch);
		for (uint32_t from = 0; from < batch->count;) {
			from = flow_table_update(flows, batch, from);
			drop_ended(flows);
		}
		while (!flow_table_expire(flows, batch->now_ns, PACKET_BATCH_MAX))
			drop_ended(flows);
		drop_ended(flows);
		packets += (uint64_t)count;
		b->shard->ops->release(b->shard->capture, batch);
	}
	while (!flow_table_flush(flows, batch->now_ns, PACKET_BATCH_MAX))
		drop_ended(flows);
	drop_ended(flows);
	return packets;
}

// Nobody reads the events.
static void empty_ring(struct event_ring *ring)
{
	while (event_ring_peek(ring) != NULL)
		event_ring_pop(ring);
}

static uint64_t run_shard(struct bench *b)
{
	uint64_t packets = 0;
	int count;

	while ((count = shard_step(b->shard)) >= 0) {
		packets += (uint64_t)count;
		empty_ring(&b->ring);
	}
	return packets;
}

static uint64_t run_whole(struct bench *b)
{
	uint64_t packets = 0;
	int count;

	while ((count = shard_step(b->shard)) >= 0) {
		packets += (uint64_t)count;
		ledger_step(b->ledger);
	}
	ledger_finish(b->ledger);
	record_seal(b->record, 0, 0, true);
	while (!export_drain(b->export, NS_PER_S))
		continue;
	if (!export_stop(b->export, NS_PER_S))
		fail("export", -EIO);
	return packets;
}

static struct result measure(const struct settings *settings, enum level level)
{
	static struct bench bench;
	struct result result;

	bench_open(&bench, settings, level);
	uint64_t start_ns = cpu_ns();
	if (level <= LEVEL_DECODE)
		result.packets = run_decode(&bench);
	else if (level == LEVEL_FLOWS)
		result.packets = run_flows(&bench);
	else if (level <= LEVEL_NDPI)
		result.packets = run_shard(&bench);
	else
		result.packets = run_whole(&bench);
	result.cpu_ns = cpu_ns() - start_ns;
	return result;
}

// In a child, so that no level finds memory that an earlier one has touched.
static void measure_apart(const struct settings *settings, enum level level)
{
	int ends[2];
	struct result result;
	struct rusage usage;
	int status;

	fflush(stdout);
	if (pipe(ends) != 0)
		fail("pipe", -errno);
	pid_t child = fork();
	if (child < 0)
		fail("fork", -errno);
	if (child == 0) {
		result = measure(settings, level);
		_exit(write(ends[1], &result, sizeof(result)) == sizeof(result) ? 0 : 2);
	}
	close(ends[1]);
	ssize_t got = read(ends[0], &result, sizeof(result));
	close(ends[0]);
	if (wait4(child, &status, 0, &usage) != child || status != 0 || got != sizeof(result)) {
		fprintf(stderr, "stages: level \"%s\" failed\n", level_names[level]);
		exit(2);
	}
	printf("%s\t%llu\t%llu\t%ld\n", level_names[level], (unsigned long long)result.packets,
		(unsigned long long)result.cpu_ns, usage.ru_maxrss);
}

static enum level level_of(const char *name)
{
	for (unsigned level = 0; level < LEVEL_COUNT; level++)
		if (strcmp(name, level_names[level]) == 0)
			return level;
	fprintf(stderr, "stages: there is no level \"%s\"\n", name);
	exit(2);
}

static void set(struct settings *settings, char *assignment)
{
	struct problems problems = {0};
	char *value = strchr(assignment, '=');

	if (value == NULL)
		fail(assignment, -EINVAL);
	*value++ = '\0';
	if (settings_set(settings, assignment, value, &problems) != 0)
		fail(assignment, -EINVAL);
}

int main(int argc, char **argv)
{
	struct settings settings;
	int option;

	int err = settings_init(&settings);
	if (err)
		fail("settings", err);
	while ((option = getopt(argc, argv, "o:s:")) != -1) {
		if (option == 'o')
			settings.output = optarg;
		else if (option == 's')
			set(&settings, optarg);
		else
			return 2;
	}
	set(&settings, strdup("user=")); // the exporter's folder is ours
	if (optind == argc) {
		fprintf(stderr,
			"usage: stages -o DIRECTORY [-s SETTING=VALUE]... FILE "
			"[LEVEL]...\nlevels:");
		for (unsigned level = 0; level < LEVEL_COUNT; level++)
			fprintf(stderr, " %s", level_names[level]);
		fprintf(stderr, "\n");
		return 2;
	}
	struct problems problems = {0};
	settings_add(&settings, "capture.files", argv[optind++], &problems);
	if (optind == argc)
		for (unsigned level = 0; level < LEVEL_COUNT; level++)
			measure_apart(&settings, level);
	for (; optind < argc; optind++)
		measure_apart(&settings, level_of(argv[optind]));
	return 0;
}
