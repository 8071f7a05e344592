// Batches of rows for the tests of export: as record.c makes them, Kafka keys at the end.
#pragma once

#include "core/record/batch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline struct batch *rows_batch(enum record_type type, uint32_t capacity)
{
	struct batch *batch = calloc(1, sizeof(*batch));
	if (batch == NULL || (batch->bytes = malloc(capacity)) == NULL)
		abort();
	batch->type = (uint8_t)type;
	batch->capacity = capacity;
	return batch;
}

static inline void rows_batch_free(struct batch *batch)
{
	free(batch->bytes);
	free(batch);
}

// One JSON row with its newline, and its Kafka key; `client` 0: none.
static inline void rows_add(struct batch *batch, unsigned number, unsigned client)
{
	struct batch_row *row = &batch->rows[batch->count++];
	char text[160];
	int len = snprintf(text, sizeof(text),
		"{\"record\":\"flow\",\"sequence\":%u,\"bytes_up\":%u,\"application\":\"App%u\"}\n",
		number, number * 7919u % 100003u, number % 7);

	memset(row, 0, sizeof(*row));
	row->key_len = 3;
	row->key_offset = batch->capacity - 3 * batch->count;
	row->offset = batch->size;
	row->len = (uint32_t)len;
	if (row->offset + row->len > row->key_offset)
		abort();
	memcpy(batch->bytes + row->key_offset, "KEY", 3);
	memcpy(batch->bytes + row->offset, text, row->len);
	batch->size += row->len;
	memcpy(row->client_key[0], &client, sizeof(client));
}
