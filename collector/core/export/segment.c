// Segments written: head, blocks of one batch each, footer.
#include "core/export/segment.h"

#include "core/export/key_set.h"
#include "core/export/packing.h"
#include "core/export/segment_parts.h"
#include "core/export/segment_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Rows for which keys are looked up ahead.
enum { ROWS_AHEAD = 8 };

struct segment_writer {
	struct packer *packer;
	int fd;
	bool json;
	uint64_t bytes; // of the file, up to its last whole part
	uint64_t raw_bytes;
	uint64_t blocks;
	uint64_t rows[RECORD_TYPE_COUNT];
	struct key_set keys;
	uint8_t *block; // as it goes to the file
	size_t block_max;
};

static_assert((int)RECORD_TYPE_COUNT <= (int)SEGMENT_COUNTS);
static_assert((int)KEY_SET_KEY_SIZE == (int)SEGMENT_KEY_SIZE);
static_assert((int)BATCH_ROWS_MAX <= (int)SEGMENT_ROWS_MAX);

int segment_writer_new(struct segment_writer **ret, int level)
{
	struct segment_writer *w = calloc(1, sizeof(*w));
	if (w == NULL)
		return -ENOMEM;
	w->fd = -1;
	int err = packer_new(&w->packer, level);
	if (err != 0) {
		segment_writer_free(w);
		return err;
	}
	*ret = w;
	return 0;
}

void segment_writer_free(struct segment_writer *writer)
{
	if (writer == NULL)
		return;
	packer_free(writer->packer);
	key_set_fini(&writer->keys);
	free(writer->block);
	free(writer);
}

static int reserve(uint8_t **bytes, size_t *max, size_t size)
{
	if (size <= *max)
		return 0;
	void *more = realloc(*bytes, size);
	if (more == NULL)
		return -ENOMEM;
	*bytes = more;
	*max = size;
	return 0;
}

// Appends after the last whole part, or leaves the file ending there.
static int append(struct segment_writer *w, const void *bytes, size_t size)
{
	const uint8_t *at = bytes;

	for (size_t left = size; left > 0;) {
		ssize_t count = pwrite(w->fd, at, left, (off_t)(w->bytes + (size - left)));
		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0) {
			int err = count < 0 ? -errno : -ENOSPC;
			// If this fails too, readers find a last block that is not whole.
			(void)!ftruncate(w->fd, (off_t)w->bytes);
			return err;
		}
		at += count;
		left -= (size_t)count;
	}
	w->bytes += size;
	return 0;
}

static void writer_reset(struct segment_writer *w, int fd)
{
	w->fd = fd;
	w->bytes = w->raw_bytes = w->blocks = 0;
	memset(w->rows, 0, sizeof(w->rows));
	key_set_clear(&w->keys);
}

static void copy_text(uint8_t *to, size_t size, const char *from)
{
	memcpy(to, from, strnlen(from, size));
}

int segment_writer_begin(struct segment_writer *writer, int fd, const struct segment_info *info)
{
	struct segment_head head = {
		.magic = SEGMENT_HEAD_MAGIC,
		.version = htole32(SEGMENT_VERSION),
		.schema_version = htole32(info->schema_version),
		.created_ns = htole64(info->created_ns),
		.boot_id = htole64(info->boot_id),
		.format = htole32(info->json ? SEGMENT_JSON : SEGMENT_PROTOBUF),
	};

	memcpy(head.collector_id, info->collector_id, sizeof(head.collector_id));
	memcpy(head.policy_sha256, info->policy_sha256, sizeof(head.policy_sha256));
	copy_text(head.region, sizeof(head.region), info->region);
	copy_text(head.policy_id, sizeof(head.policy_id), info->policy_id);
	copy_text(head.policy_version, sizeof(head.policy_version), info->policy_version);
	head.sum = htole64(segment_sum(&head, offsetof(struct segment_head, sum)));
	writer_reset(writer, fd);
	writer->json = info->json;
	return append(writer, &head, sizeof(head));
}

// Behind the place of the block's head the client keys that are new in this segment. Counts them,
// and the rows, in `h`.
static int put_keys(
	struct segment_writer *w, const struct batch *batch, struct segment_block_head *h)
{
	uint8_t *to = w->block + sizeof(*h);

	for (uint32_t i = 0; i < batch->count; i++) {
		const struct batch_row *row = &batch->rows[i];
		if (i + ROWS_AHEAD < batch->count)
			for (unsigned end = 0; end < 2; end++)
				key_set_prefetch(&w->keys, row[ROWS_AHEAD].client_key[end]);
		if (row->len == 0)
			continue;
		h->rows++;
		for (unsigned end = 0; end < 2; end++) {
			bool is_new;
			int err = key_set_add(&w->keys, row->client_key[end], &is_new);
			if (err != 0)
				return err;
			if (is_new)
				memcpy(to + SEGMENT_KEY_SIZE * h->keys++, row->client_key[end],
					SEGMENT_KEY_SIZE);
		}
	}
	return 0;
}

