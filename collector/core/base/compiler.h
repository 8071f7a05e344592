// What every file of the core may use: assertions, hints to the compiler, small arithmetic.
#pragma once

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define ARRAY_COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define CACHE_LINE 64

// Gets a cache line under way, to be written. For functions that do nothing else: to gcc a function
// of mere __builtin_prefetch has no effect, and where it is not inlined its calls are left out. The
// empty asm is one.
static inline void prefetch(const void *at)
{
	__builtin_prefetch(at, 1);
	__asm__ volatile("");
}

static inline void prefetch_octets(const void *at, size_t size)
{
	for (size_t line = 0; line < size; line += CACHE_LINE)
		prefetch((const uint8_t *)at + line);
}

// What stands before is read and written by itself, what stands behind by itself. Compilers read
// neighbours as one; where those were only just written, one by one, the processor then waits until
// all that was written before them, far away perhaps, has reached its place.
#define apart() __asm__ volatile("" : : : "memory")

// A programmer's error on a cold path: always checked, ends the process. The text is the source's,
// never data.
#define REQUIRE(x) \
	do { \
		if (unlikely(!(x))) { \
			fprintf(stderr, "weir: %s:%d: required: %s\n", __FILE__, __LINE__, #x); \
			abort(); \
		} \
	} while (0)

// The same on a hot path: in debug, test and fuzz builds only. Never on bytes from the network.
#ifdef NDEBUG
#define INVARIANT(x) ((void)sizeof(x))
#else
#define INVARIANT(x) REQUIRE(x)
#endif

#define MIN(a, b) \
	({ \
		__typeof__(a) min_a_ = (a); \
		__typeof__(b) min_b_ = (b); \
		min_a_ < min_b_ ? min_a_ : min_b_; \
	})
#define MAX(a, b) \
	({ \
		__typeof__(a) max_a_ = (a); \
		__typeof__(b) max_b_ = (b); \
		max_a_ > max_b_ ? max_a_ : max_b_; \
	})

#define NS_PER_S UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_US UINT64_C(1000)
