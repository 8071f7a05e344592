// Micro bench of a flow's way from its end to its row through the door: event ring, order of time,
// clients, answers, usage, policy, batch. With one house, whose clients stay in near caches, and
// with hundreds of them, which do not.
//
// Each house is the House's day, a network of its own by its VLAN, a part of the day later than the
// house before; all live it again and again. What an event costs that is no flow's (facts, answers)
// is in the flows' figure, as in a run: of the whole day, 4.1 events a flow, and of a day with
// fewer of those, 1.5 events a flow as the corpora have.
#include "bench/micro/micro.h"

#include "core/ledger/ledger.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	RING_BYTES = 4 << 20,
	BATCHES = 16,
	BATCH_BYTES = 1 << 20,
	HOUSES = 512,
	TURN = 16, // events said at a time, as by a batch of packets
	CALL_EVENTS = 8192,
	ALL_EVENTS = UINT32_MAX,
	CORPORA_OTHERS = 50, // facts and answers to 100 flows; B has 58
};
#define FIRST_DAY_NS (1700000000 * NS_PER_S)
#define NIGHT_NS (60 * NS_PER_S) // until the longest idle time has passed

// An event of a house, when it is said.
struct said {
	uint64_t said_ns, clock_ns; // of the day; clock: none that is said from here on is earlier
	uint64_t delta_ns; // from the House's own time to that of this house
	const struct event *event;
	uint16_t house;
};

struct day {
	struct settings settings;
	struct policy *policy;
	struct record_identity identity;
	struct batch_pool batches;
	struct record *record;
	struct event_ring ring;
	struct counters *counters;
	struct ledger *ledger;
	struct said *said;
	uint32_t count, next;
	uint64_t day_ns, days_ns; // how long one is; those that are over
};

static int by_time(const void *a, const void *b)
{
	const struct said *x = a, *y = b;

	if (x->said_ns != y->said_ns)
		return x->said_ns < y->said_ns ? -1 : 1;
	if (x->house != y->house)
		return x->house < y->house ? -1 : 1;
	return (x->event > y->event) - (x->event < y->event);
}

static uint64_t first_time(const struct house *house, uint64_t *ret_last_ns)
{
	uint64_t first_ns = UINT64_MAX;

	*ret_last_ns = 0;
	for (size_t at = 0; at < house->events_len;) {
		const struct event *event = (const struct event *)(house->events + at);
		first_ns = MIN(first_ns, event->time_ns);
		*ret_last_ns = MAX(*ret_last_ns, event->time_ns);
		at += event->size;
	}
	return first_ns;
}

// Whether an event is among the chosen: all flows, and evenly over the day `others` of the rest to
// 100 flows.
static bool is_chosen(
	const struct house *house, const struct event *event, uint32_t others, uint32_t *nth_other)
{
	uint32_t all = house->event_count - house->segment_count;
	uint64_t chosen = MIN((uint64_t)house->segment_count * others / 100, (uint64_t)all);

	if (event->kind == EVENT_SEGMENT)
		return true;
	uint32_t nth = (*nth_other)++;
	return (nth + 1) * chosen / all != nth * chosen / all;
}

static void plan(struct day *day, const struct house *house, uint32_t houses, uint32_t others)
{
	uint64_t last_ns, first_ns = first_time(house, &last_ns);

	day->day_ns = last_ns - first_ns + NIGHT_NS;
	day->said = micro_alloc(houses * house->event_count * sizeof(*day->said));
	for (uint32_t h = 0; h < houses; h++) {
		uint64_t said_ns = 0;
		uint32_t nth_other = 0;
		for (size_t at = 0; at < house->events_len;) {
			const struct event *event = (const struct event *)(house->events + at);
			uint64_t later_ns = h * (day->day_ns / houses);
			at += event->size;
			if (!is_chosen(house, event, others, &nth_other))
				continue;
			// In the order in which the shard said them.
			said_ns = MAX(said_ns, event->time_ns - first_ns + later_ns);
			day->said[day->count++] = (struct said){
				.said_ns = said_ns % day->day_ns,
				.delta_ns =
					later_ns - first_ns - said_ns / day->day_ns * day->day_ns,
				.event = event,
				.house = (uint16_t)h,
			};
		}
	}
	qsort(day->said, day->count, sizeof(*day->said), by_time);
	uint64_t clock_ns = UINT64_MAX;
	for (uint32_t i = 2 * day->count; i-- > 0;) {
		struct said *said = &day->said[i % day->count];
		uint64_t time_ns = said->event->time_ns + said->delta_ns;
		clock_ns =
			MIN(clock_ns, FIRST_DAY_NS + time_ns + (i >= day->count ? day->day_ns : 0));
		said->clock_ns = clock_ns;
	}
}

