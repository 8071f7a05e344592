// Segments: what is written comes back; damage at any octet is seen, and the rest is read.
#include "batches.h"

#include "core/export/key_set.h"
#include "core/export/segment.h"
#include "core/export/segment_read.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

enum { BLOCKS = 3, ROWS = 5 };

static struct segment_info info_of_test(void)
{
	struct segment_info info = {
		.schema_version = SEGMENT_SCHEMA_VERSION,
		.created_ns = 1700000000123456789,
		.boot_id = 0xb007,
		.json = true,
		.region = "eu",
		.policy_id = "default",
		.policy_version = "1",
	};
	memset(info.collector_id, 0xc0, sizeof(info.collector_id));
	memset(info.policy_sha256, 0x5a, sizeof(info.policy_sha256));
	return info;
}

static int memory_file(void)
{
	int fd = memfd_create("segment", MFD_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

// All rows of BLOCKS blocks, in order, as they must come back.
static size_t expected_rows(char *text)
{
	size_t len = 0;
	for (unsigned b = 0; b < BLOCKS; b++) {
		struct batch *batch = rows_batch(RECORD_FLOW, 4096);
		for (unsigned i = 0; i < ROWS; i++) {
			rows_add(batch, b * ROWS + i, 0);
			memcpy(text + len, batch->bytes + batch->rows[i].offset,
				batch->rows[i].len);
			len += batch->rows[i].len;
		}
		rows_batch_free(batch);
	}
	return len;
}

static void write_blocks(struct segment_writer *writer, int fd, bool finish)
{
	struct segment_info info = info_of_test();

	assert_int_equal(segment_writer_begin(writer, fd, &info), 0);
	for (unsigned b = 0; b < BLOCKS; b++) {
		struct batch *batch = rows_batch(b == 2 ? RECORD_USAGE : RECORD_FLOW, 4096);
		for (unsigned i = 0; i < ROWS; i++)
			rows_add(batch, b * ROWS + i, 1 + i % 3 + b);
		// A local server's key counts like a client's.
		batch->rows[0].client_key[1][0] = 6;
		assert_int_equal(segment_writer_put(writer, batch), 0);
		rows_batch_free(batch);
	}
	if (finish)
		assert_int_equal(segment_writer_finish(writer), 0);
}

static size_t small_segment(uint8_t *bytes, size_t size, bool finish)
{
	struct segment_writer *writer;
	int fd = memory_file();

	assert_int_equal(segment_writer_new(&writer, 1), 0);
	write_blocks(writer, fd, finish);
	ssize_t len = pread(fd, bytes, size, 0);
	assert_int_equal(len, segment_writer_bytes(writer));
	assert_true((size_t)len < size);
	segment_writer_free(writer);
	close(fd);
	return (size_t)len;
}

struct outcome {
	char rows[8192];
	size_t len;
	unsigned blocks, damages, keys;
	bool finished;
	char damage[256]; // the last
};

static void read_all(
	struct segment_reader *reader, const uint8_t *bytes, size_t len, struct outcome *ret)
{
	struct segment_block block;
	enum segment_found found;
	int fd = memory_file();

	memset(ret, 0, sizeof(*ret));
	assert_int_equal(write(fd, bytes, len), len);
	lseek(fd, 0, SEEK_SET);
	segment_reader_open(reader, fd, NULL, 0);
	while ((found = segment_reader_next(reader, &block)) != SEGMENT_END) {
		if (found == SEGMENT_DAMAGE) {
			ret->damages++;
			snprintf(ret->damage, sizeof(ret->damage), "%s",
				segment_reader_damage(reader));
			continue;
		}
		assert_true(ret->len + block.size <= sizeof(ret->rows));
		memcpy(ret->rows + ret->len, block.bytes, block.size);
		ret->len += block.size;
		ret->blocks++;
		ret->keys += block.key_count;
	}
	ret->finished = segment_reader_finished(reader);
	close(fd);
}

static void test_round_trip(void **)
{
	uint8_t bytes[8192];
	char rows[8192];
	struct segment_reader *reader;
	struct segment_info info, wanted = info_of_test();
	struct outcome out;
	size_t len = small_segment(bytes, sizeof(bytes), true);

	assert_int_equal(segment_reader_new(&reader), 0);
	read_all(reader, bytes, len, &out);
	assert_int_equal(out.damages, 0);
	assert_int_equal(out.blocks, BLOCKS);
	assert_true(out.finished);
	assert_int_equal(out.keys, 6); // clients 1 to 5 and server 6, each once
	assert_int_equal(out.len, expected_rows(rows));
	assert_memory_equal(out.rows, rows, out.len);
	assert_true(segment_reader_info(reader, &info));
	assert_memory_equal(&info, &wanted, sizeof(info));
	assert_true(segment_is(bytes, len));
	segment_reader_free(reader);
}

// The footer as it stands in the file: counts by type, keys sorted and each once.
static void test_footer(void **)
{
	uint8_t bytes[8192];
	char text[8192];
	uint64_t offset, rows[8], count;
	uint32_t keys;
	size_t len = small_segment(bytes, sizeof(bytes), true);

	assert_memory_equal(bytes + len - 8, "\xe4WEIREND", 8);
	memcpy(&offset, bytes + len - 16, 8);
	assert_memory_equal(bytes + offset, "\xf7WEIRFOT", 8);
	memcpy(rows, bytes + offset + 8, sizeof(rows));
	for (unsigned type = 0; type < 8; type++)
		assert_int_equal(rows[type],
			type == RECORD_FLOW            ? 2 * ROWS
				: type == RECORD_USAGE ? ROWS
						       : 0);
	memcpy(&count, bytes + offset + 72, 8);
	assert_int_equal(count, BLOCKS);
	memcpy(&count, bytes + offset + 80, 8);
	assert_int_equal(count, expected_rows(text));
	memcpy(&keys, bytes + offset + 88, 4);
	assert_int_equal(keys, 6);
	for (uint32_t i = 0; i < keys; i++)
		assert_int_equal(bytes[offset + 96 + 16 * i], i + 1);
	assert_int_equal(offset + 96 + 16 * keys + 8 + 16, len);
}

static void test_damage_everywhere(void **)
{
	uint8_t bytes[8192];
	char rows[8192];
	struct segment_reader *reader;
	struct outcome out;
	size_t len = small_segment(bytes, sizeof(bytes), true), all = expected_rows(rows);

	assert_int_equal(segment_reader_new(&reader), 0);
	for (size_t at = 0; at < len; at++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			bytes[at] ^= (uint8_t)(1 << bit);
			read_all(reader, bytes, len, &out);
			bytes[at] ^= (uint8_t)(1 << bit);
			// Seen; at most one block is lost; nothing invented.
			assert_true(out.damages > 0 || !out.finished);
			assert_true(out.blocks >= BLOCKS - 1);
			if (out.blocks == BLOCKS) {
				assert_int_equal(out.len, all);
				assert_memory_equal(out.rows, rows, all);
			} else {
				assert_non_null(strstr(out.damage, "counts 15 rows, 10 were read"));
			}
		}
	}
	segment_reader_free(reader);
}

static void test_truncated_everywhere(void **)
{
	uint8_t bytes[8192];
	char rows[8192];
	struct segment_reader *reader;
	struct outcome out;
	size_t len = small_segment(bytes, sizeof(bytes), true);
	unsigned blocks_before = 0;

	expected_rows(rows);
	assert_int_equal(segment_reader_new(&reader), 0);
	for (size_t cut = 0; cut < len; cut++) {
		read_all(reader, bytes, cut, &out);
		assert_false(out.finished);
		assert_int_equal(out.damages, cut < 256 ? 1 : 0);
		assert_true(out.blocks >= blocks_before && out.blocks <= BLOCKS);
		assert_memory_equal(out.rows, rows, out.len);
		blocks_before = out.blocks;
	}
	assert_int_equal(blocks_before, BLOCKS);
	segment_reader_free(reader);
}

// Octets taken out of, or put into, the middle: the blocks after it are found again.
static void test_shifted(void **)
{
	uint8_t bytes[8192], changed[8192];
	struct segment_reader *reader;
	struct outcome out;
	size_t len = small_segment(bytes, sizeof(bytes), true);

	assert_int_equal(segment_reader_new(&reader), 0);
	memcpy(changed, bytes, 300);
	memcpy(changed + 300, bytes + 310, len - 310);
	read_all(reader, changed, len - 10, &out);
	assert_int_equal(out.blocks, BLOCKS - 1);
	assert_true(out.damages > 0);

	memcpy(changed + 300, "0123456789", 10);
	memcpy(changed + 310, bytes + 300, len - 300);
	read_all(reader, changed, len + 10, &out);
	assert_int_equal(out.blocks, BLOCKS - 1);
	assert_true(out.damages > 0);

	memcpy(changed, bytes, len);
	changed[len] = 'x';
	read_all(reader, changed, len + 1, &out);
	assert_int_equal(out.damages, 1);
	assert_non_null(strstr(out.damage, "follows"));
	segment_reader_free(reader);
}

static void test_unfinished(void **)
{
	uint8_t bytes[8192];
	struct segment_reader *reader;
	struct outcome out;
	size_t len = small_segment(bytes, sizeof(bytes), false);

	assert_int_equal(segment_reader_new(&reader), 0);
	read_all(reader, bytes, len, &out);
	assert_int_equal(out.blocks, BLOCKS);
	assert_int_equal(out.damages, 0);
	assert_false(out.finished);
	assert_int_equal(segment_reader_whole_bytes(reader), len);
	segment_reader_free(reader);
}

// What a crash leaves, at every length, becomes a whole segment of its whole blocks.
static void test_recover(void **)
{
	uint8_t bytes[8192], whole[8192];
	struct segment_writer *writer;
	struct segment_reader *reader;
	struct outcome before, after;
	size_t whole_len = small_segment(whole, sizeof(whole), true);

	assert_int_equal(segment_writer_new(&writer, 1), 0);
	assert_int_equal(segment_reader_new(&reader), 0);
	for (size_t cut = 0; cut <= whole_len; cut++) {
		int fd = memory_file();
		assert_int_equal(write(fd, whole, cut), cut);
		read_all(reader, whole, cut, &before);
		int err = segment_recover(writer, fd);
		assert_int_equal(err, cut < 256 ? -ENODATA : 0);
		ssize_t len = pread(fd, bytes, sizeof(bytes), 0);
		close(fd);
		if (err != 0)
			continue;
		read_all(reader, bytes, (size_t)len, &after);
		assert_true(after.finished);
		assert_int_equal(after.damages, 0);
		assert_int_equal(after.len, before.len);
		assert_memory_equal(after.rows, before.rows, after.len);
		if (after.blocks == BLOCKS) {
			assert_int_equal(len, whole_len);
			assert_memory_equal(bytes, whole, whole_len);
		}
	}
	whole[300] ^= 1;
	int fd = memory_file();
	assert_int_equal(write(fd, whole, whole_len), whole_len);
	assert_int_equal(segment_recover(writer, fd), -EBADMSG);
	assert_int_equal(lseek(fd, 0, SEEK_END), whole_len); // left alone
	close(fd);
	segment_reader_free(reader);
	segment_writer_free(writer);
}

// A pipe gives what it has in small pieces, and its first octets were already looked at.
static void test_pipe(void **)
{
	uint8_t bytes[8192];
	struct segment_reader *reader;
	struct segment_block block;
	size_t len = small_segment(bytes, sizeof(bytes), true);
	int ends[2];
	unsigned blocks = 0;

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], bytes + 8, len - 8), len - 8);
	close(ends[1]);
	assert_int_equal(segment_reader_new(&reader), 0);
	segment_reader_open(reader, ends[0], bytes, 8);
	while (segment_reader_next(reader, &block) == SEGMENT_BLOCK)
		blocks++;
	assert_int_equal(blocks, BLOCKS);
	assert_true(segment_reader_finished(reader));
	segment_reader_free(reader);
	close(ends[0]);
}

