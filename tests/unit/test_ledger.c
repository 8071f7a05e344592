// The ledger: who a flow's ends are, their names, what they used, and the rows that come of it.
#include "ledger_house.h"

#include "core/ledger/inner.h"
#include "core/packet/packet.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define A "00:1b:21:00:00:0a"
#define B "00:1b:21:00:00:0b"
#define R "00:1b:21:00:00:01"
#define RANDOM "da:a1:19:00:00:0c"
#define WEB "93.184.216.34"

static void setup(struct house *h, uint32_t rings)
{
	house_init(h);
	house_open(h, rings);
}

static void test_out(void **)
{
	struct house h;
	setup(&h, 1);
	house_flow(&h, S(1), S(2), A, "192.168.1.10", 5000, R, WEB, 443);
	house_finish(&h);

	assert_int_equal(h.record.flow_count, 1);
	const struct fake_flow *f = &h.record.flows[0];
	assert_int_equal(f->direction, DIRECTION_OUT);
	assert_true(f->client_local && !f->server_local);
	assert_true(f->has_client_key && house_key_is_mac(f->client_key, 0, A));
	assert_false(f->has_server_key);
	assert_false(f->has_server_mac); // the router's, not the server's
	assert_string_equal(f->interface, "lan0");
	const struct fake_client *c = house_client(&h, 0, A);
	assert_non_null(c);
	assert_int_equal(h.record.client_count, 1);
	assert_int_equal(c->first_seen_ns, S(1));
	assert_int_equal(c->last_seen_ns, S(2));
	assert_int_equal(c->address_count, 1);
	assert_int_equal(c->addresses[0].source, ADDRESS_TRAFFIC);
	assert_string_equal(c->mac_vendor, "Intel Corporate");
	assert_false(c->mac_random);
	house_close(&h);
}

static void test_lan_and_in_and_transit(void **)
{
	struct house h;
	setup(&h, 1);
	house_flow(&h, S(1), S(2), A, "192.168.1.10", 5000, B, "192.168.1.11", 445);
	house_flow(&h, S(3), S(4), R, WEB, 4000, B, "192.168.1.11", 22);
	house_flow(&h, S(5), S(6), R, WEB, 4000, R, "8.8.8.8", 22);
	house_finish(&h);

	const struct fake_flow *f = h.record.flows;
	assert_int_equal(h.record.flow_count, 3);
	assert_int_equal(f[0].direction, DIRECTION_LAN);
	assert_true(house_key_is_mac(f[0].client_key, 0, A));
	assert_true(house_key_is_mac(f[0].server_key, 0, B));
	assert_int_equal(f[1].direction, DIRECTION_IN);
	assert_true(!f[1].has_client_key && house_key_is_mac(f[1].server_key, 0, B));
	assert_int_equal(f[2].direction, DIRECTION_TRANSIT);
	assert_true(!f[2].has_client_key && !f[2].has_server_key);

	// A sent in one, B in two; the total has each flow once.
	assert_int_equal(h.record.usage_count, 3);
	for (uint32_t i = 0; i < 3; i++) {
		const struct fake_usage *u = &h.record.usages[i];
		assert_int_equal(u->row.window_start_s * NS_PER_S, S(0));
		assert_int_equal(u->row.window_s, 300);
		if (u->row.total) {
			assert_false(u->has_key);
			assert_int_equal(u->row.bytes_up, 1000 + 8000 + 1000);
			assert_int_equal(u->row.flows, 3);
			assert_int_equal(u->row.members, 2);
			assert_int_equal(u->row.active_s, 6);
		} else if (house_key_is_mac(u->key, 0, A)) {
			assert_int_equal(u->row.bytes_up, 1000);
			assert_int_equal(u->row.bytes_down, 8000);
			assert_int_equal(u->row.flows, 1);
			assert_int_equal(u->row.active_s, 2);
			assert_int_equal(u->row.application, 7);
		} else {
			assert_true(house_key_is_mac(u->key, 0, B));
			assert_int_equal(u->row.bytes_up, 16000);
			assert_int_equal(u->row.bytes_down, 2000);
			assert_int_equal(u->row.flows, 2);
		}
	}
	house_close(&h);
}

static void test_mid_flow(void **)
{
	struct house h;
	setup(&h, 1);
	h.orientation = ORIENT_MID;
	house_flow(&h, S(1), S(2), R, WEB, 443, A, "192.168.1.10", 5000);
	house_flow(&h, S(3), S(4), A, "192.168.1.10", 445, B, "192.168.1.11", 5000);
	house_finish(&h);
	const struct fake_flow *f = h.record.flows;
	assert_int_equal(f[0].client_end, 1); // the one local end
	assert_int_equal(f[0].direction, DIRECTION_OUT);
	assert_int_equal(f[0].packets_up, 8);
	assert_int_equal(f[1].client_end, 1); // the higher port
	house_close(&h);
}

static void test_groups_are_nobody(void **)
{
	struct house h;
	setup(&h, 1);
	h.seen = 1;
	house_flow(
		&h, S(1), S(2), A, "192.168.1.10", 5353, "01:00:5e:00:00:fb", "224.0.0.251", 5353);
	house_flow(
		&h, S(1), S(2), A, "192.168.1.10", 138, "ff:ff:ff:ff:ff:ff", "192.168.1.255", 138);
	house_flow(&h, S(1), S(2), A, "0.0.0.0", 68, "ff:ff:ff:ff:ff:ff", "255.255.255.255", 67);
	house_flow(&h, S(1), S(2), A, "192.168.1.10", 138, NULL, "192.168.255.255", 138);
	house_finish(&h);
	assert_int_equal(h.record.client_count, 1);
	for (uint32_t i = 0; i < 4; i++)
		assert_false(h.record.flows[i].has_server_key);
	// Groups never answer: none has failed.
	assert_int_equal(h.record.usages[0].row.flows_failed, 0);
	struct ledger_stats stats;
	ledger_stats(h.ledger, &stats);
	assert_int_equal(stats.tcp_flows, 0);
	assert_int_equal(stats.clients_now, 1);
	house_close(&h);
}

static void test_failed(void **)
{
	struct house h;
	setup(&h, 1);
	h.seen = 1;
	house_flow(&h, S(1), S(1), A, "192.168.1.10", 5000, R, WEB, 81);
	h.seen = 3;
	house_flow(&h, S(2), S(2), A, "192.168.1.10", 5001, R, WEB, 82)->closed_by_reset = 1;
	house_flow(&h, S(3), S(3), A, "192.168.1.10", 5002, R, WEB, 80);
	house_finish(&h);
	assert_int_equal(h.record.usages[0].row.flows, 3);
	assert_int_equal(h.record.usages[0].row.flows_failed, 2);
	house_close(&h);
}

