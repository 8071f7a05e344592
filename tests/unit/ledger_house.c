// A small house for tests of the ledger.
#include "ledger_house.h"

#include <arpa/inet.h>
#include <stdlib.h>

static const char *const interface_names[] = {"lan0", "lan1"};

static struct setting_item local_items[] = {
	{.value = "10.0.0.0/8"},
	{.value = "172.16.0.0/12"},
	{.value = "192.168.0.0/16"},
	{.value = "fc00::/7"},
	{.value = "fe80::/10"},
};

void house_init(struct house *house)
{
	memset(house, 0, sizeof(*house));
	house->settings.local = (struct setting_list){local_items, ARRAY_COUNT(local_items)};
	house->settings.clients_max = 1024;
	house->settings.clients_random_max = 256;
	house->settings.answers_max = 1024;
	house->settings.usage_max = 4096;
	house->settings.usage_window = 300 * NS_PER_S;
	house->settings.idle_tcp = 60 * NS_PER_S;
	house->settings.idle_udp = 30 * NS_PER_S;
	house->settings.idle_icmp = 10 * NS_PER_S;
	house->settings.idle_closed = 5 * NS_PER_S;
	house->settings.active = 300 * NS_PER_S;
	house->seen = 3;
	house->orientation = ORIENT_SYN;
	house->application = 7;
	house->category = 5;
}

void house_open(struct house *house, uint32_t rings)
{
	fake_record_init(&house->record);
	house->ring_count = rings;
	for (uint32_t i = 0; i < rings; i++) {
		REQUIRE(event_ring_init(&house->rings[i], HOUSE_RING_SIZE, &house->ring_counters) ==
			0);
		house->ring_list[i] = &house->rings[i];
	}
	struct ledger_config config = {
		.settings = &house->settings,
		.policy = &house->policy,
		.record = &house->record,
		.rings = house->ring_list,
		.ring_count = rings,
		.interface_names = interface_names,
		.counters = &house->counters,
		.seed = 1,
	};
	REQUIRE(ledger_new(&house->ledger, &config) == 0);
}

void house_close(struct house *house)
{
	ledger_free(house->ledger);
	for (uint32_t i = 0; i < house->ring_count; i++)
		event_ring_fini(&house->rings[i]);
	fake_record_fini(&house->record);
}

void house_mac(const char *text, uint8_t mac[6])
{
	REQUIRE(sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1], &mac[2], &mac[3],
			&mac[4], &mac[5]) == 6);
}

uint8_t house_ip(const char *text, uint8_t ip[16])
{
	memset(ip, 0, 16);
	if (inet_pton(AF_INET, text, ip) == 1)
		return 4;
	REQUIRE(inet_pton(AF_INET6, text, ip) == 1);
	return 6;
}

static void *add(struct house *house, uint64_t time_ns, enum event_kind kind, size_t size)
{
	struct event *event = event_ring_add(&house->rings[house->ring], kind, size);

	REQUIRE(event != NULL);
	memset(event + 1, 0, event->size - sizeof(*event));
	event->time_ns = time_ns;
	event->iface = 0;
	event->vlan = house->vlan;
	return event;
}

void house_fact(struct house *house, uint64_t time_ns, enum client_fact kind, const char *mac,
	const char *ip, const char *text)
{
	size_t len = text == NULL ? 0 : strlen(text);
	struct fact_event *fact = add(house, time_ns, EVENT_FACT, sizeof(*fact) + len);

	fact->kind = (uint8_t)kind;
	if (mac != NULL)
		house_mac(mac, fact->mac);
	if (ip != NULL)
		fact->ip_version = house_ip(ip, fact->ip);
	fact->prefix_len = 64;
	fact->text_len = (uint16_t)len;
	if (len > 0)
		memcpy(fact->text, text, len);
}

void house_answer(struct house *house, uint64_t time_ns, const char *client_ip, const char *name,
	const char *server_ip)
{
	size_t len = strlen(name);
	struct answer_event *answer = add(house, time_ns, EVENT_ANSWER, sizeof(*answer) + len);

	answer->client_ip_version = house_ip(client_ip, answer->client_ip);
	answer->ttl_s = 60;
	answer->address_count = 1;
	answer->addresses[0].ip_version = house_ip(server_ip, answer->addresses[0].ip);
	answer->name_len = (uint16_t)len;
	memcpy(answer->name, name, len);
}

struct segment_event *house_flow(struct house *house, uint64_t start_ns, uint64_t end_ns,
	const char *mac0, const char *ip0, uint16_t port0, const char *mac1, const char *ip1,
	uint16_t port1)
{
	uint16_t sni_len = house->sni == NULL ? 0 : (uint16_t)strlen(house->sni);
	struct segment_event *s = add(house, end_ns + 60 * NS_PER_S, EVENT_SEGMENT,
		sizeof(struct segment_event) + 4 + sni_len);

	if (sni_len > 0) {
		s->findings[0] = FINDING_SERVER_NAME;
		s->findings[1] = NAME_SNI;
		memcpy(s->findings + 2, &sni_len, 2);
		memcpy(s->findings + 4, house->sni, sni_len);
		s->findings_size = 4u + sni_len;
	}
	s->flow_start_ns = s->start_ns = start_ns;
	s->end_ns = end_ns;
	s->flow_id = start_ns ^ port0;
	s->packets[0] = 10;
	s->packets[1] = house->seen & 2 ? 8 : 0;
	s->bytes[0] = 1000;
	s->bytes[1] = house->seen & 2 ? 8000 : 0;
	s->ip_version = house_ip(ip0, s->ip[0]);
	house_ip(ip1, s->ip[1]);
	s->port[0] = port0;
	s->port[1] = port1;
	if (mac0 != NULL) {
		house_mac(mac0, s->mac[0]);
		s->has_mac |= 1;
	}
	if (mac1 != NULL) {
		house_mac(mac1, s->mac[1]);
		s->has_mac |= 2;
	}
	s->ip_proto = IP_PROTO_TCP;
	s->orientation = house->orientation;
	s->seen = house->seen;
	s->application = s->protocol = house->application;
	s->category = house->category;
	s->mpls_label = NOT_KNOWN_32;
	return s;
}

void house_step(struct house *house)
{
	for (unsigned i = 0; i < 5; i++) // it may let events gather for some turns
		ledger_step(house->ledger);
}

void house_turn(struct house *house, uint64_t clock_ns)
{
	for (uint32_t i = 0; i < house->ring_count; i++)
		event_ring_publish(&house->rings[i], clock_ns);
	house_step(house);
}

void house_finish(struct house *house)
{
	house_turn(house, UINT64_MAX);
	ledger_finish(house->ledger);
}

const struct fake_client *house_client(const struct house *house, uint16_t vlan, const char *mac)
{
	for (uint32_t i = house->record.client_count; i-- > 0;)
		if (house_key_is_mac(house->record.clients[i].key, vlan, mac))
			return &house->record.clients[i];
	return NULL;
}

bool house_key_is_mac(const uint8_t key[16], uint16_t vlan, const char *mac)
{
	uint8_t octets[16] = {0}, expected[16];

	house_mac(mac, octets);
	fake_key(CLIENT_KIND_MAC, vlan, octets, expected);
	return memcmp(key, expected, 16) == 0;
}

bool house_key_is_ip4(const uint8_t key[16], uint16_t vlan, const char *ip)
{
	uint8_t octets[16], expected[16];

	house_ip(ip, octets);
	fake_key(CLIENT_KIND_IP4, vlan, octets, expected);
	return memcmp(key, expected, 16) == 0;
}
