// A report for tests of classifiers: see fake_report.h.
#include "fake_report.h"

#include <string.h>

void report_forget(struct report *r)
{
	r->text_count = r->number_count = r->dns_count = r->fact_count = r->answer_count = 0;
	r->dns_queries = r->dns_answers = r->dns_failures = 0;
	r->malformed = 0;
}

// Touches every octet, so that a sanitizer sees a text that is not there.
static void keep(char *out, size_t max, const uint8_t *bytes, size_t len)
{
	REQUIRE(len <= max);
	REQUIRE(len == 0 || bytes != NULL);
	for (size_t i = 0; i < len; i++)
		out[i] = (char)bytes[i];
	out[len] = 0;
}

void report_text(
	struct report *r, enum finding kind, uint8_t source, const uint8_t *bytes, size_t len)
{
	REQUIRE(kind > FINDING_NONE && kind < FINDING_COUNT && len > 0);
	REQUIRE(r->text_count < TOLD_MAX);
	struct told_text *t = &r->texts[r->text_count++];
	t->kind = kind;
	t->source = source;
	t->len = (uint16_t)len;
	keep(t->text, FINDING_TEXT_MAX, bytes, len);
}

void report_number(struct report *r, enum finding kind, uint64_t value)
{
	REQUIRE(r->number_count < TOLD_MAX);
	r->numbers[r->number_count++] = (struct told_number){kind, value};
}

void report_verdict(struct report *, const struct verdict *)
{
	abort(); // own parsers give no verdicts
}

void report_dns(struct report *r, const struct dns_finding *entry)
{
	REQUIRE(entry->name_len > 0);
	if (r->dns_count == TOLD_MAX)
		return;
	struct told_dns *d = &r->dns[r->dns_count++];
	d->entry = *entry;
	keep(d->name, DNS_NAME_MAX, entry->name, entry->name_len);
	d->entry.name = (const uint8_t *)d->name;
}

void report_dns_counts(struct report *r, uint32_t queries, uint32_t answers, uint32_t failures)
{
	r->dns_queries += queries;
	r->dns_answers += answers;
	r->dns_failures += failures;
}

void report_fact(struct report *r, const struct fact *fact)
{
	REQUIRE(fact->kind > FACT_NONE && fact->kind < FACT_COUNT);
	REQUIRE(fact->ip_version == 0 || fact->ip_version == 4 || fact->ip_version == 6);
	REQUIRE(fact->prefix_len <= 128);
	if (r->fact_count == TOLD_MAX)
		return;
	struct told_fact *f = &r->facts[r->fact_count++];
	f->fact = *fact;
	keep(f->text, FINDING_TEXT_MAX, fact->text, fact->text_len);
	f->fact.text = (const uint8_t *)f->text;
}

void report_answer(struct report *r, const struct answer *answer)
{
	REQUIRE(answer->address_count > 0 && answer->address_count <= ANSWER_ADDRESSES_MAX);
	REQUIRE(answer->client_ip_version == 4 || answer->client_ip_version == 6);
	if (r->answer_count == TOLD_MAX)
		return;
	struct told_answer *a = &r->answers[r->answer_count++];
	a->answer = *answer;
	keep(a->name, DNS_NAME_MAX, answer->name, answer->name_len);
	a->answer.name = (const uint8_t *)a->name;
}

void report_mid_flow(struct report *r)
{
	r->mid_flow++;
}

void report_malformed(struct report *r)
{
	r->malformed++;
}

const char *told_text(const struct report *r, enum finding kind)
{
	for (uint32_t i = 0; i < r->text_count; i++) {
		if (r->texts[i].kind == kind)
			return r->texts[i].text;
	}
	return NULL;
}

long told_number(const struct report *r, enum finding kind)
{
	for (uint32_t i = 0; i < r->number_count; i++) {
		if (r->numbers[i].kind == kind)
			return (long)r->numbers[i].value;
	}
	return -1;
}

const struct told_fact *told_fact(const struct report *r, enum client_fact kind, unsigned nth)
{
	for (uint32_t i = 0; i < r->fact_count; i++) {
		if (r->facts[i].fact.kind == kind && nth-- == 0)
			return &r->facts[i];
	}
	return NULL;
}
