// The clock of a NIC (nic_clock.h).
#include "nic_clock.h"

#include "core/base/compiler.h"
#include "core/packet/capture_clock.h"

#define NEAR_NS (10 * (double)NS_PER_S)

static void begin(struct nic_clock *clock, uint64_t ticks, uint64_t steady_ns)
{
	clock->first_ticks = ticks;
	clock->first_ns = steady_ns;
	atomic_store_explicit(&clock->readings, 0, memory_order_release);
}

void nic_clock_read(struct nic_clock *clock, uint64_t ticks, uint64_t steady_ns, uint64_t wall_ns)
{
	uint32_t readings = atomic_load_explicit(&clock->readings, memory_order_relaxed);
	const struct nic_rate *last = &clock->rates[readings % 2];

	if (clock->first_ns == 0 || ticks <= clock->first_ticks ||
		(readings > 0 && ticks <= last->ticks)) {
		begin(clock, ticks, steady_ns);
		return;
	}
	if (steady_ns - clock->first_ns < NIC_CLOCK_BASE_NS)
		return;
	// The other one: who reads the last has until the next reading.
	clock->rates[(readings + 1) % 2] = (struct nic_rate){
		.ticks = ticks,
		.wall_ns = wall_ns,
		.ns_per_tick = (double)(steady_ns - clock->first_ns) /
			(double)(ticks - clock->first_ticks),
	};
	readings = readings + 1 == 0 ? 2 : readings + 1;
	atomic_store_explicit(&clock->readings, readings, memory_order_release);
}

uint64_t nic_clock_time(const struct nic_clock *clock, uint64_t ticks)
{
	uint32_t readings = atomic_load_explicit(&clock->readings, memory_order_acquire);
	const struct nic_rate *rate = &clock->rates[readings % 2];

	if (readings == 0)
		return CAPTURE_NO_TIME;
	double away_ns = (double)(int64_t)(ticks - rate->ticks) * rate->ns_per_tick;
	if (away_ns < -NEAR_NS || away_ns > NEAR_NS)
		return CAPTURE_NO_TIME;
	return rate->wall_ns + (uint64_t)(int64_t)away_ns;
}
