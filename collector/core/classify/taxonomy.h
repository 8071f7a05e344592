// The names of what nDPI recognises, by its numbers; filled by classifiers/ndpi.c when it opens,
// and read by whoever writes a record. The strings live as long as the process.
#pragma once

#include <stdint.h>

enum { TAXONOMY_PROTOCOLS_MAX = 512, TAXONOMY_CATEGORIES_MAX = 256 };

struct taxonomy {
	const char *origin; // whose they are, for the log; NULL: nobody's
	const char *protocol[TAXONOMY_PROTOCOLS_MAX]; // [0]: "Unknown"; NULL: no such number
	const char *category[TAXONOMY_CATEGORIES_MAX];
};
