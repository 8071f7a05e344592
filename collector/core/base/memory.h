// Large memory, reserved at start: zeroed, page-aligned, on huge pages where the kernel gives them.
#pragma once

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

// Reserves `bytes` of zeroed memory without touching it, or returns NULL.
void *memory_reserve(size_t bytes);
// The same of what is looked up all over, before it is written: on huge pages however few. A small
// page would be mapped twice, empty and then its own, the second time with all cores interrupted.
void *memory_reserve_scattered(size_t bytes);
void memory_release(void *memory, size_t bytes); // accepts NULL

// What the start says of memory, and health: the parts of the whole, each by its name. Shards that
// have one each of a kind are one part.
enum { MEMORY_POOLS_MAX = 16 };
#define MEMORY_UNKNOWN SIZE_MAX // what is in use: another thread's, which it does not tell
struct memory_pool {
	const char *name; // static
	size_t used, size; // octets
};
struct memory_pools {
	struct memory_pool items[MEMORY_POOLS_MAX];
	uint32_t count;
};
void memory_pools_add(struct memory_pools *pools, const char *name, size_t used, size_t size);

// Touches every page, so that later use never waits for the kernel. Gigabytes take seconds: it ends
// early when `*stop` of memory_prefault_until() is not 0, or when so much was touched in all as
// memory_prefault_most() has.
void memory_prefault(void *memory, size_t bytes);
void memory_prefault_most(size_t bytes); // main, first of all; otherwise there is no such bound
void memory_prefault_until(const volatile sig_atomic_t *stop); // main, first of all; NULL: never
