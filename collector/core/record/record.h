// The one door: turns a flow, a client, a usage row, health into bytes, under the policy. Nothing
// else in the program does, and nothing else decides what leaves.
//
// Ledger's thread only. What the rows point to is borrowed for the call.
#pragma once

#include "core/base/counters.h"
#include "core/base/memory.h"
#include "core/classify/taxonomy.h"
#include "core/client/client.h"
#include "core/event/event.h"
#include "core/packet/capture.h"
#include "core/privacy/policy.h"
#include "core/record/batch.h"

#include <stdbool.h>
#include <stdint.h>

// One end of a flow, as the ledger judged it.
struct row_end {
	bool local;
	const uint8_t *ip; // 4 or 16 octets
	const uint8_t *mac; // 6, or NULL: not known
	const uint8_t *key; // 16: client_key of a local end, or NULL
	uint16_t port;
};

enum direction { DIRECTION_NONE, DIRECTION_OUT, DIRECTION_IN, DIRECTION_LAN, DIRECTION_TRANSIT };

struct flow_row {
	const struct segment_event *segment;
	unsigned client_end; // which end of the segment is the client: 0 or 1
	struct row_end client, server;
	uint8_t direction; // enum direction
	const char *interface; // one that has no other name later on
	const struct findings_view *findings;
	// The name, from the flow itself or the answer cache.
	const uint8_t *server_name; // raw octets, or NULL
	uint16_t server_name_len;
	uint8_t name_source; // enum name_source
	uint32_t name_age_ms; // NOT_KNOWN_32 unless NAME_DNS_CACHE
	// A name of the row, at this place, and what record_expect_name() returned for it; or NULL.
	const uint8_t *expected_name;
	uint64_t expected_hash;
};

struct client_row {
	const uint8_t *key; // 16
	uint64_t first_seen_ns, last_seen_ns;
	const uint8_t *mac; // 6, or NULL: known by its address only
	const char *mac_vendor; // or NULL
	bool mac_random;
	uint16_t vlan; // 0: none
	const struct client_address *addresses;
	uint32_t address_count;
	const struct client_name *names;
	uint32_t name_count;
	const char *dhcp_options; // or NULL
	const uint8_t *dhcp_vendor_class; // raw octets, or NULL
	uint16_t dhcp_vendor_class_len;
	bool tombstone; // the client is gone: an empty value under its key
};

// Numbers of one window. Rows without client and application are site totals.
struct usage_row {
	uint64_t window_start_s;
	uint32_t window_s;
	const uint8_t *key; // 16, or NULL
	bool total; // the site total
	bool has_application;
	uint16_t application, category; // nDPI's numbers
	uint64_t bytes_up, bytes_down, packets_up, packets_down;
	uint32_t flows, flows_failed;
	uint32_t active_s;
	uint64_t retransmissions;
	uint32_t members; // clients folded into it
};

struct health_interface {
	const char *name;
	uint32_t queue;
	uint64_t packets, bytes, dropped_kernel, dropped_nic;
	uint64_t nic_lost[NIC_LOSS_COUNT];
	uint64_t times_down;
};

// SCHEMA.md, health.lost: why a row did not arrive.
enum lost_cause {
	LOST_EVENT_RING,
	LOST_NO_BATCH,
	LOST_QUEUE_FULL,
	LOST_SPOOL_FULL,
	LOST_SPOOL_AGE,
	LOST_TOO_LARGE,
	LOST_BROKER,
	LOST_SHUTDOWN,
	LOST_CAUSE_COUNT,
};
const char *lost_cause_name(enum lost_cause cause); // "queue_full"

// What counts how often a limit was met; by the name of the pool that was full, where it is one
// (memory_pools_add), and of what it had no room for. The last has no name.
struct limit_met {
	const char *limit;
	enum counter counter;
};
extern const struct limit_met limits_met[];

struct health_row {
	uint64_t time_ns;
	uint64_t uptime_s;
	const char *version;
	const struct health_interface *interfaces;
	uint32_t interface_count;
	const uint64_t *counters; // COUNTER_COUNT, summed over all threads
	bool last; // packets_in_flows stands in the last row only
	uint64_t flows_active_now, clients_now;
	uint64_t delivered[RECORD_TYPE_COUNT];
	// What export lost; the door adds no_batch, too_large and, from the counters, event_ring.
	uint64_t lost[RECORD_TYPE_COUNT][LOST_CAUSE_COUNT];
	const char *exporter;
	bool exporter_up;
	uint64_t in_flight, bytes_raw, bytes_sent;
	const char *last_error; // or NULL
	const struct memory_pool *memory;
	uint32_t memory_count;
	uint64_t one_way_flows, tcp_flows; // for visibility.one_way_ratio
	int64_t clock_step_ns;
};

// Who speaks: stands in every row.
struct record_identity {
	uint8_t collector_id[16];
	uint64_t boot_id;
	const char *tenant, *site;
	uint64_t run_start_ns; // wall time
	bool offline; // expires_at and message times count from the start of the run
	uint64_t retention_ns;
};

struct record;

// `batches`: borrowed; `wait`: whether to wait for an empty batch. Returns 0 or -errno.
int record_new(struct record **ret, const struct policy *policy, const struct taxonomy *taxonomy,
	const struct record_identity *identity, struct batch_pool *batches, bool json, bool wait);
void record_free(struct record *record); // accepts NULL

// How far the wall clock was moved since the start (live): what rows tell of time moves with it.
void record_clock(struct record *record, int64_t step_ns);

// From here on rows wait for an empty batch rather than being lost, as long as the pool's give_up()
// lets them.
void record_wait(struct record *record);

// Whoever sums up a run listens here: called with each protobuf row as it leaves, without its
// delimiting length (tombstones leave no row). One listener; NULL: none.
typedef void record_listener_fn(void *arg, enum record_type type, const uint8_t *row, size_t len);
void record_listen(struct record *record, record_listener_fn *listener, void *arg);

// Each row passes the policy; what the policy withholds whole (flows in `basic`) makes no row.
void record_flow(struct record *record, const struct flow_row *row);
// Hint: a flow with this name will be written soon. Returns what to give with it.
uint64_t record_expect_name(const struct record *record, const uint8_t *name, size_t name_len);
void record_client(struct record *record, const struct client_row *row);
void record_usage(struct record *record, const struct usage_row *row);
void record_health(struct record *record, const struct health_row *row);

// Seals batches older than the batch age by `now_ns` (any steady clock); `all`: every open one.
void record_seal(struct record *record, uint64_t now_ns, uint64_t age_ns, bool all);

// Rows handed over in batches; rows lost because no batch was free, or because a batch is smaller
// than the row; withheld counts for the summary.
struct record_stats {
	uint64_t made[RECORD_TYPE_COUNT];
	uint64_t no_batch[RECORD_TYPE_COUNT];
	uint64_t too_large[RECORD_TYPE_COUNT];
	uint64_t withheld_rows[RECORD_TYPE_COUNT]; // by the policy
	uint64_t withheld_values[RECORD_TYPE_COUNT]; // values dropped or changed, all fields
};
void record_stats(const struct record *record, struct record_stats *ret);
