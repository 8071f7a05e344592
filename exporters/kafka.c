// Exporter "kafka": rows to a Kafka cluster by librdkafka, which it and the files kafka_* know
// alone.
//
// One message a row, straight from the batch's memory: a batch is held until the broker has said
// of each of its messages that it has it, or librdkafka has given it up. When librdkafka's queue is
// full, the rest of the batch waits here and no other is taken. Export thread only, but for
// request_sent() and librdkafka's own threads behind it.
#include "core/base/clock.h"
#include "core/base/own_connections.h"
#include "core/export/exporter.h"
#include "exporters/kafka_advice.h"
#include "exporters/kafka_settings.h"

#include <errno.h>
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

// What a row's message carries as its opaque: which parcel, and how many rows.
enum { OPAQUE_ROWS_BITS = 10, ROWS_PER_MESSAGE_MAX = 1000 };
static_assert(ROWS_PER_MESSAGE_MAX <= 1 << OPAQUE_ROWS_BITS);

enum {
	FIRST_ANSWER_MS = 2000, // how long the first turn waits for the cluster
	PURGE_MS = 1000,
	MESSAGE_OVERHEAD = 512, // of a message with its key, beside its value: ample
	ERROR_TEXT_SIZE = 256,
};

#define RESTART_NS (5 * NS_PER_S)

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

static const char *const topic_names[RECORD_TYPE_COUNT] = {
	[RECORD_FLOW] = "flows",
	[RECORD_CLIENT] = "clients",
	[RECORD_USAGE] = "usage",
	[RECORD_HEALTH] = "health",
	[RECORD_ERASURE] = "erasures",
};

// Remembers the newest fault, so that thousands of failed rows make one line.
static void fault_set(
	struct exporter *x, rd_kafka_resp_err_t err, enum record_type type, const char *text)
{
	if (x->fatal && x->fault != RD_KAFKA_RESP_ERR_NO_ERROR)
		return; // what killed the producer says more than the rows that fail by it
	x->fault = err;
	x->fault_type = type;
	snprintf(x->fault_text, sizeof(x->fault_text), "%.*s", ERROR_TEXT_SIZE - 1, text);
}

static void connection_failed(struct exporter *x, rd_kafka_resp_err_t err, const char *text)
{
	x->broker_err = err;
	snprintf(x->broker_text, sizeof(x->broker_text), "%s", text);
}

static void fault_tell(struct exporter *x)
{
	char text[EXPORTER_ERROR_SIZE], topic[128] = "";
	const char *help = kafka_advice(x->fault);

	if (x->fault == RD_KAFKA_RESP_ERR_NO_ERROR || x->gone)
		return;
	if (x->fault_type != RECORD_NONE)
		snprintf(topic, sizeof(topic), ", topic \"%.100s%s\"", x->settings->topic_prefix,
			topic_names[x->fault_type]);
	int used = snprintf(
		text, sizeof(text), "Kafka at \"%.100s\"%s: ", x->settings->brokers, topic);
	if (help != NULL)
		used += snprintf(text + used, sizeof(text) - (size_t)used, "%s; ", help);
	if (!x->up && x->patience_ns > 0)
		used += snprintf(text + used, sizeof(text) - (size_t)used,
			"the run waits up to %" PRIu64 " s (kafka.patience); ",
			x->patience_ns / NS_PER_S);
	snprintf(text + used, sizeof(text) - (size_t)used, "librdkafka: %.*s",
		(int)sizeof(text) - used - 13, x->fault_text);
	x->fault = RD_KAFKA_RESP_ERR_NO_ERROR;
	x->told = true;
	x->told_type = x->fault_type;
	export_error(x->done, text);
}

// Rows of a type arrived: what was told of the cluster or of that topic is over.
static void arrived(struct exporter *x, enum record_type type)
{
	x->up = true;
	x->waiting_ns = 0;
	x->broker_err = RD_KAFKA_RESP_ERR_NO_ERROR;
	if (!x->told || (x->told_type != RECORD_NONE && x->told_type != type))
		return;
	x->told = false;
	export_error(x->done, NULL);
}

