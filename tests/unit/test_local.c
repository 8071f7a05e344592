// Local networks: parsing, prefixes of all lengths, what can be a host.
#include "core/client/local.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static bool holds(const struct local_networks *local, const char *text, uint64_t known_ns)
{
	uint8_t ip[16];
	bool ip6 = inet_pton(AF_INET6, text, ip) == 1;

	assert_true(ip6 || inet_pton(AF_INET, text, ip) == 1);
	return local_holds(local, ip, ip6, known_ns);
}

static void test_parse(void **)
{
	static const char *const wrong[] = {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1",
		"10.0.0.0/8 ", "10.0.0/8", "fc00::/129", "fc00::/+7", "home", "10.0.0.0/8/8",
		"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000/8"};
	struct local_prefix p = {.len = 99};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(local_parse(wrong[i], &p), -EINVAL);
	assert_int_equal(p.len, 99); // untouched
	assert_int_equal(local_parse("10.1.2.3", &p), 0);
	assert_true(p.len == 32 && !p.ip6);
	assert_int_equal(local_parse("::1", &p), 0);
	assert_true(p.len == 128 && p.ip6);
	assert_int_equal(local_parse("0.0.0.0/0", &p), 0);
	assert_int_equal(p.len, 0);
}

static void test_prefixes(void **)
{
	static struct local_networks local;
	static const char *const nets[] = {"10.0.0.0/8", "172.16.9.9/12", "192.0.2.65/26",
		"fc00::/7", "2001:db8:0:ffff::/65", "203.0.113.7", "178.1.2.3/5"};

	memset(&local, 0, sizeof(local));
	for (size_t i = 0; i < sizeof(nets) / sizeof(nets[0]); i++) {
		struct local_prefix p;
		assert_int_equal(local_parse(nets[i], &p), 0);
		assert_int_equal(local_add(&local, &p), 0);
	}
	assert_true(holds(&local, "10.255.0.1", 0));
	assert_false(holds(&local, "11.0.0.1", 0));
	assert_true(holds(&local, "172.31.255.1", 0));
	assert_false(holds(&local, "172.32.0.1", 0));
	assert_true(holds(&local, "192.0.2.127", 0));
	assert_false(holds(&local, "192.0.2.63", 0));
	assert_false(holds(&local, "192.0.2.128", 0));
	assert_true(holds(&local, "203.0.113.7", 0));
	assert_false(holds(&local, "203.0.113.6", 0));
	// Of several first octets.
	assert_true(holds(&local, "176.0.0.1", 0));
	assert_true(holds(&local, "183.255.0.1", 0));
	assert_false(holds(&local, "175.255.0.1", 0));
	assert_false(holds(&local, "184.0.0.1", 0));
	assert_true(holds(&local, "fdff::1", 0));
	assert_false(holds(&local, "fe00::1", 0));
	assert_true(holds(&local, "2001:db8:0:ffff:7fff::1", 0));
	assert_false(holds(&local, "2001:db8:0:ffff:8000::1", 0));
	// An IPv6 address that begins like an IPv4 prefix is not in it.
	assert_false(holds(&local, "a00::1", 0));
}

static void test_announced(void **)
{
	static struct local_networks local;
	uint8_t ip[16];

	memset(&local, 0, sizeof(local));
	inet_pton(AF_INET6, "2001:db8:1::", ip);
	local_announce(&local, ip, 64, 1000);
	local_announce(&local, ip, 64, 2000);
	assert_int_equal(local.count, 1);
	assert_true(holds(&local, "2001:db8:1::5", 1000));
	assert_false(holds(&local, "2001:db8:1::5", 999)); // not yet known
	local_announce(&local, ip, 16, 0); // the Internet is nobody's
	inet_pton(AF_INET6, "ff02::", ip);
	local_announce(&local, ip, 64, 0);
	assert_int_equal(local.count, 1);
	for (unsigned i = 0; i < 200; i++) {
		inet_pton(AF_INET6, "2001:db8:2::", ip);
		ip[7] = (uint8_t)i;
		local_announce(&local, ip, 64, 0);
	}
	assert_int_equal(local.announced, LOCAL_ANNOUNCED_MAX);
	// The settings' prefixes keep their room.
	struct local_prefix p = {.len = 24};
	unsigned added = 0;
	while (local_add(&local, &p) == 0)
		added++;
	assert_int_equal(added, LOCAL_PREFIXES_MAX);
}

static void test_hosts(void **)
{
	static const struct {
		const char *ip;
		bool host;
	} cases[] = {{"0.0.0.0", false}, {"127.0.0.1", false}, {"223.255.255.255", true},
		{"224.0.0.1", false}, {"255.255.255.255", false}, {"10.0.0.1", true}, {"::", false},
		{"::1", false}, {"::2", true}, {"ff02::1", false}, {"fe80::1", true},
		{"2001:db8::1", true}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t ip[16];
		bool ip6 = inet_pton(AF_INET6, cases[i].ip, ip) == 1;
		if (!ip6)
			inet_pton(AF_INET, cases[i].ip, ip);
		assert_int_equal(ip_is_host(ip, ip6), cases[i].host);
	}
}

static void test_broadcast(void **)
{
	static struct local_networks local;
	static const char *const nets[] = {"192.0.2.0/24", "198.51.100.0/31", "203.0.113.255/32"};
	uint8_t ip[16];

	memset(&local, 0, sizeof(local));
	for (size_t i = 0; i < 3; i++) {
		struct local_prefix p;
		assert_int_equal(local_parse(nets[i], &p), 0);
		assert_int_equal(local_add(&local, &p), 0);
	}
	inet_pton(AF_INET, "192.0.2.255", ip);
	assert_true(local_is_broadcast(&local, ip));
	inet_pton(AF_INET, "192.0.2.254", ip);
	assert_false(local_is_broadcast(&local, ip));
	inet_pton(AF_INET, "198.51.100.1", ip); // RFC 3021
	assert_false(local_is_broadcast(&local, ip));
	inet_pton(AF_INET, "203.0.113.255", ip);
	assert_false(local_is_broadcast(&local, ip));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_announced),
		cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_broadcast),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
