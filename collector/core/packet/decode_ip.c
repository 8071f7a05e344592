// Decode, the IP header: lengths, fragments, IPv6 extensions, and what neighbour discovery says.
#include "core/packet/decode_parts.h"

enum { EXTENSIONS_MAX = 16 }; // RFC 8200 section 4.1 foresees seven

// IPv6 extension headers that lead to the transport header (RFC 8200 section 4). Authentication
// (51), mobility (135), HIP (139) and shim6 (140) are protocols of their own here, as
// authentication is under IPv4: their packets are flows without ports.
enum { EXT_HOP_BY_HOP = 0, EXT_ROUTING = 43, EXT_FRAGMENT = 44, EXT_DESTINATION = 60 };

enum { ICMP6_NDP_MIN = 133, ICMP6_NDP_MAX = 137 }; // RFC 4861 section 4

static void set_l3(struct packet *p, uint32_t offset, uint32_t l3_len)
{
	p->l3_offset = (uint16_t)offset;
	p->l3_len = l3_len;
	if (p->cap_len - offset < l3_len)
		p->bits |= PACKET_SNAPPED;
}

// Length of a packet whose header says 0 because a network card was to write it (segmentation
// offload, RFC 2675): what was on the wire from here on.
static uint32_t length_on_wire(const struct packet *p, uint32_t offset)
{
	return p->wire_len > offset ? p->wire_len - offset : 0;
}

// `header_len`: octets from the IP header's first to the transport header's.
static enum drop_reason transport(struct packet *p, uint8_t proto, uint32_t header_len)
{
	uint32_t l4_len = p->l3_len - header_len;

	p->ip_proto = proto;
	p->l4_offset = (uint16_t)MIN(p->l3_offset + header_len, p->cap_len);
	p->fate = PACKET_FLOW;
	if (p->bits & PACKET_LATER)
		p->payload_len = (uint16_t)MIN(l4_len, UINT32_C(0xffff));
	else
		decode_transport_at(p, p->l4_offset, l4_len);
	return DROP_NONE;
}

// RFC 791 section 3.1.
enum drop_reason decode_ip4(struct packet *p, struct cursor *c)
{
	uint32_t offset = (uint32_t)(c->at - p->data);
	const uint8_t *ip = cursor_take(c, IP4_HEADER_LEN);

	if (ip == NULL)
		return DROP_ip_truncated;
	if (ip[0] >> 4 != 4)
		return DROP_ip_version;
	uint32_t header_len = (ip[0] & 0x0fu) * 4;
	if (header_len < IP4_HEADER_LEN)
		return DROP_ip_header_length;
	uint32_t l3_len = load_u16(ip + 2);
	if (l3_len == 0)
		l3_len = length_on_wire(p, offset);
	if (l3_len < header_len)
		return DROP_ip_total_length;

	uint16_t fragment = load_u16(ip + 6);
	if (fragment & 0x3fff) // more to come, or not the first
		p->bits |= PACKET_FRAGMENT;
	if (fragment & 0x1fff)
		p->bits |= PACKET_LATER;
	set_l3(p, offset, l3_len);
	// Options are not read; where they are cut, nothing is left of the transport header.
	return transport(p, ip[9], header_len);
}

// RFC 8200 section 3. Walks extensions up to the transport header or a later fragment's data.
enum drop_reason decode_ip6(struct packet *p, struct cursor *c)
{
	uint32_t offset = (uint32_t)(c->at - p->data);
	const uint8_t *ip = cursor_take(c, IP6_HEADER_LEN);

	if (ip == NULL)
		return DROP_ip_truncated;
	if (ip[0] >> 4 != 6)
		return DROP_ip_version;
	uint32_t l3_len = IP6_HEADER_LEN + load_u16(ip + 4);
	uint8_t next = ip[6];
	if (l3_len == IP6_HEADER_LEN && next == EXT_HOP_BY_HOP)
		l3_len = MAX(l3_len, length_on_wire(p, offset)); // a jumbogram
	p->bits |= PACKET_IP6;
	set_l3(p, offset, l3_len);

	uint32_t header_len = IP6_HEADER_LEN;
	for (unsigned count = 0; !(p->bits & PACKET_LATER); count++) {
		if (next != EXT_HOP_BY_HOP && next != EXT_ROUTING && next != EXT_FRAGMENT &&
			next != EXT_DESTINATION)
			break;
		const uint8_t *ext = cursor_take(c, 8);
		if (ext == NULL || count == EXTENSIONS_MAX)
			return DROP_ip6_extensions;
		header_len += 8;
		if (next == EXT_FRAGMENT) {
			uint16_t fragment = load_u16(ext + 2);
			if (fragment & 0xfff9) // else it is whole (RFC 6946)
				p->bits |= PACKET_FRAGMENT;
			if (fragment & 0xfff8)
				p->bits |= PACKET_LATER;
		} else {
			cursor_skip(c, ext[1] * 8u);
			header_len += ext[1] * 8u;
		}
		next = ext[0];
	}
	if (c->bad)
		return DROP_ip6_extensions;
	if (header_len > l3_len)
		return DROP_ip_total_length;

	enum drop_reason drop = transport(p, next, header_len);
	// In fragments nobody listens to it (RFC 6980 section 5), so it binds nothing.
	if (next == IP_PROTO_ICMP6 && p->l4_header_len > 0 && !(p->bits & PACKET_FRAGMENT)) {
		uint8_t type = p->data[p->l4_offset];
		if (type >= ICMP6_NDP_MIN && type <= ICMP6_NDP_MAX)
			p->fate = PACKET_NDP;
	}
	return drop;
}
