// Classifier: looks at a flow's first packets and reports what it finds.
//
// One instance lives in each shard; instances share nothing. A classifier reports findings and
// never decides: core/classify weighs them. It sees base/, packet.h, findings.h, taxonomy.h and
// this file.
#pragma once

#include "core/classify/taxonomy.h"
#include "core/event/findings.h"
#include "core/packet/packet.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What a classifier asks to be shown; it is called for nothing else.
enum classifier_wants {
	WANTS_TCP_PAYLOAD = 1 << 0, // segments that carry data
	WANTS_TCP_BARE = 1 << 1, // segments without data, those that bare() asks for
	WANTS_UDP_PAYLOAD = 1 << 2, // datagrams; empty ones as well
	WANTS_OTHER = 1 << 3, // any other IP protocol, fragments without ports included
	WANTS_DNS = 1 << 4, // TCP and UDP, port 53 at either end: every payload packet
	WANTS_DHCP = 1 << 5, // UDP, ports 67 and 68
	WANTS_ARP = 1 << 6, // consumed packets: no flow
	WANTS_NDP = 1 << 7, // consumed packets: no flow
};

// The handshake as far as it came in order (RFC 9293 section 3.5), before the first whole packet
// with payload.
enum opening {
	OPENING_SYN = 1 << 0,
	OPENING_SYN_ACK = 1 << 1,
	OPENING_ACK = 1 << 2,
	OPENING_OVER = 1 << 3,
};

enum classify_next { CLASSIFY_MORE, CLASSIFY_ENOUGH };

// What a classifier may know of a packet's flow. Valid for the call. [2] arrays by sending end:
// end 0 is the initiator (struct flow).
struct flow_view {
	const uint8_t *ip[2]; // 4 or 16 octets
	uint16_t port[2];
	uint8_t ip_version, ip_proto;
	uint8_t from; // end that sent this packet
	uint8_t first_end; // end that sent the flow's first packet
	uint8_t first_flags; // TCP flags of the flow's first packet
	uint8_t opening; // enum opening: what came of the handshake before the first payload
	uint32_t opening_seq[2]; // TCP: next expected from each end, as bare segments before the
				 // first payload told it; 0: unknown
	uint16_t payload_packets; // with this one, both ways, saturating
	uint16_t bare_packets; // TCP segments without data before the first payload, saturating
	bool ended; // finish(): the flow is over (not merely decided)
};

// Where a classifier reports to; core/classify's. All functions: during inspect() and finish()
// only.
struct report;

void report_text(
	struct report *report, enum finding kind, uint8_t source, const uint8_t *bytes, size_t len);
void report_number(struct report *report, enum finding kind, uint64_t value);
void report_verdict(struct report *report, const struct verdict *verdict);
void report_dns(struct report *report, const struct dns_finding *entry); // answered or given up
void report_dns_counts(
	struct report *report, uint32_t queries, uint32_t answers, uint32_t failures);
void report_fact(struct report *report, const struct fact *fact);
void report_answer(struct report *report, const struct answer *answer);
void report_mid_flow(
	struct report *report); // its beginning was not seen: who is the client, is judged
void report_malformed(struct report *report); // counted by name

struct classifier_config {
	struct taxonomy *taxonomy; // to be filled by whoever knows names
	struct counters *counters;
	uint32_t states_max; // flow states at most
	uint64_t memory_bytes; // for what the library allocates inside
	uint16_t packets_max; // payload packets shown at most (settings; 0: the classifier's own)
	bool plain; // its library is used as it comes, without what makes it faster
};

struct classifier_ops {
	const char *name;
	uint32_t wants; // enum classifier_wants
	bool verdicts; // nDPI: its limits stand in the settings, which may leave it out; excluded
		       // flows and those without a verdict are counted for it
	bool whole_packets; // shown none that the snap length has cut
	uint16_t packets_max; // shown at most so many packets of a flow; 0: no limit
	uint32_t flow_state_size; // zeroed state per flow, from a pool, at the first packet shown;
				  // 0: none
	uint32_t flow_state_head; // so much of it is zeroed, and the rest is whatever its last
				  // user left; 0: all is

	// Returns 0, or -errno with *ret_self untouched.
	int (*open)(void **ret_self, const struct classifier_config *config);

	// Told of each TCP segment without data of a flow that is still watched, so that it can
	// keep count (`state` is NULL before the first packet shown); returns whether to be shown
	// it. NULL unless WANTS_TCP_BARE.
	bool (*bare)(void *self, void *state, const struct packet *packet);

	// `state` is the flow's (NULL without one, and for consumed packets, which have no flow
	// either: `view` is NULL then). ENOUGH: shown no more; finish() follows at once.
	enum classify_next (*inspect)(void *self, void *state, const struct packet *packet,
		const struct flow_view *view, struct report *report);

	// Last word: the flow ended, ENOUGH was said, or packets_max is reached. The state goes
	// back afterwards. Not called for flows that were never shown to inspect(). May be NULL.
	void (*finish)(
		void *self, void *state, const struct flow_view *view, struct report *report);

	// Before a cut flow's segment is written and the flow lives on: may report. May be NULL.
	void (*cut)(void *self, void *state, const struct flow_view *view, uint64_t now_ns,
		struct report *report);

	// What it took when it was opened, besides the states. NULL: nothing to speak of.
	size_t (*bytes)(const void *self);

	void (*close)(void *self); // accepts NULL
};

extern const struct classifier_ops
	*const classifiers[]; // ends with NULL: classifiers/classifiers.c
