// Learns from facts and DNS answers.
#include "core/ledger/inner.h"

#include <string.h>

// Whoever has this MAC, or NULL: a router, excluded, no station at all, or no room.
static struct client *client_of_mac(struct ledger *ledger, const struct prepared *prepared)
{
	const struct fact_event *fact = (const struct fact_event *)prepared->event;
	uint64_t when_ns = fact->event.time_ns;

	if (!mac_is_station(fact->mac) || ledger_excludes_mac(ledger, fact->mac))
		return NULL;
	struct identity id = identity_of_mac(fact->event.vlan, fact->mac);
	struct client *client =
		ledger_client_admit(ledger, &id, prepared->ends[0].mac_bucket, CLIENT_ONCE, NULL);
	if (client == NULL || ledger_is_router(ledger, client, fact->mac, when_ns))
		return NULL;
	ledger_client_seen(ledger, client, when_ns, when_ns);
	return client->hidden ? NULL : client;
}

static void learn_on_link(struct ledger *ledger, const struct prepared *prepared)
{
	const struct fact_event *fact = (const struct fact_event *)prepared->event;
	bool ip6 = fact->ip_version == 6;

	if (fact->ip_version == 0 || !ip_is_host(fact->ip, ip6) ||
		local_holds(&ledger->local, fact->ip, ip6, fact->event.time_ns))
		return;
	struct identity address = address_of(fact->event.vlan, fact->ip, ip6);
	struct binding *binding =
		ledger_binding(ledger, &address, prepared->ends[0].address_bucket);
	if (binding == NULL)
		return;
	ledger->neighbours = true;
	binding->on_link_ns = MIN(binding->on_link_ns, fact->event.time_ns);
}

static void learn_binding(
	struct ledger *ledger, const struct prepared *prepared, enum address_source source)
{
	const struct fact_event *fact = (const struct fact_event *)prepared->event;
	uint64_t when_ns = fact->event.time_ns;
	bool ip6 = fact->ip_version == 6;

	if (fact->ip_version == 0 || !mac_is_station(fact->mac) || !ip_is_host(fact->ip, ip6))
		return;
	struct identity address = address_of(fact->event.vlan, fact->ip, ip6);
	struct binding *binding =
		ledger_binding(ledger, &address, prepared->ends[0].address_bucket);
	if (binding == NULL || !binding_learn(binding, fact->mac, source, when_ns, when_ns))
		return;
	if (ledger->excludes && excluded_matches(ledger->excluded, NULL, fact->ip, ip6))
		ledger_hide_mac(ledger, fact->event.vlan, fact->mac, when_ns);
	struct client *client = client_of_mac(ledger, prepared);
	if (client != NULL)
		ledger_client_address(ledger, client, binding);
}

static void learn_name(
	struct ledger *ledger, const struct prepared *prepared, enum client_name_source source)
{
	const struct fact_event *fact = (const struct fact_event *)prepared->event;
	struct client *client = client_of_mac(ledger, prepared);

	if (client != NULL &&
		client_learn_name(client, client_words(&ledger->clients, client), source,
			fact->text, fact->text_len, fact->event.time_ns))
		ledger_client_changed(ledger, client);
}

static void learn_dhcp(struct ledger *ledger, const struct prepared *prepared)
{
	const struct fact_event *fact = (const struct fact_event *)prepared->event;
	struct client *client = client_of_mac(ledger, prepared);

	if (client == NULL)
		return;
	struct client_words *words = client_words(&ledger->clients, client);
	bool changed = fact->kind == FACT_DHCP_OPTIONS
		? client_learn_dhcp_options(client, words, fact->text, fact->text_len)
		: client_learn_vendor_class(client, words, fact->text, fact->text_len);
	if (changed)
		ledger_client_changed(ledger, client);
}

void ledger_learn_fact(struct ledger *ledger, const struct prepared *prepared)
{
	const struct fact_event *fact = (const struct fact_event *)prepared->event;

	switch (fact->kind) {
	case FACT_ARP:
		learn_on_link(ledger, prepared);
		learn_binding(ledger, prepared, ADDRESS_ARP);
		break;
	case FACT_NDP:
		learn_on_link(ledger, prepared);
		learn_binding(ledger, prepared, ADDRESS_NDP);
		break;
	case FACT_DHCP_BINDING:
		learn_binding(ledger, prepared, ADDRESS_DHCP);
		break;
	case FACT_ON_LINK:
		learn_on_link(ledger, prepared);
		break;
	case FACT_ROUTER_PREFIX:
		if (fact->ip_version == 6)
			local_announce(
				&ledger->local, fact->ip, fact->prefix_len, fact->event.time_ns);
		break;
	case FACT_DHCP_NAME:
		learn_name(ledger, prepared, CLIENT_NAME_DHCP);
		break;
	case FACT_DHCP_FQDN:
		learn_name(ledger, prepared, CLIENT_NAME_DHCP_FQDN);
		break;
	case FACT_DHCP_OPTIONS:
	case FACT_DHCP_VENDOR_CLASS:
		learn_dhcp(ledger, prepared);
		break;
	default:
		break;
	}
}

// The address has asked for names: its client's other addresses may use what it learned.
static void mark_asked(
	struct ledger *ledger, const struct answer_event *answer, struct binding *binding)
{
	const struct holder *holder = binding_holder(binding, answer->event.time_ns);

	binding->asked = true;
	if (holder == NULL || (binding->marked && holder == &binding->holders[0]))
		return;
	struct identity id = identity_of_mac(answer->event.vlan, holder->mac);
	struct client *client = client_find(&ledger->clients, &id);
	if (client != NULL)
		client_mark_asked(client, client_detail(&ledger->clients, client),
			answer->client_ip, answer->client_ip_version);
	binding->marked = client != NULL && holder == &binding->holders[0];
}

void ledger_learn_answer(struct ledger *ledger, const struct prepared *prepared)
{
	const struct answer_event *answer = (const struct answer_event *)prepared->event;
	bool ip6 = answer->client_ip_version == 6;
	const struct event *event = &answer->event;

	if (answer->name_len == 0 || !ip_is_host(answer->client_ip, ip6))
		return;
	struct identity asker = address_of(event->vlan, answer->client_ip, ip6);
	if (!local_holds(&ledger->local, answer->client_ip, ip6, event->time_ns)) {
		const struct binding *known = binding_find_in(
			&ledger->bindings, prepared->ends[0].address_bucket, &asker);
		if (known == NULL || known->on_link_ns == BINDING_NEVER)
			return;
	}
	struct binding *binding = ledger_binding(ledger, &asker, prepared->ends[0].address_bucket);
	if (binding == NULL)
		return;
	if (ledger->excludes &&
		(ledger_excludes(ledger, NULL, answer->client_ip, ip6, binding, event->time_ns) ||
			ledger_holder_hidden(ledger, binding, event->time_ns)))
		return;
	mark_asked(ledger, answer, binding);
	uint64_t name = answers_name(&ledger->answers, answer->name, answer->name_len);
	for (unsigned i = 0; i < answer->address_count; i++) {
		const struct answer_address *a = &answer->addresses[i];
		bool server_ip6 = a->ip_version == 6;
		if (ip_is_host(a->ip, server_ip6))
			answers_add(&ledger->answers, prepared->answer_buckets[i], &asker, a->ip,
				server_ip6, name, event->time_ns);
	}
}
