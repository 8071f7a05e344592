// Prepares a turn of the ledger: for each of its events what can be said without looking anything
// up, then the memory that it will need, step by step for all of them, so that they wait for it
// together.
//
// What is found here may change before its event's turn comes; whoever uses it asks again.
#include "core/ledger/inner.h"

static void place_end(
	const struct ledger *l, const struct segment_event *s, unsigned e, struct end *end)
{
	bool has_mac = (s->has_mac >> e & 1) != 0;
	bool group = has_mac && (s->mac[e][0] & 0x01) != 0;
	// What was learned later than that does not count, so that all segments of a flow are
	// judged alike.
	uint64_t known_ns = s->flow_start_ns + l->active_ns;

	end->ip = s->ip[e];
	end->ip6 = s->ip_version == 6;
	end->sent = (s->seen >> e & 1) != 0;
	end->mac = has_mac && mac_is_station(s->mac[e]) ? s->mac[e] : NULL;
	end->host = !group && ip_is_host(end->ip, end->ip6);
	end->excluded = end->refused = end->has_key = false;
	end->binding = end->known_binding = NULL;
	end->client = end->known_client = NULL;
	end->local = local_holds(&l->local, end->ip, end->ip6, known_ns);
	if (end->local && !end->ip6 && local_is_broadcast(&l->local, end->ip))
		end->host = false;
	end->prepared = end->host && (end->local || l->neighbours);
	if (!end->prepared)
		return;
	end->address = address_of(s->event.vlan, end->ip, end->ip6);
	end->address_bucket = binding_bucket(&l->bindings, &end->address);
	__builtin_prefetch(&l->bindings.buckets[end->address_bucket]);
	if (end->mac == NULL)
		return;
	end->mac_id = identity_of_mac(s->event.vlan, end->mac);
	if (!end->local)
		return; // its client is looked for if it turns out to be on the link
	end->mac_bucket = client_bucket(&l->clients, &end->mac_id);
	__builtin_prefetch(&l->clients.buckets[end->mac_bucket]);
}

void ledger_place_ends(const struct ledger *l, struct prepared *p)
{
	const struct segment_event *s = (const struct segment_event *)p->event;

	for (unsigned e = 0; e < 2; e++)
		place_end(l, s, e, &p->ends[e]);
	p->local_count = l->local.count;
	p->neighbours = l->neighbours;
}

static void fetch_lines(const void *at, size_t size)
{
	for (size_t line = 0; line < size; line += CACHE_LINE)
		__builtin_prefetch((const uint8_t *)at + line);
}

// Whom the event is about: a fact's MAC and address, the address that asked.
static void fetch_other(const struct ledger *l, const struct event *event)
{
	const struct fact_event *fact = (const struct fact_event *)event;
	const struct answer_event *answer = (const struct answer_event *)event;

	if (event->kind == EVENT_ANSWER) {
		struct identity asker =
			address_of(event->vlan, answer->client_ip, answer->client_ip_version == 6);
		__builtin_prefetch(&l->bindings.buckets[binding_bucket(&l->bindings, &asker)]);
	} else if (event->kind == EVENT_FACT) {
		struct identity mac = identity_of_mac(event->vlan, fact->mac);
		__builtin_prefetch(&l->clients.buckets[client_bucket(&l->clients, &mac)]);
	}
}

static void fetch_entries(const struct ledger *l, const struct end *end)
{
	uint32_t idx;

	if (!end->prepared)
		return;
	idx = l->bindings.buckets[end->address_bucket];
	if (idx != POOL_NONE)
		fetch_lines(pool_at(&l->bindings.pool, idx), 2 * CACHE_LINE);
	if (end->mac == NULL || !end->local)
		return;
	idx = l->clients.buckets[end->mac_bucket];
	if (idx != POOL_NONE)
		fetch_lines(pool_at(&l->clients.pool, idx), sizeof(struct client));
}

// Returns the bucket of the client's usage, or POOL_NONE.
static uint32_t find_end(const struct ledger *l, const struct segment_event *s, struct end *end)
{
	if (!end->prepared)
		return POOL_NONE;
	end->known_binding = binding_find_in(&l->bindings, end->address_bucket, &end->address);
	if (end->mac == NULL || !end->local)
		return POOL_NONE;
	end->known_client = client_find_in(&l->clients, end->mac_bucket, &end->mac_id);
	if (end->known_client == NULL)
		return POOL_NONE;
	uint32_t bucket = usage_bucket(&l->usage, end->known_client, s->end_ns, s->application);
	if (bucket != POOL_NONE)
		usage_fetch_bucket(&l->usage, bucket);
	return bucket;
}

// The client_keys of those who are not there yet: most will be needed, whether there is a place for
// them or not.
static void make_keys(const struct ledger *l, struct prepared *turn, uint32_t count)
{
	struct policy_client clients[2 * TURN_EVENTS];
	size_t found = 0;

	for (uint32_t i = 0; i < count; i++) {
		for (unsigned e = 0; turn[i].event->kind == EVENT_SEGMENT && e < 2; e++) {
			struct end *end = &turn[i].ends[e];
			if (!end->prepared || !end->local || end->mac == NULL ||
				end->known_client != NULL)
				continue;
			clients[found++] = (struct policy_client){.value = end->mac_id.value,
				.ret_key = end->key,
				.vlan = end->mac_id.vlan,
				.kind = end->mac_id.kind};
			end->has_key = true;
		}
	}
	if (found > 0)
		policy_client_keys(l->config.policy, clients, found);
}

void ledger_prepare(const struct ledger *l, struct prepared *turn, uint32_t count)
{
	uint32_t usage[TURN_EVENTS][2];

	for (uint32_t i = 0; i < count; i++) {
		turn[i].event = reorder_event(&l->reorder, &turn[i].item);
		fetch_lines(turn[i].event, sizeof(struct segment_event));
	}
	for (uint32_t i = 0; i < count; i++) {
		if (turn[i].event->kind == EVENT_SEGMENT)
			ledger_place_ends(l, &turn[i]);
		else
			fetch_other(l, turn[i].event);
	}
	for (uint32_t i = 0; i < count; i++)
		for (unsigned e = 0; turn[i].event->kind == EVENT_SEGMENT && e < 2; e++)
			fetch_entries(l, &turn[i].ends[e]);
	for (uint32_t i = 0; i < count; i++) {
		const struct segment_event *s = (const struct segment_event *)turn[i].event;
		for (unsigned e = 0; e < 2; e++)
			usage[i][e] = s->event.kind == EVENT_SEGMENT
				? find_end(l, s, &turn[i].ends[e])
				: POOL_NONE;
	}
	make_keys(l, turn, count);
	for (uint32_t i = 0; i < count; i++)
		for (unsigned e = 0; e < 2; e++)
			if (usage[i][e] != POOL_NONE)
				usage_fetch(&l->usage, usage[i][e]);
}
