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

// Updates from one segment sent by `end`. Sets FLOW_CLOSED when both FINs are acknowledged or a RST
// was seen.
void tcp_state_update(struct flow *flow, const struct packet *packet, unsigned end);

// A new segment of the record begins: counters start anew, sequence numbers stay.
void tcp_state_restart(struct flow *flow);
