// A program that shares packets out: fanout_program.h.
//
// Classic BPF has an accumulator A, an index X, sixteen words of memory and jumps ahead only. X
// holds the offset of the header at hand throughout; loops are written out as often as they may
// turn.
#include "capture/fanout_program.h"

#include "core/base/compiler.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

enum { VLAN_TAGS_MAX = 2, MPLS_LABELS_MAX = 16, EXTENSIONS_MAX = 16 }; // as in decode
enum { SHARD_0 = 0 }; // where what is of no flow goes

enum {
	ETHER_IP4 = 0x0800,
	ETHER_IP6 = 0x86dd,
	ETHER_VLAN = 0x8100,
	ETHER_VLAN_SERVICE = 0x88a8,
	ETHER_VLAN_OLD = 0x9100,
	ETHER_MPLS = 0x8847,
	ETHER_MPLS_MULTICAST = 0x8848,
	ETHER_PPPOE_SESSION = 0x8864,
};

// Words of the program's memory.
enum { AT_KEPT, AT_HASH, AT_WORD };

struct maker {
	struct fanout_insn *program;
	size_t count;
	uint32_t rest_at;
	uint32_t factor; // odd
};

// Jumps to one place ahead, which land() makes known.
struct jumps {
	size_t at[2 * EXTENSIONS_MAX + 2];
	size_t count;
};

static void emit(struct maker *m, uint16_t code, uint32_t k)
{
	REQUIRE(m->count < FANOUT_INSNS_MAX);
	m->program[m->count++] = (struct fanout_insn){.code = code, .k = k};
}

static void branch(struct maker *m, uint16_t condition, uint32_t k, uint8_t yes, uint8_t no)
{
	emit(m, BPF_JMP | condition | BPF_K, k);
	m->program[m->count - 1].jump_true = yes;
	m->program[m->count - 1].jump_false = no;
}

static void jump(struct maker *m, struct jumps *to)
{
	REQUIRE(to->count < ARRAY_COUNT(to->at));
	to->at[to->count++] = m->count;
	emit(m, BPF_JMP | BPF_JA, 0);
}

static void jump_if(struct maker *m, uint16_t condition, uint32_t k, struct jumps *to)
{
	branch(m, condition, k, 0, 1);
	jump(m, to);
}

static void jump_unless(struct maker *m, uint16_t condition, uint32_t k, struct jumps *to)
{
	branch(m, condition, k, 1, 0);
	jump(m, to);
}

// Here is where they lead to.
static void land(struct maker *m, struct jumps *from)
{
	for (size_t i = 0; i < from->count; i++)
		m->program[from->at[i]].k = (uint32_t)(m->count - from->at[i] - 1);
	from->count = 0;
}

// A: the number of `size` (BPF_B, BPF_H, BPF_W) at `offset` in the header at hand.
static void load(struct maker *m, uint16_t size, uint32_t offset)
{
	emit(m, BPF_LD | size | BPF_IND, m->rest_at + offset);
}

static void set(struct maker *m, uint32_t value)
{
	emit(m, BPF_LD | BPF_IMM, value);
}

static void calculate(struct maker *m, uint16_t operation, uint32_t k)
{
	emit(m, BPF_ALU | operation | BPF_K, k);
}

static void calculate_x(struct maker *m, uint16_t operation)
{
	emit(m, BPF_ALU | operation | BPF_X, 0);
}

static void store(struct maker *m, uint32_t word)
{
	emit(m, BPF_ST, word);
}

static void recall(struct maker *m, uint32_t word)
{
	emit(m, BPF_LD | BPF_MEM, word);
}

static void recall_x(struct maker *m, uint32_t word)
{
	emit(m, BPF_LDX | BPF_MEM, word);
}

static void store_x(struct maker *m, uint32_t word)
{
	emit(m, BPF_STX, word);
}

static void give(struct maker *m, uint32_t value)
{
	emit(m, BPF_RET | BPF_K, value);
}

// X goes `octets` on; A stays.
static void advance(struct maker *m, uint32_t octets)
{
	store(m, AT_KEPT);
	emit(m, BPF_MISC | BPF_TXA, 0);
	calculate(m, BPF_ADD, octets);
	emit(m, BPF_MISC | BPF_TAX, 0);
	recall(m, AT_KEPT);
}

// X goes on by A.
static void advance_by(struct maker *m)
{
	calculate_x(m, BPF_ADD);
	emit(m, BPF_MISC | BPF_TAX, 0);
}