// `rows` of the parcel have been accounted for; with the last the batch goes back.
static void parcel_done(struct exporter *x, struct parcel *parcel, uint32_t rows)
{
	REQUIRE(parcel->batch != NULL && rows <= parcel->rows_left);
	parcel->rows_left -= rows;
	if (parcel->rows_left > 0)
		return;
	struct batch *batch = parcel->batch;
	parcel->batch = NULL;
	x->free_parcels[x->free_count++] = (uint16_t)(parcel - x->parcels);
	export_batch(x->done, batch);
}

static enum lost_cause cause_of(const struct exporter *x, rd_kafka_resp_err_t err)
{
	switch (err) {
	case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
	case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
		return LOST_TOO_LARGE;
	case RD_KAFKA_RESP_ERR__PURGE_QUEUE:
	case RD_KAFKA_RESP_ERR__PURGE_INFLIGHT:
		return x->closing ? LOST_SHUTDOWN : LOST_BROKER;
	default:
		return LOST_BROKER;
	}
}

static void rows_lost(
	struct exporter *x, struct parcel *parcel, uint32_t rows, rd_kafka_resp_err_t err)
{
	const enum record_type type = parcel->batch->type;

	export_lost(x->done, type, cause_of(x, err), rows);
	if (err == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT && x->broker_err != RD_KAFKA_RESP_ERR_NO_ERROR)
		fault_set(x, x->broker_err, RECORD_NONE, x->broker_text); // why they waited
	else if (err != RD_KAFKA_RESP_ERR__PURGE_QUEUE && err != RD_KAFKA_RESP_ERR__PURGE_INFLIGHT)
		fault_set(
			x, err, type, rd_kafka_err2str(err)); // of the others, their cause was told
	parcel_done(x, parcel, rows);
}

// One message came to its end. From rd_kafka_poll().
static void delivery(rd_kafka_t *, const rd_kafka_message_t *message, void *opaque)
{
	struct exporter *x = opaque;
	const uintptr_t mark = (uintptr_t)message->_private;
	struct parcel *parcel = &x->parcels[mark >> OPAQUE_ROWS_BITS];
	const uint32_t rows = (mark & ((1U << OPAQUE_ROWS_BITS) - 1)) + 1;

	x->in_flight -= rows;
	if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
		rows_lost(x, parcel, rows, message->err);
		return;
	}
	arrived(x, parcel->batch->type);
	export_delivered(x->done, parcel->batch->type, rows);
	parcel_done(x, parcel, rows);
}

// Connections and the producer as a whole. From rd_kafka_poll().
static void trouble(rd_kafka_t *producer, int code, const char *reason, void *opaque)
{
	struct exporter *x = opaque;
	rd_kafka_resp_err_t err = code;
	char text[ERROR_TEXT_SIZE];

	switch (err) {
	case RD_KAFKA_RESP_ERR__FATAL:
		err = rd_kafka_fatal_error(producer, text, sizeof(text));
		x->fault = RD_KAFKA_RESP_ERR_NO_ERROR;
		fault_set(x, kafka_advice(err) != NULL ? err : RD_KAFKA_RESP_ERR__FATAL,
			RECORD_NONE, text);
		x->fatal = true;
		return;
	case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
		x->up = false;
		if (x->broker_err == RD_KAFKA_RESP_ERR_NO_ERROR)
			connection_failed(x, err, reason);
		fault_set(x, x->broker_err, RECORD_NONE, x->broker_text);
		return;
	default:
		// One broker of several: only worth a line when the operator must act.
		connection_failed(x, err, reason);
		if (err == RD_KAFKA_RESP_ERR__AUTHENTICATION || err == RD_KAFKA_RESP_ERR__SSL)
			fault_set(x, err, RECORD_NONE, reason);
	}
}

