// Segments read back. At the start of the window stands what is looked at next. When that is no
// whole block or footer, the window moves on octet by octet until it is.
#include "core/export/segment_read.h"

#include "core/export/packing.h"
#include "core/export/segment_window.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	// After so many blocks with a good head and a bad payload it is taken for an attack on our
	// time, and they are skipped by their size.
	RESYNC_MAX = 64,
};

// What stands at the start of the window.
enum probe {
	PROBE_BLOCK,
	PROBE_FOOTER,
	PROBE_EOF,
	PROBE_SHORT, // a block or footer that the file ends in
	PROBE_UNREADABLE, // neither
	PROBE_DAMAGED, // a block's head, but not what it promises
	PROBE_FOOTER_DAMAGED,
};

struct segment_reader {
	struct segment_window window;
	uint8_t *raw;
	size_t raw_max;

	struct segment_info info;
	bool started, has_info, finished, ended;
	bool no_memory;
	uint64_t whole_bytes;
	uint64_t rows[SEGMENT_COUNTS], blocks, raw_bytes; // read so far
	unsigned resyncs;
	enum probe lost; // why octets are being skipped; PROBE_BLOCK: they are not
	uint64_t lost_offset;
	char damage[200];
};

int segment_reader_new(struct segment_reader **ret)
{
	struct segment_reader *r = calloc(1, sizeof(*r));
	if (r == NULL)
		return -ENOMEM;
	int err = window_init(&r->window);
	if (err) {
		segment_reader_free(r);
		return err;
	}
	*ret = r;
	return 0;
}

void segment_reader_free(struct segment_reader *reader)
{
	if (reader == NULL)
		return;
	window_fini(&reader->window);
	free(reader->raw);
	free(reader);
}

void segment_reader_open(
	struct segment_reader *reader, int fd, const uint8_t *prefix, size_t prefix_len)
{
	struct segment_reader fresh = {
		.window = reader->window,
		.raw = reader->raw,
		.raw_max = reader->raw_max,
		.lost = PROBE_BLOCK,
	};

	*reader = fresh;
	window_open(&reader->window, fd, prefix, prefix_len);
}

__attribute__((format(printf, 2, 3))) static enum segment_found damaged(
	struct segment_reader *r, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(r->damage, sizeof(r->damage), format, args);
	va_end(args);
	return SEGMENT_DAMAGE;
}

static void copy_text(char *to, const uint8_t *from, size_t size)
{
	memcpy(to, from, size);
	to[size] = '\0';
}

// The head of the file, or damage; where it is only damaged, blocks are read all the same.
static bool read_head(struct segment_reader *r)
{
	struct segment_head head;

	if (!window_fill(&r->window, sizeof(head))) {
		r->ended = true;
		damaged(r, "it ends inside its head, after %zu octets", window_len(&r->window));
		return false;
	}
	memcpy(&head, window_bytes(&r->window), sizeof(head));
	if (memcmp(head.magic, SEGMENT_HEAD_MAGIC, SEGMENT_MAGIC_SIZE) != 0 ||
		le64toh(head.sum) != segment_sum(&head, offsetof(struct segment_head, sum))) {
		window_skip(&r->window);
		damaged(r, "its head is damaged");
		return false;
	}
	if (le32toh(head.version) != SEGMENT_VERSION) {
		r->ended = true;
		damaged(r, "it is of version %" PRIu32 ", and this program reads version %d",
			le32toh(head.version), SEGMENT_VERSION);
		return false;
	}
	window_advance(&r->window, sizeof(head));
	r->whole_bytes = r->window.offset;
	r->has_info = true;
	r->info.schema_version = le32toh(head.schema_version);
	r->info.created_ns = le64toh(head.created_ns);
	r->info.boot_id = le64toh(head.boot_id);
	r->info.json = le32toh(head.format) == SEGMENT_JSON;
	memcpy(r->info.collector_id, head.collector_id, sizeof(head.collector_id));
	memcpy(r->info.policy_sha256, head.policy_sha256, sizeof(head.policy_sha256));
	copy_text(r->info.region, head.region, sizeof(head.region));
	copy_text(r->info.policy_id, head.policy_id, sizeof(head.policy_id));
	copy_text(r->info.policy_version, head.policy_version, sizeof(head.policy_version));
	return true;
}

static bool block_head_ok(const struct segment_block_head *head)
{
	uint32_t raw_size = le32toh(head->raw_size), packed_size = le32toh(head->packed_size);
	uint16_t type = le16toh(head->type);

	return le64toh(head->sum) == segment_sum(head, offsetof(struct segment_block_head, sum)) &&
		type > RECORD_NONE && type < SEGMENT_COUNTS && raw_size > 0 &&
		raw_size <= SEGMENT_RAW_MAX && packed_size <= SEGMENT_PACKED_MAX &&
		le32toh(head->rows) <= SEGMENT_ROWS_MAX && le32toh(head->keys) <= SEGMENT_KEYS_MAX;
}

