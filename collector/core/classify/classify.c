// Classify: who is shown which packet, and when it is enough. An established flow that nobody
// watches any more costs the test of one word in its key line.
#include "core/classify/classify.h"

#include "core/base/cursor.h"
#include "core/classify/classify_parts.h"
#include "core/classify/report.h"

#include <string.h>

enum { FLOWS_AHEAD = 16 }; // that have ended: their states are under way
#define ADMISSION_BURST_NS (NS_PER_S / 4) // as much new work as comes in this time, at once

static bool either_port(const struct flow *flow, uint16_t port)
{
	return flow->key.port[0] == port || flow->key.port[1] == port;
}

static uint16_t who_watches(
	const struct classify *c, const struct flow *flow, const struct packet *p)
{
	uint16_t dns = either_port(flow, 53) ? c->dns : 0;

	// A later fragment has no ports and no payload that anybody could read.
	if (p->bits & PACKET_LATER)
		return c->other;
	if (flow->key.ip_proto == IP_PROTO_TCP)
		return c->tcp | c->tcp_bare | dns;
	if (flow->key.ip_proto != IP_PROTO_UDP)
		return c->other;
	uint16_t dhcp = either_port(flow, 67) || either_port(flow, 68) ? c->dhcp : 0;
	return c->udp | dns | dhcp;
}

static void forget_opening(struct flow *flow)
{
	flow->opening_seq[0] = flow->opening_seq[1] = 0;
}

static void flow_begin(struct classify *c, struct flow *flow, const struct packet *p)
{
	flow->findings = POOL_NONE;
	for (unsigned i = 0; i < FLOW_STATES_MAX; i++)
		flow->state[i] = POOL_NONE;
	flow->payload_packets = 0;
	flow->packets_before_payload = 0;
	forget_opening(flow);
	flow->opening = 0;
	flow->dpi = DPI_UNSET;
	flow->watching = 0;
	if (flow->bits & FLOW_EXCLUDED) {
		flow->dpi = DPI_EXCLUDED;
		counter_add(c->counters, COUNTER_dpi_excluded, 1);
	} else {
		flow->watching = who_watches(c, flow, p);
	}
}

static void view_of(struct flow_view *view, const struct flow *flow, unsigned from)
{
	*view = (struct flow_view){
		.ip = {flow_ip(flow, 0), flow_ip(flow, 1)},
		.port = {flow_port(flow, 0), flow_port(flow, 1)},
		.ip_version = flow->key.ip_version,
		.ip_proto = flow->key.ip_proto,
		.from = (uint8_t)from,
		.first_end = flow->first_end,
		.first_flags = flow->first_flags,
		.opening = flow->opening,
		.opening_seq = {flow->opening_seq[0], flow->opening_seq[1]},
		.payload_packets = flow->payload_packets,
		.bare_packets = flow->packets_before_payload,
	};
}

static struct report report_of(struct classify *c, struct flow *flow, struct event_ring *events)
{
	return (struct report){
		.findings = &c->findings,
		.counters = c->counters,
		.excluded = c->excluded,
		.events = events,
		.flow = flow,
	};
}

static void *state_of(const struct instance *in, const struct flow *flow)
{
	if (in->slot == NO_SLOT || flow->state[in->slot] == POOL_NONE)
		return NULL;
	return pool_at(&in->states, flow->state[in->slot]);
}

static void watch_end(struct classify *c, struct instance *in, struct flow *flow, unsigned bit)
{
	flow->watching = (uint16_t)(flow->watching & ~(1u << bit));
	if (in->slot != NO_SLOT && flow->state[in->slot] != POOL_NONE) {
		pool_give(&in->states, flow->state[in->slot]);
		if (in->ops->verdicts)
			counter_add(c->counters, COUNTER_dpi_states_back, 1);
		flow->state[in->slot] = POOL_NONE;
	}
}

// Whether a new flow's turn has come: a bucket of tokens, kept as the time when the next is due.
static bool admit(struct classify *c, uint64_t now_ns)
{
	if (c->admission_ns == 0)
		return true;
	if (c->admission_due_ns > now_ns)
		return false;
	uint64_t earliest = now_ns > ADMISSION_BURST_NS ? now_ns - ADMISSION_BURST_NS : 0;
	c->admission_due_ns = MAX(c->admission_due_ns, earliest) + c->admission_ns;
	return true;
}

