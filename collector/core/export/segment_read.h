// Reads segments back, block by block, in bounded memory, from a file or a pipe. What is damaged is
// named and skipped: reading goes on at the next whole block. The file may be hostile.
#pragma once

#include "core/export/segment.h"

struct segment_block {
	enum record_type type;
	bool json;
	uint32_t rows; // as the block's head says
	const uint8_t *bytes; // of the rows: borrowed until the next call
	size_t size;
	const uint8_t (*keys)[16]; // not aligned to anything; borrowed likewise
	uint32_t key_count;
	uint64_t offset, file_size; // where it stands in the file and what it takes there
};

enum segment_found { SEGMENT_BLOCK, SEGMENT_DAMAGE, SEGMENT_END };

struct segment_reader;

int segment_reader_new(struct segment_reader **ret); // 0 or -ENOMEM
void segment_reader_free(struct segment_reader *reader); // accepts NULL

enum { SEGMENT_PREFIX_MAX = 512 << 10 };

// A segment in `fd` from its current position; `prefix`: octets that were read of it already. The
// reader can be opened again for the next one.
void segment_reader_open(
	struct segment_reader *reader, int fd, const uint8_t *prefix, size_t prefix_len);

// The next block; or damage, with `segment_reader_damage()` to say what and where; or the end.
enum segment_found segment_reader_next(struct segment_reader *reader, struct segment_block *ret);

const char *segment_reader_damage(const struct segment_reader *reader); // one clause

// After SEGMENT_END. Whether it has its footer; where its last whole part ends; whether its head
// was read, and what it says.
bool segment_reader_finished(const struct segment_reader *reader);
uint64_t segment_reader_whole_bytes(const struct segment_reader *reader);
bool segment_reader_info(const struct segment_reader *reader, struct segment_info *ret);

// Whether these octets (at least 8) begin a segment.
bool segment_is(const uint8_t *bytes, size_t len);
