// Reorder: by time, then kind, then content; bounded; octets between fields do not count.
#include "core/ledger/reorder.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void pop(struct reorder *reorder)
{
	struct reorder_item item;

	assert_int_equal(reorder_take(reorder, UINT64_MAX, &item, 1), 1);
	reorder_give(reorder, &item);
}

static void test_sorts(void **)
{
	struct reorder reorder;
	uint64_t random = 88172645463325252u, last = 0;
	static const uint32_t sizes[] = {sizeof(struct fact_event), 600, 2048, 3000, 8192};
	struct event *event = calloc(1, EVENT_SIZE_MAX);
	uint32_t put = 0, got = 0;

	assert_int_equal(reorder_init(&reorder, 1024), 0);
	for (unsigned i = 0; i < 20000; i++) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		// Within a lag of 100, as a shard's events are.
		*event = (struct event){.time_ns = 1000 + i + random % 100,
			.size = (uint32_t)(sizes[(random >> 8) % 5] + 7) & ~7u,
			.kind = EVENT_FACT};
		put += reorder_put(&reorder, event);
		while (reorder.count > 0 && reorder_first(&reorder)->time_ns < 1000 + i) {
			assert_true(reorder_first(&reorder)->time_ns >= last);
			last = reorder_first(&reorder)->time_ns;
			pop(&reorder);
			got++;
		}
	}
	for (; reorder_first(&reorder) != NULL; pop(&reorder), got++) {
		assert_true(reorder_first(&reorder)->time_ns >= last);
		last = reorder_first(&reorder)->time_ns;
	}
	assert_int_equal(put, got);
	assert_true(put > 19000);
	free(event);
	reorder_fini(&reorder);
}

// Hundreds at a time, as a shard's turn brings them: in any order, many at one time, some from far
// before what is there already. None may come out before one that is earlier, or equal and less by
// content. Copied in, or lent for a turn: then their place is written over.
static void bursts(bool lend)
{
	static struct fact_event facts[7 * 90];
	struct reorder reorder;
	struct reorder_item items[64];
	uint64_t random = 88172645463325252u;
	uint32_t put = 0, got = 0;
	uint64_t last_ns = 0, last_mac = 0;

	assert_int_equal(reorder_init(&reorder, 8192), 0);
	for (unsigned round = 0; round < 300; round++) {
		uint64_t promised_ns = round * 100;
		for (unsigned i = 0; i < (round % 7 + 1) * 90; i++) {
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			// Four in five of the last few moments; the others from the promise on.
			uint64_t ahead =
				random % 5 == 0 ? random / 5 % 3000 : 3000 + random / 5 % 20;
			struct fact_event *fact = &facts[lend ? i : 0];
			*fact = (struct fact_event){.event = {.time_ns = promised_ns + ahead,
							    .size = sizeof(*fact),
							    .kind = EVENT_FACT},
				.mac = {[4] = (uint8_t)(random >> 32), (uint8_t)(random >> 40)}};
			put += (lend && reorder_lend(&reorder, &fact->event)) ||
				reorder_put(&reorder, &fact->event);
		}
		uint32_t taken;
		uint64_t until_ns = round == 299 ? UINT64_MAX : promised_ns + 100;
		while ((taken = reorder_take(&reorder, until_ns, items, round % 64 + 1)) > 0) {
			for (uint32_t i = 0; i < taken; i++) {
				const struct event *event = reorder_event(&items[i]);
				const uint8_t *octets = ((const struct fact_event *)event)->mac;
				uint64_t mac = (uint64_t)octets[4] << 8 | octets[5];
				assert_true(event->time_ns >= last_ns);
				assert_true(event->time_ns > last_ns || mac >= last_mac);
				assert_true(event->time_ns < until_ns);
				last_ns = event->time_ns;
				last_mac = mac;
				reorder_give(&reorder, &items[i]);
			}
			got += taken;
		}
		reorder_keep(&reorder);
		memset(facts, 0xff, sizeof(facts));
	}
	assert_int_equal(put, got);
	assert_true(put > 90000);
	assert_int_equal(reorder.count, 0);
	assert_int_equal(reorder.pools[0].used, 0);
	reorder_fini(&reorder);
}

static void test_bursts(void **)
{
	bursts(false);
}

static void test_lent_bursts(void **)
{
	bursts(true);
}

// What is lent finds room when it has to be kept, whatever is copied in beside.
static void test_lent_full(void **)
{
	static struct fact_event facts[64];
	struct reorder reorder;
	uint32_t lent = 0, put = 0;

	assert_int_equal(reorder_init(&reorder, 64), 0);
	for (uint32_t i = 0; i < ARRAY_COUNT(facts); i++) {
		facts[i].event =
			(struct event){.time_ns = i, .size = sizeof(facts[i]), .kind = EVENT_FACT};
		if (i % 2 == 0)
			lent += reorder_lend(&reorder, &facts[i].event);
		else
			put += reorder_put(&reorder, &facts[i].event);
	}
	assert_int_equal(lent + put, 64);
	assert_false(reorder_lend(&reorder, &facts[0].event));
	while (reorder_put(&reorder, &facts[0].event))
		put++;
	assert_int_equal(lent + put, 64 + 8 + 2);
	assert_int_equal(reorder.count, lent + put);
	reorder_fini(&reorder);
}

