// Segments that anybody may have written: read as they are, and once more with the sums put right,
// so that what stands behind the sums is reached as well.
#include "core/export/segment_parts.h"
#include "core/export/segment_read.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void read_all(const uint8_t *data, size_t size)
{
	struct segment_reader *reader;
	struct segment_block block;
	struct segment_info info;
	enum segment_found found;
	int fd = memfd_create("segment", MFD_CLOEXEC);
	uint64_t sum = 0;

	if (fd < 0 || segment_reader_new(&reader) != 0)
		abort();
	if (write(fd, data, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET) != 0)
		abort();
	segment_reader_open(reader, fd, NULL, 0);
	while ((found = segment_reader_next(reader, &block)) != SEGMENT_END) {
		if (found == SEGMENT_DAMAGE) {
			sum += strlen(segment_reader_damage(reader));
			continue;
		}
		if (block.offset + block.file_size > size)
			abort();
		for (size_t i = 0; i < block.size; i++)
			sum += block.bytes[i];
		for (uint32_t i = 0; i < block.key_count; i++)
			sum += block.keys[i][0];
	}
	if (segment_reader_whole_bytes(reader) > size)
		abort();
	if (segment_reader_info(reader, &info))
		sum += strlen(info.region) + strlen(info.policy_id) + strlen(info.policy_version);
	static volatile uint64_t sink;
	sink = sum;
	(void)sink;
	segment_reader_free(reader);
	close(fd);
}

static void recover(const uint8_t *data, size_t size)
{
	struct segment_writer *writer;
	int fd = memfd_create("segment", MFD_CLOEXEC);

	if (fd < 0 || segment_writer_new(&writer, 1) != 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	if (segment_recover(writer, fd) == 0 && segment_recover(writer, fd) != 0)
		abort(); // what was recovered once is whole
	segment_writer_free(writer);
	close(fd);
}

// Puts right the sums of what looks like a head, a block or a footer.
static void mend(uint8_t *data, size_t size)
{
	struct segment_block_head block;
	struct segment_footer_head footer;

	if (size >= sizeof(struct segment_head)) {
		size_t summed = offsetof(struct segment_head, sum);
		uint64_t sum = htole64(segment_sum(data, summed));
		memcpy(data + summed, &sum, sizeof(sum));
	}
	for (size_t at = 0; at + sizeof(block) <= size; at++) {
		if (memcmp(data + at, SEGMENT_BLOCK_MAGIC, SEGMENT_MAGIC_SIZE) == 0) {
			memcpy(&block, data + at, sizeof(block));
			size_t payload = (size_t)le32toh(block.keys) * SEGMENT_KEY_SIZE +
				le32toh(block.packed_size);
			if (payload <= size - at - sizeof(block))
				block.payload_sum =
					htole64(segment_sum(data + at + sizeof(block), payload));
			block.sum = htole64(
				segment_sum(&block, offsetof(struct segment_block_head, sum)));
			memcpy(data + at, &block, sizeof(block));
		} else if (memcmp(data + at, SEGMENT_FOOTER_MAGIC, SEGMENT_MAGIC_SIZE) == 0 &&
			size - at >= sizeof(footer)) {
			memcpy(&footer, data + at, sizeof(footer));
			size_t summed =
				sizeof(footer) + (size_t)le32toh(footer.keys) * SEGMENT_KEY_SIZE;
			if (summed + sizeof(uint64_t) > size - at)
				continue;
			uint64_t sum = htole64(segment_sum(data + at, summed));
			memcpy(data + at + summed, &sum, sizeof(sum));
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_all(data, size);
	uint8_t *copy = malloc(size > 0 ? size : 1);
	if (copy == NULL)
		abort();
	if (size > 0)
		memcpy(copy, data, size);
	mend(copy, size);
	read_all(copy, size);
	recover(copy, size);
	free(copy);
	return 0;
}
