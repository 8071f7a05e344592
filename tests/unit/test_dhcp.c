// DHCP: what clients say of themselves and servers acknowledge, options in all their places, lies.
#include "frames.h"
#include "talk.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

extern const struct classifier_ops dhcp_classifier_ops;

enum { DISCOVER = 1, REQUEST = 3, ACK = 5, INFORM = 8, LEASEQUERY = 10 };
enum {
	AT_CIADDR = 12,
	AT_YIADDR = 16,
	AT_CHADDR = 28,
	AT_SNAME = 44,
	AT_FILE = 108,
	AT_COOKIE = 236
};

static const char mac[] = "\x02\x00\x00\x00\x00\x31";

static void put_option(struct frame *f, unsigned code, const void *value, size_t len)
{
	put8(f, code);
	put8(f, (unsigned)len);
	put(f, value, len);
}

static struct frame message(unsigned operation, unsigned type)
{
	struct frame f = {0};
	uint8_t value = (uint8_t)type;

	put8(&f, operation);
	put(&f, "\x01\x06\x00\x12\x34\x56\x78", 7);
	put_fill(&f, AT_CHADDR - 8, 0);
	put(&f, mac, 6);
	put_fill(&f, AT_COOKIE - AT_CHADDR - 6, 0);
	put32(&f, 0x63825363);
	if (type != 0)
		put_option(&f, 53, &value, 1);
	return f;
}

static struct talk *show(const struct frame *f)
{
	struct talk *t = talk_new(&dhcp_classifier_ops, TALK_UDP);

	talk_say(t, 0, f->bytes, f->len);
	return t;
}

static void check_text(const struct talk *t, enum client_fact kind, const char *text)
{
	const struct told_fact *f = told_fact(t->report, kind, 0);

	assert_non_null(f);
	assert_string_equal(f->text, text);
	assert_memory_equal(f->fact.mac, mac, 6);
	assert_null(told_fact(t->report, kind, 1));
}

static void what_a_client_says(void **)
{
	static const unsigned types[] = {DISCOVER, REQUEST, INFORM};

	for (unsigned i = 0; i < ARRAY_COUNT(types); i++) {
		struct frame f = message(1, types[i]);
		put_fill(&f, 2, 0); // padding between options
		put_option(&f, 12, "kitchen-tv\0\0", 12);
		put_option(&f, 60, "udhcp 1.35.0", 12);
		put_option(&f, 55, "\x01\x03\x06\x79\xfc", 5);
		put_option(&f, 81, "\x00\x00\x00tv.example.", 14);
		put8(&f, 255);
		put_option(&f, 12, "behind the end", 14);
		struct talk *t = show(&f);
		check_text(t, FACT_DHCP_NAME, "kitchen-tv");
		check_text(t, FACT_DHCP_VENDOR_CLASS, "udhcp 1.35.0");
		check_text(t, FACT_DHCP_OPTIONS, "1,3,6,121,252");
		check_text(t, FACT_DHCP_FQDN, "tv.example.");
		assert_int_equal(t->report->fact_count, 4);
		assert_int_equal(t->report->malformed, 0);
		char name[16];
		snprintf(name, sizeof(name), "client-%u", types[i]);
		talk_close(t, name);
	}
}

static void names_in_wire_format(void **)
{
	static const struct {
		const char *value;
		size_t len;
		const char *text; // NULL: nothing
		unsigned malformed;
	} cases[] = {
		{"\x05\xff\xff\x02tv\x07"
		 "example\x00",
			15, "tv.example", 0},
		{"\x05\xff\xff\x02tv", 6, "tv", 0}, // partial: no root
		{"\x04\x00\x00\x00", 4, NULL, 0}, // the root alone
		{"\x04\x00\x00\x09tv", 6, NULL, 1},
		{"\x04\x00\x00\xc0\x00", 5, NULL, 1}, // there is nothing to point at
		{"\x04\x00\x00", 3, NULL, 0},
	};

	for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
		struct frame f = message(1, REQUEST);
		put_option(&f, 81, cases[i].value, cases[i].len);
		struct talk *t = show(&f);
		if (cases[i].text != NULL)
			check_text(t, FACT_DHCP_FQDN, cases[i].text);
		else
			assert_int_equal(t->report->fact_count, 0);
		assert_int_equal(t->report->malformed, cases[i].malformed);
		char name[16];
		snprintf(name, sizeof(name), "fqdn-%u", i);
		talk_close(t, name);
	}
}

