// HTTP heads: golden conversations (each also cut at every length: talk_close), hosts in all their
// forms, heads over several segments, and what is no HTTP.
#include "talk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

extern const struct classifier_ops http_classifier_ops;

static struct talk *tcp(void)
{
	return talk_new(&http_classifier_ops, TALK_TCP);
}

static void say(struct talk *t, unsigned from, const char *text)
{
	talk_say(t, from, text, strlen(text));
}

static void check(const struct talk *t, const char *method, const char *host, const char *agent)
{
	const char *told = told_text(t->report, FINDING_HTTP_METHOD);

	assert_true(method == NULL ? told == NULL : told != NULL && strcmp(told, method) == 0);
	told = told_text(t->report, FINDING_SERVER_NAME);
	assert_true(host == NULL ? told == NULL : told != NULL && strcmp(told, host) == 0);
	told = told_text(t->report, FINDING_USER_AGENT);
	assert_true(agent == NULL ? told == NULL : told != NULL && strcmp(told, agent) == 0);
}

static void a_request_and_its_response(void **)
{
	struct talk *t = tcp();

	say(t, 0,
		"POST /x HTTP/1.1\r\nAccept: */*\r\nhost: \twww.Example.com \r\n"
		"USER-AGENT: curl/7.88.1\r\nHost: second.example\r\n\r\nbody");
	say(t, 0, "more of the body, HTTP/1.1 200 OK");
	assert_false(t->enough);
	say(t, 1, "HTTP/1.1 404 Not Found\r\nServer: x\r\n\r\n");
	assert_true(t->enough);
	check(t, "POST", "www.Example.com", "curl/7.88.1");
	assert_int_equal(told_number(t->report, FINDING_HTTP_STATUS), 404);
	assert_int_equal(t->report->text_count, 3);
	assert_int_equal(t->report->malformed, 0);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(t->report->texts[i].source,
			t->report->texts[i].kind == FINDING_SERVER_NAME ? NAME_HTTP : 0);
	talk_close(t, "post");
}

static void hosts(void **)
{
	static const struct {
		const char *request;
		const char *host; // NULL: none
		unsigned malformed;
	} cases[] = {
		{"GET / HTTP/1.1\r\nHost: a.example:8080\r\n\r\n", "a.example:8080", 0},
		{"GET / HTTP/1.1\r\nHost: a.example:\r\n\r\n", "a.example:", 0},
		{"GET / HTTP/1.1\r\nHost: 192.0.2.1:80\r\n\r\n", "192.0.2.1:80", 0},
		{"GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n", "[2001:db8::1]:80", 0},
		{"GET / HTTP/1.1\r\nHost: [2001:db8::1]\r\n\r\n", "[2001:db8::1]", 0},
		{"GET / HTTP/1.0\r\n\r\n", NULL, 0},
		{"GET / HTTP/1.1\r\nHost:\r\n\r\n", NULL, 0},
		{"GET / HTTP/1.1\nHost: lf.example\n\n", "lf.example", 0},
		{"\r\nGET / HTTP/1.1\r\nHost: late.example\r\n\r\n", "late.example", 0},
		{"GET / HTTP/1.1\r\nHost : space.example\r\n\r\n", "space.example", 0},
		{"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", NULL, 1},
		{"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", NULL, 1},
		{"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", NULL, 1},
		{"GET / HTTP/1.1\r\nHost: [2001:db8::1\r\n\r\n", NULL, 1},
		{"GET / HTTP/1.1\r\nHost: a\x01z\r\n\r\n", NULL, 1},
		// An absolute target counts more than Host, and its user is nobody's business.
		{"GET http://u:p@abs.example:81/x HTTP/1.1\r\nHost: proxy\r\n\r\n",
			"abs.example:81", 0},
		{"GET HTTPS://abs.example?x HTTP/1.1\r\nHost: proxy\r\n\r\n", "abs.example", 0},
		{"CONNECT tls.example:443 HTTP/1.1\r\nHost: proxy:1\r\n\r\n", "tls.example:443", 0},
		{"CONNECT 192.0.2.9:443 HTTP/1.1\r\nHost: named.example:443\r\n\r\n",
			"named.example:443", 0},
		{"CONNECT [2001:db8::9]:443 HTTP/1.1\r\n\r\n", "[2001:db8::9]:443", 0},
		{"GET / HTTP/1.1\r\nHost: u@h.example\r\n\r\n", "h.example", 0},
		{"OPTIONS * HTTP/1.1\r\nHost: star.example\r\n\r\n", "star.example", 0},
		{"NOTIFY /e HTTP/1.1\r\nHOST: 10.0.0.3:2869\r\n\r\n", "10.0.0.3:2869", 0},
	};

	for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
		struct talk *t = tcp();
		char name[16];
		say(t, 0, cases[i].request);
		const char *told = told_text(t->report, FINDING_SERVER_NAME);
		if (cases[i].host == NULL)
			assert_null(told);
		else
			assert_string_equal(told, cases[i].host);
		assert_non_null(told_text(t->report, FINDING_HTTP_METHOD));
		assert_int_equal(t->report->malformed, cases[i].malformed);
		snprintf(name, sizeof(name), "host-%u", i);
		talk_close(t, name);
	}
}

