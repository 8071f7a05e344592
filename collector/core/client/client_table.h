// The table of clients. Fixed memory, keyed hash; when full, of those of the least standing the one
// unseen longest goes, and random MACs, which a stranger can make up by the thousand, have a quota
// of their own.
//
// A flood of forged addresses must neither drive out who is there nor keep out who comes. So a
// newcomer takes the place of anybody of a lesser standing than its own, of its own of who was not
// seen for some seconds (a crowd goes by, and leaves), of a better one of who was not for minutes.
// Who finds no place is remembered by a few octets, and has a better standing when it is met again
// (the ghost queue of 2Q: Johnson and Shasha, "2Q: A Low Overhead High Performance Buffer
// Management Replacement Algorithm", VLDB 1994, and of S3-FIFO: Yang et al., "FIFO Queues are All
// You Need for Cache Eviction", SOSP 2023).
//
// Ledger's thread only.
#pragma once

#include "core/base/counters.h"
#include "core/base/hash.h"
#include "core/base/pool.h"
#include "core/client/client.h"

struct client_list {
	uint32_t newest, oldest;
};

// Who was refused, and when: of each bucket the last few.
struct client_refused {
	uint32_t tag; // of its identity; 0: nobody
	uint32_t when_ms; // wraps
};
enum { CLIENT_REFUSED_PER_BUCKET = 4 };

struct client_table {
	struct pool pool; // of struct client
	struct client_detail *details; // by the client's index
	struct pool words; // of struct client_words
	uint32_t *buckets;
	struct client_refused *refused; // CLIENT_REFUSED_PER_BUCKET for each bucket, newest first
	uint32_t bucket_mask;
	uint32_t random_max, random_count;
	uint64_t kept_ns; // of who was seen again, against a lesser standing
	struct client_list lists[CLIENT_STANDINGS][2]; // others, random MACs; by last sight
	uint64_t serials;
	struct hash_key key;
};

// Whoever was seen keeps its place so long against its like: by then it has had its first row. Who
// was seen once, no longer against anybody.
#define CLIENT_KEPT_NS (10 * NS_PER_S)

// `kept_ns`: who was seen again keeps its place so long against who has a lesser standing.
int client_table_init(struct client_table *table, uint32_t max, uint32_t random_max,
	uint64_t kept_ns, struct hash_key key);
void client_table_fini(struct client_table *table); // accepts a zeroed one
size_t client_table_bytes(const struct client_table *table);
void client_table_prefault(struct client_table *table);

// Where an identity belongs; and who is there, or NULL.
static inline uint32_t client_bucket(const struct client_table *table, const struct identity *id)
{
	const uint64_t words[] = {identity_word(id, 0), identity_word(id, 1), identity_word(id, 2)};

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

// Hint: what client_table_refuse() of this bucket touches.
static inline void client_fetch_refused(const struct client_table *table, uint32_t bucket)
{
	__builtin_prefetch(&table->refused[(size_t)bucket * CLIENT_REFUSED_PER_BUCKET], 1);
}

static inline struct client *client_find(
	const struct client_table *table, const struct identity *id)
{
	return client_find_in(table, client_bucket(table, id), id);
}

// Whether somebody of this identity and standing (CLIENT_STANDINGS: in any case) finds a place. Who
// has to go first, or NULL, in *ret_victim: the caller says what is still to be said of it, and
// removes it.
bool client_table_has_place(const struct client_table *table, const struct identity *id,
	enum client_standing standing, uint64_t now_ns, struct client **ret_victim);
void client_table_remove(struct client_table *table, struct client *client);
// Of those like it, who has to go next, or NULL.
struct client *client_table_next(const struct client_table *table, const struct client *client);

// Remembers one that found no place. Returns whether it is one still remembered from a second ago
// or more.
bool client_table_refuse(
	struct client_table *table, const struct identity *id, uint32_t bucket, uint64_t now_ns);

// A new client in its bucket, not yet seen. Its client_key is the caller's to fill in. Only when
// there is no victim to remove.
struct client *client_table_add(
	struct client_table *table, const struct identity *id, uint32_t bucket);

// It was seen, which gives it this standing at least: of all of its standing the last to go from
// now on. Kept no finer than CLIENT_TOUCH_NS, since to move a client touches its neighbours; who is
// seen later than that after it was first has been seen again.
#define CLIENT_TOUCH_NS NS_PER_S
void client_table_touch(struct client_table *table, struct client *client,
	enum client_standing standing, uint64_t now_ns);

static inline struct client_detail *client_detail(
	const struct client_table *table, const struct client *client)
{
	return &table->details[pool_index(&table->pool, client)];
}

// Hint: all that a row of it says will be read soon.
static inline void client_fetch(const struct client_table *table, const struct client *client)
{
	prefetch_octets(client, sizeof(*client));
	prefetch_octets(client_detail(table, client), 2 * CACHE_LINE);
}

// Hint: what it said of itself last will be said again soon.
static inline void client_fetch_words(const struct client_table *table, const struct client *client)
{
	if (client->words != POOL_NONE)
		prefetch_octets(pool_at(&table->words, client->words), CACHE_LINE);
}

// What it said of itself, for more to be added.
struct client_words *client_words(struct client_table *table, struct client *client);

// What one learns of a client. Each returns whether something about it changed.
bool client_learn_address(struct client *client, struct client_detail *detail,
	const struct client_address *address, bool asked);
// Where among its addresses the one of this binding stands, which it has learned.
uint8_t client_address_place(
	const struct client *client, const struct client_detail *detail, uint32_t binding);
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
