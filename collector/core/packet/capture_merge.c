// Several capture sources as one: capture_merge.h.
#include "core/packet/capture_merge.h"

#include "core/base/compiler.h"
#include "core/packet/capture_clock.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

// While others have packets, a silent interface is asked once in so many turns.
enum { ASK_EVERY = 8 };
// Batches that are only counted, taken in one turn.
enum { COUNTED_MAX = 64 };

struct merge_source {
	struct capture *capture;
	uint32_t at; // of the batch, not handed on yet
	bool ended;
	bool down; // an interface that may come up again
	bool counted_only;
	uint64_t packets, bytes; // so far
	// Why it is down, why it ended: each written once, before somebody may be reading it.
	char why_down[CAPTURE_ERROR_SIZE], why_ended[CAPTURE_ERROR_SIZE];
	// Owner: wo, others: ro, like all that follows.
	_Atomic(const char *) broken; // NULL, or one of them
	_Atomic uint64_t seen_packets, seen_bytes, dropped_kernel, dropped_nic;
	_Atomic uint64_t nic_lost[NIC_LOSS_COUNT], times_down;
	_Atomic int64_t clock_step_ns;
	struct packet_batch batch;
};

struct capture {
	const struct capture_ops *ops;
	struct counters *counters;
	bool live;
	int poll_ms;
	uint32_t turn;
	uint64_t last_ns; // table time so far
	uint64_t exit_idle_ns;
	struct capture_clock clock; // for the above
	uint32_t count;
	struct pollfd *waits; // one a source
	struct merge_source sources[];
};

static void merge_close(struct capture *m)
{
	if (m == NULL)
		return;
	for (uint32_t i = 0; i < m->count; i++)
		m->ops->close(m->sources[i].capture);
	free(m->waits);
	free(m);
}

static int open_source(struct capture *m, uint32_t i, const struct merge_config *config,
	uint16_t queue, char error[CAPTURE_ERROR_SIZE])
{
	struct capture_config one = config->sources[i];
	struct merge_source *s = &m->sources[i];

	one.first = config->first != NULL ? config->first->sources[i].capture : NULL;
	one.exit_idle_ns = 0; // all are asked together
	one.shared_wait = true;
	s->counted_only = config->counted_only[i];
	int err = m->ops->open(&s->capture, &one, queue, error);
	m->waits[i] = (struct pollfd){.fd = -1, .events = POLLIN};
	return err;
}

int merge_open(struct capture **ret, const struct merge_config *config, uint16_t queue,
	char error[CAPTURE_ERROR_SIZE])
{
	size_t size = sizeof(struct capture) + config->count * sizeof(struct merge_source);
	struct capture *m = aligned_alloc(CACHE_LINE, size);
	int err = 0;

	REQUIRE(config->count <= MERGE_SOURCES_MAX);
	if (m != NULL) {
		memset(m, 0, size);
		m->waits = calloc(config->count, sizeof(*m->waits));
	}
	if (m == NULL || m->waits == NULL) {
		free(m);
		snprintf(error, CAPTURE_ERROR_SIZE, "no memory for %u sources", config->count);
		return -ENOMEM;
	}
	m->ops = config->ops;
	m->counters = config->counters;
	m->live = config->sources[0].file == NULL;
	m->poll_ms = (int)MAX(config->sources[0].poll_ms, 1u);
	m->exit_idle_ns = config->exit_idle_ns;
	m->count = config->count;
	for (uint32_t i = 0; !err && i < m->count; i++)
		err = open_source(m, i, config, queue, error);
	if (err)
		merge_close(m);
	else
		*ret = m;
	return err;
}
static_assert(
	sizeof(struct capture) % CACHE_LINE == 0 && sizeof(struct merge_source) % CACHE_LINE == 0);

static int merge_start(struct capture *m, char error[CAPTURE_ERROR_SIZE])
{
	int err = 0;

	for (uint32_t i = 0; !err && i < m->count && m->ops->start != NULL; i++)
		err = m->ops->start(m->sources[i].capture, error);
	return err;
}

// ---- one source

static bool has_packet(const struct merge_source *s)
{
	return s->at < s->batch.count;
}

// Of the flows that pass here none is made: the packets are seen, and done with.
static void count_only(struct capture *m, struct merge_source *s)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < s->batch.count; i++)
		bytes += s->batch.packets[i].wire_len;
	counter_add(m->counters, COUNTER_packets, s->batch.count);
	counter_add(m->counters, COUNTER_packets_consumed, s->batch.count);
	counter_add(m->counters, COUNTER_bytes, bytes);
	s->packets += s->batch.count;
	s->bytes += bytes;
	m->ops->release(s->capture, &s->batch);
	s->batch.count = 0;
	m->clock.idle_since_ns = 0;
}

static void stop(const struct capture *m, struct merge_source *s, int err)
{
	s->ended = err != -ENETDOWN || !m->live;
	char *why = s->ended ? s->why_ended : s->why_down;
	if (*why == '\0')
		snprintf(why, CAPTURE_ERROR_SIZE, "%s", m->ops->error(s->capture));
	atomic_store_explicit(&s->broken, err != -ENODATA ? why : NULL, memory_order_release);
}

