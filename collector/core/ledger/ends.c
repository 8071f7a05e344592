// Who the two ends of a flow are: local or not, which client, as of the flow's start.
#include "core/ledger/inner.h"

#include <string.h>

bool ledger_excludes_mac(const struct ledger *ledger, const uint8_t mac[6])
{
	for (size_t i = 0; i < ledger->excluded->mac_count; i++)
		if (memcmp(ledger->excluded->macs[i], mac, 6) == 0)
			return true;
	return false;
}

bool ledger_excludes(struct ledger *ledger, const uint8_t *mac, const uint8_t *ip, bool ip6,
	const struct binding *binding, uint64_t when_ns)
{
	const struct holder *holder = binding == NULL ? NULL : binding_holder(binding, when_ns);

	if (excluded_matches(ledger->excluded, mac, ip, ip6))
		return true;
	return holder != NULL && ledger_excludes_mac(ledger, holder->mac);
}

bool ledger_holder_hidden(struct ledger *ledger, const struct binding *binding, uint64_t when_ns)
{
	const struct holder *holder = binding == NULL ? NULL : binding_holder(binding, when_ns);

	if (holder == NULL)
		return false;
	struct identity id = identity_of_mac(binding->address.vlan, holder->mac);
	const struct client *client = client_find(&ledger->clients, &id);
	return client != NULL && client->hidden && !client_is_router(client, when_ns);
}

bool ledger_is_router(const struct ledger *ledger, const struct client *client, const uint8_t *mac,
	uint64_t when_ns)
{
	if (client != NULL && client_is_router(client, when_ns))
		return true;
	for (uint32_t i = 0; i < ledger->router_count; i++)
		if (memcmp(ledger->routers[i], mac, 6) == 0)
			return true;
	return false;
}

// Who ARP, NDP or DHCP say had the address, unless that is a router.
static bool bound_mac(struct ledger *ledger, const struct binding *binding, uint64_t start_ns,
	struct identity *ret)
{
	const struct holder *holder = binding == NULL
		? NULL
		: binding_said(binding, start_ns, start_ns + ledger->active_ns);

	if (holder == NULL)
		return false;
	struct identity id = identity_of_mac(binding->address.vlan, holder->mac);
	const struct client *client = client_find(&ledger->clients, &id);
	if (ledger_is_router(ledger, client, holder->mac, start_ns))
		return false;
	*ret = id;
	return true;
}

// What was found when the turn was prepared, or what is there now.
static struct client *client_by_mac(const struct ledger *ledger, const struct end *end)
{
	struct client *known = end->known_client;

	if (known != NULL && identity_equal(&known->id, &end->mac_id))
		return known;
	return client_find_in(&ledger->clients, end->mac_bucket, &end->mac_id);
}

static struct binding *binding_of(const struct ledger *ledger, const struct end *end)
{
	struct binding *known = end->known_binding;

	if (known != NULL && identity_equal(&known->address, &end->address))
		return known;
	return binding_find_in(&ledger->bindings, end->address_bucket, &end->address);
}

// The identity of a local host as of the flow's start, and its client where there is one already.
// Frames with a router's MAC, or none, are known by what ARP, NDP and DHCP say of the address, else
// by the address itself.
static void identify(struct ledger *ledger, const struct segment_event *s, struct end *end)
{
	if (end->mac != NULL) {
		end->id = end->mac_id;
		end->id_bucket = end->mac_bucket;
		end->client = client_by_mac(ledger, end);
		if (likely(!ledger_is_router(ledger, end->client, end->mac, s->flow_start_ns)))
			return;
		// What is known of a router must not be forgotten while it is at work.
		if (end->client != NULL)
			client_table_touch(
				&ledger->clients, end->client, CLIENT_CONVERSED, ledger->now_ns);
	}
	end->id = end->address;
	bound_mac(ledger, end->binding, s->flow_start_ns, &end->id);
	end->id_bucket = client_bucket(&ledger->clients, &end->id);
	end->client = client_find_in(&ledger->clients, end->id_bucket, &end->id);
}

