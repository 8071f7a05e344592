// The Kafka exporter from inside, for its files. Export thread, but where it says otherwise.
#pragma once

#include "core/export/exporter.h"

#include <librdkafka/rdkafka.h>
#include <stdatomic.h>

enum { ERROR_TEXT_SIZE = 256 };

// A batch under way.
struct parcel {
	struct batch *batch;
	uint32_t rows_left; // not accounted for, and one while rows are still to be handed over
};

struct exporter {
	const struct settings *settings; // borrowed
	struct export_done *done;
	rd_kafka_t *producer; // NULL: fell over and could not be made again yet
	rd_kafka_topic_t *topics[RECORD_TYPE_COUNT];
	size_t message_bytes_max;

	struct parcel *parcels;
	uint16_t *free_parcels; // indexes, a stack
	uint32_t parcel_count, free_count;

	struct parcel *current; // handed over up to next_row, then the queue was full; or NULL
	uint32_t next_row;
	uint16_t order[BATCH_ROWS_MAX]; // the current batch's rows as they are sent

	uint64_t in_flight, bytes_raw;
	_Atomic uint64_t bytes_sent; // librdkafka's threads: add, export: ro

	uint64_t patience_ns; // 0: without end
	uint64_t waiting_ns; // steady, since when rows wait and none is taken; 0: none waits

	bool asked, up, closing, fatal;
	bool gone; // waited for no longer: what comes is lost
	uint64_t restart_ns; // steady: a dead producer is not replaced before; 0: at once
	rd_kafka_resp_err_t broker_err; // why the last connection failed
	char broker_text[ERROR_TEXT_SIZE];
	rd_kafka_resp_err_t fault; // to be told when poll() ends
	enum record_type fault_type; // RECORD_NONE: not of one topic
	char fault_text[ERROR_TEXT_SIZE];
	bool told; // a fault that is not known to be over
	enum record_type told_type;
};

// ---- kafka_fault.c

// What to do about an error, as one sentence without an end; NULL: no advice.
const char *kafka_advice(rd_kafka_resp_err_t err);

// Remembers the newest fault, so that thousands of failed rows make one line.
void kafka_fault_set(
	struct exporter *x, rd_kafka_resp_err_t err, enum record_type type, const char *text);
void kafka_connection_failed(struct exporter *x, rd_kafka_resp_err_t err, const char *text);

void kafka_fault_tell(struct exporter *x); // what was set since
void kafka_fault_over(struct exporter *x, enum record_type type); // rows of this type arrive

// ---- kafka_rows.c

int kafka_rows_init(struct exporter *x, uint32_t batches_max); // 0 or -ENOMEM
void kafka_rows_fini(struct exporter *x);

// Returns 0, or -EAGAIN: the batch before is not handed over yet, or too many are under way.
int kafka_rows_take(struct exporter *x, struct batch *batch);

// Hands over the current batch's rows, until its end or until the queue is full.
void kafka_rows_send(struct exporter *x);

// One message came to its end. From rd_kafka_poll().
void kafka_delivery(rd_kafka_t *producer, const rd_kafka_message_t *message, void *opaque);

// Counts lost what librdkafka never spoke of; nothing may point to it any more. The current batch's
// rows that were not handed over yet stay.
void kafka_rows_abandon(struct exporter *x, enum lost_cause cause);

// Rows of the batch that is being handed over, which will not be.
void kafka_rows_lose_current(struct exporter *x, enum lost_cause cause);

// ---- kafka_producer.c

// Returns 0, or -EINVAL and in `error` why.
int kafka_producer_start(struct exporter *x, char *error, size_t error_size);
void kafka_producer_stop(struct exporter *x); // from here on librdkafka points to no batch

// Asks the cluster for the topics, so that the operator hears at once what is missing. A cluster
// that is away is no reason not to start: a gateway boots before its way out. Nor is it waited for
// in open(), while packets come in already, but in the thread's first turn.
void kafka_first_answer(struct exporter *x);

// Ends all that is under way; what librdkafka still holds comes back as lost.
void kafka_producer_purge(struct exporter *x);

// A producer that librdkafka has declared dead (RD_KAFKA_RESP_ERR__FATAL) is replaced by a new
// one. What was under way may have arrived or not: it is counted lost, never sent twice. Not more
// often than all five seconds, lest a cluster that refuses the producer itself eats every row.
void kafka_producer_restart(struct exporter *x, int timeout_ms);
