// Decode: a golden frame for each encapsulation and each way to be wrong, all of them cut at every
// length, and the straight way against the steps.
//
// `test_decode --corpus DIR` writes the golden frames as seeds for the fuzz target.
#include "frames.h"

#include "core/packet/decode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

// What decode must say. mpls_label 0: none.
struct expect {
	enum packet_fate fate;
	enum drop_reason drop;
	unsigned l3_offset, l3_len, l4_offset, l4_header_len, payload_len;
	unsigned vlan, vlan_inner, ip_proto, tcp_flags, bits;
	unsigned mpls_label, tunnel, tunnel_id;
	unsigned wire_extra; // octets on the wire beyond those captured
	uint8_t cooked_mac[6];
};

struct golden {
	const char *name;
	enum link_type link;
	void (*build)(struct frame *f);
	struct expect expect;
};

enum { DATA = 0xda };

static void tcp4_body(struct frame *f)
{
	put_ip4(f, (struct ip4){.proto = 6, .l4_len = 20 + 12 + 30});
	put_tcp(f, 0x18, 12);
	put_fill(f, 30, DATA);
}

static void udp4_body(struct frame *f)
{
	put_ip4(f, (struct ip4){.proto = 17, .l4_len = 8 + 25});
	put_udp(f, 8 + 25);
	put_fill(f, 25, DATA);
}

static void udp6_body(struct frame *f)
{
	put_ip6(f, 17, 8 + 25);
	put_udp(f, 8 + 25);
	put_fill(f, 25, DATA);
}

static void ether_tcp4(struct frame *f)
{
	put_ether(f, 0x0800);
	tcp4_body(f);
}

static void ether_syn_padded(struct frame *f)
{
	put_ether(f, 0x0800);
	put_ip4(f, (struct ip4){.proto = 6, .l4_len = 20});
	put_tcp(f, 0x02, 0);
	put_fill(f, 6, DATA); // to 60 octets: no payload
}

static void ether_udp4(struct frame *f)
{
	put_ether(f, 0x0800);
	udp4_body(f);
}

static void ether_udp6(struct frame *f)
{
	put_ether(f, 0x86dd);
	udp6_body(f);
}

static void ether_tcp6(struct frame *f)
{
	put_ether(f, 0x86dd);
	put_ip6(f, 6, 20);
	put_tcp(f, 0x10, 0);
}

static void ether_options(struct frame *f)
{
	put_ether(f, 0x0800);
	put_ip4(f, (struct ip4){.proto = 6, .l4_len = 20, .options_len = 40});
	put_tcp(f, 0x10, 0);
}

static void ether_icmp(struct frame *f)
{
	put_ether(f, 0x0800);
	put_ip4(f, (struct ip4){.proto = 1, .l4_len = 8 + 32});
	put_fill(f, 8, 8);
	put_fill(f, 32, DATA);
}

static void ether_gre(struct frame *f)
{
	put_ether(f, 0x0800);
	put_ip4(f, (struct ip4){.proto = 47, .l4_len = 24});
	put_fill(f, 24, 0);
}

static void ether_sctp(struct frame *f)
{
	put_ether(f, 0x0800);
	put_ip4(f, (struct ip4){.proto = 132, .l4_len = 12 + 16});
	put_udp(f, 0);
	put_fill(f, 4 + 16, DATA);
}

static void ether_udp_lite(struct frame *f)
{
	put_ether(f, 0x0800);
	put_ip4(f, (struct ip4){.proto = 136, .l4_len = 8 + 16});
	put_udp(f, 8); // covers the header only
	put_fill(f, 16, DATA);
}

static void ether_fragment_first(struct frame *f)
{
	put_ether(f, 0x0800);
	put_ip4(f, (struct ip4){.proto = 17, .l4_len = 32, .fragment = 0x2000});
	put_udp(f, 1000);
	put_fill(f, 24, DATA);
}

static void ether_fragment_later(struct frame *f)
{
	put_ether(f, 0x0800);
	put_ip4(f, (struct ip4){.proto = 17, .l4_len = 32, .fragment = 1});
	put_fill(f, 32, DATA);
}

static void ether_offloaded4(struct frame *f)
{
	put_ether(f, 0x0800);
	tcp4_body(f);
	memset(f->bytes + 14 + 2, 0, 2);
}

static void ether_offloaded_udp(struct frame *f)
{
	put_ether(f, 0x0800);
	put_ip4(f, (struct ip4){.proto = 17, .l4_len = 8 + 25});
	put_udp(f, 0);
	put_fill(f, 25, DATA);
}

static void ether_jumbogram(struct frame *f)
{
	put_ether(f, 0x86dd);
	put_ip6(f, 0, 0);
	put8(f, 6);
	put8(f, 0);
	put16(f, 0xc204);
	put32(f, 80000);
	put_tcp(f, 0x10, 0);
}

