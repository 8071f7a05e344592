// The program that shares packets out, run by libpcap's interpreter: both directions of random
// flows of each encapsulation come to one shard, first fragments with them, and the shards get
// equal parts.
#include "capture/fanout_program.h"

#include "core/base/compiler.h"
#include "core/packet/packet.h"

#include <pcap/pcap.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// As the test's buffers have it: the EtherType first.
static const struct fanout_layout layout = {.type_at = 0, .rest_at = 2};

static struct fanout_insn program[FANOUT_INSNS_MAX];
static size_t length;

struct frame {
	uint8_t bytes[256];
	uint32_t len;
};

struct tuple {
	uint8_t ip[2][16]; // source, destination; the first four octets are IPv4's
	uint8_t port[2][2];
	uint8_t proto;
};

static uint64_t state = 1;

static uint8_t random_octet(void)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint8_t)(state >> 56);
}

static void put(struct frame *f, const void *bytes, uint32_t len)
{
	memcpy(f->bytes + f->len, bytes, len);
	f->len += len;
}

#define PUT(f, ...) put(f, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

// Ethertype and what follows it, up to IP.
static void put_link(struct frame *f, unsigned kind, bool ip6)
{
	uint8_t type[2] = {ip6 ? 0x86 : 0x08, ip6 ? 0xdd : 0x00};
	uint8_t label[4] = {random_octet(), random_octet(), 0x00, 64};

	f->len = 0;
	switch (kind) {
	case 1: // 802.1Q
		PUT(f, 0x81, 0, 0x20, 7);
		break;
	case 2: // 802.1ad
		PUT(f, 0x88, 0xa8, 0, 7, 0x81, 0, 0, 8);
		break;
	case 3: // MPLS, three labels
		PUT(f, 0x88, 0x47);
		put(f, label, 4);
		put(f, label, 4);
		PUT(f, 0, 1, 1, 64);
		return;
	case 4: // PPPoE
		PUT(f, 0x88, 0x64, 0x11, 0, 0, 9, 0, 99, 0, ip6 ? 0x57 : 0x21);
		return;
	case 5: // PPPoE with a compressed protocol, in a VLAN
		PUT(f, 0x91, 0, 0, 7, 0x88, 0x64, 0x11, 0, 0, 9, 0, 99, ip6 ? 0x57 : 0x21);
		return;
	case 6: // MPLS in PPPoE
		PUT(f, 0x88, 0x64, 0x11, 0, 0, 9, 0, 99, 0x02, 0x81, 0, 1, 1, 64);
		return;
	default:
		break;
	}
	put(f, type, 2);
}
enum { LINK_KINDS = 7 };

// `fragment`: offset in octets / 8, and whether more follow. `more`: IPv4 options, IPv6 extensions.
static void put_ip(struct frame *f, const struct tuple *t, bool ip6, bool reverse,
	uint16_t fragment, bool first, bool more)
{
	const uint8_t *source = t->ip[reverse], *destination = t->ip[!reverse];
	bool part = fragment > 0 || first;

	if (ip6) {
		PUT(f, 0x60, random_octet(), random_octet(), 1, 0, 40,
			more           ? 0
				: part ? 44
				       : t->proto,
			64);
		put(f, source, 16);
		put(f, destination, 16);
		if (more) // hop by hop of 16 octets, destination options of 8
			PUT(f, 60, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
				part ? 44 : t->proto, 0, 1, 4, 0, 0, 0, 0);
		if (part)
			PUT(f, t->proto, 0, (uint8_t)(fragment >> 5),
				(uint8_t)(fragment << 3 | first), 1, 2, 3, random_octet());
	} else {
		PUT(f, more ? 0x47 : 0x45, 0, 0, 60, random_octet(), random_octet(),
			(uint8_t)(fragment >> 8 | (first ? 0x20 : 0x40)), (uint8_t)fragment, 64,
			t->proto, 0, 0);
		put(f, source, 4);
		put(f, destination, 4);
		if (more)
			PUT(f, 1, 1, 1, 1, 1, 1, 1, 0);
	}
	if (fragment == 0) {
		put(f, t->port[reverse], 2);
		put(f, t->port[!reverse], 2);
	}
	for (unsigned i = 0; i < 16; i++)
		PUT(f, random_octet());
}

static uint32_t run(const struct frame *f, uint32_t len)
{
	return bpf_filter((const struct bpf_insn *)(const void *)program, f->bytes, len, len);
}

static struct tuple random_tuple(void)
{
	static const uint8_t protos[] = {
		IP_PROTO_TCP, IP_PROTO_UDP, IP_PROTO_SCTP, IP_PROTO_UDP_LITE, IP_PROTO_ICMP, 47};
	struct tuple t;

	for (unsigned i = 0; i < sizeof(t); i++)
		((uint8_t *)&t)[i] = random_octet();
	t.proto = protos[random_octet() % ARRAY_COUNT(protos)];
	return t;
}

static bool has_ports(const struct tuple *t)
{
	return t->proto != IP_PROTO_ICMP && t->proto != 47;
}

