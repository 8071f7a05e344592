// Usage by client, application and window.
#include "core/client/usage.h"

#include "core/base/memory.h"
#include "core/client/client_table.h"

#include <errno.h>
#include <string.h>

static uint32_t cell_count(const struct usage *usage)
{
	return (usage->window_s + usage->step_s - 1) / usage->step_s;
}

static uint32_t cell_words(const struct usage *usage)
{
	return (cell_count(usage) + 63) / 64;
}

int usage_init(
	struct usage *usage, const struct usage_settings *settings, struct counters *counters)
{
	uint32_t buckets = 1;

	memset(usage, 0, sizeof(*usage));
	usage->counters = counters;
	usage->key = settings->key;
	usage->window_s = settings->window_s;
	usage->step_s = (settings->window_s + USAGE_CELLS_MAX - 1) / USAGE_CELLS_MAX;
	usage->rows_max = settings->rows_max;
	usage->idle_ns = settings->idle_ns;
	usage->by_client = settings->by_client;
	usage->due_ns = UINT64_MAX;

	// So many windows collect rows at one time.
	uint64_t window_ns = settings->window_s * NS_PER_S;
	uint32_t open = 1 + (uint32_t)((settings->idle_ns + window_ns - 1) / window_ns);
	uint64_t rows = (uint64_t)settings->rows_max * open + 2 * USAGE_WINDOWS_MAX;
	if (rows >= POOL_NONE / 2)
		return -EINVAL;
	while (buckets < rows)
		buckets *= 2;
	usage->bucket_mask = buckets - 1;
	usage->buckets = memory_reserve(buckets * sizeof(uint32_t));
	if (usage->buckets == NULL)
		return -ENOMEM;
	memset(usage->buckets, 0xff, buckets * sizeof(uint32_t));
	return pool_init(&usage->entries, (uint32_t)rows,
		(uint32_t)(sizeof(struct usage_entry) + cell_words(usage) * sizeof(uint64_t)));
}

void usage_fini(struct usage *usage)
{
	if (usage->buckets != NULL)
		memory_release(usage->buckets, ((size_t)usage->bucket_mask + 1) * sizeof(uint32_t));
	usage->buckets = NULL;
	pool_fini(&usage->entries);
}

size_t usage_bytes(const struct usage *usage)
{
	return pool_bytes(&usage->entries) + ((size_t)usage->bucket_mask + 1) * sizeof(uint32_t);
}

void usage_prefault(struct usage *usage)
{
	pool_prefault(&usage->entries);
}

static uint64_t window_due_ns(const struct usage *usage, const struct usage_window *window)
{
	return (window->start_s + usage->window_s) * NS_PER_S + usage->idle_ns;
}

static struct usage_entry *new_entry(struct usage *usage)
{
	uint32_t idx = pool_take(&usage->entries);

	if (idx == POOL_NONE)
		return NULL;
	struct usage_entry *entry = pool_at(&usage->entries, idx);
	memset(entry, 0, usage->entries.object_size);
	pool_fetch_next(&usage->entries);
	return entry;
}

static bool holds(const struct usage *usage, const struct usage_window *window, uint64_t when_s)
{
	return window->open && when_s - window->start_s < usage->window_s;
}

// The index of the open window of a time, or USAGE_WINDOWS_MAX. Most are of the window that the one
// before was booked in, or of one of the few that are open beside.
static uint32_t find_window(const struct usage *usage, uint64_t when_s)
{
	uint32_t found = usage->last;

	if (holds(usage, &usage->windows[found], when_s))
		return found;
	for (found = 0; found < USAGE_WINDOWS_MAX; found++)
		if (holds(usage, &usage->windows[found], when_s))
			break;
	return found;
}

// The window of a time, opened when it is not; NULL when too many are, which no order of events
// brings about.
static struct usage_window *window_of(struct usage *usage, uint64_t when_s)
{
	uint32_t found = find_window(usage, when_s);
	struct usage_window *unused = NULL;

