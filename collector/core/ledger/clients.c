// The life of a client in the ledger: comes, is seen, changes, has its rows written, goes.
#include "core/ledger/inner.h"

#include <string.h>

#define ROW_SETTLE_NS (10 * NS_PER_S) // first row: what it says of itself comes within seconds
#define ROW_LEAST_NS (60 * NS_PER_S) // at most one a minute when something changes
#define ROW_MOST_NS (3600 * NS_PER_S) // once an hour while it is seen

static_assert((int)IDENTITY_MAC == (int)CLIENT_KIND_MAC);
static_assert((int)IDENTITY_IP4 == (int)CLIENT_KIND_IP4);
static_assert((int)IDENTITY_IP6 == (int)CLIENT_KIND_IP6);

// Whether it stands in records: seen, of its own, and not to be kept silent about.
static bool is_known(const struct client *client)
{
	return client->seen && !client->hidden && client->router_since_ns == CLIENT_NEVER;
}

// Until when its addresses were its own, as the bindings know.
static void refresh_addresses(struct ledger *ledger, struct client *client)
{
	struct client_detail *detail = client_detail(&ledger->clients, client);

	for (unsigned i = 0; client->id.kind == IDENTITY_MAC && i < client->address_count; i++) {
		struct client_address *a = &detail->addresses[i];
		struct identity address = address_of(client->id.vlan, a->ip, a->ip_version == 6);
		const struct binding *binding = pool_at(&ledger->bindings.pool, a->binding);
		// It was forgotten, or tells somebody else.
		if (binding->told != client->serial || !identity_equal(&binding->address, &address))
			continue;
		a->from_ns = MIN(a->from_ns, binding->holders[0].from_ns);
		a->to_ns = MAX(a->to_ns, binding->holders[0].to_ns);
	}
}

// Hint: what write_row() of it will read beside its own; that is near already.
static void fetch_bindings(const struct ledger *ledger, const struct client *client)
{
	enum { MOST_HAVE = 2 };
	const struct client_detail *detail = client_detail(&ledger->clients, client);

	for (unsigned i = 0;
		client->id.kind == IDENTITY_MAC && i < client->address_count && i < MOST_HAVE; i++)
		prefetch_octets(pool_at(&ledger->bindings.pool, detail->addresses[i].binding),
			2 * CACHE_LINE);
}

// Whoever's row is due next has not been touched for as long as this one: its bindings, and the one
// after.
static void fetch_due(const struct ledger *ledger)
{
	for (enum deadline_kind kind = 0; kind < DEADLINE_OTHER; kind++) {
		const struct client *next = deadline_later(&ledger->deadlines, kind, 0);
		const struct client *then = deadline_later(&ledger->deadlines, kind, 1);
		if (next != NULL)
			fetch_bindings(ledger, next);
		if (then != NULL)
			client_fetch(&ledger->clients, then);
	}
}

static void write_row(struct ledger *ledger, struct client *client)
{
	refresh_addresses(ledger, client);
	const struct client_detail *detail = client_detail(&ledger->clients, client);
	const struct client_words *words =
		client->words == POOL_NONE ? NULL : pool_at(&ledger->clients.words, client->words);
	struct client_row row = {
		.key = client->key,
		.first_seen_ns = client->first_seen_ns,
		.last_seen_ns = client->last_seen_ns,
		.mac = client->id.kind == IDENTITY_MAC ? client->id.value : NULL,
		.mac_vendor = client->vendor,
		.mac_random = client->random,
		.vlan = client->id.vlan,
		.addresses = detail->addresses,
		.address_count = client->address_count,
		.names = words == NULL ? NULL : words->names,
		.name_count = client->name_count,
		.dhcp_options = client->dhcp_options_len > 0 ? words->dhcp_options : NULL,
		.dhcp_vendor_class =
			client->dhcp_vendor_class_len > 0 ? words->dhcp_vendor_class : NULL,
		.dhcp_vendor_class_len = client->dhcp_vendor_class_len,
	};

	record_client(ledger->config.record, &row);
	client->row_written = true;
	client->changed = false;
	client->row_ns = ledger->now_ns;
	client->row_last_seen_ns = client->last_seen_ns;
}

// What readers knew of it is to be forgotten.
static void write_tombstone(struct ledger *ledger, struct client *client)
{
	struct client_row row = {.key = client->key, .tombstone = true};

	if (client->row_written)
		record_client(ledger->config.record, &row);
	client->row_written = false;
	client->changed = false;
	deadline_set(&ledger->deadlines, client, CLIENT_NEVER, DEADLINE_OTHER);
}

static void evict(struct ledger *ledger, struct client *victim)
{
	ledger_client_finish(ledger, victim);
	if (is_known(victim)) {
		ledger->stats.clients_now--;
		counter_add(ledger->config.counters, COUNTER_clients_evicted, 1);
	}
	deadline_set(&ledger->deadlines, victim, CLIENT_NEVER, DEADLINE_OTHER);
	client_table_remove(&ledger->clients, victim);
	const struct client *next = client_table_next(&ledger->clients, victim);
	if (next != NULL)
		fetch_bindings(ledger, next);
}

void ledger_client_key(const struct ledger *ledger, const struct identity *id, uint8_t ret_key[16])
{
	policy_client_key(
		ledger->config.policy, (enum client_kind)id->kind, id->vlan, id->value, ret_key);
}

