// The key of pseudonyms: where it may come from, and that it does what HMAC-SHA-256 does.
#include "core/privacy/pseudonym.h"

#include "core/base/compiler.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED true
#elif defined(__has_feature)
#define SANITIZED __has_feature(address_sanitizer)
#else
#define SANITIZED false
#endif

static char directory[] = "/tmp/weir-key-XXXXXX";
static char path[64];

static void write_key(size_t len, mode_t mode)
{
	unlink(path);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	for (size_t i = 0; i < len; i++)
		fputc((int)('a' + i % 26), file);
	fclose(file);
	assert_int_equal(chmod(path, mode), 0);
}

// Expects the file to be refused with a problem that says `why`.
static void assert_refused(const char *why)
{
	struct problems problems = {0};
	struct pseudonym *pseudonym = NULL;

	assert_true(pseudonym_new(&pseudonym, path, 0, &problems) < 0);
	assert_null(pseudonym);
	assert_int_equal(problems.count, 1);
	if (strstr(problems.lines[0], why) == NULL)
		fail_msg("no \"%s\" in \"%s\"", why, problems.lines[0]);
	assert_memory_equal(problems.lines[0], path, strlen(path)); // the file is named
	problems_fini(&problems);
}

static void test_key_file(void **)
{
	struct problems problems = {0};
	struct pseudonym *pseudonym = NULL;
	uint8_t secret[40], key[32], expected[32], made[32];

	write_key(40, 0600);
	assert_int_equal(pseudonym_new(&pseudonym, path, 0, &problems), 0);
	for (size_t i = 0; i < sizeof(secret); i++)
		secret[i] = (uint8_t)('a' + i % 26);
	// The key of a purpose is derived from all of the file.
	HMAC(EVP_sha256(), secret, sizeof(secret), (const uint8_t *)"weir pseudonym 1", 16, key,
		NULL);
	HMAC(EVP_sha256(), key, sizeof(key), (const uint8_t *)"message", 7, expected, NULL);
	pseudonym_make(pseudonym, PSEUDONYM_CLIENT, "message", 7, made);
	assert_memory_equal(made, expected, 32);
	pseudonym_make(pseudonym, PSEUDONYM_TEXT, "message", 7, made);
	assert_memory_not_equal(made, expected, 32);
	pseudonym_free(pseudonym);

	write_key(4096, 0400);
	assert_int_equal(pseudonym_new(&pseudonym, path, 0, &problems), 0);
	pseudonym_free(pseudonym);
	assert_int_equal(problems.count, 0);
}

static void test_refused(void **)
{
	static const mode_t open_to_others[] = {0640, 0604, 0620, 0601, 0660, 0444};

	for (size_t i = 0; i < ARRAY_COUNT(open_to_others); i++) {
		write_key(32, open_to_others[i]);
		assert_refused("readable by its owner only");
	}
	write_key(31, 0600);
	assert_refused("must hold 32 to 4096 octets, it holds 31");
	write_key(4097, 0600);
	assert_refused("it holds 4097");
	FILE *zeros = fopen(path, "w");
	assert_non_null(zeros);
	for (unsigned i = 0; i < 64; i++)
		fputc(0, zeros);
	fclose(zeros);
	chmod(path, 0600);
	assert_refused("one octet over and over");
	unlink(path);
	assert_refused("cannot open the key file: No such file or directory");
	assert_int_equal(mkdir(path, 0700), 0);
	assert_refused("must be a regular file");
	rmdir(path);
	assert_int_equal(mkfifo(path, 0600), 0); // must not wait for a writer
	assert_refused("must be a regular file");
	if (geteuid() == 0) {
		write_key(32, 0600);
		assert_int_equal(chown(path, 65534, 65534), 0);
		assert_refused("must belong to root or to the user who starts weir");
	}
	unlink(path);
}

static void test_seed(void **)
{
	struct problems problems = {0};
	struct pseudonym *a, *b, *c;
	uint8_t one[32], two[32];

	assert_int_equal(pseudonym_new(&a, NULL, 7, &problems), 0);
	assert_int_equal(pseudonym_new(&b, NULL, 7, &problems), 0);
	assert_int_equal(pseudonym_new(&c, NULL, 8, &problems), 0);
	pseudonym_make(a, PSEUDONYM_TEXT, "x", 1, one);
	pseudonym_make(b, PSEUDONYM_TEXT, "x", 1, two);
	assert_memory_equal(one, two, 32);
	pseudonym_make(c, PSEUDONYM_TEXT, "x", 1, two);
	assert_memory_not_equal(one, two, 32);
	assert_int_equal(pseudonym_word(a, 3), pseudonym_word(b, 3));
	assert_int_not_equal(pseudonym_word(a, 3), pseudonym_word(c, 3));
	pseudonym_free(a);
	pseudonym_free(b);
	pseudonym_free(c);
	pseudonym_free(NULL);
}

// The page with the keys is locked and in no core dump, as the kernel sees it.
static void test_locked(void **)
{
	struct problems problems = {0};
	struct pseudonym *pseudonym;
	char line[512];
	bool here = false, locked = false, not_dumped = false;

	assert_int_equal(pseudonym_new(&pseudonym, NULL, 7, &problems), 0);
	FILE *maps = fopen("/proc/self/smaps", "r");
	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps) != NULL) {
		uintptr_t from, to;
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			here = (uintptr_t)pseudonym >= from && (uintptr_t)pseudonym < to;
		if (here && strncmp(line, "VmFlags:", 8) == 0) {
			locked = strstr(line, " lo") != NULL;
			not_dumped = strstr(line, " dd") != NULL;
		}
	}
	fclose(maps);
	// Address sanitizers make mlock() do nothing.
	assert_int_equal(locked, !SANITIZED);
	assert_true(not_dumped);
	pseudonym_free(pseudonym);
}

static int set_up(void **)
{
	if (mkdtemp(directory) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/key", directory);
	return 0;
}

static int tear_down(void **)
{
	unlink(path);
	return rmdir(directory);
}

// Of each length that fits, alone and among others, the same as by the general way.
static void test_short(void **)
{
	struct problems problems = {0};
	struct pseudonym *pseudonym = NULL;
	struct pseudonym_short messages[PSEUDONYM_SHORT_MAX + 1];
	uint8_t text[PSEUDONYM_SHORT_MAX], expected[32];

	assert_int_equal(pseudonym_new(&pseudonym, NULL, 7, &problems), 0);
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)(i * 37 + 11);
	memset(messages, 0, sizeof(messages));
	for (size_t len = 0; len <= PSEUDONYM_SHORT_MAX; len++) {
		memcpy(messages[len].block, text, len);
		messages[len].len = len;
	}
	pseudonym_make_short(pseudonym, PSEUDONYM_TEXT, messages, PSEUDONYM_SHORT_MAX + 1);
	for (size_t len = 0; len <= PSEUDONYM_SHORT_MAX; len++) {
		pseudonym_make(pseudonym, PSEUDONYM_TEXT, text, len, expected);
		assert_memory_equal(messages[len].block, expected, 32);
	}
	pseudonym_free(pseudonym);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_key_file),
		cmocka_unit_test(test_short),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_seed),
		cmocka_unit_test(test_locked),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
