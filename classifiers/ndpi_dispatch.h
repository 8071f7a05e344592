// What libndpi does slowly, done by us: whom of its dissectors it asks about a packet, and what it
// knows of an address. For ndpi.c.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct ndpi_detection_module_struct;

// Puts our loop in the place of the module's own, for TCP segments with data and UDP datagrams;
// what it says of a flow is the same, it only takes less time to say it. False, and the module as
// it was: this is not the library that we know from inside. One thread at a time.
bool ndpi_dispatch_install(struct ndpi_detection_module_struct *module);

// Which protocol the library knows this IPv4 address and port by (ndpi_network_port_ptree_match());
// 0: none. Of a module that the loop was put into.
uint16_t ndpi_dispatch_host(
	struct ndpi_detection_module_struct *module, const uint8_t ip[4], uint16_t port);
