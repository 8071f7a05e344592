// Prepares a turn of the ledger: for each of its events what can be said without looking anything
// up, then the memory that it will need, step by step for all of them, so that they wait for it
// together.
//
// What is found here may change before its event's turn comes; whoever uses it asks again.
#include "core/ledger/inner.h"

// Identities that are hashed together, and where their buckets go.
struct look_ups {
	struct hash_batch batch;
	uint32_t *buckets[HASH_BATCH_MAX];
	uint32_t count;
};

static_assert(2 * TURN_EVENTS <= HASH_BATCH_MAX);

static void look_up(struct look_ups *of, const struct identity *id, uint32_t *ret_bucket)
{
	for (unsigned i = 0; i < 3; i++)
		of->batch.words[i][of->count] = identity_word(id, i);
	of->buckets[of->count++] = ret_bucket;
}

static void find_buckets(
	struct look_ups *of, const struct hash_key *key, uint32_t mask, const uint32_t *table)
{
	hash_batch(key, &of->batch, of->count);
	for (uint32_t i = 0; i < of->count; i++) {
		*of->buckets[i] = (uint32_t)of->batch.hashes[i] & mask;
		__builtin_prefetch(&table[*of->buckets[i]]);
	}
}

static void fetch_lines(const void *at, size_t size)
{
	for (size_t line = 0; line < size; line += CACHE_LINE)
		__builtin_prefetch((const uint8_t *)at + line);
}

static void fetch_event(struct prepared *p)
{
	p->event = reorder_event(&p->item);
	fetch_lines(p->event, sizeof(struct segment_event));
}

static void place_segment(const struct ledger *l, struct prepared *p, struct look_ups *addresses,
	struct look_ups *clients)
{
	ledger_place_ends(l, p);
	for (unsigned e = 0; e < 2; e++) {
		struct end *end = &p->ends[e];
		if (end->prepared)
			look_up(addresses, &end->address, &end->address_bucket);
		if (end_may_be_client(end))
			look_up(clients, &end->mac_id, &end->mac_bucket);
	}
}

// Whom a fact is about: its MAC and address.
static void place_fact(struct prepared *p, struct look_ups *addresses, struct look_ups *clients)
{
	const struct fact_event *fact = (const struct fact_event *)p->event;
	struct identity address = address_of(fact->event.vlan, fact->ip, fact->ip_version == 6);
	struct identity mac = identity_of_mac(fact->event.vlan, fact->mac);

	look_up(addresses, &address, &p->ends[0].address_bucket);
	look_up(clients, &mac, &p->ends[0].mac_bucket);
}

// The address that asked, and what it was told of.
static void place_answer(const struct ledger *l, struct prepared *p, struct look_ups *addresses)
{
	const struct answer_event *answer = (const struct answer_event *)p->event;
	struct identity asker =
		address_of(answer->event.vlan, answer->client_ip, answer->client_ip_version == 6);

	look_up(addresses, &asker, &p->ends[0].address_bucket);
	for (unsigned i = 0; i < answer->address_count; i++) {
		const struct answer_address *a = &answer->addresses[i];
		p->answer_buckets[i] =
			answers_bucket(&l->answers, &asker, a->ip, a->ip_version == 6);
		answers_fetch_bucket(&l->answers, p->answer_buckets[i]);
	}
}

static void place(const struct ledger *l, struct prepared *turn, uint32_t count)
{
	struct look_ups addresses, clients;

	addresses.count = clients.count = 0;
	for (uint32_t i = 0; i < count; i++) {
		if (turn[i].event->kind == EVENT_SEGMENT)
			place_segment(l, &turn[i], &addresses, &clients);
		else if (turn[i].event->kind == EVENT_FACT)
			place_fact(&turn[i], &addresses, &clients);
		else if (turn[i].event->kind == EVENT_ANSWER)
			place_answer(l, &turn[i], &addresses);
	}
	find_buckets(&addresses, &l->bindings.key, l->bindings.bucket_mask, l->bindings.buckets);
	find_buckets(&clients, &l->clients.key, l->clients.bucket_mask, l->clients.buckets);
}

// Who holds the address is asked of those on our side only.
static void fetch_binding(const struct ledger *l, uint32_t bucket, bool local)
{
	uint32_t idx = l->bindings.buckets[bucket];

	if (idx != POOL_NONE)
		fetch_lines(pool_at(&l->bindings.pool, idx), local ? 2 * CACHE_LINE : 1);
}

static void fetch_client(const struct ledger *l, uint32_t bucket)
{
	uint32_t idx = l->clients.buckets[bucket];

	if (idx != POOL_NONE)
		fetch_lines(pool_at(&l->clients.pool, idx), CLIENT_OFTEN);
}