static void ether_bad_tcp_len(struct frame *f)
{
	put_ether(f, 0x0800);
	tcp4_body(f);
	f->bytes[14 + 20 + 12] = 0x40;
}

static void ether_long_tcp_len(struct frame *f)
{
	put_ether(f, 0x0800);
	put_ip4(f, (struct ip4){.proto = 6, .l4_len = 24});
	put_tcp(f, 0x10, 0);
	put_fill(f, 4, DATA);
	f->bytes[14 + 20 + 12] = 0xf0;
}

static void ether_short_udp_len(struct frame *f)
{
	put_ether(f, 0x0800);
	put_ip4(f, (struct ip4){.proto = 17, .l4_len = 8 + 25});
	put_udp(f, 3);
	put_fill(f, 25, DATA);
}

static void ether_trailer(struct frame *f)
{
	put_ether(f, 0x0800);
	put_ip4(f, (struct ip4){.proto = 17, .l4_len = 8 + 25});
	put_udp(f, 8 + 20); // five octets behind the datagram
	put_fill(f, 25, DATA);
}

static void ether_no_ports(struct frame *f)
{
	put_ether(f, 0x0800);
	put_ip4(f, (struct ip4){.proto = 6, .l4_len = 3});
	put_fill(f, 23, DATA); // padding looks like ports
}

static void ether_bad_version(struct frame *f)
{
	put_ether(f, 0x0800);
	put8(f, 0x55);
	put_fill(f, 39, 0);
}

static void ether_bad_version6(struct frame *f)
{
	put_ether(f, 0x86dd);
	put8(f, 0x45);
	put_fill(f, 59, 0);
}

static void ether_bad_header_len(struct frame *f)
{
	put_ether(f, 0x0800);
	tcp4_body(f);
	f->bytes[14] = 0x44;
}

static void ether_bad_total_len(struct frame *f)
{
	put_ether(f, 0x0800);
	tcp4_body(f);
	f->bytes[14 + 2] = 0;
	f->bytes[14 + 3] = 19;
}

static void ether_extensions(struct frame *f)
{
	put_ether(f, 0x86dd);
	put_ip6(f, 0, 8 + 24 + 16 + 8 + 20);
	put_extension(f, 43, 0);
	put_extension(f, 60, 2);
	put_extension(f, 44, 1);
	put_fragment(f, 6, 0, 6); // whole, though it says fragment; two reserved bits are set
	put_tcp(f, 0x11, 0);
}

static void ether_fragment6_first(struct frame *f)
{
	put_ether(f, 0x86dd);
	put_ip6(f, 44, 8 + 16);
	put_fragment(f, 17, 0, 1);
	put_udp(f, 500);
	put_fill(f, 8, DATA);
}

static void ether_fragment6_later(struct frame *f)
{
	put_ether(f, 0x86dd);
	put_ip6(f, 60, 8 + 8 + 16);
	put_extension(f, 44, 0);
	put_fragment(f, 60, 8, 1); // the least that is not the first
	put_fill(f, 16, 43);
}

static void ether_ah6(struct frame *f)
{
	put_ether(f, 0x86dd);
	put_ip6(f, 51, 24);
	put_extension(f, 6, 2);
}

static void ether_extension_long(struct frame *f)
{
	put_ether(f, 0x86dd);
	put_ip6(f, 60, 88 + 20);
	put_extension(f, 6, 10);
	put_tcp(f, 0x10, 0);
}

static void ether_extensions_many(struct frame *f)
{
	put_ether(f, 0x86dd);
	put_ip6(f, 60, 20 * 8 + 20);
	for (unsigned i = 1; i < 20; i++)
		put_extension(f, 60, 0);
	put_extension(f, 6, 0);
	put_tcp(f, 0x10, 0);
}

static void ether_extensions_too_long(struct frame *f)
{
	put_ether(f, 0x86dd);
	put_ip6(f, 60, 16);
	put_extension(f, 6, 3);
	put_tcp(f, 0x10, 0);
}

static void icmp6_body(struct frame *f, unsigned type)
{
	put_ip6(f, 58, 24);
	put8(f, type);
	put_fill(f, 23, 0);
}

static void ether_ndp(struct frame *f)
{
	put_ether(f, 0x86dd);
	icmp6_body(f, 135);
}

static void ether_ndp_fragmented(struct frame *f)
{
	put_ether(f, 0x86dd);
	put_ip6(f, 44, 8 + 24);
	put_fragment(f, 58, 0, 1);
	put8(f, 136);
	put_fill(f, 23, 0);
}

static void ether_echo6(struct frame *f)
{
	put_ether(f, 0x86dd);
	icmp6_body(f, 128);
}

static void ether_arp(struct frame *f)
{
	put_ether(f, 0x0806);
	put(f, "\0\x01\x08\0\x06\x04\0\x01", 8);
	put_fill(f, 20, 1);
}

