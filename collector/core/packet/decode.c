// Decode, the first stage after capture: the loop over a batch and the straight way for what nearly
// every packet is. All else goes step by step (decode_link.c, decode_ip.c).
#include "core/packet/decode.h"

#include "core/packet/decode_parts.h"

// How many packets ahead the headers are fetched.
enum { PREFETCH_AHEAD = 4 };

static const struct packet_extra extra_none = {.mpls_label = UINT32_MAX};

// The same for each kind of IP header: what it says of itself, at `offset`. The compiler makes one
// of each, in which offsets are constants.
static inline __attribute__((always_inline)) bool straight_transport(struct packet *p,
	uint32_t offset, uint32_t header_len, uint32_t l3_len, uint8_t proto, uint8_t bits)
{
	if (unlikely((proto != IP_PROTO_TCP && proto != IP_PROTO_UDP) || l3_len < header_len))
		return false;
	if (unlikely(p->cap_len - offset < l3_len))
		bits |= PACKET_SNAPPED;
	p->l3_len = l3_len;
	p->l3_offset = (uint16_t)offset;
	p->l4_offset = (uint16_t)(offset + header_len);
	p->vlan_inner = 0;
	p->ip_proto = proto;
	p->tcp_flags = 0;
	p->bits = bits;
	p->fate = PACKET_FLOW;
	decode_transport_at(p, offset + header_len, l3_len - header_len);
	return true;
}

static inline __attribute__((always_inline)) bool straight_ip4(struct packet *p, uint32_t offset)
{
	const uint8_t *ip = p->data + offset;

	// No options, no fragment; a length of 0 goes the long way too.
	if (unlikely(ip[0] != 0x45 || (load_u16(ip + 6) & 0x3fff) != 0))
		return false;
	return straight_transport(
		p, offset, IP4_HEADER_LEN, load_u16(ip + 2), ip[9], PACKET_HAS_MAC);
}

static inline __attribute__((always_inline)) bool straight_ip6(struct packet *p, uint32_t offset)
{
	const uint8_t *ip = p->data + offset;

	if (unlikely(p->cap_len < offset + IP6_HEADER_LEN || ip[0] >> 4 != 6))
		return false;
	return straight_transport(p, offset, IP6_HEADER_LEN, IP6_HEADER_LEN + load_u16(ip + 4),
		ip[6], PACKET_HAS_MAC | PACKET_IP6);
}

// TCP or UDP over plain IPv4 or IPv6 over Ethernet, with one 802.1Q tag at most. Returns false,
// with nothing of worth set, for whatever is not exactly that.
//
// Bounds: 38 octets hold the Ethernet header, a tag and an IPv4 header; IPv6 asks for its own 20
// more; decode_transport_at() asks for its own.
static inline bool decode_straight(struct packet *p)
{
	const uint8_t *frame = p->data;

	if (unlikely(p->cap_len < ETHER_HEADER_LEN + VLAN_TAG_LEN + IP4_HEADER_LEN))
		return false;
	uint16_t type = load_u16(frame + 12);
	p->vlan = 0;
	if (likely(type == ETHER_IP4))
		return straight_ip4(p, ETHER_HEADER_LEN);
	if (type == ETHER_IP6)
		return straight_ip6(p, ETHER_HEADER_LEN);
	if (type != ETHER_VLAN)
		return false;
	p->vlan = load_u16(frame + 14) & 0x0fff;
	type = load_u16(frame + 16);
	if (type == ETHER_IP4)
		return straight_ip4(p, ETHER_HEADER_LEN + VLAN_TAG_LEN);
	return type == ETHER_IP6 && straight_ip6(p, ETHER_HEADER_LEN + VLAN_TAG_LEN);
}

static __attribute__((noinline)) enum drop_reason decode_steps(
	struct packet *p, struct packet_extra *extra, enum link_type link)
{
	p->l3_len = 0;
	p->l3_offset = 0;
	p->l4_offset = 0;
	p->payload_len = 0;
	p->vlan = 0;
	p->vlan_inner = 0;
	p->l4_header_len = 0;
	p->ip_proto = 0;
	p->tcp_flags = 0;
	p->bits = 0;
	p->fate = PACKET_DROPPED;
	return decode_link(p, extra, link);
}

void decode_batch(struct packet_batch *batch, struct counters *counters)
{
	uint32_t count = batch->count;
	uint64_t bytes = 0, consumed = 0;

	INVARIANT(count <= PACKET_BATCH_MAX);
	for (uint32_t i = 0; i < MIN(count, (uint32_t)PREFETCH_AHEAD); i++)
		__builtin_prefetch(batch->packets[i].data);
	for (uint32_t i = 0; i < count; i++) {
		struct packet *p = &batch->packets[i];

		if (i + PREFETCH_AHEAD < count)
			__builtin_prefetch(batch->packets[i + PREFETCH_AHEAD].data);
		batch->extra[i] = extra_none;
		bytes += p->wire_len;
		if (likely(batch->link == LINK_ETHERNET && decode_straight(p)))
			continue;
		enum drop_reason drop = decode_steps(p, &batch->extra[i], batch->link);
		if (drop != DROP_NONE) {
			p->fate = PACKET_DROPPED;
			counter_drop(counters, drop);
		} else if (p->fate != PACKET_FLOW) {
			consumed++;
		}
	}
	counter_add(counters, COUNTER_packets, count);
	counter_add(counters, COUNTER_bytes, bytes);
	counter_add(counters, COUNTER_packets_consumed, consumed);
}
