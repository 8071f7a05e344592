// How the kernel shares packets out to shards by a program of ours (PACKET_FANOUT_CBPF): a
// symmetric hash of what tells flows apart, found as core/packet/decode finds it, and no deeper:
// two VLAN tags, MPLS, PPPoE, IPv4, IPv6 and its extensions; addresses, and ports where there are
// any. So both directions of a flow, and its first fragments, meet on one shard; later fragments,
// which have no ports and are a flow of their own, go by their addresses.
//
// The kernel's own hash does not know MPLS, which is all one to it, and takes first fragments for
// something else than their flow.
#pragma once

#include <stddef.h>
#include <stdint.h>

// As struct sock_filter and struct bpf_insn: the header of either does not go with the other's.
struct fanout_insn {
	uint16_t code;
	uint8_t jump_true, jump_false;
	uint32_t k;
};

enum { FANOUT_INSNS_MAX = 1024 };

// Where the program finds the EtherType, and what follows it.
struct fanout_layout {
	uint32_t type_at, rest_at;
};

// Writes the program and returns its length. Any `key`; the same for all queues whose packets must
// agree.
size_t fanout_program_make(struct fanout_insn program[FANOUT_INSNS_MAX],
	const struct fanout_layout *layout, uint64_t key);

// Gives the program to the fanout group that the packet socket belongs to. Returns 0 or -errno.
int fanout_program_attach(int fd, uint64_t key);
