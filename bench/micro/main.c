// micro: what single parts cost, on what the House's day gives them.
//
//	micro [-r ROUNDS] [-1] CAPTURE [PART...]     (a part: the beginning of its name)
//
// Prints a line a part, tab-separated: name, operations of a call, ns an operation: median, least,
// most of the rounds. -1: a round is one call, and there is one round after a first call that is
// not measured; for valgrind, which counts what measured() does:
//	valgrind --tool=callgrind --toggle-collect=measured micro -1 tests/lan/house.pcap decode
#include "bench/micro/micro.h"

#include "core/base/compiler.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS_MAX = 1000 };
#define ROUND_NS (10.0 * 1e6)

static unsigned rounds = 15;
static bool once;
static char **wanted; // ends with NULL

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
	static double ns[ROUNDS_MAX];
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

int main(int argc, char **argv)
{
	struct house house;
	int option;

	while ((option = getopt(argc, argv, "r:1")) != -1) {
		if (option == 'r')
			rounds = (unsigned)atoi(optarg);
		else if (option == '1')
			once = true, rounds = 1;
		else
			optind = argc;
	}
	if (optind >= argc || rounds == 0 || rounds > ROUNDS_MAX) {
		fprintf(stderr, "usage: micro [-r ROUNDS] [-1] CAPTURE [PART...]\n");
		return 2;
	}
	wanted = argv + optind + 1;
	house_load(&house, argv[optind]);
	micro_packets(&house);
	micro_rows(&house);
	micro_rings(&house);
	micro_ledger(&house);
	house_free(&house);
	return 0;
}
