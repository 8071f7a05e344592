// Rows back from their wire form: what JSON says, and what no row can do to the reader.
#include "sample.h"

#include "core/base/compiler.h"
#include "core/record/encode.h"
#include "core/record/read.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static char text_of_row[64 << 10];

static int read_json(enum record_type type, const void *row, size_t len)
{
	struct read_text out = {.bytes = text_of_row, .capacity = sizeof(text_of_row)};
	int err = read_row_json(type, row, len, &out);

	if (err == 0)
		text_of_row[out.size] = '\0';
	return err;
}

#define ASSERT_JSON(type, row, json) \
	do { \
		assert_int_equal(read_json(type, row, sizeof(row) - 1), 0); \
		assert_string_equal(text_of_row, json); \
	} while (0)
#define ASSERT_BAD(type, row) assert_int_equal(read_json(type, row, sizeof(row) - 1), -EBADMSG)

static void test_json(void **)
{
	ASSERT_JSON(RECORD_FLOW, "", "{\"record\":\"flow\"}");
	ASSERT_JSON(RECORD_FLOW, "\x18\x00", "{\"record\":\"flow\",\"sequence\":0}");
	ASSERT_JSON(RECORD_FLOW, "\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
		"{\"record\":\"flow\",\"sequence\":18446744073709551615}");
	ASSERT_JSON(RECORD_FLOW, "\x11\xef\xcd\xab\x89\x67\x45\x23\x01",
		"{\"record\":\"flow\",\"boot_id\":\"0123456789abcdef\"}");
	ASSERT_JSON(RECORD_FLOW,
		"\x22\x05"
		"a\"\\\x01/",
		"{\"record\":\"flow\",\"tenant\":\"a\\\"\\\\\\u0001/\"}");
	// An enumeration of a later version; bits that have no name.
	ASSERT_JSON(RECORD_FLOW, "\xa0\x01\x09", "{\"record\":\"flow\",\"end_reason\":9}");
	ASSERT_JSON(RECORD_FLOW, "\xa0\x01\x00", "{\"record\":\"flow\",\"end_reason\":0}");
	ASSERT_JSON(RECORD_FLOW, "\x98\x05\x83\x02",
		"{\"record\":\"flow\",\"visibility\":[\"one_way\",\"mid_flow\"]}");
	ASSERT_JSON(RECORD_CLIENT, "\x70\x01", "{\"record\":\"client\",\"mac_random\":true}");
	// RFC 5952: lower case, the longest run of zeros, not of one.
	ASSERT_JSON(RECORD_FLOW,
		"\x62\x10\x20\x01\x0d\xb8\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\xAB\xCD",
		"{\"record\":\"flow\",\"server_ip\":\"2001:db8:0:1::abcd\"}");
	ASSERT_JSON(RECORD_FLOW,
		"\x62\x10\x20\x01\x0d\xb8\x00\x00\x00\x01\x00\x02\x00\x03\x00\x04\x00\x05",
		"{\"record\":\"flow\",\"server_ip\":\"2001:db8:0:1:2:3:4:5\"}");
	ASSERT_JSON(RECORD_HEALTH, "\xe8\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
		"{\"record\":\"health\",\"clock_step_ns\":-9223372036854775808}");
	ASSERT_JSON(RECORD_HEALTH, "\xe2\x01\x09\x09\x00\x00\x00\x00\x00\x00\xd0\x3f",
		"{\"record\":\"health\",\"visibility\":{\"one_way_ratio\":0.25}}");
	// A number that JSON has no word for.
	ASSERT_JSON(RECORD_HEALTH, "\xe2\x01\x09\x09\x00\x00\x00\x00\x00\x00\xf0\x7f",
		"{\"record\":\"health\",\"visibility\":{\"one_way_ratio\":0}}");
	ASSERT_JSON(RECORD_CLIENT,
		"\xd2\x01\x01"
		"a"
		"\xd2\x01\x01"
		"b",
		"{\"record\":\"client\",\"services\":[\"a\",\"b\"]}");
}

