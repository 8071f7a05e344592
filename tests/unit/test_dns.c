// DNS: golden conversations (each also cut at every length: talk_close), and ways to lie.
#include "frames.h"
#include "talk.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

extern const struct classifier_ops dns_classifier_ops;

enum { A = 1, NS = 2, CNAME = 5, AAAA = 28, IN = 1 };
enum { QUERY = 0x0100, RESPONSE = 0x8180, NXDOMAIN = 0x8183, TRUNCATED = 0x0200 };

static void put_name(struct frame *f, const char *dotted)
{
	while (*dotted != 0) {
		size_t len = strcspn(dotted, ".");
		put8(f, (unsigned)len);
		put(f, dotted, len);
		dotted += len + (dotted[len] == '.');
	}
	put8(f, 0);
}

static struct frame head(unsigned id, unsigned flags, unsigned questions, unsigned answers)
{
	struct frame f = {0};

	put16(&f, id);
	put16(&f, flags);
	put16(&f, questions);
	put16(&f, answers);
	put32(&f, 0);
	return f;
}

static void put_question(struct frame *f, const char *name, unsigned type)
{
	put_name(f, name);
	put16(f, type);
	put16(f, IN);
}

static struct frame message(unsigned id, unsigned flags, const char *name, unsigned type)
{
	struct frame f = head(id, flags, 1, 0);

	put_question(&f, name, type);
	return f;
}

// The owner is a pointer to `owner_at`.
static void put_record(struct frame *f, unsigned owner_at, unsigned type, uint32_t ttl_s,
	const void *data, size_t len)
{
	put16(f, 0xc000 | owner_at);
	put16(f, type);
	put16(f, IN);
	put32(f, ttl_s);
	put16(f, (unsigned)len);
	put(f, data, len);
	f->bytes[7]++;
}

static void say(struct talk *t, unsigned from, const struct frame *f, unsigned after_ms)
{
	talk_say_later(t, from, f->bytes, f->len, after_ms, 0);
}

static struct talk *udp(void)
{
	return talk_new(&dns_classifier_ops, TALK_UDP);
}

static void a_question_answered(void **)
{
	struct talk *t = udp();
	struct frame q = message(7, QUERY, "WWW.Example.com", A);
	struct frame r = message(7, RESPONSE, "WWW.Example.com", A);

	put_record(&r, 12, CNAME, 300, "\x03web\xc0\x10", 6); // web.Example.com
	put_record(&r, 12 + 17 + 4 + 12, A, 60, "\xc0\x00\x02\x01", 4);
	put_record(&r, 12 + 17 + 4 + 12, A, 40, "\xc0\x00\x02\x02", 4);
	put_record(&r, 16, A, 10, "\x01\x01\x01\x01", 4); // Example.com: nobody was led there
	say(t, 0, &q, 0);
	say(t, 1, &r, 1500);

	const struct report *told = t->report;
	assert_int_equal(told->dns_count, 1);
	assert_string_equal(told->dns[0].name, "WWW.Example.com");
	assert_int_equal(told->dns[0].entry.type, A);
	assert_int_equal(told->dns[0].entry.rcode, 0);
	assert_int_equal(told->dns[0].entry.latency_us, 1500000);
	assert_int_equal(told->dns_queries, 1);
	assert_int_equal(told->mid_flow, 0);
	assert_int_equal(told->dns_answers, 1);
	assert_int_equal(told->dns_failures, 0);
	assert_int_equal(told->answer_count, 1);
	const struct answer *a = &told->answers[0].answer;
	assert_string_equal(told->answers[0].name, "WWW.Example.com");
	assert_int_equal(a->address_count, 2);
	assert_int_equal(a->ttl_s, 40);
	assert_memory_equal(a->addresses[1].ip, "\xc0\x00\x02\x02", 4);
	assert_int_equal(a->client_ip_version, 4);
	assert_memory_equal(a->client_ip, "\x0a\x00\x00\x01", 4);
	assert_int_equal(told->malformed, 0);
	talk_close(t, "answered");
}

