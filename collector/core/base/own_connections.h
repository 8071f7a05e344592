// The connections that this process itself has made, so that a capture on the same network leaves
// them out: from an address of this host to a broker's address and port, which only whoever
// connects knows. Added by an exporter's threads, asked by capture sources; only ever more.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { OWN_CONNECTIONS_MAX = 64 }; // more are not known, and count as missed

struct own_connection {
	uint8_t local[16], peer[16]; // IPv4 in the first four octets
	uint16_t port; // TCP, the peer's
	bool ip6;
};

// Any thread. One that is known already, whatever its own port, adds nothing.
void own_connections_add(const struct own_connection *connection);

// Any thread: how many there are, and one of them, which stays as it is.
uint32_t own_connections_count(void);
const struct own_connection *own_connections_at(uint32_t i);

// Any thread: that one of them is collected like anybody's, and how often that was said.
void own_connections_miss(void);
uint32_t own_connections_missed(void);