// The octets of each produce request, compressed as they are. On librdkafka's threads.
static rd_kafka_resp_err_t request_sent(rd_kafka_t *, int, const char *, int32_t, int16_t api_key,
	int16_t, int32_t, size_t size, void *opaque)
{
	struct exporter *x = opaque;

	if (api_key == 0) // Produce
		atomic_fetch_add_explicit(&x->bytes_sent, size, memory_order_relaxed);
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

// Where a connection goes, a capture leaves out; a cluster has brokers at addresses and ports of
// which kafka.brokers says nothing.
static void note_connection(int fd, const struct sockaddr *peer)
{
	struct own_connection connection = {.ip6 = peer->sa_family == AF_INET6};
	struct sockaddr_storage local;
	socklen_t len = sizeof(local);

	if (getsockname(fd, (struct sockaddr *)&local, &len) != 0 ||
		local.ss_family != peer->sa_family)
		return;
	if (connection.ip6) {
		const struct sockaddr_in6 *from = (struct sockaddr_in6 *)&local;
		const struct sockaddr_in6 *to = (const struct sockaddr_in6 *)peer;
		memcpy(connection.local, &from->sin6_addr, 16);
		memcpy(connection.peer, &to->sin6_addr, 16);
		connection.port = ntohs(to->sin6_port);
	} else {
		const struct sockaddr_in *from = (struct sockaddr_in *)&local;
		const struct sockaddr_in *to = (const struct sockaddr_in *)peer;
		memcpy(connection.local, &from->sin_addr, 4);
		memcpy(connection.peer, &to->sin_addr, 4);
		connection.port = ntohs(to->sin_port);
	}
	own_connections_add(&connection);
}

// In librdkafka's place, which does the same and notes nothing. On its threads.
static int connect_noted(
	int fd, const struct sockaddr *peer, int len, const char *broker, void *opaque)
{
	(void)broker, (void)opaque;
	if (connect(fd, peer, (socklen_t)len) != 0 && errno != EINPROGRESS)
		return errno;
	note_connection(fd, peer);
	return 0;
}

static rd_kafka_resp_err_t producer_made(
	rd_kafka_t *producer, const rd_kafka_conf_t *, void *opaque, char *, size_t)
{
	return rd_kafka_interceptor_add_on_request_sent(producer, "weir", request_sent, opaque);
}

static void producer_stop(struct exporter *x)
{
	for (unsigned type = 0; type < RECORD_TYPE_COUNT; type++) {
		if (x->topics[type] != NULL)
			rd_kafka_topic_destroy(x->topics[type]);
		x->topics[type] = NULL;
	}
	if (x->producer != NULL)
		rd_kafka_destroy(x->producer);
	x->producer = NULL;
}

static int topics_open(struct exporter *x, char *error, size_t error_size)
{
	for (unsigned type = 0; type < RECORD_TYPE_COUNT; type++) {
		char name[256];
		if (topic_names[type] == NULL)
			continue;
		snprintf(name, sizeof(name), "%s%s", x->settings->topic_prefix, topic_names[type]);
		x->topics[type] = rd_kafka_topic_new(x->producer, name, NULL);
		if (x->topics[type] == NULL) {
			snprintf(error, error_size, "topic \"%s\": %s", name,
				rd_kafka_err2str(rd_kafka_last_error()));
			return -EINVAL;
		}
	}
	return 0;
}

// Returns 0, or -EINVAL and in `error` why.
static int producer_start(struct exporter *x, char *error, size_t error_size)
{
	struct problems problems = {0};
	rd_kafka_conf_t *conf = kafka_conf_new(x->settings, x->patience_ns, &problems);
	char value[32];
	size_t value_size = sizeof(value);

	if (problems.count > 0) {
		snprintf(error, error_size, "%s", problems.lines[0]);
		goto fail;
	}
	if (rd_kafka_conf_set(conf, "bootstrap.servers", x->settings->brokers, error, error_size) !=
		RD_KAFKA_CONF_OK)
		goto fail;
	REQUIRE(rd_kafka_conf_get(conf, "message.max.bytes", value, &value_size) ==
		RD_KAFKA_CONF_OK);
	x->message_bytes_max = strtoul(value, NULL, 10);
	rd_kafka_conf_set_opaque(conf, x);
	rd_kafka_conf_set_dr_msg_cb(conf, delivery);
	rd_kafka_conf_set_error_cb(conf, trouble);
	rd_kafka_conf_set_connect_cb(conf, connect_noted);
	if (!kafka_debug_wanted(x->settings))
		rd_kafka_conf_set_log_cb(conf, NULL); // what matters comes to trouble()
	rd_kafka_conf_interceptor_add_on_new(conf, "weir", producer_made, x);
	x->producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, error_size);
	if (x->producer == NULL)
		goto fail;
	problems_fini(&problems);
	int err = topics_open(x, error, error_size);
	if (err)
		producer_stop(x);
	return err;
fail:
	rd_kafka_conf_destroy(conf);
	problems_fini(&problems);
	return -EINVAL;
}

