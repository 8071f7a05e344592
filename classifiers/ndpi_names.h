// What libndpi looks for in text, found faster. For ndpi.c.
#pragma once

#include <stdint.h>

enum { NDPI_NAME_MAX = 94, NDPI_NAME_WAYS = 8, NDPI_NAMES = 512 * NDPI_NAME_WAYS };

// Names looked up last, and what came of it; zeroed at first. One thread.
struct ndpi_names {
	uint32_t tags[NDPI_NAMES]; // of the slots, set by set; 0: from here on the set is empty
	uint32_t turn; // whose slot a new name takes
	struct ndpi_name {
		const void *automaton; // it was looked up in, or what else was asked of it
		uint32_t number; // from here on what libndpi's AC_REP_t has
		uint16_t breed, category, level, bits;
		uint64_t number64;
		int8_t found; // what ac_automata_search() returned, or the other function
		uint8_t len;
		char text[NDPI_NAME_MAX];
	} slots[NDPI_NAMES];
};

// Those of the module that this thread is about to call; NULL: it looks up everything itself. Only
// for the library that ndpi_dispatch_install() knows from inside, whose tables do not change.
extern _Thread_local struct ndpi_names *ndpi_names_now;