static void ether_lldp(struct frame *f)
{
	put_ether(f, 0x88cc);
	put_fill(f, 46, 0);
}

static void ether_stp(struct frame *f)
{
	put_ether(f, 38);
	put(f, "\x42\x42\x03", 3);
	put_fill(f, 43, 0);
}

static void ether_cdp(struct frame *f)
{
	put_ether(f, 46);
	put(f, "\xaa\xaa\x03\0\0\x0c\x20\0", 8);
	put_fill(f, 38, 0);
}

static void ether_snap_ip(struct frame *f)
{
	put_ether(f, 46);
	put(f, "\xaa\xaa\x03\0\0\0\x08\0", 8);
	udp4_body(f);
}

static void ether_profinet(struct frame *f)
{
	put_ether(f, 0x8892);
	put_fill(f, 46, 0);
}

static void ether_pppoe_discovery(struct frame *f)
{
	put_ether(f, 0x8863);
	put_fill(f, 46, 0);
}

static void ether_vlan(struct frame *f)
{
	put_ether(f, 0x8100);
	put_tag(f, 100, 0x0800);
	tcp4_body(f);
}

static void ether_vlan_udp6(struct frame *f)
{
	put_ether(f, 0x8100);
	put_tag(f, 4095, 0x86dd);
	udp6_body(f);
}

static void ether_vlan_stacked(struct frame *f)
{
	put_ether(f, 0x88a8);
	put_tag(f, 7, 0x8100);
	put_tag(f, 100, 0x0800);
	udp4_body(f);
}

static void ether_vlan_three(struct frame *f)
{
	put_ether(f, 0x88a8);
	put_tag(f, 7, 0x9100);
	put_tag(f, 8, 0x8100);
	put_tag(f, 9, 0x0800);
	udp4_body(f);
}

static void ether_mpls(struct frame *f)
{
	put_ether(f, 0x8847);
	put32(f, 0x12345 << 12 | 0x40);
	put32(f, 0x00010 << 12 | 0x140);
	udp4_body(f);
}

static void ether_mpls6(struct frame *f)
{
	put_ether(f, 0x8100);
	put_tag(f, 5, 0x8848);
	put32(f, 77 << 12 | 0x140);
	udp6_body(f);
}

static void ether_mpls_pseudowire(struct frame *f)
{
	put_ether(f, 0x8847);
	put32(f, 77 << 12 | 0x140);
	put32(f, 0); // control word
	ether_tcp4(f);
}

static void ether_mpls_endless(struct frame *f)
{
	put_ether(f, 0x8847);
	for (unsigned i = 1; i < 100; i++)
		put32(f, i << 12);
}

static void pppoe_any(struct frame *f, unsigned version_type, unsigned code)
{
	put_ether(f, 0x8864);
	put8(f, version_type);
	put8(f, code);
	put16(f, 0x0abc);
	put16(f, 55);
}

static void pppoe(struct frame *f, unsigned code)
{
	pppoe_any(f, 0x11, code);
}

static void ether_pppoe4(struct frame *f)
{
	pppoe(f, 0);
	put16(f, 0x0021);
	udp4_body(f);
}

static void ether_pppoe6_compressed(struct frame *f)
{
	pppoe(f, 0);
	put8(f, 0x57);
	udp6_body(f);
}

static void ether_pppoe_mpls(struct frame *f)
{
	pppoe(f, 0);
	put16(f, 0x0281);
	put32(f, 9 << 12 | 0x140);
	udp4_body(f);
}

static void ether_pppoe_lcp(struct frame *f)
{
	pppoe(f, 0);
	put16(f, 0xc021);
	put_fill(f, 20, 0);
}

static void ether_pppoe_other(struct frame *f)
{
	pppoe(f, 0);
	put16(f, 0x002b); // IPX
	put_fill(f, 20, 0);
}

static void ether_pppoe_bad(struct frame *f)
{
	pppoe(f, 9);
	put16(f, 0x0021);
	udp4_body(f);
}

static void ether_pppoe_version(struct frame *f)
{
	pppoe_any(f, 0x21, 0);
	put16(f, 0x0021);
	udp4_body(f);
}

static void ether_short(struct frame *f)
{
	put_fill(f, 13, 0);
}

static void raw_other(struct frame *f)
{
	put_fill(f, 40, 0x77);
}

static void cooked1(struct frame *f, unsigned hardware, unsigned protocol)
{
	put16(f, 0);
	put16(f, hardware);
	put16(f, 6);
	put(f, "\x02\xaa\xbb\xcc\xdd\xee\0\0", 8);
	put16(f, protocol);
}

static void cooked1_tcp4(struct frame *f)
{
	cooked1(f, 1, 0x0800);
	tcp4_body(f);
}

static void cooked1_vlan(struct frame *f)
{
	cooked1(f, 1, 0x8100);
	put_tag(f, 12, 0x86dd);
	udp6_body(f);
}

