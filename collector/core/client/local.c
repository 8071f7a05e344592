// Local networks: which addresses are on our side.
#include "core/client/local.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int local_parse(const char *text, struct local_prefix *ret)
{
	char address[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t len = slash == NULL ? strlen(text) : (size_t)(slash - text);
	struct local_prefix prefix = {.len = 0};

	if (len == 0 || len >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, len);
	address[len] = '\0';
	prefix.ip6 = strchr(address, ':') != NULL;
	if (inet_pton(prefix.ip6 ? AF_INET6 : AF_INET, address, prefix.ip) != 1)
		return -EINVAL;
	unsigned long bits = prefix.ip6 ? 128 : 32;
	if (slash != NULL) {
		char *end;
		if (slash[1] < '0' || slash[1] > '9')
			return -EINVAL;
		unsigned long given = strtoul(slash + 1, &end, 10);
		if (*end != '\0' || given > bits)
			return -EINVAL;
		bits = given;
	}
	prefix.len = (uint8_t)bits;
	*ret = prefix;
	return 0;
}

// An address as two words in memory's order.
static void address_words(const uint8_t *ip, bool ip6, uint64_t words[2])
{
	words[1] = 0;
	if (ip6) {
		memcpy(words, ip, 16);
		return;
	}
	uint32_t four;
	memcpy(&four, ip, 4);
	words[0] = four;
}

static void make_mask(struct local_prefix *p)
{
	uint8_t mask[16] = {0};

	for (unsigned i = 0; i < p->len; i++)
		mask[i / 8] |= (uint8_t)(0x80 >> (i % 8));
	address_words(mask, p->ip6, p->mask);
	address_words(p->ip, p->ip6, p->bits);
	p->bits[0] &= p->mask[0];
	p->bits[1] &= p->mask[1];
}

static void add_prefix(struct local_networks *local, const struct local_prefix *prefix)
{
	struct local_prefix *p = &local->prefixes[local->count++];
	unsigned octets = prefix->len >= 8 ? 1 : 256u >> prefix->len;

	*p = *prefix;
	make_mask(p);
	uint16_t *first = &local->first[p->ip6][p->ip[0] & ~(octets - 1)];
	for (unsigned i = 0; i < octets; i++)
		if (first[i] == 0)
			first[i] = (uint16_t)local->count;
}

static inline bool prefix_holds(const struct local_prefix *p, const uint64_t words[2], bool ip6)
{
	return p->ip6 == ip6 && (words[0] & p->mask[0]) == p->bits[0] &&
		(words[1] & p->mask[1]) == p->bits[1];
}

int local_add(struct local_networks *local, const struct local_prefix *prefix)
{
	if (local->count - local->announced == LOCAL_PREFIXES_MAX)
		return -ENOSPC;
	add_prefix(local, prefix);
	return 0;
}

void local_announce(
	struct local_networks *local, const uint8_t *ip, uint8_t prefix_len, uint64_t when_ns)
{
	if (prefix_len < LOCAL_ANNOUNCED_LEN_MIN || prefix_len > 128 || !ip_is_host(ip, true) ||
		local->announced == LOCAL_ANNOUNCED_MAX)
		return;
	uint64_t words[2];
	address_words(ip, true, words);
	for (uint32_t i = 0; i < local->count; i++) {
		const struct local_prefix *p = &local->prefixes[i];
		if (p->len <= prefix_len && prefix_holds(p, words, true))
			return;
	}
	struct local_prefix announced = {.len = prefix_len, .ip6 = true, .since_ns = when_ns};
	memcpy(announced.ip, ip, 16);
	add_prefix(local, &announced);
	local->announced++;
}

bool local_prefix_holds(
	const struct local_networks *local, const uint8_t *ip, bool ip6, uint64_t known_ns)
{
	uint64_t words[2];

	address_words(ip, ip6, words);
	for (uint32_t i = local->first[ip6][ip[0]] - 1u; i < local->count; i++) {
		const struct local_prefix *p = &local->prefixes[i];
		if (prefix_holds(p, words, ip6) && p->since_ns <= known_ns)
			return true;
	}
	return false;
}

bool ip6_is_host(const uint8_t *ip)
{
	static const uint8_t zero[16];

	if (ip[0] == 0xff)
		return false;
	return memcmp(ip, zero, 15) != 0 || ip[15] > 1;
}

bool local_prefix_ends(const struct local_networks *local, const uint8_t *ip)
{
	uint64_t words[2];
	uint32_t first = local->first[0][ip[0]];

	if (first == 0)
		return false;
	address_words(ip, false, words);
	for (uint32_t i = first - 1; i < local->count; i++) {
		const struct local_prefix *p = &local->prefixes[i];
		// RFC 3021: a /31 has none, and a /32 is one host.
		if (p->len > 30 || !prefix_holds(p, words, false))
			continue;
		uint32_t host = UINT32_MAX >> p->len;
		uint32_t address = (uint32_t)ip[0] << 24 | (uint32_t)ip[1] << 16 |
			(uint32_t)ip[2] << 8 | ip[3];
		if ((address & host) == host)
			return true;
	}
	return false;
}
