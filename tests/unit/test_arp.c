// ARP: who may be believed about an address, and who not.
#include "frames.h"
#include "talk.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

extern const struct classifier_ops arp_classifier_ops;

struct arp {
	unsigned hardware, protocol, mac_len, ip_len, operation;
	const char *mac, *ip; // the sender's
};

static const struct arp sound = {
	1, 0x0800, 6, 4, 1, "\x02\x00\x00\x00\x00\x09", "\x0a\x00\x00\x09"};

static struct frame frame_of(struct arp a)
{
	struct frame f = {0};

	put_ether(&f, 0x0806);
	put16(&f, a.hardware);
	put16(&f, a.protocol);
	put8(&f, a.mac_len);
	put8(&f, a.ip_len);
	put16(&f, a.operation);
	put(&f, a.mac, 6);
	put(&f, a.ip, 4);
	put_fill(&f, 6, 0);
	put(&f, "\x0a\x00\x00\x01", 4);
	return f;
}

static struct talk *show(struct arp a)
{
	struct talk *t = talk_new(&arp_classifier_ops, TALK_FRAME);
	struct frame f = frame_of(a);

	talk_say(t, 0, f.bytes, f.len);
	return t;
}

static void senders_are_believed(void **)
{
	for (unsigned operation = 1; operation <= 2; operation++) {
		struct arp a = sound;
		a.operation = operation;
		struct talk *t = show(a);
		assert_int_equal(t->report->fact_count, 2);
		const struct told_fact *f = told_fact(t->report, FACT_ARP, 0);
		assert_non_null(f);
		assert_int_equal(f->fact.ip_version, 4);
		// The message's own sender, not the frame's.
		assert_memory_equal(f->fact.mac, sound.mac, 6);
		assert_memory_equal(f->fact.ip, sound.ip, 4);
		f = told_fact(t->report, FACT_ON_LINK, 0);
		assert_non_null(f);
		assert_memory_equal(f->fact.ip, sound.ip, 4);
		talk_close(t, operation == 1 ? "request" : "reply");
	}
}

static void others_are_not(void **)
{
	struct arp wrong[12];
	unsigned count = 0;

	for (unsigned i = 0; i < 12; i++)
		wrong[i] = sound;
	wrong[count++].hardware = 6;
	wrong[count++].protocol = 0x86dd;
	wrong[count++].mac_len = 8;
	wrong[count++].ip_len = 16;
	wrong[count++].operation = 3; // RARP
	wrong[count++].operation = 0;
	wrong[count++].ip = "\0\0\0\0"; // a probe
	wrong[count++].ip = "\xe0\x00\x00\x01";
	wrong[count++].ip = "\xff\xff\xff\xff";
	wrong[count++].ip = "\x7f\x00\x00\x01";
	wrong[count++].mac = "\0\0\0\0\0\0";
	wrong[count++].mac = "\xff\xff\xff\xff\xff\xff";
	for (unsigned i = 0; i < count; i++) {
		struct talk *t = show(wrong[i]);
		assert_int_equal(t->report->fact_count, 0);
		talk_close(t, "wrong");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(senders_are_believed),
		cmocka_unit_test(others_are_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