static void acknowledged_addresses(void **)
{
	struct frame f = message(2, ACK);
	memcpy(f.bytes + AT_CIADDR, "\x0a\x00\x00\x05", 4);
	memcpy(f.bytes + AT_YIADDR, "\x0a\x00\x00\x07", 4);
	put_option(&f, 12, "given-by-server", 15);
	struct talk *t = show(&f);
	assert_int_equal(t->report->fact_count, 1);
	const struct told_fact *fact = told_fact(t->report, FACT_DHCP_BINDING, 0);
	assert_memory_equal(fact->fact.mac, mac, 6);
	assert_memory_equal(fact->fact.ip, "\x0a\x00\x00\x07", 4);
	assert_int_equal(fact->fact.ip_version, 4);
	talk_close(t, "ack");

	memset(f.bytes + AT_YIADDR, 0, 4); // to an INFORM
	t = show(&f);
	fact = told_fact(t->report, FACT_DHCP_BINDING, 0);
	assert_memory_equal(fact->fact.ip, "\x0a\x00\x00\x05", 4);
	talk_close(t, "ack-inform");

	memset(f.bytes + AT_CIADDR, 0, 4);
	t = show(&f);
	assert_int_equal(t->report->fact_count, 0);
	talk_close(t, "ack-nothing");

	f = message(2, 2); // an offer is no binding
	memcpy(f.bytes + AT_YIADDR, "\x0a\x00\x00\x07", 4);
	t = show(&f);
	assert_int_equal(t->report->fact_count, 0);
	talk_close(t, "offer");

	f = message(1, ACK); // from a client
	memcpy(f.bytes + AT_YIADDR, "\x0a\x00\x00\x07", 4);
	t = show(&f);
	assert_null(told_fact(t->report, FACT_DHCP_BINDING, 0));
	talk_close(t, "ack-by-client");
}

// RFC 3396: an option in parts, first in the options, then in `file`, then in `sname`.
static void options_in_parts(void **)
{
	struct frame f = message(1, REQUEST);

	put_option(&f, 52, "\x03", 1);
	put_option(&f, 12, "liv", 3);
	put_option(&f, 12, "ing", 3);
	memcpy(f.bytes + AT_SNAME, "\x0c\x03-tv\xff", 6);
	memcpy(f.bytes + AT_FILE, "\x0c\x05-room\xff", 8);
	struct talk *t = show(&f);
	check_text(t, FACT_DHCP_NAME, "living-room-tv");
	talk_close(t, "parts");

	f.bytes[AT_COOKIE + 4 + 3 + 2] = 0; // no overload: those are names of the server
	t = show(&f);
	check_text(t, FACT_DHCP_NAME, "living");
	talk_close(t, "not-overloaded");
}

static void long_options_are_bounded(void **)
{
	struct frame f = message(1, REQUEST);
	uint8_t many[255];

	for (unsigned i = 0; i < sizeof(many); i++)
		many[i] = (uint8_t)(255 - i % 50);
	for (int i = 0; i < 4; i++) {
		put_option(&f, 55, many, sizeof(many));
		put_option(&f, 60, many, sizeof(many));
	}
	struct talk *t = show(&f);
	assert_int_equal(told_fact(t->report, FACT_DHCP_VENDOR_CLASS, 0)->fact.text_len, 512);
	assert_int_equal(told_fact(t->report, FACT_DHCP_OPTIONS, 0)->fact.text_len, 511);
	talk_close(t, "long");
}

static void lies_and_strangers(void **)
{
	struct frame f = message(1, REQUEST);
	put(&f, "\x0c\x20short", 7); // says 32 octets
	struct talk *t = show(&f);
	assert_int_equal(t->report->fact_count, 0);
	assert_int_equal(t->report->malformed, 1);
	talk_close(t, "past-the-end");

	// The same where the capture is cut: what stood before counts.
	f = message(1, REQUEST);
	put_option(&f, 12, "cut-tv", 6);
	put_option(&f, 60, "vendor", 6);
	t = talk_new(&dhcp_classifier_ops, TALK_UDP);
	talk_say_later(t, 0, f.bytes, f.len, 0, 3);
	check_text(t, FACT_DHCP_NAME, "cut-tv");
	assert_int_equal(t->report->malformed, 0);
	talk_free(t);

	f = message(1, LEASEQUERY); // asks about another
	put_option(&f, 12, "another", 7);
	t = show(&f);
	assert_int_equal(t->report->fact_count, 0);
	talk_close(t, "lease-query");

	f = message(1, REQUEST);
	put_option(&f, 12, "bootp", 5);
	f.bytes[AT_COOKIE] = 0; // plain BOOTP
	t = show(&f);
	assert_int_equal(t->report->fact_count, 0);
	assert_int_equal(t->report->malformed, 0);
	talk_close(t, "bootp");

	f = message(3, REQUEST); // neither request nor reply
	put_option(&f, 12, "odd", 3);
	t = show(&f);
	assert_int_equal(t->report->fact_count, 0);
	assert_int_equal(t->report->malformed, 1);
	talk_close(t, "operation");

	f = message(1, REQUEST);
	put_option(&f, 12, "firewire", 8);
	f.bytes[1] = 24;
	t = show(&f);
	assert_int_equal(t->report->fact_count, 0);
	talk_close(t, "hardware");

	f = message(1, REQUEST);
	put_option(&f, 12, "nobody", 6);
	memset(f.bytes + AT_CHADDR, 0, 6);
	t = show(&f);
	assert_int_equal(t->report->fact_count, 0);
	talk_close(t, "no-mac");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_client_says),
		cmocka_unit_test(names_in_wire_format),
		cmocka_unit_test(acknowledged_addresses),
		cmocka_unit_test(options_in_parts),
		cmocka_unit_test(long_options_are_bounded),
		cmocka_unit_test(lies_and_strangers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
