// A door and a policy for tests of the ledger.
#include "fake_record.h"

#include <stdlib.h>
#include <string.h>

void fake_record_init(struct record *record)
{
	memset(record, 0, sizeof(*record));
	record->flows = calloc(FAKE_ROWS_MAX, sizeof(*record->flows));
	record->clients = calloc(FAKE_ROWS_MAX, sizeof(*record->clients));
	record->usages = calloc(FAKE_ROWS_MAX, sizeof(*record->usages));
	REQUIRE(record->flows != NULL && record->clients != NULL && record->usages != NULL);
}

void fake_record_fini(struct record *record)
{
	free(record->flows);
	free(record->clients);
	free(record->usages);
}

static void copy_end(const struct row_end *end, size_t ip_len, uint8_t ip[16], uint8_t mac[6],
	uint8_t key[16], bool *has_mac, bool *has_key)
{
	memcpy(ip, end->ip, ip_len);
	*has_mac = end->mac != NULL;
	*has_key = end->key != NULL;
	if (end->mac != NULL)
		memcpy(mac, end->mac, 6);
	if (end->key != NULL)
		memcpy(key, end->key, 16);
}

void record_flow(struct record *record, const struct flow_row *row)
{
	const struct segment_event *s = row->segment;
	size_t ip_len = s->ip_version == 4 ? 4 : 16;
	REQUIRE(record->flow_count < FAKE_ROWS_MAX);
	struct fake_flow *f = &record->flows[record->flow_count++];

	f->flow_start_ns = s->flow_start_ns;
	f->start_ns = s->start_ns;
	f->end_ns = s->end_ns;
	f->packets_up = s->packets[row->client_end];
	f->packets_down = s->packets[!row->client_end];
	f->client_local = row->client.local;
	f->server_local = row->server.local;
	f->client_port = row->client.port;
	f->server_port = row->server.port;
	f->segment = s->segment;
	f->direction = row->direction;
	f->name_source = row->name_source;
	f->client_end = (uint8_t)row->client_end;
	f->name_age_ms = row->name_age_ms;
	copy_end(&row->client, ip_len, f->client_ip, f->client_mac, f->client_key,
		&f->has_client_mac, &f->has_client_key);
	copy_end(&row->server, ip_len, f->server_ip, f->server_mac, f->server_key,
		&f->has_server_mac, &f->has_server_key);
	if (row->server_name != NULL)
		memcpy(f->server_name, row->server_name, row->server_name_len);
	snprintf(f->interface, sizeof(f->interface), "%s", row->interface);
}

uint64_t record_expect_name(const struct record *, const uint8_t *, size_t)
{
	return 0;
}

void record_client(struct record *record, const struct client_row *row)
{
	REQUIRE(record->client_count < FAKE_ROWS_MAX);
	struct fake_client *c = &record->clients[record->client_count++];

	c->first_seen_ns = row->first_seen_ns;
	c->last_seen_ns = row->last_seen_ns;
	c->mac_random = row->mac_random;
	c->tombstone = row->tombstone;
	c->vlan = row->vlan;
	c->has_mac = row->mac != NULL;
	c->address_count = row->address_count;
	c->name_count = row->name_count;
	memcpy(c->key, row->key, 16);
	if (row->mac != NULL)
		memcpy(c->mac, row->mac, 6);
	// Field by field, here and below: tests compare rows octet by octet.
	for (uint32_t i = 0; i < row->address_count; i++) {
		const struct client_address *a = &row->addresses[i];
		memcpy(c->addresses[i].ip, a->ip, 16);
		c->addresses[i].ip_version = a->ip_version;
		c->addresses[i].source = a->source;
		c->addresses[i].from_ns = a->from_ns;
		c->addresses[i].to_ns = a->to_ns;
	}
	for (uint32_t i = 0; i < row->name_count; i++) {
		c->names[i].source = row->names[i].source;
		c->names[i].time_ns = row->names[i].time_ns;
		memcpy(c->names[i].text, row->names[i].text, MIN(row->names[i].len, 63));
	}
	if (row->mac_vendor != NULL)
		snprintf(c->mac_vendor, sizeof(c->mac_vendor), "%s", row->mac_vendor);
	if (row->dhcp_options != NULL)
		snprintf(c->dhcp_options, sizeof(c->dhcp_options), "%s", row->dhcp_options);
	if (row->dhcp_vendor_class != NULL)
		memcpy(c->dhcp_vendor_class, row->dhcp_vendor_class,
			MIN(row->dhcp_vendor_class_len, 63));
}

void record_usage(struct record *record, const struct usage_row *row)
{
	REQUIRE(record->usage_count < FAKE_ROWS_MAX);
	struct fake_usage *u = &record->usages[record->usage_count++];

	u->row.window_start_s = row->window_start_s;
	u->row.window_s = row->window_s;
	u->row.total = row->total;
	u->row.has_application = row->has_application;
	u->row.application = row->application;
	u->row.category = row->category;
	u->row.bytes_up = row->bytes_up;
	u->row.bytes_down = row->bytes_down;
	u->row.packets_up = row->packets_up;
	u->row.packets_down = row->packets_down;
	u->row.flows = row->flows;
	u->row.flows_failed = row->flows_failed;
	u->row.active_s = row->active_s;
	u->row.retransmissions = row->retransmissions;
	u->row.members = row->members;
	u->has_key = row->key != NULL;
	if (row->key != NULL)
		memcpy(u->key, row->key, 16);
}

void fake_key(enum client_kind kind, uint16_t vlan, const uint8_t *value, uint8_t key[16])
{
	size_t len = kind == CLIENT_KIND_MAC ? 6 : kind == CLIENT_KIND_IP4 ? 4 : 12;

	memset(key, 0, 16);
	key[0] = (uint8_t)kind;
	key[1] = (uint8_t)(vlan >> 8);
	key[2] = (uint8_t)vlan;
	// Of an IPv6 address the last octets: tests use no more.
	memcpy(key + 3, value + (kind == CLIENT_KIND_IP6 ? 4 : 0), len);
}

void policy_client_key(const struct policy *, enum client_kind kind, uint16_t vlan,
	const uint8_t *value, uint8_t ret_key[16])
{
	fake_key(kind, vlan, value, ret_key);
}

void policy_client_keys(const struct policy *, const struct policy_client *clients, size_t count)
{
	for (size_t i = 0; i < count; i++)
		fake_key(clients[i].kind, clients[i].vlan, clients[i].value, clients[i].ret_key);
}

bool policy_usage_by_client(const struct policy *policy)
{
	return !policy->basic;
}

const struct excluded *policy_excluded(const struct policy *policy)
{
	return &policy->excluded;
}
