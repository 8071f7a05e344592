// A report for tests of classifiers: keeps everything that is reported. Stands in for
// core/classify's functions.
#pragma once

#include "core/classify/classifier.h"

enum { TOLD_MAX = 256 };

struct told_text {
	enum finding kind;
	uint8_t source;
	uint16_t len;
	char text[FINDING_TEXT_MAX + 1]; // NUL behind it
};
struct told_number {
	enum finding kind;
	uint64_t value;
};
struct told_dns {
	struct dns_finding entry;
	char name[DNS_NAME_MAX + 1];
};
struct told_fact {
	struct fact fact;
	char text[FINDING_TEXT_MAX + 1];
};
struct told_answer {
	struct answer answer;
	char name[DNS_NAME_MAX + 1];
};

// What exceeds TOLD_MAX is counted and not kept.
struct report {
	struct told_text texts[TOLD_MAX];
	struct told_number numbers[TOLD_MAX];
	struct told_dns dns[TOLD_MAX];
	struct told_fact facts[TOLD_MAX];
	struct told_answer answers[TOLD_MAX];
	uint32_t text_count, number_count, dns_count, fact_count, answer_count;
	uint32_t dns_queries, dns_answers, dns_failures;
	uint32_t malformed;
	uint32_t mid_flow;
};

void report_forget(struct report *report);

// The first text of this kind, or NULL; the first number, or -1.
const char *told_text(const struct report *report, enum finding kind);
long told_number(const struct report *report, enum finding kind);

// The `nth` (from 0) fact of this kind, or NULL.
const struct told_fact *told_fact(const struct report *report, enum client_fact kind, unsigned nth);