// A fault that names all topics which rows cannot be written to, if there are any.
static void note_missing(struct exporter *x, const struct rd_kafka_metadata *metadata)
{
	rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_NO_ERROR;
	char missing[ERROR_TEXT_SIZE] = "";
	size_t used = 0;

	for (int i = 0; i < metadata->topic_cnt; i++) {
		const struct rd_kafka_metadata_topic *topic = &metadata->topics[i];
		if (topic->err == RD_KAFKA_RESP_ERR_NO_ERROR ||
			topic->err == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE)
			continue;
		err = topic->err;
		int len = snprintf(missing + used, sizeof(missing) - used, "%s\"%s\"",
			used > 0 ? ", " : "", topic->topic);
		used = used + (size_t)len < sizeof(missing) ? used + (size_t)len : used;
	}
	if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
		fault_set(x, err, RECORD_NONE, missing);
}

// Asks the cluster for the topics, so that the operator hears at once what is missing. A cluster
// that is away is no reason not to start: a gateway boots before its way out. Nor is it waited for
// in open(), while packets come in already, but in the thread's first turn.
static void first_answer(struct exporter *x)
{
	if (x->asked)
		return;
	x->asked = true;
	const struct rd_kafka_metadata *metadata = NULL;
	rd_kafka_resp_err_t err =
		rd_kafka_metadata(x->producer, 0, NULL, &metadata, FIRST_ANSWER_MS);

	if (err != RD_KAFKA_RESP_ERR_NO_ERROR) {
		connection_failed(x, err, rd_kafka_err2str(err));
		fault_set(x, err, RECORD_NONE, x->broker_text);
		rd_kafka_poll(x->producer, 0); // knows better what it was
	} else {
		x->up = true;
		note_missing(x, metadata);
		rd_kafka_metadata_destroy(metadata);
	}
	fault_tell(x);
}

static void kafka_close(struct exporter *x);

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
	x->parcel_count = (uint32_t)config->settings->batches + BATCHES_FOR_HEALTH;
	x->parcels = calloc(x->parcel_count, sizeof(*x->parcels));
	x->free_parcels = calloc(x->parcel_count, sizeof(*x->free_parcels));
	if (x->parcels == NULL || x->free_parcels == NULL)
		goto no_memory;
	while (x->free_count < x->parcel_count) {
		x->free_parcels[x->free_count] = (uint16_t)x->free_count;
		x->free_count++;
	}
	err = producer_start(x, error, EXPORTER_ERROR_SIZE);
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

static const struct batch_row *row_at(const struct exporter *x, uint32_t place)
{
	return &x->current->batch->rows[x->order[place]];
}

static int compare_keys(const void *a, const void *b, void *arg)
{
	const struct batch *batch = arg;
	const uint16_t left_idx = *(const uint16_t *)a, right_idx = *(const uint16_t *)b;
	const struct batch_row *left = &batch->rows[left_idx], *right = &batch->rows[right_idx];

	if (left->key_len != right->key_len)
		return left->key_len < right->key_len ? -1 : 1;
	int order = memcmp(
		batch->bytes + left->key_offset, batch->bytes + right->key_offset, left->key_len);
	return order != 0 ? order : left_idx - right_idx;
}

// Client rows and erasures stand alone: their topic is compacted by key, or their key is the point.
static bool grouped(const struct exporter *x, const struct batch *batch)
{
	return x->settings->rows_per_message > 1 && batch->type != RECORD_CLIENT &&
		batch->type != RECORD_ERASURE;
}

static bool same_key(
	const struct batch *batch, const struct batch_row *a, const struct batch_row *b)
{
	return a->key_len == b->key_len &&
		memcmp(batch->bytes + a->key_offset, batch->bytes + b->key_offset, a->key_len) == 0;
}

// How many of the current batch's next rows go into one message: those of one key, as many as are
// allowed and fit.
static uint32_t message_rows(const struct exporter *x, size_t *ret_bytes)
{
	const struct batch *batch = x->current->batch;
	const struct batch_row *first = row_at(x, x->next_row);
	size_t bytes = first->len;
	uint32_t rows = 1;

	if (grouped(x, batch)) {
		while (rows < x->settings->rows_per_message && x->next_row + rows < batch->count) {
			const struct batch_row *row = row_at(x, x->next_row + rows);
			if (!same_key(batch, first, row) ||
				bytes + row->len + MESSAGE_OVERHEAD > x->message_bytes_max)
				break;
			bytes += row->len;
			rows++;
		}
	}
	*ret_bytes = bytes;
	return rows;
}