// Answers to what was asked of a group are no attempts, though nobody answers them; from another
// port or to one, or by another protocol, they are.
static void test_answers_to_groups(void **)
{
	static const struct {
		uint16_t from, to;
		uint8_t proto;
		bool failed;
	} flows[] = {
		{67, 68, IP_PROTO_UDP, false},
		{67, 67, IP_PROTO_UDP, true},
		{68, 67, IP_PROTO_UDP, true},
		{67, 68, IP_PROTO_TCP, true},
		{547, 546, IP_PROTO_UDP, false},
		{1900, 40000, IP_PROTO_UDP, false},
		{40000, 1900, IP_PROTO_UDP, true},
		{3702, 40000, IP_PROTO_UDP, false},
		{5353, 5353, IP_PROTO_UDP, false},
		{5355, 40000, IP_PROTO_UDP, false},
	};

	for (size_t i = 0; i < ARRAY_COUNT(flows); i++) {
		struct house h;
		setup(&h, 1);
		h.seen = 1;
		house_flow(&h, S(1), S(1), A, "192.168.1.10", flows[i].from, B, "192.168.1.11",
			flows[i].to)
			->ip_proto = flows[i].proto;
		house_finish(&h);
		assert_int_equal(h.record.usages[0].row.flows, 1);
		assert_int_equal(h.record.usages[0].row.flows_failed, flows[i].failed);
		house_close(&h);
	}
}

// Only TCP says of a flow seen one way that there was another: by what was acknowledged.
static void test_one_way(void **)
{
	static const struct {
		uint8_t proto, seen, flags;
	} flows[] = {
		{IP_PROTO_UDP, 1, 0},
		{IP_PROTO_UDP, 3, 0},
		{IP_PROTO_TCP, 1, TCP_SYN}, // a scan
		{IP_PROTO_TCP, 1, TCP_SYN | TCP_ACK | TCP_PSH},
		{IP_PROTO_TCP, 2, TCP_ACK},
		{IP_PROTO_TCP, 3, TCP_SYN | TCP_ACK},
		{IP_PROTO_TCP, 3, TCP_SYN | TCP_ACK | TCP_RST},
	};
	struct house h;
	struct ledger_stats stats;
	setup(&h, 1);
	for (size_t i = 0; i < ARRAY_COUNT(flows); i++) {
		h.seen = flows[i].seen;
		struct segment_event *s = house_flow(
			&h, S(1), S(1), A, "192.168.1.10", (uint16_t)(5000 + i), R, WEB, 81);
		s->ip_proto = flows[i].proto;
		s->tcp_flags[flows[i].seen == 2] = flows[i].flags;
	}
	house_finish(&h);
	ledger_stats(h.ledger, &stats);
	assert_int_equal(stats.tcp_flows, 4);
	assert_int_equal(stats.one_way_flows, 2);
	house_close(&h);
}

static const struct fake_flow *flow_at(const struct house *h, uint64_t flow_start_ns)
{
	for (uint32_t i = 0; i < h->record.flow_count; i++)
		if (h->record.flows[i].flow_start_ns == flow_start_ns)
			return &h->record.flows[i];
	return NULL;
}

// More than four local IPv4 addresses within ten minutes make a router; new flows behind it go by
// their address, and what is known of the MAC is forgotten.
static void test_router(void **)
{
	struct house h;
	setup(&h, 1);
	char ip[32];
	for (int i = 0; i < 4; i++) {
		snprintf(ip, sizeof(ip), "10.0.0.%d", i + 1);
		house_flow(&h, S(i), S(i + 1), R, ip, 5000, B, WEB, 443);
		snprintf(ip, sizeof(ip), "fd00::%d", i + 1); // IPv6 does not count
		house_flow(&h, S(i), S(i + 1), R, ip, 5000, B, "2001:db8::1", 443);
	}
	house_turn(&h, S(200));
	assert_non_null(house_client(&h, 0, R));
	assert_false(house_client(&h, 0, R)->tombstone);
	house_flow(&h, S(300), S(301), R, "10.0.0.5", 5000, B, WEB, 443); // due at 361: the fifth
	house_flow(&h, S(302), S(900), R, "10.0.0.6", 5000, B, WEB, 443); // began before that
	house_flow(&h, S(400), S(401), R, "10.0.0.7", 5000, B, WEB, 443);
	house_flow(&h, S(400), S(401), B, "10.0.0.9", 5000, R, "10.0.0.8", 443);
	house_finish(&h);
	assert_true(house_client(&h, 0, R)->tombstone);
	assert_true(house_key_is_mac(flow_at(&h, S(300))->client_key, 0, R));
	assert_true(house_key_is_mac(flow_at(&h, S(302))->client_key, 0, R));
	assert_true(house_key_is_ip4(
		h.record.flows[h.record.flow_count - 3].client_key, 0, "10.0.0.7"));
	assert_false(flow_at(&h, S(400))->has_client_mac); // the router's is not the client's
	const struct fake_flow *last = &h.record.flows[h.record.flow_count - 2];
	assert_true(house_key_is_mac(last->client_key, 0, B));
	assert_true(house_key_is_ip4(last->server_key, 0, "10.0.0.8"));
	house_close(&h);
}

static void test_addresses_over_days_are_no_router(void **)
{
	struct house h;
	setup(&h, 1);
	char ip[32];
	for (int i = 0; i < 12; i++) {
		snprintf(ip, sizeof(ip), "10.0.0.%d", i + 1);
		house_flow(&h, S(i * 200), S(i * 200 + 1), A, ip, 5000, R, WEB, 443);
		house_turn(&h, S(i * 200 + 100));
	}
	house_finish(&h);
	assert_false(house_client(&h, 0, A)->tombstone);
	assert_int_equal(house_client(&h, 0, A)->address_count, 12);
	house_close(&h);
}

static void test_configured_router(void **)
{
	struct house h;
	house_init(&h);
	struct setting_item routers[] = {{.value = R}};
	h.settings.routers = (struct setting_list){routers, 1};
	house_open(&h, 1);
	house_fact(&h, S(0), FACT_DHCP_BINDING, A, "10.0.0.2", NULL);
	house_flow(&h, S(1), S(2), R, "10.0.0.1", 5000, B, WEB, 443);
	// Upstream of the router, DHCP still says whose the address is.
	house_flow(&h, S(3), S(4), R, "10.0.0.2", 5000, B, WEB, 443);
	house_finish(&h);
	assert_true(house_key_is_ip4(flow_at(&h, S(1))->client_key, 0, "10.0.0.1"));
	assert_true(house_key_is_mac(flow_at(&h, S(3))->client_key, 0, A));
	assert_null(house_client(&h, 0, R));
	house_close(&h);
}

