// A client: a local host, as the ledger knows it. Found by its identity, (VLAN, MAC), or (VLAN,
// address) behind a router or where frames have no MAC. Records show it in the form below.
//
// Ledger's thread only.
#pragma once

#include "core/base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// SCHEMA.md, client.addresses.source, client.names.source: numbered as listed there.
enum address_source { ADDRESS_NONE, ADDRESS_ARP, ADDRESS_NDP, ADDRESS_DHCP, ADDRESS_TRAFFIC };
enum client_name_source {
	CLIENT_NAME_NONE,
	CLIENT_NAME_DHCP,
	CLIENT_NAME_DHCP_FQDN,
	CLIENT_NAME_DHCPV6,
	CLIENT_NAME_MDNS,
	CLIENT_NAME_LLMNR,
	CLIENT_NAME_NBNS,
	CLIENT_NAME_BROWSER,
	CLIENT_NAME_SSDP,
	CLIENT_NAME_LLDP,
	CLIENT_NAME_CDP,
};

enum { CLIENT_ADDRESSES_MAX = 16, CLIENT_NAMES_MAX = 8 };

struct client_address {
	uint8_t ip[16];
	uint8_t ip_version;
	uint8_t source; // enum address_source
	// The ledger's: where what is known of the address was when it was learned (binding.h).
	uint32_t binding;
	uint64_t from_ns, to_ns;
};

struct client_name {
	uint8_t source; // enum client_name_source
	uint8_t len;
	uint64_t time_ns;
	uint8_t text[255]; // raw octets as sent
};

// Numbered as enum client_kind, which goes into client_key.
enum identity_kind { IDENTITY_NONE = 0, IDENTITY_MAC = 1, IDENTITY_IP4 = 4, IDENTITY_IP6 = 6 };

// Compared and hashed as three words; unused octets are zero.
struct identity {
	uint8_t value[16]; // MAC in the first six octets, IPv4 in the first four
	uint16_t vlan;
	uint8_t kind; // enum identity_kind
	uint8_t zero[5];
};
static_assert(sizeof(struct identity) == 24, "three words, no padding");

enum {
	ROUTER_SOURCES = 5, // more than four local IPv4 source addresses make a router
	DHCP_OPTIONS_MAX = 255,
	DHCP_VENDOR_CLASS_MAX = 255,
};

#define CLIENT_NEVER UINT64_MAX

// What speaks for a client's being there, least first. An address that was made up is met once; who
// is answered, and sends again, is somebody.
enum client_standing {
	CLIENT_UNSEEN, // never sent anything: others sent to it
	CLIENT_ONCE,
	CLIENT_AGAIN, // a second later, or more
	CLIENT_CONVERSED,
	CLIENT_HIDDEN, // excluded, which its other addresses do not say: nobody else stands so high
	CLIENT_STANDINGS
};

// What a look-up and the site's total touch stands in the first line, what a flow of a known client
// touches in the second, and in the third what its row says and whether it is a router; the last is
// for those with more than two addresses, and for client rows.
enum { CLIENT_OFTEN = 3 * CACHE_LINE }; // octets
struct client {
	_Alignas(CACHE_LINE) struct identity id;
	uint32_t bucket; // in the table, as are the links: pool indexes, POOL_NONE: none
	uint32_t next; // in the bucket
	uint64_t serial; // counts clients made; never used again
	// In which windows it counts as a member: bit i, the window i before `newest` (usage.c).
	uint64_t member_newest;
	uint32_t member_total, member_other;
	uint32_t newer, older; // of its standing, by when it was last seen

	uint64_t touched_ns; // when it was last moved there; CLIENT_NEVER: not yet
	uint64_t first_seen_ns, last_seen_ns;
	// Rows (ledger).
	uint64_t due_ns; // when its next row is due; CLIENT_NEVER: none
	uint64_t row_ns, row_last_seen_ns; // of the last row, and what it said
	bool seen; // to send; a capture's times may begin at 0
	bool row_written;
	bool changed; // since the last row