// What is known of the address, and whether it is local by that.
static void judge(struct ledger *ledger, const struct segment_event *s, struct end *end)
{
	if (end->prepared) {
		end->binding = binding_of(ledger, end);
		if (end->binding != NULL && !end->local &&
			end->binding->on_link_ns <= s->flow_start_ns + ledger->active_ns) {
			end->local = true;
			if (end->mac != NULL)
				end->mac_bucket = client_bucket(&ledger->clients, &end->mac_id);
		}
		if (!end->local)
			end->binding = NULL;
		if (end->binding != NULL)
			binding_use(&ledger->bindings, end->binding, ledger->now_ns);
	}
	if (ledger->excludes)
		end->excluded = ledger_excludes(
			ledger, end->mac, end->ip, end->ip6, end->binding, s->flow_start_ns);
}

struct binding *ledger_binding(
	struct ledger *ledger, const struct identity *address, uint32_t bucket)
{
	uint64_t now_ns = ledger->now_ns;
	struct binding *binding = binding_find_in(&ledger->bindings, bucket, address);

	if (binding != NULL) {
		binding_use(&ledger->bindings, binding, now_ns);
		return binding;
	}
	if (!ledger->excludes &&
		!bindings_have_room(&ledger->bindings, now_ns - MIN(now_ns, ADDRESS_KEPT_NS))) {
		counter_add(ledger->config.counters, COUNTER_bindings_refused, 1);
		return NULL;
	}
	return binding_get(&ledger->bindings, address, now_ns);
}

// Of an end that is to be learned about: whoever never sent makes no entry, or a scan would fill
// the table.
static struct binding *binding_to_learn(struct ledger *ledger, struct end *end)
{
	if (end->binding == NULL || !identity_equal(&end->binding->address, &end->address))
		end->binding = ledger_binding(ledger, &end->address, end->address_bucket);
	return end->binding;
}

void ledger_hide_mac(struct ledger *ledger, uint16_t vlan, const uint8_t mac[6], uint64_t when_ns)
{
	struct identity id = identity_of_mac(vlan, mac);
	const struct client *known = client_find(&ledger->clients, &id);

	// Behind a router, the address alone is excluded. Of an excluded MAC nothing is kept.
	if (ledger_is_router(ledger, known, mac, when_ns) || ledger_excludes_mac(ledger, mac))
		return;
	struct client *client = ledger_client(ledger, &id);
	ledger_client_hide(ledger, client);
	client_table_touch(&ledger->clients, client, CLIENT_HIDDEN, ledger->now_ns);
}

static void learn_excluded(struct ledger *ledger, const struct segment_event *s, struct end *end)
{
	// Only by its own address: whoever takes over one that an excluded MAC had is not excluded.
	if (!end->local || !end->host || !end->sent || end->mac == NULL ||
		!excluded_matches(ledger->excluded, end->mac, end->ip, end->ip6))
		return;
	ledger_hide_mac(ledger, s->event.vlan, end->mac, s->flow_start_ns);
	struct identity id = identity_of_mac(s->event.vlan, end->mac);
	const struct client *client = client_find(&ledger->clients, &id);
	if (ledger_is_router(ledger, client, end->mac, s->flow_start_ns))
		return;
	struct binding *binding = binding_to_learn(ledger, end);
	if (binding != NULL)
		binding_learn(binding, end->mac, ADDRESS_TRAFFIC, s->start_ns, s->end_ns);
}

// What a segment teaches of a local host that sent some of it.
static void learn_traffic(struct ledger *ledger, const struct segment_event *s, struct end *end)
{
	struct client *client = end->client;

	ledger_client_seen(ledger, client, s->start_ns, s->end_ns);
	if (client->id.kind != IDENTITY_MAC) {
		struct client_address address = {.ip_version = s->ip_version,
			.source = ADDRESS_TRAFFIC,
			.from_ns = s->start_ns,
			.to_ns = s->end_ns};
		memcpy(address.ip, end->ip, end->ip6 ? 16 : 4);
		if (client_learn_address(
			    client, client_detail(&ledger->clients, client), &address, false))
			ledger_client_changed(ledger, client);
		return;
	}
	// Known by what others said of the address: then the frame's MAC is a router's, or none.
	if (end->mac == NULL || memcmp(end->mac, client->id.value, 6) != 0)
		return;
	if (!end->ip6 && client->router_since_ns == CLIENT_NEVER &&
		client_carries(client, end->ip, s->start_ns, s->end_ns)) {
		ledger_client_router(ledger, client);
		return;
	}
	if (client->router_since_ns != CLIENT_NEVER)
		return;
	struct binding *binding = binding_to_learn(ledger, end);
	if (binding != NULL &&
		binding_learn(binding, end->mac, ADDRESS_TRAFFIC, s->start_ns, s->end_ns))
		ledger_client_address(ledger, client, binding);
}

