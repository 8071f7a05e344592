// The TLS ClientHello: golden hellos (each also cut at every length: talk_close), where it may
// stand, and ways to lie.
#include "frames.h"
#include "talk.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

extern const struct classifier_ops tls_hello_classifier_ops;

enum { SERVER_NAME = 0, ALPN = 16, VERSIONS = 43, ECH = 0xfe0d };

static void put_extension_of(struct frame *f, unsigned type, const void *body, size_t len)
{
	put16(f, type);
	put16(f, (unsigned)len);
	put(f, body, len);
}

static void put_server_name(struct frame *f, const char *name)
{
	size_t len = strlen(name);

	put16(f, SERVER_NAME);
	put16(f, (unsigned)len + 5);
	put16(f, (unsigned)len + 3);
	put8(f, 0);
	put16(f, (unsigned)len);
	put(f, name, len);
}

// A handshake message with these extensions; NULL: no extensions field at all.
static struct frame handshake(unsigned version, const struct frame *extensions)
{
	struct frame f = {0};
	size_t len = 2 + 32 + 1 + 8 + 2 + 4 + 2 + (extensions == NULL ? 0 : 2 + extensions->len);

	put8(&f, 1);
	put8(&f, 0);
	put16(&f, (unsigned)len);
	put16(&f, version);
	put_fill(&f, 32, 0x5a);
	put8(&f, 8);
	put_fill(&f, 8, 0x33);
	put(&f, "\x00\x04\x13\x01\x13\x02\x01\x00", 8);
	if (extensions != NULL) {
		put16(&f, (unsigned)extensions->len);
		put(&f, extensions->bytes, extensions->len);
	}
	return f;
}

static void put_record(struct frame *f, unsigned type, const uint8_t *bytes, size_t len)
{
	put8(f, type);
	put16(f, 0x0301);
	put16(f, (unsigned)len);
	put(f, bytes, len);
}

static struct frame record_of(const struct frame *message)
{
	struct frame f = {0};

	put_record(&f, 22, message->bytes, message->len);
	return f;
}

static struct frame hello(unsigned version, const struct frame *extensions)
{
	struct frame message = handshake(version, extensions);

	return record_of(&message);
}

// What a browser sends.
static struct frame modern(void)
{
	struct frame e = {0};

	put_extension_of(&e, 0x2a2a, "", 0); // GREASE
	put_server_name(&e, "WWW.example.com");
	put_extension_of(&e, ALPN, "\x00\x0f\x02\x3a\x3a\x02h2\x08http/1.1", 17);
	put_extension_of(&e, VERSIONS, "\x06\xba\xba\x03\x04\x03\x03", 7);
	put_extension_of(
		&e, ECH, "\x00\x00\x01\x00\x01\x07\x00\x02\xaa\xbb\x00\x03\x01\x02\x03", 15);
	put_extension_of(&e, 65281, "\x00", 1);
	return e;
}

static struct talk *tcp(void)
{
	return talk_new(&tls_hello_classifier_ops, TALK_TCP);
}

static struct talk *show(const struct frame *f)
{
	struct talk *t = tcp();

	talk_say(t, 0, f->bytes, f->len);
	return t;
}

static void check_modern(const struct talk *t)
{
	assert_string_equal(told_text(t->report, FINDING_SERVER_NAME), "WWW.example.com");
	assert_int_equal(t->report->texts[0].source, NAME_SNI);
	assert_string_equal(told_text(t->report, FINDING_ALPN), "h2,http/1.1");
	assert_string_equal(told_text(t->report, FINDING_TLS_VERSION), "1.3");
	assert_int_equal(told_number(t->report, FINDING_ECH), ECH_OFFERED);
	assert_int_equal(t->report->malformed, 0);
	assert_true(t->enough);
}

static void a_modern_hello(void **)
{
	struct frame e = modern(), f = hello(0x0303, &e);
	struct talk *t = show(&f);

	check_modern(t);
	talk_close(t, "modern");
}

