// The summary from inside: what summary.c remembers and summary_print.c tells.
#pragma once

#include "core/record/read.h"
#include "core/shard/summary.h"

enum {
	CLIENTS_MAX = 24576, // what comes beyond is only counted
	CLIENTS_SLOTS = 1 << 16, // power of two
	APPLICATIONS_MAX = 512,
	APPLICATIONS_SLOTS = 2048, // power of two
	TEXT_SIZE = 48,
};

struct seen_client {
	uint8_t key[16];
	uint64_t bytes_up, bytes_down, flows;
	char name[TEXT_SIZE], vendor[TEXT_SIZE];
	uint8_t mac[6];
	bool has_mac;
};

struct seen_application {
	uint8_t name[TEXT_SIZE]; // as it stands in the row, its first octets
	size_t len; // in the row
	uint64_t bytes, flows;
};

struct summary {
	struct seen_client *clients; // CLIENTS_MAX
	uint32_t *slots; // 1 + index of a client below some of its key, or 0
	uint32_t client_count;
	uint64_t clients_more; // rows of clients for which there was no place
	struct seen_application applications[APPLICATIONS_MAX];
	uint16_t application_slots[APPLICATIONS_SLOTS]; // 1 + index of one, or 0
	uint32_t application_count;
	struct read_wanted of_client, of_usage;
};
static_assert((int)APPLICATIONS_MAX < (int)APPLICATIONS_SLOTS);

// Names come from the network: nothing that a terminal would obey. Rows are UTF-8: C1 controls are
// two octets there, C2 80 to C2 9F, and what is too long is cut between characters.
void summary_text(char out[TEXT_SIZE], const struct read_value *value);
