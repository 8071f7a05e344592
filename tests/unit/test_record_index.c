// The index of a mapped file's records against one walker that goes from record to record: of
// traffic, of captures within captures (whose octets look like records where none begin), of files
// that are cut or spoilt.
#include "capture/record_index.h"

#include "core/base/compiler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

enum { SIZE = 3 << 20, LEN_MAX = 65535, SECONDS = 1795435200 };

static const struct record_kind kind = {.len_max = LEN_MAX, .fractions = 1000000};
static uint8_t bytes[SIZE];
static struct record_index index_of;
static uint64_t random_state;

static uint32_t random_below(uint32_t n)
{
	random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)((random_state >> 33) % n);
}

static void put_head(size_t at, uint32_t fraction, uint32_t cap_len, uint32_t wire_len)
{
	uint32_t head[] = {SECONDS + (uint32_t)(at >> 18), fraction, cap_len, wire_len};

	static_assert(sizeof(head) == RECORD_HEAD);
	memcpy(bytes + at, head, sizeof(head));
}

static void noise(size_t from, size_t to)
{
	for (size_t at = from; at < to; at++)
		bytes[at] = (uint8_t)random_below(256);
}

// Payload that is a chain of records itself, out of step with those around it.
static void decoys(size_t from, size_t to)
{
	noise(from, to);
	for (size_t at = from + random_below(16); at + RECORD_HEAD + 20 <= to;
		at += RECORD_HEAD + 20)
		put_head(at, random_below(1000000), 20, 20);
}

// Records up to `size`, the last one cut by it; of `least` to `most` octets.
static void fill_records(
	uint64_t seed, size_t size, uint32_t least, uint32_t most, void payload(size_t, size_t))
{
	random_state = seed;
	for (size_t at = 0; at < size;) {
		uint32_t len = least + random_below(most - least + 1);
		if (at + RECORD_HEAD > size)
			return noise(at, size);
		put_head(at, random_below(1000000), len, len + random_below(100));
		at += RECORD_HEAD;
		payload(at, MIN(at + len, size));
		at += len;
	}
}

// Compares the index from one record on with a walk, and returns where it ends.
static size_t compare(size_t size, size_t from)
{
	size_t at = from;

	record_index_fill(&index_of, bytes, size, from, &kind);
	assert_int_equal(index_of.next, 0);
	for (uint32_t i = 0; i < index_of.count; i++) {
		uint32_t cap_len;
		assert_int_equal(index_of.at[i], at);
		assert_true(at + RECORD_HEAD <= size);
		memcpy(&cap_len, bytes + at + 8, sizeof(cap_len));
		at += RECORD_HEAD + cap_len;
		assert_true(cap_len <= LEN_MAX && at <= size);
	}
	return at;
}

// The whole of it, index by index, up to where no whole record begins any more; returns that place.
static size_t compare_all(size_t size)
{
	size_t from = 0, at;

	while ((at = compare(size, from)) != from)
		from = at;
	if (size - from >= RECORD_HEAD) {
		uint32_t cap_len;
		memcpy(&cap_len, bytes + from + 8, sizeof(cap_len));
		assert_true(cap_len > LEN_MAX || cap_len > size - from - RECORD_HEAD);
	}
	return from;
}

static void traffic(void **)
{
	static const uint32_t sizes[][2] = {{0, 80}, {60, 60}, {54, 1514}, {1514, 1514}, {0, 9018}};

	for (unsigned i = 0; i < ARRAY_COUNT(sizes); i++) {
		fill_records(i, SIZE, sizes[i][0], sizes[i][1], noise);
		compare_all(SIZE);
	}
}

// All stretches but the last one or two are found in one go, or the walkers are of no use.
static void goes_far(void **)
{
	fill_records(7, SIZE, 54, 1514, noise);
	assert_true(compare(SIZE, 0) >= (RECORD_WALKERS - 1) * (size_t)RECORD_STRETCH);
}

static void captures_in_captures(void **)
{
	for (uint64_t seed = 0; seed < 8; seed++) {
		fill_records(seed, SIZE, 40, 1514 << (seed % 4), decoys);
		compare_all(SIZE);
	}
}

static void cut_anywhere(void **)
{
	fill_records(3, SIZE, 0, 1514, noise);
	for (unsigned i = 0; i < 200; i++)
		compare_all(random_below(SIZE));
	for (size_t size = 0; size < 64; size++)
		compare_all(size);
}

static void a_record_that_is_too_long(void **)
{
	fill_records(5, SIZE, 54, 1514, noise);
	compare(SIZE, 0);
	uint32_t middle = index_of.at[index_of.count / 2];
	put_head(middle, 0, LEN_MAX + 1, LEN_MAX + 1);
	assert_int_equal(compare_all(SIZE), middle);
}

// Nobody says that the first walker stands at a record.
static void no_records_at_all(void **)
{
	for (uint64_t seed = 0; seed < 200; seed++) {
		random_state = seed;
		noise(0, 1 << 16);
		compare_all(1 << 16);
	}
	memset(bytes, 0, SIZE);
	compare_all(SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(traffic),
		cmocka_unit_test(goes_far),
		cmocka_unit_test(captures_in_captures),
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(a_record_that_is_too_long),
		cmocka_unit_test(no_records_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