// The instance's state of this flow, taken now if this is the first packet it is shown. False: it
// is not admitted, or none is left, and it will not be shown this flow at all.
static bool state_take(
	struct classify *c, struct instance *in, struct flow *flow, unsigned bit, uint64_t now_ns)
{
	if (in->slot == NO_SLOT || flow->state[in->slot] != POOL_NONE)
		return true;
	if (in->ops->verdicts && !admit(c, now_ns)) {
		watch_end(c, in, flow, bit);
		flow->dpi = DPI_NOT_ADMITTED;
		counter_add(c->counters, COUNTER_dpi_not_admitted, 1);
		return false;
	}
	uint32_t idx = pool_take(&in->states);
	if (idx != POOL_NONE) {
		memset(pool_at(&in->states, idx), 0, in->state_head);
		flow->state[in->slot] = idx;
		if (in->ops->verdicts)
			counter_add(c->counters, COUNTER_dpi_states, 1);
		return true;
	}
	watch_end(c, in, flow, bit);
	if (in->ops->verdicts) {
		flow->dpi = DPI_GIVEN_UP;
		counter_add(c->counters, COUNTER_dpi_given_up, 1);
		counter_add(c->counters, COUNTER_dpi_states_lost, 1);
	} else {
		counter_add(c->counters, COUNTER_states_lost, 1);
	}
	return false;
}

static void show(struct classify *c, uint16_t mask, const struct packet *p, struct flow *flow,
	struct event_ring *events)
{
	struct report report = report_of(c, flow, events);
	struct flow_view view;

	report.time_ns = p->time_ns;
	report.iface = flow->iface;
	report.vlan = flow->vlan;
	view_of(&view, flow, p->bits & PACKET_REVERSE ? 1 : 0);
	for (; mask != 0; mask &= (uint16_t)(mask - 1)) {
		unsigned bit = (unsigned)__builtin_ctz(mask);
		struct instance *in = &c->instances[bit];

		if (!state_take(c, in, flow, bit, p->time_ns))
			continue;
		void *state = state_of(in, flow);
		enum classify_next next = in->ops->inspect(in->self, state, p, &view, &report);
		if (next == CLASSIFY_MORE &&
			(in->packets_max == 0 || flow->payload_packets < in->packets_max))
			continue;
		if (in->ops->finish != NULL)
			in->ops->finish(in->self, state, &view, &report);
		watch_end(c, in, flow, bit);
	}
}

// What a segment without data before a flow's first payload tells of sequence numbers.
static void opening_track(struct flow *flow, const struct packet *p)
{
	struct cursor head = cursor_of(p->data, p->cap_len);
	cursor_skip(&head, p->l4_offset + 4u); // the ports
	uint32_t seq = cursor_u32(&head), ack = cursor_u32(&head);
	unsigned end = p->bits & PACKET_REVERSE ? 1 : 0;
	uint8_t handshake = p->tcp_flags & (TCP_SYN | TCP_ACK);

	if (handshake == TCP_SYN) { // the first, or one that begins anew
		flow->opening = OPENING_SYN;
		forget_opening(flow);
	} else if (handshake == (TCP_SYN | TCP_ACK) && flow->opening == OPENING_SYN) {
		flow->opening |= OPENING_SYN_ACK;
	} else if (handshake == TCP_ACK && flow->opening == (OPENING_SYN | OPENING_SYN_ACK)) {
		flow->opening |= OPENING_ACK;
	}
	if (p->tcp_flags & TCP_ACK) {
		uint32_t *next = flow->opening_seq;
		if (next[0] == 0 || next[1] == 0) {
			next[end] = seq + (p->tcp_flags & TCP_SYN ? 1 : 0);
			if (flow->packets_before_payload > 0)
				next[1 - end] = ack;
		}
	}
	if (p->tcp_flags & TCP_RST)
		forget_opening(flow);
	if (flow->packets_before_payload < UINT16_MAX)
		flow->packets_before_payload++;
}

// Who of these asks for this segment without data.
static uint16_t who_wants_bare(
	struct classify *c, uint16_t mask, struct flow *flow, const struct packet *p)
{
	uint16_t wanted = 0;

	for (mask &= c->tcp_bare; mask != 0; mask &= (uint16_t)(mask - 1)) {
		unsigned bit = (unsigned)__builtin_ctz(mask);
		struct instance *in = &c->instances[bit];

		if (in->ops->bare(in->self, state_of(in, flow), p))
			wanted = (uint16_t)(wanted | 1u << bit);
	}
	return wanted;
}

static void watch(
	struct classify *c, const struct packet *p, struct flow *flow, struct event_ring *events)
{
	uint16_t mask = flow->watching;
	bool bare = p->payload_len == 0 && p->ip_proto == IP_PROTO_TCP && !(p->bits & PACKET_LATER);

	if (p->bits & PACKET_SNAPPED)
		mask &= (uint16_t)~c->whole;
	if (bare)
		mask = who_wants_bare(c, mask, flow, p);
	else if (flow->payload_packets < UINT16_MAX)
		flow->payload_packets++;
	if (mask != 0)
		show(c, mask, p, flow, events);
	if (p->bits & PACKET_SNAPPED || flow->opening & OPENING_OVER)
		return;
	if (bare)
		opening_track(flow, p);
	else
		flow->opening |= OPENING_OVER;
}

static void show_consumed(
	struct classify *c, uint16_t mask, const struct packet *p, struct event_ring *events)
{
	struct report report = report_of(c, NULL, events);