// A: the first of two words, XOR or plus the other, which stands at AT_WORD: either way round.
static void with_other(struct maker *m, uint16_t operation)
{
	store_x(m, AT_KEPT);
	recall_x(m, AT_WORD);
	calculate_x(m, operation);
	recall_x(m, AT_KEPT);
}

// A into the hash.
static void mix(struct maker *m)
{
	store_x(m, AT_KEPT);
	recall_x(m, AT_HASH);
	calculate_x(m, BPF_ADD);
	calculate(m, BPF_MUL, m->factor);
	store(m, AT_HASH);
	recall_x(m, AT_KEPT);
}

// ---- what stands before IP; A: the EtherType, which each leaves for what follows

static void vlan_tags(struct maker *m)
{
	struct jumps done = {0};

	for (unsigned i = 0; i < VLAN_TAGS_MAX; i++) {
		branch(m, BPF_JEQ, ETHER_VLAN, 3, 0);
		branch(m, BPF_JEQ, ETHER_VLAN_SERVICE, 2, 0);
		jump_unless(m, BPF_JEQ, ETHER_VLAN_OLD, &done);
		load(m, BPF_H, 2);
		advance(m, 4);
	}
	land(m, &done);
}

static void pppoe(struct maker *m)
{
	enum { PPP_IP4 = 0x21, PPP_IP6 = 0x57, PPP_MPLS = 0x281, PPP_MPLS_MULTICAST = 0x283 };
	static const uint32_t types[][2] = {{PPP_IP4, ETHER_IP4}, {PPP_IP6, ETHER_IP6},
		{PPP_MPLS, ETHER_MPLS}, {PPP_MPLS_MULTICAST, ETHER_MPLS}};
	struct jumps other = {0}, compressed = {0}, known = {0}, done = {0};

	jump_unless(m, BPF_JEQ, ETHER_PPPOE_SESSION, &other);
	load(m, BPF_B, 6);
	jump_if(m, BPF_JSET, 1, &compressed); // an odd first octet is all of the protocol
	load(m, BPF_H, 6);
	advance(m, 8);
	jump(m, &known);
	land(m, &compressed);
	advance(m, 7);
	land(m, &known);
	for (size_t i = 0; i < ARRAY_COUNT(types); i++) {
		branch(m, BPF_JEQ, types[i][0], 0, 2);
		set(m, types[i][1]);
		jump(m, &done);
	}
	give(m, SHARD_0);
	land(m, &done);
	land(m, &other);
}

// What a stack carries is IP by its version.
static void mpls(struct maker *m)
{
	struct jumps other = {0}, bottom = {0}, done = {0};

	branch(m, BPF_JEQ, ETHER_MPLS, 2, 0);
	jump_unless(m, BPF_JEQ, ETHER_MPLS_MULTICAST, &other);
	for (unsigned i = 0; i < MPLS_LABELS_MAX; i++) {
		load(m, BPF_W, 0);
		advance(m, 4);
		jump_if(m, BPF_JSET, 0x100, &bottom);
	}
	give(m, SHARD_0);
	land(m, &bottom);
	load(m, BPF_B, 0);
	calculate(m, BPF_RSH, 4);
	branch(m, BPF_JEQ, 4, 0, 2);
	set(m, ETHER_IP4);
	jump(m, &done);
	branch(m, BPF_JEQ, 6, 0, 2);
	set(m, ETHER_IP6);
	jump(m, &done);
	give(m, SHARD_0);
	land(m, &done);
	land(m, &other);
}

// ---- IP

static void mix_addresses(struct maker *m, uint32_t source, uint32_t destination, uint32_t words)
{
	for (uint32_t i = 0; i < words; i++) {
		load(m, BPF_W, source + 4 * i);
		store(m, AT_WORD);
		load(m, BPF_W, destination + 4 * i);
		with_other(m, BPF_XOR);
		mix(m);
	}
	// Many pairs of neighbours have the same XOR.
	load(m, BPF_W, destination + 4 * (words - 1));
	with_other(m, BPF_ADD);
	mix(m);
}

// A: the transport protocol; X: its header.
static void ports(struct maker *m)
{
	enum { TCP = 6, UDP = 17, SCTP = 132, UDP_LITE = 136 };
	struct jumps none = {0};

	branch(m, BPF_JEQ, TCP, 4, 0);
	branch(m, BPF_JEQ, UDP, 3, 0);
	branch(m, BPF_JEQ, SCTP, 2, 0);
	jump_unless(m, BPF_JEQ, UDP_LITE, &none);
	load(m, BPF_H, 0);
	store(m, AT_WORD);
	load(m, BPF_H, 2);
	with_other(m, BPF_XOR);
	mix(m);
	load(m, BPF_H, 2);
	with_other(m, BPF_ADD);
	mix(m);
	land(m, &none);
}

