// A segment: a file of rows, compressed block by block by zstd, with a sum on every part and a
// footer of counts and client keys. Here it is written; segment_read.h reads it back. The layout
// stands in segment_parts.h.
//
// Readable while it is being written: each block is one batch, written whole. Export thread.
#pragma once

#include "core/record/batch.h"

#include <stdbool.h>
#include <stdint.h>

// Of the records' fields (SCHEMA.md): goes up when a field's meaning changes, not when one is
// added.
enum { SEGMENT_SCHEMA_VERSION = 1 };

// What stands in the head. Strings are cut at their size and padded with zeros.
struct segment_info {
	uint32_t schema_version;
	uint64_t created_ns; // wall time
	uint64_t boot_id;
	uint8_t collector_id[16];
	uint8_t policy_sha256[32];
	bool json; // rows are JSON objects with a newline; else delimited protobuf
	char region[65], policy_id[65], policy_version[33];
};

struct segment_writer;

// One writer serves one segment after another with the same memory. `level`: of zstd, or 0 for its
// -1. Returns 0 or -ENOMEM.
int segment_writer_new(struct segment_writer **ret, int level);
void segment_writer_free(struct segment_writer *writer); // accepts NULL; the file stays as it is

// A new segment in the empty file `fd`, which stays the caller's. Returns 0 or -errno.
int segment_writer_begin(struct segment_writer *writer, int fd, const struct segment_info *info);

// The rows of `batch` as one block; those of no octets (tombstones) are left out. On failure
// returns -errno and the file ends after the last whole block, and can still be finished.
int segment_writer_put(struct segment_writer *writer, const struct batch *batch);

// Footer and tail. On failure returns -errno and the file ends after the last whole block.
int segment_writer_finish(struct segment_writer *writer);

uint64_t segment_writer_bytes(const struct segment_writer *writer); // of the file
uint64_t segment_writer_raw_bytes(const struct segment_writer *writer); // of its rows
bool segment_writer_full(const struct segment_writer *writer); // holds as many keys as it may

// What a crash left in `fd`, open to read and write: cuts off the last block where it is not whole,
// and makes the footer. Returns 0, also when there was one already; -ENODATA: not even its head was
// written; -EBADMSG: it is damaged, and was left alone; or -errno.
int segment_recover(struct segment_writer *writer, int fd);