static void versions(void **)
{
	static const struct {
		unsigned legacy;
		const char *list; // octets behind their count
		size_t len;
		const char *text;
	} cases[] = {
		{0x0300, NULL, 0, "SSL 3.0"}, {0x0301, NULL, 0, "1.0"}, {0x0302, NULL, 0, "1.1"},
		{0x0303, NULL, 0, "1.2"},
		{0x0304, NULL, 0, "1.2"}, // without the extension that offers it
		{0x0303, "\x04\x03\x03\x03\x02", 5, "1.2"},
		{0x0303, "\x04\x7f\x12\x03\x03", 5, "1.3"}, // draft 18
		{0x0303, "\x04\x0a\x0a\x03\x01", 5, "1.0"},
		{0x0303, "\x02\x09\x09", 3, "1.2"}, // nothing known
	};

	for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
		struct frame e = {0};
		if (cases[i].list != NULL)
			put_extension_of(&e, VERSIONS, cases[i].list, cases[i].len);
		struct frame f = hello(cases[i].legacy, cases[i].list != NULL ? &e : NULL);
		struct talk *t = show(&f);
		assert_string_equal(told_text(t->report, FINDING_TLS_VERSION), cases[i].text);
		assert_null(told_text(t->report, FINDING_SERVER_NAME));
		assert_int_equal(told_number(t->report, FINDING_ECH), -1);
		char name[16];
		snprintf(name, sizeof(name), "version-%u", i);
		talk_close(t, name);
	}
}

static void pieces_in_several_records(void **)
{
	struct frame e = modern(), m = handshake(0x0303, &e), f = {0};

	for (size_t at = 0, len; at < m.len; at += len) {
		len = MIN(m.len - at, (size_t)71);
		put_record(&f, 22, m.bytes + at, len);
	}
	struct talk *t = show(&f);
	check_modern(t);
	talk_close(t, "records");
}

// What stands in the first segment as a whole counts; what the next may bring is not guessed.
static void a_hello_over_segments(void **)
{
	struct frame e = {0};
	put_server_name(&e, "first.example");
	put_extension_of(&e, 21, modern().bytes, 1);
	put_extension_of(&e, VERSIONS, "\x02\x03\x04", 3);
	struct frame f = hello(0x0303, &e);
	struct talk *t = tcp();

	talk_say(t, 0, f.bytes, f.len - 3);
	talk_say(t, 0, f.bytes + f.len - 3, 3);
	assert_string_equal(told_text(t->report, FINDING_SERVER_NAME), "first.example");
	assert_null(told_text(t->report, FINDING_TLS_VERSION));
	assert_int_equal(t->report->malformed, 0);
	talk_close(t, "segments");
}

static void after_starttls(void **)
{
	struct frame e = modern(), f = hello(0x0303, &e);
	struct talk *t = tcp();

	for (unsigned i = 0; i < 3; i++) {
		talk_say(t, 1, "220 go ahead\r\n", 14);
		talk_say(t, 0, "STARTTLS\r\n", 10);
	}
	talk_say(t, 0, f.bytes, f.len);
	check_modern(t);
	talk_close(t, "starttls");
}

static void too_late_or_missed(void **)
{
	struct frame e = modern(), f = hello(0x0303, &e);
	struct talk *t = tcp();

	for (unsigned i = 0; i < 10; i++)
		talk_say(t, i & 1, "something else", 14);
	assert_true(t->enough);
	talk_say(t, 0, f.bytes, f.len);
	assert_int_equal(t->report->text_count, 0);
	talk_close(t, "late");

	t = tcp(); // an alert, a later version, a short one: none of them a hello
	talk_say(t, 0, "\x15\x03\x03\x00\x04\x01\x00\x00\x00", 9);
	talk_say(t, 0, "\x16\x03\x05\x00\x04\x01\x00\x00\x00", 9);
	talk_say(t, 0, "\x16\x03\x01\x00\x04\x01\x00\x00", 8);
	assert_false(t->enough);
	assert_int_equal(t->report->malformed, 0);
	talk_close(t, "no-hello");

	t = tcp();
	talk_say(t, 1, "\x16\x03\x03\x00\x04\x02\x00\x00\x00", 9); // the server's hello
	assert_true(t->enough);
	talk_close(t, "server-hello");

	t = tcp();
	talk_say(t, 0, "\x17\x03\x03\x00\x04wxyz", 9); // joined in the middle
	assert_true(t->enough);
	talk_close(t, "application-data");
}