static void a_long_host_is_no_host(void **)
{
	char request[600];
	struct talk *t = tcp();

	snprintf(request, sizeof(request), "GET / HTTP/1.1\r\nHost: %0256d\r\n\r\n", 0);
	say(t, 0, request);
	check(t, "GET", NULL, NULL);
	assert_int_equal(t->report->malformed, 1);
	talk_close(t, "host-long");
}

static void user_agents(void **)
{
	char request[900];
	struct talk *t = tcp();

	say(t, 0, "GET / HTTP/1.1\r\nUser-Agent: one\r\n \t two\r\n\tthree\r\nHost: h\r\n\r\n");
	check(t, "GET", "h", "one two three");
	talk_close(t, "folded");

	t = tcp();
	snprintf(request, sizeof(request), "GET / HTTP/1.1\r\nUser-Agent: %0700d\r\n\r\n", 0);
	say(t, 0, request);
	assert_int_equal(strlen(told_text(t->report, FINDING_USER_AGENT)), FINDING_TEXT_MAX);
	talk_close(t, "agent-long");

	t = tcp();
	snprintf(request, sizeof(request),
		"GET / HTTP/1.1\r\nUser-Agent: a\r\n %0700d\r\n b\r\n\r\n", 0);
	say(t, 0, request);
	assert_int_equal(strlen(told_text(t->report, FINDING_USER_AGENT)), FINDING_TEXT_MAX);
	talk_close(t, "agent-folded-long");
}

// A head over several segments: each line counts that is whole in one of them.
static void heads_over_segments(void **)
{
	static const char *const heads[][4] = {
		{"GET /long HTTP/1.1\r\n", "Host: a.example\r\nUser-Agent: b\r\n\r\n"},
		{"GET ", "/x HTTP/1.1\r\nHost: a.example\r\nUser-Agent: b\r\n\r\n"},
		{"GET /a/very/lo", "ng/target", "?x HTTP/1.1\r\nHost: a.example\r\n",
			"User-Agent: b\r\n\r\n"},
		{"GET /x HTTP/1.1\r\nCookie: abc",
			"def\r\nHost: a.example\r\nUser-Agent: b\r\n\r\n"},
	};

	for (unsigned i = 0; i < ARRAY_COUNT(heads); i++) {
		struct talk *t = tcp();
		for (unsigned j = 0; j < 4 && heads[i][j] != NULL; j++)
			say(t, 0, heads[i][j]);
		say(t, 1, "HTTP/1.1 200 OK\r\n\r\n");
		check(t, "GET", "a.example", "b");
		assert_true(t->enough);
		char name[16];
		snprintf(name, sizeof(name), "segments-%u", i);
		talk_close(t, name);
	}
}

static void a_head_with_a_gap(void **)
{
	struct talk *t = tcp();

	say(t, 0, "GET /x HTTP/1.1\r\nCookie: abc");
	uint32_t seq = t->seq[0];
	t->seq[0] -= 5; // seen before
	say(t, 0, "Host: before.example\r\n");
	t->seq[0] = seq + 100; // behind a gap
	say(t, 0, "Host: behind.example\r\n\r\n");
	t->seq[0] = seq;
	say(t, 0, "Host: never.example\r\n\r\n");
	check(t, "GET", NULL, NULL);
	talk_free(t);

	// A line that is cut is not told.
	t = tcp();
	say(t, 0, "GET / HTTP/1.1\r\nHost: www.exam");
	say(t, 0, "ple.com\r\nUser-Agent: b\r\n\r\n");
	check(t, "GET", NULL, "b");
	talk_close(t, "cut-line");

	// Nor one of which the capture holds only the beginning.
	t = tcp();
	static const char cut[] = "GET / HTTP/1.1\r\nHost: www.example.com\r\n";
	talk_say_later(t, 0, cut, sizeof(cut) - 1, 0, 10);
	check(t, "GET", NULL, NULL);
	talk_free(t);
}

