// A shard: one core's whole way from packets to events.
#include "core/shard/shard.h"

#include "core/packet/decode.h"

#include <errno.h>

enum {
	// Flows ended between two looks at the ring's room.
	END_STRIDE = PACKET_BATCH_MAX,
	// What a batch may say at the worst: each packet ends a flow and brings answers or facts.
	TURN_EVENTS_MAX = 2 * PACKET_BATCH_MAX * EVENT_SIZE_MAX,
};

static bool may_speak(const struct shard *s)
{
	return event_ring_room(s->events) >= TURN_EVENTS_MAX &&
		(s->events_held == 0 || event_ring_held(s->events) < s->events_held) &&
		!event_ring_paused(s->events);
}

// Ends what is due as far as the ring has room; the clock says how far that was.
static bool expire(struct shard *s)
{
	bool all = false;

	while (!all && may_speak(s)) {
		all = flow_table_expire(s->flows, s->now_ns, END_STRIDE);
		classify_finish(s->classify, s->flows, s->events);
	}
	event_ring_publish(s->events, flow_table_clock(s->flows, s->now_ns));
	return all;
}

static void publish_counts(struct shard *s)
{
	counters_publish(s->counters);
	atomic_store_explicit(&s->flows_now, flow_table_count(s->flows), memory_order_relaxed);
}

// The source is dry: every flow that remains gets its last segment.
static int flush(struct shard *s)
{
	if (!expire(s))
		return 0;
	while (!s->flushed && may_speak(s)) {
		s->flushed = flow_table_flush(s->flows, s->now_ns, END_STRIDE);
		classify_finish(s->classify, s->flows, s->events);
	}
	event_ring_publish(
		s->events, s->flushed ? s->now_ns : flow_table_clock(s->flows, s->now_ns));
	publish_counts(s);
	if (s->flushed)
		event_ring_end(s->events);
	return s->flushed ? -ENODATA : 0;
}

// Everything that happens to packets, in the order data flows.
static void process(struct shard *s, struct packet_batch *batch)
{
	if (s->dedup != NULL)
		dedup_batch(s->dedup, batch, s->counters);
	if (!s->ops->decoded)
		decode_batch(batch, s->counters);
	flow_table_prepare(s->flows, batch);
	if (s->ops->confirm != NULL)
		s->ops->confirm(s->capture, batch, s->counters);
	for (uint32_t from = 0, to; from < batch->count; from = to) {
		// Stops before a packet that ends or cuts a flow touched since `from`, so that no
		// row depends on where a batch ends.
		to = flow_table_update(s->flows, batch, from);
		classify_finish(s->classify, s->flows, s->events);
		classify_batch(s->classify, batch, from, to, s->events);
	}
	s->ops->release(s->capture, batch);
}

int shard_step(struct shard *s)
{
	struct packet_batch *batch = &s->batch;
	int count;

	if (!may_speak(s)) {
		if (s->ops->pause != NULL)
			s->ops->pause(s->capture);
		return 0;
	}
	if (s->ended)
		return flush(s);

	if (s->ops->take != NULL)
		count = s->ops->take(s->capture, &batch);
	else
		count = s->ops->receive(s->capture, batch);
	s->now_ns = batch->now_ns;
	if (count > 0 && batch->count > 0)
		process(s, batch);
	if (count < 0 && count != -ENETDOWN) { // an interface that is down may come back
		s->ended = true;
		s->error = count == -ENODATA ? 0 : count;
	}
	expire(s);
	publish_counts(s);
	return MAX(count, 0);
}

void shard_stop(struct shard *s)
{
	s->ended = true;
}