// No room: the file ends after its last whole block, and can be finished when there is some.
static void test_no_room(void **)
{
	uint8_t bytes[8192];
	char path[] = "/tmp/weir-test-segment-XXXXXX";
	struct segment_writer *writer;
	struct segment_reader *reader;
	struct outcome out;
	struct rlimit before, limit;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(segment_writer_new(&writer, 1), 0);
	write_blocks(writer, fd, false);
	uint64_t size = segment_writer_bytes(writer);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur = size + 100;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	struct batch *batch = rows_batch(RECORD_FLOW, 4096);
	for (unsigned i = 0; i < ROWS; i++)
		rows_add(batch, i, 100);
	assert_int_equal(segment_writer_put(writer, batch), -EFBIG);
	assert_int_equal(segment_writer_finish(writer), -EFBIG);
	assert_int_equal(lseek(fd, 0, SEEK_END), size);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	signal(SIGXFSZ, SIG_DFL);
	assert_int_equal(segment_writer_finish(writer), 0);
	rows_batch_free(batch);

	ssize_t len = pread(fd, bytes, sizeof(bytes), 0);
	assert_int_equal(segment_reader_new(&reader), 0);
	read_all(reader, bytes, (size_t)len, &out);
	assert_int_equal(out.damages, 0);
	assert_int_equal(out.blocks, BLOCKS);
	assert_true(out.finished);
	segment_reader_free(reader);
	segment_writer_free(writer);
	close(fd);
}

