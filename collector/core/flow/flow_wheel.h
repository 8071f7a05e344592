// A timing wheel over pool indexes: finds what may be due without looking at anything else
// (Varghese, Lauck: "Hashed and Hierarchical Timing Wheels", 1987). An entry is linked at its
// deadline and not moved while the deadline only recedes: whoever takes it looks at the real one
// and links it again. So an established flow's packet costs the wheel nothing.
//
// A slot is 2^24 ns (16.8 ms) wide and the wheel 550 s long; later deadlines wait in the last slot.
#pragma once

#include "core/base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct flow_wheel;

// For indexes 0 to entries_max - 1. Returns 0 or -ENOMEM.
int flow_wheel_new(struct flow_wheel **ret, uint32_t entries_max);
void flow_wheel_free(struct flow_wheel *wheel); // accepts NULL
size_t flow_wheel_bytes(const struct flow_wheel *wheel);

// Links an entry that is not linked, behind those of its slot; a deadline that has passed is found
// next. `now_ns`: no later than any later call's.
void flow_wheel_link(struct flow_wheel *wheel, uint32_t idx, uint64_t deadline_ns, uint64_t now_ns);
void flow_wheel_unlink(struct flow_wheel *wheel, uint32_t idx);

// Unlinks and returns an entry whose slot has passed by now_ns, or POOL_NONE when there is none.
uint32_t flow_wheel_due(struct flow_wheel *wheel, uint64_t now_ns);

// Of the entries in the earliest slot the one linked first, still linked, or POOL_NONE when the
// wheel is empty.
uint32_t flow_wheel_first(struct flow_wheel *wheel);

// Whether an entry linked at `deadline_ns` would be in the slot of flow_wheel_first(), just asked.
bool flow_wheel_in_first(const struct flow_wheel *wheel, uint64_t deadline_ns);

// Somebody who looks at entries before they are due. Links may change under it: then it misses some
// or meets some twice.
struct wheel_walk {
	uint64_t tick;
	uint32_t next; // POOL_NONE, at first too
};

// Whether walk->next is an entry that will be due by until_ns: the next of its slot, else of a slot
// behind it.
bool flow_wheel_walk_on(const struct flow_wheel *wheel, struct wheel_walk *walk, uint64_t until_ns);

// Returns walk->next, which is one, and steps on in its slot.
uint32_t flow_wheel_walk(const struct flow_wheel *wheel, struct wheel_walk *walk);

// Every entry with a deadline before this time has been returned.
uint64_t flow_wheel_clock(const struct flow_wheel *wheel);
