// The same events, through one ring or split over four that publish when they like, make the same
// rows in the same order; what was booked adds up to what was sent; and whatever is learned while a
// flow lives, all its segments have the same ends.
#include "../unit/ledger_house.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { EVENTS = 20000, LAG_S = 5 };

struct story {
	uint64_t random;
	uint64_t now_ns; // of the shards
	uint64_t octets; // said in all
	uint32_t arps; // said so far
};

// xorshift64* (Vigna 2016).
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(2685821657736338717);
}

static uint32_t below(struct story *story, uint32_t limit)
{
	return (uint32_t)(next_random(&story->random) >> 33) % limit;
}

static const char *const names[] = {
	"a.example", "b.example", "c.example", "d.example", "e.example"};

// One event of the story: any of a dozen MACs, of which the last is a router, some random, with
// addresses that move about. Times are coarse, so that many are equal.
static void tell(struct story *story, struct house *house)
{
	char mac[32], ip[32], server[32];
	uint32_t who = below(story, 14);
	uint64_t when = story->now_ns - below(story, LAG_S * 20) * (NS_PER_S / 20);

	story->now_ns += below(story, 4) * (NS_PER_S / 20);
	house->vlan = (uint16_t)below(story, 2);
	snprintf(mac, sizeof(mac), "%s:1b:21:00:00:%02x", who % 3 == 0 ? "02" : "00", who);
	snprintf(ip, sizeof(ip), "10.0.0.%u",
		who == 13 ? 100 + below(story, 20) : who + below(story, 2));
	snprintf(server, sizeof(server), "93.184.216.%u", below(story, 6));
	switch (below(story, 10)) {
	case 0:
		house_fact(
			house, when, below(story, 2) ? FACT_ARP : FACT_DHCP_BINDING, mac, ip, NULL);
		return;
	case 1:
		house_fact(house, when, FACT_DHCP_NAME, mac, NULL,
			names[below(story, ARRAY_COUNT(names))]);
		return;
	case 2:
		house_answer(house, when, ip, names[below(story, ARRAY_COUNT(names))], server);
		return;
	default:
		break;
	}
	house->application = (uint16_t)below(story, 5);
	house->seen = below(story, 8) == 0 ? 1 : 3;
	house->orientation = (uint8_t)below(story, 3);
	uint64_t end_ns = when - below(story, 60) * NS_PER_S;
	uint64_t start_ns = end_ns - below(story, 400) * NS_PER_S;
	bool lan = below(story, 4) == 0;
	struct segment_event *s = house_flow(house, start_ns, end_ns,
		below(story, 10) == 0 ? NULL : mac, ip, (uint16_t)(1024 + below(story, 60000)),
		lan ? "00:1b:21:00:00:01" : "00:1b:21:00:00:0d", lan ? "10.0.0.1" : server, 443);
	s->event.time_ns = when;
	s->segment = below(story, 3);
	s->flow_start_ns -= s->segment * 300 * NS_PER_S;
	story->octets += s->bytes[0] + s->bytes[1];
}

// `rings`: one, or four with clocks of their own.
static uint64_t run(struct house *house, uint32_t rings, uint64_t seed)
{
	struct story story = {.random = seed, .now_ns = S(1000)};
	uint64_t chance = seed ^ rings;
	static const struct excluded_subnet subnet = {.ip = {10, 0, 0, 3}, .prefix_len = 32};

	house_init(house);
	house->settings.clients_max = 64;
	house->settings.clients_random_max = 4; // random MACs come and go
	house->settings.answers_max = 16;
	house->policy.excluded = (struct excluded){.subnets = &subnet, .subnet_count = 1};
	house_open(house, rings);
	for (uint32_t i = 0; i < EVENTS; i++) {
		house->ring = (uint32_t)(next_random(&chance) >> 33) % rings;
		tell(&story, house);
		// Nothing earlier than this follows.
		uint64_t clock_ns = story.now_ns - LAG_S * NS_PER_S;
		for (uint32_t r = 0; r < rings; r++)
			if ((next_random(&chance) >> 33) % 50 == 0)
				event_ring_publish(&house->rings[r], clock_ns);
		if ((next_random(&chance) >> 33) % 20 == 0)
			ledger_step(house->ledger);
	}
	house_finish(house);
	assert_int_equal(house->counters.value[COUNTER_events_late], 0);
	return story.octets;
}

static void check_same(uint64_t seed)
{
	struct house one, four;
	uint64_t octets = run(&one, 1, seed), booked = 0;
	run(&four, 4, seed);
	const struct record *a = &one.record, *b = &four.record;

	assert_true(a->flow_count > EVENTS / 3 && a->client_count > 50 && a->usage_count > 50);
	assert_true(one.counters.value[COUNTER_clients_evicted] > 0);
	assert_int_equal(a->flow_count, b->flow_count);
	assert_memory_equal(a->flows, b->flows, a->flow_count * sizeof(*a->flows));
	assert_int_equal(a->client_count, b->client_count);
	for (uint32_t i = 0; i < a->client_count; i++)
		assert_memory_equal(&a->clients[i], &b->clients[i], sizeof(a->clients[i]));
	assert_int_equal(a->usage_count, b->usage_count);
	assert_memory_equal(a->usages, b->usages, a->usage_count * sizeof(*a->usages));
	for (uint32_t i = 0; i < a->usage_count; i++)
		if (a->usages[i].row.total)
			booked += a->usages[i].row.bytes_up + a->usages[i].row.bytes_down;
	assert_int_equal(booked, octets);
	house_close(&one);
	house_close(&four);
}

static void test_one_ring_and_four(void **)
{
	for (uint64_t seed = 1; seed <= 5; seed++)
		check_same(seed * UINT64_C(0x9e3779b97f4a7c15));
}

