// The key of a packet's flow.
#pragma once

#include "core/base/hash.h"
#include "core/flow/flow.h"

// Fills `key` (all 48 octets) from a decoded packet. Returns 1 when the packet's source is the
// key's second end, else 0.
unsigned flow_key_of(struct flow_key *key, const struct packet *packet,
	const struct packet_extra *extra, bool vlan_in_key, uint8_t group);

uint64_t flow_key_hash(const struct hash_key *hash_key, const struct flow_key *key);

static inline bool flow_key_equal(const struct flow_key *a, const struct flow_key *b)
{
	const uint64_t *x = (const uint64_t *)(const void *)a,
		       *y = (const uint64_t *)(const void *)b;

	return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]) | (x[4] ^ y[4]) |
		       (x[5] ^ y[5])) == 0;
}
