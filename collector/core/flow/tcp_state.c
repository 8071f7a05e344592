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

// SYN, SYN/ACK and the ACK that ends the handshake. Of what is repeated that counts which was
// answered at the soonest: the last SYN before the SYN/ACK, the first SYN/ACK after it.
static void handshake(
	struct flow *flow, const struct packet *p, unsigned end, uint32_t seq, uint32_t ack)
{
	if (p->tcp_flags & TCP_SYN) {
		if ((flow->tcp_state & (TCP_STATE_SEQ_0 << end)) && flow->next_seq[end] == seq + 1)
			add_saturating(&flow_more(flow)->syn_retransmissions);
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
		more->hole_start[end] = next;
		more->hole_end[end] = seq;
		return;
	}
	if (seq_after(stop, next))
		return; // partly new
	if (more->hole_start[end] != more->hole_end[end] &&
		!seq_after(more->hole_start[end], seq) && !seq_after(stop, more->hole_end[end])) {
		more->out_of_order[end]++;
		more->hole_start[end] = stop;
	} else if (fin && stop - seq == 1) {
		add_saturating(&more->fin_retransmissions);
	} else if (!(stop - seq <= 1 && stop == next)) {
		// One octet or none just below the next: keep-alive (RFC 9293 section 3.8.4) or
		// probe.
		more->retransmissions[end]++;
	}
}

// The sequence space that this segment takes, SYN and FIN included.
static void sequence(struct flow *flow, const struct packet *p, unsigned end, uint32_t seq)
{
	uint8_t known = (uint8_t)(TCP_STATE_SEQ_0 << end);
	bool syn = p->tcp_flags & TCP_SYN, fin = p->tcp_flags & TCP_FIN;
	uint32_t stop = seq + p->payload_len + (syn ? 1 : 0) + (fin ? 1 : 0);

	if (!(flow->tcp_state & known) || syn) {
		// A second SYN with another number begins anew.
		if (flow->seen & FLOW_SEEN_NEXT &&
			(!(flow->tcp_state & known) || flow->next_seq[end] != stop)) {
			flow->acked[end] = stop;
			if (flow_has_more(flow))
				flow->more->hole_start[end] = flow->more->hole_end[end] = stop;
		}
		flow->next_seq[end] = stop;
		flow->tcp_state |= known;
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
		flow_more(flow)->gap_bytes[other] += ack - flow->next_seq[other];
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
	if (unlikely(!(flow->tcp_state & TCP_STATE_HANDSHAKE)))
		handshake(flow, p, end, seq, ack);
	sequence(flow, p, end, seq);
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