static void test_no_mac(void **)
{
	struct house h;
	setup(&h, 1);
	house_flow(&h, S(1), S(2), NULL, "10.0.0.1", 5000, NULL, WEB, 443);
	house_finish(&h);
	assert_true(house_key_is_ip4(h.record.flows[0].client_key, 0, "10.0.0.1"));
	assert_int_equal(h.record.client_count, 1);
	assert_false(h.record.clients[0].has_mac);
	assert_int_equal(h.record.clients[0].address_count, 1);
	house_close(&h);
}

// An address that moves from one MAC to another, where frames have no MAC: as of the flow's start,
// for all its segments.
static void test_renumbered_by_dhcp(void **)
{
	struct house h;
	setup(&h, 1);
	house_fact(&h, S(0), FACT_DHCP_BINDING, A, "10.0.0.1", NULL);
	house_fact(&h, S(100), FACT_DHCP_BINDING, B, "10.0.0.1", NULL);
	struct segment_event *s =
		house_flow(&h, S(50), S(200), NULL, "10.0.0.1", 5000, NULL, WEB, 443);
	house_flow(&h, S(101), S(150), NULL, "10.0.0.1", 5001, NULL, WEB, 443);
	s = house_flow(&h, S(301), S(500), NULL, "10.0.0.1", 5000, NULL, WEB, 443);
	s->flow_start_ns = S(50);
	s->segment = 1;
	house_finish(&h);
	assert_int_equal(h.record.flow_count, 3);
	for (uint32_t i = 0; i < 3; i++) {
		const struct fake_flow *f = &h.record.flows[i];
		assert_true(house_key_is_mac(f->client_key, 0, f->flow_start_ns == S(50) ? A : B));
	}
	house_close(&h);
}

static void test_client_row(void **)
{
	struct house h;
	setup(&h, 1);
	h.vlan = 20;
	house_fact(&h, S(1), FACT_DHCP_NAME, RANDOM, NULL, "phone");
	house_fact(&h, S(2), FACT_DHCP_FQDN, RANDOM, NULL, "phone.lan");
	house_fact(&h, S(2), FACT_DHCP_OPTIONS, RANDOM, NULL, "1,3,6");
	house_fact(&h, S(2), FACT_DHCP_VENDOR_CLASS, RANDOM, NULL, "android-dhcp-13");
	house_fact(&h, S(3), FACT_DHCP_BINDING, RANDOM, "10.0.0.7", NULL);
	house_fact(&h, S(4), FACT_ARP, RANDOM, "10.0.0.7", NULL);
	house_fact(&h, S(5), FACT_NDP, RANDOM, "fe80::7", NULL);
	house_fact(&h, S(6), FACT_DHCP_NAME, RANDOM, NULL, "phone");
	house_finish(&h);
	const struct fake_client *c = house_client(&h, 20, RANDOM);
	assert_int_equal(h.record.client_count, 1);
	assert_true(c->mac_random && c->has_mac);
	assert_string_equal(c->mac_vendor, "");
	assert_int_equal(c->vlan, 20);
	assert_int_equal(c->name_count, 2);
	assert_string_equal(c->names[0].text, "phone"); // newest first, once
	assert_int_equal(c->names[0].time_ns, S(6));
	assert_int_equal(c->names[1].source, CLIENT_NAME_DHCP_FQDN);
	assert_string_equal(c->dhcp_options, "1,3,6");
	assert_string_equal(c->dhcp_vendor_class, "android-dhcp-13");
	assert_int_equal(c->address_count, 2);
	assert_int_equal(c->addresses[0].source, ADDRESS_DHCP);
	assert_int_equal(c->addresses[0].from_ns, S(3));
	assert_int_equal(c->addresses[0].to_ns, S(4));
	assert_int_equal(c->addresses[1].ip_version, 6);
	assert_int_equal(h.counters.value[COUNTER_clients_random], 1);
	house_close(&h);
}

// Changes are written at most once a minute; without changes once an hour, while it is seen.
static void test_client_row_times(void **)
{
	struct house h;
	setup(&h, 1);
	house_fact(&h, S(0), FACT_ARP, A, "10.0.0.1", NULL);
	house_turn(&h, S(9));
	assert_int_equal(h.record.client_count, 0);
	house_turn(&h, S(11));
	assert_int_equal(h.record.client_count, 1);
	house_fact(&h, S(12), FACT_DHCP_NAME, A, NULL, "one");
	house_fact(&h, S(20), FACT_DHCP_NAME, A, NULL, "two");
	house_turn(&h, S(69));
	assert_int_equal(h.record.client_count, 1);
	house_turn(&h, S(71));
	assert_int_equal(h.record.client_count, 2);
	assert_int_equal(h.record.clients[1].name_count, 2);
	// Seen, nothing new: the next row is an hour later.
	house_fact(&h, S(1000), FACT_ARP, A, "10.0.0.1", NULL);
	house_turn(&h, S(3669));
	assert_int_equal(h.record.client_count, 2);
	house_turn(&h, S(3671));
	assert_int_equal(h.record.client_count, 3);
	assert_int_equal(h.record.clients[2].last_seen_ns, S(1000));
	// A jump of a day: its deadline is met once, and without news there is no row.
	house_turn(&h, S(100000));
	assert_int_equal(h.record.client_count, 3);
	house_fact(&h, S(100001), FACT_ARP, A, "10.0.0.1", NULL);
	house_turn(&h, S(100002));
	assert_int_equal(h.record.client_count, 4);
	house_finish(&h);
	assert_int_equal(h.record.client_count, 4);
	house_close(&h);
}

// Captures whose times begin at 0.
static void test_time_zero(void **)
{
	struct house h;
	setup(&h, 1);
	house_fact(&h, 0, FACT_DHCP_BINDING, A, "10.0.0.1", NULL);
	house_answer(&h, 0, "10.0.0.1", "www.example", WEB);
	house_flow(&h, 0, 0, A, "10.0.0.1", 5000, R, WEB, 443)->event.time_ns = 0;
	house_finish(&h);
	assert_int_equal(h.record.client_count, 1);
	assert_int_equal(h.record.clients[0].address_count, 1);
	assert_string_equal(h.record.flows[0].server_name, "www.example");
	assert_int_equal(h.record.usage_count, 2);
	assert_int_equal(h.record.usages[0].row.active_s, 1);
	struct ledger_stats stats;
	ledger_stats(h.ledger, &stats);
	assert_int_equal(stats.clients_now, 1);
	house_close(&h);
}

static void test_vlans(void **)
{
	struct house h;
	setup(&h, 1);
	h.vlan = 10;
	house_flow(&h, S(1), S(2), A, "10.0.0.1", 5000, R, WEB, 443);
	h.vlan = 20;
	house_flow(&h, S(3), S(4), A, "10.0.0.1", 5000, R, WEB, 443);
	house_finish(&h);
	assert_true(house_key_is_mac(flow_at(&h, S(1))->client_key, 10, A));
	assert_true(house_key_is_mac(flow_at(&h, S(3))->client_key, 20, A));
	assert_int_equal(h.record.client_count, 2);
	house_close(&h);
}

