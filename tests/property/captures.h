// The capture files of a folder, for tests that look at each.
#pragma once

#include <stdint.h>

// Calls `run` with each .pcap, .pcapng and .cap at or below `folder`, by name, hidden ones left
// out. Returns how many there were; 0 where there is no such folder.
unsigned captures_below(
	const char *folder, void (*run)(const char *path, uint32_t seed), uint32_t seed);
