// How much memory this machine, or the control group that the process is in, has room for: whoever
// sets aside more is ended by the kernel when it is used, without a word of ours. Read once at
// start, by main.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { MEMORY_ROOM_WHO_SIZE = 256 };

// What a process takes beside its pools: code, libraries, stacks, the kernel's for its files.
enum { MEMORY_BESIDE_POOLS = 48 << 20 };

struct memory_room {
	uint64_t bytes; // UINT64_MAX: nobody says
	char who[MEMORY_ROOM_WHO_SIZE]; // "MemAvailable", or the group's file
};

// The least of MemAvailable (/proc/meminfo) and the limits of the process's control group and those
// above it: memory.max (cgroup v2, also where v1 is mounted beside it) or memory.limit_in_bytes
// (v1). `root` stands before every path; "" but in tests.
void memory_room(const char *root, struct memory_room *ret);

// The largest preset of `limits` that fits into so many octets, all of the process included, as its
// word and in MiB; NULL: none does.
const char *memory_room_preset(uint64_t bytes, uint32_t *ret_mib);