static void test_on_link_is_local(void **)
{
	struct house h;
	setup(&h, 1);
	house_fact(&h, S(0), FACT_ON_LINK, NULL, "198.51.100.7", NULL);
	house_fact(&h, S(0), FACT_ROUTER_PREFIX, NULL, "2001:db8:1:2::", NULL);
	house_flow(&h, S(1), S(2), A, "198.51.100.7", 5000, R, WEB, 443);
	house_flow(&h, S(3), S(4), A, "2001:db8:1:2::5", 5000, R, "2001:db8:9::1", 443);
	house_flow(&h, S(5), S(6), A, "198.51.100.8", 5000, R, WEB, 443);
	uint8_t ip[16];
	house_ip("203.0.113.0", ip);
	assert_int_equal(ledger_add_local(h.ledger, ip, false, 24), 0);
	assert_int_equal(ledger_add_local(h.ledger, ip, false, 33), -EINVAL);
	house_flow(&h, S(7), S(8), A, "203.0.113.9", 5000, R, WEB, 443);
	house_finish(&h);
	assert_int_equal(flow_at(&h, S(1))->direction, DIRECTION_OUT);
	assert_int_equal(flow_at(&h, S(3))->direction, DIRECTION_OUT);
	assert_int_equal(flow_at(&h, S(5))->direction, DIRECTION_TRANSIT);
	assert_int_equal(flow_at(&h, S(7))->direction, DIRECTION_OUT);
	house_close(&h);
}

static void test_names(void **)
{
	struct house h;
	setup(&h, 1);
	house_answer(&h, S(1), "10.0.0.1", "old.example", WEB);
	house_answer(&h, S(10), "10.0.0.1", "new.example", WEB);
	house_answer(&h, S(30), "10.0.0.1", "later.example", WEB);
	house_answer(&h, S(15), "10.0.0.2", "other.example", WEB);
	house_flow(&h, S(20), S(40), A, "10.0.0.1", 5000, R, WEB, 443);
	house_flow(&h, S(21), S(40), A, "10.0.0.1", 5001, R, "8.8.8.8", 443);
	house_flow(&h, S(22), S(40), B, "10.0.0.2", 5000, R, WEB, 443);
	house_flow(&h, S(0.5), S(40), A, "10.0.0.1", 5002, R, WEB, 443);
	h.sni = "said.example"; // what the flow itself says is better
	house_flow(&h, S(23), S(40), A, "10.0.0.1", 5003, R, WEB, 443);
	house_finish(&h);
	assert_string_equal(flow_at(&h, S(23))->server_name, "said.example");
	assert_int_equal(flow_at(&h, S(23))->name_source, NAME_SNI);
	assert_int_equal(flow_at(&h, S(23))->name_age_ms, NOT_KNOWN_32);
	assert_string_equal(flow_at(&h, S(20))->server_name, "new.example");
	assert_int_equal(flow_at(&h, S(20))->name_source, NAME_DNS_CACHE);
	assert_int_equal(flow_at(&h, S(20))->name_age_ms, 10000);
	assert_int_equal(flow_at(&h, S(21))->name_source, NAME_NONE);
	assert_int_equal(flow_at(&h, S(21))->name_age_ms, NOT_KNOWN_32);
	assert_string_equal(flow_at(&h, S(22))->server_name, "other.example");
	assert_int_equal(flow_at(&h, S(0.5))->name_source, NAME_NONE);
	house_close(&h);
}

// Asked by IPv6, used by IPv4: the same client, whose IPv6 address is learned only from traffic.
static void test_name_asked_at_another_address(void **)
{
	struct house h;
	setup(&h, 1);
	house_answer(&h, S(1), "fd00::1", "www.example", WEB);
	house_flow(&h, S(0.9), S(1), A, "fd00::1", 5353, R, "fd00::53", 53);
	house_flow(&h, S(20), S(40), A, "10.0.0.1", 5000, R, WEB, 443);
	house_flow(&h, S(21), S(41), B, "10.0.0.2", 5000, R, WEB, 443);
	house_finish(&h);
	assert_string_equal(flow_at(&h, S(20))->server_name, "www.example");
	assert_int_equal(flow_at(&h, S(21))->name_source, NAME_NONE);
	house_close(&h);
}

// What the address's holder before asked is not this client's.
static void test_name_of_the_holder_before(void **)
{
	struct house h;
	setup(&h, 1);
	house_fact(&h, S(0), FACT_DHCP_BINDING, A, "10.0.0.1", NULL);
	house_answer(&h, S(1), "10.0.0.1", "secret.example", WEB);
	house_fact(&h, S(10), FACT_DHCP_BINDING, B, "10.0.0.1", NULL);
	house_flow(&h, S(20), S(40), B, "10.0.0.1", 5000, R, WEB, 443);
	house_finish(&h);
	assert_int_equal(flow_at(&h, S(20))->name_source, NAME_NONE);
	house_close(&h);
}

static void check_excluded(struct house *h)
{
	house_fact(h, S(0), FACT_DHCP_NAME, A, NULL, "secret");
	house_fact(h, S(0), FACT_DHCP_BINDING, A, "10.0.0.1", NULL);
	house_answer(h, S(1), "10.0.0.1", "secret.example", WEB);
	house_flow(h, S(2), S(3), A, "10.0.0.1", 5000, R, WEB, 443);
	house_flow(h, S(4), S(5), B, "10.0.0.2", 5000, A, "10.0.0.1", 445);
	house_flow(h, S(6), S(7), A, "fd00::1", 5000, R, "2001:db8::1", 443);
	house_flow(h, S(8), S(9), B, "10.0.0.2", 5000, R, WEB, 443);
	// Without a MAC: known by whom the address belongs to.
	house_flow(h, S(10), S(11), NULL, "10.0.0.1", 5000, NULL, WEB, 443);
	house_finish(h);
	assert_int_equal(h->record.flow_count, 1);
	assert_int_equal(h->record.flows[0].flow_start_ns, S(8));
	assert_int_equal(h->record.flows[0].name_source, NAME_NONE);
	assert_null(house_client(h, 0, A));
	assert_int_equal(h->record.client_count, 1);
	assert_int_equal(h->record.usage_count, 2); // B's and the site's
	for (uint32_t i = 0; i < 2; i++) {
		const struct usage_row *u = &h->record.usages[i].row;
		assert_int_equal(u->flows, u->total ? 5 : 1);
		assert_int_equal(u->members, 1);
	}
}