static void cooked1_stp(struct frame *f)
{
	cooked1(f, 1, 4);
	put(f, "\x42\x42\x03", 3);
}

static void cooked1_can(struct frame *f)
{
	cooked1(f, 280, 0x000c);
	put_fill(f, 16, 0);
}

static void cooked1_netlink(struct frame *f)
{
	cooked1(f, 824, 0x0800); // a netlink family, not IP
	tcp4_body(f);
}

static void cooked1_loopback(struct frame *f)
{
	cooked1(f, 772, 0x0800);
	udp4_body(f);
}

static void cooked2_arp(struct frame *f)
{
	put16(f, 0x0806);
	put16(f, 0);
	put32(f, 3);
	put16(f, 1);
	put8(f, 0);
	put8(f, 6);
	put(f, "\x02\xaa\xbb\xcc\xdd\xee\0\0", 8);
	put_fill(f, 28, 1);
}

static void null_little(struct frame *f)
{
	put32(f, 0x02000000);
	udp4_body(f);
}

static void null_big(struct frame *f)
{
	put32(f, 30);
	udp6_body(f);
}

static void null_other(struct frame *f)
{
	put32(f, 7);
	udp4_body(f);
}

#define FLOW4(offset, proto, header, payload) \
	.fate = PACKET_FLOW, .l3_offset = (offset), .l3_len = 20 + (header) + (payload), \
	.l4_offset = (offset) + 20, .ip_proto = (proto), .l4_header_len = (header), \
	.payload_len = (payload)
#define FLOW6(offset, proto, header, payload) \
	.fate = PACKET_FLOW, .l3_offset = (offset), .l3_len = 40 + (header) + (payload), \
	.l4_offset = (offset) + 40, .ip_proto = (proto), .l4_header_len = (header), \
	.payload_len = (payload)
#define DROP(reason) .fate = PACKET_DROPPED, .drop = DROP_##reason
#define ETHER(name) #name, LINK_ETHERNET, ether_##name
#define MAC PACKET_HAS_MAC
#define MAC6 (PACKET_HAS_MAC | PACKET_IP6)
#define COOKED \
	{ \
		0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0xee \
	}

