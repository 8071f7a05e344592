// What libndpi does slowly, done by us: whom of its dissectors it asks about a packet. For ndpi.c.
#pragma once

#include <stdbool.h>

struct ndpi_detection_module_struct;
struct ndpi_flow_struct;

// Makes our loop ready, which stands in the place of the library's own for TCP segments with data
// and UDP datagrams where ndpi_names_now is set; what it says of a flow is the same, it only takes
// less time to say it. False: this is not the library that we know from inside, and it may not be
// set for this module. One thread at a time.
bool ndpi_dispatch_install(struct ndpi_detection_module_struct *module);
