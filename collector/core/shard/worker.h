// A worker: the thread that turns one shard of several.
#pragma once

#include "core/shard/shard.h"

#include <pthread.h>

struct worker_config {
	struct shard *shard; // borrowed, like the next
	const struct capture_ops *source; // the run's
	uint32_t number; // of the shard, among `count`
	uint32_t thread; // of those that receive or turn shards
	uint32_t count;
};

struct worker {
	struct worker_config config;
	pthread_t thread;
	bool running; // main: started and not joined
	_Alignas(CACHE_LINE) _Atomic bool stop; // main: wo, worker: ro
	_Alignas(CACHE_LINE) _Atomic bool done; // worker: wo, main: ro; so are the next
	_Atomic uint64_t dropped_kernel, dropped_nic;
	_Atomic int64_t clock_step_ns;
};

// Starts the thread "weir-shard-N", on the core that the source gives it or else on one of its own,
// where the process may use more cores than there are shards. It hears no signals. Returns 0 or
// -errno.
int worker_start(struct worker *worker, const struct worker_config *config);
void worker_stop(struct worker *worker); // ends its source: it flushes
bool worker_done(const struct worker *worker); // the shard has said its last
void worker_join(struct worker *worker); // accepts one that does not run

static inline bool worker_runs(const struct worker *worker)
{
	return worker->running;
}

// What its source has lost, a tenth of a second ago at the most.
void worker_stats(const struct worker *worker, struct capture_stats *ret);

// Whoever polls other threads sleeps here when there was nothing to do: 50 us at first, while which
// the blocks between reader and shards hold enough, up to 2 ms after `*idle` such turns, which it
// counts; always 50 us where what it polls is a source that is `polled`, or feeds on one.
void worker_nap(uint32_t *idle, bool polled);