static void test_excluded_by_mac(void **)
{
	struct house h;
	uint8_t macs[1][6];
	house_init(&h);
	house_mac(A, macs[0]);
	h.policy.excluded = (struct excluded){.macs = (const uint8_t(*)[6])macs, .mac_count = 1};
	house_open(&h, 1);
	check_excluded(&h);
	house_close(&h);
}

static void test_excluded_by_subnet(void **)
{
	struct house h;
	struct excluded_subnet subnet = {.prefix_len = 32};
	house_init(&h);
	house_ip("10.0.0.1", subnet.ip);
	h.policy.excluded = (struct excluded){.subnets = &subnet, .subnet_count = 1};
	house_open(&h, 1);
	check_excluded(&h);
	house_close(&h);
}

static void test_moves_into_excluded_subnet(void **)
{
	struct house h;
	struct excluded_subnet subnet = {.prefix_len = 24};
	house_init(&h);
	house_ip("10.0.9.0", subnet.ip);
	h.policy.excluded = (struct excluded){.subnets = &subnet, .subnet_count = 1};
	house_open(&h, 1);
	house_fact(&h, S(0), FACT_ARP, A, "10.0.0.1", NULL);
	house_turn(&h, S(100));
	assert_false(house_client(&h, 0, A)->tombstone);
	house_fact(&h, S(101), FACT_ARP, A, "10.0.9.1", NULL);
	house_flow(&h, S(102), S(103), A, "fd00::1", 5000, R, "2001:db8::1", 443);
	house_finish(&h);
	assert_true(house_client(&h, 0, A)->tombstone);
	assert_int_equal(h.record.client_count, 2);
	assert_int_equal(h.record.flow_count, 0);
	struct ledger_stats stats;
	ledger_stats(h.ledger, &stats);
	assert_int_equal(stats.clients_now, 0);
	house_close(&h);
}

// Of whom an excluded address hides nothing is kept either: no name of its own, none that it asked
// for.
static void test_nothing_kept_of_hidden(void **)
{
	struct house h;
	struct excluded_subnet subnet = {.prefix_len = 32};
	house_init(&h);
	house_ip("10.0.9.1", subnet.ip);
	h.policy.excluded = (struct excluded){.subnets = &subnet, .subnet_count = 1};
	house_open(&h, 1);
	house_fact(&h, S(0), FACT_ARP, A, "10.0.9.1", NULL);
	house_fact(&h, S(1), FACT_ARP, A, "10.0.0.1", NULL);
	house_fact(&h, S(2), FACT_DHCP_NAME, A, NULL, "secret");
	house_answer(&h, S(3), "10.0.9.1", "secret.example", WEB);
	house_answer(&h, S(3), "10.0.0.1", "secret.example", WEB);
	house_turn(&h, S(100));
	assert_int_equal(h.ledger->answers.pool.used, 0);
	struct identity id = {.kind = IDENTITY_MAC};
	house_mac(A, id.value);
	const struct client *client = client_find(&h.ledger->clients, &id);
	assert_non_null(client);
	assert_true(client->hidden);
	assert_int_equal(client->name_count, 0);
	// Where nobody is hidden both are kept.
	house_fact(&h, S(101), FACT_ARP, B, "10.0.0.2", NULL);
	house_fact(&h, S(102), FACT_DHCP_NAME, B, NULL, "tv");
	house_answer(&h, S(103), "10.0.0.2", "www.example", WEB);
	house_turn(&h, S(200));
	assert_int_equal(h.ledger->answers.pool.used, 1);
	house_mac(B, id.value);
	assert_int_equal(client_find(&h.ledger->clients, &id)->name_count, 1);
	house_close(&h);
}

static void fact_of(struct house *h, double when, enum client_fact kind, int i)
{
	char mac[32], ip[32];

	snprintf(mac, sizeof(mac), "00:1b:21:00:01:%02x", i);
	snprintf(ip, sizeof(ip), "10.0.1.%d", i + 1);
	house_fact(h, S(when), kind, mac, kind == FACT_ARP ? ip : NULL,
		kind == FACT_ARP ? NULL : "tv");
}

// Told of at `when` + 60.
static void flow_from(struct house *h, double when, int i)
{
	char mac[32], ip[32];

	snprintf(mac, sizeof(mac), "00:1b:21:00:01:%02x", i);
	snprintf(ip, sizeof(ip), "10.0.1.%d", i + 1);
	house_flow(h, S(when), S(when), mac, ip, 5000, R, WEB, 443);
}

// Who is excluded by one address is not forgotten while others come by the dozen: by its other
// address, of which nobody said anything, it would be somebody.
static void test_excluded_in_a_crowd(void **)
{
	struct house h;
	struct excluded_subnet subnet = {.prefix_len = 24};
	house_init(&h);
	h.settings.clients_max = 64;
	house_ip("10.0.9.0", subnet.ip);
	h.policy.excluded = (struct excluded){.subnets = &subnet, .subnet_count = 1};
	house_open(&h, 1);
	house_flow(&h, S(0), S(0), A, "10.0.9.1", 5000, R, WEB, 443);
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 64; i++)
			flow_from(&h, 15 + 15 * round, 64 * (round % 2) + i);
		house_flow(&h, S(25 + 15 * round), S(25 + 15 * round), A, "fd00::1", 5000, R,
			"2001:db8::1", 443);
		house_turn(&h, S(90 + 15 * round));
	}
	house_finish(&h);
	assert_int_equal(h.record.flow_count, 20 * 64);
	assert_null(house_client(&h, 0, A));
	assert_true(h.counters.value[COUNTER_clients_evicted] >= 19 * 63);
	house_close(&h);
}

static void test_eviction_writes_the_row(void **)
{
	struct house h;
	house_init(&h);
	h.settings.clients_max = 64;
	house_open(&h, 1);
	for (int i = 0; i < 64; i++)
		fact_of(&h, i * 0.1, FACT_ARP, i);
	house_turn(&h, S(17));
	assert_int_equal(h.record.client_count, 64);
	for (int i = 0; i < 6; i++)
		fact_of(&h, 66, FACT_DHCP_NAME, i); // another row is due within the minute
	for (int i = 6; i < 64; i++)
		flow_from(&h, 7, i);
	for (int i = 64; i < 71; i++)
		flow_from(&h, 7.5, i);
	house_turn(&h, S(67.6));
	assert_int_equal(h.record.client_count, 64 + 6); // those who have not conversed
	assert_int_equal(h.record.clients[64].name_count, 1);
	assert_int_equal(h.counters.value[COUNTER_clients_evicted], 6);
	assert_int_equal(h.counters.value[COUNTER_clients_refused], 1); // the rest have, and lately
	struct ledger_stats stats;
	ledger_stats(h.ledger, &stats);
	assert_int_equal(stats.clients_now, 64);
	house_finish(&h);
	assert_int_equal(h.record.client_count, 64 + 6 + 64);
	house_close(&h);
}

