// The crew: making shards, turning them, asking them.
#include "core/shard/crew.h"

#include "core/ledger/ledger.h"
#include "core/packet/capture_merge.h"
#include "core/shard/cores.h"
#include "core/shard/dispatch.h"
#include "core/shard/process.h"
#include "core/shard/sources.h"
#include "core/shard/stage_settings.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

enum { RING_BYTES = 4 << 20 };
// The first nap of who had nothing to do, and a shard's longest.
#define NAP_NS (50 * NS_PER_US)
#define SHARD_NAP_NS (2 * NS_PER_MS)
// While main sleeps, a shard that was idle before can say more than 10000 things.
#define LEDGER_NAP_NS (10 * NS_PER_MS)
// The blocks between reader and shards hold more than comes meanwhile. To sleep and wake up costs
// as much as some ten packets do.
#define BLOCKS_NAP_NS (1000 * NS_PER_US)

enum purpose { PURPOSE_DISPATCH = 0x64697370, PURPOSE_DEDUP = 0x64656475 };

struct member {
	struct shard shard;
	struct counters counters;
	struct event_ring ring;
	struct worker worker;
};

struct crew {
	struct crew_config config;
	struct sources sources;
	struct cores cores;
	uint32_t count;
	struct dispatch *dispatch; // several shards, one queue
	struct capture *source; // the reader's
	struct dedup *dedup; // the reader's
	struct counters counters; // the reader's
	uint8_t iface_group[256];
	struct event_ring *rings[SHARDS_MAX];
	char down[CAPTURE_ERROR_SIZE]; // said of an only interface that is down
	struct member members[];
};
static_assert(sizeof(struct crew) % CACHE_LINE == 0 && sizeof(struct member) % CACHE_LINE == 0);

// ---- making

static int make_dedup(const struct crew *c, struct dedup **ret)
{
	const struct settings *s = c->config.settings;
	struct hash_key key = hash_key_new(s->seed, PURPOSE_DEDUP);

	return s->dedup ? dedup_new(ret, s->dedup_window, c->iface_group, &key) : 0;
}

static int make_dispatch(struct crew *c, char error[CREW_ERROR_SIZE])
{
	struct dispatch_config config = {
		.ops = c->sources.ops,
		.shard_count = c->count,
		.key = hash_key_new(c->config.settings->seed, PURPOSE_DISPATCH),
		.counters = &c->counters,
		.first_reads = !c->config.live,
	};

	const struct sources_queue all = {.count = 1, .counters = &c->counters};
	int err = sources_open(&c->sources, &c->source, &all, error);
	if (err)
		return err;
	err = make_dedup(c, &c->dedup);
	config.source = c->source;
	config.dedup = c->dedup;
	if (!err)
		err = dispatch_new(&c->dispatch, &config);
	if (err)
		snprintf(error, CREW_ERROR_SIZE, "no memory for %u shards", c->count);
	return err;
}

// A queue for each shard, or else one reader for all. With --clock packet or --exit-idle it is the
// reader: the clock of a shard that hears nothing would stand still, or it would end before the
// others.
static int share_out(struct crew *c, char error[CREW_ERROR_SIZE])
{
	const struct settings *s = c->config.settings;

	if (s->packet_clock || s->exit_idle != 0 || !sources_share(&c->sources, (uint16_t)c->count))
		return make_dispatch(c, error);
	return 0;
}

static int open_source(struct crew *c, uint32_t i, char error[CREW_ERROR_SIZE])
{
	struct member *m = &c->members[i];
	struct shard *shard = &m->shard;

	if (c->dispatch != NULL) {
		shard->ops = dispatch_end(c->dispatch, i, &shard->capture);
		return 0;
	}
	const struct sources_queue queue = {
		.number = (uint16_t)i,
		.count = (uint16_t)c->count,
		.first = c->members[0].shard.capture,
		.counters = &m->counters,
	};
	int err = sources_open(&c->sources, &shard->capture, &queue, error);
	if (!err)
		shard->ops = c->sources.ops;
	return err;
}

// A live source's reader. Of files the first shard reads.
static bool main_reads(const struct crew *c)
{
	return c->dispatch != NULL && c->config.live;
}

