// What the kernel is understood to say of memory, from files as it writes them.
#include "core/shard/memory_room.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static char root[] = "/tmp/weir-test-room-XXXXXX";

static void put(const char *path, const char *text)
{
	char whole[512];

	snprintf(whole, sizeof(whole), "%s%s", root, path);
	for (char *at = strchr(whole + strlen(root) + 1, '/'); at; at = strchr(at + 1, '/')) {
		*at = '\0';
		mkdir(whole, 0700);
		*at = '/';
	}
	FILE *file = fopen(whole, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void clear(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s/*", root);
	assert_int_equal(system(command), 0);
	put("/proc/meminfo",
		"MemTotal:       2000000 kB\nMemFree:         100 kB\n"
		"MemAvailable:    1000000 kB\n");
}

static void expect(uint64_t bytes, const char *who)
{
	struct memory_room room;

	memory_room(root, &room);
	assert_int_equal(room.bytes, bytes);
	assert_string_equal(room.who, who);
}

static void test_machine(void **)
{
	clear();
	expect(UINT64_C(1024000000), "MemAvailable");
	put("/proc/self/cgroup", "damaged\n0::/\n7:::\n");
	expect(UINT64_C(1024000000), "MemAvailable");
	put("/proc/meminfo", "");
	expect(UINT64_MAX, "");
}

// The least of the group's own limit and of those above it.
static void test_version_2(void **)
{
	clear();
	put("/proc/self/cgroup", "0::/system.slice/weir.service\n");
	put("/sys/fs/cgroup/system.slice/weir.service/memory.max", "max\n");
	expect(UINT64_C(1024000000), "MemAvailable");
	put("/sys/fs/cgroup/system.slice/memory.max", "300000000\n");
	expect(300000000, "/sys/fs/cgroup/system.slice/memory.max");
	put("/sys/fs/cgroup/system.slice/weir.service/memory.max", "200000000\n");
	expect(200000000, "/sys/fs/cgroup/system.slice/weir.service/memory.max");
	put("/sys/fs/cgroup/memory.max", "100000000\n"); // a container's, seen from inside
	expect(100000000, "/sys/fs/cgroup/memory.max");
	put("/proc/meminfo", "MemAvailable: 10 kB\n");
	expect(10240, "MemAvailable");
}

static void test_version_1(void **)
{
	clear();
	put("/proc/self/cgroup", "5:devices:/x\n4:cpu,memory:/box/inner\n1:memory_not:/y\n0::/\n");
	put("/sys/fs/cgroup/memory/box/inner/memory.limit_in_bytes", "9223372036854771712\n");
	put("/sys/fs/cgroup/memory/y/memory.limit_in_bytes", "1\n");
	expect(UINT64_C(1024000000), "MemAvailable");
	put("/sys/fs/cgroup/memory/box/memory.limit_in_bytes", "5000000\n");
	expect(5000000, "/sys/fs/cgroup/memory/box/memory.limit_in_bytes");
}

static void test_presets(void **)
{
	uint32_t mib = 0;

	assert_string_equal(memory_room_preset(UINT64_MAX, &mib), "server");
	assert_string_equal(memory_room_preset(UINT64_C(2) << 30, &mib), "default");
	assert_int_equal(mib, 512);
	assert_string_equal(memory_room_preset(UINT64_C(512) << 20, &mib), "default");
	assert_string_equal(memory_room_preset((UINT64_C(512) << 20) - 1, &mib), "gateway");
	assert_null(memory_room_preset(UINT64_C(127) << 20, &mib));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_machine),
		cmocka_unit_test(test_version_2),
		cmocka_unit_test(test_version_1),
		cmocka_unit_test(test_presets),
	};

	if (mkdtemp(root) == NULL)
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	char command[128];
	snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command) != 0 || failed;
}
