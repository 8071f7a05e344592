// A timing wheel over pool indexes.
#include "core/flow/flow_wheel.h"

#include "core/base/memory.h"
#include "core/base/pool.h"

#include <errno.h>

enum { SLOT_SHIFT = 24, SLOTS = 1 << 15, WORDS = SLOTS / 64 };

// In `previous`, the slot whose first entry this is; in `next`, whose last.
#define END_OF_SLOT UINT32_C(0x80000000)

struct link {
	uint32_t next, previous;
};

struct flow_wheel {
	uint64_t tick; // the first slot, counted from the epoch, that has not passed
	uint64_t empty_to; // no slot from `tick` on and before this one holds anything
	uint32_t count;
	uint32_t entries_max;
	struct link *links; // apart from the flows: neighbours are touched, flows are not
	uint64_t used[WORDS]; // a bit for each slot that holds something
	uint32_t first[SLOTS], last[SLOTS];
};

int flow_wheel_new(struct flow_wheel **ret, uint32_t entries_max)
{
	struct flow_wheel *wheel = calloc(1, sizeof(*wheel));

	if (wheel == NULL)
		return -ENOMEM;
	wheel->entries_max = entries_max;
	wheel->links = memory_reserve((size_t)entries_max * sizeof(struct link));
	if (wheel->links == NULL) {
		flow_wheel_free(wheel);
		return -ENOMEM;
	}
	*ret = wheel;
	return 0;
}

void flow_wheel_free(struct flow_wheel *wheel)
{
	if (wheel == NULL)
		return;
	memory_release(wheel->links, (size_t)wheel->entries_max * sizeof(struct link));
	free(wheel);
}

size_t flow_wheel_bytes(const struct flow_wheel *wheel)
{
	return sizeof(*wheel) + (size_t)wheel->entries_max * sizeof(struct link);
}

// When an entry of this deadline is looked at.
static uint64_t tick_of(const struct flow_wheel *wheel, uint64_t deadline_ns)
{
	uint64_t tick = MAX(deadline_ns >> SLOT_SHIFT, wheel->tick);

	return MIN(tick, wheel->tick + SLOTS - 1);
}

void flow_wheel_link(struct flow_wheel *wheel, uint32_t idx, uint64_t deadline_ns, uint64_t now_ns)
{
	// An empty wheel stands at the hour of whoever comes first.
	if (wheel->count == 0)
		wheel->tick = MAX(wheel->tick, now_ns >> SLOT_SHIFT);
	uint64_t tick = tick_of(wheel, deadline_ns);
	wheel->empty_to = MIN(wheel->empty_to, tick);
	uint32_t slot = (uint32_t)tick & (SLOTS - 1);
	uint64_t bit = UINT64_C(1) << (slot % 64);
	struct link *link = &wheel->links[idx];

	link->previous = link->next = END_OF_SLOT | slot;
	if (wheel->used[slot / 64] & bit) {
		link->previous = wheel->last[slot];
		wheel->links[link->previous].next = idx;
	} else {
		wheel->first[slot] = idx;
	}
	wheel->used[slot / 64] |= bit;
	wheel->last[slot] = idx;
	wheel->count++;
}

void flow_wheel_unlink(struct flow_wheel *wheel, uint32_t idx)
{
	struct link *link = &wheel->links[idx];

	bool first = link->previous & END_OF_SLOT, last = link->next & END_OF_SLOT;
	if (!last)
		wheel->links[link->next].previous = link->previous;
	if (!first)
		wheel->links[link->previous].next = link->next;
	if (last && first) {
		uint32_t slot = link->next & ~END_OF_SLOT;
		wheel->used[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
	} else if (first) {
		wheel->first[link->previous & ~END_OF_SLOT] = link->next;
	} else if (last) {
		wheel->last[link->next & ~END_OF_SLOT] = link->previous;
	}
	wheel->count--;
}

// The first tick from `tick` on, and before `end`, whose slot holds something; or one from `end`
// on.
static uint64_t used_from(const struct flow_wheel *wheel, uint64_t tick, uint64_t end)
{
	while (tick < end) {
		uint32_t slot = (uint32_t)tick & (SLOTS - 1);
		uint64_t rest = wheel->used[slot / 64] >> (slot % 64);
		if (rest != 0)
			return tick + (unsigned)__builtin_ctzll(rest);
		tick += 64 - slot % 64;
	}
	return tick;
}

// The first tick from wheel->tick on, and before `end`, whose slot holds something; or `end`. What
// was found empty is not looked at again.
static uint64_t next_used(struct flow_wheel *wheel, uint64_t end)
{
	end = MIN(end, wheel->tick + SLOTS);
	uint64_t tick = used_from(wheel, MAX(wheel->tick, wheel->empty_to), end);
	wheel->empty_to = MIN(tick, wheel->tick + SLOTS);
	return MIN(tick, end);
}

uint32_t flow_wheel_due(struct flow_wheel *wheel, uint64_t now_ns)
{
	uint64_t now = now_ns >> SLOT_SHIFT;

	if (wheel->tick >= now)
		return POOL_NONE;
	uint64_t tick = next_used(wheel, now);
	// An empty wheel may be turned any way at once: a jump in time costs nothing.
	if (tick >= now || wheel->count == 0) {
		wheel->tick = now;
		return POOL_NONE;
	}
	wheel->tick = tick;
	uint32_t idx = wheel->first[tick & (SLOTS - 1)];
	flow_wheel_unlink(wheel, idx);
	return idx;
}

uint32_t flow_wheel_first(struct flow_wheel *wheel)
{
	if (wheel->count == 0)
		return POOL_NONE;
	return wheel->first[next_used(wheel, wheel->tick + SLOTS) & (SLOTS - 1)];
}

bool flow_wheel_in_first(const struct flow_wheel *wheel, uint64_t deadline_ns)
{
	// As flow_wheel_link() has it: later deadlines wait in the last slot.
	return MIN(deadline_ns >> SLOT_SHIFT, wheel->tick + SLOTS - 1) <= wheel->empty_to;
}

bool flow_wheel_walk_on(const struct flow_wheel *wheel, struct wheel_walk *walk, uint64_t until_ns)
{
	if (walk->next != POOL_NONE)
		return true;
	uint64_t end = MIN(until_ns >> SLOT_SHIFT, wheel->tick + SLOTS);
	uint64_t from = MAX(walk->tick, wheel->tick);
	uint64_t tick = used_from(wheel, from, end);
	if (tick >= end) {
		walk->tick = MAX(from, end);
		return false;
	}
	walk->tick = tick + 1;
	walk->next = wheel->first[tick & (SLOTS - 1)];
	__builtin_prefetch(&wheel->links[walk->next], 1);
	return true;
}

uint32_t flow_wheel_walk(const struct flow_wheel *wheel, struct wheel_walk *walk)
{
	uint32_t idx = walk->next, next = wheel->links[idx].next;

	walk->next = next & END_OF_SLOT ? POOL_NONE : next;
	if (!(next & END_OF_SLOT))
		__builtin_prefetch(&wheel->links[next], 1);
	return idx;
}

uint64_t flow_wheel_clock(const struct flow_wheel *wheel)
{
	// What is known to be empty has nothing to return.
	return MAX(wheel->tick, wheel->empty_to) << SLOT_SHIFT;
}
