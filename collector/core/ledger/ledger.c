// The ledger: one turn, in the order of time.
#include "core/ledger/inner.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum {
	// Events that may stand in the order at once: one for so many flows, as what is due in a
	// slot of the flow table's wheel comes at once.
	FLOWS_PER_EVENT = 16,
	EVENTS_LEAST = 4096,
	BINDINGS_PER_CLIENT = 4,
	BASIC_WINDOW_S = 3600,
	// Who was seen again keeps its place for so many segments of a flow, each reported when it
	// is over: silent clients with a long flow are met as often.
	SEGMENTS_KEPT = 2,
	// Events of one ring before the next: then they come nearly sorted, and few go to the heap.
	LENT_IN_TURN = 32,
};

// A shard's clock may stand so far behind its packets when it has nothing more to say: some slots
// of its flow table's wheel. Who is ahead by less is not paused, for the slowest might not catch
// up.
#define AHEAD_NS (50 * NS_PER_MS)

enum purpose { PURPOSE_CLIENTS = 0x6c656467, PURPOSE_BINDINGS, PURPOSE_ANSWERS, PURPOSE_USAGE };

static int parse_mac(const char *text, uint8_t mac[6])
{
	unsigned v[6];
	int end = 0;

	if (strlen(text) != 17 ||
		sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5],
			&end) != 6 ||
		end != 17)
		return -EINVAL;
	for (unsigned i = 0; i < 6; i++)
		mac[i] = (uint8_t)v[i];
	return mac_is_station(mac) ? 0 : -EINVAL;
}

int ledger_check(const struct settings *settings, struct problems *problems)
{
	struct local_prefix prefix;
	uint8_t mac[6];
	int err = 0;

	if (settings->clients_random_max > settings->clients_max) {
		settings_complain(settings, "clients.random_max", problems,
			"\"%" PRIu64 "\" is not allowed; it is a part of clients.max, %" PRIu64
			" at the most",
			settings->clients_random_max, settings->clients_max);
		err = -EINVAL;
	}
	for (size_t i = 0; i < settings->local.count; i++) {
		const struct setting_item *item = &settings->local.items[i];
		if (local_parse(item->value, &prefix) == 0)
			continue;
		problems_add(problems, settings->path, item->line,
			"networks.local: \"%s\" is not a network; allowed: ADDRESS/BITS, as in "
			"192.168.0.0/16 or fd00::/8",
			item->value);
		err = -EINVAL;
	}
	for (size_t i = 0; i < settings->routers.count; i++) {
		const struct setting_item *item = &settings->routers.items[i];
		if (parse_mac(item->value, mac) == 0)
			continue;
		problems_add(problems, settings->path, item->line,
			"networks.routers: \"%s\" is not a station's MAC address; allowed: six "
			"octets, as in 00:1b:21:3c:4d:5e",
			item->value);
		err = -EINVAL;
	}
	return err;
}

static int read_networks(struct ledger *l)
{
	const struct settings *settings = l->config.settings;
	struct local_prefix prefix;

	for (size_t i = 0; i < settings->local.count; i++) {
		int err = local_parse(settings->local.items[i].value, &prefix);
		if (!err)
			err = local_add(&l->local, &prefix);
		if (err)
			return err;
	}
	for (size_t i = 0; i < settings->routers.count; i++) {
		if (l->router_count == ROUTERS_MAX)
			return -ENOSPC;
		int err = parse_mac(settings->routers.items[i].value, l->routers[l->router_count]);
		if (err)
			return err;
		l->router_count++;
	}
	return 0;
}

static uint32_t events_max(const struct settings *settings)
{
	return MAX((uint32_t)settings->flows_max / FLOWS_PER_EVENT, (uint32_t)EVENTS_LEAST);
}

// Half of the order's room is anybody's, and a little of the other half is for turns, which may go
// beyond this.
uint32_t ledger_ring_events(const struct settings *settings, uint32_t rings)
{
	return events_max(settings) * 3 / 8 / rings;
}

