// Batch: rows of one record type, encoded and sealed by record.c, on their way to an exporter.
// Batches come from a fixed pool and go back to it.
//
// Ledger's thread fills and seals; the export thread alone has a sealed batch, until it is done.
#pragma once

#include "core/base/ring.h"
#include "core/schema/field.h"

#include <stdbool.h>
#include <stdint.h>

enum { BATCH_KEY_MAX = 128, BATCH_ROWS_MAX = 4096 };

// One row: a delimited protobuf message (varint length, then the message), or a JSON object with
// its newline; or nothing, the tombstone of its key. Keys are text: of flows, usage and erasures
// the client_key as 32 hex digits, of clients "tenant/" and those, of health the collector_id.
struct batch_row {
	uint32_t offset, len; // in bytes
	uint32_t key_offset, key_len; // Kafka key, in bytes as well; 0: none
	uint64_t time_ns; // wall time for the message's timestamp
	uint8_t client_key[2][16]; // of both local ends, zero where none: erasure finds rows by it
};

struct batch {
	uint8_t type; // enum record_type
	// The rows, one behind the other: the first `size` octets, and nothing else; their Kafka
	// keys stand at the end of the `capacity`.
	uint8_t *bytes;
	uint32_t size, capacity;
	uint32_t count;
	struct batch_row rows[BATCH_ROWS_MAX];
};

struct batch_pool {
	struct batch *batches;
	uint32_t count;
	uint32_t capacity; // octets of one batch
	struct ring sealed; // ledger -> export
	struct ring done; // export -> ledger
	struct batch **free; // ledger's
	uint32_t free_count;
	// Ledger: asked while it waits for an empty batch whether to wait no longer; NULL: never.
	bool (*give_up)(void *arg);
	void *give_up_arg;
	_Atomic bool closed; // ledger: wo, export: ro: nothing more will be sealed
};

enum { BATCHES_FOR_HEALTH = 2 };

// Returns 0 or -ENOMEM.
int batch_pool_init(struct batch_pool *pool, uint32_t count, uint32_t capacity);
void batch_pool_fini(struct batch_pool *pool);
size_t batch_pool_bytes(const struct batch_pool *pool);

// Ledger: an empty batch, or NULL when none is free for this type: the last BATCHES_FOR_HEALTH are
// for health only, and of the last few before those clients get more than usage, and usage more
// than flows. `wait`: any, as soon as there is one (files), or NULL when give_up() says so.
struct batch *batch_pool_take(struct batch_pool *pool, enum record_type type, bool wait);

// Ledger: the batch is the export thread's from now on. Never fails: the ring holds them all.
void batch_pool_seal(struct batch_pool *pool, struct batch *batch);

// Export thread: the next sealed batch or NULL; and back.
struct batch *batch_pool_next(struct batch_pool *pool);
void batch_pool_done(struct batch_pool *pool, struct batch *batch);