// Tombstones have no octets: they are for Kafka, and no row of a segment.
static void test_tombstones(void **)
{
	struct segment_info info = info_of_test();
	struct segment_writer *writer;
	struct batch *batch = rows_batch(RECORD_CLIENT, 4096);
	int fd = memory_file();

	assert_int_equal(segment_writer_new(&writer, 3), 0);
	assert_int_equal(segment_writer_begin(writer, fd, &info), 0);
	uint64_t size = segment_writer_bytes(writer);
	rows_add(batch, 1, 1);
	batch->rows[0].len = 0;
	assert_int_equal(segment_writer_put(writer, batch), 0);
	assert_int_equal(segment_writer_bytes(writer), size);
	rows_batch_free(batch);
	segment_writer_free(writer);
	close(fd);
}

enum { BIG = 300 << 10 };

// A row as long as its digits let it be: a head that all have, one of `kinds` texts, and a number.
static void add_kind(struct batch *batch, uint32_t *seed, uint32_t kinds)
{
	struct batch_row *row = &batch->rows[batch->count++];
	char *to = (char *)batch->bytes + batch->size;

	*seed = *seed * 1103515245u + 12345u;
	uint32_t kind = (*seed >> 8) % kinds, mixed = (kind + 1) * 2654435761u;
	memset(row, 0, sizeof(*row));
	row->offset = batch->size;
	row->len = (uint32_t)sprintf(to,
		"{\"record\":\"flow\",\"collector_id\":\"dddbbc4f6b6151a215c299a3590cce0c\","
		"\"tenant\":\"default\",\"site\":\"default\",\"policy_fp\":\"713fbb5b5192f079\","
		"\"id\":%u,\"kind\":\"%08x%08x%08x\"}\n",
		*seed >> 4, mixed, mixed * 31u, mixed * 977u);
	batch->size += row->len;
}