	if (likely(found != USAGE_WINDOWS_MAX)) {
		usage->last = found;
		return &usage->windows[found];
	}
	for (uint32_t i = USAGE_WINDOWS_MAX; i-- > 0;)
		if (!usage->windows[i].open)
			unused = &usage->windows[i];
	if (unused == NULL)
		return NULL;
	uint64_t number = when_s / usage->window_s;
	*unused = (struct usage_window){.start_s = number * usage->window_s,
		.number = number,
		.open = true,
		.first = POOL_NONE,
		.last = POOL_NONE};
	usage->due_ns = MIN(usage->due_ns, window_due_ns(usage, unused));
	return unused;
}

// Multiply-shift (Dietzfelbinger et al., "A reliable randomized algorithm for the closest-pair
// problem", 1997) by odd numbers of the key: serials are ours, so that nobody can aim at a bucket.
static uint32_t bucket_of(
	const struct usage *usage, uint32_t window, uint64_t client, uint16_t what)
{
	uint64_t mixed = client * (usage->key.k0 | 1) +
		((uint64_t)window << 16 | what) * (usage->key.k1 | 1);

	return (uint32_t)(mixed >> 32) & usage->bucket_mask;
}

// `what`: the application, or the category where rows are by category.
static uint16_t entry_what(const struct usage *usage, const struct usage_entry *entry)
{
	return usage->by_client ? entry->application : entry->category;
}

// How many rows a window may have for a client to get another: who was met once, as forged
// addresses are, leaves half of them to the others.
static uint32_t rows_for(const struct usage *usage, const struct client *client)
{
	return client->standing <= CLIENT_ONCE ? usage->rows_max / 2 : usage->rows_max;
}

// The entry of a client (0: of all) and `what`, made when it is not there; NULL when there are
// `rows_max` in the window.
static struct usage_entry *get_entry(struct usage *usage, struct usage_window *window,
	uint64_t client, const struct usage_delta *delta, uint32_t rows_max, bool *ret_new)
{
	uint32_t w = (uint32_t)(window - usage->windows);
	uint16_t what = usage->by_client ? delta->application : delta->category;
	uint32_t bucket = bucket_of(usage, w, client, what);
	uint64_t whose = usage_whose(client, w);

	*ret_new = false;
	for (uint32_t idx = usage->buckets[bucket]; idx != POOL_NONE;) {
		struct usage_entry *entry = pool_at(&usage->entries, idx);
		if (entry->whose == whose && entry_what(usage, entry) == what)
			return entry;
		idx = entry->next;
	}
	// Totals and "other" always find room.
	uint32_t room = usage->entries.max - usage->entries.used;
	if (window->count >= rows_max || room <= 2 * USAGE_WINDOWS_MAX)
		return NULL;
	struct usage_entry *entry = new_entry(usage);
	uint32_t idx = pool_index(&usage->entries, entry);
	entry->whose = whose;
	entry->application = delta->application;
	entry->category = delta->category;
	entry->next = usage->buckets[bucket];
	usage->buckets[bucket] = idx;
	entry->next_in_window = POOL_NONE;
	if (window->last == POOL_NONE)
		window->first = idx;
	else
		((struct usage_entry *)pool_at(&usage->entries, window->last))->next_in_window =
			idx;
	window->last = idx;
	window->count++;
	*ret_new = true;
	return entry;
}

// Marks the seconds of [start, end] that lie in the window.
static void mark_active(const struct usage *usage, const struct usage_window *window,
	struct usage_entry *entry, const struct usage_delta *delta)
{
	uint64_t from = MAX(delta->start_s, window->start_s) - window->start_s;
	uint64_t to = delta->end_s - window->start_s;

	if (usage->step_s != 1) {
		from /= usage->step_s;
		to /= usage->step_s;
	}

