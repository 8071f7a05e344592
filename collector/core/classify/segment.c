// Segments: a flow as it stands becomes the event that the ledger makes a row of.
#include "core/classify/report.h"

#include <string.h>

// The longest findings of a flow (findings.c) and the rest of the event fit together.
static_assert(sizeof(struct segment_event) + 3072 + DNS_ENTRIES_MAX * (4 + 8 + DNS_NAME_MAX) <=
	EVENT_SIZE_MAX);

static uint8_t visibility_of(const struct flow *flow)
{
	bool tcp = flow->key.ip_proto == IP_PROTO_TCP;
	uint8_t visibility = 0;

	if ((flow->seen & 3) != 3)
		visibility |= VISIBLE_ONE_WAY;
	if (flow->bits & FLOW_MID)
		visibility |= VISIBLE_MID_FLOW;
	if (flow->bits & FLOW_OFFLOAD)
		visibility |= VISIBLE_OFFLOAD;
	if (flow->bits & FLOW_SNAPPED)
		visibility |= VISIBLE_SNAPLEN_CUT;
	if (tcp && flow_has_more(flow) &&
		(flow->more->gap_bytes[0] | flow->more->gap_bytes[1]) != 0)
		visibility |= VISIBLE_LOSS;
	return visibility;
}

static enum orientation orientation_of(const struct flow *flow)
{
	if (flow->bits & FLOW_SYN)
		return ORIENT_SYN;
	return flow->bits & FLOW_MID ? ORIENT_MID : ORIENT_FIRST;
}

// Who it is between, and what is known of it: true of every segment.
static void fill_flow(struct segment_event *e, const struct flow *flow)
{
	e->flow_start_ns = flow->start_ns;
	e->flow_id = flow->id;
	e->tunnel_id = flow->key.tunnel_id;
	for (unsigned end = 0; end < 2; end++) {
		memcpy(e->ip[end], flow_ip(flow, end), sizeof(e->ip[end]));
		memcpy(e->mac[end], flow->mac[end], sizeof(e->mac[end]));
		e->port[end] = flow_port(flow, end);
	}
	e->has_mac = flow->has_mac;
	e->ip_version = flow->key.ip_version;
	e->ip_proto = flow->key.ip_proto;
	e->tunnel = flow->key.tunnel;
	e->orientation = (uint8_t)orientation_of(flow);
	e->icmp_type = flow->icmp_type;
	e->icmp_code = flow->icmp_code;
	e->vlan_inner = flow->vlan_inner;
	e->seen = flow->seen & 3;
	e->dpi = flow->dpi;
	e->confidence = flow->confidence;
	e->protocol = flow->protocol;
	e->application = flow->application;
	e->category = flow->category;
	e->risk_score = flow->risk_score;
	e->visibility = visibility_of(flow);
	bool next = flow->seen & FLOW_SEEN_NEXT;
	e->rtt_client_us = next ? flow->rtt_client_us : NOT_KNOWN_32;
	e->rtt_server_us = next ? flow->rtt_server_us : NOT_KNOWN_32;
	e->first_reply_us = flow->seen & FLOW_SEEN_REPLY ? flow->first_reply_us : NOT_KNOWN_32;
	e->mpls_label = NOT_KNOWN_32;
	if (flow_has_more(flow)) {
		e->risk_bits = flow->more->risk_bits;
		e->mpls_label = flow->more->mpls_label;
	}
}

// What TCP told since the last segment.
static void fill_tcp(struct segment_event *e, const struct flow *flow)
{
	bool reset = (flow->tcp_flags[0] | flow->tcp_flags[1]) & TCP_RST;

	e->closed_by_reset = reset && !(flow->seen & 1 << 3);
	memcpy(e->tcp_flags, flow->tcp_flags, sizeof(e->tcp_flags));
	memcpy(e->zero_window, flow->zero_window, sizeof(e->zero_window));
	if (!flow_has_more(flow))
		return;
	const struct flow_more *more = flow->more;
	for (unsigned end = 0; end < 2; end++) {
		e->retransmissions[end] = more->retransmissions[end];
		e->out_of_order[end] = more->out_of_order[end];
		e->gap_bytes[end] = more->gap_bytes[end];
	}
	e->syn_retransmissions = more->syn_retransmissions;
	e->fin_retransmissions = more->fin_retransmissions;
}

// What was counted since the last segment.
static void fill_counters(struct segment_event *e, const struct flow *flow)
{
	e->start_ns = flow_segment_start(flow);
	e->end_ns = flow->last_ns;
	for (unsigned end = 0; end < 2; end++) {
		e->packets[end] = flow->packets[end];
		e->bytes[end] = flow->bytes[end];
		e->payload[end] = flow->payload[end];
		e->dscp[end] = flow->dscp[end];
	}
	if (flow->key.ip_proto == IP_PROTO_TCP)
		fill_tcp(e, flow);
	if (flow_has_more(flow)) {
		e->dns_queries = flow->more->dns_queries;
		e->dns_answers = flow->more->dns_answers;
		e->dns_failures = flow->more->dns_failures;
	}
}

void segment_write(struct report *report, enum end_reason reason, bool zero)
{
	struct flow *flow = report->flow;
	bool found = flow->findings != POOL_NONE;
	size_t findings_bytes = found ? findings_size(report->findings, flow->findings) : 0;
	struct segment_event *e = event_ring_add(report->events, EVENT_SEGMENT,
		offsetof(struct segment_event, findings) + findings_bytes);

	if (e != NULL) {
		uint8_t *from = (uint8_t *)e + sizeof(struct event);
		memset(from, 0, sizeof(*e) - sizeof(struct event));
		e->event.time_ns = report->time_ns;
		e->event.iface = report->iface;
		e->event.vlan = report->vlan;
		fill_flow(e, flow);
		if (zero)
			e->start_ns = e->end_ns = report->time_ns;
		else
			fill_counters(e, flow);
		e->end_reason = (uint8_t)reason;
		e->segment = flow_has_more(flow) ? flow->more->segment : 0;
		e->findings_size = (uint16_t)findings_bytes;
		if (found)
			findings_copy(report->findings, flow->findings, e->findings);
	}
	if (reason == END_ACTIVE)
		flow_more(flow)->segment++;
	if (found)
		findings_give_dns(report->findings, &flow->findings);
	if (!zero && flow_has_more(flow)) {
		struct flow_more *more = flow->more;
		more->dns_queries = more->dns_answers = more->dns_failures = 0;
	}
}
