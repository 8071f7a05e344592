// Which MAC and IP addresses can be one machine's own. For arp.c, ndp.c, dhcp.c.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

// Neither a group's (IEEE 802: the lowest bit of the first octet) nor all zero.
static inline bool mac_is_station(const uint8_t mac[6])
{
	static const uint8_t zero[6];

	return (mac[0] & 1) == 0 && memcmp(mac, zero, 6) != 0;
}

// Not a group's, reserved or broadcast (224/3), loopback, or "this network" (0/8, RFC 1122 section
// 3.2.1.3).
static inline bool ip4_is_host(const uint8_t ip[4])
{
	return ip[0] != 0 && ip[0] != 127 && ip[0] < 224;
}

// Neither a group's, nor unspecified, nor loopback (RFC 4291 section 2.4).
static inline bool ip6_is_host(const uint8_t ip[16])
{
	static const uint8_t zero[15];

	return ip[0] != 0xff && (memcmp(ip, zero, 15) != 0 || ip[15] > 1);
}
