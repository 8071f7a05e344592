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

// The identity of a local host as of the flow's start, and its client where there is one already.
// Frames with a router's MAC, or none, are known by what ARP, NDP and DHCP say of the address, else
// by the address itself.
static void identify(struct ledger *ledger, const struct segment_event *s, struct end *end)
{
	uint16_t vlan = s->event.vlan;

	if (end->mac != NULL) {
		end->id = identity_of_mac(vlan, end->mac);
		end->client = client_find(&ledger->clients, &end->id);
		if (!ledger_is_router(ledger, end->client, end->mac, s->flow_start_ns))
			return;
		// What is known of a router must not be forgotten while it is at work.
		if (end->client != NULL)
			client_table_touch(&ledger->clients, end->client, ledger->now_ns);
	}
	end->id = address_of(vlan, end->ip, end->ip6);
	bound_mac(ledger, end->binding, s->flow_start_ns, &end->id);
	end->client = client_find(&ledger->clients, &end->id);
}

// Whether the address is local, and what is known of it. `known_ns`: what was learned later than
// that does not count, so that all segments of a flow are judged alike.
static void judge_place(struct ledger *ledger, const struct segment_event *s, struct end *end)
{
	uint64_t known_ns = s->flow_start_ns + ledger->active_ns;

	end->local = local_holds(&ledger->local, end->ip, end->ip6, known_ns);
	if (end->local && !end->ip6 && local_is_broadcast(&ledger->local, end->ip))
		end->host = false;
	if (!end->host || (!end->local && !ledger->neighbours))
		return;
	struct identity address = address_of(s->event.vlan, end->ip, end->ip6);
	// Whoever never sent makes no entry: a scan would fill the table.
	if (!end->local || !end->sent) {
		end->binding = binding_find(&ledger->bindings, &address);
		if (end->binding == NULL)
			return;
		end->local |= end->binding->on_link_ns <= known_ns;
		if (!end->local)
			end->binding = NULL;
	}
	if (end->local)
		end->binding = binding_get(&ledger->bindings, &address, ledger->now_ns);
}

static void judge(struct ledger *ledger, const struct segment_event *s, unsigned e, struct end *end)
{
	bool has_mac = (s->has_mac >> e & 1) != 0;

	*end = (struct end){.ip = s->ip[e], .ip6 = s->ip_version == 6};
	end->sent = (s->seen >> e & 1) != 0;
	if (has_mac && mac_is_station(s->mac[e]))
		end->mac = s->mac[e];
	bool group = has_mac && (s->mac[e][0] & 0x01) != 0;
	end->host = !group && ip_is_host(end->ip, end->ip6);
	judge_place(ledger, s, end);
	if (ledger->excludes)
		end->excluded = ledger_excludes(
			ledger, end->mac, end->ip, end->ip6, end->binding, s->flow_start_ns);
}

// When hundreds of addresses are new within a second, one end's can make the other's be forgotten.
static void keep_binding(struct ledger *ledger, const struct segment_event *s, struct end *end)
{
	if (end->binding == NULL)
		return;
	struct identity address = address_of(s->event.vlan, end->ip, end->ip6);
	if (memcmp(&end->binding->address, &address, sizeof(address)) != 0)
		end->binding = binding_get(&ledger->bindings, &address, ledger->now_ns);
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
	client_table_touch(&ledger->clients, client, ledger->now_ns);
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
	if (!ledger_is_router(ledger, client, end->mac, s->flow_start_ns))
		binding_learn(end->binding, end->mac, ADDRESS_TRAFFIC, s->start_ns, s->end_ns);
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
	if (client->router_since_ns == CLIENT_NEVER &&
		binding_learn(end->binding, end->mac, ADDRESS_TRAFFIC, s->start_ns, s->end_ns))
		ledger_client_address(ledger, client, end->binding);
}

// Makes the clients that are not there yet. Who sent comes first: whoever did not is the first to
// go when room is needed, and must not go for the other end of its own flow.
static void make_clients(struct ledger *ledger, struct end ends[2])
{
	unsigned first = ends[0].sent ? 0 : 1;

	for (unsigned i = 0; i < 2; i++) {
		struct end *end = &ends[first ^ i], *other = &ends[first ^ i ^ 1];
		if (!end->local || !end->host)
			continue;
		bool made = end->client == NULL;
		if (made)
			end->client = ledger_client(ledger, &end->id);
		if (end->sent)
			client_table_touch(&ledger->clients, end->client, ledger->now_ns);
		if (made && other->client != NULL)
			other->client = client_find(&ledger->clients, &other->id);
	}
}

void ledger_judge_ends(
	struct ledger *ledger, const struct segment_event *segment, struct end ends[2])
{
	judge(ledger, segment, 0, &ends[0]);
	judge(ledger, segment, 1, &ends[1]);
	keep_binding(ledger, segment, &ends[0]);
	for (unsigned e = 0; e < 2; e++) {
		if (!ends[e].local || !ends[e].host)
			continue;
		identify(ledger, segment, &ends[e]);
		const struct client *client = ends[e].client;
		if (client != NULL && client->hidden)
			ends[e].excluded = true;
		if (ledger->excludes && ends[e].id.kind != IDENTITY_MAC &&
			ledger_holder_hidden(ledger, ends[e].binding, segment->flow_start_ns))
			ends[e].excluded = true;
	}
	if (ends[0].excluded || ends[1].excluded) {
		for (unsigned e = 0; e < 2; e++) {
			ends[e].client = NULL;
			if (ends[e].excluded)
				learn_excluded(ledger, segment, &ends[e]);
		}
		return;
	}
	make_clients(ledger, ends);
	for (unsigned e = 0; e < 2; e++)
		if (ends[e].client != NULL && ends[e].sent && segment->packets[e] > 0)
			learn_traffic(ledger, segment, &ends[e]);
}
