// The own parsers on mutated conversations, from the fuzz corpora, with a fixed seed: whatever they
// tell was sent, in so many words, and within bounds.
#include "tests/unit/talk.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

extern const struct classifier_ops dhcp_classifier_ops, dns_classifier_ops, http_classifier_ops,
	ndp_classifier_ops, tls_hello_classifier_ops;

enum { ROUNDS = 300, SIZE_MAX_HERE = 8192, INPUTS_MAX = 128 };

struct input {
	uint8_t bytes[SIZE_MAX_HERE];
	size_t len;
};

static struct input inputs[INPUTS_MAX];
static unsigned input_count;
static uint64_t seed;

static uint32_t draw(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return below == 0 ? 0 : (uint32_t)(seed >> 32) % below;
}

static void load(const char *name)
{
	char path[1024];

	snprintf(path, sizeof(path), "%s/%s", FUZZ_CORPUS, name);
	struct dirent **entries;
	int count = scandir(path, &entries, NULL, alphasort);
	assert_true(count > 2);
	input_count = 0;
	for (int i = 0; i < count; i++) {
		if (entries[i]->d_name[0] != '.' && input_count < INPUTS_MAX) {
			struct input *in = &inputs[input_count++];
			snprintf(path, sizeof(path), "%s/%s/%s", FUZZ_CORPUS, name,
				entries[i]->d_name);
			FILE *file = fopen(path, "rb");
			assert_non_null(file);
			in->len = fread(in->bytes, 1, sizeof(in->bytes), file);
			fclose(file);
		}
		free(entries[i]);
	}
	free(entries);
}

// Octets that parsers ask for.
static uint8_t draw_octet(void)
{
	static const uint8_t telling[] = {0, 1, 2, 3, 12, 16, 22, 52, 53, 63, 64, 81, 0x7f, 0x80,
		0xc0, 0xfe, 0xff, ' ', '\r', '\n', ':', '/', '.'};

	return draw(2) == 0 ? telling[draw(sizeof(telling))] : (uint8_t)draw(256);
}

static void mutate(struct input *in)
{
	const struct input *other = &inputs[draw(input_count)];
	uint32_t at = draw((uint32_t)in->len);
	uint32_t len = draw(16) + 1;

	switch (in->len == 0 ? 4 : draw(5)) {
	case 0:
		in->bytes[at] ^= (uint8_t)(1 << draw(8));
		break;
	case 1:
		in->bytes[at] = draw_octet();
		break;
	case 2: // leave some out
		len = (uint32_t)MIN(len, in->len - at);
		memmove(in->bytes + at, in->bytes + at + len, in->len - at - len);
		in->len -= len;
		break;
	case 3: // say some twice
		len = (uint32_t)MIN(len, in->len - at);
		len = (uint32_t)MIN(len, sizeof(in->bytes) - in->len);
		memmove(in->bytes + at + len, in->bytes + at, in->len - at);
		in->len += len;
		break;
	case 4: // go on as another
		if (at < other->len && at > 0) {
			memcpy(in->bytes + at, other->bytes + at, other->len - at);
			in->len = other->len;
		}
		break;
	}
}

struct bounds {
	uint32_t texts, numbers; // of a flow
	bool facts, dns; // tells such at all
};

static void run(const char *name, const struct classifier_ops *ops, struct bounds bounds)
{
	static struct input mutant;
	static struct report report;
	uint64_t told = 0;

	load(name);
	seed = UINT64_C(0x9e3779b97f4a7c15);
	for (unsigned i = 0; i < input_count; i++) {
		for (unsigned round = 0; round < ROUNDS; round++) {
			mutant = inputs[i];
			for (uint32_t times = draw(6); times > 0; times--)
				mutate(&mutant);
			// Of its own size, so that the sanitizer sees a read past the end.
			uint8_t *script = malloc(mutant.len + 1);
			assert_non_null(script);
			memcpy(script, mutant.bytes, mutant.len);
			talk_play(ops, &report, script, mutant.len, SIZE_MAX, 0);
			talk_check_claims(&report, script, mutant.len);
			free(script);
			assert_in_range(report.text_count, 0, bounds.texts);
			assert_in_range(report.number_count, 0, bounds.numbers);
			assert_true(bounds.facts || report.fact_count == 0);
			assert_true(bounds.dns || report.dns_count + report.answer_count == 0);
			told += report.text_count + report.fact_count + report.dns_count;
		}
	}
	// Mutants that are all refused prove nothing.
	assert_in_range(told, input_count * ROUNDS / 10, UINT64_MAX);
}

static void dns(void **)
{
	run("dns", &dns_classifier_ops, (struct bounds){.dns = true});
}

static void tls_hello(void **)
{
	run("tls_hello", &tls_hello_classifier_ops, (struct bounds){.texts = 3, .numbers = 1});
}

static void http(void **)
{
	run("http", &http_classifier_ops, (struct bounds){.texts = 3, .numbers = 1});
}

static void dhcp(void **)
{
	run("dhcp", &dhcp_classifier_ops, (struct bounds){.facts = true});
}

static void ndp(void **)
{
	run("ndp", &ndp_classifier_ops, (struct bounds){.facts = true});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dns),
		cmocka_unit_test(tls_hello),
		cmocka_unit_test(http),
		cmocka_unit_test(dhcp),
		cmocka_unit_test(ndp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
