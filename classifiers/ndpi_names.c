// Functions of libndpi 4.2 that it exports and calls through its table of symbols, so that ours of
// the same name take their place in this program, as in ndpi_prints.c:
//
// ac_automata_search(): each name of DNS, TLS and HTTP is walked through several automata, whose
// nodes lie all over the memory: a fifth of a microsecond each, 6 % of what the shard did on B.
// Names come again, mostly one after the other; what came of the last ones is kept.
//
// ndpi_check_dga_name(): whether a name looks made up by a machine, judged letter by letter, twice
// for the question and the answer of DNS and once more for TLS. Kept likewise.
//
// ndpi_strnstr(): octet by octet. BitTorrent's dissector looks so for five words in every datagram.
#include "classifiers/ndpi_names.h"

#include <dlfcn.h>
#include <ndpi/ndpi_api.h>
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

// The library's own, looked up once; the same, whoever looks.
static void *library_function(void *_Atomic *function, const char *name)
{
	void *found = *function;

	if (found == NULL)
		*function = found = dlsym(RTLD_NEXT, name);
	return found;
}

static int search_library(void *automaton, struct text *text, struct found *ret)
{
	static void *_Atomic function;

	return ((search_function *)library_function(&function, "ac_automata_search"))(
		automaton, text, ret);
}

static int dga_library(struct ndpi_detection_module_struct *module, struct ndpi_flow_struct *flow,
	char *name, u_int8_t is_hostname)
{
	static void *_Atomic function;

	return ((typeof(ndpi_check_dga_name) *)library_function(&function, "ndpi_check_dga_name"))(
		module, flow, name, is_hostname);
}

static uint64_t mix(uint64_t hash, const char *at)
{
	uint64_t piece;

	memcpy(&piece, at, sizeof(piece));
	hash = (hash ^ piece) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 29;
}

static uint64_t hash_of(const char *text, size_t len)
{
	uint64_t hash = len;
	char brief[8] = {0};

	if (len >= 8) {
		for (size_t at = 0; at + 8 < len; at += 8)
			hash = mix(hash, text + at);
		return mix(hash, text + len - 8);
	}
	for (size_t i = 0; i < len; i++)
		brief[i] = text[i];
	return mix(hash, brief);
}

static bool name_is(const struct ndpi_name *name, const char *text, size_t len)
{
	return name->len == len && memcmp(name->text, text, len) == 0;
}

// The slot of a name, which is the oldest one's of its set where it had none.
static struct ndpi_name *name_find(struct ndpi_names *names, const char *text, size_t len)
{
	if (name_is(&names->slots[names->last], text, len))
		return &names->slots[names->last];
	uint64_t hash = hash_of(text, len);
	unsigned set = (unsigned)(hash * NDPI_NAME_WAYS % NDPI_NAMES);
	uint32_t tag = (uint32_t)(hash >> 32) | 1;
	unsigned place = set;

	for (; place < set + NDPI_NAME_WAYS && names->tags[place] != 0; place++)
		if (names->tags[place] == tag && name_is(&names->slots[place], text, len)) {
			names->last = place;
			return &names->slots[place];
		}
	if (place == set + NDPI_NAME_WAYS)
		place = set + names->turn++ % NDPI_NAME_WAYS;
	names->last = place;
	names->tags[place] = tag;
	names->slots[place] = (struct ndpi_name){.len = (uint8_t)len};
	memcpy(names->slots[place].text, text, len);
	return &names->slots[place];
}

// Where the answer to a question is, or will be: then its question is another.
static struct ndpi_answer *answer_find(struct ndpi_name *name, const void *question)
{
	unsigned i = 0;

	while (i < NDPI_ANSWERS - 1 && name->answers[i].question != NULL &&
		name->answers[i].question != question)
		i++;
	return &name->answers[i];
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
	struct ndpi_answer *answer = answer_find(name_find(names, text->at, text->len), automaton);
	if (answer->question == automaton) {
		if (answer->found > 0)
			*ret = (struct found){answer->number, answer->number64, answer->breed,
				answer->category, answer->level, answer->bits};
		return answer->found;
	}
	int found = search_library(automaton, text, ret);
	if (found != 0 && (found != 1 || text->last == NULL))
		return found; // an automaton that is not ready, or found in another way
	*answer = (struct ndpi_answer){.question = automaton, .found = (int8_t)found};
	if (found > 0) {
		answer->number = ret->number;
		answer->number64 = ret->number64;
		answer->breed = ret->breed;
		answer->category = ret->category;
		answer->level = ret->level;
		answer->bits = ret->bits;
	}
	return found;
}

// What comes of it is the name's alone, but for a flow whose application is known, of which nothing
// comes.
[[gnu::used]] int ndpi_check_dga_name(struct ndpi_detection_module_struct *module,
	struct ndpi_flow_struct *flow, char *text, u_int8_t is_hostname)
{
	static const char questions[2];
	struct ndpi_names *names = ndpi_names_now;
	const char *question = &questions[is_hostname != 0];
	size_t len = names == NULL || text == NULL ? 0 : strlen(text);

	if (len == 0 || len > NDPI_NAME_MAX)
		return dga_library(module, flow, text, is_hostname);
	if (flow != NULL && flow->detected_protocol_stack[1] != NDPI_PROTOCOL_UNKNOWN)
		return 0;
	struct ndpi_answer *answer = answer_find(name_find(names, text, len), question);
	int found = answer->found;
	if (answer->question != question) {
		found = dga_library(module, NULL, text, is_hostname);
		// It has looked up names itself.
		answer = answer_find(name_find(names, text, len), question);
		*answer = (struct ndpi_answer){.question = question, .found = (int8_t)found};
	}
	if (found && flow != NULL)
		ndpi_set_risk(module, flow, NDPI_SUSPICIOUS_DGA_DOMAIN);
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
