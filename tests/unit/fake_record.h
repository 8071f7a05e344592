// A door and a policy for tests of the ledger: rows are kept for comparison instead of being
// written, and the policy is what the test says.
#pragma once

#include "core/record/record.h"

enum { FAKE_ROWS_MAX = 65536 };

struct fake_flow {
	uint64_t flow_start_ns, start_ns, end_ns;
	uint64_t packets_up, packets_down;
	uint8_t client_ip[16], server_ip[16];
	uint8_t client_mac[6], server_mac[6];
	uint8_t client_key[16], server_key[16];
	bool client_local, server_local, has_client_mac, has_server_mac, has_client_key,
		has_server_key;
	uint16_t client_port, server_port;
	uint32_t segment;
	uint8_t direction, name_source, client_end;
	uint32_t name_age_ms;
	char server_name[256];
	char interface[16];
};

struct fake_client {
	uint8_t key[16];
	uint64_t first_seen_ns, last_seen_ns;
	uint8_t mac[6];
	bool has_mac, mac_random, tombstone;
	char mac_vendor[64];
	uint16_t vlan;
	uint32_t address_count, name_count;
	struct client_address addresses[CLIENT_ADDRESSES_MAX];
	struct {
		uint8_t source;
		char text[64];
		uint64_t time_ns;
	} names[CLIENT_NAMES_MAX];
	char dhcp_options[64], dhcp_vendor_class[64];
};

struct fake_usage {
	struct usage_row row;
	bool has_key;
	uint8_t key[16];
};

struct record {
	struct fake_flow *flows;
	struct fake_client *clients;
	struct fake_usage *usages;
	uint32_t flow_count, client_count, usage_count;
};

struct policy {
	bool basic;
	struct excluded excluded;
};

void fake_record_init(struct record *record);
void fake_record_fini(struct record *record);

// The key that the fake policy makes: kind, VLAN, value, in the clear.
void fake_key(enum client_kind kind, uint16_t vlan, const uint8_t *value, uint8_t key[16]);
