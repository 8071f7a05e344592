// What a flow remembers of TCP (RFC 9293): enough to count retransmissions, gaps and the
// handshake's RTT without keeping any payload.
#include "core/flow/tcp_state.h"

// Microseconds from `from` to `to`, rounded; UINT32_MAX where time ran back or the wait is beyond
// 32 bits.
static uint32_t latency_us(uint64_t from_ns, uint64_t to_ns)
{
	if (to_ns < from_ns || to_ns - from_ns >= UINT64_C(4294967) * NS_PER_MS)
		return UINT32_MAX;
	return (uint32_t)((to_ns - from_ns + NS_PER_US / 2) / NS_PER_US);
}

static void add_saturating(uint8_t *count)
{
	if (*count < UINT8_MAX)
		++*count;
}

// Whether what this end has sent may have begun with number `first`: no more than its payload lies
// between. Who has sent gigabytes has had every number, and a connection begun anew would be taken
// for its own repetition: so no more than `most` either.
static bool sent_since(const struct flow *flow, unsigned end, uint32_t first)
{
	const uint64_t most = 1 << 24; // octets; of new connections one in 256 begins so near

	return flow->next_seq[end] - first <= MIN(flow->payload[end], most);
}

// Whether this SYN was sent before, perhaps with data since, or this SYN/ACK answers a SYN that was
// answered before. Another connection has other numbers.
static bool syn_repeated(
	const struct flow *flow, const struct packet *p, unsigned end, uint32_t seq, uint32_t ack)
{
	const uint8_t both = TCP_STATE_SEQ_0 | TCP_STATE_SEQ_1;

	if (!(flow->tcp_state & (TCP_STATE_SEQ_0 << end)))
		return false;
	if (sent_since(flow, end, seq + 1))
		return true;
	return p->tcp_flags & TCP_ACK && (flow->tcp_state & both) == both &&
		sent_since(flow, !end, ack);
}

// SYN, SYN/ACK and the ACK that ends the handshake. Of what is repeated that counts which was
// answered at the soonest: the last SYN before the SYN/ACK, the first SYN/ACK after it.
static void handshake(struct flow *flow, const struct packet *p, unsigned end, uint32_t ack)
{
	if (p->tcp_flags & TCP_SYN) {
		if (!(p->tcp_flags & TCP_ACK)) {
			flow->tcp_state |= TCP_STATE_SYN;
			flow->tcp_state &= (uint8_t)~TCP_STATE_SYN_ACK;
			flow->handshake_ts_ns = p->ts_ns;
			flow->rtt_server_us = UINT32_MAX;
		} else if (!(flow->tcp_state & TCP_STATE_SYN_ACK)) {
			flow->tcp_state |= TCP_STATE_SYN_ACK;
			if ((flow->tcp_state & TCP_STATE_SYN) && end == 1)
				flow->rtt_server_us = latency_us(flow->handshake_ts_ns, p->ts_ns);
			flow->handshake_ts_ns = p->ts_ns;
		}
	} else if ((flow->tcp_state & TCP_STATE_SYN_ACK) && end == 0 && (p->tcp_flags & TCP_ACK) &&
		ack == flow->next_seq[1]) {
		flow->rtt_client_us = latency_us(flow->handshake_ts_ns, p->ts_ns);
		flow->tcp_state |= TCP_STATE_HANDSHAKE;
	} else if (p->payload_len > 0 || !(flow->tcp_state & (TCP_STATE_SYN | TCP_STATE_SYN_ACK))) {
		flow->tcp_state |= TCP_STATE_HANDSHAKE;
	}
}

// Data that does not begin where the last ended: a keep-alive or probe, a repetition, late, or past
// a hole.
static void out_of_sequence(struct flow *flow, unsigned end, uint32_t seq, uint32_t stop, bool fin)
{
	struct flow_more *more = flow_more(flow);
	uint32_t next = flow->next_seq[end];

	if (seq_after(seq, next)) {
		seq_holes_add(&more->holes[end], next, seq);
		return;
	}
	enum seq_seen seen = seq_holes_fill(&more->holes[end], seq, stop);
	if (seen == SEQ_LATE)
		more->out_of_order[end]++;
	if (seen != SEQ_SEEN || seq_after(stop, next))
		return;
	if (fin && flow->tcp_state & (TCP_STATE_FIN_0 << end))
		add_saturating(&more->fin_retransmissions);
	// One octet just below the next: keep-alive (RFC 9293 section 3.8.4) or probe.
	uint32_t octets = stop - seq - fin;
	if (octets > 1 || (octets == 1 && (fin || stop != next)))
		more->retransmissions[end]++;
}

// The first number that is known of an end, or another connection's.
static void begin_numbers(struct flow *flow, unsigned end, uint32_t stop)
{
	if (flow->seen & FLOW_SEEN_NEXT) {
		flow->acked[end] = stop;
		if (flow_has_more(flow))
			flow->more->holes[end] = (struct seq_holes){0};
	}
	flow->next_seq[end] = stop;
	flow->tcp_state |= (uint8_t)(TCP_STATE_SEQ_0 << end);
}

