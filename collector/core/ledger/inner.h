// What the ledger's own files share: its state, and the steps that one turn is made of.
#pragma once

#include "core/client/answers.h"
#include "core/client/binding.h"
#include "core/client/client_table.h"
#include "core/client/local.h"
#include "core/client/usage.h"
#include "core/ledger/deadlines.h"
#include "core/ledger/ledger.h"
#include "core/ledger/reorder.h"

enum {
	ROUTERS_MAX = 256,
	// Events that are worked on together: the memory that they need is fetched together.
	TURN_EVENTS = 32,
	// The ledger lets events gather until there are so many octets of them, as long as more
	// come, and for GATHER_NS at most: who turns it after each batch of packets finds its code
	// and tables gone from the caches each time.
	GATHER_BYTES = 96 << 10,
	GATHER_QUIET = 4, // so many turns without a new event
};

#define GATHER_NS NS_PER_S // by the clock of the events

// No address that was used within such a time is forgotten for a new one: in a flood of forged
// addresses it is the flood that finds no room.
#define ADDRESS_KEPT_NS (10 * NS_PER_S)

struct ledger {
	struct ledger_config config; // borrowed things
	const struct excluded *excluded; // the policy's
	bool excludes; // anybody at all
	uint64_t now_ns; // time of what is being worked on; never runs back
	uint64_t stepped_ns; // the slowest clock when events were last taken
	uint32_t waiting; // octets in the rings at the last turn
	uint32_t quiet; // turns since there was a new event
	uint64_t active_ns; // how long after a flow's start one may still learn about its ends
	struct local_networks local;
	uint8_t routers[ROUTERS_MAX][6]; // configured
	uint32_t router_count;
	bool neighbours; // somebody outside of local networks is on the link
	struct reorder reorder;
	struct client_table clients;
	struct bindings bindings;
	struct answers answers;
	struct usage usage;
	struct deadlines deadlines;
	struct ledger_stats stats;
};

// One end of a flow, as judged.
struct end {
	const uint8_t *ip;
	const uint8_t *mac; // of the frame; NULL: not known, or a group's
	bool ip6;
	bool host; // can be one host's: no multicast, no broadcast
	bool local;
	bool excluded;
	bool sent; // has ever sent
	bool refused; // a client, but one that found no room
	bool prepared; // what follows is filled in: the end is local, or may be found to be
	struct identity address, mac_id; // mac_id: where `mac` is known
	uint32_t address_bucket, mac_bucket;
	// What was there when the turn was prepared: to be asked again, but no longer far away.
	struct binding *known_binding;
	struct client *known_client; // by mac_id

	struct binding *binding; // of a local host; NULL: nothing is known
	struct identity id; // of a local host
	uint32_t id_bucket;
	struct client *client; // of a local host; NULL: none, refused, or an end is excluded
	bool has_key; // of mac_id, made when the turn was prepared, for there was no such client
	uint8_t key[16]; // client_key, if `has_key` or `refused`
};

// An event about to be worked on.
struct prepared {
	struct reorder_item item;
	const struct event *event;
	uint32_t local_count; // local networks, and whether there were neighbours, when the ends
	bool neighbours; // were placed
	unsigned client_end; // which of the two is the client, as it looks
	// Where the names are that the client was given for its server, POOL_NONE: not looked up;
	// of an answer, where its names belong, one for each address.
	uint32_t answer_buckets[ANSWER_ADDRESSES_MAX];
	// Of a segment: a name that it brought, or NULL, and record_expect_name() of it.
	const uint8_t *name;
	uint64_t name_hash;
	// Of segments. Of facts and answers the first holds the buckets of whom they are about.
	struct end ends[2];
};

// What a turn is made of; each file calls those that stand below it here, never one above.
//
// prepare.c: looks at the events of a turn, and fetches the memory that they will need.
void ledger_prepare(const struct ledger *ledger, struct prepared *turn, uint32_t count);