static int make_tables(struct ledger *l)
{
	const struct settings *settings = l->config.settings;
	uint64_t seed = l->config.seed;
	bool by_client = policy_usage_by_client(l->config.policy);
	uint64_t idle_ns = MAX(settings->idle_tcp, settings->idle_udp);
	idle_ns = MAX(idle_ns, settings->idle_icmp);
	idle_ns = MAX(idle_ns, settings->idle_closed);
	struct usage_settings usage = {
		.rows_max = (uint32_t)settings->usage_max,
		.window_s =
			by_client ? (uint32_t)(settings->usage_window / NS_PER_S) : BASIC_WINDOW_S,
		.idle_ns = idle_ns,
		.by_client = by_client,
		.key = hash_key_new(seed, PURPOSE_USAGE),
	};
	uint32_t clients_max = (uint32_t)settings->clients_max;

	int err = reorder_init(&l->reorder, events_max(settings));
	if (!err)
		err = client_table_init(&l->clients, clients_max,
			(uint32_t)settings->clients_random_max, SEGMENTS_KEPT * settings->active,
			hash_key_new(seed, PURPOSE_CLIENTS));
	if (!err)
		err = bindings_init(&l->bindings, clients_max * BINDINGS_PER_CLIENT,
			hash_key_new(seed, PURPOSE_BINDINGS));
	if (!err)
		err = answers_init(&l->answers, (uint32_t)settings->answers_max,
			hash_key_new(seed, PURPOSE_ANSWERS), l->config.counters);
	if (!err)
		err = usage_init(&l->usage, &usage, l->config.counters);
	if (!err)
		err = deadlines_init(&l->deadlines, &l->clients);
	return err;
}

int ledger_new(struct ledger **ret, const struct ledger_config *config)
{
	struct ledger *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return -ENOMEM;
	l->config = *config;
	l->excluded = policy_excluded(config->policy);
	l->excludes = l->excluded->mac_count > 0 || l->excluded->subnet_count > 0;
	l->active_ns = config->settings->active;
	int err = read_networks(l);
	if (!err)
		err = make_tables(l);
	if (err) {
		ledger_free(l);
		return err;
	}
	if (config->prefault) {
		reorder_prefault(&l->reorder);
		client_table_prefault(&l->clients);
		bindings_prefault(&l->bindings);
		answers_prefault(&l->answers);
		usage_prefault(&l->usage);
	}
	*ret = l;
	return 0;
}

void ledger_free(struct ledger *l)
{
	if (l == NULL)
		return;
	deadlines_fini(&l->deadlines);
	usage_fini(&l->usage);
	answers_fini(&l->answers);
	bindings_fini(&l->bindings);
	client_table_fini(&l->clients);
	reorder_fini(&l->reorder);
	free(l);
}

void ledger_memory(const struct ledger *l, struct memory_pools *pools)
{
	memory_pools_add(pools, "reordering", MEMORY_UNKNOWN, reorder_bytes(&l->reorder));
	memory_pools_add(pools, "clients", pool_used_bytes(&l->clients.pool),
		client_table_bytes(&l->clients) + deadlines_bytes(&l->deadlines));
	memory_pools_add(pools, "bindings", pool_used_bytes(&l->bindings.pool),
		bindings_bytes(&l->bindings));
	memory_pools_add(
		pools, "answers", pool_used_bytes(&l->answers.pool), answers_bytes(&l->answers));
	memory_pools_add(
		pools, "usage", pool_used_bytes(&l->usage.entries), usage_bytes(&l->usage));
}

int ledger_add_local(struct ledger *l, const uint8_t *ip, bool ip6, uint8_t prefix_len)
{
	struct local_prefix prefix = {.len = prefix_len, .ip6 = ip6};

	if (prefix_len > (ip6 ? 128 : 32))
		return -EINVAL;
	memcpy(prefix.ip, ip, ip6 ? 16 : 4);
	return local_add(&l->local, &prefix);
}

static void write_usage(
	struct ledger *l, const struct usage_window *window, const struct usage_entry *entry)
{
	const struct usage_numbers *n = &entry->numbers;
	struct usage_row row = {
		.window_start_s = window->start_s,
		.window_s = l->usage.window_s,
		.key = usage_client(entry) != 0 ? entry->client_key : NULL,
		.total = entry == window->total,
		.has_application = usage_client(entry) != 0,
		.application = entry->application,
		.category = entry->category,
		.bytes_up = n->bytes_up,
		.bytes_down = n->bytes_down,
		.packets_up = n->packets_up,
		.packets_down = n->packets_down,
		.flows = n->flows,
		.flows_failed = n->flows_failed,
		.active_s = usage_active_s(&l->usage, entry),
		.retransmissions = n->retransmissions,
		.members = entry->members,
	};

