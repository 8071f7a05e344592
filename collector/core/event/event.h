// What a shard says to the ledger: a flow segment that ended or is due, a fact about a client, a
// DNS answer. Fixed part, then bytes; sizes are multiples of eight. Never leaves the process.
#pragma once

#include "core/event/findings.h"
#include "core/packet/packet.h"

enum event_kind { EVENT_NONE, EVENT_SEGMENT, EVENT_FACT, EVENT_ANSWER };

enum { EVENT_SIZE_MAX = 8192 };

struct event {
	uint64_t time_ns; // table time: when it was due by packets, never when it was found
	uint32_t size; // octets in all, this header included
	uint8_t kind; // enum event_kind
	uint8_t iface;
	uint16_t vlan; // outer tag: part of a client's identity
};

enum orientation {
	ORIENT_FIRST, // end 0 sent first
	ORIENT_SYN, // end 0 sent the SYN (or got the SYN/ACK)
	ORIENT_MID, // joined in the middle: the ledger judges
};

// SCHEMA.md, flow.visibility, bit by bit as listed there.
enum visibility {
	VISIBLE_ONE_WAY = 1 << 0,
	VISIBLE_MID_FLOW = 1 << 1,
	VISIBLE_OFFLOAD = 1 << 2,
	VISIBLE_SNAPLEN_CUT = 1 << 3,
	VISIBLE_LOSS = 1 << 4,
};

#define NOT_KNOWN_32 UINT32_MAX

// A segment of a flow; [2] arrays by sending end, as in struct flow. Deltas of one flow's segments
// add up to the flow. Without findings it is four cache lines, which each flow pays more than once
// on its way to a row.
struct segment_event {
	struct event event;
	uint64_t flow_start_ns;
	uint64_t start_ns, end_ns; // first and last packet of the segment
	uint64_t flow_id;
	uint64_t packets[2], bytes[2], payload[2];
	uint64_t gap_bytes[2];
	uint64_t risk_bits;
	uint32_t tunnel_id;
	uint32_t mpls_label; // NOT_KNOWN_32: none
	uint32_t segment; // from 0
	uint32_t rtt_client_us, rtt_server_us, first_reply_us; // NOT_KNOWN_32
	uint32_t retransmissions[2], out_of_order[2];
	uint32_t dns_queries, dns_answers, dns_failures;
	uint16_t zero_window[2];
	uint16_t port[2];
	uint16_t vlan_inner;
	uint16_t protocol, application, category, risk_score;
	uint16_t findings_size;
	uint8_t ip[2][16];
	uint8_t mac[2][6];
	uint8_t has_mac; // bit e
	uint8_t ip_version, ip_proto, tunnel;
	uint8_t orientation; // enum orientation
	uint8_t end_reason; // enum end_reason
	uint8_t icmp_type, icmp_code;
	uint8_t dscp[2], tcp_flags[2];
	uint8_t syn_retransmissions, fin_retransmissions;
	uint8_t seen; // bit e: end e has ever sent
	uint8_t dpi, confidence;
	uint8_t closed_by_reset; // RST before any payload from end 1: a failed attempt
	uint8_t visibility;
	uint8_t findings[]; // one run (findings_read)
};
static_assert(sizeof(struct segment_event) == 4 * CACHE_LINE);

struct fact_event {
	struct event event;
	uint8_t kind; // enum client_fact
	uint8_t ip_version, prefix_len;
	uint8_t mac[6];
	uint8_t ip[16];
	uint16_t text_len;
	uint8_t text[];
};

struct answer_event {
	struct event event;
	uint32_t ttl_s;
	uint16_t name_len;
	uint8_t client_ip[16];
	uint8_t client_ip_version;
	uint8_t address_count;
	struct answer_address addresses[ANSWER_ADDRESSES_MAX];
	uint8_t name[];
};
