// What became of every row: export_done.h.
#include "core/export/export_done.h"

#include "core/base/log.h"

#include <inttypes.h>
#include <string.h>

enum { LOG_PERIOD_S = 10 };

void export_done_init(struct export_done *done, struct batch_pool *batches, const char *name)
{
	done->batches = batches;
	done->name = name;
	done->was_up = true;
	atomic_init(&done->batches_done,
		atomic_load_explicit(&batches->sealed.tail, memory_order_relaxed));
}

static void add(_Atomic uint64_t *sum, uint64_t count)
{
	atomic_fetch_add_explicit(sum, count, memory_order_relaxed);
}

void export_delivered(struct export_done *done, enum record_type type, uint64_t count)
{
	add(&done->delivered[type], count);
}

void export_lost(
	struct export_done *done, enum record_type type, enum lost_cause cause, uint64_t count)
{
	add(&done->lost[type][cause], count);
	done->lost_untold += count;
}

void export_batch(struct export_done *done, struct batch *batch)
{
	batch_pool_done(done->batches, batch);
	atomic_fetch_add_explicit(&done->batches_done, 1, memory_order_release);
}

void export_gone(struct export_done *done)
{
	atomic_store_explicit(&done->gone, true, memory_order_relaxed);
}

static void error_keep(struct export_done *done, const char *text)
{
	uint64_t words[ERROR_WORDS] = {0};

	memcpy(words, text, strnlen(text, sizeof(words) - 1));
	uint32_t sequence = atomic_load_explicit(&done->error_sequence, memory_order_relaxed);
	atomic_store_explicit(&done->error_sequence, sequence + 1, memory_order_seq_cst);
	for (size_t i = 0; i < ERROR_WORDS; i++)
		atomic_store_explicit(&done->error_words[i], words[i], memory_order_seq_cst);
	atomic_store_explicit(&done->error_sequence, sequence + 2, memory_order_seq_cst);
}

static void error_copy(const struct export_done *done, char text[EXPORTER_ERROR_SIZE])
{
	uint64_t words[ERROR_WORDS];
	uint32_t before, after;

	do {
		before = atomic_load_explicit(&done->error_sequence, memory_order_seq_cst);
		for (size_t i = 0; i < ERROR_WORDS; i++)
			words[i] =
				atomic_load_explicit(&done->error_words[i], memory_order_seq_cst);
		after = atomic_load_explicit(&done->error_sequence, memory_order_seq_cst);
	} while (before != after || before % 2 != 0);
	memcpy(text, words, EXPORTER_ERROR_SIZE);
}

static void error_end(struct export_done *done)
{
	if (!done->failing)
		return;
	if (log_allowed(&done->end_logged_s, LOG_PERIOD_S, &done->ends_held)) {
		log_info("export to %s works again; %" PRIu64 " rows were lost meanwhile",
			done->name, done->lost_untold);
		done->lost_untold = 0;
	}
	done->failing = false;
	error_keep(done, "");
}

void export_error(struct export_done *done, const char *text)
{
	if (text == NULL) {
		error_end(done);
		return;
	}
	done->failing = true;
	error_keep(done, text);
	bool last = atomic_load_explicit(&done->gone, memory_order_relaxed);
	if (!log_allowed(&done->error_logged_s, LOG_PERIOD_S, &done->errors_held) && !last)
		return;
	if (done->errors_held > 0)
		log_error("%s (and %" PRIu64 " messages like it before)", text, done->errors_held);
	else
		log_error("%s", text);
	done->errors_held = 0;
}

void export_done_publish(struct export_done *done, const struct exporter_stats *stats)
{
	// An exporter that is up again has nothing more to complain of.
	if (stats->up && !done->was_up)
		error_end(done);
	done->was_up = stats->up;
	atomic_store_explicit(&done->up, stats->up, memory_order_relaxed);
	atomic_store_explicit(&done->in_flight, stats->in_flight, memory_order_relaxed);
	atomic_store_explicit(&done->bytes_raw, stats->bytes_raw, memory_order_relaxed);
	atomic_store_explicit(&done->bytes_sent, stats->bytes_sent, memory_order_relaxed);
}

uint64_t export_done_lost(const struct export_done *done)
{
	uint64_t lost = 0;

	for (unsigned type = 0; type < RECORD_TYPE_COUNT; type++)
		for (unsigned cause = 0; cause < LOST_CAUSE_COUNT; cause++)
			lost += atomic_load_explicit(
				&done->lost[type][cause], memory_order_relaxed);
	return lost;
}

void export_done_stats(const struct export_done *done, struct export_stats *ret)
{
	for (unsigned type = 0; type < RECORD_TYPE_COUNT; type++) {
		ret->delivered[type] =
			atomic_load_explicit(&done->delivered[type], memory_order_relaxed);
		for (unsigned cause = 0; cause < LOST_CAUSE_COUNT; cause++)
			ret->lost[type][cause] = atomic_load_explicit(
				&done->lost[type][cause], memory_order_relaxed);
	}
	ret->exporter = (struct exporter_stats){
		.up = atomic_load_explicit(&done->up, memory_order_relaxed),
		.in_flight = atomic_load_explicit(&done->in_flight, memory_order_relaxed),
		.bytes_raw = atomic_load_explicit(&done->bytes_raw, memory_order_relaxed),
		.bytes_sent = atomic_load_explicit(&done->bytes_sent, memory_order_relaxed),
	};
	error_copy(done, ret->last_error);
}
