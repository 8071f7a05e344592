// Threads on EAL's cores (place.h). They are the crew's threads, not EAL's own: those would start
// with the program's privileges, and before there is anything to run.
#include "place.h"

#include "core/base/log.h"

#include <pthread.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <sys/prctl.h>

enum { TIMER_SLACK_NS = 1000 }; // of a rest between two polls

// EAL's own: rte_lcore_count() counts threads that have been made known, too.
static uint32_t core_count(void)
{
	uint32_t count = 0;
	unsigned lcore;

	RTE_LCORE_FOREACH(lcore)
	count++;
	return count;
}

static unsigned lcore_of(uint32_t thread)
{
	unsigned lcore;
	uint32_t left = thread % core_count();

	if (left == 0)
		return rte_get_main_lcore();
	RTE_LCORE_FOREACH_WORKER(lcore)
	if (--left == 0)
		break;
	return lcore;
}

int place_core(uint32_t thread)
{
	rte_cpuset_t cores = rte_lcore_cpuset(lcore_of(thread));
	int core = 0;

	while (core < CPU_SETSIZE - 1 && !CPU_ISSET(core, &cores))
		core++;
	return core;
}

unsigned place_socket(uint32_t thread)
{
	return rte_lcore_to_socket_id(lcore_of(thread));
}

void place_thread(uint32_t thread)
{
	rte_cpuset_t cores = rte_lcore_cpuset(lcore_of(thread));

	if (thread == core_count())
		log_warning("there are more threads that poll than EAL has cores: they share %u; "
			    "give it more (-l)",
			core_count());
	// Before it is known: EAL keeps what it finds.
	pthread_setaffinity_np(pthread_self(), sizeof(cores), &cores);
	if (rte_lcore_id() == LCORE_ID_ANY && rte_thread_register() != 0)
		log_warning("thread %u is unknown to DPDK and has no packet buffers at hand: %s",
			thread, rte_strerror(rte_errno));
	prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS, 0, 0, 0);
}
