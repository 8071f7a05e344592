// Books a segment: its clients' usage, the site's total, its name, and its row.
#include "core/ledger/inner.h"
#include "core/packet/packet.h"

#include <string.h>

static enum direction direction_of(const struct end *client, const struct end *server)
{
	if (client->local)
		return server->local ? DIRECTION_LAN : DIRECTION_OUT;
	return server->local ? DIRECTION_IN : DIRECTION_TRANSIT;
}

// What was asked of a group, or by broadcast, is answered to whoever asked, who says no more: a
// flow of its own, from the service's port, which looks as if nobody had answered.
static bool answers_group(const struct segment_event *s)
{
	static const struct {
		uint16_t from, to; // to 0: any
	} answers[] = {
		{67, 68}, // DHCP, RFC 2131 section 4.1
		{547, 546}, // DHCPv6, RFC 8415 section 7.2
		{1900, 0}, // SSDP, UPnP Device Architecture section 1.3.3
		{3702, 0}, // WS-Discovery section 2.4
		{5353, 0}, // mDNS, RFC 6762 sections 5.4 and 6.7
		{5355, 0}, // LLMNR, RFC 4795 section 2.5
	};

	for (size_t i = 0; s->ip_proto == IP_PROTO_UDP && i < ARRAY_COUNT(answers); i++)
		if (s->port[0] == answers[i].from &&
			(answers[i].to == 0 || s->port[1] == answers[i].to))
			return true;
	return false;
}

// An attempt that came to nothing: no answer, or reset at once. Groups never answer, and of a flow
// whose beginning was not seen nobody knows.
static bool has_failed(const struct segment_event *s, const struct end *server)
{
	if (s->orientation == ORIENT_MID || !server->host || answers_group(s))
		return false;
	return !server->sent || s->closed_by_reset != 0;
}

// What end `e` did.
static struct usage_delta delta_of(const struct segment_event *s, unsigned e, bool failed)
{
	return (struct usage_delta){
		.start_s = s->start_ns / NS_PER_S,
		.end_s = s->end_ns / NS_PER_S,
		.application = s->application,
		.category = s->category,
		.bytes_up = s->bytes[e],
		.bytes_down = s->bytes[!e],
		.packets_up = s->packets[e],
		.packets_down = s->packets[!e],
		.retransmissions = (uint64_t)s->retransmissions[0] + s->retransmissions[1],
		.flows = s->segment == 0,
		.flows_failed = s->segment == 0 && failed,
	};
}

// The same as the other end sees it.
static void turn_round(struct usage_delta *delta)
{
	struct usage_delta was = *delta;

	delta->bytes_up = was.bytes_down;
	delta->bytes_down = was.bytes_up;
	delta->packets_up = was.packets_down;
	delta->packets_down = was.packets_up;
}

// Of those clients whom nobody knew when the turn was prepared.
static void fetch_usage(
	const struct ledger *ledger, const struct segment_event *s, const struct end ends[2])
{
	for (unsigned e = 0; e < 2; e++) {
		if (ends[e].client == NULL || ends[e].client == ends[e].known_client)
			continue;
		uint32_t bucket =
			usage_bucket(&ledger->usage, ends[e].client, s->end_ns, s->application);
		if (bucket != POOL_NONE)
			usage_fetch_bucket(&ledger->usage, bucket);
	}
}

static void book_usage(struct ledger *ledger, const struct segment_event *s,
	const struct end ends[2], unsigned client)
{
	struct client *const clients[2] = {ends[0].client, ends[1].client};
	bool failed = has_failed(s, &ends[!client]);
	// The site's view of a flow: what its client sent, or its server where only that is local.
	unsigned inside = ends[client].local || !ends[!client].local ? client : !client;
	struct usage_delta delta = delta_of(s, inside, failed);

	usage_book_total(&ledger->usage, clients, &delta);
	bool of_client[2];
	for (unsigned e = 0; e < 2; e++)
		of_client[e] = clients[e] != NULL || ends[e].refused;
	if (!of_client[0] && !of_client[1])
		return;
	if (!ledger->usage.by_client) {
		usage_book_category(&ledger->usage, clients, &delta);
		return;
	}
	if (inside == 1)
		turn_round(&delta);
	for (unsigned e = 0; e < 2; e++, turn_round(&delta))
		if (of_client[e])
			usage_book(&ledger->usage, clients[e], &delta);
}

// The newest answer to an address that asked, if that was the client's at that time. `bucket`: of
// its answers, or POOL_NONE.
static void consider(struct ledger *ledger, const struct segment_event *s, const struct end *server,
	const struct client *client, const struct binding *asker, uint32_t bucket,
	struct answer_name *best)
{
	struct answer_name found;

	if (asker == NULL || !asker->asked)
		return;
	if (bucket == POOL_NONE)
		bucket = answers_bucket(&ledger->answers, &asker->address, server->ip, server->ip6);
	if (!answers_find(&ledger->answers, bucket, &asker->address, server->ip, server->ip6,
		    best->time_ns, s->flow_start_ns, &found))
		return;
	if (client->id.kind == IDENTITY_MAC) {
		const struct holder *holder = binding_holder(asker, found.time_ns);
		if (holder != NULL && memcmp(holder->mac, client->id.value, 6) != 0)
			return;
	}
	*best = found;
}