static bool unpack(struct segment_reader *r, size_t raw_size, const uint8_t *packed, size_t size)
{
	if (raw_size > r->raw_max) {
		uint8_t *raw = realloc(r->raw, raw_size);
		if (raw == NULL) {
			r->no_memory = true;
			return false;
		}
		r->raw = raw;
		r->raw_max = raw_size;
	}
	int err = packing_undo(r->raw, raw_size, packed, size);
	r->no_memory |= err == -ENOMEM;
	return err == 0;
}

static enum probe probe_block(struct segment_reader *r, struct segment_block *ret)
{
	struct segment_block_head head;

	if (!window_fill(&r->window, sizeof(head)))
		return PROBE_SHORT;
	memcpy(&head, window_bytes(&r->window), sizeof(head));
	if (!block_head_ok(&head))
		return PROBE_UNREADABLE;
	size_t keys_size = (size_t)le32toh(head.keys) * SEGMENT_KEY_SIZE;
	size_t payload_size = keys_size + le32toh(head.packed_size);
	if (!window_fill(&r->window, sizeof(head) + payload_size))
		return PROBE_SHORT;
	const uint8_t *payload = window_bytes(&r->window) + sizeof(head);
	*ret = (struct segment_block){
		.type = le16toh(head.type),
		.json = le16toh(head.format) == SEGMENT_JSON,
		.rows = le32toh(head.rows),
		.size = le32toh(head.raw_size),
		.keys = (const uint8_t(*)[16])payload,
		.key_count = le32toh(head.keys),
		.offset = r->window.offset,
		.file_size = sizeof(head) + payload_size,
	};
	if (le64toh(head.payload_sum) != segment_sum(payload, payload_size) ||
		!unpack(r, ret->size, payload + keys_size, payload_size - keys_size))
		return PROBE_DAMAGED;
	ret->bytes = r->raw;
	return PROBE_BLOCK;
}

// *ret_size: of the footer without its tail.
static enum probe probe_footer(struct segment_reader *r, size_t *ret_size)
{
	struct segment_footer_head head;
	uint64_t sum;

	if (!window_fill(&r->window, sizeof(head)))
		return PROBE_SHORT;
	memcpy(&head, window_bytes(&r->window), sizeof(head));
	uint32_t keys = le32toh(head.keys);
	if (keys > SEGMENT_KEYS_MAX)
		return PROBE_FOOTER_DAMAGED;
	size_t summed = sizeof(head) + (size_t)keys * SEGMENT_KEY_SIZE;
	if (!window_fill(&r->window, summed + sizeof(sum)))
		return PROBE_SHORT;
	memcpy(&sum, window_bytes(&r->window) + summed, sizeof(sum));
	if (le64toh(sum) != segment_sum(window_bytes(&r->window), summed))
		return PROBE_FOOTER_DAMAGED;
	// It comes last, so that a reader that stops there has seen the whole file.
	if (!window_fill(&r->window, summed + sizeof(sum) + sizeof(struct segment_tail)))
		return PROBE_SHORT;
	*ret_size = summed + sizeof(sum);
	return PROBE_FOOTER;
}

static enum probe probe(
	struct segment_reader *r, struct segment_block *ret_block, size_t *ret_footer)
{
	if (!window_fill(&r->window, SEGMENT_MAGIC_SIZE))
		return window_len(&r->window) == 0 ? PROBE_EOF : PROBE_SHORT;
	if (window_magic(&r->window, 0, SEGMENT_BLOCK_MAGIC))
		return probe_block(r, ret_block);
	if (window_magic(&r->window, 0, SEGMENT_FOOTER_MAGIC))
		return probe_footer(r, ret_footer);
	return PROBE_UNREADABLE;
}

// Over what is damaged: a block whose size is known as a whole, if another part follows there.
static void skip_damaged(struct segment_reader *r, enum probe why, uint64_t file_size)
{
	if (why == PROBE_DAMAGED) {
		size_t size = (size_t)file_size;
		bool follows = window_fill(&r->window, size + SEGMENT_MAGIC_SIZE) &&
			window_part(&r->window, size);
		if (follows || ++r->resyncs > RESYNC_MAX) {
			window_advance(&r->window, size);
			return;
		}
	}
	window_skip(&r->window);
}

static enum segment_found report_lost(struct segment_reader *r)
{
	uint64_t octets = r->window.offset - r->lost_offset;
	enum probe why = r->lost;

