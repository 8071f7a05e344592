// Dispatch: the reader's side, then the shards' ends.
//
// What a source lends is not copied: the shard reads it where it lies (of a plain capture file, in
// the page cache), and the source leaves it there until the last block that points into it came
// back. A packet of a kilobyte costs its shard what a small one does.
#include "core/shard/dispatch.h"

#include "core/base/memory.h"
#include "core/base/ring.h"
#include "core/flow/flow_key.h"
#include "core/packet/decode.h"

#include <errno.h>
#include <string.h>

enum {
	BLOCKS = 64, // of each shard; a power of two
	FRAME_MAX = 262144, // no source has larger ones
	BLOCK_SIZE = FRAME_MAX, // octets of frames: more than a batch of Ethernet's
	// The reader's batches, for each shard, after which blocks go out though they are not full:
	// what stands in one holds its shard's clock back.
	BATCHES_HELD = 8,
	OWN_BLOCKS = 4, // the reading shard's, which takes them at once
	FLOW_WORDS = sizeof(struct flow_key) / sizeof(uint64_t),
	BLOCK_LOANS = 2, // parts of a file that a block may point into
};

struct block {
	struct packet_batch batch; // as its shard takes it
	struct capture_loan *loans[BLOCK_LOANS]; // held: frames that lie where the source has them
	uint32_t loan_count;
	uint32_t used; // octets of frames
	uint8_t *frames; // BLOCK_SIZE: copies of those that the source does not lend
};

// A shard's end.
struct capture {
	struct ring full; // reader: puts, shard: takes
	struct ring empty; // shard: puts, reader: takes
	struct block *filling; // reader
	struct dispatch *reads; // whose reader its shard is; NULL: of none
	_Alignas(CACHE_LINE) struct block *taken; // shard, until it releases it
	struct packet_batch none; // shard: what it takes when nothing came, its clock so far
	_Alignas(CACHE_LINE) _Atomic uint64_t clock_ns; // reader: wo, shard: ro
	_Atomic bool ended; // reader: wo, shard: ro
};

struct dispatch {
	struct dispatch_config config;
	struct packet_batch batch; // the source's
	struct capture_loan *loan; // what its bytes lie in; NULL: they must be copied
	uint32_t next; // of it, to be handed over
	uint32_t batches; // since all blocks went out
	uint64_t now_ns; // time of what was handed over last
	int error; // before `ended`
	_Atomic bool ended; // reader: wo, main: ro
	_Atomic bool stopped; // main: wo, reader: ro
	uint64_t factors[FLOW_WORDS]; // secret, odd
	struct block *blocks;
	uint8_t *frames;
	struct capture ends[];
};

static size_t frames_bytes(const struct dispatch *d)
{
	return (size_t)d->config.shard_count * BLOCKS * BLOCK_SIZE;
}

static size_t blocks_bytes(const struct dispatch *d)
{
	return (size_t)d->config.shard_count * BLOCKS * sizeof(struct block);
}

static int end_init(struct dispatch *d, uint32_t shard)
{
	struct capture *end = &d->ends[shard];
	bool own = d->config.first_reads && shard == 0;

	end->reads = own ? d : NULL;
	int err = ring_init(&end->full, BLOCKS);
	if (!err)
		err = ring_init(&end->empty, BLOCKS);
	for (size_t i = 0; !err && i < (own ? OWN_BLOCKS : BLOCKS); i++) {
		size_t at = (size_t)shard * BLOCKS + i;
		d->blocks[at].frames = d->frames + at * BLOCK_SIZE;
		ring_put(&end->empty, &d->blocks[at]);
	}
	return err;
}

