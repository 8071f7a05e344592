// Everything that is counted, in one list: what becomes of packets, flows, events, rows. Each
// thread has an array of its own and publishes it once a turn; main adds them up.
#pragma once

#include <stdatomic.h>
#include <stdint.h>

// Why a packet is in no flow and was not understood either. X(name, what it says to the operator)
#define DROP_REASONS(X) \
	X(link_truncated, "frame ends inside its link header") \
	X(link_unknown, "link type not understood, or a cooked protocol without Ethernet type") \
	X(vlan_depth, "more than two VLAN tags") \
	X(mpls_truncated, "frame ends inside its MPLS stack, or the stack never ends") \
	X(mpls_payload, "MPLS label stack over something other than IP") \
	X(pppoe_malformed, "PPPoE session header is wrong or cut") \
	X(not_ip, "Ethernet type that is neither IP nor understood") \
	X(ip_truncated, "packet ends inside its IP header") \
	X(ip_version, "IP version is neither 4 nor 6") \
	X(ip_header_length, "IPv4 header length under 20 octets or past the packet") \
	X(ip_total_length, "IP length shorter than the headers") \
	X(ip6_extensions, "IPv6 extension chain is cut or too long") \
	X(duplicate, "exact copy of a frame seen just before (capture.dedup)") \
	X(flow_table_full, "no room for the flow and nothing to evict") \
	X(file_cut, "the capture file was cut before the packet was worked on")

enum drop_reason {
	DROP_NONE,
#define X(name, text) DROP_##name,
	DROP_REASONS(X)
#undef X
		DROP_REASON_COUNT,
};

// X(name): a running total since the start.
#define COUNTERS(X) \
	X(packets) /* seen: the sum of the next three and of all drops */ \
	X(bytes) /* octets on the wire */ \
	X(packets_in_flows) /* summed from flows as they end */ \
	X(packets_consumed) /* understood, of no flow: ARP, NDP, LLDP ... */ \
	X(flows_created) \
	X(flows_idle) /* segments by end reason */ \
	X(flows_active) \
	X(flows_end) \
	X(flows_forced) \
	X(flows_resources) \
	X(dpi_states) /* states taken */ \
	X(dpi_states_back) /* and given back */ \
	X(dpi_memory) /* octets that the library holds now */ \
	X(dpi_verdicts) \
	X(dpi_given_up) /* no state, no memory, or budget spent without a verdict */ \
	X(dpi_not_admitted) /* flows past the limit on new ones a second */ \
	X(dpi_excluded) \
	X(dpi_states_lost) /* given up: no state was left */ \
	X(dpi_memory_lost) /* given up: the library had no memory left */ \
	X(findings_lost) /* no chunk left for a finding */ \
	X(states_lost) /* flows that a classifier other than nDPI had no state left for */ \
	X(event_lost_segment) /* events dropped because the ring was full */ \
	X(event_lost_fact) \
	X(event_lost_answer) \
	X(events_late) /* came after the ledger had passed their time */ \
	X(names_malformed) /* DNS, DHCP, TLS or HTTP heads that broke off or lied */ \
	X(clients_created) \
	X(clients_evicted) \
	X(clients_refused) /* times a client found no room among those there are */ \
	X(bindings_refused) \
	X(answers_evicted) /* before they were old: the table was full */ \
	X(clients_random) \
	X(usage_folded) /* usage rows booked as "other": the table was full */

enum counter {
#define X(name) COUNTER_##name,
	COUNTERS(X)
#undef X
		COUNTER_DROPS, // first of DROP_REASON_COUNT
	COUNTER_COUNT = COUNTER_DROPS + DROP_REASON_COUNT,
};

struct counters {
	uint64_t value[COUNTER_COUNT]; // the owner's thread only
	_Alignas(64) _Atomic uint64_t published[COUNTER_COUNT]; // owner: wo, main: ro
};

static inline void counter_add(struct counters *c, enum counter which, uint64_t count)
{
	c->value[which] += count;
}

static inline void counter_drop(struct counters *c, enum drop_reason reason)
{
	c->value[COUNTER_DROPS + reason]++;
}

// Owner's thread, once a turn.
void counters_publish(struct counters *c);

// Any thread: adds what `c` published to `sum`.
void counters_sum(const struct counters *c, uint64_t sum[COUNTER_COUNT]);

const char *drop_reason_name(enum drop_reason reason); // "ip_truncated"
const char *drop_reason_text(enum drop_reason reason); // what it says to the operator