static const struct golden golden[] = {
	{ETHER(tcp4), {FLOW4(14, 6, 32, 30), .tcp_flags = 0x18, .bits = MAC}},
	{ETHER(syn_padded), {FLOW4(14, 6, 20, 0), .tcp_flags = 0x02, .bits = MAC}},
	{ETHER(udp4), {FLOW4(14, 17, 8, 25), .bits = MAC}},
	{ETHER(udp6), {FLOW6(14, 17, 8, 25), .bits = MAC6}},
	{ETHER(tcp6), {FLOW6(14, 6, 20, 0), .tcp_flags = 0x10, .bits = MAC6}},
	{ETHER(options),
		{.fate = PACKET_FLOW,
			.l3_offset = 14,
			.l3_len = 80,
			.l4_offset = 74,
			.ip_proto = 6,
			.l4_header_len = 20,
			.tcp_flags = 0x10,
			.bits = MAC}},
	{ETHER(icmp), {FLOW4(14, 1, 8, 32), .bits = MAC}},
	{ETHER(gre), {FLOW4(14, 47, 0, 24), .bits = MAC}},
	{ETHER(sctp), {FLOW4(14, 132, 12, 16), .bits = MAC}},
	{ETHER(udp_lite), {FLOW4(14, 136, 8, 16), .bits = MAC}},
	{ETHER(fragment_first), {FLOW4(14, 17, 8, 24), .bits = MAC | PACKET_FRAGMENT}},
	{ETHER(fragment_later),
		{FLOW4(14, 17, 0, 32), .bits = MAC | PACKET_FRAGMENT | PACKET_LATER}},
	{ETHER(offloaded4),
		{.fate = PACKET_FLOW,
			.l3_offset = 14,
			.l3_len = 82 + 9000,
			.l4_offset = 34,
			.ip_proto = 6,
			.l4_header_len = 32,
			.payload_len = 9030,
			.tcp_flags = 0x18,
			.wire_extra = 9000,
			.bits = MAC | PACKET_SNAPPED}},
	{ETHER(offloaded_udp), {FLOW4(14, 17, 8, 25), .bits = MAC}},
	{ETHER(jumbogram),
		{.fate = PACKET_FLOW,
			.l3_offset = 14,
			.l3_len = 68 + 80000,
			.l4_offset = 14 + 48,
			.ip_proto = 6,
			.l4_header_len = 20,
			.payload_len = 0xffff,
			.tcp_flags = 0x10,
			.wire_extra = 80000,
			.bits = MAC6 | PACKET_SNAPPED}},
	{ETHER(bad_tcp_len),
		{.fate = PACKET_FLOW,
			.l3_offset = 14,
			.l3_len = 82,
			.l4_offset = 34,
			.ip_proto = 6,
			.l4_header_len = 20,
			.tcp_flags = 0x18,
			.bits = MAC}},
	{ETHER(long_tcp_len),
		{.fate = PACKET_FLOW,
			.l3_offset = 14,
			.l3_len = 44,
			.l4_offset = 34,
			.ip_proto = 6,
			.l4_header_len = 20,
			.tcp_flags = 0x10,
			.bits = MAC}},
	{ETHER(short_udp_len),
		{.fate = PACKET_FLOW,
			.l3_offset = 14,
			.l3_len = 53,
			.l4_offset = 34,
			.ip_proto = 17,
			.l4_header_len = 8,
			.bits = MAC}},
	{ETHER(trailer),
		{.fate = PACKET_FLOW,
			.l3_offset = 14,
			.l3_len = 53,
			.l4_offset = 34,
			.ip_proto = 17,
			.l4_header_len = 8,
			.payload_len = 20,
			.bits = MAC}},
	{ETHER(no_ports), {FLOW4(14, 6, 3, 0), .bits = MAC}},
	{ETHER(bad_version), {DROP(ip_version)}},
	{ETHER(bad_version6), {DROP(ip_version)}},
	{ETHER(bad_header_len), {DROP(ip_header_length)}},
	{ETHER(bad_total_len), {DROP(ip_total_length)}},
	{ETHER(extensions),
		{.fate = PACKET_FLOW,
			.l3_offset = 14,
			.l3_len = 40 + 56 + 20,
			.l4_offset = 14 + 40 + 56,
			.ip_proto = 6,
			.l4_header_len = 20,
			.tcp_flags = 0x11,
			.bits = MAC6}},
	{ETHER(fragment6_first),
		{.fate = PACKET_FLOW,
			.l3_offset = 14,
			.l3_len = 64,
			.l4_offset = 62,
			.ip_proto = 17,
			.l4_header_len = 8,
			.payload_len = 8,
			.bits = MAC6 | PACKET_FRAGMENT}},
	{ETHER(fragment6_later),
		{.fate = PACKET_FLOW,
			.l3_offset = 14,
			.l3_len = 72,
			.l4_offset = 70,
			.ip_proto = 60,
			.payload_len = 16,
			.bits = MAC6 | PACKET_FRAGMENT | PACKET_LATER}},
	{ETHER(ah6), {FLOW6(14, 51, 0, 24), .bits = MAC6}},
	{ETHER(extension_long),
		{.fate = PACKET_FLOW,
			.l3_offset = 14,
			.l3_len = 40 + 88 + 20,
			.l4_offset = 14 + 40 + 88,
			.ip_proto = 6,
			.l4_header_len = 20,
			.tcp_flags = 0x10,
			.bits = MAC6}},
	{ETHER(extensions_many), {DROP(ip6_extensions)}},
	{ETHER(extensions_too_long), {DROP(ip_total_length)}},
	{ETHER(ndp),
		{.fate = PACKET_NDP,
			.l3_offset = 14,
			.l3_len = 64,
			.l4_offset = 54,
			.ip_proto = 58,
			.l4_header_len = 8,
			.payload_len = 16,
			.bits = MAC6}},
	{ETHER(ndp_fragmented),
		{.fate = PACKET_FLOW,
			.l3_offset = 14,
			.l3_len = 72,
			.l4_offset = 62,
			.ip_proto = 58,
			.l4_header_len = 8,
			.payload_len = 16,
			.bits = MAC6 | PACKET_FRAGMENT}},
	{ETHER(echo6), {FLOW6(14, 58, 8, 16), .bits = MAC6}},
	{ETHER(arp), {.fate = PACKET_ARP, .l3_offset = 14, .bits = MAC}},
	{ETHER(lldp), {.fate = PACKET_CONSUMED, .bits = MAC}},
	{ETHER(stp), {.fate = PACKET_CONSUMED, .bits = MAC}},
	{ETHER(cdp), {.fate = PACKET_CONSUMED, .bits = MAC}},
	{ETHER(snap_ip), {DROP(not_ip)}},
	{ETHER(profinet), {DROP(not_ip)}},
	{ETHER(pppoe_discovery), {.fate = PACKET_CONSUMED, .bits = MAC}},
	{ETHER(vlan), {FLOW4(18, 6, 32, 30), .vlan = 100, .tcp_flags = 0x18, .bits = MAC}},
	{ETHER(vlan_udp6), {FLOW6(18, 17, 8, 25), .vlan = 4095, .bits = MAC6}},
	{ETHER(vlan_stacked), {FLOW4(22, 17, 8, 25), .vlan = 7, .vlan_inner = 100, .bits = MAC}},
	{ETHER(vlan_three), {DROP(vlan_depth)}},
	{ETHER(mpls), {FLOW4(22, 17, 8, 25), .mpls_label = 0x12345, .bits = MAC}},
	{ETHER(mpls6), {FLOW6(22, 17, 8, 25), .vlan = 5, .mpls_label = 77, .bits = MAC6}},
	{ETHER(mpls_pseudowire), {DROP(mpls_payload)}},
	{ETHER(mpls_endless), {DROP(mpls_truncated)}},
	{ETHER(pppoe4),
		{FLOW4(22, 17, 8, 25), .tunnel = TUNNEL_PPPOE, .tunnel_id = 0xabc, .bits = MAC}},
	{ETHER(pppoe6_compressed),
		{FLOW6(21, 17, 8, 25), .tunnel = TUNNEL_PPPOE, .tunnel_id = 0xabc, .bits = MAC6}},
	{ETHER(pppoe_mpls),
		{FLOW4(26, 17, 8, 25), .tunnel = TUNNEL_PPPOE, .tunnel_id = 0xabc, .mpls_label = 9,
			.bits = MAC}},
	{ETHER(pppoe_lcp),
		{.fate = PACKET_CONSUMED, .tunnel = TUNNEL_PPPOE, .tunnel_id = 0xabc, .bits = MAC}},
	{ETHER(pppoe_other), {DROP(not_ip)}},
	{ETHER(pppoe_bad), {DROP(pppoe_malformed)}},
	{ETHER(pppoe_version), {DROP(pppoe_malformed)}},
	{ETHER(short), {DROP(link_truncated)}},
	{"raw_tcp4", LINK_RAW_IP, tcp4_body, {FLOW4(0, 6, 32, 30), .tcp_flags = 0x18}},
	{"raw_udp6", LINK_RAW_IP, udp6_body, {FLOW6(0, 17, 8, 25), .bits = PACKET_IP6}},
	{"raw_other", LINK_RAW_IP, raw_other, {DROP(ip_version)}},
	{"cooked1_tcp4", LINK_COOKED_1, cooked1_tcp4,
		{FLOW4(16, 6, 32, 30), .tcp_flags = 0x18, .bits = PACKET_COOKED_MAC,
			.cooked_mac = COOKED}},
	{"cooked1_vlan", LINK_COOKED_1, cooked1_vlan,
		{FLOW6(20, 17, 8, 25), .vlan = 12, .bits = PACKET_IP6 | PACKET_COOKED_MAC,
			.cooked_mac = COOKED}},
	{"cooked1_stp", LINK_COOKED_1, cooked1_stp,
		{.fate = PACKET_CONSUMED, .bits = PACKET_COOKED_MAC, .cooked_mac = COOKED}},
	{"cooked1_can", LINK_COOKED_1, cooked1_can, {DROP(link_unknown)}},
	{"cooked1_netlink", LINK_COOKED_1, cooked1_netlink, {DROP(link_unknown)}},
	{"cooked1_loopback", LINK_COOKED_1, cooked1_loopback, {FLOW4(16, 17, 8, 25)}},
	{"cooked2_arp", LINK_COOKED_2, cooked2_arp,
		{.fate = PACKET_ARP,
			.l3_offset = 20,
			.bits = PACKET_COOKED_MAC,
			.cooked_mac = COOKED}},
	{"null_little", LINK_NULL, null_little, {FLOW4(4, 17, 8, 25)}},
	{"loop_big", LINK_LOOP, null_big, {FLOW6(4, 17, 8, 25), .bits = PACKET_IP6}},
	{"null_other", LINK_NULL, null_other, {DROP(not_ip)}},
	{"other", LINK_OTHER, tcp4_body, {DROP(link_unknown)}},
};