	report.time_ns = p->time_ns;
	report.iface = p->iface;
	report.vlan = p->vlan;
	for (; mask != 0; mask &= (uint16_t)(mask - 1)) {
		struct instance *in = &c->instances[__builtin_ctz(mask)];
		(void)in->ops->inspect(in->self, NULL, p, NULL, &report);
	}
}

// What classifiers keep of a flow. Its own lines are there.
static void prefetch_states(const struct classify *c, const struct flow *flow)
{
	for (unsigned slot = 0; slot < FLOW_STATES_MAX; slot++)
		if (flow->state[slot] != POOL_NONE)
			prefetch_octets(
				pool_at(c->states[slot], flow->state[slot]), 2 * CACHE_LINE);
	if (flow->findings != POOL_NONE)
		prefetch_octets(pool_at(&c->findings.chunks, flow->findings), 2 * CACHE_LINE);
}

// The set bits of [from, to).
static uint64_t bits_between(uint64_t bits, uint32_t from, uint32_t to)
{
	if (from >= to)
		return 0;
	bits &= UINT64_MAX << from;
	return bits & UINT64_MAX >> (PACKET_BATCH_MAX - to);
}

void classify_batch(struct classify *c, struct packet_batch *batch, uint32_t from, uint32_t to,
	struct event_ring *events)
{
	uint64_t watched = bits_between(batch->watched, from, to);

	for (; watched != 0; watched &= watched - 1) {
		const struct packet *p = &batch->packets[__builtin_ctzll(watched)];
		struct flow *flow = p->flow;

		if (p->fate == PACKET_ARP) {
			show_consumed(c, c->arp, p, events);
		} else if (p->fate == PACKET_NDP) {
			show_consumed(c, c->ndp, p, events);
		} else if (p->fate == PACKET_FLOW && flow != NULL) {
			if (p->bits & PACKET_NEW_FLOW)
				flow_begin(c, flow, p);
			if (flow->watching != 0)
				watch(c, p, flow, events);
		}
	}
}

// Whether any packet of it was shown to anybody: most of a flood's have nothing to show.
static bool ever_shown(const struct flow *flow)
{
	bool any = flow->payload_packets > 0;

	for (unsigned slot = 0; slot < FLOW_STATES_MAX; slot++)
		any |= flow->state[slot] != POOL_NONE;
	return any;
}

// Last words of those who still watch; for a cut flow words in between.
static void last_words(struct classify *c, struct flow *flow, struct report *report)
{
	bool cut = flow->end_reason == END_ACTIVE;
	struct flow_view view;

	if (flow->watching == 0 || !ever_shown(flow))
		return;
	view_of(&view, flow, 0);
	view.ended = !cut;
	for (uint16_t mask = flow->watching; mask != 0; mask &= (uint16_t)(mask - 1)) {
		unsigned bit = (unsigned)__builtin_ctz(mask);
		struct instance *in = &c->instances[bit];
		void *state = state_of(in, flow);
		bool shown = state != NULL || (in->slot == NO_SLOT && flow->payload_packets > 0);

		if (shown && cut && in->ops->cut != NULL)
			in->ops->cut(in->self, state, &view, report->time_ns, report);
		if (shown && !cut && in->ops->finish != NULL)
			in->ops->finish(in->self, state, &view, report);
		if (!cut)
			watch_end(c, in, flow, bit);
	}
}

// A flow that ends unseen by nDPI: it had no payload, or the snap length left no whole packet of
// it.
static void without_verdict(struct classify *c, struct flow *flow)
{
	if (!(flow->seen & 0xc)) {
		flow->dpi = DPI_NO_PAYLOAD;
	} else if (c->dpi) {
		flow->dpi = DPI_GIVEN_UP;
		counter_add(c->counters, COUNTER_dpi_given_up, 1);
	}
}

static void finish(
	struct classify *c, struct flow *flow, struct flow_table *flows, struct event_ring *events)
{
	struct report report = report_of(c, flow, events);
	enum end_reason reason = flow->end_reason;

	report.time_ns = flow->ended_ns;
	report.iface = flow->iface;
	report.vlan = flow->vlan;
	last_words(c, flow, &report);
	if (flow->dpi == DPI_UNSET && reason != END_ACTIVE)
		without_verdict(c, flow);
	segment_write(&report, reason, false);
	if (reason != END_ACTIVE && flow->findings != POOL_NONE)
		findings_give(&c->findings, &flow->findings);
	flow_table_done(flows, flow);
}

void classify_finish(struct classify *c, struct flow_table *flows, struct event_ring *events)
{
	struct flow *ended[FLOWS_AHEAD];
	uint32_t count;

	do {
		for (count = 0; count < FLOWS_AHEAD; count++) {
			ended[count] = flow_table_ended(flows);
			if (ended[count] == NULL)
				break;
			prefetch_states(c, ended[count]);
		}
		for (uint32_t i = 0; i < count; i++)
			finish(c, ended[i], flows, events);
	} while (count == FLOWS_AHEAD);
}