// The high bits, which all others have gone into, come down: the kernel takes a remainder.
static void finish(struct maker *m)
{
	recall(m, AT_HASH);
	calculate(m, BPF_RSH, 15);
	recall_x(m, AT_HASH);
	calculate_x(m, BPF_XOR);
	calculate(m, BPF_MUL, m->factor);
	calculate(m, BPF_RSH, 16);
	emit(m, BPF_RET | BPF_A, 0);
}

// RFC 791 section 3.1.
static void ip4(struct maker *m)
{
	struct jumps later = {0};

	mix_addresses(m, 12, 16, 1);
	load(m, BPF_H, 6);
	jump_if(m, BPF_JSET, 0x1fff, &later);
	load(m, BPF_B, 9);
	store(m, AT_WORD);
	load(m, BPF_B, 0);
	calculate(m, BPF_AND, 0xf);
	calculate(m, BPF_LSH, 2);
	advance_by(m);
	recall(m, AT_WORD);
	ports(m);
	land(m, &later);
	finish(m);
}

// RFC 8200 section 4. A: what follows; X: where that begins.
static void extensions(struct maker *m, struct jumps *later)
{
	enum { HOP_BY_HOP = 0, ROUTING = 43, FRAGMENT = 44, DESTINATION = 60 };

	struct jumps done = {0};
	for (unsigned i = 0; i < EXTENSIONS_MAX; i++) {
		struct jumps sized = {0}, next = {0};
		branch(m, BPF_JEQ, HOP_BY_HOP, 5, 0);
		branch(m, BPF_JEQ, ROUTING, 4, 0);
		branch(m, BPF_JEQ, DESTINATION, 3, 0);
		branch(m, BPF_JEQ, FRAGMENT, 1, 0);
		jump(m, &done);
		jump(m, &sized);
		load(m, BPF_B, 0);
		store(m, AT_WORD);
		load(m, BPF_B, 1);
		calculate(m, BPF_LSH, 3);
		calculate(m, BPF_ADD, 8);
		advance_by(m);
		recall(m, AT_WORD);
		jump(m, &next);
		land(m, &sized);
		load(m, BPF_H, 2);
		jump_if(m, BPF_JSET, 0xfff8, later);
		load(m, BPF_B, 0);
		advance(m, 8);
		land(m, &next);
	}
	land(m, &done);
}

static void ip6(struct maker *m)
{
	struct jumps later = {0};

	mix_addresses(m, 8, 24, 4);
	load(m, BPF_B, 6);
	advance(m, 40);
	extensions(m, &later);
	ports(m);
	land(m, &later);
	finish(m);
}

size_t fanout_program_make(struct fanout_insn program[FANOUT_INSNS_MAX],
	const struct fanout_layout *layout, uint64_t key)
{
	struct maker m = {
		.program = program,
		.rest_at = layout->rest_at,
		.factor = (uint32_t)(key >> 32) | 1,
	};
	struct jumps not_ip4 = {0};

	set(&m, (uint32_t)key);
	store(&m, AT_HASH);
	emit(&m, BPF_LDX | BPF_IMM, 0);
	emit(&m, BPF_LD | BPF_H | BPF_ABS, layout->type_at);
	vlan_tags(&m);
	pppoe(&m);
	mpls(&m);
	jump_unless(&m, BPF_JEQ, ETHER_IP4, &not_ip4);
	ip4(&m);
	land(&m, &not_ip4);
	branch(&m, BPF_JEQ, ETHER_IP6, 1, 0);
	give(&m, SHARD_0);
	ip6(&m);
	return m.count;
}

int fanout_program_attach(int fd, uint64_t key)
{
	// A driver or the kernel may have taken a VLAN tag off; the type is of what is left then.
	static const struct fanout_layout layout = {
		.type_at = (uint32_t)(SKF_AD_OFF + SKF_AD_PROTOCOL),
		.rest_at = (uint32_t)SKF_NET_OFF,
	};
	struct fanout_insn program[FANOUT_INSNS_MAX];
	static_assert(sizeof(struct fanout_insn) == sizeof(struct sock_filter));
	struct sock_fprog filter = {
		.len = (unsigned short)fanout_program_make(program, &layout, key),
		.filter = (struct sock_filter *)(void *)program,
	};

	return setsockopt(fd, SOL_PACKET, PACKET_FANOUT_DATA, &filter, sizeof(filter)) != 0 ? -errno
											    : 0;
}
