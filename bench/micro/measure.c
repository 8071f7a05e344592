// How micro benches measure a part: see main.c.
#include "bench/micro/micro.h"

#include "core/base/compiler.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUND_NS (10.0 * 1e6)

static unsigned rounds;
static bool once;
static char **wanted;

void micro_choose(unsigned rounds_of_each, bool called_once, char **parts)
{
	rounds = called_once ? 1 : rounds_of_each;
	once = called_once;
	wanted = parts;
}

void micro_fail(const char *what, int err)
{
	fprintf(stderr, "micro: %s: %s\n", what, strerror(-err));
	exit(2);
}

void *micro_alloc(size_t size)
{
	size = (size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
	void *at = aligned_alloc(CACHE_LINE, size);

	if (at == NULL)
		micro_fail("memory", -ENOMEM);
	return memset(at, 0, size);
}

static double now_ns(bool wall)
{
	struct timespec now;

	clock_gettime(wall ? CLOCK_MONOTONIC : CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

// What valgrind counts.
__attribute__((noinline)) uint64_t measured(micro_part *part, void *arg, uint64_t calls);
uint64_t measured(micro_part *part, void *arg, uint64_t calls)
{
	uint64_t done = 0;

	while (calls-- > 0)
		done += part(arg);
	return done;
}

// By this pointer, or the compiler makes a copy of another name.
static uint64_t (*volatile call)(micro_part *part, void *arg, uint64_t calls) = measured;

static bool is_wanted(const char *name)
{
	for (char **part = wanted; *part != NULL; part++)
		if (strncmp(name, *part, strlen(*part)) == 0)
			return true;
	return *wanted == NULL;
}

static int less(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void micro(const char *name, micro_part *part, void *arg, bool wall)
{
	static double ns[MICRO_ROUNDS_MAX];
	uint64_t calls = 1, done = 0;

	if (!is_wanted(name))
		return;
	part(arg);
	for (double start = now_ns(wall); !once; calls *= 2) {
		for (uint64_t i = 0; i < calls; i++)
			part(arg);
		double spent = now_ns(wall) - start;
		if (spent >= ROUND_NS)
			break;
	}
	for (unsigned i = 0; i < rounds; i++) {
		double start = now_ns(wall);
		done = call(part, arg, calls);
		ns[i] = (now_ns(wall) - start) / (double)done;
	}
	qsort(ns, rounds, sizeof(ns[0]), less);
	printf("%s\t%llu\t%.1f\t%.1f\t%.1f\n", name, (unsigned long long)(done / calls),
		ns[rounds / 2], ns[0], ns[rounds - 1]);
	fflush(stdout);
}
