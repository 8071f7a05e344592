// A small house for tests of the ledger: a ring or several, a ledger with a fake door behind them,
// and short ways to say that a packet's worth of things happened.
#pragma once

#include "fake_record.h"

#include "core/ledger/ledger.h"

#include <string.h>

enum { HOUSE_RINGS_MAX = 4, HOUSE_RING_SIZE = 1 << 20 };

#define S(seconds) ((uint64_t)((seconds)*1e9) + HOUSE_EPOCH_NS)
#define HOUSE_EPOCH_NS (UINT64_C(1700000100) * NS_PER_S) // the start of a window of 300 s

struct house {
	struct settings settings;
	struct policy policy;
	struct record record;
	struct counters counters; // the ledger's
	struct counters ring_counters;
	struct event_ring rings[HOUSE_RINGS_MAX];
	struct event_ring *ring_list[HOUSE_RINGS_MAX];
	struct ledger *ledger;
	uint32_t ring_count;
	uint32_t ring; // that the next events go into
	uint8_t seen; // which ends the next segments have seen to send: 3
	uint16_t vlan; // of the next events
	uint8_t orientation; // of the next segments
	uint16_t application, category; // likewise
	const char *sni; // likewise, or NULL
};

// Defaults; change settings and policy, then house_open().
void house_init(struct house *house);
void house_open(struct house *house, uint32_t rings);
void house_close(struct house *house);

// "52:54:00:00:00:01" and "192.168.1.1" or "fd00::1" into octets; returns 4 or 6.
void house_mac(const char *text, uint8_t mac[6]);
uint8_t house_ip(const char *text, uint8_t ip[16]);

// A fact, a DNS answer of one address, a finished flow, into the house's ring. `mac` NULL: not
// known.
void house_fact(struct house *house, uint64_t time_ns, enum client_fact kind, const char *mac,
	const char *ip, const char *text);
void house_answer(struct house *house, uint64_t time_ns, const char *client_ip, const char *name,
	const char *server_ip);
struct segment_event *house_flow(struct house *house, uint64_t start_ns, uint64_t end_ns,
	const char *mac0, const char *ip0, uint16_t port0, const char *mac1, const char *ip1,
	uint16_t port1);

// Publishes with that clock and lets the ledger turn; or to the end.
void house_turn(struct house *house, uint64_t clock_ns);
void house_step(struct house *house); // without publishing
void house_finish(struct house *house);

// The last row of the client with this MAC, or NULL; and its key's like.
const struct fake_client *house_client(const struct house *house, uint16_t vlan, const char *mac);
bool house_key_is_mac(const uint8_t key[16], uint16_t vlan, const char *mac);
bool house_key_is_ip4(const uint8_t key[16], uint16_t vlan, const char *ip);
