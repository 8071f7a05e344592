// micro: what single parts cost, on what the House's day gives them.
//
//	micro [-r ROUNDS] [-1] CAPTURE [PART...]     (a part: the beginning of its name)
//
// Prints a line a part, tab-separated: name, operations of a call, ns an operation: median, least,
// most of the rounds. -1: a round is one call, and there is one round after a first call that is
// not measured; for valgrind, which counts what measured() does:
//	valgrind --tool=callgrind --toggle-collect=measured micro -1 tests/lan/house.pcap decode
#include "bench/micro/micro.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct house house;
	unsigned rounds = 15;
	bool once = false;
	int option;

	while ((option = getopt(argc, argv, "r:1")) != -1) {
		if (option == 'r')
			rounds = (unsigned)atoi(optarg);
		else if (option == '1')
			once = true;
		else
			optind = argc;
	}
	if (optind >= argc || rounds == 0 || rounds > MICRO_ROUNDS_MAX) {
		fprintf(stderr, "usage: micro [-r ROUNDS] [-1] CAPTURE [PART...]\n");
		return 2;
	}
	micro_choose(rounds, once, argv + optind + 1);
	house_load(&house, argv[optind]);
	micro_packets(&house);
	micro_rows(&house);
	micro_rings(&house);
	micro_ledger(&house);
	house_free(&house);
	return 0;
}
