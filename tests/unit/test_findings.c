// Findings: what is said of a flow comes back from its run, first word first; DNS entries come and
// go apart from the rest; what does not fit is counted and leaves nothing behind.
#include "core/event/findings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { CHUNKS = 64 };

static struct counters counters;
static struct findings_pool pool;

static int set_up(void **)
{
	memset(&counters, 0, sizeof(counters));
	return findings_pool_init(&pool, CHUNKS, &counters);
}

static int tear_down(void **)
{
	findings_pool_fini(&pool);
	return 0;
}

static uint8_t run[8192];

static void read_back(struct findings_view *view, uint32_t head)
{
	size_t size = findings_size(&pool, head);

	assert_true(size <= sizeof(run));
	findings_copy(&pool, head, run);
	findings_read(view, run, size);
}

static void say(uint32_t *head, enum finding kind, uint8_t source, const char *text)
{
	findings_append(&pool, head, kind, source, text, strlen(text));
}

static void check_text(const struct findings_view *view, enum finding kind, const char *text)
{
	assert_non_null(view->text[kind]);
	assert_int_equal(view->len[kind], strlen(text));
	assert_memory_equal(view->text[kind], text, strlen(text));
}

static void say_dns(uint32_t *head, uint32_t number)
{
	char name[64];
	int len = snprintf(name, sizeof(name), "host-%u.a-long-enough-name.example", number);
	struct dns_finding entry = {
		.latency_us = number * 10,
		.type = (uint16_t)number,
		.rcode = 3,
		.name_len = (uint16_t)len,
		.name = (const uint8_t *)name,
	};

	findings_append_dns(&pool, head, &entry);
}

static void check_dns(const struct findings_view *view, uint32_t count, uint32_t first)
{
	assert_int_equal(view->dns_count, count);
	for (uint32_t i = 0; i < count; i++) {
		char name[64];
		int len = snprintf(
			name, sizeof(name), "host-%u.a-long-enough-name.example", first + i);
		assert_int_equal(view->dns[i].latency_us, (first + i) * 10);
		assert_int_equal(view->dns[i].type, first + i);
		assert_int_equal(view->dns[i].rcode, 3);
		assert_int_equal(view->dns[i].name_len, len);
		assert_memory_equal(view->dns[i].name, name, (size_t)len);
	}
}

static void test_nothing(void **)
{
	struct findings_view view;
	uint32_t head = POOL_NONE;

	assert_int_equal(findings_size(&pool, head), 0);
	assert_false(findings_have(&pool, head, FINDING_HTTP_METHOD));
	read_back(&view, head);
	assert_null(view.text[FINDING_SERVER_NAME]);
	assert_int_equal(view.dns_count, 0);
	findings_give(&pool, &head);
	findings_give_dns(&pool, &head);
	assert_int_equal(pool.chunks.used, 0);
}

// Longer than a chunk, so that entries cross from one to the next.
static void test_comes_back(void **)
{
	struct findings_view view;
	uint32_t head = POOL_NONE;
	uint64_t status = 404;
	char agent[FINDING_TEXT_MAX + 101];

	memset(agent, 'x', sizeof(agent) - 1);
	agent[sizeof(agent) - 1] = 0;
	agent[FINDING_TEXT_MAX - 1] = 'y';
	say(&head, FINDING_ALPN, 0, "h2,http/1.1");
	say(&head, FINDING_USER_AGENT, 0, agent);
	findings_append(&pool, &head, FINDING_HTTP_STATUS, 0, &status, sizeof(status));
	say(&head, FINDING_SERVER_NAME, NAME_SNI, "example.org");
	assert_true(findings_have(&pool, head, FINDING_USER_AGENT));
	assert_false(findings_have(&pool, head, FINDING_HTTP_METHOD));
	read_back(&view, head);
	check_text(&view, FINDING_ALPN, "h2,http/1.1");
	check_text(&view, FINDING_SERVER_NAME, "example.org");
	assert_int_equal(view.source[FINDING_SERVER_NAME], NAME_SNI);
	assert_int_equal(view.number[FINDING_HTTP_STATUS], 404);
	assert_int_equal(view.len[FINDING_USER_AGENT], FINDING_TEXT_MAX);
	assert_int_equal(view.text[FINDING_USER_AGENT][FINDING_TEXT_MAX - 1], 'y');
	findings_give(&pool, &head);
	assert_int_equal(head, POOL_NONE);
	assert_int_equal(pool.chunks.used, 0);
}

