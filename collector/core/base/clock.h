// The system's clocks, for the few who may ask what time it is: capture sources, whose packets tell
// everybody else, and those who wait for somebody outside.
#pragma once

#include "core/base/compiler.h"

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

// Nobody sets it; it begins anywhere.
static inline uint64_t clock_steady_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

// Since 1970.
static inline uint64_t clock_wall_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}