static void failures_and_silence(void **)
{
	struct talk *t = udp();
	struct frame q1 = message(1, QUERY, "no.example", AAAA);
	struct frame r1 = message(1, NXDOMAIN, "NO.example", AAAA); // a server may fold case
	struct frame q2 = message(2, QUERY, "silent.example", A);

	say(t, 0, &q1, 0);
	say(t, 0, &q2, 0);
	say(t, 1, &r1, 500);
	assert_int_equal(t->report->dns_count, 1);
	assert_int_equal(t->report->dns[0].entry.rcode, 3);
	assert_int_equal(t->report->dns[0].entry.latency_us, 500000);

	// Ten seconds after it was asked, judged by the next packet.
	say(t, 0, &q1, 9000);
	assert_int_equal(t->report->dns_count, 1);
	say(t, 1, &r1, 500);
	assert_int_equal(t->report->dns_count, 3);
	assert_string_equal(t->report->dns[1].name, "silent.example");
	assert_int_equal(t->report->dns[1].entry.latency_us, DNS_NOT_ANSWERED);
	assert_string_equal(t->report->dns[2].name, "NO.example");
	assert_int_equal(t->report->dns_queries, 3);
	assert_int_equal(t->report->dns_answers, 2);
	assert_int_equal(t->report->dns_failures, 3);
	talk_close(t, "silent");
}

static void the_flow_ends_before_the_answer(void **)
{
	struct talk *t = udp();
	struct frame q = message(9, QUERY, "late.example", A);

	say(t, 0, &q, 0);
	dns_classifier_ops.cut(t->self, t->state, &t->view, t->now_ns + 9 * NS_PER_S, t->report);
	assert_int_equal(t->report->dns_count, 0);
	dns_classifier_ops.cut(t->self, t->state, &t->view, t->now_ns + 10 * NS_PER_S, t->report);
	assert_int_equal(t->report->dns_count, 1);
	say(t, 0, &q, 500);
	talk_end(t);
	assert_int_equal(t->report->dns_count, 2);
	assert_int_equal(t->report->dns_failures, 2);
	talk_close(t, "unanswered");
}

// The same question again is one question; its latency runs from the first. The same answer again
// is one answer.
static void repeats_count_once(void **)
{
	struct talk *t = udp();
	struct frame q = message(3, QUERY, "again.example", A);
	struct frame r = message(3, RESPONSE, "again.example", A);

	put_record(&r, 12, A, 60, "\xc0\x00\x02\x01", 4);
	say(t, 0, &q, 0);
	say(t, 0, &q, 1000);
	say(t, 1, &r, 500);
	say(t, 1, &r, 0);
	assert_int_equal(t->report->dns_queries, 1);
	assert_int_equal(t->report->dns_answers, 1);
	assert_int_equal(t->report->dns_count, 1);
	assert_int_equal(t->report->dns[0].entry.latency_us, 1500000);
	talk_close(t, "repeated");
}

// Answers whose number and first letter differ alike are none of them another's repetition.
static void alike_is_not_repeated(void **)
{
	struct talk *t = udp();
	struct frame one = message(1, RESPONSE, "1.example", A);
	struct frame two = message(2, RESPONSE, "2.example", A);
	struct frame short_one = message(1, RESPONSE, "1.c", A);
	struct frame short_two = message(2, RESPONSE, "2.c", A);

	say(t, 1, &one, 0);
	say(t, 1, &two, 0);
	say(t, 1, &short_one, 0);
	say(t, 1, &short_two, 0);
	say(t, 1, &short_one, 0);
	assert_int_equal(t->report->dns_answers, 4);
	talk_close(t, "alike");
}

static void an_answer_without_its_question(void **)
{
	struct talk *t = udp();
	struct frame r = message(4, RESPONSE, "other.example", A);

	say(t, 1, &r, 0);
	assert_int_equal(t->report->dns_count, 1);
	assert_int_equal(t->report->dns[0].entry.latency_us, DNS_NOT_ANSWERED);
	assert_int_equal(t->report->dns_answers, 1);
	// Its receiver asked before we looked.
	assert_int_equal(t->report->mid_flow, 1);
	assert_int_equal(t->report->dns_queries, 0);
	assert_int_equal(t->report->dns_failures, 0);
	talk_close(t, "question-unseen");
}

static void another_id_type_or_end_is_another_question(void **)
{
	struct talk *t = udp();
	struct frame q = message(5, QUERY, "x.example", A);
	struct frame other_type = message(5, RESPONSE, "x.example", AAAA);
	struct frame other_id = message(6, RESPONSE, "x.example", A);
	struct frame same = message(5, RESPONSE, "x.example", A);

	say(t, 0, &q, 0);
	say(t, 1, &other_type, 0);
	say(t, 1, &other_id, 0);
	say(t, 0, &same, 0); // the asker does not answer itself
	for (int i = 0; i < 3; i++)
		assert_int_equal(t->report->dns[i].entry.latency_us, DNS_NOT_ANSWERED);
	talk_close(t, "not-its-answer");
}