static void check_lie(const struct frame *f, const char *name)
{
	struct talk *t = show(f);

	assert_int_equal(t->report->text_count, 0);
	assert_int_equal(t->report->number_count, 0);
	assert_int_equal(t->report->malformed, 1);
	assert_true(t->enough);
	talk_close(t, name);
}

// Good names beside a lie are not told: who lies about lengths may mean anything.
static void lies(void **)
{
	struct frame e = modern(), f = hello(0x0303, &e);

	f.bytes[5 + 4 + 2 + 32] = 0xff; // the session id is longer than all of it
	check_lie(&f, "lie-session");
	f = hello(0x1303, &e);
	check_lie(&f, "lie-version");
	f = hello(0x0303, &e);
	f.bytes[5 + 4 + 2 + 32 + 9 + 8]++; // the extensions are, by 256
	check_lie(&f, "lie-extensions");
	e = modern();
	e.bytes[9]++; // the list of names is longer than its extension
	f = hello(0x0303, &e);
	check_lie(&f, "lie-names");
	e = modern();
	e.bytes[12]--; // the name is shorter than its list
	f = hello(0x0303, &e);
	check_lie(&f, "lie-name");
	e = (struct frame){0};
	put_extension_of(&e, SERVER_NAME, "\x00\x04\x00\x00\x01x\x00", 7); // more than its list
	f = hello(0x0303, &e);
	check_lie(&f, "lie-trailing");
	e = (struct frame){0};
	put_server_name(&e, "");
	f = hello(0x0303, &e);
	check_lie(&f, "lie-empty");
	char name[257];
	memset(name, 'x', 256);
	name[256] = 0;
	e = (struct frame){0};
	put_server_name(&e, name); // no such host name
	f = hello(0x0303, &e);
	check_lie(&f, "lie-long");
	e = (struct frame){0};
	put_extension_of(&e, ALPN, "\x00\x03\x02h2", 5);
	put_extension_of(&e, ALPN, "\x00\x01\x00", 3);
	f = hello(0x0303, &e);
	check_lie(&f, "lie-alpn");
	e = (struct frame){0};
	put_extension_of(&e, VERSIONS, "\x03\x03\x04\x03", 4);
	f = hello(0x0303, &e);
	check_lie(&f, "lie-versions");
	e = (struct frame){0};
	put_extension_of(&e, ECH, "\x00\x00\x01\x00\x01\x07\x00\x02\xaa\xbb\x00\x09\x01", 13);
	f = hello(0x0303, &e);
	check_lie(&f, "lie-ech");
	f = (struct frame){0};
	put(&f, "\x16\x03\x01\xff\xff\x01\x00\x01\x00", 9); // no record is so long
	check_lie(&f, "lie-record");
}

// Names of other types are passed over, and of two host names the first counts.
static void several_names(void **)
{
	struct frame e = {0};

	put_extension_of(&e, SERVER_NAME, "\x00\x0c\x07\x00\x01q\x00\x00\x01x\x00\x00\x01y", 14);
	struct frame f = hello(0x0303, &e);
	struct talk *t = show(&f);
	assert_string_equal(told_text(t->report, FINDING_SERVER_NAME), "x");
	assert_int_equal(t->report->malformed, 0);
	talk_close(t, "several-names");
}

static void long_alpn_is_bounded(void **)
{
	struct frame e = {0}, list = {0};

	put16(&list, 20 * 51);
	for (int i = 0; i < 20; i++) {
		put8(&list, 50);
		put_fill(&list, 50, 'a');
	}
	put_extension_of(&e, ALPN, list.bytes, list.len);
	struct frame f = hello(0x0303, &e);
	struct talk *t = show(&f);
	assert_int_equal(strlen(told_text(t->report, FINDING_ALPN)), 10 * 51 - 1);
	talk_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_modern_hello),
		cmocka_unit_test(versions),
		cmocka_unit_test(pieces_in_several_records),
		cmocka_unit_test(a_hello_over_segments),
		cmocka_unit_test(after_starttls),
		cmocka_unit_test(too_late_or_missed),
		cmocka_unit_test(lies),
		cmocka_unit_test(several_names),
		cmocka_unit_test(long_alpn_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