int dispatch_new(struct dispatch **ret, const struct dispatch_config *config)
{
	size_t size = sizeof(struct dispatch) + config->shard_count * sizeof(struct capture);
	struct dispatch *d = aligned_alloc(CACHE_LINE, size);

	if (d == NULL)
		return -ENOMEM;
	memset(d, 0, size);
	d->config = *config;
	for (uint64_t i = 0; i < FLOW_WORDS; i++)
		d->factors[i] = hash_words(&config->key, &i, 1) | 1;
	d->blocks = memory_reserve(blocks_bytes(d));
	d->frames = memory_reserve(frames_bytes(d));
	int err = d->blocks == NULL || d->frames == NULL ? -ENOMEM : 0;
	for (uint32_t i = 0; !err && i < config->shard_count; i++)
		err = end_init(d, i);
	if (err) {
		dispatch_free(d);
		return err;
	}
	*ret = d;
	return 0;
}
static_assert(
	sizeof(struct dispatch) % CACHE_LINE == 0 && sizeof(struct capture) % CACHE_LINE == 0);

void dispatch_free(struct dispatch *d)
{
	if (d == NULL)
		return;
	for (uint32_t i = 0; i < d->config.shard_count; i++) {
		ring_fini(&d->ends[i].full);
		ring_fini(&d->ends[i].empty);
	}
	memory_release(d->blocks, blocks_bytes(d));
	memory_release(d->frames, frames_bytes(d));
	free(d);
}

size_t dispatch_bytes(const struct dispatch *d)
{
	return blocks_bytes(d) + frames_bytes(d);
}

struct capture *dispatch_end(struct dispatch *d, uint32_t shard)
{
	return &d->ends[shard];
}

// ---- the reader

// Shares flows out: a multilinear hash, of which the upper half is used. Less of a hash than the
// flow tables', and enough where a few bits are of use and nobody learns the key.
static uint64_t spread(const uint64_t factors[FLOW_WORDS], const struct flow_key *flow)
{
	const uint64_t *words = (const uint64_t *)(const void *)flow;
	uint64_t hash = 0;

	for (unsigned i = 0; i < FLOW_WORDS; i++)
		hash += (words[i] ^ words[i] >> 32) * factors[i];
	return hash;
}

// Both directions of a flow meet on one shard, as they do in one flow. What is of no flow (ARP,
// neighbour discovery) goes to the first.
static struct capture *end_of(struct dispatch *d, const struct packet *p)
{
	const struct packet_extra *extra = &d->batch.extra[p - d->batch.packets];
	struct flow_key key;

	if (p->fate != PACKET_FLOW)
		return &d->ends[0];
	flow_key_of(&key, p, extra, d->config.vlan_in_key, d->config.iface_group[p->iface]);
	uint64_t hash = spread(d->factors, &key) >> 32;
	return &d->ends[hash * d->config.shard_count >> 32];
}

static void hand_over(struct capture *end)
{
	struct block *block = end->filling;

	if (block == NULL)
		return;
	block->batch.now_ns = block->batch.packets[block->batch.count - 1].time_ns;
	REQUIRE(ring_put(&end->full, block)); // it has a slot for each block
	end->filling = NULL;
}

// Of every shard: all blocks go out, and then its clock is the reader's.
static void hand_all_over(struct dispatch *d)
{
	for (uint32_t i = 0; i < d->config.shard_count; i++) {
		hand_over(&d->ends[i]);
		atomic_store_explicit(&d->ends[i].clock_ns, d->now_ns, memory_order_release);
	}
	d->batches = 0;
}

// A shard for which nothing is kept back knows what time it is.
static void tell_time(struct dispatch *d)
{
	for (uint32_t i = 0; i < d->config.shard_count; i++)
		if (d->ends[i].filling == NULL)
			atomic_store_explicit(
				&d->ends[i].clock_ns, d->now_ns, memory_order_release);
}

// Whether the block can hold one more packet's bytes, lent or copied.
static bool has_room(const struct block *block, const struct packet *p, struct capture_loan *loan)
{
	if (loan == NULL)
		return p->cap_len <= BLOCK_SIZE - block->used;
	return block->loan_count < BLOCK_LOANS || block->loans[BLOCK_LOANS - 1] == loan;
}