// How many shards main turns itself: the only one, or of two the one that reads a file for both,
// whose events the ledger then finds in the caches of its own core. Of more the reader alone would
// keep the others waiting, had it the ledger to turn as well.
static uint32_t turned_by_main(const struct crew *c)
{
	return c->count == 1 || (c->count == 2 && c->dispatch != NULL && !c->config.live) ? 1 : 0;
}

static int make_stages(struct crew *c, struct member *m, char error[CREW_ERROR_SIZE])
{
	const struct settings *s = c->config.settings;
	struct flow_settings flows = stage_flow_settings(s, c->count, c->config.live);
	struct classify_settings classify = stage_classify_settings(s, c->count, c->config.live);

	flows.iface_group = c->iface_group;
	flows.excluded = classify.excluded = c->config.excluded;
	classify.classifiers = c->config.classifiers;
	m->shard.counters = &m->counters;
	m->shard.events = &m->ring;
	m->shard.events_held = c->count > 1 ? ledger_ring_events(s, c->count) : 0;
	int err = event_ring_init(&m->ring, RING_BYTES, &m->counters);
	m->ring.one_thread = m < c->members + turned_by_main(c);
	if (!err && c->dispatch == NULL)
		err = make_dedup(c, &m->shard.dedup);
	if (!err)
		err = flow_table_new(&m->shard.flows, &flows, &m->counters);
	if (!err)
		err = classify_new(&m->shard.classify, &classify, &m->counters);
	if (err)
		snprintf(error, CREW_ERROR_SIZE,
			"the shard does not start: %s; lower shards, flow.max, dpi.states, "
			"dpi.memory or dpi.findings",
			strerror(-err));
	return err;
}

// As capture_ops.place() counts them: with a reader, that is the first.
static uint32_t thread_of(const struct crew *c, uint32_t shard)
{
	return main_reads(c) ? shard + 1 : shard;
}

// On the member's core, so that its memory is near.
static int make_member(struct crew *c, uint32_t i, char error[CREW_ERROR_SIZE])
{
	cpu_set_t before;

	bool moved = c->cores.shard[i] != CORE_ANY &&
		sched_getaffinity(0, sizeof(before), &before) == 0 &&
		cores_bind(c->cores.shard[i]) == 0;
	int err = open_source(c, i, error);
	if (!err)
		err = make_stages(c, &c->members[i], error);
	c->rings[i] = &c->members[i].ring;
	if (moved)
		sched_setaffinity(0, sizeof(before), &before);
	return err;
}

int crew_new(struct crew **ret, const struct crew_config *config, char error[CREW_ERROR_SIZE])
{
	const struct settings *s = config->settings;
	uint32_t count = (uint32_t)s->shards;
	size_t size = sizeof(struct crew) + count * sizeof(struct member);
	struct crew *c = aligned_alloc(CACHE_LINE, size);
	int err = 0;

	if (c == NULL) {
		snprintf(error, CREW_ERROR_SIZE, "no memory for %u shards", count);
		return -ENOMEM;
	}
	memset(c, 0, size);
	c->config = *config;
	c->count = count;
	sources_init(&c->sources, s, config->interfaces, config->capture);
	snprintf(c->down, sizeof(c->down), "interface \"%s\" went down or away",
		config->interfaces->items[0].name);
	cores_choose(&c->cores, s, config->capture->place != NULL);
	for (uint32_t i = 0; i < config->interfaces->count; i++)
		c->iface_group[i] = config->interfaces->items[i].group;
	if (count > 1)
		err = share_out(c, error);
	for (uint32_t i = 0; config->capture->core != NULL && i < count; i++)
		c->cores.shard[i] = config->capture->core(thread_of(c, i));
	// Each may wait for its sockets.
	for (uint32_t i = 0; !err && i < count; i++)
		err = process_stop ? -EINTR : make_member(c, i, error);
	if (err) {
		crew_free(c);
		return err;
	}
	*ret = c;
	return 0;
}

void crew_free(struct crew *c)
{
	if (c == NULL)
		return;
	for (uint32_t i = 0; i < c->count; i++)
		worker_stop(&c->members[i].worker);
	for (uint32_t i = 0; i < c->count; i++)
		worker_join(&c->members[i].worker);
	for (uint32_t i = 0; i < c->count; i++) {
		struct member *m = &c->members[i];
		dedup_free(m->shard.dedup);
		classify_free(m->shard.classify);
		flow_table_free(m->shard.flows);
		event_ring_fini(&m->ring);
		if (m->shard.ops != NULL)
			m->shard.ops->close(m->shard.capture);
	}
	dispatch_free(c->dispatch);
	dedup_free(c->dedup);
	c->sources.ops->close(c->source);
	free(c);
}

