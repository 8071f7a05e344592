// The memory of nDPI, which allocates by itself: of each shard an arena with a bound, and the
// tables that it makes once.
#pragma once

#include "classifiers/arena.h"

struct ndpi_memory {
	struct arena arena; // what nDPI allocates for flows and its caches
	uint8_t *tables; // what it allocates once, when it is made: trees and automata that are
			 // walked at random, on huge pages, one piece behind the other
	size_t tables_size, tables_used;
	bool making; // now
};

// nDPI's allocator is one for the process; who calls into it says whose memory is meant. NULL: the
// C library's.
extern _Thread_local struct ndpi_memory *ndpi_memory_now;

// Zeroed memory. Returns 0 or -ENOMEM, with what there is to be given back by fini().
int ndpi_memory_init(struct ndpi_memory *memory, size_t bytes);
void ndpi_memory_fini(struct ndpi_memory *memory);

void ndpi_memory_install(void); // nDPI allocates here from now on