// Nothing comes of it, now or ever. One that is down may come back.
static bool is_over(const struct merge_source *s)
{
	return (s->ended || s->down) && !has_packet(s);
}

// The source's next batch, when all of the one before has been handed on. Whether anything came.
static bool ask(struct capture *m, struct merge_source *s)
{
	if (s->ended || has_packet(s))
		return has_packet(s);
	if (s->batch.count > 0)
		m->ops->release(s->capture, &s->batch);
	s->at = 0;
	int count = m->ops->receive(s->capture, &s->batch);
	if (count <= 0)
		s->batch.count = 0;
	if (count < 0 && !s->down)
		stop(m, s, count);
	else if (count >= 0 && s->down)
		atomic_store_explicit(&s->broken, NULL, memory_order_release);
	s->down = count == -ENETDOWN && m->live;
	return count > 0;
}

static bool ask_and_count(struct capture *m, struct merge_source *s)
{
	uint32_t batches = 0;

	if (!s->counted_only)
		return ask(m, s);
	for (; batches < COUNTED_MAX && ask(m, s); batches++)
		count_only(m, s);
	return batches > 0;
}

// ---- all of them

static bool all_over(const struct capture *m)
{
	uint32_t over = 0;

	for (uint32_t i = 0; i < m->count; i++)
		over += is_over(&m->sources[i]);
	return over == m->count;
}

// Files: whether the earliest packet is known. All ended: so it is, there is none.
static bool fill_files(struct capture *m)
{
	bool known = true;

	for (uint32_t i = 0; i < m->count; i++)
		if (!ask(m, &m->sources[i]) && !m->sources[i].ended)
			known = false;
	return known;
}

static bool ask_all(struct capture *m, bool silent_too)
{
	bool came = false;

	for (uint32_t i = 0; i < m->count; i++) {
		struct merge_source *s = &m->sources[i];
		if (silent_too || s->batch.count > 0)
			came |= ask_and_count(m, s);
	}
	return came;
}

static void fill_live(struct capture *m)
{
	bool silent_too = m->turn++ % ASK_EVERY == 0;

	if (ask_all(m, silent_too) || (!silent_too && ask_all(m, true)))
		return;
	// Without anything to wait for, a source that is polled waits by itself.
	bool waits = false;
	for (uint32_t i = 0; i < m->count; i++) {
		struct merge_source *s = &m->sources[i];
		bool waited = m->ops->descriptor != NULL && !is_over(s);
		m->waits[i].fd = waited ? m->ops->descriptor(s->capture) : -1;
		waits |= m->waits[i].fd >= 0;
	}
	if (!waits && all_over(m))
		poll(NULL, 0, m->poll_ms); // all that are left are down
	else if (waits && poll(m->waits, m->count, m->poll_ms) > 0)
		ask_all(m, true);
}

static uint64_t next_time(const struct merge_source *s)
{
	return s->batch.packets[s->at].time_ns;
}

// The source of the earliest packet, or NULL; `*ret_until`: the last time up to which it is that.
static struct merge_source *earliest(struct capture *m, uint64_t *ret_until)
{
	struct merge_source *first = NULL;
	uint64_t until = UINT64_MAX;

	for (uint32_t i = 0; i < m->count; i++) {
		struct merge_source *s = &m->sources[i];
		if (!has_packet(s))
			continue;
		uint64_t time_ns = next_time(s);
		if (first == NULL) {
			first = s;
		} else if (time_ns < next_time(first)) {
			until = next_time(first) - 1; // the other comes first among equals
			first = s;
		} else {
			until = MIN(until, time_ns);
		}
	}
	*ret_until = until;
	return first;
}

static void hand_on(struct capture *m, struct merge_source *s, struct packet_batch *batch)
{
	struct packet *p = &batch->packets[batch->count++];

	*p = s->batch.packets[s->at++];
	m->last_ns = MAX(m->last_ns, p->time_ns);
	p->time_ns = m->last_ns;
	s->packets++;
	s->bytes += p->wire_len;
}

// Up to a full batch, or until a source must be asked again, which ends what it handed out.
static void hand_out(struct capture *m, struct packet_batch *batch)
{
	struct merge_source *s;
	uint64_t until;

	while (batch->count < PACKET_BATCH_MAX && (s = earliest(m, &until)) != NULL) {
		if (batch->count > 0 && s->batch.link != batch->link)
			return;
		batch->link = s->batch.link;
		while (batch->count < PACKET_BATCH_MAX && has_packet(s) && next_time(s) <= until)
			hand_on(m, s, batch);
		if (!has_packet(s))
			return;
	}
}

// A turn in which nothing came has the clock of the source that is furthest behind.
static void tell_time(struct capture *m)
{
	uint64_t least_ns = UINT64_MAX;
	bool none = all_over(m);

	for (uint32_t i = 0; i < m->count; i++)
		if (!is_over(&m->sources[i]) || (none && !m->sources[i].ended))
			least_ns = MIN(least_ns, m->sources[i].batch.now_ns);
	if (least_ns != UINT64_MAX)
		m->last_ns = MAX(m->last_ns, least_ns);
}