	r->lost = PROBE_BLOCK;
	if (why == PROBE_FOOTER_DAMAGED)
		return damaged(r, "the footer at offset %" PRIu64 " is damaged", r->lost_offset);
	return damaged(r, "the %s at offset %" PRIu64 " is damaged, %" PRIu64 " octets skipped",
		why == PROBE_DAMAGED ? "block" : "block or footer", r->lost_offset, octets);
}

// The footer against what was read, the tail, and that nothing follows.
static enum segment_found end_with_footer(struct segment_reader *r, size_t footer_size)
{
	struct segment_footer_head head;
	struct segment_tail tail;
	uint64_t counted = 0, read = 0;
	bool equal = true;

	memcpy(&head, window_bytes(&r->window), sizeof(head));
	memcpy(&tail, window_bytes(&r->window) + footer_size, sizeof(tail));
	uint64_t footer_offset = r->window.offset;
	window_advance(&r->window, footer_size + sizeof(tail));
	r->finished = r->ended = true;
	r->whole_bytes = r->window.offset;
	for (unsigned type = 0; type < SEGMENT_COUNTS; type++) {
		counted += le64toh(head.rows[type]);
		read += r->rows[type];
		equal = equal && le64toh(head.rows[type]) == r->rows[type];
	}
	if (!equal)
		return damaged(r, "its footer counts %" PRIu64 " rows, %" PRIu64 " were read",
			counted, read);
	if (le64toh(head.blocks) != r->blocks || le64toh(head.raw_bytes) != r->raw_bytes)
		return damaged(r,
			"its footer counts %" PRIu64 " blocks of %" PRIu64 " octets, %" PRIu64
			" of %" PRIu64 " were read",
			le64toh(head.blocks), le64toh(head.raw_bytes), r->blocks, r->raw_bytes);
	if (le64toh(tail.footer_offset) != footer_offset ||
		memcmp(tail.magic, SEGMENT_TAIL_MAGIC, SEGMENT_MAGIC_SIZE) != 0)
		return damaged(r, "its last %zu octets are damaged", sizeof(tail));
	if (window_fill(&r->window, 1))
		return damaged(
			r, "something follows after its end at offset %" PRIu64, r->window.offset);
	return SEGMENT_END;
}

static enum segment_found end_without_footer(struct segment_reader *r)
{
	r->ended = true;
	if (r->no_memory || r->window.error == ENOMEM)
		return damaged(r, "no memory to read on at offset %" PRIu64, r->window.offset);
	if (r->window.error != 0)
		return damaged(r, "cannot read on at offset %" PRIu64 ": %s", r->window.offset,
			strerror(r->window.error));
	// A last block that is not whole is what a segment looks like that is being written.
	if (r->lost != PROBE_BLOCK && r->lost != PROBE_SHORT)
		return report_lost(r);
	return SEGMENT_END;
}

enum segment_found segment_reader_next(struct segment_reader *reader, struct segment_block *ret)
{
	struct segment_reader *r = reader;

	if (!r->started) {
		r->started = true;
		if (!read_head(r))
			return SEGMENT_DAMAGE;
	}
	while (!r->ended) {
		struct segment_block block = {0};
		size_t footer_size = 0;
		enum probe found = probe(r, &block, &footer_size);
		bool whole = found == PROBE_BLOCK || found == PROBE_FOOTER;

		if (whole && r->lost != PROBE_BLOCK)
			return report_lost(r);
		if (found == PROBE_BLOCK) {
			window_advance(&r->window, (size_t)block.file_size);
			r->whole_bytes = r->window.offset;
			r->rows[block.type] += block.rows;
			r->blocks++;
			r->raw_bytes += block.size;
			*ret = block;
			return SEGMENT_BLOCK;
		}
		if (found == PROBE_FOOTER)
			return end_with_footer(r, footer_size);
		if (found == PROBE_EOF || r->window.error != 0 || r->no_memory)
			return end_without_footer(r);
		if (r->lost == PROBE_BLOCK) {
			r->lost = found;
			r->lost_offset = r->window.offset;
		}
		skip_damaged(r, found, block.file_size);
	}
	return SEGMENT_END;
}

const char *segment_reader_damage(const struct segment_reader *reader)
{
	return reader->damage;
}

bool segment_reader_finished(const struct segment_reader *reader)
{
	return reader->finished;
}

uint64_t segment_reader_whole_bytes(const struct segment_reader *reader)
{
	return reader->whole_bytes;
}

bool segment_reader_info(const struct segment_reader *reader, struct segment_info *ret)
{
	if (reader->has_info)
		*ret = reader->info;
	return reader->has_info;
}

bool segment_is(const uint8_t *bytes, size_t len)
{
	return len >= SEGMENT_MAGIC_SIZE &&
		memcmp(bytes, SEGMENT_HEAD_MAGIC, SEGMENT_MAGIC_SIZE) == 0;
}
