// Local networks: which addresses are on our side. Prefixes from the settings, from the interface,
// and from router advertisements; neighbours outside of them are known to the bindings.
//
// Ledger's thread only. Memory is fixed.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
	LOCAL_PREFIXES_MAX = 512, // of the settings and the interface
	LOCAL_ANNOUNCED_MAX = 64, // by router advertisements
	LOCAL_ANNOUNCED_LEN_MIN = 32, // no site has more; a lie must not make the Internet local
};

struct local_prefix {
	uint8_t ip[16]; // IPv4 in the first four octets
	uint8_t len;
	bool ip6;
	uint64_t since_ns;
	uint64_t bits[2], mask[2]; // the address's words that count, for comparing
};

struct local_networks {
	struct local_prefix prefixes[LOCAL_PREFIXES_MAX + LOCAL_ANNOUNCED_MAX];
	uint32_t count;
	uint32_t announced;
	// The first prefix that holds addresses which begin with this octet, counted from 1, or 0:
	// of IPv4, of IPv6. Most that are not local end here, most that are meet theirs at once.
	uint16_t first[2][256];
};

// Reads "10.0.0.0/8", "fc00::/7" or a single address. Returns 0 or -EINVAL.
int local_parse(const char *text, struct local_prefix *ret);

// A prefix that stands from the start. Returns 0, or -ENOSPC.
int local_add(struct local_networks *local, const struct local_prefix *prefix);

// A prefix that a router announced (RFC 4861 section 4.6.2). What is too wide, no unicast, or more
// than LOCAL_ANNOUNCED_MAX, is not believed.
void local_announce(
	struct local_networks *local, const uint8_t *ip, uint8_t prefix_len, uint64_t when_ns);

// What is left of the three questions below when the first octets alone do not answer them.
bool local_prefix_holds(
	const struct local_networks *local, const uint8_t *ip, bool ip6, uint64_t known_ns);
bool local_prefix_ends(const struct local_networks *local, const uint8_t *ip);
bool ip6_is_host(const uint8_t *ip);

// Whether a prefix known by `known_ns` holds the address.
static inline bool local_holds(
	const struct local_networks *local, const uint8_t *ip, bool ip6, uint64_t known_ns)
{
	return local->first[ip6][ip[0]] != 0 && local_prefix_holds(local, ip, ip6, known_ns);
}

// Whether an address can be one host's at all: not unspecified, loopback, multicast or broadcast.
static inline bool ip_is_host(const uint8_t *ip, bool ip6)
{
	// 0.0.0.0/8 "this network", loopback, multicast, 255.255.255.255 (RFC 6890).
	return ip6 ? ip6_is_host(ip) : ip[0] != 0 && ip[0] != 127 && ip[0] < 224;
}

// Whether it is the last address of a local IPv4 prefix: a directed broadcast. No prefix of up to
// 30 bits ends otherwise.
static inline bool local_is_broadcast(const struct local_networks *local, const uint8_t *ip)
{
	return (ip[3] & 3) == 3 && local_prefix_ends(local, ip);
}