enum { FLOWS = 300, SEGMENTS_MAX = 5, NEWS = 60 };

struct plan {
	uint64_t when_ns;
	uint32_t flow; // FLOWS: news
	uint32_t segment;
};

static int by_time(const void *a, const void *b)
{
	const struct plan *x = a, *y = b;

	return x->when_ns < y->when_ns ? -1 : x->when_ns > y->when_ns;
}

// What a ledger may learn meanwhile: somebody takes over an address (of each the last holders are
// remembered, so that no address changes hands more often), a public address turns out to be on the
// link, a router announces a prefix.
static void tell_news(struct story *story, struct house *house, uint64_t when_ns)
{
	char mac[32], ip[32];
	uint32_t which = below(story, 12);

	snprintf(mac, sizeof(mac), "00:1b:21:00:00:%02x", below(story, 12));
	switch (below(story, 3)) {
	case 0:
		snprintf(ip, sizeof(ip), "10.0.0.%u", 1 + story->arps++ % 12);
		house_fact(house, when_ns, FACT_ARP, mac, ip, NULL);
		break;
	case 1:
		snprintf(ip, sizeof(ip), "198.51.100.%u", 1 + which);
		house_fact(house, when_ns, FACT_ON_LINK, NULL, ip, NULL);
		break;
	default:
		snprintf(ip, sizeof(ip), "2001:db8:%u::", which);
		house_fact(house, when_ns, FACT_ROUTER_PREFIX, NULL, ip, NULL);
	}
}

// One segment of a flow, everything about which follows from its number.
static void tell_segment(struct house *house, uint32_t flow, uint32_t segment, uint64_t start_ns)
{
	static const char *const places[] = {"10.0.0.%u", "198.51.100.%u", "2001:db8:%u::7"};
	struct story fixed = {.random = flow * UINT64_C(0x9e3779b97f4a7c15) + 1};
	char mac[32], ip[2][48];
	uint32_t place = below(&fixed, 3), number = 1 + below(&fixed, 12);
	uint64_t from_ns = start_ns + segment * 300 * NS_PER_S;

	snprintf(mac, sizeof(mac), "00:1b:21:00:00:%02x", below(&fixed, 4) == 0 ? 13 : number);
	snprintf(ip[0], sizeof(ip[0]), places[place], number);
	snprintf(ip[1], sizeof(ip[1]), place == 2 ? "2001:db8:%u::9" : "10.0.0.%u",
		1 + below(&fixed, 12));
	house->orientation = (uint8_t)below(&fixed, 3);
	struct segment_event *s = house_flow(house, from_ns, from_ns + 290 * NS_PER_S,
		below(&fixed, 2) ? mac : NULL, ip[0], (uint16_t)(1024 + flow), NULL, ip[1], 4433);
	s->event.time_ns = from_ns + 300 * NS_PER_S;
	s->flow_start_ns = start_ns;
	s->segment = segment;
}

static bool same_ends(const struct fake_flow *a, const struct fake_flow *b)
{
	return a->client_end == b->client_end && a->direction == b->direction &&
		a->has_client_key == b->has_client_key && a->has_server_key == b->has_server_key &&
		memcmp(a->client_key, b->client_key, 16) == 0 &&
		memcmp(a->server_key, b->server_key, 16) == 0;
}

// Whatever is learned while a flow lives, all its segments have the same ends.
static void check_identity(uint64_t seed)
{
	static struct plan plan[FLOWS * SEGMENTS_MAX + NEWS];
	static uint64_t starts[FLOWS];
	struct story story = {.random = seed};
	struct house house;
	uint32_t count = 0, tombstones = 0, compared = 0;

	for (uint32_t f = 0; f < FLOWS; f++) {
		starts[f] = S(0) + below(&story, 2000) * NS_PER_S;
		uint32_t segments = 1 + below(&story, SEGMENTS_MAX);
		for (uint32_t i = 0; i < segments; i++)
			plan[count++] = (struct plan){starts[f] + (i + 1) * 300 * NS_PER_S, f, i};
	}
	for (uint32_t i = 0; i < NEWS; i++)
		plan[count++] = (struct plan){S(0) + below(&story, 3000) * NS_PER_S, FLOWS, 0};
	qsort(plan, count, sizeof(plan[0]), by_time);

	house_init(&house);
	house_open(&house, 1);
	for (uint32_t i = 0; i < count; i++) {
		if (plan[i].flow == FLOWS)
			tell_news(&story, &house, plan[i].when_ns);
		else
			tell_segment(&house, plan[i].flow, plan[i].segment, starts[plan[i].flow]);
		house_turn(&house, plan[i].when_ns);
	}
	house_finish(&house);
	const struct record *r = &house.record;
	static const struct fake_flow *first[FLOWS];
	memset(first, 0, sizeof(first));
	for (uint32_t i = 0; i < r->flow_count; i++) {
		const struct fake_flow *f = &r->flows[i];
		bool client = f->client_port != 4433;
		uint32_t number = (client ? f->client_port : f->server_port) - 1024u;
		assert_true(number < FLOWS);
		if (first[number] == NULL)
			first[number] = f;
		assert_true(same_ends(first[number], f));
		compared += first[number] != f;
	}
	for (uint32_t i = 0; i < r->client_count; i++)
		tombstones += r->clients[i].tombstone;
	assert_true(compared > FLOWS && tombstones > 0);
	house_close(&house);
}

static void test_identity_holds(void **)
{
	for (uint64_t seed = 1; seed <= 50; seed++)
		check_identity(seed * UINT64_C(0x9e3779b97f4a7c15));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_ring_and_four),
		cmocka_unit_test(test_identity_holds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
