// A packet is a view of bytes that belong to the capture source. Each stage fills its own part in
// place: one packet is one cache line all the way.
#pragma once

#include "core/base/compiler.h"

#include <stdbool.h>
#include <stdint.h>

enum { PACKET_BATCH_MAX = 64 }; // bits of packet_batch.watched

struct flow;

enum packet_bits {
	PACKET_IP6 = 1 << 0, // the IP header at l3_offset is version 6, else 4
	PACKET_FRAGMENT = 1 << 1, // any fragment
	PACKET_LATER = 1 << 2, // a fragment other than the first: no transport header
	PACKET_SNAPPED = 1 << 3, // fewer bytes captured than the IP length says
	PACKET_REVERSE = 1 << 4, // by flow_table: runs from the flow's end 1 to its end 0
	PACKET_NEW_FLOW = 1 << 5, // by flow_table: the first packet of its flow
	PACKET_HAS_MAC = 1 << 6, // bytes 0-11 at data are Ethernet destination and source
	PACKET_COOKED_MAC = 1 << 7, // Linux cooked: only the source MAC is known (see packet_extra)
};

// What became of a packet.
enum packet_fate {
	PACKET_FLOW, // belongs to a flow
	PACKET_ARP, // consumed, shown to classifiers: ARP body at l3_offset
	PACKET_NDP, // consumed, shown to classifiers: IPv6 at l3_offset, ICMPv6 at l4_offset
	PACKET_CONSUMED, // understood and done with: LLDP, spanning tree, ...
	PACKET_DROPPED, // by decode, counted by name
};

struct packet {
	// Set by the capture source.
	_Alignas(CACHE_LINE) const uint8_t *data; // link header; borrowed until release()
	uint64_t ts_ns; // the capture's own time, ns since 1970: for latencies only
	uint64_t time_ns; // table time, ns: never runs back within a source

	// Set by the flow table, which evicts no flow that this batch points to.
	struct flow *flow; // NULL: counted in no flow

	uint32_t wire_len; // octets on the wire (by the source)
	uint32_t cap_len; // octets at data (by the source)

	// Set by decode; offsets from data.
	uint32_t l3_len; // octets by the IP header, header included: what is counted
	uint32_t hash; // of the flow key; by the flow table
	uint16_t l3_offset;
	uint16_t l4_offset; // == cap_len at most; with PACKET_LATER where the fragment's data begin
	uint16_t payload_len; // octets of L4 payload by the IP header (0xffff at most)
	uint16_t vlan; // outer tag's VLAN id, 0: none
	uint16_t vlan_inner; // inner tag's, 0: none
	uint8_t l4_header_len; // octets of the transport header that are there: see
			       // packet_has_ports()
	uint8_t ip_proto; // after IPv6 extensions
	uint8_t tcp_flags; // CWR ECE URG ACK PSH RST SYN FIN; 0 for others
	uint8_t bits; // enum packet_bits
	uint8_t fate; // enum packet_fate
	uint8_t iface; // index of the configured interface (by the source)
};

static_assert(sizeof(struct packet) == CACHE_LINE, "one cache line");

// What few packets have, and only a new flow's first packet is asked for.
struct packet_extra {
	uint32_t mpls_label; // top of stack; UINT32_MAX: none
	uint32_t tunnel_id; // PPPoE session
	uint8_t tunnel; // enum tunnel, 0: none
	uint8_t cooked_mac[6];
};

// SCHEMA.md, flow.tunnel: numbered as listed there.
enum tunnel {
	TUNNEL_NONE,
	TUNNEL_GRE,
	TUNNEL_IPIP,
	TUNNEL_6IN4,
	TUNNEL_VXLAN,
	TUNNEL_GENEVE,
	TUNNEL_GTPU,
	TUNNEL_L2TP,
	TUNNEL_PPPOE,
	TUNNEL_TEREDO,
	TUNNEL_ERSPAN,
};

enum link_type {
	LINK_ETHERNET,
	LINK_RAW_IP,
	LINK_COOKED_1,
	LINK_COOKED_2,
	LINK_NULL,
	LINK_LOOP,
	LINK_OTHER, // not understood: every packet is counted and dropped by name
};

struct packet_batch {
	struct packet packets[PACKET_BATCH_MAX];
	struct packet_extra extra[PACKET_BATCH_MAX];
	uint32_t count;
	uint8_t link; // enum link_type of the source that filled it
	uint64_t now_ns; // the shard's clock: see DESIGN.md, "time"
	uint64_t watched; // by flow_table_update(), of the packets it went over: bit i: somebody
			  // may want to see packet i
};

enum {
	IP_PROTO_ICMP = 1,
	IP_PROTO_TCP = 6,
	IP_PROTO_UDP = 17,
	IP_PROTO_ICMP6 = 58,
	IP_PROTO_SCTP = 132,
	IP_PROTO_UDP_LITE = 136,
};

enum { TCP_FIN = 0x01, TCP_SYN = 0x02, TCP_RST = 0x04, TCP_PSH = 0x08, TCP_ACK = 0x10 };

// Whether source and destination port stand at l4_offset. Of a transport header (TCP 20 octets and
// its options, UDP, UDP-Lite and ICMP 8, SCTP 12; other protocols 0) l4_header_len octets lie both
// within the IP length and within what was captured; the payload follows them. So TCP's fixed
// header may be read where l4_header_len >= 20, ICMP's type and code where it is >= 2.
static inline bool packet_has_ports(const struct packet *p)
{
	return p->l4_header_len >= 4 &&
		(p->ip_proto == IP_PROTO_TCP || p->ip_proto == IP_PROTO_UDP ||
			p->ip_proto == IP_PROTO_SCTP || p->ip_proto == IP_PROTO_UDP_LITE);
}

// The payload as captured: *ret_len octets are there, which may be fewer than payload_len says, and
// never more (Ethernet padding is not payload).
static inline const uint8_t *packet_payload(const struct packet *p, uint32_t *ret_len)
{
	uint32_t from = (uint32_t)p->l4_offset + p->l4_header_len;
	uint32_t there = p->cap_len > from ? p->cap_len - from : 0;

	*ret_len = there < p->payload_len ? there : p->payload_len;
	return p->data + (there > 0 ? from : 0);
}
