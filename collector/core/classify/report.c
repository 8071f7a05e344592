// Reports: where classifiers' words are weighed and become findings of a flow or events.
#include "core/classify/report.h"

#include <string.h>

// The first finding of each kind stands, and a server name gives way to one of a better source: see
// findings.h, which keeps them so.
void report_text(
	struct report *report, enum finding kind, uint8_t source, const uint8_t *bytes, size_t len)
{
	if (report->flow != NULL && len > 0)
		findings_append(
			report->findings, &report->flow->findings, kind, source, bytes, len);
}

void report_number(struct report *report, enum finding kind, uint64_t value)
{
	if (report->flow != NULL)
		findings_append(
			report->findings, &report->flow->findings, kind, 0, &value, sizeof(value));
}

void report_verdict(struct report *report, const struct verdict *verdict)
{
	struct flow *flow = report->flow;

	if (flow == NULL)
		return;
	if (flow->dpi != verdict->dpi && verdict->dpi == DPI_VERDICT)
		counter_add(report->counters, COUNTER_dpi_verdicts, 1);
	if (flow->dpi != verdict->dpi && verdict->dpi == DPI_GIVEN_UP)
		counter_add(report->counters, COUNTER_dpi_given_up, 1);
	flow->protocol = verdict->protocol;
	flow->application = verdict->application;
	flow->category = verdict->category;
	flow->risk_score = verdict->risk_score;
	if (verdict->risk_bits != 0 || flow_has_more(flow))
		flow_more(flow)->risk_bits = verdict->risk_bits;
	flow->confidence = verdict->confidence;
	flow->dpi = verdict->dpi;
}

void report_mid_flow(struct report *report)
{
	if (report->flow != NULL && !(report->flow->bits & FLOW_SYN))
		report->flow->bits |= FLOW_MID;
}

void report_dns(struct report *report, const struct dns_finding *entry)
{
	struct flow *flow = report->flow;

	if (flow == NULL)
		return;
	if (findings_dns_count(report->findings, flow->findings) == DNS_ENTRIES_MAX) {
		segment_write(report, END_ACTIVE, true);
		counter_add(report->counters, COUNTER_flows_active, 1);
	}
	findings_append_dns(report->findings, &flow->findings, entry);
}

void report_dns_counts(struct report *report, uint32_t queries, uint32_t answers, uint32_t failures)
{
	struct flow *flow = report->flow;

	if (flow == NULL)
		return;
	struct flow_more *more = flow_more(flow);
	more->dns_queries += queries;
	more->dns_answers += answers;
	more->dns_failures += failures;
}

static bool address_excluded(const struct report *report, const uint8_t *ip, uint8_t ip_version)
{
	return report->excluded != NULL && ip_version != 0 &&
		excluded_matches(report->excluded, NULL, ip, ip_version == 6);
}

// Says no more than who has an address.
static bool is_binding(const struct fact *fact)
{
	return fact->kind == FACT_ARP || fact->kind == FACT_NDP || fact->kind == FACT_DHCP_BINDING;
}

static bool fact_excluded(const struct report *report, const struct fact *fact)
{
	if (report->excluded == NULL)
		return false;
	for (size_t i = 0; i < report->excluded->mac_count; i++)
		if (memcmp(report->excluded->macs[i], fact->mac, sizeof(fact->mac)) == 0)
			return true;
	// Who has an excluded address is hidden by the ledger, with all other addresses: it must be
	// told of.
	return !is_binding(fact) && address_excluded(report, fact->ip, fact->ip_version);
}

static void event_fill(struct event *event, const struct report *report)
{
	event->time_ns = report->time_ns;
	event->iface = report->iface;
	event->vlan = report->vlan;
}

// Of a flow with an excluded end nothing comes here, because it is shown to nobody; but a packet
// may speak of others than its own ends.
void report_fact(struct report *report, const struct fact *fact)
{
	uint16_t text_len = (uint16_t)MIN(fact->text_len, FINDING_TEXT_MAX);

	if (fact_excluded(report, fact))
		return;
	struct fact_event *event = event_ring_add(
		report->events, EVENT_FACT, offsetof(struct fact_event, text) + text_len);
	if (event == NULL)
		return;
	event_fill(&event->event, report);
	event->kind = fact->kind;
	event->ip_version = fact->ip_version;
	event->prefix_len = fact->prefix_len;
	memcpy(event->mac, fact->mac, sizeof(event->mac));
	memcpy(event->ip, fact->ip, sizeof(event->ip));
	event->text_len = text_len;
	if (text_len > 0)
		memcpy(event->text, fact->text, text_len);
}

void report_answer(struct report *report, const struct answer *answer)
{
	uint16_t name_len = (uint16_t)MIN(answer->name_len, DNS_NAME_MAX);

	if (address_excluded(report, answer->client_ip, answer->client_ip_version))
		return;
	struct answer_event *event = event_ring_add(
		report->events, EVENT_ANSWER, offsetof(struct answer_event, name) + name_len);
	if (event == NULL)
		return;
	event_fill(&event->event, report);
	event->ttl_s = answer->ttl_s;
	event->name_len = name_len;
	memcpy(event->client_ip, answer->client_ip, sizeof(event->client_ip));
	event->client_ip_version = answer->client_ip_version;
	event->address_count = (uint8_t)MIN(answer->address_count, ANSWER_ADDRESSES_MAX);
	memcpy(event->addresses, answer->addresses, sizeof(event->addresses));
	if (name_len > 0)
		memcpy(event->name, answer->name, name_len);
}

void report_malformed(struct report *report)
{
	counter_add(report->counters, COUNTER_names_malformed, 1);
}