// What the segment says for end `e`. A forged address can be answered, but does not go on then.
static enum client_standing standing_of(
	const struct segment_event *s, const struct end ends[2], unsigned e)
{
	if (!ends[e].sent)
		return CLIENT_UNSEEN;
	if (s->packets[e] < 2)
		return CLIENT_ONCE;
	if (ends[!e].sent)
		return CLIENT_CONVERSED;
	return s->end_ns - s->start_ns >= CLIENT_TOUCH_NS ? CLIENT_AGAIN : CLIENT_ONCE;
}

// Makes the clients that are not there yet. Who has the better standing comes first, or might have
// to go for the other end of its own flow.
static void make_clients(struct ledger *ledger, const struct segment_event *s, struct end ends[2])
{
	const enum client_standing standing[2] = {standing_of(s, ends, 0), standing_of(s, ends, 1)};
	unsigned first = standing[1] > standing[0];

	for (unsigned i = 0; i < 2; i++) {
		unsigned e = first ^ i;
		struct end *end = &ends[e], *other = &ends[!e];
		if (!end->local || !end->host)
			continue;
		if (end->client != NULL) {
			if (end->sent)
				client_table_touch(
					&ledger->clients, end->client, standing[e], ledger->now_ns);
			continue;
		}
		bool has_key = end->has_key && end->id.kind == IDENTITY_MAC &&
			identity_equal(&end->id, &end->mac_id);
		end->client = ledger_client_admit(
			ledger, &end->id, end->id_bucket, standing[e], has_key ? end->key : NULL);
		if (end->client == NULL) {
			end->refused = true;
			if (!has_key)
				ledger_client_key(ledger, &end->id, end->key);
			continue;
		}
		if (other->client != NULL && !identity_equal(&other->client->id, &other->id))
			other->client =
				client_find_in(&ledger->clients, other->id_bucket, &other->id);
	}
}

void ledger_judge_ends(struct ledger *ledger, struct prepared *prepared)
{
	const struct segment_event *s = (const struct segment_event *)prepared->event;
	struct end *ends = prepared->ends;

	if (unlikely(prepared->local_count != ledger->local.count ||
		    prepared->neighbours != ledger->neighbours))
		ledger_place_ends_again(ledger, prepared);
	judge(ledger, s, &ends[0]);
	judge(ledger, s, &ends[1]);
	for (unsigned e = 0; e < 2; e++) {
		if (!ends[e].local || !ends[e].host)
			continue;
		identify(ledger, s, &ends[e]);
		struct client *client = ends[e].client;
		if (client != NULL && client->hidden) {
			ends[e].excluded = true;
			client_table_touch(&ledger->clients, client, CLIENT_HIDDEN, ledger->now_ns);
		}
		if (ledger->excludes && ends[e].id.kind != IDENTITY_MAC &&
			ledger_holder_hidden(ledger, ends[e].binding, s->flow_start_ns))
			ends[e].excluded = true;
	}
	if (ends[0].excluded || ends[1].excluded) {
		for (unsigned e = 0; e < 2; e++) {
			ends[e].client = NULL;
			if (ends[e].excluded)
				learn_excluded(ledger, s, &ends[e]);
		}
		return;
	}
	make_clients(ledger, s, ends);
	for (unsigned e = 0; e < 2; e++)
		if (ends[e].client != NULL && ends[e].sent && s->packets[e] > 0)
			learn_traffic(ledger, s, &ends[e]);
	// When hundreds of addresses are new within a second, one end's can make the other's be
	// forgotten.
	for (unsigned e = 0; e < 2; e++)
		if (ends[e].binding != NULL &&
			!identity_equal(&ends[e].binding->address, &ends[e].address))
			ends[e].binding = NULL;
}
