// The table of clients. Fixed memory, keyed hash; when full, the client unseen longest goes, and
// random MACs, which a stranger can make up by the thousand, have a quota of their own.
//
// Ledger's thread only.
#pragma once

#include "core/base/counters.h"
#include "core/base/hash.h"
#include "core/base/pool.h"
#include "core/client/client.h"

struct client_list {
	uint32_t newest, oldest;
	uint32_t count;
};

struct client_table {
	struct pool pool; // of struct client
	struct client_detail *details; // by the client's index
	uint32_t *buckets;
	uint32_t bucket_mask;
	uint32_t random_max;
	struct client_list lists[2]; // others, random MACs; by when they were last seen
	uint64_t serials;
	struct hash_key key;
};

int client_table_init(
	struct client_table *table, uint32_t max, uint32_t random_max, struct hash_key key);
void client_table_fini(struct client_table *table); // accepts a zeroed one
size_t client_table_bytes(const struct client_table *table);
void client_table_prefault(struct client_table *table);

struct identity identity_of_mac(uint16_t vlan, const uint8_t mac[6]);

// NULL: not there.
struct client *client_find(struct client_table *table, const struct identity *id);

// Who has to go before somebody of this identity can come, or NULL. The caller says what is still
// to be said of it, and removes it.
struct client *client_table_victim(struct client_table *table, const struct identity *id);
void client_table_remove(struct client_table *table, struct client *client);

// A new client, not yet seen: the first to go when room is needed. Its client_key is the caller's
// to fill in. Only when there is no victim to remove.
struct client *client_table_add(struct client_table *table, const struct identity *id);

// It was seen: the last to go from now on. Kept no finer than CLIENT_TOUCH_NS, since to move a
// client touches its neighbours.
#define CLIENT_TOUCH_NS NS_PER_S
void client_table_touch(struct client_table *table, struct client *client, uint64_t now_ns);

static inline struct client_detail *client_detail(
	const struct client_table *table, const struct client *client)
{
	return &table->details[pool_index(&table->pool, client)];
}

// What one learns of a client. Each returns whether something about it changed.
bool client_learn_address(struct client *client, struct client_detail *detail,
	const struct client_address *address, bool asked);
void client_mark_asked(struct client *client, struct client_detail *detail, const uint8_t *ip,
	uint8_t ip_version); // one of its addresses asked for names
bool client_learn_name(struct client *client, struct client_detail *detail,
	enum client_name_source source, const uint8_t *text, size_t len, uint64_t time_ns);
bool client_learn_dhcp_options(
	struct client *client, struct client_detail *detail, const uint8_t *text, size_t len);
bool client_learn_vendor_class(
	struct client *client, struct client_detail *detail, const uint8_t *text, size_t len);

// A local IPv4 address that its frames carried. Returns true when that makes it a router.
bool client_carries(struct client *client, const uint8_t ip[4], uint64_t start_ns, uint64_t end_ns);