// SYN or SYN/ACK. Where the connection is open already, a repeated one changes nothing, whatever
// its number (RFC 5961 section 4); before, the client may take up any SYN/ACK.
static void synchronise(struct flow *flow, const struct packet *p, unsigned end, uint32_t seq,
	uint32_t ack, uint32_t stop)
{
	if (syn_repeated(flow, p, end, seq, ack)) {
		add_saturating(&flow_more(flow)->syn_retransmissions);
		if (flow->tcp_state & TCP_STATE_HANDSHAKE || seq_after(flow->next_seq[end], stop))
			return;
	} else if (!(p->tcp_flags & TCP_ACK)) {
		flow->tcp_state = 0; // whatever was before, this is another connection
	}
	begin_numbers(flow, end, stop);
}

// The sequence space of a segment without SYN; its FIN takes one.
static void sequence(struct flow *flow, unsigned end, uint32_t seq, uint32_t stop, bool fin)
{
	if (!(flow->tcp_state & (TCP_STATE_SEQ_0 << end))) {
		begin_numbers(flow, end, stop);
		return;
	}
	if (stop == seq)
		return;
	if (seq != flow->next_seq[end])
		out_of_sequence(flow, end, seq, stop, fin);
	if (seq_after(stop, flow->next_seq[end]))
		flow->next_seq[end] = stop;
}

// What is acknowledged but was never seen was lost before us, or went another way.
static void acknowledgement(struct flow *flow, unsigned end, uint32_t ack)
{
	unsigned other = !end;

	if (!(flow->tcp_state & (TCP_STATE_SEQ_0 << other)))
		return;
	if (seq_after(ack, flow->next_seq[other])) {
		// More than a window ahead is another connection's number, not a gap (RFC 7323: 1
		// GiB).
		if (ack - flow->next_seq[other] > UINT32_C(1) << 30)
			return;
		struct flow_more *more = flow_more(flow);
		more->gap_bytes[other] += ack - flow->next_seq[other];
		seq_holes_add(&more->holes[other], flow->next_seq[other], ack);
		flow->next_seq[other] = ack;
	}
	if (seq_after(ack, flow->acked[other]))
		flow->acked[other] = ack;
}

// Acknowledgements are followed from an end's FIN on: what counts is whether all of it was heard.
static void finish(struct flow *flow, unsigned end)
{
	uint8_t fin = (uint8_t)(TCP_STATE_FIN_0 << end);

	// Of a first segment nothing is acknowledged, and all of it was heard.
	if (!(flow->tcp_state & fin) && flow->seen & FLOW_SEEN_NEXT &&
		flow->acked[end] != flow->next_seq[end])
		flow->acked[end] = flow->next_seq[end] - 1;
	flow->tcp_state |= fin;
}

void tcp_state_slow(struct flow *flow, const struct packet *p, unsigned end)
{
	const uint8_t *header = p->data + p->l4_offset;
	uint8_t flags = p->tcp_flags;

	flow->tcp_flags[end] |= flags;
	// A header cut by the snap length has flags but no more.
	if (p->l4_header_len < 20)
		return;
	uint32_t seq = tcp_u32(header + 4), ack = tcp_u32(header + 8);

	// A flood's segments are their flows' first; from the second on there is more to keep.
	if (flow->tcp_state & (TCP_STATE_SEQ_0 | TCP_STATE_SEQ_1))
		flow_goes_on(flow);
	uint32_t stop =
		seq + p->payload_len + (flags & TCP_SYN ? 1 : 0) + (flags & TCP_FIN ? 1 : 0);
	if (unlikely(flags & TCP_SYN))
		synchronise(flow, p, end, seq, ack, stop);
	if (unlikely(!(flow->tcp_state & TCP_STATE_HANDSHAKE)))
		handshake(flow, p, end, ack);
	if (!(flags & TCP_SYN))
		sequence(flow, end, seq, stop, flags & TCP_FIN);
	if (flags & TCP_ACK)
		acknowledgement(flow, end, ack);
	if (unlikely(header[14] == 0 && header[15] == 0) &&
		!(flags & (TCP_SYN | TCP_FIN | TCP_RST)) && flow->zero_window[end] < UINT16_MAX)
		flow->zero_window[end]++;
	if (flags & TCP_FIN)
		finish(flow, end);
	if (unlikely(flow->tcp_state & (TCP_STATE_FIN_0 | TCP_STATE_FIN_1))) {
		uint8_t both = TCP_STATE_FIN_0 | TCP_STATE_FIN_1;
		if ((flow->tcp_state & both) == both && flow->acked[0] == flow->next_seq[0] &&
			flow->acked[1] == flow->next_seq[1])
			flow->bits |= FLOW_CLOSED;
	}
	if (flags & TCP_RST)
		flow->bits |= FLOW_CLOSED;
}

void tcp_state_restart(struct flow *flow)
{
	flow->tcp_flags[0] = flow->tcp_flags[1] = 0;
	flow->zero_window[0] = flow->zero_window[1] = 0;
	if (!flow_has_more(flow))
		return;
	struct flow_more *more = flow->more;
	for (unsigned end = 0; end < 2; end++) {
		more->retransmissions[end] = more->out_of_order[end] = 0;
		more->gap_bytes[end] = 0;
	}
	more->syn_retransmissions = more->fin_retransmissions = 0;
}
