// The two ends of a flow by what the segment itself says and the local networks are: local or not,
// of which identities, and which of them is the client. Nothing is looked up, nothing learned.
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
	if (end->mac != NULL)
		end->mac_id = identity_of_mac(s->event.vlan, end->mac);
}

void ledger_place_ends(const struct ledger *l, struct prepared *p)
{
	const struct segment_event *s = (const struct segment_event *)p->event;

	for (unsigned e = 0; e < 2; e++)
		place_end(l, s, e, &p->ends[e]);
	p->local_count = l->local.count;
	p->neighbours = l->neighbours;
}

void ledger_place_ends_again(const struct ledger *l, struct prepared *p)
{
	ledger_place_ends(l, p);
	for (unsigned e = 0; e < 2; e++) {
		struct end *end = &p->ends[e];
		if (end->prepared)
			end->address_bucket = binding_bucket(&l->bindings, &end->address);
		if (end_may_be_client(end))
			end->mac_bucket = client_bucket(&l->clients, &end->mac_id);
	}
}

unsigned ledger_client_end(const struct segment_event *s, const struct end ends[2])
{
	if (s->orientation != ORIENT_MID)
		return 0;
	if (ends[0].local != ends[1].local)
		return ends[1].local;
	return s->port[1] > s->port[0];
}
