// A lane: blocks and what stands in them, then the reader's end, then the shard's.
#include "core/shard/lane.h"

#include "core/base/memory.h"
#include "core/base/ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	BLOCKS = 128, // a power of two
	OWN_BLOCKS = 2, // of an own lane, where each is taken at once
	COPIES = 64, // how many of them have frames of their own at a time
	FRAME_MAX = 262144, // no source has larger ones
	BLOCK_SIZE = FRAME_MAX, // octets of frames: more than a batch of Ethernet's
	BLOCK_LOANS = 2, // parts of a file that a block may point into
	PARCEL_WHOLE = 0xff, // in `fate`
};

// A packet on its way to another core, where there is nothing unusual about it: half a cache line.
struct parcel {
	const uint8_t *data;
	uint64_t time_ns; // ts_ns as well
	uint16_t wire_len, cap_len, l3_len, payload_len;
	uint8_t l3_offset, l4_offset, l4_header_len, ip_proto, tcp_flags, bits, iface;
	uint8_t fate; // PARCEL_WHOLE: the packet stands in the block's batch
};
static_assert(sizeof(struct parcel) == CACHE_LINE / 2);

struct block {
	struct parcel parcels[PACKET_BATCH_MAX]; // not of an own lane
	uint32_t count;
	uint32_t used; // octets of frames
	// BLOCK_SIZE: copies of those that the source does not lend; NULL: none yet
	uint8_t *frames;
	struct capture_loan *loans[BLOCK_LOANS]; // held: frames that lie where the source has them
	uint32_t loan_count;
	// An own lane's packets, and whole ones.
	_Alignas(CACHE_LINE) struct packet_batch batch;
};

// The shard's end: what it has taken and not released, and the block that it takes next.
struct capture {
	struct lane *lane;
	struct block *taken, *ahead;
	uint32_t turn;
	struct packet_batch batches[2]; // of these blocks, in turn; not of an own lane
	struct packet_batch none; // when nothing came: its clock so far
};

struct lane {
	struct ring full; // reader: puts, shard: takes
	struct ring empty; // shard: puts, reader: takes
	bool own;
	// The reader's.
	struct block *blocks;
	uint8_t *frames;
	struct block *filling; // NULL: none
	struct block *spare[BLOCKS]; // empty ones
	uint32_t spare_count;
	uint8_t *spare_frames[COPIES];
	uint32_t spare_frames_count;
	_Alignas(CACHE_LINE) struct capture end; // the shard's
	_Alignas(CACHE_LINE) _Atomic uint64_t clock_ns; // reader: wo, shard: ro
	_Atomic bool ended; // reader: wo, shard: ro
};

enum {
	BLOCKS_BYTES = BLOCKS * sizeof(struct block),
	FRAMES_BYTES = COPIES * BLOCK_SIZE,
};

int lane_new(struct lane **ret, bool own)
{
	struct lane *lane = aligned_alloc(CACHE_LINE, sizeof(*lane));

	if (lane == NULL)
		return -ENOMEM;
	memset(lane, 0, sizeof(*lane));
	lane->own = own;
	lane->end.lane = lane;
	lane->blocks = memory_reserve(BLOCKS_BYTES);
	lane->frames = memory_reserve(FRAMES_BYTES);
	int err = lane->blocks == NULL || lane->frames == NULL ? -ENOMEM : 0;
	if (!err)
		err = ring_init(&lane->full, BLOCKS);
	if (!err)
		err = ring_init(&lane->empty, BLOCKS);
	if (err) {
		lane_free(lane);
		return err;
	}
	for (size_t i = 0; i < (own ? OWN_BLOCKS : BLOCKS); i++)
		lane->spare[lane->spare_count++] = &lane->blocks[i];
	for (size_t i = 0; i < COPIES; i++)
		lane->spare_frames[lane->spare_frames_count++] = lane->frames + i * BLOCK_SIZE;
	*ret = lane;
	return 0;
}

void lane_free(struct lane *lane)
{
	if (lane == NULL)
		return;
	ring_fini(&lane->full);
	ring_fini(&lane->empty);
	memory_release(lane->blocks, BLOCKS_BYTES);
	memory_release(lane->frames, FRAMES_BYTES);
	free(lane);
}

size_t lane_bytes(void)
{
	return BLOCKS_BYTES + FRAMES_BYTES;
}

// ---- what stands in a block

// False: it is not a usual packet, and does not fit.
static inline bool pack(struct parcel *to, const struct packet *p, const struct packet_extra *extra)
{
	if (unlikely(((p->wire_len | p->cap_len | p->l3_len) >> 16 |
			     (p->l3_offset | p->l4_offset) >> 8 | p->vlan | p->vlan_inner |
			     (p->bits & PACKET_COOKED_MAC) | extra->tunnel | extra->tunnel_id |
			     ~extra->mpls_label) != 0 ||
		    p->ts_ns != p->time_ns))
		return false;
	*to = (struct parcel){
		.data = p->data,
		.time_ns = p->time_ns,
		.wire_len = (uint16_t)p->wire_len,
		.cap_len = (uint16_t)p->cap_len,
		.l3_len = (uint16_t)p->l3_len,
		.payload_len = p->payload_len,
		.l3_offset = (uint8_t)p->l3_offset,
		.l4_offset = (uint8_t)p->l4_offset,
		.l4_header_len = p->l4_header_len,
		.ip_proto = p->ip_proto,
		.tcp_flags = p->tcp_flags,
		.bits = p->bits,
		.iface = p->iface,
		.fate = p->fate,
	};
	return true;
}