static void test_times(void **)
{
	uint8_t row[9] = {0x49}; // Flow.start
	uint64_t random = 1;

	for (unsigned i = 0; i < 20000; i++) {
		random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		uint64_t ns = i == 0 ? 0 : i == 1 ? UINT64_MAX : random;
		time_t seconds = (time_t)(ns / NS_PER_S);
		char expected[96], when[32];
		struct tm tm;
		gmtime_r(&seconds, &tm);
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
		snprintf(expected, sizeof(expected), "{\"record\":\"flow\",\"start\":\"%s.%09uZ\"}",
			when, (unsigned)(ns % NS_PER_S));
		put_fixed64(row + 1, ns);
		assert_int_equal(read_json(RECORD_FLOW, row, sizeof(row)), 0);
		assert_string_equal(text_of_row, expected);
	}
}

// Entries of a list stand together in JSON wherever they stood in the row; what a later version
// added is passed over.
static void test_order(void **)
{
	ASSERT_JSON(RECORD_FLOW,
		"\xda\x03\x02\x18\x03" // dns {rcode 3}
		"\x18\x07" // sequence
		"\xda\x03\x02\x18\x00" // dns {rcode 0}
		"\xda\x03\x00", // dns {}
		"{\"record\":\"flow\",\"dns\":[{\"rcode\":3},{\"rcode\":0},{}],\"sequence\":7}");
	ASSERT_JSON(RECORD_FLOW,
		"\xfa\x3f\x02hi" // field 1023, octets
		"\xf8\x3f\x01" // varint
		"\xf9\x3f\x01\x02\x03\x04\x05\x06\x07\x08" // 64 bits
		"\xfd\x3f\x01\x02\x03\x04" // 32 bits
		"\x18\x07",
		"{\"record\":\"flow\",\"sequence\":7}");
	ASSERT_JSON(RECORD_FLOW, "\xda\x03\x04\x28\x01\x18\x02", // unknown within dns
		"{\"record\":\"flow\",\"dns\":[{\"rcode\":2}]}");
}

static void test_bad(void **)
{
	ASSERT_BAD(RECORD_NONE, "");
	ASSERT_BAD(RECORD_TYPE_COUNT, "");
	ASSERT_BAD(RECORD_FLOW, "\x18"); // no value
	ASSERT_BAD(RECORD_FLOW, "\x18\x80"); // a varint that does not end
	ASSERT_BAD(RECORD_FLOW, "\x18\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01");
	ASSERT_BAD(RECORD_FLOW, "\x18\x01\x18\x02"); // twice
	ASSERT_BAD(RECORD_FLOW, "\x19\x01\x02\x03\x04\x05\x06\x07\x08"); // not its wire type
	ASSERT_BAD(RECORD_FLOW, "\x11\x01\x02\x03\x04\x05\x06\x07");
	ASSERT_BAD(RECORD_FLOW,
		"\x22\x05"
		"abcd"); // longer than the row
	ASSERT_BAD(RECORD_FLOW,
		"\x22\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
		"a");
	ASSERT_BAD(RECORD_FLOW, "\x22\x01\xff"); // not UTF-8
	ASSERT_BAD(RECORD_FLOW, "\x22\x02\xc0\x80");
	ASSERT_BAD(RECORD_FLOW, "\x22\x03\xed\xa0\x80");
	ASSERT_BAD(RECORD_FLOW, "\x22\x04\xf4\x90\x80\x80");
	ASSERT_BAD(RECORD_FLOW,
		"\x62\x05"
		"abcde"); // an address of five octets
	ASSERT_BAD(RECORD_FLOW, "\x5a\x01k"); // a key of one
	ASSERT_BAD(RECORD_FLOW, "\x68\xff\xff\xff\xff\x7f"); // more than 32 bits
	ASSERT_BAD(RECORD_CLIENT, "\x70\x02"); // neither true nor false
	ASSERT_BAD(RECORD_FLOW, "\x00\x01"); // field 0
	ASSERT_BAD(RECORD_FLOW, "\x1b"); // a group
	ASSERT_BAD(RECORD_FLOW, "\xda\x03\x02\x18\x80"); // broken within a list
	ASSERT_BAD(RECORD_FLOW, "\xda\x03\x04\x18\x01\x18\x01"); // twice within an entry
	ASSERT_BAD(RECORD_FLOW, "\xda\x03\x00\x18\x80"); // broken behind a list
}

