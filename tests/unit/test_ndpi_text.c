// What ndpi_text.c writes is what the C library writes: text, terminator, nothing behind it, and
// the length, in room of every size; and it is what libndpi calls.
#include "classifiers/ndpi_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <dlfcn.h>

enum { ROOM = 32 };

// As a library calls it: the compiler must not put its own knowledge in the place of the call.
static int (*volatile ours_of)(char *, size_t, int, size_t, const char *, ...) = __snprintf_chk;

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

static const unsigned numbers[] = {0, 1, 9, 10, 15, 16, 99, 100, 127, 128, 171, 255, 256, 999, 4865,
	65535, 65536, 1000000000, INT32_MAX, UINT32_MAX};

static void test_formats(void **)
{
	static const char *const before[] = {"", "-", ":", "--", "word"};

	for (size_t size = 0; size < ROOM; size++) {
		for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
			for (size_t j = 0; j < sizeof(before) / sizeof(before[0]); j++)
				check(size, "%s%u", before[j], numbers[i]);
			check(size, "%02x", numbers[i]);
			check(size, "%02X", numbers[i]);
			check(size, "%u,", numbers[i]);
			check(size, "%04X", numbers[i]);
			check(size, "%02d", numbers[i] % 1000);
			check(size, "%02x,", numbers[i]);
		}
		check(size, "%s", "a name");
	}
}

static void test_every_octet(void **)
{
	for (unsigned octet = 0; octet < 256; octet++) {
		check(3, "%02x", octet);
		check(3, "%02X", octet);
		check(ROOM, "%s%u", "-", octet * 257);
	}
}

// The symbol of this program, and not glibc's, is what a library finds.
static void test_takes_its_place(void **)
{
	assert_ptr_equal(dlsym(RTLD_DEFAULT, "__snprintf_chk"), (void *)__snprintf_chk);
	assert_ptr_not_equal(dlsym(RTLD_NEXT, "__snprintf_chk"), (void *)__snprintf_chk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_every_octet),
		cmocka_unit_test(test_takes_its_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
