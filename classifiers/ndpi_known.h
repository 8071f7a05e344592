// What libndpi knows of ports and addresses, looked up by us. For ndpi.c and ndpi_dispatch.c.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct ndpi_detection_module_struct;
struct ndpi_flow_struct;

// Reads the tables of a module, which are the same in every one; before anything is asked. One
// thread at a time.
void ndpi_known_read(const struct ndpi_detection_module_struct *module);

// Which protocol it knows by one of these ports, the lower one first (ndpi_guess_protocol_id()); 0:
// none. TCP or UDP.
uint16_t ndpi_known_port(
	const struct ndpi_flow_struct *flow, uint8_t ip_proto, const uint16_t port[2]);

enum { NDPI_HOSTS = 1024 };

// Addresses looked up last, zeroed at first. One thread.
struct ndpi_hosts {
	struct ndpi_host {
		uint32_t ip; // network byte order
		uint32_t port; // network byte order; 0: any
		uint16_t protocol;
		bool filled;
	} slots[NDPI_HOSTS];
};

// Which protocol it knows by this IPv4 address and port (ndpi_network_port_ptree_match()); 0: none.
uint16_t ndpi_known_host(struct ndpi_detection_module_struct *module, struct ndpi_hosts *hosts,
	const uint8_t ip[4], uint16_t port);
