// A worker: the thread that turns one shard of several.
#include "core/shard/worker.h"

#include "core/shard/cores.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#define STATS_NS (100 * NS_PER_MS)
// What the ring holds keeps the ledger for milliseconds.
#define FLUSH_NAP_NS NS_PER_MS

void worker_nap(uint32_t *idle, const struct nap *nap)
{
	uint64_t ns = nap->longest_ns;

	if (nap->first_ns << *idle < nap->longest_ns)
		ns = nap->first_ns << (*idle)++;
	nanosleep(&(struct timespec){.tv_nsec = (long)ns}, NULL);
}

static void publish_stats(struct worker *w)
{
	struct capture_stats stats;

	const struct shard *shard = w->config.shard;
	shard->ops->stats(shard->capture, &stats);
	atomic_store_explicit(&w->dropped_kernel, stats.dropped_kernel, memory_order_relaxed);
	atomic_store_explicit(&w->dropped_nic, stats.dropped_nic, memory_order_relaxed);
	for (unsigned i = 0; i < NIC_LOSS_COUNT; i++)
		atomic_store_explicit(&w->nic_lost[i], stats.nic_lost[i], memory_order_relaxed);
	atomic_store_explicit(&w->times_down, stats.times_down, memory_order_relaxed);
	atomic_store_explicit(&w->down, stats.down, memory_order_relaxed);
	atomic_store_explicit(&w->clock_step_ns, stats.clock_step_ns, memory_order_relaxed);
}

static void *worker_main(void *arg)
{
	const struct nap flush_nap = {FLUSH_NAP_NS, FLUSH_NAP_NS};
	struct worker *w = arg;
	struct shard *shard = w->config.shard;
	uint64_t told_ns = 0;
	uint32_t idle = 0;
	int count;

	if (w->config.source->place != NULL)
		w->config.source->place(w->config.thread);
	cores_bind(w->config.core);
	do {
		if (atomic_load_explicit(&w->stop, memory_order_relaxed))
			shard_stop(shard);
		count = shard_step(shard);
		if (shard->now_ns - told_ns >= STATS_NS) {
			publish_stats(w);
			told_ns = shard->now_ns;
		}
		if (count == 0)
			worker_nap(&idle, shard->ended ? &flush_nap : &w->config.nap);
		else
			idle = 0;
	} while (count != -ENODATA);
	atomic_store_explicit(&w->done, true, memory_order_release);
	return NULL;
}

int worker_start(struct worker *w, const struct worker_config *config)
{
	sigset_t all, before;
	char name[16];

	w->config = *config;
	sigfillset(&all);
	sigdelset(&all, SIGBUS); // while blocked, the fault would end the process
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int err = pthread_create(&w->thread, NULL, worker_main, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err)
		return -err;
	w->running = true;
	snprintf(name, sizeof(name), "weir-shard-%u", config->number);
	pthread_setname_np(w->thread, name);
	return 0;
}

void worker_stop(struct worker *w)
{
	atomic_store_explicit(&w->stop, true, memory_order_relaxed);
}

bool worker_done(const struct worker *w)
{
	return atomic_load_explicit(&w->done, memory_order_acquire);
}

void worker_join(struct worker *w)
{
	if (w->running)
		pthread_join(w->thread, NULL);
	w->running = false;
}

void worker_stats(const struct worker *w, struct capture_stats *ret)
{
	ret->dropped_kernel = atomic_load_explicit(&w->dropped_kernel, memory_order_relaxed);
	ret->dropped_nic = atomic_load_explicit(&w->dropped_nic, memory_order_relaxed);
	for (unsigned i = 0; i < NIC_LOSS_COUNT; i++)
		ret->nic_lost[i] = atomic_load_explicit(&w->nic_lost[i], memory_order_relaxed);
	ret->times_down = atomic_load_explicit(&w->times_down, memory_order_relaxed);
	ret->down = atomic_load_explicit(&w->down, memory_order_relaxed);
	ret->clock_step_ns = atomic_load_explicit(&w->clock_step_ns, memory_order_relaxed);
}
