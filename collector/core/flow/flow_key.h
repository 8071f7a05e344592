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

// Both addresses of an IPv4 header as they stand, turned round if `reverse`: the first word's and
// the third word's four octets.
static inline void flow_key_ip4_pair(uint64_t words[5], const uint8_t *ip, bool reverse)
{
	unsigned turn = reverse ? 32 : 0;
	uint64_t pair;

	memcpy(&pair, ip + 12, sizeof(pair));
	pair = pair << turn | pair >> (-turn & 63);
	words[0] = FLOW_KEY_SHIFT(0, 4) == 0 ? (uint32_t)pair : pair & ~(uint64_t)UINT32_MAX;
	words[2] = FLOW_KEY_SHIFT(0, 4) == 0 ? pair >> 32 : pair << 32;
}

// Two ports, `ports` the source's above the destination's, as the fifth word has them.
static inline uint64_t flow_key_ports(uint32_t ports, bool reverse)
{
	// The lower half is the first end's where the key's octets run up from it.
	unsigned turn = reverse == (FLOW_KEY_SHIFT(0, 4) == 0) ? 0 : 16;

	return (uint64_t)(ports << turn | ports >> (-turn & 31)) << FLOW_KEY_SHIFT(0, 4);
}

// The two addresses and ports, in order. Which way a packet runs is anybody's guess, so there is no
// branch on it: what is turned is rotated, by nothing or by half.
static inline unsigned flow_key_ip4(uint64_t words[5], const uint8_t *ip, uint32_t ports)
{
	uint32_t source = flow_key_u32(ip + 12), destination = flow_key_u32(ip + 16);
	bool reverse = source > destination;

	if (unlikely(source == destination))
		reverse = ports >> 16 > (ports & 0xffff);
	flow_key_ip4_pair(words, ip, reverse);
	words[1] = words[3] = 0;
	words[4] = flow_key_ports(ports, reverse);
	return reverse;
}

static inline unsigned flow_key_ip6(uint64_t words[5], const uint8_t *ip, uint32_t ports)
{
	int order = memcmp(ip + 8, ip + 24, 16);
	bool reverse = order > 0 || (order == 0 && ports >> 16 > (ports & 0xffff));

	memcpy(words, ip + (reverse ? 24 : 8), 16);
	memcpy(words + 2, ip + (reverse ? 8 : 24), 16);
	words[4] = flow_key_ports(ports, reverse);
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

	static_assert(offsetof(struct packet, vlan_inner) == offsetof(struct packet, vlan) + 2);
	static_assert(offsetof(struct flow_key, port) == 32 &&
		offsetof(struct flow_key, tunnel_id) == 40 &&
		offsetof(struct flow_key, ip_proto) == 44);
	if (packet_has_ports(packet))
		ports = flow_key_u32(packet->data + packet->l4_offset);
	unsigned reverse =
		unlikely(ip6) ? flow_key_ip6(words, ip, ports) : flow_key_ip4(words, ip, ports);
	if (vlan_in_key) {
		uint32_t tags; // both
		memcpy(&tags, &packet->vlan, sizeof(tags));
		words[4] |= (uint64_t)tags << FLOW_KEY_SHIFT(4, 4);
	}
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
