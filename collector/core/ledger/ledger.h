// The ledger: the one place that knows clients. Takes the shards' events in the order of time,
// learns from them, books usage, and has every record written through the door.
//
// One thread. Events are taken up to the slowest shard's clock and reordered in a bounded heap;
// ties are decided by content, so that one shard and four give the same records.
#pragma once

#include "core/event/event_ring.h"
#include "core/privacy/policy.h"
#include "core/record/record.h"
#include "core/settings/settings.h"

struct ledger;

struct ledger_config {
	const struct settings
		*settings; // limits, local networks (checked by ledger_check), windows
	const struct policy *policy;
	struct record *record;
	struct event_ring **rings;
	uint32_t ring_count;
	const char *const *interface_names; // by interface index
	struct counters *counters; // the ledger's own
	uint64_t seed;
	bool prefault;
};

// Checks the settings that the ledger reads (networks.local, networks.routers): all that is wrong.
int ledger_check(const struct settings *settings, struct problems *problems);

// Returns 0 or -errno with *ret untouched. All borrowed for the ledger's life.
int ledger_new(struct ledger **ret, const struct ledger_config *config);
void ledger_free(struct ledger *ledger); // accepts NULL
void ledger_memory(const struct ledger *ledger, struct memory_pools *pools);

// How many events each of so many rings may hold, so that the order of time has room for them all
// when it has paused the rings of those shards that are ahead.
uint32_t ledger_ring_events(const struct settings *settings, uint32_t rings);

// Live: the link's own prefixes are local, too (from the interface's addresses).
int ledger_add_local(struct ledger *ledger, const uint8_t *ip, bool ip6, uint8_t prefix_len);

// One turn: everything that is due by the slowest clock. Returns the count of events taken. A few
// events may be left until more have gathered, or none came for some turns.
uint32_t ledger_step(struct ledger *ledger);

// After the last event: writes what is open (usage windows, changed clients).
void ledger_finish(struct ledger *ledger);

struct ledger_stats {
	uint64_t clients_now;
	uint64_t tcp_flows, one_way_flows; // of TCP with an acknowledgement; those seen one way
};
void ledger_stats(const struct ledger *ledger, struct ledger_stats *ret);
