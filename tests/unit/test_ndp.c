// Neighbour discovery: who may be believed about an address, which prefixes count, and lies.
#include "frames.h"
#include "talk.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

extern const struct classifier_ops ndp_classifier_ops;

enum { SOLICIT_ROUTER = 133, ADVERTISE_ROUTER, SOLICIT, ADVERTISE, REDIRECT };
enum { SOLICITED = 0x40 };

static const char own[] = "\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\x01"; // put_ip6's source
static const char other[] = "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x05";
static const char none[16];
static const char frame_mac[] = "\x02\x00\x00\x00\x00\x02"; // put_ether's source
static const char option_mac[] = "\x02\x00\x00\x00\x00\x77";

struct ndp {
	unsigned type, code, flags, hop_limit;
	const char *source, *target; // target NULL: the message has none
};

static struct frame frame_of(struct ndp n)
{
	struct frame f = {0};

	put_ether(&f, 0x86dd);
	put_ip6(&f, IP_PROTO_ICMP6, 0);
	f.bytes[14 + 7] = (uint8_t)n.hop_limit;
	memcpy(f.bytes + 14 + 8, n.source, 16);
	put8(&f, n.type);
	put8(&f, n.code);
	put16(&f, 0);
	put8(&f, n.flags);
	put_fill(&f, n.type == ADVERTISE_ROUTER ? 11 : 3, 0);
	if (n.target != NULL)
		put(&f, n.target, 16);
	if (n.type == REDIRECT)
		put(&f, other, 16);
	return f;
}

static void put_mac_option(struct frame *f, unsigned type)
{
	put8(f, type);
	put8(f, 1);
	put(f, option_mac, 6);
}

static void put_prefix(struct frame *f, unsigned len, unsigned flags, const char *prefix)
{
	put(f, "\x03\x04", 2);
	put8(f, len);
	put8(f, flags);
	put_fill(f, 12, 0);
	put(f, prefix, 16);
}

static struct talk *show(const struct frame *f)
{
	struct talk *t = talk_new(&ndp_classifier_ops, TALK_FRAME6);

	talk_say(t, 0, f->bytes, f->len);
	return t;
}

static void check_binding(const struct talk *t, const char *mac, const char *ip)
{
	const struct told_fact *f = told_fact(t->report, FACT_NDP, 0);

	assert_non_null(f);
	assert_int_equal(f->fact.ip_version, 6);
	assert_memory_equal(f->fact.mac, mac, 6);
	assert_memory_equal(f->fact.ip, ip, 16);
	assert_null(told_fact(t->report, FACT_NDP, 1));
}

static void askers_say_who_they_are(void **)
{
	static const unsigned types[] = {SOLICIT_ROUTER, ADVERTISE_ROUTER, SOLICIT};

	for (unsigned i = 0; i < ARRAY_COUNT(types); i++) {
		struct frame f = frame_of(
			(struct ndp){types[i], 0, 0, 255, own, types[i] == SOLICIT ? other : NULL});
		put_mac_option(&f, 1);
		struct talk *t = show(&f);
		check_binding(t, option_mac, own);
		assert_non_null(told_fact(t->report, FACT_ON_LINK, types[i] == SOLICIT ? 1 : 0));
		char name[16];
		snprintf(name, sizeof(name), "asker-%u", types[i]);
		talk_close(t, name);
	}
}

static void answers(void **)
{
	struct frame f = frame_of((struct ndp){ADVERTISE, 0, 0x20, 255, own, other});
	put_mac_option(&f, 2);
	struct talk *t = show(&f);
	check_binding(t, option_mac, other);
	talk_close(t, "advertisement");

	// The option may be left out: then the frame's source counts, if the address itself
	// answers.
	f = frame_of((struct ndp){ADVERTISE, 0, SOLICITED, 255, own, own});
	t = show(&f);
	check_binding(t, frame_mac, own);
	talk_close(t, "advertisement-bare");

	f = frame_of((struct ndp){ADVERTISE, 0, SOLICITED, 255, own, other});
	t = show(&f);
	assert_null(told_fact(t->report, FACT_NDP, 0));
	assert_memory_equal(told_fact(t->report, FACT_ON_LINK, 0)->fact.ip, other, 16);
	talk_close(t, "advertisement-proxy");

	f = frame_of((struct ndp){REDIRECT, 0, 0, 255, own, other});
	put_mac_option(&f, 2);
	t = show(&f);
	check_binding(t, option_mac, other);
	talk_close(t, "redirect");
}

