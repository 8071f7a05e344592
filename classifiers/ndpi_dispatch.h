// Which of libndpi's dissectors look at a packet, decided by us. For ndpi.c.
#pragma once

#include <stdbool.h>

struct ndpi_detection_module_struct;

// Puts our loop in the place of the module's own, for TCP segments with data and UDP datagrams;
// what it says of a flow is the same, it only takes less time to say it. False, and the module as
// it was: this is not the library that we know from inside. One thread at a time.
bool ndpi_dispatch_install(struct ndpi_detection_module_struct *module);
