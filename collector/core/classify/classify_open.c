// Classify, made: classifiers opened, with pools for their states, and who wants what.
#include "core/classify/classify_parts.h"

#include <errno.h>

static uint16_t wanting(const struct classify *c, enum classifier_wants what)
{
	uint16_t mask = 0;

	for (uint32_t i = 0; i < c->count; i++)
		if (c->instances[i].ops->wants & what)
			mask = (uint16_t)(mask | 1u << i);
	return mask;
}

static int instance_open(struct classify *c, const struct classify_settings *settings,
	const struct classifier_ops *ops, uint8_t *slots)
{
	struct instance *in = &c->instances[c->count];
	struct classifier_config config = {
		.taxonomy = &c->taxonomy,
		.counters = c->counters,
		.states_max = settings->dpi_states_max,
		.memory_bytes = settings->dpi_memory_bytes,
		.packets_max = ops->verdicts ? settings->dpi_packets_max : 0,
		.plain = settings->dpi_plain,
	};

	in->ops = ops;
	in->slot = NO_SLOT;
	in->packets_max = config.packets_max > 0 ? config.packets_max : ops->packets_max;
	c->count++;
	if (ops->flow_state_size > 0) {
		REQUIRE(*slots < FLOW_STATES_MAX);
		in->slot = (*slots)++;
		c->states[in->slot] = &in->states;
		in->state_head =
			ops->flow_state_head > 0 ? ops->flow_state_head : ops->flow_state_size;
		int err = pool_init(
			&in->states, settings->dpi_states_max, (ops->flow_state_size + 7) & ~7u);
		if (err)
			return err;
		if (settings->prefault)
			pool_prefault(&in->states);
	}
	c->dpi |= ops->verdicts;
	int err = ops->open(&in->self, &config);
	if (!err && ops->bytes != NULL)
		c->library_bytes += ops->bytes(in->self);
	return err;
}

int classify_new(
	struct classify **ret, const struct classify_settings *settings, struct counters *counters)
{
	struct classify *c = calloc(1, sizeof(*c));
	uint8_t slots = 0;

	if (c == NULL)
		return -ENOMEM;
	c->counters = counters;
	c->excluded = settings->excluded;
	c->taxonomy.protocol[0] = "Unknown";
	if (settings->dpi_admitted > 0)
		c->admission_ns = NS_PER_S / settings->dpi_admitted;
	int err = findings_pool_init(&c->findings, settings->findings_max, counters);
	if (err)
		goto fail;
	if (settings->prefault)
		pool_prefault(&c->findings.chunks);
	for (const struct classifier_ops *const *ops = settings->classifiers; *ops != NULL; ops++) {
		if ((*ops)->verdicts && !settings->dpi)
			continue;
		REQUIRE(c->count < CLASSIFIERS_MAX);
		err = instance_open(c, settings, *ops, &slots);
		if (err)
			goto fail;
	}
	c->tcp = wanting(c, WANTS_TCP_PAYLOAD);
	c->tcp_bare = wanting(c, WANTS_TCP_BARE);
	c->udp = wanting(c, WANTS_UDP_PAYLOAD);
	c->other = wanting(c, WANTS_OTHER);
	c->dns = wanting(c, WANTS_DNS);
	c->dhcp = wanting(c, WANTS_DHCP);
	c->arp = wanting(c, WANTS_ARP);
	c->ndp = wanting(c, WANTS_NDP);
	for (uint32_t i = 0; i < c->count; i++)
		if (c->instances[i].ops->whole_packets)
			c->whole = (uint16_t)(c->whole | 1u << i);
	*ret = c;
	return 0;
fail:
	classify_free(c);
	return err;
}

void classify_free(struct classify *c)
{
	if (c == NULL)
		return;
	for (uint32_t i = 0; i < c->count; i++) {
		c->instances[i].ops->close(c->instances[i].self);
		pool_fini(&c->instances[i].states);
	}
	findings_pool_fini(&c->findings);
	free(c);
}

void classify_memory(const struct classify *c, struct memory_pools *pools)
{
	size_t states = 0;

	for (uint32_t i = 0; i < c->count; i++)
		states += pool_bytes(&c->instances[i].states);
	memory_pools_add(pools, "names of flows", MEMORY_UNKNOWN, pool_bytes(&c->findings.chunks));
	memory_pools_add(pools, "DPI states", MEMORY_UNKNOWN, states);
	memory_pools_add(pools, "DPI library", MEMORY_UNKNOWN, c->library_bytes);
}

const struct taxonomy *classify_taxonomy(const struct classify *c)
{
	return &c->taxonomy;
}
