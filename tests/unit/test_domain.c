// The registrable domain of names, as the Public Suffix List's ICANN rules have it.
#include "core/privacy/domain.h"

#include "core/base/compiler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *name, *domain;
} cases[] = {
	{"example.com", "example.com"},
	{"www.example.com", "example.com"},
	{"a.b.c.d.e.f.g.h.i.j.k.example.com", "example.com"},
	{"WWW.ExAmPlE.CoM", "example.com"},
	{"www.example.com.", "example.com"},
	{"www.example.com:8443", "example.com"},
	{"www.example.co.uk", "example.co.uk"},
	{"a.b.city.kawasaki.jp", "city.kawasaki.jp"}, // an exception rule
	{"a.b.c.kawasaki.jp", "b.c.kawasaki.jp"}, // under a wildcard rule
	{"www.ck", "www.ck"}, // an exception rule
	{"a.b.foo.ck", "b.foo.ck"},
	{"alice.blogspot.com", "blogspot.com"}, // its rule is in the private section
	{"alice.dyndns.org", "dyndns.org"},
	{"mail.xn--bcher-kva.de", "xn--bcher-kva.de"},
	{"x.xn--85x722f.xn--55qx5d.cn", "xn--85x722f.xn--55qx5d.cn"},
	{"shop.example.xn--p1ai", "example.xn--p1ai"},
	{"_dmarc.example.com", "example.com"},
	// Public suffixes themselves.
	{"com", ""},
	{"co.uk", ""},
	{"foo.ck", ""},
	{"c.kawasaki.jp", ""},
	// Names of no host on the Internet.
	{"alices-phone", ""},
	{"alices-phone.local", ""},
	{"alices-phone.lan", ""},
	{"nas.home.arpa", ""},
	{"nas.internal", ""},
	{"printer.home", ""},
	{"a.localhost", ""},
	{"duckduckgogg42xjoc72x3sjasowoarfbgcmvfimaftt6twagswzczad.onion", ""},
	{"www.duckduckgo.onion", ""},
	{"x.example", ""},
	{"x.test", ""},
	{"x.invalid", ""},
	// Reverse names say whose address was asked for.
	{"42.77.168.192.in-addr.arpa", ""},
	{"4.3.2.1.e164.arpa", ""},
	{"1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", ""},
	// Unknown top-level domains: no default rule.
	{"alices-phone.fritzbox", ""},
	{"server.mycompany.qqqq", ""},
	{"203.0.113.99", ""},
	{"2001:db8::1", ""},
	// No host names.
	{"", ""},
	{".", ""},
	{"..", ""},
	{".com", ""},
	{"a..com", ""},
	{"exa mple.com", ""},
	{"al\xc3\xa9.com", ""},
	{"user@example.com", ""},
	{"example.com/path", ""},
	{":443", ""},
	{"443", ""},
};

// By the cache, its place fetched before or not.
static size_t cached(
	struct domain_cache *cache, const char *name, bool fetch, char domain[DOMAIN_SIZE_MAX])
{
	const uint8_t *at = (const uint8_t *)name;
	uint64_t hash = fetch ? domain_cache_fetch(cache, at, strlen(name)) : 0;

	return domain_cached(cache, hash, at, strlen(name), domain);
}

static void test_names(void **)
{
	struct domain_list *list;
	struct domain_cache *cache;
	char domain[DOMAIN_SIZE_MAX];

	assert_int_equal(domain_list_new(&list), 0);
	assert_int_equal(domain_cache_new(&cache, list), 0);
	// Twice, so that the cache answers as well.
	for (size_t i = 0; i < 2 * ARRAY_COUNT(cases); i++) {
		const char *name = cases[i / 2].name, *expected = cases[i / 2].domain;
		size_t len = domain_registrable(list, (const uint8_t *)name, strlen(name), domain);
		if (len != strlen(expected) || memcmp(domain, expected, len) != 0)
			fail_msg("%s: %.*s instead of %s", name, (int)len, domain, expected);
		len = cached(cache, name, i % 2 != 0, domain);
		if (len != strlen(expected) || memcmp(domain, expected, len) != 0)
			fail_msg("cached %s: %.*s instead of %s", name, (int)len, domain, expected);
	}
	domain_cache_free(cache);
	domain_list_free(list);
}

// Names that are too long, or hold a NUL, are none.
static void test_odd_lengths(void **)
{
	struct domain_list *list;
	uint8_t name[600];
	char domain[DOMAIN_SIZE_MAX];

	assert_int_equal(domain_list_new(&list), 0);
	memset(name, 'a', sizeof(name));
	for (size_t i = 50; i < sizeof(name); i += 50)
		name[i] = '.';
	memcpy(name + 250, ".com", 4);
	assert_int_equal(domain_registrable(list, name, 254, domain), 53);
	memcpy(name + 252, ".com", 4);
	assert_int_equal(domain_registrable(list, name, 256, domain), 0);
	assert_int_equal(domain_registrable(list, name, 600, domain), 0);
	assert_int_equal(
		domain_registrable(list, (const uint8_t *)"evil\0.example.com", 17, domain), 0);
	domain_list_free(list);
	domain_list_free(NULL);
}

// Many more names than the cache has places: an answer never comes from another name's place.
static void test_cache(void **)
{
	struct domain_list *list;
	struct domain_cache *cache;
	char name[64], domain[DOMAIN_SIZE_MAX];

	assert_int_equal(domain_list_new(&list), 0);
	assert_int_equal(domain_cache_new(&cache, list), 0);
	for (unsigned i = 0; i < 60000; i++) {
		unsigned number = i % 20000;
		snprintf(name, sizeof(name), "w%u.e%u.com", number % 7, number);
		size_t found = cached(cache, name, i % 3 == 0, domain);
		assert_int_equal(found, strlen(strchr(name, '.') + 1));
		assert_memory_equal(domain, strchr(name, '.') + 1, found);
	}
	domain_cache_free(cache);
	domain_list_free(list);
}

static void test_literals(void **)
{
	static const uint8_t ip4[] = {203, 0, 113, 99}, ip6[16] = {0x20, 1, 0x0d, 0xb8, [15] = 1};
	static const char *const none[] = {"", "example.com", "1.2.3", "1.2.3.4.5",
		"[203.0.113.99]", "[2001:db8::1", "2001:db8::g", "203.0.113.999", "0x7f.1",
		"203.0.113.99.example.com",
		"[2001:db8:2001:db8:2001:db8:2001:db8:2001:db8:2001:db8:2001:db8]"};
	uint8_t ip[16];

	assert_int_equal(domain_ip_literal((const uint8_t *)"203.0.113.99", 12, ip), 4);
	assert_memory_equal(ip, ip4, 4);
	assert_int_equal(domain_ip_literal((const uint8_t *)"203.0.113.99:80", 15, ip), 4);
	assert_memory_equal(ip, ip4, 4);
	assert_int_equal(domain_ip_literal((const uint8_t *)"2001:db8::1", 11, ip), 16);
	assert_memory_equal(ip, ip6, 16);
	assert_int_equal(domain_ip_literal((const uint8_t *)"[2001:db8::1]:443", 17, ip), 16);
	assert_memory_equal(ip, ip6, 16);
	for (size_t i = 0; i < ARRAY_COUNT(none); i++)
		assert_int_equal(
			domain_ip_literal((const uint8_t *)none[i], strlen(none[i]), ip), 0);
	assert_int_equal(domain_ip_literal((const uint8_t *)"1.2.3.4\0x", 9, ip), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_odd_lengths),
		cmocka_unit_test(test_cache),
		cmocka_unit_test(test_literals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