// RFC 4862 section 5.4.2: the sender has no address yet.
static void a_search_for_duplicates(void **)
{
	struct frame f = frame_of((struct ndp){SOLICIT, 0, 0, 255, none, other});
	struct talk *t = show(&f);

	assert_int_equal(t->report->fact_count, 1);
	const struct told_fact *fact = told_fact(t->report, FACT_ON_LINK, 0);
	assert_memory_equal(fact->fact.ip, other, 16);
	assert_memory_equal(fact->fact.mac, none, 6);
	talk_close(t, "duplicates");
}

static void prefixes_on_the_link(void **)
{
	struct frame f = frame_of((struct ndp){ADVERTISE_ROUTER, 0, 0, 255, own, NULL});

	put(&f, "\x05\x01\0\0\0\0\x05\xdc", 8); // MTU
	put_prefix(&f, 64, 0xc0, other);
	put_prefix(&f, 64, 0x40, own); // not on the link
	put_prefix(&f, 64, 0xc0, own); // every link's
	put_prefix(&f, 128, 0xc0, other);
	put_prefix(&f, 129, 0xc0, other);
	put_prefix(&f, 0, 0xc0, other);
	struct talk *t = show(&f);
	assert_int_equal(t->report->fact_count, 2);
	const struct told_fact *fact = told_fact(t->report, FACT_ROUTER_PREFIX, 0);
	assert_int_equal(fact->fact.prefix_len, 64);
	assert_memory_equal(fact->fact.ip, other, 16);
	fact = told_fact(t->report, FACT_ROUTER_PREFIX, 1);
	assert_int_equal(fact->fact.prefix_len, 128);
	talk_close(t, "prefixes");

	f = frame_of((struct ndp){ADVERTISE_ROUTER, 0, 0, 255, own, NULL});
	for (int i = 0; i < 20; i++)
		put_prefix(&f, 64, 0x80, other);
	t = show(&f);
	assert_int_equal(t->report->fact_count, 8); // of one advertisement at most
	talk_close(t, "prefixes-many");

	// Sizes that are not those of the option.
	f = frame_of((struct ndp){ADVERTISE, 0, 0, 255, own, other});
	put(&f, "\x02\x02", 2);
	put_fill(&f, 14, 2);
	put(&f, "\x03\x01\x40\xc0\x20\x01\x0d\xb8", 8);
	t = show(&f);
	assert_int_equal(t->report->fact_count, 1);
	assert_non_null(told_fact(t->report, FACT_ON_LINK, 0));
	talk_close(t, "option-sizes");
}

static void lies(void **)
{
	static const char group[] = "\xff\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\x01";
	struct frame lie[6];
	unsigned count = 0;

	lie[count] = frame_of((struct ndp){SOLICIT, 0, 0, 64, own, other}); // was forwarded
	put_mac_option(&lie[count++], 1);
	lie[count] = frame_of((struct ndp){SOLICIT, 1, 0, 255, own, other}); // code
	put_mac_option(&lie[count++], 1);
	lie[count] = frame_of((struct ndp){SOLICIT, 0, 0, 255, own, other}); // option of length 0
	put(&lie[count], "\x01\x00", 2);
	put(&lie[count++], option_mac, 6);
	lie[count] = frame_of((struct ndp){SOLICIT, 0, 0, 255, own, other}); // option past the end
	put(&lie[count], "\x01\x02", 2);
	put(&lie[count++], option_mac, 6);
	lie[count] = frame_of((struct ndp){138, 0, 0, 255, own, other});
	put_mac_option(&lie[count++], 1);
	lie[count] = frame_of((struct ndp){ADVERTISE, 0, 0, 255, own, group});
	put_mac_option(&lie[count++], 2);
	for (unsigned i = 0; i < count; i++) {
		struct talk *t = show(&lie[i]);
		char name[16];
		assert_int_equal(t->report->fact_count, 0);
		snprintf(name, sizeof(name), "lie-%u", i);
		talk_close(t, name);
	}
}

static void a_group_has_no_binding(void **)
{
	struct frame f = frame_of((struct ndp){SOLICIT_ROUTER, 0, 0, 255, own, NULL});
	put(&f, "\x01\x01\x33\x33\x00\x00\x00\x01", 8);
	struct talk *t = show(&f);

	assert_int_equal(t->report->fact_count, 0);
	talk_close(t, "group-mac");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(askers_say_who_they_are),
		cmocka_unit_test(answers),
		cmocka_unit_test(a_search_for_duplicates),
		cmocka_unit_test(prefixes_on_the_link),
		cmocka_unit_test(lies),
		cmocka_unit_test(a_group_has_no_binding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
