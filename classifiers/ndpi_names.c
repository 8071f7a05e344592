// Two functions of libndpi 4.2 that it exports and calls through its table of symbols, so that ours
// of the same name take their place in this program, as in ndpi_prints.c:
//
// ac_automata_search(): each name of DNS, TLS and HTTP is walked through several automata, whose
// nodes lie all over the memory: a fifth of a microsecond each, 6 % of what the shard did on B.
// Names come again; what came of the last ones is kept.
//
// ndpi_strnstr(): octet by octet. BitTorrent's dissector looks so for five words in every datagram.
#include "classifiers/ndpi_names.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

// AC_REP_t and AC_TEXT_t of its ahocorasick.h, which is not installed.
struct found {
	uint32_t number;
	uint64_t number64;
	uint16_t breed, category, level, bits;
};

struct text {
	void *matched[4];
	void *last; // what found was taken from
	void *patterns;
	unsigned match_map, position;
	uint16_t match_num, match_counter;
	const char *at;
	uint16_t len, option;
};

typedef int search_function(void *automaton, struct text *text, struct found *ret);

_Thread_local struct ndpi_names *ndpi_names_now;

search_function ac_automata_search;
char *ndpi_strnstr(const char *s, const char *find, size_t len);

static int search_library(void *automaton, struct text *text, struct found *ret)
{
	static search_function *_Atomic library; // the same, whoever finds it
	search_function *search = library;

	if (search == NULL) {
		search = (search_function *)dlsym(RTLD_NEXT, "ac_automata_search");
		library = search;
	}
	return search(automaton, text, ret);
}

static uint64_t mix(uint64_t hash, const char *at)
{
	uint64_t piece;

	memcpy(&piece, at, sizeof(piece));
	hash = (hash ^ piece) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 29;
}

static struct ndpi_name *slot_of(
	struct ndpi_names *names, const void *automaton, const struct text *text)
{
	uint64_t hash = (uintptr_t)automaton ^ text->len;
	char brief[8] = {0};

	if (text->len >= 8) {
		for (unsigned at = 0; at + 8 < text->len; at += 8)
			hash = mix(hash, text->at + at);
		hash = mix(hash, text->at + text->len - 8);
	} else {
		for (unsigned i = 0; i < text->len; i++)
			brief[i] = text->at[i];
		hash = mix(hash, brief);
	}
	return &names->slots[hash % NDPI_NAMES];
}

// What the library found is the automaton's and the text's alone; `ret` is written only where
// something was found.
// Nothing in this program calls it, which a linker that sees all of it at once would take for
// never.
[[gnu::used]] int ac_automata_search(void *automaton, struct text *text, struct found *ret)
{
	struct ndpi_names *names = ndpi_names_now;

	if (names == NULL || text->len > NDPI_NAME_MAX || text->option != 0)
		return search_library(automaton, text, ret);
	struct ndpi_name *name = slot_of(names, automaton, text);
	if (name->automaton == automaton && name->len == text->len &&
		memcmp(name->text, text->at, text->len) == 0) {
		if (name->found > 0)
			*ret = (struct found){name->number, name->number64, name->breed,
				name->category, name->level, name->bits};
		return name->found;
	}
	int found = search_library(automaton, text, ret);
	if (found != 0 && (found != 1 || text->last == NULL))
		return found; // an automaton that is not ready, or found in another way
	*name = (struct ndpi_name){
		.automaton = automaton, .found = (int8_t)found, .len = (uint8_t)text->len};
	memcpy(name->text, text->at, text->len);
	if (found > 0) {
		name->number = ret->number;
		name->number64 = ret->number64;
		name->breed = ret->breed;
		name->category = ret->category;
		name->level = ret->level;
		name->bits = ret->bits;
	}
	return found;
}

[[gnu::used]] char *ndpi_strnstr(const char *s, const char *find, size_t len)
{
	size_t find_len = strlen(find);

	if (find_len == 0)
		return (char *)s;
	if (len == 0) // of nothing there may be no address either
		return NULL;
	const char *end = s + strnlen(s, len);
	while ((size_t)(end - s) >= find_len) {
		s = memchr(s, find[0], (size_t)(end - s) - find_len + 1);
		if (s == NULL)
			return NULL;
		if (memcmp(s, find, find_len) == 0)
			return (char *)s;
		s++;
	}
	return NULL;
}
