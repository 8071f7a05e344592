// What a run captures from: sources.h.
#include "core/shard/sources.h"

#include "core/base/compiler.h"
#include "core/base/hash.h"
#include "core/packet/capture_clock.h"
#include "core/packet/capture_merge.h"

#include <errno.h>
#include <stdlib.h>

enum { FILES_MAX = MERGE_SOURCES_MAX }; // as in SETTINGS
enum { PURPOSE_FANOUT = 0x66616e6f };

uint32_t sources_captures(const struct sources *s)
{
	return settings_live(s->settings) ? s->interfaces->count
					  : (uint32_t)s->settings->files.count;
}

void sources_init(struct sources *s, const struct settings *settings,
	const struct interfaces *interfaces, const struct capture_ops *capture)
{
	*s = (struct sources){
		.settings = settings,
		.interfaces = interfaces,
		.capture = capture,
		.count = interfaces->count,
		.wall_offset_ns = capture_clock_wall_offset_ns(),
	};
	s->merged = sources_captures(s) > 1 || interfaces->items[0].role == ROLE_WAN;
	if (settings->fanout == FANOUT_FLOW)
		s->fanout_key = hash_key_new(settings->seed, PURPOSE_FANOUT).k0 | 1;
	s->ops = s->merged ? &merge_capture_ops : capture;
}

static struct capture_config config_of(const struct sources *s, uint32_t i, uint16_t queues)
{
	const struct settings *settings = s->settings;
	bool live = settings_live(settings);
	const char *interface = live ? s->interfaces->items[i].name : "";

	return (struct capture_config){
		.file = live ? NULL : settings->files.items[i].value,
		.interface = *interface != '\0' ? interface : NULL,
		.filter = settings->filter,
		.snaplen = (uint32_t)settings->snaplen,
		.buffer_bytes = settings->buffer,
		.poll_ms = (uint32_t)(settings->poll / NS_PER_MS),
		.mtu = (uint16_t)settings->mtu,
		.promiscuous = settings->promiscuous,
		.packet_clock = settings->packet_clock,
		.wall_offset_ns = s->wall_offset_ns,
		.exit_idle_ns = settings->exit_idle,
		.iface = live ? (uint8_t)i : 0,
		.queues = queues,
		.fanout_key = s->fanout_key,
	};
}

bool sources_share(const struct sources *s, uint16_t queues)
{
	bool all = settings_live(s->settings);

	for (uint32_t i = 0; i < sources_captures(s) && s->capture->shares != NULL; i++) {
		struct capture_config config = config_of(s, i, queues);
		all = all && s->capture->shares(&config);
	}
	return all;
}

int sources_open(const struct sources *s, struct capture **ret, const struct sources_queue *queue,
	char error[CAPTURE_ERROR_SIZE])
{
	struct capture_config configs[FILES_MAX];
	bool counted_only[FILES_MAX] = {0};
	uint32_t count = sources_captures(s);

	REQUIRE(count <= FILES_MAX);
	for (uint32_t i = 0; i < count; i++) {
		configs[i] = config_of(s, i, queue->count);
		counted_only[i] =
			settings_live(s->settings) && s->interfaces->items[i].role == ROLE_WAN;
	}
	if (!s->merged) {
		configs[0].first = queue->first;
		return s->capture->open(ret, &configs[0], queue->number, error);
	}
	struct merge_config merge = {
		.ops = s->capture,
		.sources = configs,
		.count = count,
		.counted_only = counted_only,
		.counters = queue->counters,
		.exit_idle_ns = s->settings->exit_idle,
		.first = queue->first,
	};
	return merge_open(ret, &merge, queue->number, error);
}