static volatile uint8_t touched; // so that reads are not left out

// One frame through decode, in memory of exactly its size, so that the sanitizer sees every octet
// read past the end. The bytes are gone afterwards; what was decoded is in `batch`.
static enum drop_reason decode_one(struct packet_batch *batch, enum link_type link,
	const uint8_t *bytes, size_t len, size_t wire_len)
{
	static struct counters counters;
	uint8_t *copy = malloc(len > 0 ? len : 1);
	struct packet *p = &batch->packets[0];

	assert_non_null(copy);
	if (len > 0)
		memcpy(copy, bytes, len);
	memset(&counters, 0, sizeof(counters));
	memset(batch, 0xee, sizeof(*batch)); // decode must set all that is its own
	batch->count = 1;
	batch->link = (uint8_t)link;
	p->data = copy;
	p->cap_len = (uint32_t)len;
	p->wire_len = (uint32_t)wire_len;
	decode_batch(batch, &counters);

	enum drop_reason drop = DROP_NONE;
	uint64_t drops = 0;
	for (unsigned reason = 1; reason < DROP_REASON_COUNT; reason++) {
		drops += counters.value[COUNTER_DROPS + reason];
		if (counters.value[COUNTER_DROPS + reason] > 0)
			drop = (enum drop_reason)reason;
	}
	// Each packet has one fate.
	assert_int_equal(counters.value[COUNTER_packets], 1);
	assert_int_equal(counters.value[COUNTER_bytes], wire_len);
	assert_int_equal(drops, p->fate == PACKET_DROPPED);
	assert_int_equal(counters.value[COUNTER_packets_consumed],
		p->fate == PACKET_ARP || p->fate == PACKET_NDP || p->fate == PACKET_CONSUMED);
	assert_true(p->fate <= PACKET_DROPPED);
	if (p->fate == PACKET_FLOW || p->fate == PACKET_NDP) {
		uint32_t len_there;
		const uint8_t *payload = packet_payload(p, &len_there);
		for (uint32_t i = 0; i < p->l4_header_len; i++)
			touched ^= p->data[p->l4_offset + i];
		for (uint32_t i = 0; i < len_there; i++)
			touched ^= payload[i];
		assert_true(p->l4_offset + p->l4_header_len <= p->cap_len);
		assert_true(len_there <= p->payload_len);
		assert_int_equal(
			!!(p->bits & PACKET_SNAPPED), p->cap_len - p->l3_offset < p->l3_len);
	}
	free(copy);
	return drop;
}