static void fetch_entries(const struct ledger *l, const struct prepared *p)
{
	const struct answer_event *answer = (const struct answer_event *)p->event;
	const struct end *end = &p->ends[0];

	switch (p->event->kind) {
	case EVENT_SEGMENT:
		for (; end < &p->ends[2]; end++) {
			if (end->prepared)
				fetch_binding(l, end->address_bucket, end->local);
			if (end_may_be_client(end))
				fetch_client(l, end->mac_bucket);
		}
		break;
	case EVENT_FACT:
		fetch_binding(l, end->address_bucket, true);
		fetch_client(l, end->mac_bucket);
		break;
	case EVENT_ANSWER:
		fetch_binding(l, end->address_bucket, true);
		for (unsigned i = 0; i < answer->address_count; i++)
			answers_fetch_pair(&l->answers, p->answer_buckets[i]);
		break;
	default:
		break;
	}
}

// Returns the bucket of the client's usage, or POOL_NONE.
static uint32_t find_end(const struct ledger *l, const struct segment_event *s, struct end *end)
{
	if (!end->prepared)
		return POOL_NONE;
	end->known_binding = binding_find_in(&l->bindings, end->address_bucket, &end->address);
	if (!end_may_be_client(end))
		return POOL_NONE;
	end->known_client = client_find_in(&l->clients, end->mac_bucket, &end->mac_id);
	if (end->known_client == NULL) {
		client_fetch_refused(&l->clients, end->mac_bucket);
		return POOL_NONE;
	}
	uint32_t bucket = usage_bucket(&l->usage, end->known_client, s->end_ns, s->application);
	if (bucket != POOL_NONE)
		usage_fetch_bucket(&l->usage, bucket);
	return bucket;
}

static void expect_name(const struct ledger *l, const struct segment_event *s, struct prepared *p)
{
	uint16_t len;

	p->name = findings_first_name(s->findings, s->findings_size, &len);
	p->name_hash = p->name == NULL ? 0 : record_expect_name(l->config.record, p->name, len);
}

// Where the flow's name may be found, unless it brought one itself.
static void find_names(const struct ledger *l, const struct segment_event *s, struct prepared *p)
{
	p->client_end = ledger_client_end(s, p->ends);
	p->answer_buckets[0] = POOL_NONE;
	const struct end *client = &p->ends[p->client_end], *server = &p->ends[!p->client_end];
	if (client->known_binding == NULL || !client->known_binding->asked || !server->host ||
		(s->findings_size > 0 && s->findings[0] == FINDING_SERVER_NAME))
		return;
	p->answer_buckets[0] =
		answers_bucket(&l->answers, &client->address, server->ip, server->ip6);
	answers_fetch_bucket(&l->answers, p->answer_buckets[0]);
}

// What the client of a fact has said of itself before.
static void find_words(const struct ledger *l, const struct prepared *p)
{
	const struct fact_event *fact = (const struct fact_event *)p->event;
	struct identity mac = identity_of_mac(fact->event.vlan, fact->mac);
	const struct client *client = client_find_in(&l->clients, p->ends[0].mac_bucket, &mac);

	if (client != NULL)
		client_fetch_words(&l->clients, client);
}

static void find(const struct ledger *l, struct prepared *p, uint32_t usage[2])
{
	const struct segment_event *s = (const struct segment_event *)p->event;
	const struct answer_event *answer = (const struct answer_event *)p->event;
	const struct fact_event *fact = (const struct fact_event *)p->event;

	usage[0] = usage[1] = POOL_NONE;
	if (p->event->kind == EVENT_SEGMENT) {
		for (unsigned e = 0; e < 2; e++)
			usage[e] = find_end(l, s, &p->ends[e]);
		find_names(l, s, p);
		expect_name(l, s, p);
	} else if (p->event->kind == EVENT_ANSWER) {
		for (unsigned i = 0; i < answer->address_count; i++)
			answers_fetch_around(&l->answers, p->answer_buckets[i]);
	} else if (p->event->kind == EVENT_FACT && fact->text_len > 0) {
		find_words(l, p);
	}
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
			if (!end_may_be_client(end) || end->known_client != NULL)
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

	for (uint32_t i = 0; i < count; i++)
		fetch_event(&turn[i]);
	place(l, turn, count);
	for (uint32_t i = 0; i < count; i++)
		fetch_entries(l, &turn[i]);
	for (uint32_t i = 0; i < count; i++)
		find(l, &turn[i], usage[i]);
	make_keys(l, turn, count);
	for (uint32_t i = 0; i < count; i++) {
		for (unsigned e = 0; e < 2; e++)
			if (usage[i][e] != POOL_NONE)
				usage_fetch(&l->usage, usage[i][e]);
		if (turn[i].event->kind == EVENT_SEGMENT && turn[i].answer_buckets[0] != POOL_NONE)
			answers_fetch_pair(&l->answers, turn[i].answer_buckets[0]);
	}
}