// Forged MACs by the thousand: the clients that are there stay, with usage of their own; a forged
// one's flow has its key, and is booked as "other".
static void test_flood_of_macs(void **)
{
	struct house h;
	uint64_t own = 0, other = 0, total = 0;
	house_init(&h);
	h.settings.clients_max = 64;
	house_open(&h, 1);
	char mac[32], ip[32];
	for (int turn = 0; turn < 2; turn++) {
		for (int i = 0; i < 64; i++) {
			snprintf(mac, sizeof(mac), "00:1b:21:00:01:%02x", i);
			snprintf(ip, sizeof(ip), "10.0.1.%d", i + 1);
			house_flow(&h, S(turn * 9), S(turn * 9), mac, ip, 5000, R, WEB, 443);
		}
		for (int i = 0; i < 2000; i++) {
			snprintf(mac, sizeof(mac), "00:1b:22:00:%02x:%02x", i / 256, i % 256);
			snprintf(ip, sizeof(ip), "10.2.%d.%d", i / 250, i % 250 + 1);
			house_flow(
				&h, S(turn * 9 + 1), S(turn * 9 + 1), mac, ip, 5000, R, WEB, 443);
			const uint8_t forged[] = {0, 0x1b, 0x22, 0, (uint8_t)(i / 256), (uint8_t)i};
			house_turn(&h, S(turn * 9 + 61) + 1);
			const struct fake_flow *f = &h.record.flows[h.record.flow_count - 1];
			assert_true(f->has_client_key && f->has_client_mac);
			assert_true(house_key_is_mac(f->client_key, 0, mac));
			assert_memory_equal(f->client_mac, forged, 6);
		}
	}
	house_finish(&h);
	assert_int_equal(h.record.flow_count, 2 * 2064);
	assert_int_equal(h.counters.value[COUNTER_clients_evicted], 0);
	assert_int_equal(h.counters.value[COUNTER_clients_refused], 4000);
	for (uint32_t i = 0; i < h.record.client_count; i++)
		assert_int_equal(h.record.clients[i].mac[2], 0x21);
	for (uint32_t i = 0; i < h.record.usage_count; i++) {
		const struct fake_usage *u = &h.record.usages[i];
		*(u->has_key ? &own : u->row.total ? &total : &other) += u->row.flows;
		assert_true(!u->has_key || u->row.flows == 2);
		assert_true(u->has_key || u->row.members == (u->row.total ? 64 : 0));
	}
	assert_int_equal(own, 2 * 64);
	assert_int_equal(other, 4000);
	assert_int_equal(total, own + other);
	house_close(&h);
}

// A flood of MACs for twelve minutes, each met once. Who was there before, and is heard of only
// when a segment of its long flow is over, keeps its place; who comes in the flood finds one,
// whether it converses or just speaks again; and all their usage is booked to them.
static void test_flood_of_macs_for_minutes(void **)
{
	struct house h;
	house_init(&h);
	h.settings.clients_max = 64;
	h.settings.usage_max = 1024;
	house_open(&h, 1);
	char mac[32], ip[32];
	for (int second = 0; second < 720; second++) {
		for (int i = 0; second % 300 == 0 && i < 10; i++)
			flow_from(&h, second, i);
		if (second == 400)
			flow_from(&h, second, 10);
		for (int i = 0; i < 80; i++) {
			snprintf(mac, sizeof(mac), "00:1b:22:%02x:%02x:%02x", second >> 8,
				second & 255, i);
			snprintf(ip, sizeof(ip), "10.2.%d.%d", second & 255, i + 1);
			struct segment_event *s = house_flow(&h, S(second + i * 0.01),
				S(second + i * 0.01), mac, ip, 5000, R, WEB, 443);
			s->packets[0] = 1;
		}
		// One that only ever sends a single packet: five, of which the first is in vain.
		if (second % 3 == 0 && second >= 420 && second < 435) {
			struct segment_event *s =
				house_flow(&h, S(second + 0.999), S(second + 0.999),
					"00:1b:21:00:01:0b", "10.0.1.12", 5000, R, WEB, 443);
			s->packets[0] = 1;
		}
		house_turn(&h, S(second + 61));
	}
	house_finish(&h);
	assert_true(h.counters.value[COUNTER_clients_refused] > 50000);
	for (int i = 0; i < 12; i++) {
		snprintf(mac, sizeof(mac), "00:1b:21:00:01:%02x", i);
		assert_non_null(house_client(&h, 0, mac));
		uint32_t flows = 0;
		for (uint32_t u = 0; u < h.record.usage_count; u++)
			if (h.record.usages[u].has_key &&
				house_key_is_mac(h.record.usages[u].key, 0, mac))
				flows += h.record.usages[u].row.flows;
		assert_int_equal(flows, i < 10 ? 3 : i == 10 ? 1 : 4);
	}
	house_close(&h);
}

// More addresses within a second than there is room for: each flow still has its own two ends.
static void test_flood_of_addresses(void **)
{
	struct house h;
	house_init(&h);
	h.settings.clients_max = 64; // 256 addresses
	house_open(&h, 1);
	char mac[2][32], ip[2][32];
	uint32_t random = 1;
	for (int i = 0; i < 1200; i++) {
		// The first ends come again and again, so that each is the oldest at some time.
		random = random * 1103515245 + 12345;
		snprintf(mac[0], 32, "00:1b:21:01:00:%02x", (int)(random >> 16 & 0xfff) % 7);
		snprintf(ip[0], 32, "10.1.0.%d", (int)(random >> 16 & 0xfff) % 7);
		snprintf(mac[1], 32, "00:1b:21:02:%02x:%02x", i / 256, i % 256);
		snprintf(ip[1], 32, "10.2.%d.%d", i / 250, i % 250 + 1);
		house_flow(
			&h, S(i * 0.0001), S(i * 0.0001), mac[0], ip[0], 5000, mac[1], ip[1], 443);
	}
	house_finish(&h);
	assert_int_equal(h.record.flow_count, 1200);
	for (uint32_t i = 0; i < h.record.client_count; i++) {
		const struct fake_client *c = &h.record.clients[i];
		assert_int_equal(c->address_count, 1);
		assert_int_equal(c->addresses[0].ip[1], c->mac[3]);
	}
	house_close(&h);
}

// Nor do more that are only told of within a second drive out those there are; they are counted.
static void test_addresses_refused(void **)
{
	struct house h;
	house_init(&h);
	h.settings.clients_max = 64; // 256 addresses
	house_open(&h, 1);
	char mac[32], ip[32];
	for (int i = 0; i < 300; i++) {
		snprintf(mac, sizeof(mac), "00:1b:21:02:%02x:%02x", i / 256, i % 256);
		snprintf(ip, sizeof(ip), "10.2.%d.%d", i / 250, i % 250 + 1);
		house_fact(&h, S(i * 0.0001), FACT_DHCP_BINDING, mac, ip, NULL);
	}
	house_finish(&h);
	assert_int_equal(h.counters.value[COUNTER_bindings_refused], 300 - 256);
	house_close(&h);
}

