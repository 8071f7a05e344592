// What the settings say for the stages of a shard: stage_settings.h.
#include "core/shard/stage_settings.h"

enum { PURPOSE_FLOWS = 0x666c6f77 };

// One shard's part of a limit that is for all.
static uint64_t share(uint64_t limit, uint32_t count, uint64_t least)
{
	return MAX((limit + count - 1) / count, least);
}

// New flows a second that a shard shows to nDPI; 0: all.
static uint32_t admitted(const struct settings *s, bool live)
{
	bool limited = s->admission == ADMISSION_AUTO ? live : s->admission == ADMISSION_ON;

	return limited ? (uint32_t)s->admission_rate : 0;
}

struct flow_settings stage_flow_settings(const struct settings *s, uint32_t count, bool live)
{
	enum { FLOWS_LEAST = 1024 };

	return (struct flow_settings){
		.flows_max = (uint32_t)share(s->flows_max, count, FLOWS_LEAST),
		.vlan_in_key = s->vlan_in_key,
		.idle_tcp_ns = s->idle_tcp,
		.idle_udp_ns = s->idle_udp,
		.idle_icmp_ns = s->idle_icmp,
		.idle_closed_ns = s->idle_closed,
		.active_ns = s->active,
		// Of one shard's flows and of all: ids must differ, so the key is the same.
		.key = hash_key_new(s->seed, PURPOSE_FLOWS),
		.prefault = live,
	};
}

struct classify_settings stage_classify_settings(
	const struct settings *s, uint32_t count, bool live)
{
	enum { STATES_LEAST = 64, MEMORY_LEAST = 4 << 20, CHUNKS_LEAST = 1024 };

	return (struct classify_settings){
		.dpi_states_max = (uint32_t)share(s->dpi_states_max, count, STATES_LEAST),
		.dpi_memory_bytes = share(s->dpi_memory, count, MEMORY_LEAST),
		.dpi_packets_max = (uint16_t)s->dpi_packets_max,
		.dpi_admitted = admitted(s, live),
		.findings_max = (uint32_t)share(s->findings_max, count, CHUNKS_LEAST),
		.dpi = s->dpi,
		.dpi_plain = s->dpi_plain,
		.prefault = live,
	};
}
