// A worker: the thread that turns one shard of several.
#pragma once

#include "core/shard/shard.h"

#include <pthread.h>

struct worker {
	struct shard *shard;
	pthread_t thread;
	bool running; // main: started and not joined
	_Alignas(CACHE_LINE) _Atomic bool stop; // main: wo, worker: ro
	_Alignas(CACHE_LINE) _Atomic bool done; // worker: wo, main: ro; so are the next
	_Atomic uint64_t dropped_kernel, dropped_nic;
	_Atomic int64_t clock_step_ns;
};

// Starts the thread "weir-shard-N", on a core of its own where the process may use more cores than
// there are shards. It hears no signals. Returns 0 or -errno.
int worker_start(struct worker *worker, struct shard *shard, uint32_t number, uint32_t count);
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
// counts.
void worker_nap(uint32_t *idle);
