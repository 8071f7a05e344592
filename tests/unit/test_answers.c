// Answers: the last four of each asker and server address, newest first, as of a time.
#include "core/client/answers.h"

#include "core/client/binding.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct identity asker_at(uint8_t last)
{
	return address_of(0, (const uint8_t[16]){10, 0, 0, last}, false);
}

static const uint8_t server[16] = {93, 184, 216, 34};

static void add(struct answers *answers, uint8_t who, const char *name, uint64_t time_ns)
{
	struct identity asker = asker_at(who);
	uint64_t place = answers_name(answers, (const uint8_t *)name, (uint16_t)strlen(name));

	answers_add(answers, answers_bucket(answers, &asker, server, false), &asker, server, false,
		place, time_ns);
}

static void check(
	struct answers *answers, uint8_t who, uint64_t when_ns, const char *name, uint64_t time_ns)
{
	struct identity asker = asker_at(who);
	struct answer_name found = {.time_ns = 0};
	bool there = answers_find(answers, answers_bucket(answers, &asker, server, false), &asker,
		server, false, 0, when_ns, &found);

	assert_int_equal(there, name != NULL);
	if (name == NULL)
		return;
	assert_int_equal(found.name_len, strlen(name));
	assert_memory_equal(found.name, name, found.name_len);
	assert_int_equal(found.time_ns, time_ns);
}

static struct counters counters;

static void test_last_four(void **)
{
	struct answers answers;
	static const char *const names[] = {"a", "b", "c", "d", "e", "f"};

	assert_int_equal(answers_init(&answers, 16, hash_key_new(1, 1), &counters), 0);
	for (uint64_t i = 0; i < 6; i++)
		add(&answers, 1, names[i], 100 * (i + 1));
	check(&answers, 1, 1000, "f", 600);
	check(&answers, 1, 600, "f", 600); // not later than the flow's start
	check(&answers, 1, 599, "e", 500);
	check(&answers, 1, 300, "c", 300);
	check(&answers, 1, 299, NULL, 0); // a and b are gone
	check(&answers, 2, 1000, NULL, 0);
	// Only if it is new enough.
	struct identity asker = asker_at(1);
	struct answer_name found;
	assert_false(answers_find(&answers, answers_bucket(&answers, &asker, server, false), &asker,
		server, false, 601, 1000, &found));
	// Another server; the same octets as an IPv6 address.
	static const uint8_t other[16] = {93, 184, 216, 35};
	assert_false(answers_find(&answers, answers_bucket(&answers, &asker, other, false), &asker,
		other, false, 0, 1000, &found));
	assert_false(answers_find(&answers, answers_bucket(&answers, &asker, server, true), &asker,
		server, true, 0, 1000, &found));
	answers_fini(&answers);
}

// Short times to live: the same name again and again does not push out what was before it.
static void test_same_name_again(void **)
{
	struct answers answers;

	assert_int_equal(answers_init(&answers, 16, hash_key_new(1, 1), &counters), 0);
	add(&answers, 1, "old", 50);
	for (uint64_t t = 100; t <= 900; t += 100)
		add(&answers, 1, "cdn", t);
	check(&answers, 1, 1000, "cdn", 900);
	check(&answers, 1, 850, "cdn", 800);
	check(&answers, 1, 750, "cdn", 700);
	check(&answers, 1, 650, "cdn", 100); // its times between are forgotten, it is not
	check(&answers, 1, 99, "old", 50);
	answers_fini(&answers);
}

static void test_full(void **)
{
	struct answers answers;

	assert_int_equal(answers_init(&answers, 16, hash_key_new(1, 1), &counters), 0);
	for (uint8_t who = 0; who < 16; who++)
		add(&answers, who, "x", 10);
	add(&answers, 0, "y", 20); // answered again: not the oldest any more
	add(&answers, 16, "z", 30);
	assert_int_equal(answers.pool.used, 16);
	check(&answers, 0, 30, "y", 20);
	check(&answers, 16, 30, "z", 30);
	check(&answers, 1, 30, NULL, 0);
	check(&answers, 2, 30, "x", 10);
	answers_fini(&answers);
}

// Long names write over the oldest ones: those are gone, and nothing else is read in their place.
static void test_names_go_round(void **)
{
	struct answers answers;
	struct answer_name found;
	struct identity first = asker_at(0);
	unsigned kept = 0;
	char name[256];

	assert_int_equal(answers_init(&answers, 16, hash_key_new(1, 1), &counters), 0);
	add(&answers, 0, "first", 10);
	for (unsigned i = 0; i < 500; i++) {
		memset(name, 'a' + (int)(i % 26), 255);
		name[i % 200 + 55] = '\0';
		add(&answers, (uint8_t)(1 + i % 3), name, 20 + i);
		check(&answers, (uint8_t)(1 + i % 3), 1000, name, 20 + i);
		if (!answers_find(&answers, answers_bucket(&answers, &first, server, false), &first,
			    server, false, 0, 1000, &found))
			continue;
		assert_int_equal(found.name_len, strlen("first"));
		assert_memory_equal(found.name, "first", found.name_len);
		assert_int_equal(kept++, i); // once gone it does not come again
	}
	assert_true(kept > 0);
	check(&answers, 0, 1000, NULL, 0);
	answers_fini(&answers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_last_four),
		cmocka_unit_test(test_same_name_again),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_names_go_round),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