static inline void unpack(
	struct packet *to, struct packet_extra *extra, const struct parcel *parcel)
{
	*to = (struct packet){
		.data = parcel->data,
		.ts_ns = parcel->time_ns,
		.time_ns = parcel->time_ns,
		.wire_len = parcel->wire_len,
		.cap_len = parcel->cap_len,
		.l3_len = parcel->l3_len,
		.l3_offset = parcel->l3_offset,
		.l4_offset = parcel->l4_offset,
		.payload_len = parcel->payload_len,
		.l4_header_len = parcel->l4_header_len,
		.ip_proto = parcel->ip_proto,
		.tcp_flags = parcel->tcp_flags,
		.bits = parcel->bits,
		.fate = parcel->fate,
		.iface = parcel->iface,
	};
	*extra = (struct packet_extra){.mpls_label = UINT32_MAX};
}

// Puts packets of `left`, bit i for packet i, into the block until it is full. Returns what is
// left.
static inline uint64_t fill(
	struct block *block, const struct packet_batch *from, uint64_t left, bool whole)
{
	uint32_t count = block->count;

	for (; left != 0 && count < PACKET_BATCH_MAX; left &= left - 1, count++) {
		unsigned i = (unsigned)__builtin_ctzll(left);
		if (!whole &&
			likely(pack(&block->parcels[count], &from->packets[i], &from->extra[i])))
			continue;
		block->parcels[count].fate = PARCEL_WHOLE;
		block->batch.packets[count] = from->packets[i];
		block->batch.extra[count] = from->extra[i];
	}
	block->count = count;
	return left;
}

// Makes packets of the block, and gets under way what is read of them next: their headers, which
// lie in the cache of another core.
static void open_block(struct packet_batch *batch, const struct block *block)
{
	for (uint32_t i = 0; i < block->count; i++) {
		const struct parcel *parcel = &block->parcels[i];
		if (unlikely(parcel->fate == PARCEL_WHOLE)) {
			batch->packets[i] = block->batch.packets[i];
			batch->extra[i] = block->batch.extra[i];
			continue;
		}
		__builtin_prefetch(parcel->data + parcel->l3_offset);
		__builtin_prefetch(parcel->data + parcel->l4_offset + 16);
		unpack(&batch->packets[i], &batch->extra[i], parcel);
	}
	batch->count = block->count;
	batch->now_ns = batch->packets[block->count - 1].time_ns;
}

static void prefetch_block(const struct block *block)
{
	if (block == NULL)
		return;
	for (uint32_t i = 0; i < PACKET_BATCH_MAX; i += 2)
		__builtin_prefetch(&block->parcels[i]);
}

// False: it points into too many parts already.
static bool hold(struct block *block, struct capture_loan *loan)
{
	if (block->loan_count > 0 && block->loans[block->loan_count - 1] == loan)
		return true;
	if (block->loan_count == BLOCK_LOANS)
		return false;
	capture_hold(loan);
	block->loans[block->loan_count++] = loan;
	return true;
}

// False: there is no room for it.
static bool copy_frame(struct block *block, struct packet *p)
{
	uint8_t *frame = block->frames + block->used;

	REQUIRE(p->cap_len <= FRAME_MAX);
	if (block->frames == NULL || p->cap_len > BLOCK_SIZE - block->used)
		return false;
	memcpy(frame, p->data, p->cap_len);
	block->used += (p->cap_len + CACHE_LINE - 1) & ~(uint32_t)(CACHE_LINE - 1);
	p->data = frame;
	return true;
}

// ---- the reader's end

// What came back, and with it what was lent.
static void take_back(struct lane *lane, struct block *block)
{
	for (uint32_t i = 0; i < block->loan_count; i++)
		capture_give_back(block->loans[i]);
	if (block->frames != NULL)
		lane->spare_frames[lane->spare_frames_count++] = block->frames;
	block->frames = NULL;
	block->count = block->used = block->loan_count = 0;
	lane->spare[lane->spare_count++] = block;
}

static void take_all_back(struct lane *lane)
{
	struct block *block;

	while ((block = ring_take(&lane->empty)) != NULL)
		take_back(lane, block);
}

static void hand_over(struct lane *lane)
{
	if (lane->filling == NULL)
		return;
	REQUIRE(ring_put(&lane->full, lane->filling)); // it has a slot for each block
	lane->filling = NULL;
}

