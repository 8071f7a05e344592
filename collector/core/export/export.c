// The export thread: takes sealed batches to the exporter until it has them all or its time is up.
#include "core/export/export.h"

#include "core/base/clock.h"
#include "core/export/export_done.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum {
	// With nothing to do the thread looks again after 4 ms, then twice as long each time, to
	// this.
	SLEEP_MIN_MS = 4,
	SLEEP_MAX_MS = 50,
	// The longest an exporter that takes no more, or has rows under way, may wait in one call.
	POLL_MS = 20,
};

struct export
{
	const struct exporter_ops *ops;
	struct exporter *exporter;
	struct batch *pending; // the exporter took it not yet
	struct export_done done;
	pthread_t thread;
	bool started;
	int wake_fd; // for stop and drain
	bool complete; // thread: wo, after join: ro
	_Atomic bool stop; // main or ledger: wo, export: ro
	_Atomic uint64_t stop_by_ns; // steady; set before `stop`
};

// When a time is over; UINT64_MAX: never.
static uint64_t deadline_ns(uint64_t timeout_ns)
{
	uint64_t now_ns = clock_steady_ns();

	return timeout_ns > UINT64_MAX - now_ns ? UINT64_MAX : now_ns + timeout_ns;
}

static void publish(struct export *e)
{
	struct exporter_stats stats = {0};

	e->ops->stats(e->exporter, &stats);
	export_done_publish(&e->done, &stats);
}

// Offers the exporter what there is; whether it took anything.
static bool submit_all(struct export *e)
{
	bool took = false;

	while (e->pending != NULL || (e->pending = batch_pool_next(e->done.batches)) != NULL) {
		int err = e->ops->submit(e->exporter, e->pending);
		if (err == -EAGAIN)
			return took;
		REQUIRE(err == 0);
		e->pending = NULL;
		took = true;
		if (atomic_load_explicit(&e->stop, memory_order_acquire))
			return took; // one at a time, so that the time to stop is kept
		e->ops->poll(e->exporter, 0);
		publish(e);
	}
	return took;
}

static void sleep_ms(struct export *e, int ms)
{
	struct pollfd wake = {.fd = e->wake_fd, .events = POLLIN};
	uint64_t count;

	if (poll(&wake, 1, ms) > 0)
		(void)!read(e->wake_fd, &count, sizeof(count));
}

// One turn. False when there is nothing more to do, ever.
static bool turn(struct export *e, int *sleep)
{
	bool stop = atomic_load_explicit(&e->stop, memory_order_acquire);

	if (stop && clock_steady_ns() >= atomic_load_explicit(&e->stop_by_ns, memory_order_relaxed))
		return false;
	bool took = submit_all(e);
	// Asked after `stop`, after which nothing more is sealed.
	bool empty = e->pending == NULL && !took;
	bool idle = empty && e->ops->idle(e->exporter, stop);

	if (stop && idle) {
		e->complete = true;
		return false;
	}
	if (!idle)
		e->ops->poll(e->exporter, took ? 0 : POLL_MS);
	publish(e);
	if (took) {
		*sleep = SLEEP_MIN_MS;
	} else if (idle) {
		sleep_ms(e, *sleep);
		*sleep = MIN(*sleep * 2, (int)SLEEP_MAX_MS);
	}
	return true;
}

static void lose_rest(struct export *e)
{
	struct batch *batch;

	while ((batch = e->pending != NULL ? e->pending : batch_pool_next(e->done.batches)) !=
		NULL) {
		e->pending = NULL;
		export_lost(&e->done, batch->type, LOST_SHUTDOWN, batch->count);
		export_batch(&e->done, batch);
	}
}

static void *export_main(void *argument)
{
	struct export *e = argument;
	int sleep = SLEEP_MIN_MS;

	while (turn(e, &sleep))
		;
	e->ops->close(e->exporter);
	e->exporter = NULL;
	lose_rest(e);
	atomic_store_explicit(&e->done.up, false, memory_order_relaxed);
	atomic_store_explicit(&e->done.in_flight, 0, memory_order_relaxed);
	return NULL;
}

// Signals are main's; that of a broken pipe or a file too large comes as an error instead.
static int start_thread(struct export *e)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int err = pthread_create(&e->thread, NULL, export_main, e);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err != 0)
		return -err;
	e->started = true;
	pthread_setname_np(e->thread, "weir-export");
	return 0;
}

int export_start(struct export **ret, const struct exporter_ops *ops,
	struct exporter_config *config, struct batch_pool *batches, char error[EXPORTER_ERROR_SIZE])
{
	struct export *e = calloc(1, sizeof(*e));
	if (e == NULL) {
		snprintf(error, EXPORTER_ERROR_SIZE, "no memory for the exporter");
		return -ENOMEM;
	}
	e->ops = ops;
	e->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int err = e->wake_fd < 0 ? -errno : 0;
	if (err != 0) {
		snprintf(error, EXPORTER_ERROR_SIZE, "cannot start export: %s", strerror(-err));
		goto fail;
	}
	export_done_init(&e->done, batches, ops->name);
	config->done = &e->done;
	err = ops->open(&e->exporter, config, error);
	if (err != 0)
		goto fail;
	publish(e);
	err = start_thread(e);
	if (err != 0) {
		snprintf(error, EXPORTER_ERROR_SIZE, "cannot start the export thread: %s",
			strerror(-err));
		goto fail;
	}
	*ret = e;
	return 0;
fail:
	if (e->exporter != NULL)
		ops->close(e->exporter);
	e->exporter = NULL;
	export_free(e);
	return err;
}

static void wake(struct export *e)
{
	uint64_t one = 1;

	(void)!write(e->wake_fd, &one, sizeof(one));
}

bool export_drain(struct export *export, uint64_t timeout_ns)
{
	const struct timespec pause = {.tv_nsec = (long)NS_PER_MS};
	// What this thread sealed; it seals nothing while it waits here.
	uint32_t sealed =
		atomic_load_explicit(&export->done.batches->sealed.head, memory_order_relaxed);
	uint64_t by_ns = deadline_ns(timeout_ns);

	wake(export);
	while (atomic_load_explicit(&export->done.batches_done, memory_order_acquire) != sealed) {
		if (clock_steady_ns() >= by_ns)
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

bool export_stop(struct export *export, uint64_t timeout_ns)
{
	if (export->started) {
		atomic_store_explicit(
			&export->stop_by_ns, deadline_ns(timeout_ns), memory_order_relaxed);
		atomic_store_explicit(&export->stop, true, memory_order_release);
		wake(export);
		pthread_join(export->thread, NULL);
		export->started = false;
	}
	return export->complete && export_done_lost(&export->done) == 0;
}

bool export_ended(const struct export *export)
{
	return atomic_load_explicit(&export->done.gone, memory_order_relaxed);
}

void export_stats(struct export *export, struct export_stats *ret)
{
	export_done_stats(&export->done, ret);
}

void export_free(struct export *export)
{
	if (export == NULL)
		return;
	REQUIRE(!export->started);
	if (export->wake_fd >= 0)
		close(export->wake_fd);
	free(export);
}
