// What libndpi looks for in text, found faster. For ndpi.c.
#pragma once

#include <stdint.h>

enum {
	NDPI_NAME_MAX = 127,
	NDPI_ANSWERS = 4,
	NDPI_NAME_WAYS = 8,
	NDPI_NAMES = 256 * NDPI_NAME_WAYS,
};

// Names looked up last, and what came of it; zeroed at first. One thread.
struct ndpi_names {
	uint32_t tags[NDPI_NAMES]; // of the slots, set by set; 0: from here on the set is empty
	uint32_t turn; // whose slot a new name takes
	uint32_t last; // the slot that was asked for last
	struct ndpi_name {
		_Alignas(64) uint8_t len;
		char text[NDPI_NAME_MAX];
		struct ndpi_answer {
			const void *question; // the automaton it was looked up in, or another mark
			uint64_t number64; // from here on what libndpi's AC_REP_t has
			uint32_t number;
			uint16_t breed, category, level, bits;
			int8_t found; // what the function returned
		} answers[NDPI_ANSWERS]; // NULL: from here on there are none
	} slots[NDPI_NAMES];
};

// Those of the module that this thread is about to call; NULL: it looks up everything itself. Only
// for the library that ndpi_dispatch_install() knows from inside, whose tables do not change.
extern _Thread_local struct ndpi_names *ndpi_names_now;