// Octets of a segment of `blocks` big blocks of such rows; they come back as they were.
static uint64_t big_segment(int level, unsigned blocks, uint32_t kinds)
{
	struct segment_info info = info_of_test();
	struct segment_writer *writer;
	struct segment_reader *reader;
	struct segment_block block;
	uint32_t seed = 1, again = 1;
	struct batch *batch = rows_batch(RECORD_FLOW, BIG + 256);

	int fd = memory_file();
	assert_int_equal(segment_writer_new(&writer, level), 0);
	assert_int_equal(segment_writer_begin(writer, fd, &info), 0);
	for (unsigned b = 0; b < blocks; b++) {
		batch->count = batch->size = 0;
		while (batch->size < BIG && batch->count < BATCH_ROWS_MAX)
			add_kind(batch, &seed, kinds);
		assert_int_equal(segment_writer_put(writer, batch), 0);
	}
	assert_int_equal(segment_writer_finish(writer), 0);
	uint64_t size = segment_writer_bytes(writer);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(segment_reader_new(&reader), 0);
	segment_reader_open(reader, fd, NULL, 0);
	for (unsigned b = 0; b < blocks; b++) {
		batch->count = batch->size = 0;
		while (batch->size < BIG && batch->count < BATCH_ROWS_MAX)
			add_kind(batch, &again, kinds);
		assert_int_equal(segment_reader_next(reader, &block), SEGMENT_BLOCK);
		assert_int_equal(block.rows, batch->count);
		assert_int_equal(block.size, batch->size);
		assert_memory_equal(block.bytes, batch->bytes, batch->size);
	}
	assert_int_equal(segment_reader_next(reader, &block), SEGMENT_END);
	segment_reader_free(reader);
	segment_writer_free(writer);
	rows_batch_free(batch);
	close(fd);
	return size;
}

