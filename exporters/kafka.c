// Exporter "kafka": rows to a Kafka cluster by librdkafka, which it and the files kafka_* know
// alone.
//
// One message a row, straight from the batch's memory: a batch is held until the broker has said
// of each of its messages that it has it, or librdkafka has given it up. When librdkafka's queue is
// full, the rest of the batch waits here and no other is taken. Export thread only, but for what
// kafka_producer.c has on librdkafka's own threads.
#include "core/base/clock.h"
#include "exporters/kafka_parts.h"
#include "exporters/kafka_settings.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

static void kafka_close(struct exporter *x)
{
	if (x == NULL)
		return;
	x->closing = true;
	if (x->in_flight > 0 && !x->up && x->broker_err != RD_KAFKA_RESP_ERR_NO_ERROR)
		kafka_fault_set(x, x->broker_err, RECORD_NONE, x->broker_text);
	kafka_fault_tell(x);
	kafka_producer_purge(x);
	kafka_producer_stop(x); // from here on librdkafka points to no batch
	if (x->parcels != NULL)
		kafka_rows_abandon(x, LOST_SHUTDOWN);
	kafka_rows_lose_current(x, LOST_SHUTDOWN);
	kafka_rows_fini(x);
	free(x);
}

static int kafka_open(struct exporter **ret, const struct exporter_config *config,
	char error[EXPORTER_ERROR_SIZE])
{
	struct exporter *x = calloc(1, sizeof(*x));
	int err = -ENOMEM;

	if (x == NULL)
		goto no_memory;
	x->settings = config->settings;
	x->done = config->done;
	x->patience_ns = config->patience_ns;
	err = kafka_rows_init(x, (uint32_t)config->settings->batches + BATCHES_FOR_HEALTH);
	if (err)
		goto no_memory;
	err = kafka_producer_start(x, error, EXPORTER_ERROR_SIZE);
	if (err)
		goto fail;
	*ret = x;
	return 0;
no_memory:
	snprintf(error, EXPORTER_ERROR_SIZE, "out of memory");
fail:
	kafka_close(x);
	return err;
}

static int kafka_submit(struct exporter *x, struct batch *batch)
{
	if (x->gone) {
		export_lost(x->done, batch->type, LOST_BROKER, batch->count);
		export_batch(x->done, batch);
		return 0;
	}
	kafka_first_answer(x);
	// Nothing waited since the producer died, or there would be another.
	if (x->fatal && x->current == NULL && clock_steady_ns() >= x->restart_ns)
		x->waiting_ns = 0;
	return kafka_rows_take(x, batch);
}

// A run that is over when its rows are out waits for a cluster, but not for ever: when that took no
// row for so long although some wait, all of them are lost, and what comes after them. Rows that a
// producer takes with it when it dies were not taken: the wait goes on.
static void lose_patience(struct exporter *x)
{
	char text[EXPORTER_ERROR_SIZE];

	if (x->patience_ns == 0 || x->gone)
		return;
	const bool waits = x->in_flight > 0 || x->current != NULL;
	if (!waits && !x->fatal)
		x->waiting_ns = 0;
	else if (waits && x->waiting_ns == 0)
		x->waiting_ns = clock_steady_ns();
	if (x->waiting_ns == 0 || clock_steady_ns() - x->waiting_ns < x->patience_ns)
		return;
	snprintf(text, sizeof(text),
		"Kafka at \"%.100s\" took no row for %" PRIu64
		" s (kafka.patience): the run ends%s%s",
		x->settings->brokers, x->patience_ns / NS_PER_S,
		*x->broker_text != '\0' ? "; librdkafka: " : "", x->broker_text);
	x->gone = true;
	x->up = x->fatal = false; // no producer is made in the place of one that died
	export_gone(x->done);
	export_error(x->done, text);
	kafka_producer_purge(x);
	kafka_producer_stop(x); // from here on librdkafka points to no batch
	kafka_rows_abandon(x, LOST_BROKER);
	kafka_rows_lose_current(x, LOST_BROKER);
}

static void kafka_poll(struct exporter *x, int timeout_ms)
{
	if (x->producer != NULL)
		rd_kafka_poll(x->producer, timeout_ms);
	if (x->fatal)
		kafka_producer_restart(x, timeout_ms);
	kafka_rows_send(x);
	kafka_fault_tell(x);
	lose_patience(x);
}

// Nothing is held back here but by linger.ms.
static bool kafka_idle(struct exporter *x, bool)
{
	kafka_first_answer(x);
	return x->current == NULL && x->in_flight == 0;
}

static void kafka_stats(struct exporter *x, struct exporter_stats *ret)
{
	const uint64_t waiting = x->current != NULL ? x->current->batch->count - x->next_row : 0;

	*ret = (struct exporter_stats){
		.up = x->up,
		.in_flight = x->in_flight + waiting,
		.bytes_raw = x->bytes_raw,
		.bytes_sent = atomic_load_explicit(&x->bytes_sent, memory_order_relaxed),
	};
}

const struct exporter_ops kafka_exporter_ops = {
	.name = "kafka",
	.check = kafka_check,
	.open = kafka_open,
	.submit = kafka_submit,
	.poll = kafka_poll,
	.idle = kafka_idle,
	.stats = kafka_stats,
	.close = kafka_close,
};