// The client's own newest answer for the server's address that is not later than the flow's start:
// to the address that it uses now, or to any other that it has.
static bool find_name(struct ledger *ledger, const struct segment_event *s,
	const struct end *client_side, const struct end *server, uint32_t bucket,
	struct answer_name *ret)
{
	const struct client *client = client_side->client;
	const struct binding *own = client_side->binding;
	struct answer_name best = {.time_ns = 0};
	unsigned others = client->asked;

	consider(ledger, s, server, client, own, bucket, &best);
	// Its own place is known as long as no address had to go for another.
	if (own != NULL && own->told == client->serial &&
		client->address_count < CLIENT_ADDRESSES_MAX)
		others &= ~(1u << own->told_place);
	for (; others != 0; others &= others - 1) {
		const struct client_detail *detail = client_detail(&ledger->clients, client);
		const struct client_address *a = &detail->addresses[__builtin_ctz(others)];
		struct identity address = address_of(s->event.vlan, a->ip, a->ip_version == 6);
		if (own != NULL && identity_equal(&address, &own->address))
			continue;
		consider(ledger, s, server, client, binding_find(&ledger->bindings, &address),
			POOL_NONE, &best);
	}
	*ret = best;
	return best.name != NULL;
}

static void name_flow(struct ledger *ledger, const struct prepared *prepared,
	const struct end *client, const struct end *server, struct flow_row *row)
{
	const struct segment_event *s = row->segment;
	bool as_prepared = client == &prepared->ends[prepared->client_end];
	uint32_t bucket = as_prepared ? prepared->answer_buckets[0] : POOL_NONE;
	const struct findings_view *findings = row->findings;
	struct answer_name name;

	row->name_age_ms = NOT_KNOWN_32;
	if (findings->text[FINDING_SERVER_NAME] != NULL) {
		row->server_name = findings->text[FINDING_SERVER_NAME];
		row->server_name_len = findings->len[FINDING_SERVER_NAME];
		row->name_source = findings->source[FINDING_SERVER_NAME];
		return;
	}
	if (client->client == NULL || !server->host ||
		!find_name(ledger, s, client, server, bucket, &name))
		return;
	row->server_name = name.name;
	row->server_name_len = name.name_len;
	row->name_source = NAME_DNS_CACHE;
	uint64_t age_ms = (s->flow_start_ns - name.time_ns) / NS_PER_MS;
	row->name_age_ms = (uint32_t)MIN(age_ms, (uint64_t)NOT_KNOWN_32 - 1);
}

static struct row_end row_end_of(const struct segment_event *s, unsigned e, const struct end *end)
{
	bool known = end->client != NULL || end->refused;

	return (struct row_end){
		.local = end->local,
		.ip = end->ip,
		// The client's own: behind a router the frame's is not.
		.mac = known && end->id.kind == IDENTITY_MAC ? end->id.value : NULL,
		.key = end->client != NULL ? end->client->key
			: end->refused     ? end->key
					   : NULL,
		.port = s->port[e],
	};
}

static void write_flow(struct ledger *ledger, const struct prepared *prepared, unsigned client)
{
	const struct segment_event *s = (const struct segment_event *)prepared->event;
	const struct end *ends = prepared->ends;
	struct findings_view findings;
	struct flow_row row = {
		.segment = s,
		.client_end = client,
		.client = row_end_of(s, client, &ends[client]),
		.server = row_end_of(s, !client, &ends[!client]),
		.direction = (uint8_t)direction_of(&ends[client], &ends[!client]),
		.interface = ledger->config.interface_names[s->event.iface],
		.findings = &findings,
		.expected_name = prepared->name,
		.expected_hash = prepared->name_hash,
	};

	findings_read(&findings, s->findings, s->findings_size);
	name_flow(ledger, prepared, &ends[client], &ends[!client], &row);
	record_flow(ledger->config.record, &row);
}

// A flow of which both directions were there to be seen: of TCP, where somebody acknowledged
// something. Datagrams, questions to groups and SYNs of a scan often have no answer.
static bool has_two_ways(const struct segment_event *s, const struct end ends[2])
{
	return s->ip_proto == IP_PROTO_TCP && s->segment == 0 && ends[0].host && ends[1].host &&
		((s->tcp_flags[0] | s->tcp_flags[1]) & TCP_ACK) != 0;
}

void ledger_book_segment(struct ledger *ledger, struct prepared *prepared)
{
	const struct segment_event *s = (const struct segment_event *)prepared->event;
	const struct end *ends = prepared->ends;

	ledger_judge_ends(ledger, prepared);
	unsigned client = ledger_client_end(s, ends);
	if (has_two_ways(s, ends)) {
		ledger->stats.tcp_flows++;
		ledger->stats.one_way_flows += !ends[0].sent || !ends[1].sent;
	}
	fetch_usage(ledger, s, ends);
	if (!ends[0].excluded && !ends[1].excluded)
		write_flow(ledger, prepared, client);
	book_usage(ledger, s, ends, client);
}