// Whoever asks from elsewhere (of a resolver that others use, say) takes no room of those here.
static void test_askers_from_elsewhere(void **)
{
	struct house h;
	setup(&h, 1);
	house_answer(&h, S(1), "93.184.216.77", "www.example", WEB);
	house_answer(&h, S(1), "10.0.0.1", "www.example", WEB);
	house_turn(&h, S(100));
	assert_int_equal(h.ledger->bindings.pool.used, 1);
	assert_int_equal(h.ledger->answers.pool.used, 1);
	house_close(&h);
}

// Who never sent is no client with a row, and displaces none.
static void test_scan_makes_no_clients(void **)
{
	struct house h;
	house_init(&h);
	h.settings.clients_max = 64;
	house_open(&h, 1);
	house_fact(&h, S(0), FACT_ARP, B, "10.0.0.2", NULL);
	h.seen = 1;
	char ip[32];
	for (int i = 0; i < 200; i++) {
		snprintf(ip, sizeof(ip), "10.0.3.%d", i + 1);
		house_flow(&h, S(1 + i * 0.01), S(1 + i * 0.01), A, "10.0.0.1", 5000, NULL, ip, 22);
	}
	house_finish(&h);
	assert_int_equal(h.record.client_count, 2);
	assert_int_equal(h.counters.value[COUNTER_clients_evicted], 0);
	assert_int_equal(h.record.flow_count, 200);
	assert_true(h.record.flows[199].has_server_key);
	house_close(&h);
}

static void test_windows(void **)
{
	struct house h;
	setup(&h, 1);
	house_flow(
		&h, S(290), S(310), A, "10.0.0.1", 5000, R, WEB, 443); // in the window of its end
	house_flow(&h, S(10), S(20), A, "10.0.0.1", 5001, R, WEB, 443);
	house_turn(&h, S(359)); // window end + longest idle time is 360
	assert_int_equal(h.record.usage_count, 0);
	house_turn(&h, S(360));
	assert_int_equal(h.record.usage_count, 2);
	assert_int_equal(h.record.usages[0].row.window_start_s * NS_PER_S, S(0));
	assert_int_equal(h.record.usages[0].row.active_s, 11);
	// A delta that comes later makes another row, with its own members.
	house_flow(&h, S(30), S(40), A, "10.0.0.1", 5002, R, WEB, 443)->event.time_ns = S(361);
	house_turn(&h, S(362));
	assert_int_equal(h.record.usage_count, 4);
	assert_int_equal(h.record.usages[3].row.window_start_s * NS_PER_S, S(0));
	assert_true(h.record.usages[3].row.total);
	assert_int_equal(h.record.usages[3].row.members, 1);
	house_turn(&h, S(100000)); // a jump: one window was open, and is written once
	assert_int_equal(h.record.usage_count, 6);
	assert_int_equal(h.record.usages[4].row.window_start_s * NS_PER_S, S(300));
	assert_int_equal(h.record.usages[4].row.active_s, 11); // 300 to 310
	house_finish(&h);
	assert_int_equal(h.record.usage_count, 6);
	house_close(&h);
}

static void test_basic(void **)
{
	struct house h;
	house_init(&h);
	h.policy.basic = true;
	house_open(&h, 1);
	house_flow(&h, S(1), S(2), A, "10.0.0.1", 5000, R, WEB, 443);
	house_flow(&h, S(3), S(4), A, "10.0.0.1", 5000, B, "10.0.0.2", 443);
	h.application = 8; // of the same category
	house_flow(&h, S(5), S(6), B, "10.0.0.2", 5000, R, WEB, 443);
	h.category = 6;
	house_flow(&h, S(7), S(8), B, "10.0.0.2", 5001, R, WEB, 443);
	house_flow(&h, S(9), S(9), R, WEB, 5001, R, "8.8.8.8", 443);
	house_finish(&h);
	assert_int_equal(h.record.usage_count, 3);
	const struct fake_usage *u = h.record.usages;
	assert_int_equal(u[0].row.category, 5);
	assert_int_equal(u[0].row.flows, 3);
	assert_int_equal(u[0].row.bytes_up, 3000);
	assert_int_equal(u[0].row.members, 2);
	assert_int_equal(u[0].row.window_s, 3600);
	assert_int_equal(u[0].row.window_start_s % 3600, 0);
	assert_int_equal(u[1].row.category, 6);
	assert_int_equal(u[1].row.members, 1);
	assert_true(u[2].row.total);
	assert_int_equal(u[2].row.flows, 5);
	for (int i = 0; i < 3; i++)
		assert_true(!u[i].has_key && !u[i].row.has_application);
	house_close(&h);
}

static void test_check(void **)
{
	struct settings settings = {.path = (char *)"weir.yaml"};
	struct setting_item nets[] = {{.value = "10.0.0.0/8", .line = 3},
		{.value = "10.0.0.0/33", .line = 4}, {.value = "fd00::/8", .line = 5},
		{.value = "home", .line = 6}};
	struct setting_item macs[] = {{.value = A, .line = 8},
		{.value = "ff:ff:ff:ff:ff:ff", .line = 9}, {.value = "1:2:3:4:5:6", .line = 10}};
	settings.local = (struct setting_list){nets, ARRAY_COUNT(nets)};
	settings.routers = (struct setting_list){macs, ARRAY_COUNT(macs)};
	struct problems problems = {0};
	assert_int_equal(ledger_check(&settings, &problems), -EINVAL);
	assert_int_equal(problems.count, 4);
	assert_non_null(strstr(problems.lines[0], "weir.yaml:4: "));
	assert_non_null(strstr(problems.lines[0], "allowed"));
	assert_non_null(strstr(problems.lines[3], "weir.yaml:10: "));
	problems_fini(&problems);
}

// Events come in any order within the promise; what comes after it is counted and still booked.
static void test_late(void **)
{
	struct house h;
	setup(&h, 2);
	house_flow(&h, S(1), S(2), A, "10.0.0.1", 5000, R, WEB, 443);
	event_ring_publish(&h.rings[0], S(1000));
	house_step(&h);
	assert_int_equal(h.record.flow_count, 0); // the other ring's clock stands
	event_ring_publish(&h.rings[1], S(62));
	house_step(&h);
	assert_int_equal(h.record.flow_count, 0); // due at 62: more of 62 may come
	event_ring_publish(&h.rings[1], S(63));
	house_step(&h);
	assert_int_equal(h.record.flow_count, 1);
	house_flow(&h, S(0), S(1), A, "10.0.0.1", 5001, R, WEB, 443);
	house_turn(&h, S(1000));
	assert_int_equal(h.record.flow_count, 2);
	assert_int_equal(h.counters.value[COUNTER_events_late], 1);
	house_close(&h);
}

