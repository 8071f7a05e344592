// Rows under way: batches in parcels, and the messages that their rows are sent in.
#include "exporters/kafka_parts.h"
#include "exporters/kafka_settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// What a row's message carries as its opaque: which parcel, and how many rows.
enum { OPAQUE_ROWS_BITS = 10, ROWS_PER_MESSAGE_MAX = 1000 };
static_assert(ROWS_PER_MESSAGE_MAX <= 1 << OPAQUE_ROWS_BITS);

enum { MESSAGE_OVERHEAD = 512 }; // of a message with its key, beside its value: ample

int kafka_rows_init(struct exporter *x, uint32_t batches_max)
{
	x->parcel_count = batches_max;
	x->parcels = calloc(x->parcel_count, sizeof(*x->parcels));
	x->free_parcels = calloc(x->parcel_count, sizeof(*x->free_parcels));
	if (x->parcels == NULL || x->free_parcels == NULL)
		return -ENOMEM;
	while (x->free_count < x->parcel_count) {
		x->free_parcels[x->free_count] = (uint16_t)x->free_count;
		x->free_count++;
	}
	return 0;
}

void kafka_rows_fini(struct exporter *x)
{
	free(x->free_parcels);
	free(x->parcels);
}

// ---- what became of them

// Rows of a type arrived: what was told of the cluster or of that topic is over.
static void arrived(struct exporter *x, enum record_type type)
{
	x->up = true;
	x->waiting_ns = 0;
	x->broker_err = RD_KAFKA_RESP_ERR_NO_ERROR;
	kafka_fault_over(x, type);
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
		kafka_fault_set(x, x->broker_err, RECORD_NONE, x->broker_text); // why they waited
	else if (err != RD_KAFKA_RESP_ERR__PURGE_QUEUE && err != RD_KAFKA_RESP_ERR__PURGE_INFLIGHT)
		kafka_fault_set(
			x, err, type, rd_kafka_err2str(err)); // of the others, their cause was told
	parcel_done(x, parcel, rows);
}

void kafka_delivery(rd_kafka_t *, const rd_kafka_message_t *message, void *opaque)
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

void kafka_rows_lose_current(struct exporter *x, enum lost_cause cause)
{
	struct parcel *parcel = x->current;

	if (parcel == NULL)
		return;
	const uint32_t rows = parcel->batch->count - x->next_row;
	export_lost(x->done, parcel->batch->type, cause, rows);
	x->current = NULL;
	parcel_done(x, parcel, rows + 1);
}

void kafka_rows_abandon(struct exporter *x, enum lost_cause cause)
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

// ---- handing over

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

void kafka_rows_send(struct exporter *x)
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

int kafka_rows_take(struct exporter *x, struct batch *batch)
{
	kafka_rows_send(x);
	if (x->current != NULL || x->free_count == 0)
		return -EAGAIN;
	REQUIRE(kafka_topic_names[batch->type] != NULL);
	struct parcel *parcel = &x->parcels[x->free_parcels[--x->free_count]];
	*parcel = (struct parcel){.batch = batch, .rows_left = batch->count + 1};
	for (uint32_t i = 0; i < batch->count; i++)
		x->order[i] = (uint16_t)i;
	if (grouped(x, batch))
		qsort_r(x->order, batch->count, sizeof(x->order[0]), compare_keys, batch);
	x->current = parcel;
	x->next_row = 0;
	kafka_rows_send(x);
	return 0;
}
