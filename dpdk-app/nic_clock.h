// The clock of a NIC that stamps packets with ticks of its own: what time of day a tick was, known
// from readings of that clock and ours every now and then.
//
// nic_clock_read() belongs to one thread; any other may ask meanwhile.
#pragma once

#include <stdatomic.h>
#include <stdint.h>

// Readings further apart tell the rate well enough: a microsecond's delay is 10 ppm of it.
#define NIC_CLOCK_BASE_NS UINT64_C(100000000)

struct nic_rate {
	uint64_t ticks, wall_ns; // at one time
	double ns_per_tick;
};

struct nic_clock {
	uint64_t first_ticks, first_ns; // the first reading; 0: none
	_Atomic uint32_t readings; // of which the last is rates[readings % 2]; 0: no rate yet
	struct nic_rate rates[2];
};

// Both clocks at one time: the NIC's, the steady one and that of the day, ns. Begins anew when the
// NIC's does not run on. Every second or so.
void nic_clock_read(struct nic_clock *clock, uint64_t ticks, uint64_t steady_ns, uint64_t wall_ns);

// The time of day of a tick, ns since 1970, or CAPTURE_NO_TIME while the rate is not known and for
// what is not within ten seconds of the last reading: then it is no tick of this clock.
uint64_t nic_clock_time(const struct nic_clock *clock, uint64_t ticks);
