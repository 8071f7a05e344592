// The steps of decode, in the order in which a packet takes them. Private to core/packet.
//
// Each step sets its part of the packet and hands what is left of the frame to the next. A step
// returns why the packet is dropped, or DROP_NONE with `fate` set.
#pragma once

#include "core/base/counters.h"
#include "core/base/cursor.h"
#include "core/packet/packet.h"

enum {
	ETHER_HEADER_LEN = 14,
	VLAN_TAG_LEN = 4,
	IP4_HEADER_LEN = 20,
	IP6_HEADER_LEN = 40,
	TCP_HEADER_LEN = 20,
};

enum {
	ETHER_IP4 = 0x0800,
	ETHER_ARP = 0x0806,
	ETHER_VLAN = 0x8100, // 802.1Q
	ETHER_IP6 = 0x86dd,
};

static inline uint16_t load_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

// From the link header at the frame's first octet. Decode's fields of `p` and `extra` are empty.
enum drop_reason decode_link(struct packet *p, struct packet_extra *extra, enum link_type link);

// From the IP header at c->at.
enum drop_reason decode_ip4(struct packet *p, struct cursor *c);
enum drop_reason decode_ip6(struct packet *p, struct cursor *c);

// From the transport header at `offset`, which is l4_offset, of protocol ip_proto, which with its
// payload is `l4_len` octets by the IP header. A header that is cut or lies about its length still
// belongs to its flow, as far as it goes; such a packet shows no payload.
static inline __attribute__((always_inline)) void decode_transport_at(
	struct packet *p, uint32_t offset, uint32_t l4_len)
{
	const uint8_t *header = p->data + offset;
	uint32_t there = MIN(p->cap_len - offset, l4_len);
	uint32_t header_len = 0;

	switch (p->ip_proto) {
	case IP_PROTO_TCP: // RFC 9293 section 3.1
		header_len = TCP_HEADER_LEN;
		if (likely(there >= 14)) {
			header_len = (uint32_t)(header[12] >> 4) * 4;
			p->tcp_flags = header[13];
		}
		if (unlikely(header_len < TCP_HEADER_LEN || header_len > l4_len)) {
			header_len = TCP_HEADER_LEN;
			l4_len = 0;
		}
		break;
	case IP_PROTO_UDP: // RFC 768; a length of 0 is an offloaded one, so IP's counts
		header_len = 8;
		if (likely(there >= 8)) {
			uint32_t udp_len = load_u16(header + 4);
			if (udp_len != 0 && udp_len < l4_len)
				l4_len = udp_len;
		}
		break;
	case IP_PROTO_ICMP:
	case IP_PROTO_ICMP6:
	case IP_PROTO_UDP_LITE: // RFC 3828: its third field covers the checksum, it is no length
		header_len = 8;
		break;
	case IP_PROTO_SCTP: // RFC 9260 section 3.1
		header_len = 12;
		break;
	}
	uint32_t payload_len = l4_len > header_len ? l4_len - header_len : 0;

	p->l4_header_len = (uint8_t)MIN(header_len, there);
	p->payload_len = (uint16_t)MIN(payload_len, UINT32_C(0xffff));
}
