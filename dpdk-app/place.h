// Which thread runs on which of EAL's cores.
#pragma once

#include <stdint.h>

// Puts the calling thread on the core of its number: EAL's main core for the first, then the others
// in their order, from the beginning again where there are too few, which is said. Makes it known
// to DPDK, so that it has a cache of packet buffers of its own.
void place_thread(uint32_t thread);

// A core of that thread's, and its NUMA node.
int place_core(uint32_t thread);
unsigned place_socket(uint32_t thread);