static void open_ledger(struct day *day, const struct house *house)
{
	static const char *const interface_names[] = {"lan0"};
	static const uint8_t house6[16] = {0x20, 1, 0x0d, 0xb8, 0, 0x77};
	static struct event_ring *rings[1];
	struct problems problems = {0};
	bool random_key;

	int err = settings_init(&day->settings);
	if (err)
		micro_fail("settings", err);
	day->settings.seed = 1;
	day->identity = (struct record_identity){.tenant = "default",
		.site = "default",
		.offline = true,
		.retention_ns = day->settings.retention};
	rings[0] = &day->ring;
	struct ledger_config config = {
		.settings = &day->settings,
		.rings = rings,
		.ring_count = 1,
		.interface_names = interface_names,
		.counters = day->counters,
		.seed = 1,
	};
	err = policy_new(&day->policy, &day->settings, &problems, &random_key);
	if (!err)
		err = event_ring_init(&day->ring, RING_BYTES, day->counters);
	if (!err)
		err = batch_pool_init(&day->batches, BATCHES, BATCH_BYTES);
	if (!err)
		err = record_new(&day->record, day->policy, classify_taxonomy(house->classify),
			&day->identity, &day->batches, false, false);
	if (!err) {
		config.policy = day->policy;
		config.record = day->record;
		err = ledger_new(&day->ledger, &config);
	}
	if (!err)
		err = ledger_add_local(day->ledger, house6, true, 48);
	if (err)
		micro_fail("ledger", err);
	day->ring.one_thread = true;
	problems_fini(&problems);
}

static void close_ledger(struct day *day)
{
	ledger_free(day->ledger);
	record_free(day->record);
	batch_pool_fini(&day->batches);
	event_ring_fini(&day->ring);
	policy_free(day->policy);
	settings_fini(&day->settings);
	free(day->said);
	free(day->counters);
	free(day);
}

// Says an event as of this house and day.
static void say(struct day *day, const struct said *said)
{
	const struct event *event = said->event;
	uint64_t delta_ns = FIRST_DAY_NS + day->days_ns + said->delta_ns;
	struct event *copy = event_ring_add(&day->ring, (enum event_kind)event->kind, event->size);

	if (copy == NULL)
		micro_fail("event ring", -ENOSPC);
	memcpy(copy, event, event->size);
	copy->time_ns += delta_ns;
	copy->vlan = said->house;
	if (event->kind != EVENT_SEGMENT)
		return;
	struct segment_event *segment = (struct segment_event *)copy;
	segment->flow_start_ns += delta_ns;
	segment->start_ns += delta_ns;
	segment->end_ns += delta_ns;
}

static uint64_t live(void *arg)
{
	struct day *day = arg;
	uint64_t flows = 0;

	for (unsigned i = 1; i <= CALL_EVENTS; i++) {
		const struct said *said = &day->said[day->next];
		say(day, said);
		flows += said->event->kind == EVENT_SEGMENT;
		if (++day->next == day->count) {
			day->next = 0;
			day->days_ns += day->day_ns;
		}
		if (i % TURN != 0)
			continue;
		event_ring_publish(&day->ring, day->said[day->next].clock_ns + day->days_ns);
		ledger_step(day->ledger);
		for (struct batch *b; (b = batch_pool_next(&day->batches)) != NULL;)
			batch_pool_done(&day->batches, b);
	}
	return flows;
}

static void measure(const struct house *house, uint32_t houses, uint32_t others, const char *name)
{
	struct day *day = micro_alloc(sizeof(*day));

	day->counters = micro_alloc(sizeof(*day->counters));
	plan(day, house, houses, others);
	open_ledger(day, house);
	// All are met once before: what is measured does not touch memory for the first time.
	while (day->days_ns == 0)
		live(day);
	micro(name, live, day, false);
	close_ledger(day);
}

void micro_ledger(const struct house *house)
{
	measure(house, 1, ALL_EVENTS, "ledger: a flow to its row, one house");
	measure(house, HOUSES, ALL_EVENTS, "ledger: a flow to its row, 512 houses");
	measure(house, 1, CORPORA_OTHERS, "ledger: of 1.5 events, one house");
	measure(house, HOUSES, CORPORA_OTHERS, "ledger: of 1.5 events, 512 houses");
}