// segments.c: books a segment and writes its row.
void ledger_book_segment(struct ledger *ledger, struct prepared *prepared);

// facts.c: learns from a fact or an answer.
void ledger_learn_fact(struct ledger *ledger, const struct prepared *prepared);
void ledger_learn_answer(struct ledger *ledger, const struct prepared *prepared);

// ends.c: who the two ends of a flow are, and what the segment teaches of them.
void ledger_judge_ends(struct ledger *ledger, struct prepared *prepared);

// Whether the policy excludes the address, or whoever had it (mac, binding NULL: not known).
bool ledger_excludes(struct ledger *ledger, const uint8_t *mac, const uint8_t *ip, bool ip6,
	const struct binding *binding, uint64_t when_ns);
// Whether whoever had the address is kept silent about (ledger_hide_mac).
bool ledger_holder_hidden(struct ledger *ledger, const struct binding *binding, uint64_t when_ns);
// A client that has an excluded address is kept silent about, at its other addresses as well.
void ledger_hide_mac(struct ledger *ledger, uint16_t vlan, const uint8_t mac[6], uint64_t when_ns);
bool ledger_excludes_mac(const struct ledger *ledger, const uint8_t mac[6]);

// Whether the MAC is a router's for flows that began at `when_ns`.
bool ledger_is_router(const struct ledger *ledger, const struct client *client, const uint8_t *mac,
	uint64_t when_ns);

// Whether frames can name a station so: no group address, not all zeros.
static inline bool mac_is_station(const uint8_t mac[6])
{
	return (mac[0] & 0x01) == 0 && (mac[0] | mac[1] | mac[2] | mac[3] | mac[4] | mac[5]) != 0;
}

// What is known of an address, made where it is not there; NULL: there is no room (counted). With
// anybody excluded there always is: who held an address must be known.
struct binding *ledger_binding(
	struct ledger *ledger, const struct identity *address, uint32_t bucket);

// place.c: the two ends by the segment itself and the local networks, without their buckets; and
// again, with those, when the networks have changed since the turn was prepared.
void ledger_place_ends(const struct ledger *ledger, struct prepared *prepared);
void ledger_place_ends_again(const struct ledger *ledger, struct prepared *prepared);
// Which end is the client: the initiator; where the beginning was not seen, the one local end, else
// the higher port.
unsigned ledger_client_end(const struct segment_event *segment, const struct end ends[2]);
// Its client is looked for while the turn is prepared; of an end that is not local, but turns out
// to be on the link, when it is judged (ends.c).
static inline bool end_may_be_client(const struct end *end)
{
	return end->prepared && end->local && end->mac != NULL;
}

// clients.c: the life of a client. Found or made, whoever has to go for it; or of this standing, or
// NULL when there is no place for such a one (counted). `key`: its client_key, or NULL: to be made.
struct client *ledger_client(struct ledger *ledger, const struct identity *id);
struct client *ledger_client_admit(struct ledger *ledger, const struct identity *id,
	uint32_t bucket, enum client_standing standing, const uint8_t *key);
void ledger_client_key(const struct ledger *ledger, const struct identity *id, uint8_t ret_key[16]);
void ledger_client_seen(
	struct ledger *ledger, struct client *client, uint64_t from_ns, uint64_t to_ns);
// It has the address, as the binding's newest holder.
void ledger_client_address(struct ledger *ledger, struct client *client, struct binding *binding);
void ledger_client_changed(struct ledger *ledger, struct client *client);
// From now on new flows behind it are known by their address.
void ledger_client_router(struct ledger *ledger, struct client *client);
// An address of it is excluded: nothing of it leaves any more.
void ledger_client_hide(struct ledger *ledger, struct client *client);
void ledger_client_due(struct ledger *ledger, struct client *client); // its deadline passed
void ledger_client_finish(struct ledger *ledger, struct client *client); // its last row