// Hands over one message of `rows` rows from next_row on.
static rd_kafka_resp_err_t message_send(struct exporter *x, uint32_t rows, size_t bytes)
{
	const struct batch *batch = x->current->batch;
	const struct batch_row *first = row_at(x, x->next_row),
			       *last = row_at(x, x->next_row + rows - 1);
	// A row of no octets is a tombstone: a message with a key and no value.
	uint8_t *value = bytes > 0 ? batch->bytes + first->offset : NULL;
	uint8_t *key = first->key_len > 0 ? batch->bytes + first->key_offset : NULL;
	int flags = 0; // the value stays where it is, in the batch

	if (rows > 1) {
		value = malloc(bytes);
		if (value == NULL)
			return RD_KAFKA_RESP_ERR__QUEUE_FULL; // the same to us: later
		size_t used = 0;
		for (uint32_t i = 0; i < rows; i++) {
			const struct batch_row *row = row_at(x, x->next_row + i);
			memcpy(value + used, batch->bytes + row->offset, row->len);
			used += row->len;
		}
		flags = RD_KAFKA_MSG_F_FREE;
	}
	const uintptr_t mark =
		(uintptr_t)(x->current - x->parcels) << OPAQUE_ROWS_BITS | (rows - 1);
	rd_kafka_resp_err_t err = rd_kafka_producev(x->producer,
		RD_KAFKA_V_RKT(x->topics[batch->type]), RD_KAFKA_V_MSGFLAGS(flags),
		RD_KAFKA_V_VALUE(value, bytes), RD_KAFKA_V_KEY(key, first->key_len),
		RD_KAFKA_V_TIMESTAMP((int64_t)(last->time_ns / 1000000)),
		RD_KAFKA_V_OPAQUE((void *)mark), RD_KAFKA_V_END);
	if (err != RD_KAFKA_RESP_ERR_NO_ERROR && rows > 1)
		free(value);
	return err;
}

// Hands over the current batch's rows, until its end or until the queue is full.
static void rows_send(struct exporter *x)
{
	if (x->current == NULL || x->producer == NULL || x->fatal)
		return;
	while (x->next_row < x->current->batch->count) {
		size_t bytes;
		uint32_t rows = message_rows(x, &bytes);
		rd_kafka_resp_err_t err = message_send(x, rows, bytes);
		if (err == RD_KAFKA_RESP_ERR__QUEUE_FULL)
			return; // poll() goes on
		if (err == RD_KAFKA_RESP_ERR__FATAL) {
			x->fatal = true;
			return;
		}
		x->next_row += rows;
		if (err != RD_KAFKA_RESP_ERR_NO_ERROR) {
			rows_lost(x, x->current, rows, err);
			continue;
		}
		x->in_flight += rows;
		x->bytes_raw += bytes;
	}
	struct parcel *parcel = x->current;
	x->current = NULL;
	parcel_done(x, parcel, 1);
}

// Rows of the batch that is being handed over, which will not be.
static void lose_current(struct exporter *x, enum lost_cause cause)
{
	struct parcel *parcel = x->current;

	if (parcel == NULL)
		return;
	const uint32_t rows = parcel->batch->count - x->next_row;
	export_lost(x->done, parcel->batch->type, cause, rows);
	x->current = NULL;
	parcel_done(x, parcel, rows + 1);
}

static int kafka_submit(struct exporter *x, struct batch *batch)
{
	if (x->gone) {
		export_lost(x->done, batch->type, LOST_BROKER, batch->count);
		export_batch(x->done, batch);
		return 0;
	}
	first_answer(x);
	rows_send(x);
	if (x->current != NULL || x->free_count == 0)
		return -EAGAIN;
	REQUIRE(topic_names[batch->type] != NULL);
	struct parcel *parcel = &x->parcels[x->free_parcels[--x->free_count]];
	*parcel = (struct parcel){.batch = batch, .rows_left = batch->count + 1};
	for (uint32_t i = 0; i < batch->count; i++)
		x->order[i] = (uint16_t)i;
	if (grouped(x, batch))
		qsort_r(x->order, batch->count, sizeof(x->order[0]), compare_keys, batch);
	x->current = parcel;
	x->next_row = 0;
	rows_send(x);
	return 0;
}