// A whole row, cut at every length and with every octet changed: an answer, and no harm.
static void test_damage(void **)
{
	struct sample r;

	sample_init(&r, PROFILE_FULL, NULL, false);
	record_flow(r.record, &r.flow);
	record_client(r.record, &r.client);
	record_health(r.record, &r.health);
	record_seal(r.record, 1, 0, true);
	for (struct batch *batch; (batch = batch_pool_next(&r.batches)) != NULL;) {
		const uint8_t *bytes = batch->bytes, *row;
		size_t left = batch->size, len;
		assert_int_equal(read_delimited(&bytes, &left, &row, &len), 1);
		// Copies of exact size, so that a sanitizer sees a step too far.
		for (size_t cut = 0; cut < len; cut++) {
			uint8_t *copy = malloc(cut + 1);
			memcpy(copy, row, cut);
			int err = read_json(batch->type, copy, cut);
			assert_true(err == 0 || err == -EBADMSG);
			free(copy);
		}
		uint8_t *copy = malloc(len);
		for (size_t i = 0; i < 8 * len; i++) {
			memcpy(copy, row, len);
			copy[i / 8] = (uint8_t)(copy[i / 8] ^ 1 << i % 8);
			int err = read_json(batch->type, copy, len);
			assert_true(err == 0 || err == -EBADMSG);
		}
		free(copy);
	}
	sample_fini(&r);
}

static void test_capacity(void **)
{
	struct sample r;
	char small[4096];

	sample_init(&r, PROFILE_FULL, NULL, false);
	record_flow(r.record, &r.flow);
	struct batch *batch = sample_sealed(&r);
	size_t whole = strlen(sample_json(batch, 0));
	const uint8_t *bytes = batch->bytes, *row;
	size_t left = batch->size, len;
	assert_int_equal(read_delimited(&bytes, &left, &row, &len), 1);
	for (size_t capacity = 0; capacity < whole + 3; capacity++) {
		struct read_text out = {.bytes = small, .capacity = capacity};
		small[capacity] = 'x';
		int err = read_row_json(RECORD_FLOW, row, len, &out);
		assert_int_equal(err, capacity > whole ? 0 : -ENOBUFS);
		assert_int_equal(small[capacity], 'x');
		assert_true(out.size <= capacity);
	}
	sample_fini(&r);
}

static void test_delimited(void **)
{
	static const uint8_t rows[] = "\x02"
				      "ab\x00\x01"
				      "c\x05"
				      "de";
	const uint8_t *bytes = rows, *row;
	size_t left = sizeof(rows) - 1, len;

	assert_int_equal(read_delimited(&bytes, &left, &row, &len), 1);
	assert_int_equal(len, 2);
	assert_memory_equal(row, "ab", 2);
	assert_int_equal(read_delimited(&bytes, &left, &row, &len), 1);
	assert_int_equal(len, 0);
	assert_int_equal(read_delimited(&bytes, &left, &row, &len), 1);
	assert_memory_equal(row, "c", 1);
	assert_int_equal(read_delimited(&bytes, &left, &row, &len), -EBADMSG);
	left = 0;
	assert_int_equal(read_delimited(&bytes, &left, &row, &len), 0);
}

