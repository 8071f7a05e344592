// A worker: the thread that turns one shard of several.
#pragma once

#include "core/shard/shard.h"

#include <pthread.h>

// How long who polls other threads sleeps when there was nothing to do: longer with each such turn.
struct nap {
	uint64_t first_ns, longest_ns;
};

struct worker_config {
	struct shard *shard; // borrowed, like the next
	const struct capture_ops *source; // the run's
	uint32_t number; // of the shard
	uint32_t thread; // of those that receive or turn shards
	int core; // CORE_ANY: where the source places it, or the scheduler
	struct nap nap; // between turns, while the source goes on
};

struct worker {
	struct worker_config config;
	pthread_t thread;
	bool running; // main: started and not joined
	_Alignas(CACHE_LINE) _Atomic bool stop; // main: wo, worker: ro
	_Alignas(CACHE_LINE) _Atomic bool done; // worker: wo, main: ro; so are the next
	_Atomic uint64_t dropped_kernel, dropped_nic, nic_lost[NIC_LOSS_COUNT], times_down;
	_Atomic int64_t clock_step_ns;
	_Atomic bool down;
};

// Starts the thread "weir-shard-N". Of signals it hears SIGBUS alone: packets that it reads may lie
// in a file that is cut meanwhile. Returns 0 or -errno.
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

// Sleeps as `nap` has it; `*idle` counts the turns.
void worker_nap(uint32_t *idle, const struct nap *nap);