static void test_full(void **)
{
	struct reorder reorder;
	struct fact_event fact = {.event = {.size = sizeof(fact), .kind = EVENT_FACT}};
	struct event *event = &fact.event;
	uint32_t put = 0;

	assert_int_equal(reorder_init(&reorder, 64), 0);
	for (event->time_ns = 1000; reorder_put(&reorder, event); event->time_ns--)
		put++;
	assert_int_equal(put, 64 + 8 + 2); // small ones may stand in large places
	pop(&reorder);
	assert_true(reorder_put(&reorder, event));
	reorder_fini(&reorder);
}

static struct segment_event segment_of(int filler)
{
	struct segment_event s;

	memset(&s, filler, sizeof(s));
	s.event.time_ns = 5;
	s.event.size = sizeof(s);
	s.event.kind = EVENT_SEGMENT;
	s.event.vlan = 0;
	s.event.iface = 0;
	s.ip_version = 4;
	s.ip_proto = IP_PROTO_TCP;
	for (unsigned e = 0; e < 2; e++) {
		memset(s.ip[e], filler, 16);
		memcpy(s.ip[e], (uint8_t[]){10, 0, 0, (uint8_t)e}, 4);
		s.port[e] = 80;
		s.packets[e] = s.bytes[e] = 1;
	}
	s.flow_start_ns = 1;
	s.segment = 0;
	s.vlan_inner = 0;
	s.tunnel = 0;
	s.tunnel_id = 0;
	s.flow_id = 9;
	return s;
}

static void test_compare(void **)
{
	struct segment_event a = segment_of(0), b = segment_of(0xff);

	assert_int_equal(event_compare(&a.event, &b.event), 0);
	b.port[1]++;
	assert_true(event_compare(&a.event, &b.event) < 0);
	assert_true(event_compare(&b.event, &a.event) > 0);
	b.port[1]--;
	b.segment++;
	assert_true(event_compare(&a.event, &b.event) < 0);
	b.event.vlan = 0;
	a.event.vlan = 1;
	assert_true(event_compare(&a.event, &b.event) > 0);
}

static struct event *first(struct reorder *reorder)
{
	return (struct event *)(uintptr_t)reorder_first(reorder);
}

// What is said at a time holds at that time: facts, then answers, then segments; among those of
// one kind the order in which they came does not count.
static void test_ties(void **)
{
	struct reorder reorder;
	struct segment_event segments[24];

	for (unsigned turn = 0; turn < 2; turn++) {
		assert_int_equal(reorder_init(&reorder, 64), 0);
		for (unsigned i = 0; i < 24; i++) {
			unsigned j = turn == 0 ? i : 23 - i;
			segments[j] = segment_of(0);
			segments[j].port[j % 2] = (uint16_t)(1000 + j);
			segments[j].ip[j % 3 != 0][3] = (uint8_t)j;
			assert_true(reorder_put(&reorder, &segments[j].event));
		}
		struct fact_event fact = {
			.event = {.time_ns = 5, .size = sizeof(fact), .kind = EVENT_FACT}};
		struct answer_event answer = {
			.event = {.time_ns = 5, .size = sizeof(answer), .kind = EVENT_ANSWER}};
		assert_true(reorder_put(&reorder, &answer.event));
		assert_true(reorder_put(&reorder, &fact.event));
		assert_int_equal(first(&reorder)->kind, EVENT_FACT);
		pop(&reorder);
		assert_int_equal(first(&reorder)->kind, EVENT_ANSWER);
		pop(&reorder);
		static struct segment_event order[24];
		for (unsigned i = 0; i < 24; i++) {
			if (turn == 0)
				memcpy(&order[i], first(&reorder), sizeof(order[i]));
			else
				assert_memory_equal(&order[i], first(&reorder), sizeof(order[i]));
			pop(&reorder);
		}
		assert_null(reorder_first(&reorder));
		reorder_fini(&reorder);
	}
}

// Of one time, and told apart by a port's last octet or by what comes after it only.
static void test_alike(void **)
{
	enum { COUNT = 250 };
	struct reorder reorder;
	struct segment_event last = {0};

	assert_int_equal(reorder_init(&reorder, 1024), 0);
	for (unsigned i = 0; i < COUNT; i++) {
		struct segment_event segment = segment_of(0);
		segment.port[0] = (uint16_t)(0x1200 + i * 97 % 256);
		segment.port[1] = (uint16_t)(i * 31 % COUNT);
		if (i % 3 == 0)
			segment.port[0] = 0x1234;
		assert_true(reorder_put(&reorder, &segment.event));
	}
	for (unsigned i = 0; i < COUNT; i++, pop(&reorder)) {
		if (i > 0)
			assert_true(event_compare(&last.event, first(&reorder)) < 0);
		memcpy(&last, first(&reorder), sizeof(last));
	}
	assert_null(reorder_first(&reorder));
	reorder_fini(&reorder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sorts),
		cmocka_unit_test(test_bursts),
		cmocka_unit_test(test_lent_bursts),
		cmocka_unit_test(test_lent_full),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_compare),
		cmocka_unit_test(test_ties),
		cmocka_unit_test(test_alike),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