static void golden_frames(void **)
{
	for (size_t i = 0; i < ARRAY_COUNT(golden); i++) {
		const struct golden *g = &golden[i];
		const struct expect *e = &g->expect;
		struct frame f = {0};
		struct packet_batch batch;

		g->build(&f);
		enum drop_reason drop =
			decode_one(&batch, g->link, f.bytes, f.len, f.len + e->wire_extra);
		const struct packet *p = &batch.packets[0];
		const struct packet_extra *extra = &batch.extra[0];
		print_message("%s\n", g->name);
		assert_string_equal(drop_reason_name(drop), drop_reason_name(e->drop));
		assert_int_equal(p->fate, e->fate);
		if (p->fate == PACKET_DROPPED)
			continue;
		assert_int_equal(p->l3_offset, e->l3_offset);
		assert_int_equal(p->l3_len, e->l3_len);
		assert_int_equal(p->l4_offset, e->l4_offset);
		assert_int_equal(p->l4_header_len, e->l4_header_len);
		assert_int_equal(p->payload_len, e->payload_len);
		assert_int_equal(p->vlan, e->vlan);
		assert_int_equal(p->vlan_inner, e->vlan_inner);
		assert_int_equal(p->ip_proto, e->ip_proto);
		assert_int_equal(p->tcp_flags, e->tcp_flags);
		assert_int_equal(p->bits, e->bits);
		assert_int_equal(
			extra->mpls_label, e->mpls_label != 0 ? e->mpls_label : UINT32_MAX);
		assert_int_equal(extra->tunnel, e->tunnel);
		assert_int_equal(extra->tunnel_id, e->tunnel_id);
		assert_memory_equal(extra->cooked_mac, e->cooked_mac, 6);
	}
}

// A frame that was cut by the snap length counts with the length its IP header says as soon as that
// header is there, and keeps its ports as soon as they are.
static void golden_frames_cut(void **)
{
	for (size_t i = 0; i < ARRAY_COUNT(golden); i++) {
		const struct golden *g = &golden[i];
		struct frame f = {0};
		struct packet_batch batch;

		g->build(&f);
		for (size_t cut = 0; cut < f.len; cut++) {
			enum drop_reason drop = decode_one(
				&batch, g->link, f.bytes, cut, f.len + g->expect.wire_extra);
			const struct packet *p = &batch.packets[0];
			if (g->expect.fate == PACKET_DROPPED)
				assert_int_not_equal(drop, DROP_NONE);
			else if (g->expect.fate != PACKET_FLOW && cut > g->expect.l4_offset)
				assert_int_not_equal(p->fate, PACKET_FLOW);
			if (g->expect.fate != PACKET_FLOW)
				continue;
			unsigned l4_offset = g->expect.l4_offset;
			unsigned least =
				g->expect.bits & PACKET_IP6 ? l4_offset : g->expect.l3_offset + 20;
			assert_int_equal(p->fate == PACKET_FLOW, cut >= least);
			if (p->fate != PACKET_FLOW)
				continue;
			assert_int_equal(p->l3_len, g->expect.l3_len);
			assert_int_equal(p->ip_proto, g->expect.ip_proto);
			assert_int_equal(p->l4_offset, MIN(l4_offset, cut));
			assert_int_equal(
				p->l4_header_len, MIN(g->expect.l4_header_len, cut - p->l4_offset));
			if (p->ip_proto == IP_PROTO_TCP && p->l4_header_len >= 20)
				assert_int_equal(p->tcp_flags, g->expect.tcp_flags);
		}
	}
}