// More open questions than are kept: the oldest gives way, and none is lost.
static void many_open_questions(void **)
{
	struct talk *t = udp();
	char name[64];

	for (unsigned i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "host-%u.a-rather-long-name.example", i);
		struct frame q = message(i, QUERY, name, A);
		say(t, 0, &q, 0);
	}
	assert_in_range(t->report->dns_count, 24, 39);
	assert_string_equal(t->report->dns[0].name, "host-0.a-rather-long-name.example");
	struct frame r = message(39, RESPONSE, name, A);
	say(t, 1, &r, 500);
	talk_end(t);
	assert_int_equal(t->report->dns_count, 40);
	assert_int_equal(t->report->dns_queries, 40);
	assert_int_equal(t->report->dns_answers, 1);
	assert_int_equal(t->report->dns_failures, 39);
	talk_close(t, "many");
}

static void names_as_sent(void **)
{
	static const char odd[] = "\x04"
				  "a.b\\"
				  "\x02"
				  "\xff\x00"
				  "\x00";
	struct talk *t = udp();
	struct frame f = head(1, QUERY, 2, 0);

	put(&f, odd, sizeof(odd) - 1);
	put16(&f, A);
	put16(&f, IN);
	put_question(&f, "", NS);
	say(t, 0, &f, 0);
	talk_end(t);
	assert_int_equal(t->report->dns_count, 2);
	assert_int_equal(t->report->dns[0].entry.name_len, 9);
	assert_memory_equal(t->report->dns[0].name, "a\\.b\\\\.\xff\x00", 9);
	assert_string_equal(t->report->dns[1].name, ".");
	talk_close(t, "odd-names");
}

// What must give no name, and is counted.
static void lies(void **)
{
	struct frame lie[9];
	unsigned count = 0;

	lie[count] = head(1, QUERY, 1, 0); // points at itself
	put(&lie[count++], "\xc0\x0c\x00\x01\x00\x01", 6);
	lie[count] = head(1, QUERY, 1, 0); // points forwards
	put(&lie[count++], "\xc0\x12\x00\x01\x00\x01\x01x\x00", 9);
	lie[count] = head(1, QUERY, 1, 0); // two names that point at one another
	put(&lie[count++], "\x01x\xc0\x10\xc0\x0c\x00\x01\x00\x01", 10);
	lie[count] = head(1, QUERY, 1, 0); // an unknown label type
	put(&lie[count++], "\x41x\x00\x00\x01\x00\x01", 7);
	lie[count] = head(1, QUERY, 1, 0); // no such class
	put(&lie[count++], "\x01x\x00\x00\x01\x12\x34", 7);
	lie[count] = head(1, QUERY, 1, 0); // 5 x 64 octets of name
	for (int i = 0; i < 5; i++) {
		put8(&lie[count], 63);
		put_fill(&lie[count], 63, 'x');
	}
	put(&lie[count++], "\x00\x00\x01\x00\x01", 5);
	lie[count] = head(1, QUERY, 1, 0); // no type
	put_question(&lie[count++], "x", 0);
	lie[count] = head(1, QUERY, 1, 0); // ends within its question
	put(&lie[count++], "\x01x\x00\x00\x01\x00", 6);
	lie[count] = head(1, 0x7900, 1, 0); // opcode 15
	put_question(&lie[count++], "x", A);

	for (unsigned i = 0; i < count; i++) {
		char name[16];
		struct talk *t = udp();
		say(t, 0, &lie[i], 0);
		talk_end(t);
		assert_int_equal(t->report->dns_count, 0);
		assert_int_equal(t->report->malformed, 1);
		snprintf(name, sizeof(name), "lie-%u", i);
		talk_close(t, name);
	}
}