	for (uint64_t word = from / 64; from <= to && word <= to / 64; word++) {
		uint64_t bits = UINT64_MAX;
		if (word == from / 64)
			bits &= UINT64_MAX << (from % 64);
		if (word == to / 64)
			bits &= UINT64_MAX >> (63 - to % 64);
		entry->cells[word] |= bits;
	}
}

static void add_delta(const struct usage *usage, const struct usage_window *window,
	struct usage_entry *entry, const struct usage_delta *delta)
{
	struct usage_numbers *n = &entry->numbers;

	n->bytes_up += delta->bytes_up;
	apart();
	n->bytes_down += delta->bytes_down;
	apart();
	n->packets_up += delta->packets_up;
	apart();
	n->packets_down += delta->packets_down;
	apart();
	n->retransmissions += delta->retransmissions;
	n->flows += delta->flows;
	apart();
	n->flows_failed += delta->flows_failed;
	mark_active(usage, window, entry, delta);
}

// Whether a client is not yet a member of the window's total or "other" by `mask`; makes it
// one.
static bool becomes_member(const struct usage_window *window, struct client *c, uint32_t *mask)
{
	uint64_t number = window->number;

	if (number > c->member_newest) {
		uint64_t by = number - c->member_newest;
		c->member_total = by < 32 ? c->member_total << by : 0;
		c->member_other = by < 32 ? c->member_other << by : 0;
		c->member_newest = number;
	}
	uint64_t back = c->member_newest - number;
	if (back >= 32)
		return true;
	uint32_t bit = 1u << back;
	bool was = (*mask & bit) != 0;
	*mask |= bit;
	return !was;
}

static void book_other(struct usage *usage, struct usage_window *window,
	struct client *const clients[2], const struct usage_delta *delta)
{
	counter_add(usage->counters, COUNTER_usage_folded, 1);
	if (window->other == NULL)
		window->other = new_entry(usage);
	if (window->other == NULL)
		return;
	add_delta(usage, window, window->other, delta);
	for (unsigned i = 0; i < 2; i++)
		if (clients[i] != NULL &&
			becomes_member(window, clients[i], &clients[i]->member_other))
			window->other->members++;
}

uint32_t usage_bucket(const struct usage *usage, const struct client *client, uint64_t end_ns,
	uint16_t application)
{
	uint32_t window = find_window(usage, end_ns / NS_PER_S);

	if (window == USAGE_WINDOWS_MAX)
		return POOL_NONE;
	return bucket_of(usage, window, client->serial, application);
}

void usage_book(struct usage *usage, struct client *client, const struct usage_delta *delta)
{
	struct usage_window *window = usage->by_client ? window_of(usage, delta->end_s) : NULL;
	struct usage_entry *entry = NULL;
	bool is_new = false;

	if (window == NULL)
		return;
	if (client != NULL)
		entry = get_entry(
			usage, window, client->serial, delta, rows_for(usage, client), &is_new);
	if (entry == NULL) {
		struct client *const clients[2] = {client, NULL};
		book_other(usage, window, clients, delta);
		return;
	}
	if (is_new) {
		memcpy(entry->client_key, client->key, sizeof(entry->client_key));
		entry->members = 1;
	}
	if (entry->category == 0)
		entry->category = delta->category;
	add_delta(usage, window, entry, delta);
}

void usage_book_category(
	struct usage *usage, struct client *const clients[2], const struct usage_delta *delta)
{
	struct usage_window *window = usage->by_client ? NULL : window_of(usage, delta->end_s);
	bool is_new;

	if (window == NULL)
		return;
	struct usage_entry *category = get_entry(usage, window, 0, delta, usage->rows_max, &is_new);
	if (category == NULL) {
		book_other(usage, window, clients, delta);
		return;
	}
	add_delta(usage, window, category, delta);
	for (unsigned i = 0; i < 2; i++) {
		if (clients[i] == NULL)
			continue;
		// Without room for the fact it is not counted: too few members withhold a row, too
		// many would not.
		get_entry(usage, window, clients[i]->serial, delta, rows_for(usage, clients[i]),
			&is_new);
		if (is_new)
			category->members++;
	}
}

