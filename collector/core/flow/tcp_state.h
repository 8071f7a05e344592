// What a flow remembers of TCP: sequence numbers, retransmissions, handshake RTT, close.
#pragma once

#include "core/flow/flow.h"

enum tcp_state_bits {
	TCP_STATE_SEQ_0 = 1 << 0, // next_seq[0] is known
	TCP_STATE_SEQ_1 = 1 << 1,
	TCP_STATE_FIN_0 = 1 << 2, // end 0 has sent its FIN; next_seq counts it
	TCP_STATE_FIN_1 = 1 << 3,
	TCP_STATE_SYN = 1 << 4, // a SYN was seen
	TCP_STATE_SYN_ACK = 1 << 5, // since the last SYN
	TCP_STATE_HANDSHAKE = 1 << 6, // the initiator's ACK was seen, or it is too late for an RTT
};

// Whatever is not a segment of an established connection in its order.
void tcp_state_slow(struct flow *flow, const struct packet *packet, unsigned end);

static inline uint32_t tcp_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

// Updates from one segment sent by `end`. Sets FLOW_CLOSED, and returns true, when both FINs are
// acknowledged or a RST was seen.
static inline bool tcp_state_update(struct flow *flow, const struct packet *packet, unsigned end)
{
	const uint8_t *header = packet->data + packet->l4_offset;
	uint8_t flags = packet->tcp_flags;

	// Both ends' numbers are known, the handshake is over, and nobody closes: then an
	// acknowledgement of what was seen, with the next data or none, moves one number.
	const uint8_t known = TCP_STATE_SEQ_0 | TCP_STATE_SEQ_1 | TCP_STATE_HANDSHAKE;
	if (likely((flow->tcp_state & (known | TCP_STATE_FIN_0 | TCP_STATE_FIN_1)) == known &&
		    (flags & (TCP_SYN | TCP_FIN | TCP_RST | TCP_ACK)) == TCP_ACK &&
		    packet->l4_header_len >= 20)) {
		uint32_t seq = tcp_u32(header + 4), ack = tcp_u32(header + 8);
		if (likely((packet->payload_len == 0 || seq == flow->next_seq[end]) &&
			    !seq_after(ack, flow->next_seq[!end]) &&
			    (header[14] | header[15]) != 0)) {
			flow->tcp_flags[end] |= flags;
			flow->next_seq[end] += packet->payload_len;
			return false;
		}
	}
	tcp_state_slow(flow, packet, end);
	return flow->bits & FLOW_CLOSED;
}

// A new segment of the record begins: counters start anew, sequence numbers stay.
void tcp_state_restart(struct flow *flow);
