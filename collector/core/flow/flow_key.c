// The key of a packet's flow: addresses and ports in canonical order, so that both directions meet.
#include "core/flow/flow_key.h"

#include <string.h>

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

unsigned flow_key_of(struct flow_key *key, const struct packet *p, const struct packet_extra *extra,
	bool vlan_in_key, uint8_t group)
{
	const uint8_t *ip = p->data + p->l3_offset;
	uint16_t source_port = 0, destination_port = 0;
	unsigned reverse;

	if (packet_has_ports(p)) {
		source_port = be16(p->data + p->l4_offset);
		destination_port = be16(p->data + p->l4_offset + 2);
	}
	memset(key->ip, 0, sizeof(key->ip));
	if (p->bits & PACKET_IP6) {
		int order = memcmp(ip + 8, ip + 24, 16);
		reverse = order > 0 || (order == 0 && source_port > destination_port);
		memcpy(key->ip[reverse], ip + 8, 16);
		memcpy(key->ip[!reverse], ip + 24, 16);
		key->ip_version = 6;
	} else {
		int order = memcmp(ip + 12, ip + 16, 4);
		reverse = order > 0 || (order == 0 && source_port > destination_port);
		memcpy(key->ip[reverse], ip + 12, 4);
		memcpy(key->ip[!reverse], ip + 16, 4);
		key->ip_version = 4;
	}
	key->port[reverse] = source_port;
	key->port[!reverse] = destination_port;
	key->vlan = vlan_in_key ? p->vlan : 0;
	key->vlan_inner = vlan_in_key ? p->vlan_inner : 0;
	key->tunnel_id = extra->tunnel_id;
	key->ip_proto = p->ip_proto;
	key->tunnel = extra->tunnel;
	key->group = group;
	return reverse;
}

uint64_t flow_key_hash(const struct hash_key *hash_key, const struct flow_key *key)
{
	uint64_t words[6];

	memcpy(words, key, sizeof(words));
	if (key->ip_version == 6)
		return hash_words(hash_key, words, 6);
	// Of an IPv4 key half is zero: both addresses fit one word.
	words[3] = words[0] << 32 | words[2];
	return hash_words(hash_key, words + 3, 3);
}
