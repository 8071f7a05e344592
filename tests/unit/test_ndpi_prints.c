// What ndpi_prints.c leaves out, and only while libndpi is called by us: pieces of fingerprints and
// the hashes of them. All else is what the C library and libndpi make; and it is what libndpi
// calls.
#include "classifiers/ndpi_prints.h"

#include "classifiers/ndpi_names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <dlfcn.h>
#include <ndpi/ndpi_api.h>

enum { ROOM = 32 };

// As a library calls it: the compiler must not put its own knowledge in the place of the call.
static int (*volatile ours_of)(char *, size_t, int, size_t, const char *, ...) = __snprintf_chk;

static struct ndpi_names names;

static int tear_down(void **)
{
	ndpi_names_now = NULL;
	return 0;
}

static int theirs_of(char *text, size_t size, const char *format, ...)
{
	va_list values;

	va_start(values, format);
	int len = vsnprintf(text, size, format, values);
	va_end(values);
	return len;
}

#define check(size, ...) \
	do { \
		char ours[ROOM], theirs[ROOM]; \
		memset(ours, '#', sizeof(ours)); \
		memset(theirs, '#', sizeof(theirs)); \
		assert_int_equal(ours_of(ours, size, 1, sizeof(ours), __VA_ARGS__), \
			theirs_of(theirs, size, __VA_ARGS__)); \
		assert_memory_equal(ours, theirs, sizeof(ours)); \
	} while (false)

#define check_empty(...) \
	do { \
		char text[ROOM]; \
		memset(text, '#', sizeof(text)); \
		assert_int_equal(ours_of(text, sizeof(text), 1, sizeof(text), __VA_ARGS__), 0); \
		assert_int_equal(text[0], '\0'); \
		assert_int_equal(text[1], '#'); \
	} while (false)

static void test_others(void **)
{
	for (unsigned library = 0; library < 2; library++) {
		ndpi_names_now = library ? &names : NULL;
		for (size_t size = 0; size < ROOM; size++) {
			check(size, "%s", "a name");
			check(size, "%04X", 1234);
			check(size, "%02x,", 12);
			check(size, "%u", 77);
			check(size, "%s%u%s", "a", 1, "b");
			check(size, "%s", ",");
			check(size, ",,");
			check(size, "%s%s=%s", "", "CN", "name");
			check(size, "%s%s=%s", ", ", "O", "");
			check(size, "%s%s=%s", ", ", "OU", "a longer name than there is room for");
			check(size, "%u.%u", 1, 2);
		}
	}
}

static void test_fingerprints(void **)
{
	for (size_t size = 0; size < ROOM; size++) {
		check(size, "%s%u", "-", 4865);
		check(size, "%02x", 171);
		check(size, "%02X", 171);
		check(size, "%u,", 771);
		check(size, ",");
	}
	ndpi_names_now = &names;
	check_empty("%s%u", "-", 4865);
	check_empty("%02x", 171);
	check_empty("%02X", 171);
	check_empty("%s%s", ",", "TLSv1.3");
	check_empty("%s%04X", "-", 772);
	check_empty(",");
	check_empty("%u,", 771);
	check(0, "%s%u", "-", 4865);
}

static void test_hashes(void **)
{
	static const uint8_t md5_of_abc[16] = {0x90, 0x01, 0x50, 0x98, 0x3c, 0xd2, 0x4f, 0xb0, 0xd6,
		0x96, 0x3f, 0x7d, 0x28, 0xe1, 0x7f, 0x72};
	static const uint8_t sha1_of_abc[20] = {0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81, 0x6a,
		0xba, 0x3e, 0x25, 0x71, 0x78, 0x50, 0xc2, 0x6c, 0x9c, 0xd0, 0xd8, 0x9d};
	static const char *const hashes[2] = {"ndpi_MD5", "SHA1"};
	static const uint8_t none[32] = {0};
	uint8_t made[32];
	uint64_t context[32];

	assert_non_null(ndpi_revision()); // libndpi is there
	for (unsigned i = 0; i < 4; i++) {
		const char *hash = hashes[i % 2];
		size_t size = i % 2 ? sizeof(sha1_of_abc) : sizeof(md5_of_abc);
		char name[3][32];
		snprintf(name[0], sizeof(name[0]), "%sInit", hash);
		snprintf(name[1], sizeof(name[1]), "%sUpdate", hash);
		snprintf(name[2], sizeof(name[2]), "%sFinal", hash);
		memset(made, '#', sizeof(made));
		ndpi_names_now = i < 2 ? NULL : &names;
		((void (*)(void *))dlsym(RTLD_DEFAULT, name[0]))(context);
		((void (*)(void *, const char *, unsigned))dlsym(RTLD_DEFAULT, name[1]))(
			context, "abc", 3);
		((void (*)(uint8_t *, void *))dlsym(RTLD_DEFAULT, name[2]))(made, context);
		assert_memory_equal(made, i >= 2 ? none : i ? sha1_of_abc : md5_of_abc, size);
		assert_int_equal(made[size], '#');
	}
}

// The symbols of this program, and not the libraries', are what a library finds.
static void test_takes_their_place(void **)
{
	static const char *const symbols[] = {
		"__snprintf_chk", "ndpi_MD5Update", "ndpi_MD5Final", "SHA1Update", "SHA1Final"};

	assert_ptr_equal(dlsym(RTLD_DEFAULT, symbols[0]), (void *)__snprintf_chk);
	for (unsigned i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
		void *library = dlsym(RTLD_NEXT, symbols[i]);
		assert_non_null(library);
		assert_ptr_not_equal(library, dlsym(RTLD_DEFAULT, symbols[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_others, tear_down),
		cmocka_unit_test_teardown(test_fingerprints, tear_down),
		cmocka_unit_test_teardown(test_hashes, tear_down),
		cmocka_unit_test(test_takes_their_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