// ---- turning

// A shard's, or the reader's: a NIC's queue fills soon.
static struct nap nap_of(const struct crew *c)
{
	if (c->config.capture->polled)
		return (struct nap){NAP_NS, NAP_NS};
	return (struct nap){c->dispatch != NULL ? BLOCKS_NAP_NS : NAP_NS, SHARD_NAP_NS};
}

static int start_workers(struct crew *c, char error[CREW_ERROR_SIZE])
{
	int err = 0;

	for (uint32_t i = 0; !err && i < c->count; i++) {
		struct shard *shard = &c->members[i].shard;
		if (shard->ops->start != NULL)
			err = shard->ops->start(shard->capture, error);
	}
	for (uint32_t i = turned_by_main(c); !err && i < c->count; i++) {
		struct worker_config config = {
			.shard = &c->members[i].shard,
			.source = c->config.capture,
			.number = i,
			.thread = thread_of(c, i),
			.core = c->config.capture->place != NULL ? CORE_ANY : c->cores.shard[i],
			.nap = nap_of(c),
		};
		err = worker_start(&c->members[i].worker, &config);
		if (err)
			snprintf(error, CREW_ERROR_SIZE,
				"the thread of shard %u does not start: %s", i, strerror(-err));
	}
	return err;
}

int crew_start(struct crew *c, char error[CREW_ERROR_SIZE])
{
	bool main_turns = turned_by_main(c) > 0;
	int err = c->count == 1 ? 0 : start_workers(c, error);

	// After the threads, which would inherit its core.
	if (!err && (main_turns || main_reads(c)) && c->config.capture->place != NULL)
		c->config.capture->place(0);
	else if (!err && main_turns)
		cores_bind(c->cores.shard[0]);
	return err;
}

// Whether every thread is through. One whose source broke ends all.
static bool workers_done(struct crew *c)
{
	bool done = true, broken = false;

	for (uint32_t i = turned_by_main(c); i < c->count; i++) {
		const struct worker *worker = &c->members[i].worker;
		bool through = worker_done(worker);
		done = done && through;
		broken = broken || (through && c->members[i].shard.error);
	}
	if (broken)
		crew_stop(c);
	return done;
}

int crew_turn(struct crew *c)
{
	struct shard *own = turned_by_main(c) > 0 ? &c->members[0].shard : NULL;
	int count = 0;

	if (own != NULL && !own->flushed) {
		count = shard_step(own);
	} else if (main_reads(c)) {
		count = dispatch_step(c->dispatch);
		counters_publish(&c->counters);
	}
	if ((own != NULL && !own->flushed) || !workers_done(c))
		return MAX(count, 0);
	for (uint32_t i = 0; i < c->count; i++)
		worker_join(&c->members[i].worker);
	return -ENODATA;
}

struct nap crew_nap(const struct crew *c)
{
	return c->dispatch != NULL ? nap_of(c) : (struct nap){NAP_NS, LEDGER_NAP_NS};
}

void crew_stop(struct crew *c)
{
	if (c->count == 1) {
		shard_stop(&c->members[0].shard);
	} else if (c->dispatch != NULL) {
		dispatch_stop(c->dispatch);
	} else {
		for (uint32_t i = 0; i < c->count; i++)
			worker_stop(&c->members[i].worker);
	}
}

// ---- asking

struct event_ring **crew_rings(struct crew *c, uint32_t *ret_count)
{
	*ret_count = c->count;
	return c->rings;
}

const struct taxonomy *crew_taxonomy(const struct crew *c)
{
	return classify_taxonomy(c->members[0].shard.classify);
}

bool crew_read_whole(const struct crew *c)
{
	bool all = true;

	if (c->dispatch != NULL)
		return dispatch_ended(c->dispatch);
	for (uint32_t i = 0; i < c->count; i++)
		all = all && atomic_load_explicit(&c->members[i].shard.ended, memory_order_relaxed);
	return all;
}