// The same frame behind a cooked header, which never goes the straight way.
static void same_by_steps(const uint8_t *bytes, size_t len, size_t wire_len)
{
	struct packet_batch straight, steps;
	uint8_t cooked[sizeof(struct frame) + 2] = {0};

	memcpy(cooked + 14, bytes + 12, len - 12);
	enum drop_reason drop = decode_one(&straight, LINK_ETHERNET, bytes, len, wire_len);
	enum drop_reason drop_steps =
		decode_one(&steps, LINK_COOKED_1, cooked, len + 2, wire_len + 2);
	const struct packet *a = &straight.packets[0], *b = &steps.packets[0];
	// 802.3 lengths and cooked protocols under 0x600 mean different things.
	if ((bytes[12] << 8 | bytes[13]) < 0x600)
		return;
	assert_int_equal(drop, drop_steps);
	assert_int_equal(a->fate, b->fate);
	if (a->fate != PACKET_FLOW)
		return;
	assert_int_equal(a->l3_offset + 2, b->l3_offset);
	assert_int_equal(a->l4_offset + 2, b->l4_offset);
	assert_int_equal(a->l3_len, b->l3_len);
	assert_int_equal(a->payload_len, b->payload_len);
	assert_int_equal(a->l4_header_len, b->l4_header_len);
	assert_int_equal(a->vlan, b->vlan);
	assert_int_equal(a->vlan_inner, b->vlan_inner);
	assert_int_equal(a->ip_proto, b->ip_proto);
	assert_int_equal(a->tcp_flags, b->tcp_flags);
	assert_int_equal(a->bits & ~PACKET_HAS_MAC, b->bits);
	assert_memory_equal(&straight.extra[0], &steps.extra[0], sizeof(struct packet_extra));
}

static void straight_way_equals_steps(void **)
{
	uint64_t random = 1;

	for (size_t i = 0; i < ARRAY_COUNT(golden); i++) {
		if (golden[i].link != LINK_ETHERNET)
			continue;
		struct frame f = {0};
		golden[i].build(&f);
		for (size_t cut = 14; cut <= f.len; cut++)
			same_by_steps(f.bytes, cut, f.len);
		for (unsigned round = 0; round < 2000 && f.len >= 14; round++) {
			struct frame changed = f;
			for (unsigned changes = 0; changes < 3; changes++) {
				random = random * UINT64_C(6364136223846793005) + 1442695;
				size_t at = 12 + (size_t)(random >> 33) % (MIN(f.len, 80u) - 12);
				changed.bytes[at] ^= (uint8_t)(1u << (random >> 61));
			}
			same_by_steps(changed.bytes, f.len, f.len);
		}
	}
}

static void whole_batch(void **)
{
	static struct frame frames[PACKET_BATCH_MAX];
	static struct counters counters;
	static struct packet_batch batch;
	uint64_t flows = 0, consumed = 0, dropped = 0;
	size_t next = 0;

	for (unsigned round = 0; round < 10; round++) {
		batch.count = 0;
		batch.link = LINK_ETHERNET;
		while (batch.count < PACKET_BATCH_MAX - round) {
			const struct golden *g = &golden[next++ % ARRAY_COUNT(golden)];
			if (g->link != LINK_ETHERNET)
				continue;
			struct frame *f = &frames[batch.count];
			struct packet *p = &batch.packets[batch.count++];
			f->len = 0;
			g->build(f);
			p->data = f->bytes;
			p->cap_len = (uint32_t)f->len;
			p->wire_len = (uint32_t)f->len;
			flows += g->expect.fate == PACKET_FLOW;
			dropped += g->expect.fate == PACKET_DROPPED;
			consumed +=
				g->expect.fate != PACKET_FLOW && g->expect.fate != PACKET_DROPPED;
		}
		decode_batch(&batch, &counters);
		for (uint32_t i = 0; i < batch.count; i++)
			flows -= batch.packets[i].fate == PACKET_FLOW;
	}
	for (unsigned reason = 1; reason < DROP_REASON_COUNT; reason++)
		dropped -= counters.value[COUNTER_DROPS + reason];
	assert_int_equal(flows, 0);
	assert_int_equal(dropped, 0);
	assert_int_equal(counters.value[COUNTER_packets_consumed], consumed);
	assert_int_equal(counters.value[COUNTER_packets], 640 - 45);
}

static int write_corpus(const char *folder)
{
	for (size_t i = 0; i < ARRAY_COUNT(golden); i++) {
		char path[512];
		struct frame f = {0};

		put8(&f, golden[i].link);
		put8(&f, golden[i].expect.wire_extra > 0);
		golden[i].build(&f);
		snprintf(path, sizeof(path), "%s/%s", folder, golden[i].name);
		FILE *file = fopen(path, "wb");
		if (file == NULL || fwrite(f.bytes, 1, f.len, file) != f.len || fclose(file) != 0) {
			perror(path);
			return 1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_frames),
		cmocka_unit_test(golden_frames_cut),
		cmocka_unit_test(straight_way_equals_steps),
		cmocka_unit_test(whole_batch),
	};
	if (argc == 3 && strcmp(argv[1], "--corpus") == 0)
		return write_corpus(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
