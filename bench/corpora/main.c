// corpora: makes captures like those of the performance budgets from captures of our own, for the
// bench where the real ones are not there. The same bytes each time.
//   corpora B|C|D|E OUT PACKETS [CAPTURE...]
#include "corpora.h"

#include <stdlib.h>
#include <string.h>

// So that B has 14 packets a flow and E 22, of the House's day and the golden captures.
static const struct replicas hard_mix = {.packets_max = 120, .large_max = 7, .window_s = 600};
static const struct replicas office_mix = {
	.packets_max = 100, .large_max = 13, .window_s = 360, .houses = 4};

int main(int argc, char **argv)
{
	struct output out;

	if (argc < 4 || strlen(argv[1]) != 1 || strchr("BCDE", argv[1][0]) == NULL) {
		fprintf(stderr, "usage: corpora B|C|D|E OUT PACKETS [CAPTURE...]\n");
		return 2;
	}
	char *const *paths = argv + 4;
	int path_count = argc - 4;
	uint32_t packets = (uint32_t)strtoul(argv[3], NULL, 10);
	output_open(&out, argv[2]);
	switch (argv[1][0]) {
	case 'B':
		make_replicas(&out, packets, &hard_mix, paths, path_count);
		break;
	case 'C':
		make_churn(&out, packets);
		break;
	case 'D':
		make_elephants(&out, packets, paths, path_count);
		break;
	case 'E':
		make_replicas(&out, packets, &office_mix, paths, path_count);
		break;
	}
	output_close(&out);
	fprintf(stderr, "%s: %llu packets, %llu bytes each\n", argv[2],
		(unsigned long long)out.packets,
		(unsigned long long)(out.packets ? out.bytes / out.packets : 0));
	return 0;
}