// Rows like each other are packed lightly, from the third block on; those that repeat what stands
// far behind are not, but for one block.
static void test_light(void **)
{
	uint64_t usual = big_segment(0, 1, 1), light = big_segment(0, 2, 1) - usual;
	uint64_t first = big_segment(0, 1, 500), second = big_segment(0, 2, 500) - first;

	assert_in_range(light, usual * 9 / 10, usual * 103 / 100);
	assert_true(big_segment(0, 8, 1) < usual * 8 * 103 / 100);
	assert_true(second > first * 108 / 100); // it was tried
	assert_true(big_segment(0, 8, 500) < first * 7 * 103 / 100 + second);
	// Only level 0 chooses.
	assert_true(big_segment(1, 2, 500) < big_segment(1, 1, 500) * 2);
}

static void add_keys(struct key_set *set, uint32_t count, bool spread, bool expect_new)
{
	uint8_t key[KEY_SET_KEY_SIZE] = {0};
	bool is_new;

	for (uint32_t i = 1; i <= count; i++) {
		uint32_t mixed = i * 2654435761u;
		memcpy(key + (spread ? 0 : sizeof(key) - sizeof(mixed)), &mixed, sizeof(mixed));
		assert_int_equal(key_set_add(set, key, &is_new), 0);
		assert_int_equal(is_new, expect_new);
	}
}

// Keys that are spread, as ours are, and such that differ in their last octets only.
static void test_key_set(void **)
{
	enum { COUNT = 5000 };
	static uint8_t sorted[COUNT][KEY_SET_KEY_SIZE];
	struct key_set set = {0};
	const uint8_t none[KEY_SET_KEY_SIZE] = {0};
	bool is_new;

	key_set_sort(&set, sorted); // nothing
	assert_int_equal(key_set_add(&set, none, &is_new), 0);
	assert_false(is_new); // zeros: no key
	for (unsigned spread = 0; spread < 2; spread++) {
		add_keys(&set, COUNT, spread, true);
		add_keys(&set, COUNT, spread, false);
		assert_int_equal(set.count, COUNT);
		memset(sorted, 0, sizeof(sorted));
		key_set_sort(&set, sorted);
		for (uint32_t i = 1; i < set.count; i++)
			assert_true(memcmp(sorted[i - 1], sorted[i], KEY_SET_KEY_SIZE) < 0);
		assert_memory_not_equal(sorted[0], none, KEY_SET_KEY_SIZE);
		key_set_clear(&set);
		assert_int_equal(set.count, 0);
	}
	add_keys(&set, 1, true, true);
	key_set_fini(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_footer),
		cmocka_unit_test(test_damage_everywhere),
		cmocka_unit_test(test_truncated_everywhere),
		cmocka_unit_test(test_shifted),
		cmocka_unit_test(test_unfinished),
		cmocka_unit_test(test_recover),
		cmocka_unit_test(test_pipe),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_tombstones),
		cmocka_unit_test(test_light),
		cmocka_unit_test(test_key_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