int segment_writer_put(struct segment_writer *writer, const struct batch *batch)
{
	struct segment_block_head head = {.magic = SEGMENT_BLOCK_MAGIC};

	REQUIRE(batch->size <= SEGMENT_RAW_MAX && batch->type < RECORD_TYPE_COUNT);
	int err = reserve(&writer->block, &writer->block_max,
		sizeof(head) + (size_t)batch->count * 2 * SEGMENT_KEY_SIZE +
			packer_bound(batch->size));
	if (err == 0)
		err = put_keys(writer, batch, &head);
	if (err != 0 || head.rows == 0)
		return err;
	uint64_t rows = head.rows;
	size_t keys_size = (size_t)head.keys * SEGMENT_KEY_SIZE;
	uint8_t *payload = writer->block + sizeof(head);
	size_t packed_size = packer_put(writer->packer, batch, payload + keys_size,
		writer->block_max - sizeof(head) - keys_size);
	if (packed_size == 0)
		return -ENOMEM;
	head.type = htole16(batch->type);
	head.format = htole16(writer->json ? SEGMENT_JSON : SEGMENT_PROTOBUF);
	head.rows = htole32(head.rows);
	head.keys = htole32(head.keys);
	head.raw_size = htole32(batch->size);
	head.packed_size = htole32((uint32_t)packed_size);
	head.payload_sum = htole64(segment_sum(payload, keys_size + packed_size));
	head.sum = htole64(segment_sum(&head, offsetof(struct segment_block_head, sum)));
	memcpy(writer->block, &head, sizeof(head));
	err = append(writer, writer->block, sizeof(head) + keys_size + packed_size);
	if (err != 0)
		return err;
	writer->rows[batch->type] += rows;
	writer->raw_bytes += batch->size;
	writer->blocks++;
	return 0;
}

int segment_writer_finish(struct segment_writer *writer)
{
	struct segment_footer_head head = {
		.magic = SEGMENT_FOOTER_MAGIC,
		.blocks = htole64(writer->blocks),
		.raw_bytes = htole64(writer->raw_bytes),
		.keys = htole32(writer->keys.count),
	};
	struct segment_tail tail = {
		.footer_offset = htole64(writer->bytes),
		.magic = SEGMENT_TAIL_MAGIC,
	};
	size_t keys_size = (size_t)writer->keys.count * SEGMENT_KEY_SIZE;
	size_t summed = sizeof(head) + keys_size;

	int err = reserve(
		&writer->block, &writer->block_max, summed + sizeof(uint64_t) + sizeof(tail));
	if (err != 0)
		return err;
	for (unsigned type = 0; type < RECORD_TYPE_COUNT; type++)
		head.rows[type] = htole64(writer->rows[type]);
	memcpy(writer->block, &head, sizeof(head));
	key_set_sort(&writer->keys, (uint8_t(*)[KEY_SET_KEY_SIZE])(writer->block + sizeof(head)));
	uint64_t sum = htole64(segment_sum(writer->block, summed));
	memcpy(writer->block + summed, &sum, sizeof(sum));
	memcpy(writer->block + summed + sizeof(sum), &tail, sizeof(tail));
	return append(writer, writer->block, summed + sizeof(sum) + sizeof(tail));
}

uint64_t segment_writer_bytes(const struct segment_writer *writer)
{
	return writer->bytes;
}

uint64_t segment_writer_raw_bytes(const struct segment_writer *writer)
{
	return writer->raw_bytes;
}

bool segment_writer_full(const struct segment_writer *writer)
{
	return writer->keys.count >= SEGMENT_KEYS_FULL;
}

// Counts and keys of the blocks in the file, as if they had just been written.
static int recover_blocks(struct segment_writer *w, struct segment_reader *reader)
{
	struct segment_block block;
	enum segment_found found;

	while ((found = segment_reader_next(reader, &block)) == SEGMENT_BLOCK) {
		for (uint32_t i = 0; i < block.key_count; i++) {
			bool is_new;
			int err = key_set_add(&w->keys, block.keys[i], &is_new);
			if (err != 0)
				return err;
		}
		if (w->keys.count > SEGMENT_KEYS_MAX)
			return -EBADMSG;
		w->rows[block.type] += block.rows;
		w->raw_bytes += block.size;
		w->blocks++;
	}
	return found == SEGMENT_DAMAGE ? -EBADMSG : 0;
}

int segment_recover(struct segment_writer *writer, int fd)
{
	struct segment_reader *reader = NULL;
	off_t size = lseek(fd, 0, SEEK_END);

	if (size < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	if (size < (off_t)sizeof(struct segment_head))
		return -ENODATA;
	int err = segment_reader_new(&reader);
	if (err != 0)
		return err;
	segment_reader_open(reader, fd, NULL, 0);
	writer_reset(writer, fd);
	err = recover_blocks(writer, reader);
	if (err == 0 && !segment_reader_finished(reader)) {
		writer->bytes = segment_reader_whole_bytes(reader);
		err = ftruncate(fd, (off_t)writer->bytes) != 0 ? -errno
							       : segment_writer_finish(writer);
	}
	segment_reader_free(reader);
	return err;
}
