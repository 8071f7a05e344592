// The key of a packet's flow: addresses and ports in canonical order, so that both directions meet.
#pragma once

#include "core/base/hash.h"
#include "core/flow/flow.h"

#include <string.h>

// How far a field of `octets`, `at` octets into a word of the key, is shifted in that word.
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define FLOW_KEY_SHIFT(at, octets) (8 * (at))
#else
#define FLOW_KEY_SHIFT(at, octets) (64 - 8 * ((at) + (octets)))
#endif

static inline uint32_t flow_key_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

// The integer that stands in memory as `value` does in network order.
static inline uint64_t flow_key_be32(uint32_t value)
{
	return FLOW_KEY_SHIFT(0, 4) == 0 ? __builtin_bswap32(value) : (uint64_t)value << 32;
}

// The two addresses and ports, in order. `ports`: the source's above the destination's. Which way a
// packet runs is anybody's guess, so there is no branch on it.
static inline unsigned flow_key_ip4(uint64_t words[5], const uint8_t *ip, uint32_t ports)
{
	uint64_t source = (uint64_t)flow_key_u32(ip + 12) << 16 | ports >> 16;
	uint64_t destination = (uint64_t)flow_key_u32(ip + 16) << 16 | (ports & 0xffff);
	uint64_t first = MIN(source, destination), second = MAX(source, destination);

	words[0] = flow_key_be32((uint32_t)(first >> 16));
	words[1] = 0;
	words[2] = flow_key_be32((uint32_t)(second >> 16));
	words[3] = 0;
	words[4] = (first & 0xffff) << FLOW_KEY_SHIFT(0, 2) |
		(second & 0xffff) << FLOW_KEY_SHIFT(2, 2);
	return source > destination;
}

static inline unsigned flow_key_ip6(uint64_t words[5], const uint8_t *ip, uint32_t ports)
{
	uint64_t source_port = ports >> 16, destination_port = ports & 0xffff;
	int order = memcmp(ip + 8, ip + 24, 16);
	bool reverse = order > 0 || (order == 0 && source_port > destination_port);

	memcpy(words, ip + (reverse ? 24 : 8), 16);
	memcpy(words + 2, ip + (reverse ? 8 : 24), 16);
	words[4] = (reverse ? destination_port : source_port) << FLOW_KEY_SHIFT(0, 2) |
		(reverse ? source_port : destination_port) << FLOW_KEY_SHIFT(2, 2);
	return reverse;
}

// Fills `key` (all 48 octets) from a decoded packet. Returns 1 when the packet's source is the
// key's second end, else 0. Put together in words, as it is read later: a word that is read from
// octets just written waits for them.
static inline unsigned flow_key_of(struct flow_key *key, const struct packet *packet,
	const struct packet_extra *extra, bool vlan_in_key, uint8_t group)
{
	const uint8_t *ip = packet->data + packet->l3_offset;
	uint64_t *words = (uint64_t *)(void *)key;
	bool ip6 = packet->bits & PACKET_IP6;
	uint32_t ports = 0;

	static_assert(offsetof(struct flow_key, port) == 32 &&
		offsetof(struct flow_key, tunnel_id) == 40 &&
		offsetof(struct flow_key, ip_proto) == 44);
	if (packet_has_ports(packet))
		ports = flow_key_u32(packet->data + packet->l4_offset);
	unsigned reverse =
		unlikely(ip6) ? flow_key_ip6(words, ip, ports) : flow_key_ip4(words, ip, ports);
	if (vlan_in_key)
		words[4] |= (uint64_t)packet->vlan << FLOW_KEY_SHIFT(4, 2) |
			(uint64_t)packet->vlan_inner << FLOW_KEY_SHIFT(6, 2);
	words[5] = (uint64_t)extra->tunnel_id << FLOW_KEY_SHIFT(0, 4) |
		(uint64_t)packet->ip_proto << FLOW_KEY_SHIFT(4, 1) |
		(ip6 ? UINT64_C(6) : UINT64_C(4)) << FLOW_KEY_SHIFT(5, 1) |
		(uint64_t)extra->tunnel << FLOW_KEY_SHIFT(6, 1) |
		(uint64_t)group << FLOW_KEY_SHIFT(7, 1);
	return reverse;
}

// What is hashed of an IPv4 key, half of which is zero: both addresses fit one word.
enum { FLOW_KEY_IP4_WORDS = 3 };
static inline uint64_t flow_key_ip4_word(const struct flow_key *key, unsigned number)
{
	const uint64_t *words = (const uint64_t *)(const void *)key;

	return number == 0 ? words[0] << 32 | words[2] : words[3 + number];
}

static inline uint64_t flow_key_hash(const struct hash_key *hash_key, const struct flow_key *key)
{
	uint64_t words[FLOW_KEY_IP4_WORDS];

	if (key->ip_version == 6)
		return hash_words(hash_key, (const uint64_t *)(const void *)key, 6);
	for (unsigned i = 0; i < FLOW_KEY_IP4_WORDS; i++)
		words[i] = flow_key_ip4_word(key, i);
	return hash_words(hash_key, words, FLOW_KEY_IP4_WORDS);
}

static inline bool flow_key_equal(const struct flow_key *a, const struct flow_key *b)
{
	const uint64_t *x = (const uint64_t *)(const void *)a,
		       *y = (const uint64_t *)(const void *)b;

	return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]) | (x[4] ^ y[4]) |
		       (x[5] ^ y[5])) == 0;
}
