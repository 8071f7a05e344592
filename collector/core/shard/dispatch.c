// Dispatch: the reader's side, then the shards' ends.
//
// What a source lends is not copied: the shard reads it where it lies (of a plain capture file, in
// the page cache), and the source leaves it there until the last block that points into it came
// back. A packet of a kilobyte costs its shard what a small one does.
#include "core/shard/dispatch.h"

#include "core/base/memory.h"
#include "core/base/ring.h"
#include "core/packet/decode.h"

#include <errno.h>
#include <string.h>

enum {
	BLOCKS = 128, // of each shard; a power of two
	COPIES = 64, // how many of them have frames of their own at a time
	FRAME_MAX = 262144, // no source has larger ones
	BLOCK_SIZE = FRAME_MAX, // octets of frames: more than a batch of Ethernet's
	// The reader's batches, for each shard, after which blocks go out though they are not full:
	// what stands in one holds its shard's clock back.
	BATCHES_HELD = 8,
	OWN_BLOCKS = 2, // the reading shard's, which takes them at once
	BLOCK_LOANS = 2, // parts of a file that a block may point into
	KEYS = 6,
	PARCEL_WHOLE = 0xff, // in `fate`
	NOBODY = 0xff, // whose a packet is
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
	struct parcel parcels[PACKET_BATCH_MAX]; // not of the reading shard
	uint32_t count;
	uint32_t used; // octets of frames
	uint8_t *
		frames; // BLOCK_SIZE: copies of those that the source does not lend; NULL: none yet
	struct capture_loan *loans[BLOCK_LOANS]; // held: frames that lie where the source has them
	uint32_t loan_count;
	_Alignas(CACHE_LINE) struct packet_batch
		batch; // the reading shard's packets, and whole ones
};

// A shard's end.
struct capture {
	struct ring full; // reader: puts, shard: takes
	struct ring empty; // shard: puts, reader: takes
	struct block *filling; // reader
	struct block *spare[BLOCKS]; // reader: empty ones
	uint32_t spare_count;
	uint8_t *spare_frames[COPIES]; // reader
	uint32_t spare_frames_count;
	uint64_t left; // reader: bit i: packet i of the source's batch is to be handed to it
	struct dispatch *reads; // whose reader its shard is; NULL: of none
	// Shard: what it has taken and not released, and the block that it takes next.
	_Alignas(CACHE_LINE) struct block *taken, *ahead;
	uint32_t turn;
	struct packet_batch batches[2]; // of these blocks, in turn; not of who reads
	struct packet_batch none; // shard: when nothing came, its clock so far
	_Alignas(CACHE_LINE) _Atomic uint64_t clock_ns; // reader: wo, shard: ro
	_Atomic bool ended; // reader: wo, shard: ro
};

struct dispatch {
	struct dispatch_config config;
	struct packet_batch batch; // the source's
	struct capture_loan *loan; // what its bytes lie in; NULL: they must be copied
	uint32_t batches; // since all blocks went out
	uint64_t now_ns; // time of what was handed over last
	int error; // before `ended`
	_Atomic bool ended; // reader: wo, main: ro
	_Atomic bool stopped; // main: wo, reader: ro
	uint32_t keys[KEYS]; // secret, like the next, which is odd
	uint64_t factor;
	struct block *blocks;
	uint8_t *frames;
	struct capture ends[];
};

