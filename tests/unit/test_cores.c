// Which core each shard has: lists of the setting, what is wrong with them, and what is chosen.
#include "core/shard/cores.h"

#include "core/base/compiler.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct settings settings;
static struct problems problems;

static void give(const char *cpus, const char *shards)
{
	assert_int_equal(settings_set(&settings, "cpus", cpus, &problems), 0);
	assert_int_equal(settings_set(&settings, "shards", shards, &problems), 0);
}

static int setup(void **)
{
	return settings_init(&settings);
}

static int teardown(void **)
{
	settings_fini(&settings);
	return 0;
}

static void lists(void **)
{
	struct cores cores;

	give("3,8-10,1", "5");
	cores_choose(&cores, &settings, false);
	static const int expected[] = {3, 8, 9, 10, 1, CORE_ANY};
	for (size_t i = 0; i < ARRAY_COUNT(expected); i++)
		assert_int_equal(cores.shard[i], expected[i]);
	cores_choose(&cores, &settings, true);
	assert_int_equal(cores.shard[0], CORE_ANY);
	give("0", "1");
	cores_choose(&cores, &settings, false);
	assert_int_equal(cores.shard[0], 0);
}

static void wrong_lists(void **)
{
	static const char *const wrong[][3] = {
		{"1,", "1", "is not allowed"},
		{",1", "1", "is not allowed"},
		{"1-", "1", "is not allowed"},
		{"3-1", "3", "is not allowed"},
		{"1,1", "2", "is not allowed"},
		{"2-4,3", "4", "is not allowed"},
		{"0-64", "64", "is not allowed"},
		{"1 2", "2", "is not allowed"},
		{"-1", "1", "is not allowed"},
		{"0x1", "1", "is not allowed"},
		{"99999999999999999999", "1", "is not allowed"},
		{"autos", "1", "is not allowed"},
		{"0", "2", "names 1 cores for 2 shards"},
		{"1023", "1", "core 1023 is not there"},
	};

	for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
		give(wrong[i][0], wrong[i][1]);
		cores_check(&settings, &problems);
		if (problems.count != 1 || strstr(problems.lines[0], wrong[i][2]) == NULL)
			fail_msg("\"%s\": %s", wrong[i][0],
				problems.count > 0 ? problems.lines[0] : "nothing was said");
		assert_non_null(strstr(problems.lines[0], "command line: cpus: "));
		problems_fini(&problems);
		problems = (struct problems){0};
	}
	give("auto", "64");
	cores_check(&settings, &problems);
	give("any", "64");
	cores_check(&settings, &problems);
	assert_int_equal(problems.count, 0);
}

static void chosen(void **)
{
	struct cores cores;
	cpu_set_t allowed;

	assert_int_equal(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
	int count = CPU_COUNT(&allowed);
	char text[16];
	// One fewer than there are: each has one, and the first is nobody's. As many: nobody has.
	snprintf(text, sizeof(text), "%d", MAX(MIN(count - 1, CORES_MAX), 2));
	give("auto", text);
	cores_choose(&cores, &settings, false);
	for (int i = 0; count > 2 && i < MIN(count - 1, CORES_MAX); i++) {
		assert_true(cores.shard[i] > (i > 0 ? cores.shard[i - 1] : 0));
		assert_true(CPU_ISSET(cores.shard[i], &allowed));
	}
	snprintf(text, sizeof(text), "%d", MIN(count, CORES_MAX));
	give("auto", text);
	cores_choose(&cores, &settings, false);
	for (int i = 0; count <= CORES_MAX && i < count; i++)
		assert_int_equal(cores.shard[i], CORE_ANY);
	give("any", "1");
	cores_choose(&cores, &settings, false);
	assert_int_equal(cores.shard[0], CORE_ANY);
}

static void binding(void **)
{
	cpu_set_t before, after;

	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	assert_int_equal(cores_bind(CORE_ANY), 0);
	int core = 0;
	while (!CPU_ISSET(core, &before))
		core++;
	assert_int_equal(cores_bind(core), 0);
	assert_int_equal(sched_getaffinity(0, sizeof(after), &after), 0);
	assert_int_equal(CPU_COUNT(&after), 1);
	assert_true(CPU_ISSET(core, &after));
	assert_true(cores_bind(CPU_SETSIZE - 1) < 0);
	sched_setaffinity(0, sizeof(before), &before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists),
		cmocka_unit_test(wrong_lists),
		cmocka_unit_test(chosen),
		cmocka_unit_test(binding),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