// Field by field, as the summary of a run reads them.
static void test_values(void **)
{
	struct sample r;
	struct read_value value, entry;
	unsigned names = 0;

	sample_init(&r, PROFILE_FULL, NULL, false);
	record_client(r.record, &r.client);
	struct batch *batch = sample_sealed(&r);
	const uint8_t *bytes = batch->bytes, *message;
	size_t left = batch->size, len;
	assert_int_equal(read_delimited(&bytes, &left, &message, &len), 1);
	struct read_row row = read_row_of(RECORD_CLIENT, message, len);
	while (read_row_next(&row, &value) == 1) {
		if (value.index == CLIENT_vlan)
			assert_int_equal(value.number, 12);
		if (value.index != CLIENT_names)
			continue;
		struct read_row in = read_row_in(&row, &value);
		assert_int_equal(read_row_next(&in, &entry), 1);
		assert_int_equal(entry.index, CLIENT_names__name);
		if (names++ == 0)
			assert_memory_equal(entry.bytes, "Alices-Phone", entry.len);
		assert_int_equal(read_row_next(&in, &entry), 1);
		assert_int_equal(entry.index, CLIENT_names__source);
	}
	assert_int_equal(names, 2);
	sample_fini(&r);
}

// Only what is wanted, in its order, and of that the same as read_row_next() says.
static void test_wanted(void **)
{
	static const unsigned wants[] = {CLIENT_names, CLIENT_client_key, CLIENT_vlan};
	struct read_wanted wanted = {0};
	struct read_value value, other;
	unsigned found = 0;
	struct sample r;

	sample_init(&r, PROFILE_FULL, NULL, false);
	record_client(r.record, &r.client);
	struct batch *batch = sample_sealed(&r);
	const uint8_t *bytes = batch->bytes, *message;
	size_t left = batch->size, len;
	assert_int_equal(read_delimited(&bytes, &left, &message, &len), 1);
	for (unsigned i = 0; i < ARRAY_COUNT(wants); i++)
		read_want(&wanted, RECORD_CLIENT, wants[i]);
	struct read_row row = read_row_of(RECORD_CLIENT, message, len), all = row;
	while (read_row_next_wanted(&row, &wanted, &value) == 1) {
		do
			assert_int_equal(read_row_next(&all, &other), 1);
		while (other.index != CLIENT_names && other.index != CLIENT_client_key &&
			other.index != CLIENT_vlan);
		assert_int_equal(value.index, other.index);
		assert_ptr_equal(value.bytes, other.bytes);
		assert_ptr_equal(value.field, other.field);
		assert_int_equal(value.len, other.len);
		assert_int_equal(value.number, other.number);
		found++;
	}
	assert_int_equal(found, 4); // two names
	sample_fini(&r);
}

// What stands between is passed over whatever it says, but must be whole.
static void test_wanted_bad(void **)
{
	struct read_wanted wanted = {0};
	struct read_value value;

	read_want(&wanted, RECORD_FLOW, FLOW_sequence);
#define NEXT(row) \
	({ \
		struct read_row rest = \
			read_row_of(RECORD_FLOW, (const uint8_t *)(row), sizeof(row) - 1); \
		read_row_next_wanted(&rest, &wanted, &value); \
	})
	assert_int_equal(NEXT(""), 0);
	assert_int_equal(NEXT("\x22\x02\xff\xff\x18\x07"), 1);
	assert_int_equal(value.number, 7);
	assert_int_equal(NEXT("\xf8\xff\xff\xff\x0f\x80\x01\x18\x08"), 1); // a later version's
	assert_int_equal(value.number, 8);
	assert_int_equal(NEXT("\x22\x05"), -EBADMSG);
	assert_int_equal(NEXT("\x11\x05"), -EBADMSG);
	assert_int_equal(NEXT("\x20\x80"), -EBADMSG);
	assert_int_equal(NEXT("\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x80\x01"), -EBADMSG);
	assert_int_equal(NEXT("\x07\x01"), -EBADMSG);
	assert_int_equal(NEXT("\x27\x01"), -EBADMSG);
	assert_int_equal(NEXT("\x19\x01\x01\x01\x01\x01\x01\x01\x01"), -EBADMSG); // no varint
	assert_int_equal(NEXT("\x18"), -EBADMSG);
#undef NEXT
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_capacity),
		cmocka_unit_test(test_delimited),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_wanted),
		cmocka_unit_test(test_wanted_bad),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