void usage_book_total(
	struct usage *usage, struct client *const clients[2], const struct usage_delta *delta)
{
	struct usage_window *window = window_of(usage, delta->end_s);

	if (window == NULL)
		return;
	if (window->total == NULL)
		window->total = new_entry(usage);
	if (window->total == NULL)
		return;
	add_delta(usage, window, window->total, delta);
	for (unsigned i = 0; i < 2; i++)
		if (clients[i] != NULL &&
			becomes_member(window, clients[i], &clients[i]->member_total))
			window->total->members++;
}

struct usage_window *usage_due(struct usage *usage, uint64_t now_ns)
{
	struct usage_window *first = NULL;

	if (usage->due_ns > now_ns)
		return NULL;
	for (uint32_t i = 0; i < USAGE_WINDOWS_MAX; i++) {
		struct usage_window *w = &usage->windows[i];
		if (w->open && (first == NULL || w->start_s < first->start_s))
			first = w;
	}
	return first;
}

const struct usage_entry *usage_next(
	struct usage *usage, struct usage_window *window, const struct usage_entry *entry)
{
	uint32_t idx = entry == NULL ? window->first : entry->next_in_window;

	while (idx != POOL_NONE) {
		const struct usage_entry *e = pool_at(&usage->entries, idx);
		if ((usage_client(e) != 0) == usage->by_client)
			return e;
		idx = e->next_in_window;
	}
	return NULL;
}

uint32_t usage_active_s(const struct usage *usage, const struct usage_entry *entry)
{
	uint32_t cells = 0;

	for (uint32_t i = 0; i < cell_words(usage); i++)
		cells += (uint32_t)__builtin_popcountll(entry->cells[i]);
	return MIN(cells * usage->step_s, usage->window_s);
}

static void forget_entries(struct usage *usage, struct usage_window *window)
{
	uint32_t w = (uint32_t)(window - usage->windows);

	for (uint32_t idx = window->first; idx != POOL_NONE;) {
		struct usage_entry *entry = pool_at(&usage->entries, idx);
		uint32_t *link = &usage->buckets[bucket_of(
			usage, w, usage_client(entry), entry_what(usage, entry))];
		while (*link != idx)
			link = &((struct usage_entry *)pool_at(&usage->entries, *link))->next;
		*link = entry->next;
		uint32_t next = entry->next_in_window;
		pool_give(&usage->entries, idx);
		idx = next;
	}
	if (window->total != NULL)
		pool_give(&usage->entries, pool_index(&usage->entries, window->total));
	if (window->other != NULL)
		pool_give(&usage->entries, pool_index(&usage->entries, window->other));
}

// A later delta makes another row, of which nobody is a member yet.
static void forget_members(const struct usage_window *window, struct client_table *clients)
{
	uint64_t number = window->number;

	for (uint32_t idx = 0; idx < clients->pool.fresh; idx++) {
		struct client *c = pool_at(&clients->pool, idx);
		if (c->member_newest >= number && c->member_newest - number < 32) {
			c->member_total &= ~(1u << (c->member_newest - number));
			c->member_other &= ~(1u << (c->member_newest - number));
		}
	}
}

void usage_close(struct usage *usage, struct usage_window *window, struct client_table *clients)
{
	forget_entries(usage, window);
	forget_members(window, clients);
	window->open = false;
	usage->due_ns = UINT64_MAX;
	for (uint32_t i = 0; i < USAGE_WINDOWS_MAX; i++)
		if (usage->windows[i].open)
			usage->due_ns =
				MIN(usage->due_ns, window_due_ns(usage, &usage->windows[i]));
}