// The question counts, although the rest of the message lies.
static void a_question_beside_a_lie(void **)
{
	struct talk *t = udp();
	struct frame q = message(1, QUERY, "q.example", A);

	q.bytes[11] = 200; // so many additional records are not there
	say(t, 0, &q, 0);
	assert_int_equal(t->report->dns_queries, 1);
	assert_int_equal(t->report->malformed, 1);
	struct frame r = message(1, RESPONSE, "q.example", A);
	r.bytes[7] = 1;
	put(&r, "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x05\x01\x02\x03\x04", 16);
	say(t, 1, &r, 0);
	assert_int_equal(t->report->dns_count, 1);
	assert_int_equal(t->report->answer_count, 0);
	assert_int_equal(t->report->malformed, 2);
	struct frame many = head(2, QUERY, 900, 0); // more questions than anybody asks
	put_question(&many, "many.example", A);
	say(t, 0, &many, 0);
	assert_int_equal(t->report->dns_queries, 2);
	assert_int_equal(t->report->malformed, 3);
	talk_close(t, "beside-a-lie");
}

// The longest name there is, and longer ones.
static void long_names(void **)
{
	static const struct {
		unsigned label_lens[5];
		char fill;
		unsigned len; // of the text; 0: none
	} cases[] = {
		{{63, 63, 63, 61}, 'x', 253}, // 255 octets on the wire
		{{63, 63, 63, 62}, 'x', 0},
		{{63, 63, 0}, '.', 253},
		{{63, 63, 1}, '.', 0}, // 129 octets, but its text does not fit
		{{63, 32, 31}, '\\', 254},
	};

	for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
		struct talk *t = udp();
		struct frame f = head(1, QUERY, 1, 0);
		for (unsigned j = 0; cases[i].label_lens[j] > 0; j++) {
			put8(&f, cases[i].label_lens[j]);
			put_fill(&f, cases[i].label_lens[j], (unsigned)cases[i].fill);
		}
		put(&f, "\x00\x00\x01\x00\x01", 5);
		say(t, 0, &f, 0);
		talk_end(t);
		assert_int_equal(t->report->dns_count, cases[i].len > 0);
		if (cases[i].len > 0)
			assert_int_equal(t->report->dns[0].entry.name_len, cases[i].len);
		char name[16];
		snprintf(name, sizeof(name), "long-%u", i);
		talk_close(t, name);
	}
}

// Owners that are written out instead of pointing.
static void owners_written_out(void **)
{
	static const struct {
		const char *owner;
		bool same;
	} cases[] = {
		{"WWW.example.COM", true},
		{"xww.example.com", false},
		{"www.example.co", false},
		{"www.example", false},
		{"www.example.com.x", false},
		{"", false},
	};

	for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
		struct talk *t = udp();
		struct frame r = message(1, RESPONSE, "www.example.com", A);
		put_name(&r, cases[i].owner);
		put(&r, "\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x05", 14);
		r.bytes[7]++;
		say(t, 1, &r, 0);
		assert_int_equal(t->report->answer_count, cases[i].same);
		assert_int_equal(t->report->malformed, 0);
		talk_close(t, cases[i].same ? "owner-same" : "owner-other");
	}
}

// A capture that holds less than was sent: what is whole counts, and nobody lied.
static void cut_captures(void **)
{
	struct frame r = message(1, RESPONSE, "cut.example", A);
	put_record(&r, 12, A, 60, "\xc0\x00\x02\x01", 4);
	put_record(&r, 12, A, 60, "\xc0\x00\x02\x02", 4);

	for (unsigned cut = 1; cut < r.len; cut++) {
		struct talk *t = udp();
		talk_say_later(t, 1, r.bytes, r.len, 0, cut);
		assert_int_equal(t->report->malformed, 0);
		assert_int_equal(t->report->dns_count, r.len - cut >= 12 + 13 + 4);
		unsigned addresses = t->report->answer_count > 0
			? t->report->answers[0].answer.address_count
			: 0;
		assert_int_equal(addresses, r.len - cut >= r.len - 16);
		talk_free(t);
	}
}

static void something_else_on_the_port(void **)
{
	struct talk *t = udp();
	uint8_t noise[64];

	for (unsigned i = 0; i < 20; i++) {
		for (unsigned j = 0; j < sizeof(noise); j++)
			noise[j] = (uint8_t)(i * 37 + j * 11 + 0x55);
		talk_say(t, i & 1, noise, sizeof(noise));
	}
	assert_true(t->enough);
	assert_int_equal(t->report->dns_count, 0);
	assert_int_equal(t->report->malformed, 8);
	talk_close(t, "noise");
}

