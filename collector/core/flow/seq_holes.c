// What one end of a TCP connection has left out so far.
#include "core/flow/seq_holes.h"

// Farther away numbers mean something else: no window is so large (RFC 7323 section 2.3), and what
// is 2 GiB behind would be taken for what is to come.
static bool is_far(uint32_t a, uint32_t b)
{
	const uint32_t most = UINT32_C(1) << 30;

	return a - b > most && b - a > most;
}

void seq_holes_add(struct seq_holes *all, uint32_t start, uint32_t stop)
{
	unsigned place = 0;

	for (unsigned i = 0; i < SEQ_HOLES; i++) {
		if (all->holes[i].start == all->holes[i].stop ||
			is_far(all->holes[i].start, start)) {
			place = i;
			break;
		}
		if (seq_after(all->holes[place].start, all->holes[i].start))
			place = i;
	}
	all->holes[place].start = start;
	all->holes[place].stop = stop;
}

enum seq_seen seq_holes_fill(struct seq_holes *all, uint32_t start, uint32_t stop)
{
	uint32_t unseen = 0;

	for (unsigned i = 0; i < SEQ_HOLES; i++) {
		uint32_t first = all->holes[i].start, last = all->holes[i].stop;
		if (first == last || !seq_after(last, start) || !seq_after(stop, first))
			continue;
		bool front = seq_after(start, first), back = seq_after(last, stop); // stay open
		all->holes[i].start = back ? stop : first;
		all->holes[i].stop = back ? last : front ? start : first;
		if (front && back)
			seq_holes_add(all, first, start);
		unseen += (back ? stop : last) - (front ? start : first);
	}
	if (unseen == 0)
		return SEQ_SEEN;
	return unseen == stop - start ? SEQ_LATE : SEQ_PARTLY_SEEN;
}
