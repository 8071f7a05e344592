// Large memory, reserved at start: zeroed, page-aligned, on huge pages where the kernel gives them.
#pragma once

#include <stddef.h>

// Reserves `bytes` of zeroed memory without touching it, or returns NULL.
void *memory_reserve(size_t bytes);
void memory_release(void *memory, size_t bytes); // accepts NULL

// Touches every page, so that later use never waits for the kernel.
void memory_prefault(void *memory, size_t bytes);
