// Large memory, reserved at start.
#include "core/base/memory.h"

#include "core/base/compiler.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20 };

static const volatile sig_atomic_t *prefault_stop;
static size_t prefault_left = SIZE_MAX; // octets

static void *reserve(size_t bytes, size_t huge_from)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return NULL;
	// A table of many megabytes hit at random pays for every 4 KiB page in the TLB.
	if (bytes >= huge_from)
		madvise(memory, bytes, MADV_HUGEPAGE);
	// Packet-derived data must not stand in a core file, whoever asks for one.
	madvise(memory, bytes, MADV_DONTDUMP);
	return memory;
}

void *memory_reserve(size_t bytes)
{
	return reserve(bytes, 4 * (size_t)HUGE_PAGE);
}

void *memory_reserve_scattered(size_t bytes)
{
	return reserve(bytes, HUGE_PAGE);
}

void memory_release(void *memory, size_t bytes)
{
	if (memory != NULL)
		munmap(memory, bytes);
}

void memory_prefault_until(const volatile sig_atomic_t *stop)
{
	prefault_stop = stop;
}

void memory_prefault_most(size_t bytes)
{
	prefault_left = bytes;
}

void memory_prefault(void *memory, size_t bytes)
{
	bytes = MIN(bytes, prefault_left);
	prefault_left -= bytes;
	for (size_t at = 0; at < bytes; at += 4096) {
		if (prefault_stop != NULL && *prefault_stop)
			return;
		volatile uint8_t *page = (uint8_t *)memory + at;
		*page = *page;
	}
}

void memory_pools_add(struct memory_pools *pools, const char *name, size_t used, size_t size)
{
	for (uint32_t i = 0; i < pools->count; i++) {
		if (strcmp(pools->items[i].name, name) == 0) {
			pools->items[i].size += size;
			if (used != MEMORY_UNKNOWN)
				pools->items[i].used += used;
			return;
		}
	}
	REQUIRE(pools->count < MEMORY_POOLS_MAX);
	pools->items[pools->count++] = (struct memory_pool){name, used, size};
}