// More events ahead of the clock than the heap holds: the earliest are worked on early, and only
// what then comes with an earlier time is late.
static void test_heap_full(void **)
{
	struct house h;
	setup(&h, 1);
	for (uint32_t i = 0; i < 20000; i++) {
		house_fact(&h, S(100) + i, FACT_ARP, A, "10.0.0.1", NULL);
		if (i % 1000 == 999)
			house_turn(&h, S(0));
	}
	struct ledger_stats stats;
	ledger_stats(h.ledger, &stats);
	assert_int_equal(stats.clients_now, 1);
	assert_int_equal(h.counters.value[COUNTER_events_late], 0);
	house_fact(&h, S(50), FACT_ARP, B, "10.0.0.2", NULL);
	house_finish(&h);
	assert_int_equal(h.counters.value[COUNTER_events_late], 1);
	assert_int_equal(house_client(&h, 0, A)->last_seen_ns, S(100) + 19999);
	assert_int_equal(house_client(&h, 0, B)->last_seen_ns, S(50));
	house_close(&h);
}

// A shard that is ahead has filled the heap and waits, and so does the slowest, for room in its
// ring: it is made, or both would wait for ever.
static void test_heap_full_and_slowest_waits(void **)
{
	struct house h;
	setup(&h, 2);
	for (uint32_t i = 0; i < 20000; i++) {
		house_fact(&h, S(100) + i, FACT_ARP, A, "10.0.0.1", NULL);
		event_ring_publish(&h.rings[0], S(1000));
		if (i % 1000 == 999)
			house_step(&h);
	}
	assert_non_null(event_ring_peek(&h.rings[0])); // it waits: the other might be earlier
	h.ring = 1;
	house_fact(&h, S(200), FACT_ARP, A, "10.0.0.1", NULL);
	event_ring_publish(&h.rings[1], S(50));
	house_step(&h);
	assert_null(event_ring_peek(&h.rings[1]));
	house_close(&h);
}

// A shard that is ahead of the slowest is paused when half of the order is full, and goes on when
// the slowest has come as far; one that is ahead by no more than a wheel's slots is not.
static void test_pauses_who_is_ahead(void **)
{
	struct house h;
	setup(&h, 2);
	event_ring_publish(&h.rings[1], S(50));
	for (uint32_t thousand = 1; thousand <= 3; thousand++) {
		assert_false(event_ring_paused(&h.rings[0]));
		for (uint32_t i = 0; i < 1000; i++)
			house_fact(&h, S(100) + i, FACT_ARP, A, "10.0.0.1", NULL);
		event_ring_publish(&h.rings[0], S(100));
		assert_int_equal(event_ring_held(&h.rings[0]), 1000);
		house_step(&h);
		assert_int_equal(event_ring_held(&h.rings[0]), 0);
	}
	assert_true(event_ring_paused(&h.rings[0]));
	assert_false(event_ring_paused(&h.rings[1]));
	event_ring_publish(&h.rings[1], S(100) - 1000);
	house_step(&h);
	assert_false(event_ring_paused(&h.rings[0]));
	event_ring_publish(&h.rings[0], S(1000));
	event_ring_publish(&h.rings[1], S(2000));
	house_step(&h);
	assert_false(event_ring_paused(&h.rings[1])); // the order is empty again
	assert_int_equal(h.counters.value[COUNTER_events_late], 0);
	house_close(&h);
}

// As many events as the rings may hold find room in the order beside the half that others may have
// filled: none that comes after them is late.
static void test_room_for_what_rings_hold(void **)
{
	struct house h;
	setup(&h, 4);
	uint32_t each = ledger_ring_events(&h.settings, 4);
	event_ring_publish(&h.rings[3], S(50));
	for (uint32_t i = 0; !event_ring_paused(&h.rings[0]); i++) {
		house_fact(&h, S(200) + i, FACT_ARP, A, "10.0.0.1", NULL);
		event_ring_publish(&h.rings[0], S(200));
		house_step(&h);
	}
	for (h.ring = 0; h.ring < 4; h.ring++) {
		for (uint32_t i = 0; i < each; i++)
			house_fact(&h, S(150) + i, FACT_ARP, A, "10.0.0.1", NULL);
		event_ring_publish(&h.rings[h.ring], h.ring < 3 ? S(200) : S(60));
	}
	house_step(&h);
	h.ring = 3;
	house_fact(&h, S(70), FACT_ARP, B, "10.0.0.2", NULL);
	house_finish(&h);
	assert_int_equal(h.counters.value[COUNTER_events_late], 0);
	house_close(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_out),
		cmocka_unit_test(test_lan_and_in_and_transit),
		cmocka_unit_test(test_mid_flow),
		cmocka_unit_test(test_groups_are_nobody),
		cmocka_unit_test(test_failed),
		cmocka_unit_test(test_answers_to_groups),
		cmocka_unit_test(test_one_way),
		cmocka_unit_test(test_router),
		cmocka_unit_test(test_addresses_over_days_are_no_router),
		cmocka_unit_test(test_configured_router),
		cmocka_unit_test(test_no_mac),
		cmocka_unit_test(test_renumbered_by_dhcp),
		cmocka_unit_test(test_client_row),
		cmocka_unit_test(test_client_row_times),
		cmocka_unit_test(test_time_zero),
		cmocka_unit_test(test_vlans),
		cmocka_unit_test(test_on_link_is_local),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_name_asked_at_another_address),
		cmocka_unit_test(test_name_of_the_holder_before),
		cmocka_unit_test(test_excluded_by_mac),
		cmocka_unit_test(test_excluded_by_subnet),
		cmocka_unit_test(test_moves_into_excluded_subnet),
		cmocka_unit_test(test_nothing_kept_of_hidden),
		cmocka_unit_test(test_excluded_in_a_crowd),
		cmocka_unit_test(test_eviction_writes_the_row),
		cmocka_unit_test(test_flood_of_macs),
		cmocka_unit_test(test_flood_of_macs_for_minutes),
		cmocka_unit_test(test_flood_of_addresses),
		cmocka_unit_test(test_addresses_refused),
		cmocka_unit_test(test_askers_from_elsewhere),
		cmocka_unit_test(test_scan_makes_no_clients),
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_basic),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_heap_full),
		cmocka_unit_test(test_heap_full_and_slowest_waits),
		cmocka_unit_test(test_pauses_who_is_ahead),
		cmocka_unit_test(test_room_for_what_rings_hold),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