// None is left: the error of the first that broke, if one did.
static int end_of(const struct capture *m)
{
	for (uint32_t i = 0; i < m->count; i++)
		if (merge_source_broken(m, i) != NULL)
			return -EIO;
	return -ENODATA;
}

static bool all_ended(const struct capture *m)
{
	uint32_t ended = 0;

	for (uint32_t i = 0; i < m->count; i++)
		ended += m->sources[i].ended && !has_packet(&m->sources[i]);
	return ended == m->count;
}

static int merge_receive(struct capture *m, struct packet_batch *batch)
{
	bool known = true;

	batch->count = 0;
	if (m->live)
		fill_live(m);
	else
		known = fill_files(m);
	if (known)
		hand_out(m, batch);
	if (m->live && batch->count == 0)
		tell_time(m);
	batch->now_ns = m->last_ns;
	if (batch->count > 0) {
		capture_clock_idle(&m->clock, batch, m->exit_idle_ns);
		return (int)batch->count;
	}
	if (all_ended(m))
		return end_of(m);
	return capture_clock_idle(&m->clock, batch, m->exit_idle_ns) ? -ENODATA : 0;
}

static void merge_confirm(struct capture *m, struct packet_batch *batch, struct counters *counters)
{
	struct capture_loan *loans[MERGE_SOURCES_MAX];
	uint32_t count = 0;

	for (uint32_t i = 0; i < m->count && m->ops->loan != NULL; i++)
		if ((loans[count] = m->ops->loan(m->sources[i].capture)) != NULL)
			count++;
	if (count > 0)
		capture_loan_confirm(loans, count, batch, counters);
}

// The bytes are the sources', each of which gets its own back when it is asked again.
static void merge_release(struct capture *, struct packet_batch *batch)
{
	batch->count = 0;
}

// ---- asking

static void merge_stats(struct capture *m, struct capture_stats *ret)
{
	*ret = (struct capture_stats){0};
	for (uint32_t i = 0; i < m->count; i++) {
		struct merge_source *s = &m->sources[i];
		struct capture_stats one;
		m->ops->stats(s->capture, &one);
		ret->dropped_kernel += one.dropped_kernel;
		ret->dropped_nic += one.dropped_nic;
		for (unsigned c = 0; c < NIC_LOSS_COUNT; c++) {
			ret->nic_lost[c] += one.nic_lost[c];
			atomic_store_explicit(
				&s->nic_lost[c], one.nic_lost[c], memory_order_relaxed);
		}
		if (i == 0)
			ret->clock_step_ns = one.clock_step_ns;
		atomic_store_explicit(&s->seen_packets, s->packets, memory_order_relaxed);
		atomic_store_explicit(&s->seen_bytes, s->bytes, memory_order_relaxed);
		atomic_store_explicit(&s->dropped_kernel, one.dropped_kernel, memory_order_relaxed);
		atomic_store_explicit(&s->dropped_nic, one.dropped_nic, memory_order_relaxed);
		ret->times_down += one.times_down;
		atomic_store_explicit(&s->times_down, one.times_down, memory_order_relaxed);
		atomic_store_explicit(&s->clock_step_ns, one.clock_step_ns, memory_order_relaxed);
	}
}

void merge_source_stats(const struct capture *m, uint32_t i, struct capture_stats *ret_stats,
	uint64_t *ret_packets, uint64_t *ret_bytes)
{
	const struct merge_source *s = &m->sources[i];

	*ret_stats = (struct capture_stats){
		.dropped_kernel = atomic_load_explicit(&s->dropped_kernel, memory_order_relaxed),
		.dropped_nic = atomic_load_explicit(&s->dropped_nic, memory_order_relaxed),
		.times_down = atomic_load_explicit(&s->times_down, memory_order_relaxed),
		.clock_step_ns = atomic_load_explicit(&s->clock_step_ns, memory_order_relaxed),
	};
	for (unsigned c = 0; c < NIC_LOSS_COUNT; c++)
		ret_stats->nic_lost[c] =
			atomic_load_explicit(&s->nic_lost[c], memory_order_relaxed);
	*ret_packets = atomic_load_explicit(&s->seen_packets, memory_order_relaxed);
	*ret_bytes = atomic_load_explicit(&s->seen_bytes, memory_order_relaxed);
}

const char *merge_source_broken(const struct capture *m, uint32_t i)
{
	return atomic_load_explicit(&m->sources[i].broken, memory_order_acquire);
}

static const char *merge_error(struct capture *m)
{
	for (uint32_t i = 0; i < m->count; i++) {
		const char *why = merge_source_broken(m, i);
		if (why != NULL)
			return why;
	}
	return "all sources have been read to their ends";
}

const struct capture_ops merge_capture_ops = {
	.name = "merge",
	.start = merge_start,
	.receive = merge_receive,
	.confirm = merge_confirm,
	.release = merge_release,
	.stats = merge_stats,
	.error = merge_error,
	.close = merge_close,
};
