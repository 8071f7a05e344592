// The records of a plain capture file: plain_file.h. The format: draft-ietf-opsawg-pcap.
#include "plain_file.h"

#include "core/base/compiler.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	RECORD_HEAD = 16,
	// Read at once: it stays in the cache until it has been worked on.
	PIECE = 192 << 10,
	// With less than that left, a batch of common frames might not fill.
	LITTLE = 64 << 10,
};

#define MAGIC_MICROSECONDS UINT32_C(0xa1b2c3d4)
#define MAGIC_NANOSECONDS UINT32_C(0xa1b23c4d)

bool plain_file_open(
	struct plain_file *file, int fd, uint32_t len_max, uint8_t *buffer, uint32_t size)
{
	struct plain_file_head head;
	struct stat st;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) ||
		pread(fd, &head, sizeof(head), 0) != sizeof(head))
		return false;
	if ((head.magic != MAGIC_MICROSECONDS && head.magic != MAGIC_NANOSECONDS) ||
		head.major != 2 || head.minor != 4)
		return false;
	REQUIRE(size >= LITTLE + PIECE && size >= len_max + RECORD_HEAD);
	*file = (struct plain_file){
		.fd = fd,
		.buffer = buffer,
		.size = size,
		.offset = sizeof(head),
		.len_max = len_max,
		.nanoseconds = head.magic == MAGIC_NANOSECONDS,
	};
	return true;
}

// Octets of the next record, head included, as far as the buffer tells.
static uint32_t next_size(const struct plain_file *file)
{
	uint32_t cap_len;

	if (file->end - file->at < RECORD_HEAD)
		return RECORD_HEAD;
	memcpy(&cap_len, file->buffer + file->at + 8, sizeof(cap_len));
	return RECORD_HEAD + MIN(cap_len, file->len_max);
}

void plain_file_fill(struct plain_file *file)
{
	uint32_t left = file->end - file->at;

	if (file->ended || (left >= LITTLE && left >= next_size(file)))
		return;
	memmove(file->buffer, file->buffer + file->at, left);
	file->at = 0;
	file->end = left;
	// A read that fails ends it here; libpcap meets the fault again and says what it is.
	while (!file->ended && (file->end < left + PIECE || file->end < next_size(file))) {
		uint32_t room = MIN((uint32_t)PIECE, file->size - file->end);
		ssize_t got = pread(file->fd, file->buffer + file->end, room, (off_t)file->offset);
		if (got < 0 && errno == EINTR)
			continue;
		file->ended = got <= 0;
		if (got > 0) {
			file->end += (uint32_t)got;
			file->offset += (uint64_t)got;
		}
	}
}

bool plain_file_next(struct plain_file *file, struct plain_record *ret)
{
	const uint8_t *head = file->buffer + file->at;
	uint32_t left = file->end - file->at;
	struct {
		int32_t seconds, fraction;
		uint32_t cap_len, wire_len;
	} record;
	static_assert(sizeof(record) == RECORD_HEAD);

	if (left < RECORD_HEAD)
		return false;
	memcpy(&record, head, sizeof(record));
	if (record.cap_len > file->len_max || record.cap_len > left - RECORD_HEAD)
		return false;
	file->at += RECORD_HEAD + record.cap_len;
	*ret = (struct plain_record){
		.seconds = record.seconds,
		.fraction_ns =
			file->nanoseconds ? record.fraction : record.fraction * INT64_C(1000),
		.cap_len = record.cap_len,
		.wire_len = record.wire_len,
		.bytes = head + RECORD_HEAD,
	};
	return true;
}

void plain_file_back(struct plain_file *file, uint32_t cap_len)
{
	REQUIRE(file->at >= RECORD_HEAD + cap_len);
	file->at -= RECORD_HEAD + cap_len;
}

uint64_t plain_file_offset(const struct plain_file *file)
{
	return file->offset - (file->end - file->at);
}

bool plain_file_done(const struct plain_file *file)
{
	return file->ended && file->at == file->end;
}
