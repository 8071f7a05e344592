// The set of those of whom nothing may be learned.
#include "core/flow/excluded.h"

#include <string.h>

bool ip_prefix_equal(const uint8_t *a, const uint8_t *b, unsigned prefix_len)
{
	unsigned whole = prefix_len / 8, rest = prefix_len % 8;

	if (memcmp(a, b, whole) != 0)
		return false;
	return rest == 0 || ((a[whole] ^ b[whole]) & (0xff << (8 - rest)) & 0xff) == 0;
}

bool excluded_matches(const struct excluded *set, const uint8_t *mac, const uint8_t *ip, bool ip6)
{
	for (size_t i = 0; mac != NULL && i < set->mac_count; i++)
		if (memcmp(set->macs[i], mac, 6) == 0)
			return true;
	for (size_t i = 0; i < set->subnet_count; i++)
		if (set->subnets[i].ip6 == ip6 &&
			ip_prefix_equal(set->subnets[i].ip, ip, set->subnets[i].prefix_len))
			return true;
	return false;
}
