// A flow: both directions of one conversation (a biflow, RFC 5103), as a shard keeps it.
//
// End 0 is whoever the shard takes for the initiator (sender of the SYN, else receiver of the
// SYN/ACK, else the first sender), end 1 the other; [2] arrays are by sending end. The ledger,
// which alone knows who is local, may turn a mid_flow one round.
//
// An established flow's packet touches the key line and the counter line; the two cold lines only
// when something happens. What most flows never have (a flood's have not) is apart, so that it
// costs them no memory.
#pragma once

#include "core/base/compiler.h"
#include "core/base/pool.h"
#include "core/flow/seq_holes.h"
#include "core/packet/packet.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// Ends in canonical order: the lower (address, port) first, so that both directions have one key.
// Compared and hashed as six words; unused octets are zero.
struct __attribute__((aligned(8), may_alias)) flow_key {
	uint8_t ip[2][16]; // IPv4 in the first four octets
	uint16_t port[2]; // host order; 0 for ICMP, fragments without a header, others
	uint16_t vlan; // 0 where flow.vlan_in_key is off
	uint16_t vlan_inner;
	uint32_t tunnel_id;
	uint8_t ip_proto;
	uint8_t ip_version; // 4 or 6
	uint8_t tunnel; // enum tunnel
	uint8_t group; // interface group
};
static_assert(sizeof(struct flow_key) == 48, "six words, no padding");

// SCHEMA.md, flow.end_reason: IPFIX 136 (RFC 5102 section 5.11.3).
enum end_reason {
	END_NONE,
	END_IDLE,
	END_ACTIVE,
	END_DETECTED,
	END_FORCED,
	END_RESOURCES,
};

enum flow_bits {
	FLOW_SWAPPED = 1 << 0, // end 0 is the key's second end
	FLOW_MID = 1 << 1, // its beginning was not seen (TCP without SYN, a DNS answer first)
	FLOW_CLOSED = 1 << 2, // both FINs acknowledged, or a RST
	FLOW_SYN = 1 << 3, // the initiator is known by its SYN
	FLOW_EXCLUDED = 1 << 4, // the policy excludes an end: no DPI, no names
	FLOW_SNAPPED = 1 << 5, // some packet was cut by the snap length
	FLOW_OFFLOAD = 1 << 6, // a segment larger than any MTU: offload suspected
	FLOW_ENDED = 1 << 7, // on the table's list of ended flows, no longer in the table
};

// In `seen`.
enum {
	FLOW_SEEN_LONG = 1 << 4, // a segment before this one was reported
	FLOW_SEEN_NEXT = 1 << 5, // of TCP a second segment: flow_goes_on()
	FLOW_SEEN_MORE = 1 << 6, // something that flow.more keeps
	FLOW_SEEN_REPLY = 1 << 7, // payload that answers the initiator's first: first_reply_us
};

enum { FLOW_UNASKED = UINT16_MAX }; // in `watching`, until core/classify has asked who wants to

enum { FLOW_STATES_MAX = 3 }; // classifiers that keep state by flow

// The rest of a flow, what few have: taken from a pool by the first who asks, flow_more().
struct flow_more {
	_Alignas(CACHE_LINE) struct seq_holes holes[2]; // of TCP's order, by end (tcp_state.c)
	uint32_t retransmissions[2]; // of the segment, as all that is counted below
	uint32_t out_of_order[2];
	uint64_t gap_bytes[2]; // acknowledged but never seen
	uint64_t segment_start_ns; // of the segment's first packet; the first segment's is the
				   // flow's

	uint64_t risk_bits; // nDPI's
	uint32_t mpls_label; // UINT32_MAX: none
	uint32_t dns_queries, dns_answers, dns_failures;
	uint32_t segment; // segments written so far (core/classify counts)
	uint8_t syn_retransmissions, fin_retransmissions; // saturating
};

struct flow {
	// Key line.
	_Alignas(CACHE_LINE) struct flow_key key;
	uint64_t last_ns; // table time of its last packet
	uint8_t bits; // enum flow_bits
	uint8_t timeout_class; // index of its idle timeout
	uint16_t watching; // bit i: classifiers[i] still wants packets of this flow
	uint8_t seen; // bit e: end e has sent; bit 2+e: it has sent payload (over all segments);
		      // FLOW_SEEN_LONG, FLOW_SEEN_MORE
	uint8_t tcp_state; // enum tcp_state_bits, tcp_state.h
	uint8_t tcp_flags[2]; // or of all, of the segment