static bool has_spare(const struct lane *lane, bool copies)
{
	return lane->spare_count > 0 && (!copies || lane->spare_frames_count > 0);
}

// Whether there is another block to be filled, with frames if bytes must be copied.
static bool take_spare(struct lane *lane, bool copies)
{
	if (!has_spare(lane, copies))
		take_all_back(lane);
	if (!has_spare(lane, copies))
		return false;
	lane->filling = lane->spare[--lane->spare_count];
	if (copies)
		lane->filling->frames = lane->spare_frames[--lane->spare_frames_count];
	return true;
}

// Packets of *left, as far as there is room in the block that is being filled; false: it is full.
static bool put_some(
	struct lane *lane, struct packet_batch *batch, uint64_t *left, struct capture_loan *loan)
{
	struct block *block = lane->filling;
	uint64_t now = *left;

	if (loan != NULL) {
		if (!hold(block, loan))
			return false;
	} else {
		if (!copy_frame(block, &batch->packets[__builtin_ctzll(now)]))
			return false;
		now &= -now;
	}
	uint64_t rest = lane->own ? fill(block, batch, now, true) : fill(block, batch, now, false);
	*left ^= now ^ rest;
	return block->count < PACKET_BATCH_MAX;
}

uint64_t lane_put(
	struct lane *lane, struct packet_batch *batch, uint64_t left, struct capture_loan *loan)
{
	while (left != 0) {
		if (lane->filling == NULL && !take_spare(lane, loan == NULL))
			break;
		if (!put_some(lane, batch, &left, loan))
			hand_over(lane);
	}
	return left;
}

void lane_flush(struct lane *lane, uint64_t now_ns)
{
	hand_over(lane);
	take_all_back(lane);
	atomic_store_explicit(&lane->clock_ns, now_ns, memory_order_release);
}

void lane_tell_time(struct lane *lane, uint64_t now_ns)
{
	if (lane->filling == NULL)
		atomic_store_explicit(&lane->clock_ns, now_ns, memory_order_release);
}

void lane_end(struct lane *lane)
{
	atomic_store_explicit(&lane->ended, true, memory_order_release);
}

// ---- the shard's end

struct capture *lane_capture(struct lane *lane)
{
	return &lane->end;
}

struct packet_batch *lane_take_own(struct lane *lane)
{
	struct block *block = ring_take(&lane->full);

	if (block == NULL)
		return NULL;
	lane->end.taken = block;
	block->batch.count = block->count;
	block->batch.now_ns = block->batch.packets[block->count - 1].time_ns;
	return &block->batch;
}

// Between the reader's look at them and its shard's, packets of a file may be cut off.
void lane_confirm(struct lane *lane, struct packet_batch *batch, struct counters *counters)
{
	const struct block *block = lane->end.taken;

	if (block->loan_count > 0)
		capture_loan_confirm(block->loans, block->loan_count, batch, counters);
}

void lane_release(struct lane *lane)
{
	struct block *block = lane->end.taken;

	if (lane->own)
		take_back(lane, block);
	else
		REQUIRE(ring_put(&lane->empty, block));
	lane->end.taken = NULL;
}

// The next block, opened a turn ahead where it has come already.
static struct block *next_block(struct capture *end)
{
	struct ring *full = &end->lane->full;
	struct block *next = ring_take(full);

	if (next != NULL) {
		open_block(&end->batches[++end->turn & 1], next);
		prefetch_block(ring_peek(full));
	}
	return next;
}

static int end_take(struct capture *end, struct packet_batch **ret)
{
	const struct lane *lane = end->lane;

	// Whoever sees the clock sees all blocks that are earlier. So with the end.
	end->taken = end->ahead != NULL ? end->ahead : next_block(end);
	if (end->taken == NULL) {
		uint64_t clock_ns = atomic_load_explicit(&lane->clock_ns, memory_order_acquire);
		bool ended = atomic_load_explicit(&lane->ended, memory_order_acquire);
		end->taken = next_block(end);
		if (end->taken == NULL) {
			end->none.now_ns = MAX(end->none.now_ns, clock_ns);
			*ret = &end->none;
			return ended ? -ENODATA : 0;
		}
	}
	*ret = &end->batches[end->turn & 1];
	end->ahead = next_block(end);
	end->none.now_ns = (*ret)->now_ns;
	return (int)(*ret)->count;
}

static void end_confirm(struct capture *end, struct packet_batch *batch, struct counters *counters)
{
	lane_confirm(end->lane, batch, counters);
}

static void end_release(struct capture *end, struct packet_batch *)
{
	lane_release(end->lane);
}

static void end_stats(struct capture *, struct capture_stats *ret)
{
	*ret = (struct capture_stats){0}; // the reader has them
}

static const char *end_error(struct capture *)
{
	return "";
}

static void end_close(struct capture *) {}

const struct capture_ops lane_capture_ops = {
	.name = "lane",
	.decoded = true,
	.take = end_take,
	.confirm = end_confirm,
	.release = end_release,
	.stats = end_stats,
	.error = end_error,
	.close = end_close,
};