static struct client *make(struct ledger *ledger, const struct identity *id, uint32_t bucket,
	struct client *victim, const uint8_t *key)
{
	if (victim != NULL)
		evict(ledger, victim);
	struct client *client = client_table_add(&ledger->clients, id, bucket);
	if (key != NULL)
		memcpy(client->key, key, sizeof(client->key));
	else
		ledger_client_key(ledger, id, client->key);
	return client;
}

struct client *ledger_client(struct ledger *ledger, const struct identity *id)
{
	uint32_t bucket = client_bucket(&ledger->clients, id);
	struct client *client = client_find_in(&ledger->clients, bucket, id);

	if (client != NULL)
		return client;
	struct client *victim;
	client_table_has_place(&ledger->clients, id, CLIENT_STANDINGS, ledger->now_ns, &victim);
	return make(ledger, id, bucket, victim, NULL);
}

struct client *ledger_client_admit(struct ledger *ledger, const struct identity *id,
	uint32_t bucket, enum client_standing standing, const uint8_t *key)
{
	struct client_table *clients = &ledger->clients;
	struct client *client = client_find_in(clients, bucket, id), *victim;

	if (client != NULL)
		return client;
	bool has_place = client_table_has_place(clients, id, standing, ledger->now_ns, &victim);
	if (!has_place && standing == CLIENT_ONCE &&
		client_table_refuse(clients, id, bucket, ledger->now_ns)) {
		standing = CLIENT_AGAIN;
		has_place = client_table_has_place(clients, id, standing, ledger->now_ns, &victim);
	}
	if (!has_place) {
		counter_add(ledger->config.counters, COUNTER_clients_refused, 1);
		return NULL;
	}
	client = make(ledger, id, bucket, victim, key);
	if (standing != CLIENT_UNSEEN)
		client_table_touch(clients, client, standing, ledger->now_ns);
	return client;
}

void ledger_client_seen(
	struct ledger *ledger, struct client *client, uint64_t from_ns, uint64_t to_ns)
{
	client_table_touch(&ledger->clients, client, CLIENT_ONCE, ledger->now_ns);
	client->last_seen_ns = MAX(client->last_seen_ns, to_ns);
	if (unlikely(!client->seen)) {
		client->seen = true;
		client->first_seen_ns = from_ns;
		if (!is_known(client))
			return;
		ledger->stats.clients_now++;
		counter_add(ledger->config.counters, COUNTER_clients_created, 1);
		if (client->random)
			counter_add(ledger->config.counters, COUNTER_clients_random, 1);
		ledger_client_changed(ledger, client);
		return;
	}
	client->first_seen_ns = MIN(client->first_seen_ns, from_ns);
	// Silent for an hour, and back.
	if (unlikely(client->due_ns == CLIENT_NEVER) && is_known(client))
		deadline_set(&ledger->deadlines, client,
			MAX(ledger->now_ns, client->row_ns + ROW_MOST_NS), DEADLINE_OTHER);
}

void ledger_client_address(struct ledger *ledger, struct client *client, struct binding *binding)
{
	// It knows; until when is read from the binding when its row is written.
	if (likely(binding->told == client->serial) && client->address_count < CLIENT_ADDRESSES_MAX)
		return;
	binding->told = client->serial;
	const struct holder *holder = &binding->holders[0];
	struct client_address address = {
		.ip_version = binding->address.kind == IDENTITY_IP4 ? 4 : 6,
		.source = holder->source,
		.binding = pool_index(&ledger->bindings.pool, binding),
		.from_ns = holder->from_ns,
	};

	apart();
	address.to_ns = holder->to_ns;
	memcpy(address.ip, binding->address.value, sizeof(address.ip));
	struct client_detail *detail = client_detail(&ledger->clients, client);
	if (client_learn_address(client, detail, &address, binding->asked))
		ledger_client_changed(ledger, client);
	binding->told_place = client_address_place(client, detail, address.binding);
}

void ledger_client_changed(struct ledger *ledger, struct client *client)
{
	if (!is_known(client) || client->changed)
		return;
	client->changed = true;
	if (!client->row_written)
		deadline_set(&ledger->deadlines, client, ledger->now_ns + ROW_SETTLE_NS,
			DEADLINE_FIRST_ROW);
	else
		deadline_set(&ledger->deadlines, client,
			MAX(ledger->now_ns, client->row_ns + ROW_LEAST_NS), DEADLINE_OTHER);
}

void ledger_client_router(struct ledger *ledger, struct client *client)
{
	if (is_known(client))
		ledger->stats.clients_now--;
	client->router_since_ns = ledger->now_ns;
	write_tombstone(ledger, client);
}

void ledger_client_hide(struct ledger *ledger, struct client *client)
{
	if (client->hidden)
		return;
	if (is_known(client))
		ledger->stats.clients_now--;
	client->hidden = true;
	write_tombstone(ledger, client);
}

void ledger_client_due(struct ledger *ledger, struct client *client)
{
	// Nothing new for an hour: the next row is due when it is seen again.
	if (!client->changed && client->last_seen_ns == client->row_last_seen_ns) {
		deadline_set(&ledger->deadlines, client, CLIENT_NEVER, DEADLINE_OTHER);
		return;
	}
	write_row(ledger, client);
	deadline_set(&ledger->deadlines, client, ledger->now_ns + ROW_MOST_NS, DEADLINE_NEXT_ROW);
	fetch_due(ledger);
}

void ledger_client_finish(struct ledger *ledger, struct client *client)
{
	if (is_known(client) &&
		(client->changed || client->last_seen_ns != client->row_last_seen_ns))
		write_row(ledger, client);
}