static void statuses(void **)
{
	static const struct {
		const char *response;
		long status; // -1: none
	} cases[] = {
		{"HTTP/1.1 200 OK\r\n\r\n", 200},
		{"HTTP/1.0 301\r\n\r\n", 301},
		{"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", 204},
		{"HTTP/1.1 100 Continue\r\n\r\n", -1},
		{"HTTP/1.1 101 Switching Protocols\r\n\r\n", 101},
		{"HTTP/1.1 2000 OK\r\n\r\n", -1},
		{"HTTP/1.1 099 x\r\n\r\n", -1},
		{"HTTP/2 200\r\n\r\n", -1},
		{"HTTP/1.1 2x0 OK\r\n\r\n", -1},
	};

	for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
		struct talk *t = tcp();
		char name[16];
		say(t, 0, "PUT / HTTP/1.1\r\nHost: h\r\n\r\n");
		say(t, 1, cases[i].response);
		assert_int_equal(told_number(t->report, FINDING_HTTP_STATUS), cases[i].status);
		assert_int_equal(t->enough, cases[i].status != -1);
		snprintf(name, sizeof(name), "status-%u", i);
		talk_close(t, name);
	}
}

static void an_interim_response_first(void **)
{
	struct talk *t = tcp();

	say(t, 0, "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n");
	say(t, 1, "HTTP/1.1 100 Continue\r\n\r\n");
	say(t, 0, "the body");
	say(t, 1, "HTTP/1.1 201 Created\r\n\r\n");
	assert_int_equal(told_number(t->report, FINDING_HTTP_STATUS), 201);
	assert_true(t->enough);
	talk_close(t, "interim");
}

// Not HTTP/1, and given up soon.
static void something_else(void **)
{
	static const char *const other[] = {
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"OPTIONS rtsp://x/ RTSP/1.0\r\n\r\n",
		"GET key\r\n",
		"get / HTTP/1.1\r\nHost: lower.example\r\n\r\n",
		"BREW /pot HTTP/1.1\r\nHost: tea.example\r\n\r\n",
		"GET  HTTP/1.1",
		"220 mail.example ESMTP\r\n",
	};

	for (unsigned i = 0; i < ARRAY_COUNT(other); i++) {
		struct talk *t = tcp();
		for (unsigned j = 0; j < 7; j++) {
			assert_false(t->enough);
			say(t, j & 1, other[i]);
		}
		assert_true(t->enough);
		assert_int_equal(t->report->text_count + t->report->number_count, 0);
		char name[16];
		snprintf(name, sizeof(name), "other-%u", i);
		talk_close(t, name);
	}
	struct talk *t = tcp();
	talk_say(t, 0, "\x16\x03\x01\x00\x05", 5);
	assert_true(t->enough);
	talk_close(t, "tls");
}

static void after_a_proxy_and_in_the_middle(void **)
{
	struct talk *t = tcp();

	talk_say(t, 0, "\x04\x01\x00\x50\x01\x02\x03\x04\x00", 9); // SOCKS
	talk_say(t, 1, "\x00\x5a\x00\x00\x00\x00\x00\x00", 8);
	say(t, 0, "GET / HTTP/1.1\r\nHost: socks.example\r\n\r\n");
	check(t, "GET", "socks.example", NULL);
	talk_close(t, "socks");

	// Joined within a response's body: more patience.
	t = tcp();
	t->joined = true;
	for (unsigned i = 0; i < 10; i++)
		say(t, 1, "body body body");
	say(t, 0, "GET /2 HTTP/1.1\r\nHost: second.example\r\n\r\n");
	check(t, "GET", "second.example", NULL);
	talk_free(t);
}

static void a_long_upload(void **)
{
	struct talk *t = tcp();

	say(t, 0, "PUT / HTTP/1.1\r\nHost: h\r\n\r\n");
	for (unsigned i = 0; i < 60; i++)
		say(t, 0, "POST no request HTTP/1.1\r\nHost: body\r\n");
	say(t, 1, "HTTP/1.1 200 OK\r\n\r\n");
	check(t, "PUT", "h", NULL);
	assert_int_equal(told_number(t->report, FINDING_HTTP_STATUS), 200);
	talk_close(t, "upload");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_and_its_response),
		cmocka_unit_test(hosts),
		cmocka_unit_test(a_long_host_is_no_host),
		cmocka_unit_test(user_agents),
		cmocka_unit_test(heads_over_segments),
		cmocka_unit_test(a_head_with_a_gap),
		cmocka_unit_test(statuses),
		cmocka_unit_test(an_interim_response_first),
		cmocka_unit_test(something_else),
		cmocka_unit_test(after_a_proxy_and_in_the_middle),
		cmocka_unit_test(a_long_upload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
