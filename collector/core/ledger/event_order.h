// The order of events: by time, of one time facts before answers before segments, of one kind by
// content, so that the order does not depend on which ring an event came through.
#pragma once

#include "core/event/event.h"

// Time and kind in one number. Times past the year 2116, which a capture file may claim, are all
// one.
uint64_t event_order(const struct event *event);
uint64_t event_order_at(uint64_t time_ns); // no event of that time is before it

// Of equal ones what tells most apart. At the end of a capture all flows that are left end at one
// time: then this is all the order.
uint64_t event_tie(const struct event *event);

// By content, of events of one time and kind; 0 only where no difference can matter.
int event_compare(const struct event *a, const struct event *b);