static const uint8_t *hold_frame(
	struct block *block, const struct packet *p, struct capture_loan *loan)
{
	if (block->loan_count == 0 || block->loans[block->loan_count - 1] != loan) {
		capture_hold(loan);
		block->loans[block->loan_count++] = loan;
	}
	return p->data;
}

static const uint8_t *copy_frame(struct block *block, const struct packet *p)
{
	uint8_t *frame = block->frames + block->used;

	memcpy(frame, p->data, p->cap_len);
	block->used += (p->cap_len + CACHE_LINE - 1) & ~(uint32_t)(CACHE_LINE - 1);
	return frame;
}

static void add_packet(struct block *block, const struct packet *p,
	const struct packet_extra *extra, struct capture_loan *loan)
{
	uint32_t i = block->batch.count++;

	block->batch.packets[i] = *p;
	block->batch.packets[i].data =
		loan != NULL ? hold_frame(block, p, loan) : copy_frame(block, p);
	block->batch.extra[i] = *extra;
}

// False when its shard has no room.
static bool hand_packet(struct dispatch *d, uint32_t i)
{
	const struct packet *p = &d->batch.packets[i];

	if (p->fate == PACKET_DROPPED || p->fate == PACKET_CONSUMED)
		return true; // decode has counted it
	struct capture *end = end_of(d, p);
	if (end->filling != NULL && !has_room(end->filling, p, d->loan))
		hand_over(end);
	if (end->filling == NULL) {
		end->filling = ring_take(&end->empty);
		if (end->filling == NULL)
			return false;
		end->filling->batch.count = end->filling->used = end->filling->loan_count = 0;
	}
	add_packet(end->filling, p, &d->batch.extra[i], d->loan);
	if (end->filling->batch.count == PACKET_BATCH_MAX)
		hand_over(end);
	return true;
}

// Hands over what was read, as far as there is room. Returns the count.
static int hand_batch(struct dispatch *d)
{
	uint32_t from = d->next, count = d->batch.count;

	for (; d->next < count && hand_packet(d, d->next); d->next++)
		d->now_ns = d->batch.packets[d->next].time_ns;
	int handed = (int)(d->next - from);
	if (d->next < count) {
		// Everybody else goes on meanwhile, or the ledger might wait for whom we keep
		// short.
		hand_all_over(d);
		return handed;
	}
	d->config.ops->release(d->config.source, &d->batch);
	d->batch.count = d->next = 0;
	if (++d->batches >= BATCHES_HELD * d->config.shard_count)
		hand_all_over(d);
	else
		tell_time(d);
	return handed;
}

static struct capture_loan *loan_of(const struct dispatch *d)
{
	const struct capture_ops *ops = d->config.ops;

	return ops->loan != NULL ? ops->loan(d->config.source) : NULL;
}

static int end_source(struct dispatch *d)
{
	hand_all_over(d);
	for (uint32_t i = 0; i < d->config.shard_count; i++)
		atomic_store_explicit(&d->ends[i].ended, true, memory_order_release);
	atomic_store_explicit(&d->ended, true, memory_order_release);
	return -ENODATA;
}

int dispatch_step(struct dispatch *d)
{
	if (dispatch_ended(d))
		return -ENODATA;
	if (d->next < d->batch.count)
		return hand_batch(d);
	if (atomic_load_explicit(&d->stopped, memory_order_relaxed))
		return end_source(d);
	int count = d->config.ops->receive(d->config.source, &d->batch);
	if (count > 0) {
		if (d->config.dedup != NULL)
			dedup_batch(d->config.dedup, &d->batch, d->config.counters);
		decode_batch(&d->batch, d->config.counters);
		d->loan = loan_of(d);
		return hand_batch(d);
	}
	d->now_ns = MAX(d->now_ns, d->batch.now_ns);
	d->batch.count = 0;
	if (count == 0) {
		hand_all_over(d);
		return 0;
	}
	d->error = count == -ENODATA ? 0 : count;
	return end_source(d);
}

