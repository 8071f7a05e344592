// What ndpi_names.c finds is what libndpi finds by itself: applications, categories and oddities of
// names, with names that come again and that push each other out; words in text; and it is what
// libndpi calls.
#include "classifiers/ndpi_names.h"

#include <ndpi/ndpi_api.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>
#include <dlfcn.h>

int ac_automata_search(void *automaton, void *text, void *ret);

static struct ndpi_detection_module_struct *module;
static struct ndpi_names names;
static uint32_t random_state = 1;

static uint32_t random_next(uint32_t below)
{
	random_state = random_state * 1664525 + 1013904223; // Knuth's LCG
	return (uint32_t)((uint64_t)random_state * below >> 32);
}

static int set_up(void **)
{
	NDPI_PROTOCOL_BITMASK all;

	module = ndpi_init_detection_module(ndpi_no_prefs);
	assert_non_null(module);
	NDPI_BITMASK_SET_ALL(all);
	ndpi_set_protocol_detection_bitmask2(module, &all);
	ndpi_finalize_initialization(module);
	memset(&names, 0, sizeof(names));
	return 0;
}

static int tear_down(void **)
{
	ndpi_names_now = NULL;
	ndpi_exit_detection_module(module);
	return 0;
}

struct answer {
	ndpi_protocol_match_result match;
	int protocol, category_found;
	ndpi_protocol_category_t category;
	uint8_t alpn;
	int made_up[3];
	ndpi_risk risk[2];
};

static void ask_made_up(struct answer *ret, char *name)
{
	for (unsigned decided = 0; decided < 2; decided++) {
		struct ndpi_flow_struct flow = {0};
		flow.detected_protocol_stack[1] = decided ? NDPI_PROTOCOL_DNS : 0;
		ret->made_up[decided] = ndpi_check_dga_name(module, &flow, name, 1);
		ret->risk[decided] = flow.risk;
	}
	ret->made_up[2] = ndpi_check_dga_name(module, NULL, name, 0);
}

static void ask(struct answer *ret, char *name)
{
	unsigned len = (unsigned)strlen(name);

	memset(ret, 0, sizeof(*ret));
	ret->protocol = ndpi_match_string_subprotocol(module, name, len, &ret->match);
	ret->category_found = ndpi_get_custom_category_match(module, name, len, &ret->category);
	ret->alpn = is_a_common_alpn(module, name, len);
	ask_made_up(ret, name);
}

static const char *const words[] = {"www", "facebook", "google", "googleapis", "netflix",
	"amazonaws", "s3", "com", "net", "org", "example", "apple", "icloud", "whatsapp",
	"microsoft", "office365", "teams", "doubleclick", "youtube", "i", "a", "xn--p1ai", "h2",
	"http/1.1", "h3", "cdn", "static", "twitter", "zoom", "us", "dropbox", "github", "io",
	"signal", "telegram", "t", "me", "-", "*"};

static void name_make(char *name, size_t size)
{
	name[0] = '\0';
	for (unsigned left = 1 + random_next(random_next(8) > 0 ? 5 : 20); left > 0; left--) {
		const char *word = words[random_next(sizeof(words) / sizeof(words[0]))];
		if (strlen(name) + strlen(word) + 2 >= size)
			break;
		if (name[0] != '\0' && random_next(16) > 0)
			strcat(name, ".");
		strcat(name, word);
	}
	if (random_next(8) == 0)
		name[0] = (char)(name[0] & ~0x20);
	for (size_t i = 0; random_next(4) != 0 && name[i] != '\0'; i++)
		if (name[i] != '.' && random_next(4) == 0)
			name[i] = "bcdfghjklqxz0189-_"[random_next(18)];
}

// More names than there is room for, and few that come often.
static void test_names(void **)
{
	static char made[4000][NDPI_NAME_MAX + 40];
	unsigned found = 0, made_up = 0;

	for (unsigned i = 0; i < 4000; i++)
		name_make(made[i], sizeof(made[i]));
	for (unsigned i = 0; i < 60000; i++) {
		char *name = made[random_next(random_next(2) ? 50 : 4000)];
		struct answer ours, theirs;
		ndpi_names_now = NULL;
		ask(&theirs, name);
		ndpi_names_now = &names;
		ask(&ours, name);
		assert_memory_equal(&ours, &theirs, sizeof(ours));
		found += theirs.protocol != NDPI_PROTOCOL_UNKNOWN;
		made_up += theirs.risk[0] != 0;
	}
	assert_true(found > 6000 && found < 54000);
	assert_true(made_up > 1000 && made_up < 54000);
	unsigned kept = 0;
	for (unsigned i = 0; i < NDPI_NAMES; i++)
		kept += names.slots[i].len > 0;
	assert_true(kept > NDPI_NAMES / 2);
}

// As libndpi has it, ndpi_main.c.
static const char *find_slowly(const char *s, const char *find, size_t len)
{
	size_t find_len = strlen(find);

	for (; find_len <= strnlen(s, len); s++, len--) {
		if (strncmp(s, find, find_len) == 0)
			return s;
		if (len == 0 || *s == '\0')
			break;
	}
	return NULL;
}

static void test_words_in_text(void **)
{
	char text[40], word[6];
	unsigned found = 0;

	for (unsigned i = 0; i < 300000; i++) {
		for (unsigned j = 0; j < sizeof(text); j++)
			text[j] = random_next(40) == 0 ? '\0' : (char)('a' + random_next(3));
		unsigned word_len = random_next(sizeof(word));
		for (unsigned j = 0; j < word_len; j++)
			word[j] = (char)('a' + random_next(3));
		word[word_len] = '\0';
		size_t len = random_next(sizeof(text) + 1);
		const char *expected = find_slowly(text, word, len);
		assert_ptr_equal(ndpi_strnstr(text, word, len), expected);
		found += expected != NULL;
	}
	assert_true(found > 30000 && found < 270000);
}

// The symbols of this program, and not the library's, are what it finds itself.
static void test_take_their_place(void **)
{
	static const char *const symbols[] = {
		"ac_automata_search", "ndpi_strnstr", "ndpi_check_dga_name"};

	assert_ptr_equal(dlsym(RTLD_DEFAULT, symbols[0]), (void *)ac_automata_search);
	assert_ptr_equal(dlsym(RTLD_DEFAULT, symbols[1]), (void *)ndpi_strnstr);
	for (unsigned i = 0; i < 3; i++) {
		void *library = dlsym(RTLD_NEXT, symbols[i]);
		assert_non_null(library);
		assert_ptr_not_equal(library, dlsym(RTLD_DEFAULT, symbols[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_names, set_up, tear_down),
		cmocka_unit_test(test_words_in_text),
		cmocka_unit_test(test_take_their_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
