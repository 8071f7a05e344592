// The clock of a capture source (capture_clock.h).
#include "core/packet/capture_clock.h"

#include "core/base/clock.h"

#define LEAP_NS (86400 * NS_PER_S)
#define STEP_MIN_NS ((int64_t)NS_PER_MS) // less is the noise of reading two clocks

// Wall clock less monotonic clock. Both are slewed alike, so it changes only when the wall clock is
// set. Of three readings the one least disturbed by the scheduler.
int64_t capture_clock_wall_offset_ns(void)
{
	int64_t offset = 0, least = INT64_MAX;

	for (int i = 0; i < 3; i++) {
		int64_t before = (int64_t)clock_steady_ns();
		int64_t wall = (int64_t)clock_wall_ns();
		int64_t took = (int64_t)clock_steady_ns() - before;
		if (took < least) {
			least = took;
			offset = wall - before - took / 2;
		}
	}
	return offset;
}

void capture_clock_start(struct capture_clock *clock, int64_t wall_offset_ns)
{
	clock->wall_offset_ns = wall_offset_ns;
}

// Where a file begins: at its first stamp, but where that lies more than a day after the second and
// the third agrees with the second.
static uint64_t first_time(const struct packet_batch *batch)
{
	const struct packet *p = batch->packets;

	if (batch->count < 3 || p[1].ts_ns == CAPTURE_NO_TIME || p[1].ts_ns == 0)
		return 0;
	uint64_t believed_ns = p[1].ts_ns + LEAP_NS;
	return p[0].ts_ns > believed_ns && p[2].ts_ns <= believed_ns ? p[1].ts_ns : 0;
}

bool capture_clock_file(struct capture_clock *clock, struct packet_batch *batch, bool more)
{
	uint64_t last_ns = clock->last_ns;
	bool held = false;

	if (last_ns == 0)
		last_ns = first_time(batch);
	for (uint32_t i = 0; i < batch->count; i++) {
		struct packet *p = &batch->packets[i];
		// Nearly always: later than the last, and no leap. What has no time is neither.
		if (likely(last_ns != 0 && p->ts_ns - last_ns <= LEAP_NS)) {
			p->time_ns = last_ns = p->ts_ns;
			continue;
		}
		if (p->ts_ns == CAPTURE_NO_TIME)
			p->ts_ns = last_ns;
		uint64_t believed_ns = last_ns + LEAP_NS;
		bool leaps = last_ns != 0 && p->ts_ns > believed_ns;
		bool alone =
			leaps && i + 1 < batch->count && batch->packets[i + 1].ts_ns <= believed_ns;
		held = leaps && more && i > 0 && i + 1 == batch->count;
		if (held)
			break;
		if (p->ts_ns > last_ns && !alone)
			last_ns = p->ts_ns;
		p->time_ns = last_ns;
	}
	clock->last_ns = last_ns;
	batch->now_ns = last_ns;
	return held;
}

void capture_clock_live(struct capture_clock *clock, struct packet_batch *batch, uint64_t late_ns)
{
	// What looks like a step may be the scheduler between the two: then with more care.
	int64_t wall_ns = (int64_t)clock_wall_ns();
	int64_t step_ns = wall_ns - (int64_t)clock_steady_ns() - clock->wall_offset_ns;
	if (llabs(step_ns - clock->step_ns) >= STEP_MIN_NS) {
		step_ns = capture_clock_wall_offset_ns() - clock->wall_offset_ns;
		if (llabs(step_ns - clock->step_ns) >= STEP_MIN_NS)
			clock->step_ns = step_ns;
		wall_ns = (int64_t)clock_wall_ns();
	}
	int64_t present_ns = wall_ns - clock->step_ns;
	int64_t last_ns = (int64_t)clock->last_ns;

	for (uint32_t i = 0; i < batch->count; i++) {
		struct packet *p = &batch->packets[i];
		if (p->ts_ns == CAPTURE_NO_TIME)
			p->ts_ns = (uint64_t)(present_ns + clock->step_ns);
		int64_t time_ns = MIN((int64_t)p->ts_ns - clock->step_ns, present_ns);
		last_ns = MAX(last_ns, time_ns);
		p->time_ns = (uint64_t)last_ns;
	}
	if (batch->count == 0)
		last_ns = MAX(last_ns, present_ns - (int64_t)late_ns);
	clock->last_ns = (uint64_t)last_ns;
	batch->now_ns = clock->last_ns;
}

bool capture_clock_idle(
	struct capture_clock *clock, const struct packet_batch *batch, uint64_t limit_ns)
{
	if (batch->count > 0 || limit_ns == 0) {
		clock->idle_since_ns = 0;
		return false;
	}
	uint64_t now_ns = clock_steady_ns();
	if (clock->idle_since_ns == 0)
		clock->idle_since_ns = now_ns;
	return now_ns - clock->idle_since_ns >= limit_ns;
}
