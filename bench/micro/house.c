// The House's day for the micro benches: frames in memory, events as a shard makes them.
#include "bench/micro/micro.h"

#include "capture/pcap_capture.h"
#include "core/settings/settings.h"
#include "core/shard/shard.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { RING_BYTES = 4 << 20 };

static struct capture *open_capture(const char *path)
{
	struct capture_config config = {.file = path};
	struct capture *capture;
	char error[CAPTURE_ERROR_SIZE];

	int err = pcap_capture_ops.open(&capture, &config, 0, error);
	if (err)
		micro_fail(error, err);
	return capture;
}

// A batch with bytes of its own.
static void keep(struct house *house, const struct packet_batch *batch)
{
	house->batches =
		realloc(house->batches, (house->batch_count + 1) * sizeof(*house->batches));
	if (house->batches == NULL)
		micro_fail("memory", -ENOMEM);
	struct packet_batch *copy = &house->batches[house->batch_count++];
	*copy = *batch;
	for (uint32_t i = 0; i < batch->count; i++) {
		const struct packet *p = &batch->packets[i];
		uint8_t *bytes = micro_alloc(p->cap_len + 1u);
		memcpy(bytes, p->data, p->cap_len);
		copy->packets[i].data = bytes;
	}
	house->packet_count += batch->count;
}

static void load_packets(struct house *house, const char *path)
{
	struct packet_batch *batch = micro_alloc(sizeof(*batch));
	struct capture *capture = open_capture(path);

	while (pcap_capture_ops.receive(capture, batch) > 0) {
		keep(house, batch);
		pcap_capture_ops.release(capture, batch);
	}
	pcap_capture_ops.close(capture);
	free(batch);
}

static void take_events(struct house *house, struct event_ring *ring)
{
	const struct event *event;

	while ((event = event_ring_peek(ring)) != NULL) {
		house->events = realloc(house->events, house->events_len + event->size);
		if (house->events == NULL)
			micro_fail("memory", -ENOMEM);
		memcpy(house->events + house->events_len, event, event->size);
		house->events_len += event->size;
		house->event_count++;
		house->segment_count += event->kind == EVENT_SEGMENT;
		event_ring_pop(ring);
	}
}

static void load_events(struct house *house, const char *path, const struct settings *s)
{
	static const uint8_t iface_group[256];
	struct flow_settings flows = {
		.flows_max = (uint32_t)s->flows_max,
		.idle_tcp_ns = s->idle_tcp,
		.idle_udp_ns = s->idle_udp,
		.idle_icmp_ns = s->idle_icmp,
		.idle_closed_ns = s->idle_closed,
		.active_ns = s->active,
		.iface_group = iface_group,
		.key = hash_key_new(1, 1),
	};
	struct classify_settings classify = {
		.dpi_states_max = (uint32_t)s->dpi_states_max,
		.dpi_memory_bytes = s->dpi_memory,
		.dpi_packets_max = (uint16_t)s->dpi_packets_max,
		.findings_max = (uint32_t)s->findings_max,
		.dpi = true,
		.classifiers = classifiers,
	};
	struct shard *shard = micro_alloc(sizeof(*shard));
	struct event_ring *ring = micro_alloc(sizeof(*ring));

	int err = event_ring_init(ring, RING_BYTES, house->counters);
	if (!err)
		err = flow_table_new(&shard->flows, &flows, house->counters);
	if (!err)
		err = classify_new(&house->classify, &classify, house->counters);
	if (err)
		micro_fail("start", err);
	shard->ops = &pcap_capture_ops;
	shard->capture = open_capture(path);
	shard->counters = house->counters;
	shard->events = ring;
	shard->classify = house->classify;
	while (shard_step(shard) >= 0)
		take_events(house, ring);
	take_events(house, ring);
	pcap_capture_ops.close(shard->capture);
	flow_table_free(shard->flows);
	event_ring_fini(ring);
	free(ring);
	free(shard);
}

void house_load(struct house *house, const char *path)
{
	struct settings settings;

	int err = settings_init(&settings);
	if (err)
		micro_fail("settings", err);
	*house = (struct house){.counters = micro_alloc(sizeof(*house->counters))};
	load_packets(house, path);
	load_events(house, path, &settings);
	settings_fini(&settings);
}

void house_free(struct house *house)
{
	for (uint32_t i = 0; i < house->batch_count; i++)
		for (uint32_t k = 0; k < house->batches[i].count; k++)
			free((void *)house->batches[i].packets[k].data);
	classify_free(house->classify);
	free(house->batches);
	free(house->events);
	free(house->counters);
}
