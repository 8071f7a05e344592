// What classifiers say, in a form that both a flow and an event can carry: a flow's findings hang
// on it by index, in chunks of a shard's pool, and are copied into its segment event as one run of
// entries {kind u8, source u8, length u16, bytes}, which the ledger reads back.
//
// A classifier reports and never decides; the first finding of each kind stands, except that a
// server name of a better source replaces a worse one. One shard's thread; findings_read: any.
#pragma once

#include "core/base/counters.h"
#include "core/base/pool.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum finding {
	FINDING_NONE,
	FINDING_SERVER_NAME, // source: enum name_source
	FINDING_TLS_VERSION, // text "1.3"
	FINDING_ALPN, // text, comma-joined
	FINDING_USER_AGENT,
	FINDING_HTTP_METHOD,
	FINDING_HTTP_STATUS, // number
	FINDING_ECH, // number, enum ech
	FINDING_DNS, // struct dns_finding's fixed part, then the name; many
	FINDING_COUNT,
};

// SCHEMA.md, flow.name_source, ech, dpi, confidence: numbered as listed there.
enum name_source {
	NAME_NONE,
	NAME_SNI,
	NAME_QUIC,
	NAME_HTTP,
	NAME_DTLS,
	NAME_DNS_CACHE,
	NAME_CERT
};
enum ech { ECH_NONE, ECH_GREASE, ECH_OFFERED };
enum dpi { DPI_UNSET, DPI_VERDICT, DPI_NO_PAYLOAD, DPI_GIVEN_UP, DPI_NOT_ADMITTED, DPI_EXCLUDED };
enum confidence {
	CONFIDENCE_UNSET,
	CONFIDENCE_UNKNOWN,
	CONFIDENCE_PORT,
	CONFIDENCE_IP,
	CONFIDENCE_PARTIAL,
	CONFIDENCE_CACHE,
	CONFIDENCE_DPI,
	CONFIDENCE_CUSTOM,
};

enum { FINDING_TEXT_MAX = 512, DNS_NAME_MAX = 255, DNS_ENTRIES_MAX = 16 };

#define DNS_NOT_ANSWERED UINT32_MAX

struct dns_finding {
	uint32_t latency_us; // UINT32_MAX: no answer was seen
	uint16_t type; // QTYPE
	uint16_t rcode; // of the answer; meaningless without one
	uint16_t name_len;
	const uint8_t *name; // as sent, dotted, raw octets; borrowed for the call
};

// The verdict on a flow (nDPI's numbers).
struct verdict {
	uint16_t protocol; // master; the application where there is no master
	uint16_t application; // 0: Unknown
	uint16_t category;
	uint16_t risk_score;
	uint64_t risk_bits;
	uint8_t confidence; // enum confidence
	uint8_t dpi; // enum dpi
};

// A fact about a client, said on the wire; goes to the ledger as an event of its own.
enum client_fact {
	FACT_NONE,
	FACT_ARP, // binding mac - ip
	FACT_NDP, // binding mac - ip
	FACT_DHCP_BINDING, // the server acknowledged ip for mac
	FACT_DHCP_NAME, // text: option 12
	FACT_DHCP_FQDN, // text: option 81
	FACT_DHCP_VENDOR_CLASS, // text: option 60
	FACT_DHCP_OPTIONS, // text: option 55, "1,3,6"
	FACT_ROUTER_PREFIX, // ip/prefix_len announced on this link (RFC 4861 section 4.6.2)
	FACT_ON_LINK, // ip is on the link: an ARP speaker or a neighbour-discovery target
	FACT_COUNT,
};

struct fact {
	uint8_t kind; // enum client_fact
	uint8_t ip_version; // 4, 6, or 0: no address
	uint8_t prefix_len;
	uint8_t mac[6];
	uint8_t ip[16];
	uint16_t text_len;
	const uint8_t *text; // raw octets as sent; borrowed for the call
};

// One DNS answer's addresses: `client` asked for `name`; it and its CNAMEs lead to these.
enum { ANSWER_ADDRESSES_MAX = 16 };
struct answer {
	uint8_t client_ip[16];
	uint8_t client_ip_version;
	uint8_t address_count;
	uint16_t name_len;
	uint32_t ttl_s; // the least of the addresses'
	const uint8_t *name;
	struct answer_address {
		uint8_t ip[16];
		uint8_t ip_version;
	} addresses[ANSWER_ADDRESSES_MAX];
};

// The chunks of one shard.
struct findings_pool {
	struct pool chunks;
	struct counters *counters;
};
int findings_pool_init(struct findings_pool *pool, uint32_t chunks_max, struct counters *counters);
void findings_pool_fini(struct findings_pool *pool);

// Appends one finding, not of DNS, to the chunk list that starts at *head (POOL_NONE: none yet).
// What does not fit is counted as findings_lost.
void findings_append(struct findings_pool *pool, uint32_t *head, enum finding kind, uint8_t source,
	const void *bytes, size_t len);
// A DNS entry: beyond DNS_ENTRIES_MAX of them it is lost as well, so the caller makes room first.
void findings_append_dns(
	struct findings_pool *pool, uint32_t *head, const struct dns_finding *entry);
uint32_t findings_dns_count(const struct findings_pool *pool, uint32_t head);
size_t findings_size(const struct findings_pool *pool, uint32_t head); // as one run
void findings_copy(const struct findings_pool *pool, uint32_t head, uint8_t *out); // size octets
bool findings_have(const struct findings_pool *pool, uint32_t head, enum finding kind);
void findings_give(struct findings_pool *pool, uint32_t *head); // all chunks back
void findings_give_dns(
	struct findings_pool *pool, uint32_t *head); // DNS entries only: after a segment

// One run of findings, as an event carries it, taken apart. Borrows from the run.
struct findings_view {
	const uint8_t *text[FINDING_COUNT]; // NULL: none
	uint16_t len[FINDING_COUNT];
	uint8_t source[FINDING_COUNT];
	uint64_t number[FINDING_COUNT]; // of numeric ones
	uint32_t dns_count;
	struct dns_finding dns[DNS_ENTRIES_MAX];
};
void findings_read(struct findings_view *view, const uint8_t *run, size_t size);
// The name in the run's first entry, of a server or of a DNS message, or NULL: there is none there.
const uint8_t *findings_first_name(const uint8_t *run, size_t size, uint16_t *ret_len);
