// Usage: what each client used in each window of time, by application; and a total of the site.
// Where the policy wants no clients (`basic`), rows are by category.
//
// A delta is booked in the window of its end. A window is due when the clock passes its end by the
// longest idle time, since no delta comes later than that; one that does makes another row.
//
// Ledger's thread only. Fixed memory: what finds no row is booked as "other" and counted.
#pragma once

#include "core/base/counters.h"
#include "core/base/hash.h"
#include "core/base/pool.h"
#include "core/client/client.h"

enum {
	// Idle times are 540 s at most and windows 60 s at least; two more for jitter.
	USAGE_WINDOWS_MAX = 12,
	// Seconds that a row tells apart; longer windows are counted in larger steps.
	USAGE_CELLS_MAX = 3600,
};

struct usage_delta {
	uint64_t start_s, end_s; // seconds in which it began and ended
	uint16_t application, category;
	uint64_t bytes_up, bytes_down, packets_up, packets_down;
	uint64_t retransmissions;
	uint32_t flows, flows_failed;
};

struct usage_numbers {
	uint64_t bytes_up, bytes_down, packets_up, packets_down;
	uint64_t retransmissions;
	uint32_t flows, flows_failed;
};

// A row of one client and application; or of a category, of "other", of the site. In `basic` also
// the mere fact that a client is a member of a category's row. With the cells of a window of 300 s
// it is two cache lines.
struct usage_entry {
	uint64_t whose; // usage_whose()
	uint8_t client_key[16];
	uint32_t next; // in the bucket
	uint32_t next_in_window;
	uint16_t application, category;
	uint32_t members; // clients in it
	struct usage_numbers numbers;
	uint64_t cells[]; // bit: this second (or step) was active
};
static_assert(sizeof(struct usage_entry) + (300 + 63) / 64 * sizeof(uint64_t) == 2 * CACHE_LINE);

// Of a client by its serial, 0: not of one, in a window by its index.
static inline uint64_t usage_whose(uint64_t serial, uint32_t window)
{
	return serial << 8 | window;
}

static inline uint64_t usage_client(const struct usage_entry *entry)
{
	return entry->whose >> 8;
}

struct usage_window {
	uint64_t start_s;
	uint64_t number; // windows before it since the epoch
	bool open;
	uint32_t first, last; // entries, in the order in which they came
	uint32_t count;
	struct usage_entry *total, *other;
};

struct usage {
	struct pool entries;
	uint32_t *buckets;
	uint32_t bucket_mask;
	struct hash_key key;
	struct counters *counters;
	uint32_t window_s, step_s, rows_max;
	uint64_t idle_ns;
	bool by_client;
	uint64_t due_ns; // earliest of the open windows; UINT64_MAX: none
	struct usage_window windows[USAGE_WINDOWS_MAX];
	uint32_t last; // the window that was booked in last
};

struct usage_settings {
	uint32_t rows_max; // of one window
	uint32_t window_s;
	uint64_t idle_ns; // longest
	bool by_client;
	struct hash_key key;
};

int usage_init(
	struct usage *usage, const struct usage_settings *settings, struct counters *counters);
void usage_fini(struct usage *usage); // accepts a zeroed one
size_t usage_bytes(const struct usage *usage);
void usage_prefault(struct usage *usage);

// A row in two steps, so that the memory of many can be fetched together: where it would stand, and
// then what stands there. Hints only; POOL_NONE: none.
uint32_t usage_bucket(const struct usage *usage, const struct client *client, uint64_t end_ns,
	uint16_t application);
static inline void usage_fetch_bucket(const struct usage *usage, uint32_t bucket)
{
	prefetch(&usage->buckets[bucket]);
}
static inline void usage_fetch(const struct usage *usage, uint32_t bucket)
{
	uint32_t idx = usage->buckets[bucket];

	if (idx == POOL_NONE)
		return;
	prefetch_octets(pool_at(&usage->entries, idx), 2 * CACHE_LINE);
}

// Books what one local end did, unless rows are by category. `client` NULL: of a host that found no
// room among the clients; then as "other", of which it is no member.
void usage_book(struct usage *usage, struct client *client, const struct usage_delta *delta);

// Books in the category's row, where rows are by category; each flow once. `clients`: its local
// ends, NULL where none, or none that found room.
void usage_book_category(
	struct usage *usage, struct client *const clients[2], const struct usage_delta *delta);

// Books in the site's total; each flow once. `clients` as before.
void usage_book_total(
	struct usage *usage, struct client *const clients[2], const struct usage_delta *delta);

// The open window that is due first, if it is by `now_ns`; UINT64_MAX: whichever.
struct usage_window *usage_due(struct usage *usage, uint64_t now_ns);

// The rows of a window: start with NULL; NULL when there are no more. Its total and "other" are
// not among them. In `basic` they are by category.
const struct usage_entry *usage_next(
	struct usage *usage, struct usage_window *window, const struct usage_entry *entry);

// Seconds in which it was active.
uint32_t usage_active_s(const struct usage *usage, const struct usage_entry *entry);

// Its rows are written: forgets them. `clients`: everybody, of whom no one is a member any more.
struct client_table;
void usage_close(struct usage *usage, struct usage_window *window, struct client_table *clients);