	record_usage(l->config.record, &row);
}

static void write_window(struct ledger *l, struct usage_window *window)
{
	const struct usage_entry *entry = NULL;

	while ((entry = usage_next(&l->usage, window, entry)) != NULL)
		write_usage(l, window, entry);
	if (window->other != NULL)
		write_usage(l, window, window->other);
	if (window->total != NULL)
		write_usage(l, window, window->total);
	usage_close(&l->usage, window, &l->clients);
}

// Meets the deadlines up to `until_ns`, in their order; each stands before events of its time.
static void meet_deadlines(struct ledger *l, uint64_t until_ns)
{
	for (;;) {
		uint64_t client_ns = deadline_first_ns(&l->deadlines);
		uint64_t due_ns = MIN(client_ns, l->usage.due_ns);

		if (due_ns > until_ns || due_ns == UINT64_MAX)
			return;
		l->now_ns = MAX(l->now_ns, due_ns);
		if (l->usage.due_ns <= client_ns)
			write_window(l, usage_due(&l->usage, due_ns));
		else
			ledger_client_due(l, deadline_first(&l->deadlines));
	}
}

static void handle(struct ledger *l, struct prepared *prepared)
{
	const struct event *event = prepared->event;

	if (event->time_ns < l->now_ns)
		counter_add(l->config.counters, COUNTER_events_late, 1);
	meet_deadlines(l, event->time_ns);
	l->now_ns = MAX(l->now_ns, event->time_ns);
	switch (event->kind) {
	case EVENT_SEGMENT:
		ledger_book_segment(l, prepared);
		break;
	case EVENT_FACT:
		ledger_learn_fact(l, prepared);
		break;
	case EVENT_ANSWER:
		ledger_learn_answer(l, prepared);
		break;
	default:
		break;
	}
}

// Works on the earliest events: at most `max`, up to TURN_EVENTS, and only those before `until_ns`.
// Returns how many.
static uint32_t work(struct ledger *l, uint64_t until_ns, uint32_t max)
{
	struct reorder_item items[TURN_EVENTS];
	struct prepared turn[TURN_EVENTS];
	uint32_t count = reorder_take(&l->reorder, until_ns, items, max);

	for (uint32_t i = 0; i < count; i++)
		turn[i].item = items[i];
	ledger_prepare(l, turn, count);
	for (uint32_t i = 0; i < count; i++) {
		handle(l, &turn[i]);
		reorder_give(&l->reorder, &items[i]);
	}
	return count;
}

// The ring whose next event is the earliest, or NULL when all are empty.
static struct event_ring *earliest_ring(const struct ledger *l)
{
	struct event_ring *earliest = NULL;
	uint64_t time_ns = UINT64_MAX;

	for (uint32_t i = 0; i < l->config.ring_count; i++) {
		const struct event *event = event_ring_peek(l->config.rings[i]);
		if (event == NULL || (earliest != NULL && event->time_ns >= time_ns))
			continue;
		earliest = l->config.rings[i];
		time_ns = event->time_ns;
	}
	return earliest;
}

// Whether one of those that hold the clock back has said something that waits: it might be for the
// room that this takes that its clock stands.
static bool slowest_waits(const struct ledger *l, uint64_t clock_ns)
{
	for (uint32_t i = 0; i < l->config.ring_count; i++) {
		struct event_ring *ring = l->config.rings[i];
		if (event_ring_clock(ring) <= clock_ns && event_ring_peek(ring) != NULL)
			return true;
	}
	return false;
}

// Lends the order the next events of a ring while there is plenty of room. Returns how many.
static uint32_t lend_some(struct ledger *l, struct event_ring *ring)
{
	const struct event *event;
	uint32_t lent = 0;

	while (lent < LENT_IN_TURN && l->reorder.count < l->reorder.max / 2 &&
		(event = event_ring_peek(ring)) != NULL && reorder_lend(&l->reorder, event)) {
		event_ring_pass(ring, event);
		lent++;
	}
	return lent;
}