static uint32_t shard_of(const struct tuple *t, unsigned kind, bool ip6, bool reverse,
	uint16_t fragment, bool first, bool more)
{
	struct frame f;

	put_link(&f, kind, ip6);
	put_ip(&f, t, ip6, reverse, fragment, first, more);
	return run(&f, f.len);
}

static int make(void **)
{
	length = fanout_program_make(program, &layout, UINT64_C(0x9e3779b97f4a7c15));
	print_message("%zu instructions\n", length);
	return bpf_validate((const struct bpf_insn *)(const void *)program, (int)length) ? 0 : -1;
}

static void both_directions(void **)
{
	for (unsigned i = 0; i < 20000; i++) {
		struct tuple t = random_tuple();
		unsigned kind = i % LINK_KINDS;
		bool ip6 = i / LINK_KINDS % 2, more = random_octet() & 1;
		uint32_t there = shard_of(&t, kind, ip6, false, 0, false, more);

		assert_int_equal(shard_of(&t, kind, ip6, true, 0, false, !more), there);
		// The first fragment of a packet goes with its flow, and knows its way through
		// another encapsulation.
		assert_int_equal(shard_of(&t, kind, ip6, true, 0, true, more), there);
		assert_int_equal(
			shard_of(&t, (kind + 1) % LINK_KINDS, ip6, false, 0, false, more), there);
		// The later ones go together: they have no ports.
		uint32_t later = shard_of(&t, kind, ip6, false, 1 + random_octet(), true, more);
		assert_int_equal(shard_of(&t, kind, ip6, true, 700, false, !more), later);
		if (!has_ports(&t))
			assert_int_equal(later, there);
	}
}

// Of random flows, of hosts in a row that talk to one server, of the ports of one pair of hosts.
static void equal_parts(void **)
{
	enum { FLOWS = 20000 };

	for (unsigned shards = 2; shards <= 7; shards++)
		for (unsigned kind = 0; kind < 6; kind++) {
			unsigned counts[7] = {0};
			struct tuple t = random_tuple();
			t.proto = IP_PROTO_TCP;
			for (unsigned i = 0; i < FLOWS; i++) {
				uint8_t high = (uint8_t)(i >> 8), low = (uint8_t)i;
				if (kind < 2)
					t = random_tuple();
				else if (kind < 4)
					t.ip[0][2] = t.ip[0][14] = high,
					t.ip[0][3] = t.ip[0][15] = low;
				else
					t.port[0][0] = high, t.port[0][1] = low;
				counts[shard_of(&t, 0, kind & 1, false, 0, false, false) %
					shards]++;
			}
			for (unsigned s = 0; s < shards; s++)
				assert_in_range(counts[s], FLOWS / shards * 8 / 10,
					FLOWS / shards * 12 / 10);
		}
}

// Neighbours that talk in pairs have one XOR; they are not one to us.
static void pairs_of_neighbours(void **)
{
	unsigned counts[4] = {0};

	for (unsigned i = 0; i < 4096; i++) {
		struct tuple t = {.proto = IP_PROTO_ICMP};
		t.ip[0][0] = t.ip[1][0] = 10;
		t.ip[0][2] = t.ip[1][2] = (uint8_t)(i >> 7);
		t.ip[0][3] = (uint8_t)(2 * i);
		t.ip[1][3] = (uint8_t)(2 * i + 1);
		counts[shard_of(&t, 0, false, false, 0, false, false) % 4]++;
	}
	for (unsigned s = 0; s < 4; s++)
		assert_in_range(counts[s], 700, 1350);
}

// Cut anywhere, and of nothing that is known, frames come to some shard, and the program to an end.
static void cut_frames(void **)
{
	for (unsigned i = 0; i < 4000; i++) {
		struct tuple t = random_tuple();
		struct frame f;
		put_link(&f, i % LINK_KINDS, i & 1);
		put_ip(&f, &t, i & 1, false, 0, false, true);
		if (i & 2)
			f.bytes[random_octet() % f.len] ^= random_octet();
		for (uint32_t len = 0; len <= f.len; len++)
			run(&f, len);
	}
	struct frame arp = {.bytes = {8, 6, 1, 2, 3, 4}, .len = 60};
	assert_int_equal(run(&arp, arp.len), 0);
}

static void keys_differ(void **)
{
	struct fanout_insn other[FANOUT_INSNS_MAX];
	unsigned same = 0;

	assert_int_equal(fanout_program_make(other, &layout, UINT64_C(0x123456789abcdef1)), length);
	for (unsigned i = 0; i < 1000; i++) {
		struct tuple t = random_tuple();
		struct frame f;
		put_link(&f, 0, false);
		put_ip(&f, &t, false, false, 0, false, false);
		uint32_t one = run(&f, f.len);
		uint32_t two = bpf_filter(
			(const struct bpf_insn *)(const void *)other, f.bytes, f.len, f.len);
		same += one % 2 == two % 2;
	}
	assert_in_range(same, 400, 600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_directions),
		cmocka_unit_test(equal_parts),
		cmocka_unit_test(pairs_of_neighbours),
		cmocka_unit_test(cut_frames),
		cmocka_unit_test(keys_differ),
	};

	return cmocka_run_group_tests(tests, make, NULL);
}