static void test_first_stands(void **)
{
	struct findings_view view;
	uint32_t head = POOL_NONE;

	say(&head, FINDING_HTTP_METHOD, 0, "GET");
	say(&head, FINDING_HTTP_METHOD, 0, "POST");
	say(&head, FINDING_SERVER_NAME, NAME_HTTP, "worse.example");
	say(&head, FINDING_SERVER_NAME, NAME_HTTP, "second.example");
	say(&head, FINDING_SERVER_NAME, NAME_CERT, "certificate.example");
	read_back(&view, head);
	check_text(&view, FINDING_HTTP_METHOD, "GET");
	check_text(&view, FINDING_SERVER_NAME, "worse.example");
	say(&head, FINDING_SERVER_NAME, NAME_SNI, "better.example");
	say(&head, FINDING_SERVER_NAME, NAME_QUIC, "late.example");
	read_back(&view, head);
	check_text(&view, FINDING_SERVER_NAME, "better.example");
	assert_int_equal(view.source[FINDING_SERVER_NAME], NAME_SNI);
	check_text(&view, FINDING_HTTP_METHOD, "GET");
	findings_give(&pool, &head);
	assert_int_equal(counters.value[COUNTER_findings_lost], 0);
}

static void test_dns_comes_and_goes(bool dns_first)
{
	struct findings_view view;
	uint32_t head = POOL_NONE;

	if (!dns_first)
		say(&head, FINDING_SERVER_NAME, NAME_SNI, "dns.example");
	for (uint32_t i = 0; i < DNS_ENTRIES_MAX; i++)
		say_dns(&head, i);
	if (dns_first)
		say(&head, FINDING_SERVER_NAME, NAME_SNI, "dns.example");
	assert_int_equal(findings_dns_count(&pool, head), DNS_ENTRIES_MAX);
	read_back(&view, head);
	check_dns(&view, DNS_ENTRIES_MAX, 0);
	check_text(&view, FINDING_SERVER_NAME, "dns.example");

	say_dns(&head, 99); // one too many
	assert_int_equal(counters.value[COUNTER_findings_lost], 1);
	read_back(&view, head);
	check_dns(&view, DNS_ENTRIES_MAX, 0);

	findings_give_dns(&pool, &head);
	assert_int_equal(pool.chunks.used, 1);
	assert_int_equal(findings_dns_count(&pool, head), 0);
	say_dns(&head, 50);
	say_dns(&head, 51);
	read_back(&view, head);
	check_dns(&view, 2, 50);
	check_text(&view, FINDING_SERVER_NAME, "dns.example");
	findings_give(&pool, &head);
	assert_int_equal(pool.chunks.used, 0);
}

static void test_dns_after_others(void **)
{
	test_dns_comes_and_goes(false);
}

static void test_dns_before_others(void **)
{
	test_dns_comes_and_goes(true);
}

static void test_dns_alone(void **)
{
	struct findings_view view;
	uint32_t head = POOL_NONE;

	say_dns(&head, 1);
	findings_give_dns(&pool, &head);
	assert_int_equal(head, POOL_NONE);
	assert_int_equal(pool.chunks.used, 0);
	say_dns(&head, 2);
	read_back(&view, head);
	check_dns(&view, 1, 2);
	findings_give(&pool, &head);
}

// A pool that runs dry in the middle: what was said stays whole, the rest is counted.
static void test_pool_runs_dry(void **)
{
	struct findings_view view;
	uint32_t heads[CHUNKS];
	char text[301];
	unsigned full = 0;

	memset(text, 't', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	for (unsigned i = 0; i < CHUNKS; i++) {
		heads[i] = POOL_NONE;
		say(&heads[i], FINDING_ALPN, 0, "h2");
		say(&heads[i], FINDING_USER_AGENT, 0, text);
		if (heads[i] == POOL_NONE)
			full++;
	}
	assert_int_equal(pool.chunks.used, CHUNKS);
	assert_true(full > 0);
	assert_true(counters.value[COUNTER_findings_lost] >= 2 * full);
	unsigned whole = 0, lost = 2 * full;
	for (unsigned i = 0; i < CHUNKS; i++) {
		if (heads[i] == POOL_NONE)
			continue;
		read_back(&view, heads[i]);
		check_text(&view, FINDING_ALPN, "h2");
		if (view.text[FINDING_USER_AGENT] != NULL) {
			check_text(&view, FINDING_USER_AGENT, text);
			whole++;
		} else {
			lost++;
		}
	}
	assert_true(whole > 0);
	assert_int_equal(counters.value[COUNTER_findings_lost], lost);
	for (unsigned i = 0; i < CHUNKS; i++)
		findings_give(&pool, &heads[i]);
	assert_int_equal(pool.chunks.used, 0);
}

// One flow cannot say more than fits an event.
static void test_bounded(void **)
{
	uint32_t head = POOL_NONE;
	char text[FINDING_TEXT_MAX + 1];

	memset(text, 't', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	for (unsigned kind = FINDING_SERVER_NAME; kind < FINDING_DNS; kind++)
		say(&head, kind, NAME_CERT, text);
	assert_true(findings_size(&pool, head) <= 3072);
	assert_true(counters.value[COUNTER_findings_lost] > 0);
	findings_give(&pool, &head);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing),
		TEST(test_comes_back),
		TEST(test_first_stands),
		TEST(test_dns_after_others),
		TEST(test_dns_before_others),
		TEST(test_dns_alone),
		TEST(test_pool_runs_dry),
		TEST(test_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