static void other_opcodes_are_left_alone(void **)
{
	struct talk *t = udp();
	struct frame update = message(1, 0x2800, "zone.example", 6);

	for (int i = 0; i < 20; i++)
		say(t, 0, &update, 0);
	assert_false(t->enough);
	talk_end(t);
	assert_int_equal(t->report->dns_count, 0);
	assert_int_equal(t->report->malformed, 0);
	talk_close(t, "update");
}

static void six(void **)
{
	struct talk *t = talk_new(&dns_classifier_ops, TALK_UDP6);
	struct frame r = message(4, RESPONSE, "six.example", AAAA);

	put_record(&r, 12, AAAA, 0x80000000, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x09", 16);
	put_record(&r, 12, A, 9, "\x01\x02", 2); // no address
	say(t, 1, &r, 0);
	assert_int_equal(t->report->answer_count, 1);
	const struct answer *a = &t->report->answers[0].answer;
	assert_int_equal(a->address_count, 1);
	assert_int_equal(a->addresses[0].ip_version, 6);
	assert_int_equal(a->ttl_s, 0);
	assert_int_equal(a->client_ip_version, 6);
	assert_memory_equal(a->client_ip, "\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\x01", 16);
	talk_close(t, "six");
}

static void put_tcp_message(struct frame *f, const struct frame *m)
{
	put16(f, (unsigned)m->len);
	put(f, m->bytes, m->len);
}

static void several_messages_in_a_segment(void **)
{
	struct talk *t = talk_new(&dns_classifier_ops, TALK_TCP);
	struct frame a = message(1, QUERY, "one.example", A);
	struct frame b = message(2, QUERY, "two.example", A);
	struct frame r = message(2, RESPONSE, "two.example", A);
	struct frame both = {0}, answer = {0};

	put_tcp_message(&both, &a);
	put_tcp_message(&both, &b);
	put_tcp_message(&answer, &r);
	say(t, 0, &both, 0);
	talk_say(t, 1, answer.bytes, 2); // some send the length by itself
	talk_say_later(t, 1, answer.bytes + 2, answer.len - 2, 500, 0);
	assert_int_equal(t->report->dns_queries, 2);
	assert_int_equal(t->report->dns_count, 1);
	assert_int_equal(t->report->dns[0].entry.latency_us, 500000);
	assert_int_equal(t->report->malformed, 0);
	talk_close(t, "tcp");
}

// A message over two segments gives its question, and its rest is passed over; so is what comes
// again.
static void a_message_over_segments(void **)
{
	struct talk *t = talk_new(&dns_classifier_ops, TALK_TCP);
	struct frame r = message(1, RESPONSE, "long.example", A), stream = {0};
	struct frame next = message(2, RESPONSE, "next.example", A);

	for (int i = 0; i < 8; i++)
		put_record(&r, 12, A, 60, "\xc0\x00\x02\x01", 4);
	put_tcp_message(&stream, &r);
	put_tcp_message(&stream, &next);
	talk_say(t, 1, stream.bytes, 60);
	uint32_t second = t->seq[1];
	talk_say(t, 1, stream.bytes + 60, stream.len - 60);
	t->seq[1] = second;
	talk_say(t, 1, stream.bytes + 60, stream.len - 60);
	assert_int_equal(t->report->dns_count, 2);
	assert_string_equal(t->report->dns[0].name, "long.example");
	assert_string_equal(t->report->dns[1].name, "next.example");
	assert_int_equal(t->report->malformed, 0);
	talk_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_question_answered),
		cmocka_unit_test(failures_and_silence),
		cmocka_unit_test(the_flow_ends_before_the_answer),
		cmocka_unit_test(repeats_count_once),
		cmocka_unit_test(alike_is_not_repeated),
		cmocka_unit_test(an_answer_without_its_question),
		cmocka_unit_test(another_id_type_or_end_is_another_question),
		cmocka_unit_test(many_open_questions),
		cmocka_unit_test(names_as_sent),
		cmocka_unit_test(lies),
		cmocka_unit_test(a_question_beside_a_lie),
		cmocka_unit_test(long_names),
		cmocka_unit_test(owners_written_out),
		cmocka_unit_test(cut_captures),
		cmocka_unit_test(something_else_on_the_port),
		cmocka_unit_test(other_opcodes_are_left_alone),
		cmocka_unit_test(six),
		cmocka_unit_test(several_messages_in_a_segment),
		cmocka_unit_test(a_message_over_segments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
