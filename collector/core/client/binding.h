// Bindings: which MAC had an address, and when. Learned from ARP, neighbour discovery, DHCP and
// traffic; the last few holders of each address are kept, so that a flow can be asked about as of
// its start. Also whether an address is on the link, and hence local.
//
// Ledger's thread only. Fixed memory; when full, the address untouched longest is forgotten.
#pragma once

#include "core/base/hash.h"
#include "core/base/pool.h"
#include "core/client/client.h"

enum { BINDING_HOLDERS = 4 };

#define BINDING_NEVER UINT64_MAX
// Traffic takes an address from whom ARP, NDP or DHCP gave it only after such a silence: a router's
// frames carry the addresses of others.
#define BINDING_SILENCE_NS (600 * NS_PER_S)
// Who was used when is kept no finer than this: moving an entry touches its neighbours.
#define BINDING_USE_NS NS_PER_S

struct holder {
	uint8_t mac[6];
	uint8_t source; // enum address_source
	uint64_t from_ns, to_ns;
	uint64_t said_ns; // when ARP, NDP or DHCP first said so; BINDING_NEVER: only traffic did
};

struct binding {
	struct identity address; // kind IDENTITY_IP4 or IDENTITY_IP6
	uint64_t on_link_ns; // on the link since; BINDING_NEVER: not known to be
	uint64_t used_ns;
	uint64_t told; // serial of the client that knows its newest holder; 0: none
	uint32_t next; // in the bucket
	uint32_t newer, older; // by use
	uint8_t holder_count;
	bool asked; // has asked for names
	bool marked; // whoever is told knows that it has, or will when it learns the address
	uint8_t told_place; // where it stands among the addresses of whoever is told
	struct holder holders[BINDING_HOLDERS]; // newest first
};
static_assert(offsetof(struct binding, holders) == CACHE_LINE);

struct bindings {
	struct pool pool;
	uint32_t *buckets;
	uint32_t bucket_mask;
	uint32_t newest, oldest;
	struct hash_key key;
};

int bindings_init(struct bindings *bindings, uint32_t max, struct hash_key key);
void bindings_fini(struct bindings *bindings); // accepts a zeroed one
size_t bindings_bytes(const struct bindings *bindings);
void bindings_prefault(struct bindings *bindings);

// Where an address belongs; and what is known of it, or NULL: nothing.
static inline uint32_t binding_bucket(
	const struct bindings *bindings, const struct identity *address)
{
	const uint64_t words[] = {
		identity_word(address, 0), identity_word(address, 1), identity_word(address, 2)};

	return (uint32_t)hash_words(&bindings->key, words, 3) & bindings->bucket_mask;
}

static inline struct binding *binding_find_in(
	const struct bindings *bindings, uint32_t bucket, const struct identity *address)
{
	for (uint32_t idx = bindings->buckets[bucket]; idx != POOL_NONE;) {
		struct binding *b = pool_at(&bindings->pool, idx);
		if (identity_equal(&b->address, address))
			return b;
		idx = b->next;
	}
	return NULL;
}

static inline struct binding *binding_find(
	const struct bindings *bindings, const struct identity *address)
{
	return binding_find_in(bindings, binding_bucket(bindings, address), address);
}

// It is used: the last to be forgotten from now on.
void binding_use(struct bindings *bindings, struct binding *binding, uint64_t now_ns);

// Whether one can be made without forgetting one that was used after `since_ns`.
bool bindings_have_room(const struct bindings *bindings, uint64_t since_ns);

// What is known of an address, used at `now_ns`; made when it is not there.
struct binding *binding_get(
	struct bindings *bindings, const struct identity *address, uint64_t now_ns);

// `mac` was seen to have the address from `from_ns` to `to_ns`. Returns whether it stands: not when
// somebody else has it on better evidence, or when the news is older than the newest holder.
bool binding_learn(struct binding *binding, const uint8_t *mac, enum address_source source,
	uint64_t from_ns, uint64_t to_ns);

// Who had it at that time: the newest holder from then or before, else the first one after. NULL:
// nobody is known.
const struct holder *binding_holder(const struct binding *binding, uint64_t when_ns);

// The same on the word of ARP, NDP or DHCP alone, which is news of its own time (traffic is learned
// of when a flow ends): what was said by `known_ns` is never answered otherwise later.
const struct holder *binding_said(
	const struct binding *binding, uint64_t when_ns, uint64_t known_ns);