// What queue `queue` of all interfaces is received from.
static struct capture *queue_capture(const struct crew *c, uint32_t queue)
{
	return c->dispatch != NULL ? c->source : c->members[queue].shard.capture;
}

// What all interfaces' queue has lost, of who receives from it. As a side effect a merge learns
// what each has.
static void queue_stats(const struct crew *c, uint32_t queue, struct capture_stats *ret)
{
	const struct worker *worker = &c->members[queue].worker;

	if (!main_reads(c) && worker_runs(worker))
		worker_stats(worker, ret);
	else
		c->sources.ops->stats(queue_capture(c, queue), ret);
}

// Of an only source: what it broke of, when nobody turns it any more.
static const char *only_broken(const struct crew *c)
{
	if (c->dispatch != NULL)
		return dispatch_error(c->dispatch) ? c->sources.ops->error(c->source) : NULL;
	for (uint32_t i = 0; i < c->count; i++) {
		const struct member *m = &c->members[i];
		if (!worker_runs(&m->worker) && m->shard.error)
			return m->shard.ops->error(m->shard.capture);
	}
	return NULL;
}

uint32_t crew_captures(const struct crew *c)
{
	return sources_captures(&c->sources);
}

// An only interface that may come back.
static bool only_down(const struct crew *c)
{
	struct capture_stats stats = {0};

	if (c->config.live)
		queue_stats(c, 0, &stats);
	return stats.down;
}

const char *crew_broken(const struct crew *c, uint32_t i)
{
	const char *why;

	if (!c->sources.merged) {
		why = only_broken(c);
		return why == NULL && only_down(c) ? c->down : why;
	}
	return merge_source_broken(queue_capture(c, 0), i);
}

uint32_t crew_queues(const struct crew *c)
{
	return c->dispatch != NULL ? 1 : c->count;
}

void crew_memory(const struct crew *c, struct memory_pools *pools)
{
	for (uint32_t i = 0; i < c->count; i++) {
		const struct shard *shard = &c->members[i].shard;
		memory_pools_add(pools, "flows", MEMORY_UNKNOWN, flow_table_bytes(shard->flows));
		classify_memory(shard->classify, pools);
		memory_pools_add(pools, "events", MEMORY_UNKNOWN, RING_BYTES);
		if (shard->dedup != NULL)
			memory_pools_add(pools, "copies", MEMORY_UNKNOWN, dedup_bytes());
	}
	if (c->dedup != NULL)
		memory_pools_add(pools, "copies", MEMORY_UNKNOWN, dedup_bytes());
	if (c->dispatch != NULL)
		memory_pools_add(pools, "blocks", MEMORY_UNKNOWN, dispatch_bytes(c->dispatch));
	// The kernel's rings, or a port's buffers, which its queues have together.
	uint32_t buffers = c->config.capture->polled ? 1 : crew_queues(c);
	if (c->config.live)
		memory_pools_add(pools, "capture", MEMORY_UNKNOWN,
			c->config.settings->buffer * crew_captures(c) * buffers);
}

uint32_t crew_flows(const struct crew *c)
{
	uint32_t flows = 0;

	for (uint32_t i = 0; i < c->count; i++)
		flows += atomic_load_explicit(&c->members[i].shard.flows_now, memory_order_relaxed);
	return flows;
}

void crew_counters(const struct crew *c, uint64_t sum[COUNTER_COUNT])
{
	counters_sum(&c->counters, sum);
	for (uint32_t i = 0; i < c->count; i++)
		counters_sum(&c->members[i].counters, sum);
}

void crew_source(const struct crew *c, uint32_t interface, uint32_t queue,
	struct capture_stats *ret_stats, uint64_t *ret_packets, uint64_t *ret_bytes)
{
	uint64_t counters[COUNTER_COUNT] = {0};

	queue_stats(c, queue, ret_stats);
	if (c->sources.count > 1) {
		merge_source_stats(
			queue_capture(c, queue), interface, ret_stats, ret_packets, ret_bytes);
		return;
	}
	counters_sum(c->dispatch != NULL ? &c->counters : &c->members[queue].counters, counters);
	*ret_packets = counters[COUNTER_packets];
	*ret_bytes = counters[COUNTER_bytes];
}
