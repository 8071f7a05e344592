// The flow table of one shard: fixed memory, keyed hash, full-key compare, batch look-ups.
//
// Buckets of one cache line hold seven (signature, index) pairs; a flow whose home bucket is full
// stands in one of the next, and the home bucket counts it. A batch is worked on in three passes:
// key, hash and prefetch the bucket; compare signatures and prefetch the flow; update. Timeouts are
// judged at look-up by the packet's time; a timing wheel only finds what is due, so it decides when
// a row is written and never which flows exist (Varghese, Lauck 1987).
//
// One shard's thread owns it all.
#pragma once

#include "core/base/counters.h"
#include "core/base/hash.h"
#include "core/flow/excluded.h"
#include "core/flow/flow.h"

struct flow_table;

struct flow_settings {
	uint32_t flows_max;
	bool vlan_in_key;
	uint64_t idle_tcp_ns, idle_udp_ns, idle_icmp_ns, idle_closed_ns, active_ns;
	const uint8_t *iface_group; // group of each interface index; borrowed
	const struct excluded *excluded; // borrowed
	struct hash_key key;
	bool prefault; // live
};

// Returns 0 or -errno with *ret untouched.
int flow_table_new(
	struct flow_table **ret, const struct flow_settings *settings, struct counters *counters);
void flow_table_free(struct flow_table *table); // accepts NULL
size_t flow_table_bytes(const struct flow_table *table);

// Forgets the batch before (whose flows were pinned) and makes ready for `batch`: keys, hashes,
// prefetches. Once a batch, after decode.
void flow_table_prepare(struct flow_table *table, struct packet_batch *batch);

// Updates flows with packets [from, to) and returns `to`: it stops before a packet that ends or
// cuts a flow touched since `from`, so that no row depends on where a batch ends. Ended and cut
// flows stand on the list that flow_table_ended() empties; a packet's `flow` stays valid until the
// next prepare.
uint32_t flow_table_update(struct flow_table *table, struct packet_batch *batch, uint32_t from);

// Puts flows that are due by `now_ns` onto the list of ended ones, at most `max` of them; returns
// whether all that are due have been put there.
bool flow_table_expire(struct flow_table *table, uint64_t now_ns, uint32_t max);

// At the end of a source: every remaining flow, at most `max`, onto the list: `idle` where its
// timeout has passed by now_ns, `forced` otherwise. Returns whether none is left.
bool flow_table_flush(struct flow_table *table, uint64_t now_ns, uint32_t max);

// The next flow that ended or was cut (flow->end_reason says why; END_ACTIVE: it lives on), or
// NULL. The caller writes its segment and then calls flow_table_done().
struct flow *flow_table_ended(struct flow_table *table);

// Ended: the flow's memory goes back. Cut: the segment's counters start anew, at the next packet.
void flow_table_done(struct flow_table *table, struct flow *flow);

// No event that flow_table_expire() has yet to cause is due before this time.
uint64_t flow_table_clock(const struct flow_table *table, uint64_t now_ns);

uint32_t flow_table_count(const struct flow_table *table);