// Takes what the rings hold: about the earliest first while there is plenty of room, then strictly.
// When the heap is full its first are worked on early, but what a shard that is ahead of the
// slowest has to say waits in its ring, as long as the slowest is not kept waiting by that.
static uint32_t take_events(struct ledger *l, uint64_t clock_ns)
{
	struct event_ring *ring;
	uint32_t taken = 0, lent;

	do {
		ring = earliest_ring(l);
		lent = ring == NULL ? 0 : lend_some(l, ring);
		taken += lent;
	} while (lent > 0);
	while ((ring = earliest_ring(l)) != NULL) {
		while (!reorder_put(&l->reorder, event_ring_peek(ring))) {
			if (reorder_first(&l->reorder)->time_ns >= clock_ns &&
				event_ring_clock(ring) > clock_ns && !slowest_waits(l, clock_ns))
				return taken;
			work(l, UINT64_MAX, TURN_EVENTS);
		}
		event_ring_pop(ring);
		taken++;
	}
	return taken;
}

// The slowest clock of those shards that go on; of all when none does. Live shards do not end at
// one time: who has ended holds back nobody.
static uint64_t slowest_clock(const struct ledger *l)
{
	uint64_t running_ns = UINT64_MAX, all_ns = UINT64_MAX;
	bool running = false;

	for (uint32_t i = 0; i < l->config.ring_count; i++) {
		const struct event_ring *ring = l->config.rings[i];
		bool ended = event_ring_ended(ring);
		uint64_t clock_ns = event_ring_clock(ring);
		all_ns = MIN(all_ns, clock_ns);
		if (!ended)
			running_ns = MIN(running_ns, clock_ns);
		running = running || !ended;
	}
	return running ? running_ns : all_ns;
}

// Whether to let events gather.
static bool may_wait(struct ledger *l, uint64_t clock_ns)
{
	uint32_t waiting = 0;

	for (uint32_t i = 0; i < l->config.ring_count; i++) {
		if (event_ring_ended(l->config.rings[i]))
			return false;
		waiting += event_ring_waiting(l->config.rings[i]);
	}
	l->quiet = waiting == l->waiting ? l->quiet + 1 : 0;
	l->waiting = waiting;
	return waiting < GATHER_BYTES && l->quiet < GATHER_QUIET &&
		clock_ns < l->stepped_ns + GATHER_NS;
}

// While half of the order's room is taken, shards ahead of the slowest wait for it: else what they
// say would push what waits for the slowest out of its turn.
static void pause_rings(struct ledger *l, uint64_t clock_ns)
{
	bool pause = l->reorder.count >= l->reorder.max / 2;

	for (uint32_t i = 0; i < l->config.ring_count; i++) {
		struct event_ring *ring = l->config.rings[i];
		uint64_t ring_ns = event_ring_clock(ring);
		event_ring_pause(
			ring, pause && ring_ns > clock_ns && ring_ns - clock_ns > AHEAD_NS);
	}
}

// What waits for a later turn no longer stands in its ring.
static void release_rings(struct ledger *l)
{
	reorder_keep(&l->reorder);
	for (uint32_t i = 0; i < l->config.ring_count; i++)
		event_ring_release(l->config.rings[i]);
}

uint32_t ledger_step(struct ledger *l)
{
	// Clocks first: whoever sees a clock sees all events that it promises.
	uint64_t clock_ns = slowest_clock(l);
	if (may_wait(l, clock_ns))
		return 0;
	l->stepped_ns = clock_ns;
	l->waiting = l->quiet = 0;
	uint32_t taken = take_events(l, clock_ns);
	while (work(l, clock_ns, TURN_EVENTS) > 0)
		continue;
	release_rings(l);
	pause_rings(l, clock_ns);
	// A clock at its end says that nothing follows, not what time it is.
	if (clock_ns != UINT64_MAX)
		meet_deadlines(l, clock_ns);
	return taken;
}

void ledger_finish(struct ledger *l)
{
	struct usage_window *window;

	take_events(l, UINT64_MAX);
	while (work(l, UINT64_MAX, TURN_EVENTS) > 0)
		continue;
	release_rings(l);
	while ((window = usage_due(&l->usage, UINT64_MAX)) != NULL)
		write_window(l, window);
	// In the order of their deadlines, then whoever has none.
	for (struct client *c; (c = deadline_first(&l->deadlines)) != NULL;) {
		deadline_set(&l->deadlines, c, CLIENT_NEVER, DEADLINE_OTHER);
		ledger_client_finish(l, c);
	}
}

void ledger_stats(const struct ledger *l, struct ledger_stats *ret)
{
	*ret = l->stats;
}