void dispatch_stop(struct dispatch *d)
{
	atomic_store_explicit(&d->stopped, true, memory_order_relaxed);
}

bool dispatch_ended(const struct dispatch *d)
{
	return atomic_load_explicit(&d->ended, memory_order_acquire);
}

int dispatch_error(const struct dispatch *d)
{
	return dispatch_ended(d) ? d->error : 0;
}

// ---- a shard's end

// The headers of all its packets under way: they lie in the cache of another core.
static void prefetch_headers(const struct packet_batch *batch)
{
	for (uint32_t i = 0; i < batch->count; i++) {
		const struct packet *p = &batch->packets[i];
		__builtin_prefetch(p->data + p->l3_offset);
		__builtin_prefetch(p->data + p->l4_offset + 16);
	}
}

// The reading shard reads on until a block of its own is there, or there is nothing to read, or no
// room for what was read, or all shards' share of BATCHES_HELD was read. Returns the last step's
// count.
static int read_on(struct dispatch *d, struct block **ret)
{
	struct capture *own = &d->ends[0];
	uint32_t batches = 0;
	int handed = 1;

	*ret = ring_take(&own->full);
	while (*ret == NULL && handed > 0 && batches++ < BATCHES_HELD * d->config.shard_count) {
		handed = dispatch_step(d);
		*ret = ring_take(&own->full);
	}
	if (*ret == NULL) {
		hand_over(own);
		*ret = ring_take(&own->full);
	}
	own->none.now_ns = d->now_ns;
	counters_publish(d->config.counters);
	return handed;
}

static int take_and_read(struct capture *end, struct packet_batch **ret)
{
	struct block *block;
	int handed = read_on(end->reads, &block);

	*ret = &end->none;
	if (block == NULL)
		return handed;
	end->taken = block;
	*ret = &block->batch;
	return (int)block->batch.count;
}

static int end_take(struct capture *end, struct packet_batch **ret)
{
	if (end->reads != NULL)
		return take_and_read(end, ret);
	// The clock first: whoever sees it sees all blocks that are earlier. So with the end.
	uint64_t clock_ns = atomic_load_explicit(&end->clock_ns, memory_order_acquire);
	bool ended = atomic_load_explicit(&end->ended, memory_order_acquire);
	struct block *block = ring_take(&end->full);

	*ret = &end->none;
	if (block == NULL) {
		end->none.now_ns = MAX(end->none.now_ns, clock_ns);
		return ended ? -ENODATA : 0;
	}
	end->taken = block;
	end->none.now_ns = block->batch.now_ns;
	prefetch_headers(&block->batch);
	*ret = &block->batch;
	return (int)block->batch.count;
}

static void end_pause(struct capture *end)
{
	if (end->reads != NULL)
		hand_all_over(end->reads);
}

static void end_release(struct capture *end, struct packet_batch *)
{
	struct block *block = end->taken;

	for (uint32_t i = 0; i < block->loan_count; i++)
		capture_give_back(block->loans[i]);
	REQUIRE(ring_put(&end->empty, block));
	end->taken = NULL;
}

static void end_stats(struct capture *end, struct capture_stats *ret)
{
	*ret = (struct capture_stats){0}; // the reader has them
	if (end->reads != NULL)
		end->reads->config.ops->stats(end->reads->config.source, ret);
}

static const char *end_error(struct capture *)
{
	return "";
}

static void end_close(struct capture *) {}

const struct capture_ops dispatch_capture_ops = {
	.name = "dispatch",
	.decoded = true,
	.take = end_take,
	.pause = end_pause,
	.release = end_release,
	.stats = end_stats,
	.error = end_error,
	.close = end_close,
};