// Ends all that is under way; what librdkafka still holds comes back as lost.
static void purge(struct exporter *x)
{
	if (x->producer == NULL)
		return;
	rd_kafka_purge(x->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
	for (int waited_ms = 0; x->in_flight > 0 && waited_ms < PURGE_MS; waited_ms += 10)
		rd_kafka_poll(x->producer, 10);
}

// Counts lost what librdkafka never spoke of; nothing may point to it any more. The current batch's
// rows that were not handed over yet stay.
static void abandon(struct exporter *x, enum lost_cause cause)
{
	for (uint32_t i = 0; i < x->parcel_count; i++) {
		struct parcel *parcel = &x->parcels[i];
		uint32_t kept = 0;
		if (parcel->batch == NULL)
			continue;
		if (parcel == x->current)
			kept = parcel->batch->count - x->next_row + 1;
		const uint32_t rows = parcel->rows_left - kept;
		x->in_flight -= rows;
		export_lost(x->done, parcel->batch->type, cause, rows);
		parcel_done(x, parcel, rows);
	}
}

// A producer that librdkafka has declared dead (RD_KAFKA_RESP_ERR__FATAL) is replaced by a new
// one. What was under way may have arrived or not: it is counted lost, never sent twice. Not more
// often than all RESTART_NS, lest a cluster that refuses the producer itself eats every row.
static void producer_restart(struct exporter *x, int timeout_ms)
{
	char error[EXPORTER_ERROR_SIZE];

	if (x->producer != NULL) {
		purge(x);
		fault_tell(x);
		producer_stop(x);
		abandon(x, LOST_BROKER);
		x->up = false;
	}
	if (x->restart_ns != 0 && clock_steady_ns() < x->restart_ns) {
		nanosleep(&(struct timespec){.tv_nsec = MIN(timeout_ms, 100) * 1000000L}, NULL);
		return;
	}
	x->restart_ns = clock_steady_ns() + RESTART_NS;
	if (producer_start(x, error, sizeof(error)) == 0)
		x->fatal = false;
	else
		fault_set(x, RD_KAFKA_RESP_ERR__FAIL, RECORD_NONE, error);
}

// A run that is over when its rows are out waits for a cluster, but not for ever: when that took no
// row for so long although some wait, all of them are lost, and what comes after them.
static void lose_patience(struct exporter *x)
{
	char text[EXPORTER_ERROR_SIZE];

	if (x->patience_ns == 0 || x->gone)
		return;
	if (x->in_flight == 0 && x->current == NULL)
		x->waiting_ns = 0;
	else if (x->waiting_ns == 0)
		x->waiting_ns = clock_steady_ns();
	if (x->waiting_ns == 0 || clock_steady_ns() - x->waiting_ns < x->patience_ns)
		return;
	snprintf(text, sizeof(text),
		"Kafka at \"%.100s\" took no row for %" PRIu64
		" s (kafka.patience): the run ends%s%s",
		x->settings->brokers, x->patience_ns / NS_PER_S,
		*x->broker_text != '\0' ? "; librdkafka: " : "", x->broker_text);
	x->gone = true;
	x->up = false;
	export_gone(x->done);
	export_error(x->done, text);
	purge(x);
	producer_stop(x); // from here on librdkafka points to no batch
	abandon(x, LOST_BROKER);
	lose_current(x, LOST_BROKER);
}

static void kafka_poll(struct exporter *x, int timeout_ms)
{
	if (x->producer != NULL)
		rd_kafka_poll(x->producer, timeout_ms);
	if (x->fatal)
		producer_restart(x, timeout_ms);
	rows_send(x);
	fault_tell(x);
	lose_patience(x);
}

// Nothing is held back here but by linger.ms.
static bool kafka_idle(struct exporter *x, bool)
{
	first_answer(x);
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

static void kafka_close(struct exporter *x)
{
	if (x == NULL)
		return;
	x->closing = true;
	if (x->in_flight > 0 && !x->up && x->broker_err != RD_KAFKA_RESP_ERR_NO_ERROR)
		fault_set(x, x->broker_err, RECORD_NONE, x->broker_text);
	fault_tell(x);
	purge(x);
	producer_stop(x); // from here on librdkafka points to no batch
	if (x->parcels != NULL)
		abandon(x, LOST_SHUTDOWN);
	lose_current(x, LOST_SHUTDOWN);
	free(x->free_parcels);
	free(x->parcels);
	free(x);
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
