// The set of those of whom nothing may be learned: MAC addresses and subnets that the policy
// excludes. A shard asks it once, when a flow begins; an excluded flow gets no DPI and no names.
//
// Made from the policy at start, then only read: any thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct excluded_subnet {
	uint8_t ip[16]; // IPv4 in the first four octets
	uint8_t prefix_len;
	bool ip6;
};

struct excluded {
	const uint8_t (*macs)[6]; // the policy's, borrowed
	size_t mac_count;
	const struct excluded_subnet *subnets;
	size_t subnet_count;
};

// Whether either the MAC (NULL: not known) or the address is excluded.
bool excluded_matches(const struct excluded *set, const uint8_t *mac, const uint8_t *ip, bool ip6);

// Whether the first `prefix_len` bits of two addresses are equal.
bool ip_prefix_equal(const uint8_t *a, const uint8_t *b, unsigned prefix_len);