	// Counter line: of the segment so far.
	uint64_t packets[2];
	uint64_t bytes[2]; // L3 octets
	uint64_t payload[2]; // L4 payload octets
	union {
		uint64_t cut_ns; // when the segment is due: the flow's start + n x the active
				 // timeout
		uint64_t ended_ns; // while on the list: when it was due; the event's time
	};
	uint32_t next_seq[2]; // TCP, by end: one past the highest octet seen

	// Cold lines.
	uint64_t start_ns; // table time of the flow's first packet
	uint64_t id; // keyed over key and start; the same in each segment
	uint64_t
		handshake_ts_ns; // capture's own time of the last SYN, then of the SYN/ACK, for RTT
	union {
		uint64_t first_payload_ts_ns; // the same of the initiator's first payload; 0: none
					      // yet
		uint32_t first_reply_us; // once FLOW_SEEN_REPLY
	};
	// Once FLOW_SEEN_NEXT.
	uint32_t acked[2]; // highest acknowledgement of that end's data, once it has sent FIN
	uint32_t rtt_client_us, rtt_server_us; // UINT32_MAX: not known
	uint32_t hash;
	uint16_t zero_window[2]; // of the segment, saturating
	uint8_t end_reason; // enum end_reason, while on the list
	uint8_t iface;
	uint8_t has_mac; // bit e: the MAC of end e is known
	uint8_t first_end; // which end sent the first packet
	uint32_t findings; // core/classify's: first chunk, or POOL_NONE

	union {
		struct flow_more *more; // once FLOW_SEEN_MORE
		struct pool *more_from; // until then
	};
	uint8_t mac[2][6]; // by end; see has_mac
	uint16_t vlan, vlan_inner; // as seen on the first packet
	uint8_t dscp[2]; // of each end's first packet
	uint8_t icmp_type, icmp_code; // of the first packet
	uint8_t first_flags; // TCP flags of the first packet

	// core/classify's; zero, or POOL_NONE, when the flow begins.
	uint8_t opening; // enum opening (classifier.h)
	uint8_t dpi; // enum dpi
	uint8_t confidence; // enum confidence
	uint32_t opening_seq[2]; // TCP before its first payload: next expected from each end; 0:
				 // unknown
	uint32_t state[FLOW_STATES_MAX]; // classifiers' states, or POOL_NONE
	uint16_t payload_packets; // packets with payload while anybody watched, saturating
	uint16_t packets_before_payload; // TCP segments without data before the first payload
	uint16_t protocol, application, category; // nDPI's numbers; 0: unknown
	uint16_t risk_score;
};
static_assert(offsetof(struct flow, packets) == CACHE_LINE, "counter line");
static_assert(offsetof(struct flow, start_ns) == 2 * CACHE_LINE, "cold lines");
static_assert(offsetof(struct flow, more) == 3 * CACHE_LINE, "cold lines");
static_assert(sizeof(struct flow) == 4 * CACHE_LINE, "a flood writes and reads as many a packet");
static_assert(sizeof(struct flow_more) == 2 * CACHE_LINE);

static inline bool flow_has_more(const struct flow *flow)
{
	return flow->seen & FLOW_SEEN_MORE;
}

// There is more to it than TCP's first segment: what that said is all that was acknowledged.
static inline void flow_goes_on(struct flow *flow)
{
	if (flow->seen & FLOW_SEEN_NEXT)
		return;
	for (unsigned end = 0; end < 2; end++)
		flow->acked[end] = flow->next_seq[end];
	flow->rtt_client_us = flow->rtt_server_us = UINT32_MAX;
	flow->seen |= FLOW_SEEN_NEXT;
}

// The rest of the flow, which begins now where it has not yet. The pool has as many as there are
// flows.
static inline struct flow_more *flow_more(struct flow *flow)
{
	if (flow_has_more(flow))
		return flow->more;
	flow_goes_on(flow);
	struct flow_more *more = pool_at(flow->more_from, pool_take(flow->more_from));
	memset(more, 0, sizeof(*more));
	flow->more = more;
	more->segment_start_ns = flow->start_ns;
	more->mpls_label = UINT32_MAX;
	flow->seen |= FLOW_SEEN_MORE;
	return more;
}

static inline uint64_t flow_segment_start(const struct flow *flow)
{
	return flow->seen & FLOW_SEEN_LONG ? flow->more->segment_start_ns : flow->start_ns;
}

// Which of the key's two ends flow end `end` is.
static inline unsigned flow_key_end(const struct flow *flow, unsigned end)
{
	return end ^ (flow->bits & FLOW_SWAPPED ? 1u : 0u);
}

static inline const uint8_t *flow_ip(const struct flow *flow, unsigned end)
{
	return flow->key.ip[flow_key_end(flow, end)];
}

static inline uint16_t flow_port(const struct flow *flow, unsigned end)
{
	return flow->key.port[flow_key_end(flow, end)];
}
