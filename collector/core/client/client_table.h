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
	struct pool words; // of struct client_words
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

// Where an identity belongs; and who is there, or NULL.
static inline uint32_t client_bucket(const struct client_table *table, const struct identity *id)
{
	uint64_t words[3];

	memcpy(words, id, sizeof(words));
	return (uint32_t)hash_words(&table->key, words, 3) & table->bucket_mask;
}

static inline struct client *client_find_in(
	const struct client_table *table, uint32_t bucket, const struct identity *id)
{
	for (uint32_t idx = table->buckets[bucket]; idx != POOL_NONE;) {
		struct client *client = pool_at(&table->pool, idx);
		if (identity_equal(&client->id, id))
			return client;
		idx = client->next;
	}
	return NULL;
}

static inline struct client *client_find(
	const struct client_table *table, const struct identity *id)
{
	return client_find_in(table, client_bucket(table, id), id);
}

// Who has to go before somebody of this identity can come, or NULL. The caller says what is still
// to be said of it, and removes it.
struct client *client_table_victim(struct client_table *table, const struct identity *id);
void client_table_remove(struct client_table *table, struct client *client);

// A new client in its bucket, not yet seen: the first to go when room is needed. Its client_key is
// the caller's to fill in. Only when there is no victim to remove.
struct client *client_table_add(
	struct client_table *table, const struct identity *id, uint32_t bucket);

// It was seen: the last to go from now on. Kept no finer than CLIENT_TOUCH_NS, since to move a
// client touches its neighbours.
#define CLIENT_TOUCH_NS NS_PER_S
void client_table_touch(struct client_table *table, struct client *client, uint64_t now_ns);

static inline struct client_detail *client_detail(
	const struct client_table *table, const struct client *client)
{
	return &table->details[pool_index(&table->pool, client)];
}

// What it said of itself, for more to be added.
struct client_words *client_words(struct client_table *table, struct client *client);

// What one learns of a client. Each returns whether something about it changed.
bool client_learn_address(struct client *client, struct client_detail *detail,
	const struct client_address *address, bool asked);
void client_mark_asked(struct client *client, struct client_detail *detail, const uint8_t *ip,
	uint8_t ip_version); // one of its addresses asked for names
bool client_learn_name(struct client *client, struct client_words *words,
	enum client_name_source source, const uint8_t *text, size_t len, uint64_t time_ns);
bool client_learn_dhcp_options(
	struct client *client, struct client_words *words, const uint8_t *text, size_t len);
bool client_learn_vendor_class(
	struct client *client, struct client_words *words, const uint8_t *text, size_t len);

// A local IPv4 address that its frames carried. Returns true when that makes it a router.
bool client_carries(struct client *client, const uint8_t ip[4], uint64_t start_ns, uint64_t end_ns);
