// What libndpi does slowly, done by us: whom of its dissectors it asks about a packet, and what it
// knows of an address. For ndpi.c.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct ndpi_detection_module_struct;
struct ndpi_flow_struct;

// Makes our loop ready, which stands in the place of the library's own for TCP segments with data
// and UDP datagrams where ndpi_names_now is set; what it says of a flow is the same, it only takes
// less time to say it. False: this is not the library that we know from inside, and it may not be
// set for this module. One thread at a time.
bool ndpi_dispatch_install(struct ndpi_detection_module_struct *module);

// Which protocol it knows by one of these ports, the lower one first (ndpi_guess_protocol_id()); 0:
// none. TCP or UDP; once the loop was made ready, as the next.
uint16_t ndpi_dispatch_port(
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
uint16_t ndpi_dispatch_host(struct ndpi_detection_module_struct *module, struct ndpi_hosts *hosts,
	const uint8_t ip[4], uint16_t port);