static size_t frames_bytes(const struct dispatch *d)
{
	return (size_t)d->config.shard_count * COPIES * BLOCK_SIZE;
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
	for (size_t i = 0; i < (own ? OWN_BLOCKS : BLOCKS); i++)
		end->spare[end->spare_count++] = &d->blocks[(size_t)shard * BLOCKS + i];
	for (size_t i = 0; i < COPIES; i++)
		end->spare_frames[end->spare_frames_count++] =
			d->frames + ((size_t)shard * COPIES + i) * BLOCK_SIZE;
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
	for (uint64_t i = 0; i < KEYS; i++)
		d->keys[i] = (uint32_t)hash_words(&config->key, &i, 1);
	d->factor = hash_words(&config->key, &(uint64_t){KEYS}, 1) | 1;
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

static uint32_t load_u16(const uint8_t *p)
{
	uint16_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

static uint32_t load_u32(const uint8_t *p)
{
	uint32_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

// One end of a flow, by its address and port: NH of UMAC (RFC 4418 section 5.2.1).
static uint64_t hash_end(const uint32_t keys[KEYS], const uint8_t *ip, bool ip6, uint32_t port)
{
	uint64_t hash = (uint64_t)(load_u32(ip) + keys[0]) * (port + keys[1]);

	if (unlikely(ip6))
		hash += (uint64_t)(load_u32(ip + 4) + keys[2]) * (load_u32(ip + 8) + keys[3]) +
			(uint64_t)(load_u32(ip + 12) + keys[4]) * keys[5];
	return hash;
}

// Shares flows out. Less of a hash than the flow tables', and enough where a few bits are of use
// and nobody learns the key: the sum of both ends, so that both directions of a flow, as of all
// flows of the same addresses and ports, meet on one shard. What is of no flow (ARP, neighbour
// discovery) goes to the first.
static uint8_t shard_of(const struct dispatch *d, const struct packet *p)
{
	bool ip6 = p->bits & PACKET_IP6;
	const uint8_t *source = p->data + p->l3_offset + (ip6 ? 8 : 12);
	const uint8_t *destination = source + (ip6 ? 16 : 4);
	const uint8_t *ports = p->data + p->l4_offset;

	if (unlikely(p->fate != PACKET_FLOW))
		return p->fate == PACKET_ARP || p->fate == PACKET_NDP ? 0 : NOBODY;
	bool has_ports = packet_has_ports(p);
	uint64_t hash = hash_end(d->keys, source, ip6, has_ports ? load_u16(ports) : 0) +
		hash_end(d->keys, destination, ip6, has_ports ? load_u16(ports + 2) : 0);
	return (uint8_t)((hash * d->factor >> 32) * d->config.shard_count >> 32);
}

// Which of eight octets are `octet`: bit i for octet i.
static uint64_t octets_equal(const uint8_t octets[8], uint8_t octet)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), low = 0x7f * ones;
	uint64_t equal = 0;

	for (unsigned i = 0; i < 8; i++)
		equal |= (uint64_t)octets[i] << 8 * i;
	equal ^= octet * ones; // 0 where it is
	equal = ~(((equal & low) + low) | equal | low) >> 7;
	return equal * UINT64_C(0x0102040810204080) >> 56;
}

// Whose packet each of the batch is. Without branches on it, or stores that the next load waits
// for: it is random.
static void share_batch(struct dispatch *d)
{
	uint8_t shard[PACKET_BATCH_MAX];

	for (uint32_t i = 0; i < PACKET_BATCH_MAX; i++)
		shard[i] = i < d->batch.count ? shard_of(d, &d->batch.packets[i]) : NOBODY;
	for (uint32_t s = 0; s < d->config.shard_count; s++) {
		uint64_t mask = 0;
		for (uint32_t i = 0; i < PACKET_BATCH_MAX; i += 8)
			mask |= octets_equal(shard + i, (uint8_t)s) << i;
		d->ends[s].left = mask;
	}
}

// What came back, and with it what was lent.
static void take_back(struct capture *end, struct block *block)
{
	for (uint32_t i = 0; i < block->loan_count; i++)
		capture_give_back(block->loans[i]);
	if (block->frames != NULL)
		end->spare_frames[end->spare_frames_count++] = block->frames;
	block->frames = NULL;
	block->count = block->used = block->loan_count = 0;
	end->spare[end->spare_count++] = block;
}

static void take_all_back(struct capture *end)
{
	struct block *block;

	while ((block = ring_take(&end->empty)) != NULL)
		take_back(end, block);
}

static void hand_over(struct capture *end)
{
	if (end->filling == NULL)
		return;
	REQUIRE(ring_put(&end->full, end->filling)); // it has a slot for each block
	end->filling = NULL;
}

// Of every shard: all blocks go out, and then its clock is the reader's.
static void hand_all_over(struct dispatch *d)
{
	for (uint32_t i = 0; i < d->config.shard_count; i++) {
		hand_over(&d->ends[i]);
		take_all_back(&d->ends[i]);
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

	if (block->frames == NULL || p->cap_len > BLOCK_SIZE - block->used)
		return false;
	memcpy(frame, p->data, p->cap_len);
	block->used += (p->cap_len + CACHE_LINE - 1) & ~(uint32_t)(CACHE_LINE - 1);
	p->data = frame;
	return true;
}

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

// Whether it has another block, with frames if bytes must be copied.
static bool take_spare(struct capture *end, bool copies)
{
	if (end->spare_count == 0 || (copies && end->spare_frames_count == 0))
		take_all_back(end);
	if (end->spare_count == 0 || (copies && end->spare_frames_count == 0))
		return false;
	end->filling = end->spare[--end->spare_count];
	if (copies)
		end->filling->frames = end->spare_frames[--end->spare_frames_count];
	return true;
}

// As far as there is room in the block; false: there is none.
static bool put_some(struct dispatch *d, struct capture *end)
{
	struct block *block = end->filling;
	uint64_t now = end->left;

	if (d->loan != NULL) {
		if (!hold(block, d->loan))
			return false;
	} else {
		if (!copy_frame(block, &d->batch.packets[__builtin_ctzll(now)]))
			return false;
		now &= -now;
	}
	uint64_t rest = end->reads != NULL ? fill(block, &d->batch, now, true)
					   : fill(block, &d->batch, now, false);
	end->left ^= now ^ rest;
	return block->count < PACKET_BATCH_MAX;
}

// Hands over what is for this shard, as far as it has room. Returns how many packets.
static int hand_to(struct dispatch *d, struct capture *end)
{
	uint64_t before = end->left;

	while (end->left != 0) {
		if (end->filling == NULL && !take_spare(end, d->loan == NULL))
			break;
		if (!put_some(d, end))
			hand_over(end);
	}
	return __builtin_popcountll(before ^ end->left);
}

// Hands over what was read, as far as there is room. Returns how many packets that were, and above
// 0 when it was all.
static int hand_batch(struct dispatch *d)
{
	int handed = 0, count = (int)d->batch.count;
	uint64_t left = 0;

	for (uint32_t i = 0; i < d->config.shard_count; i++) {
		handed += hand_to(d, &d->ends[i]);
		left |= d->ends[i].left;
	}
	int before = left == 0 ? count : __builtin_ctzll(left);
	if (before > 0)
		d->now_ns = d->batch.packets[before - 1].time_ns;
	if (left != 0) {
		// Everybody else goes on meanwhile, or the ledger might wait for whom we keep
		// short.
		hand_all_over(d);
		return handed;
	}
	d->config.ops->release(d->config.source, &d->batch);
	d->batch.count = 0;
	if (++d->batches >= BATCHES_HELD * d->config.shard_count)
		hand_all_over(d);
	else
		tell_time(d);
	return count;
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
	if (d->batch.count > 0)
		return hand_batch(d);
	if (atomic_load_explicit(&d->stopped, memory_order_relaxed))
		return end_source(d);
	int count = d->config.ops->receive(d->config.source, &d->batch);
	if (count > 0) {
		if (d->config.dedup != NULL)
			dedup_batch(d->config.dedup, &d->batch, d->config.counters);
		decode_batch(&d->batch, d->config.counters);
		d->loan = loan_of(d);
		share_batch(d);
		return hand_batch(d);
	}
	d->now_ns = MAX(d->now_ns, d->batch.now_ns);
	d->batch.count = 0;
	if (count == 0) { // perhaps too much is held
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
	int handed = read_on(end->reads, &end->taken);
	struct block *block = end->taken;

	*ret = &end->none;
	if (block == NULL)
		return handed;
	block->batch.count = block->count;
	block->batch.now_ns = block->batch.packets[block->count - 1].time_ns;
	*ret = &block->batch;
	return (int)block->count;
}

// The next block, opened a turn ahead where it has come already.
static struct block *next_block(struct capture *end)
{
	struct block *next = ring_take(&end->full);

	if (next != NULL) {
		open_block(&end->batches[++end->turn & 1], next);
		prefetch_block(ring_peek(&end->full));
	}
	return next;
}

static int end_take(struct capture *end, struct packet_batch **ret)
{
	if (end->reads != NULL)
		return take_and_read(end, ret);
	// Whoever sees the clock sees all blocks that are earlier. So with the end.
	end->taken = end->ahead != NULL ? end->ahead : next_block(end);
	if (end->taken == NULL) {
		uint64_t clock_ns = atomic_load_explicit(&end->clock_ns, memory_order_acquire);
		bool ended = atomic_load_explicit(&end->ended, memory_order_acquire);
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

static void end_pause(struct capture *end)
{
	if (end->reads != NULL)
		hand_all_over(end->reads);
}

// Between the reader's look at them and its shard's, packets of a file may be cut off.
static void end_confirm(struct capture *end, struct packet_batch *batch, struct counters *counters)
{
	const struct block *block = end->taken;

	if (block->loan_count > 0)
		capture_loan_confirm(block->loans, block->loan_count, batch, counters);
}

static void end_release(struct capture *end, struct packet_batch *)
{
	if (end->reads != NULL)
		take_back(end, end->taken);
	else
		REQUIRE(ring_put(&end->empty, end->taken));
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
	.confirm = end_confirm,
	.release = end_release,
	.stats = end_stats,
	.error = end_error,
	.close = end_close,
};