	bool random; // locally administered MAC
	bool hidden; // excluded by one of its addresses: nothing of it leaves
	uint8_t source_count;
	uint8_t address_count, name_count;
	uint16_t asked; // bit i: addresses[i] has asked for names
	uint16_t dhcp_options_len, dhcp_vendor_class_len;
	uint8_t standing; // enum client_standing

	// A MAC that carries many addresses is a router: new flows behind it go by their address.
	uint64_t router_since_ns; // CLIENT_NEVER: no router
	uint8_t key[16]; // client_key, computed once
	uint32_t sources[ROUTER_SOURCES]; // local IPv4 addresses it sent from
	uint32_t words; // index of its words; POOL_NONE: none
	uint64_t source_ns[ROUTER_SOURCES]; // when last

	const char *vendor; // or NULL
};
static_assert(offsetof(struct client, touched_ns) == CACHE_LINE);
static_assert(offsetof(struct client, router_since_ns) == 2 * CACHE_LINE);
static_assert(offsetof(struct client, source_ns[2]) == CLIENT_OFTEN);
static_assert(sizeof(struct client) == 4 * CACHE_LINE);

// What few events touch.
struct client_detail {
	struct client_address addresses[CLIENT_ADDRESSES_MAX];
};
static_assert(sizeof(struct client_detail) % 8 == 0);

// What it said of itself; most never say anything.
struct client_words {
	struct client_name names[CLIENT_NAMES_MAX]; // newest first
	char dhcp_options[DHCP_OPTIONS_MAX + 1];
	uint8_t dhcp_vendor_class[DHCP_VENDOR_CLASS_MAX + 1];
};
static_assert(sizeof(struct client_words) % 8 == 0);

// So many octets read from memory as a number, as those of a word that come after `after` others.
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#define IDENTITY_PART(value, octets, after) ((uint64_t)(value) << (64 - 8 * ((octets) + (after))))
#else
#define IDENTITY_PART(value, octets, after) ((uint64_t)(value) << 8 * (after))
#endif

// Made of whole words: what is written octet by octet is slow to read as words at once.
static inline struct identity identity_of(
	uint64_t first, uint64_t second, uint16_t vlan, enum identity_kind kind)
{
	uint64_t words[] = {first, second, IDENTITY_PART(vlan, 2, 0) | IDENTITY_PART(kind, 1, 2)};
	struct identity id;

	memcpy(&id, words, sizeof(id));
	return id;
}

static inline struct identity identity_of_mac(uint16_t vlan, const uint8_t mac[6])
{
	uint32_t first;
	uint16_t last;

	memcpy(&first, mac, 4);
	memcpy(&last, mac + 4, 2);
	return identity_of(
		IDENTITY_PART(first, 4, 0) | IDENTITY_PART(last, 2, 4), 0, vlan, IDENTITY_MAC);
}

// An address as a key. IPv4 in the first four octets of `ip`.
static inline struct identity address_of(uint16_t vlan, const uint8_t *ip, bool ip6)
{
	uint64_t words[2];
	uint32_t ip4;

	if (ip6) {
		memcpy(words, ip, sizeof(words));
		return identity_of(words[0], words[1], vlan, IDENTITY_IP6);
	}
	memcpy(&ip4, ip, 4);
	return identity_of(IDENTITY_PART(ip4, 4, 0), 0, vlan, IDENTITY_IP4);
}

// One by one: two words that were just written apart are slow to read as one.
static inline uint64_t identity_word(const struct identity *id, unsigned i)
{
	uint64_t word;

	memcpy(&word, (const uint8_t *)id + i * sizeof(word), sizeof(word));
	return word;
}

static inline bool identity_equal(const struct identity *a, const struct identity *b)
{
	return identity_word(a, 0) == identity_word(b, 0) &&
		identity_word(a, 1) == identity_word(b, 1) &&
		identity_word(a, 2) == identity_word(b, 2);
}

static inline bool client_is_router(const struct client *client, uint64_t when_ns)
{
	return client->router_since_ns <= when_ns;
}
