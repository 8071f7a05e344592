// Dispatch: whose each packet is, the reader's turn, and the end of the shard whose thread reads.
#include "core/shard/dispatch.h"

#include "core/packet/decode.h"
#include "core/shard/lane.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	// The reader's batches, for each shard, after which blocks go out though they are not full:
	// what stands in one holds its shard's clock back.
	BATCHES_HELD = 8,
	KEYS = 6,
	NOBODY = 0xff, // whose a packet is
};

// The end of the shard whose thread reads.
struct capture {
	struct dispatch *dispatch;
	struct packet_batch none; // when nothing came: its clock so far
};

// A shard, as the reader sees it.
struct receiver {
	struct lane *lane;
	uint64_t left; // bit i: packet i of the source's batch is to be put on it
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
	struct capture own; // the first shard's, where it reads
	struct receiver shards[];
};

int dispatch_new(struct dispatch **ret, const struct dispatch_config *config)
{
	struct dispatch *d = calloc(1, sizeof(*d) + config->shard_count * sizeof(struct receiver));
	int err = 0;

	if (d == NULL)
		return -ENOMEM;
	d->config = *config;
	d->own.dispatch = d;
	for (uint64_t i = 0; i < KEYS; i++)
		d->keys[i] = (uint32_t)hash_words(&config->key, &i, 1);
	d->factor = hash_words(&config->key, &(uint64_t){KEYS}, 1) | 1;
	for (uint32_t i = 0; !err && i < config->shard_count; i++)
		err = lane_new(&d->shards[i].lane, config->first_reads && i == 0);
	if (err) {
		dispatch_free(d);
		return err;
	}
	*ret = d;
	return 0;
}

void dispatch_free(struct dispatch *d)
{
	if (d == NULL)
		return;
	for (uint32_t i = 0; i < d->config.shard_count; i++)
		lane_free(d->shards[i].lane);
	free(d);
}

size_t dispatch_bytes(const struct dispatch *d)
{
	return d->config.shard_count * lane_bytes();
}

// ---- whose a packet is

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
		d->shards[s].left = mask;
	}
}

// ---- the reader

static void flush_all(struct dispatch *d)
{
	for (uint32_t i = 0; i < d->config.shard_count; i++)
		lane_flush(d->shards[i].lane, d->now_ns);
	d->batches = 0;
}

static void tell_time(struct dispatch *d)
{
	for (uint32_t i = 0; i < d->config.shard_count; i++)
		lane_tell_time(d->shards[i].lane, d->now_ns);
}

// Hands over what was read, as far as there is room. Returns how many packets that were, and above
// 0 when it was all.
static int hand_batch(struct dispatch *d)
{
	int handed = 0, count = (int)d->batch.count;
	uint64_t left = 0;

	for (uint32_t i = 0; i < d->config.shard_count; i++) {
		struct receiver *to = &d->shards[i];
		uint64_t before = to->left;
		to->left = lane_put(to->lane, &d->batch, before, d->loan);
		handed += __builtin_popcountll(before ^ to->left);
		left |= to->left;
	}
	int before = left == 0 ? count : __builtin_ctzll(left);
	if (before > 0)
		d->now_ns = d->batch.packets[before - 1].time_ns;
	if (left != 0) {
		// Everybody else goes on meanwhile, or the ledger might wait for whom we keep
		// short.
		flush_all(d);
		return handed;
	}
	d->config.ops->release(d->config.source, &d->batch);
	d->batch.count = 0;
	if (++d->batches >= BATCHES_HELD * d->config.shard_count)
		flush_all(d);
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
	flush_all(d);
	for (uint32_t i = 0; i < d->config.shard_count; i++)
		lane_end(d->shards[i].lane);
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
	// Perhaps too much is held, or an interface is down that may come back.
	if (count == 0 || count == -ENETDOWN) {
		flush_all(d);
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

// ---- the end of the shard whose thread reads

// Reads on until a block of its own is there, or there is nothing to read, or no room for what was
// read, or all shards' share of BATCHES_HELD was read. Returns the last step's count.
static int read_on(struct dispatch *d, struct packet_batch **ret)
{
	struct lane *own = d->shards[0].lane;
	uint32_t batches = 0;
	int handed = 1;

	*ret = lane_take_own(own);
	while (*ret == NULL && handed > 0 && batches++ < BATCHES_HELD * d->config.shard_count) {
		handed = dispatch_step(d);
		*ret = lane_take_own(own);
	}
	if (*ret == NULL) {
		lane_flush(own, d->now_ns);
		*ret = lane_take_own(own);
	}
	counters_publish(d->config.counters);
	return handed;
}

static int own_take(struct capture *end, struct packet_batch **ret)
{
	int handed = read_on(end->dispatch, ret);

	if (*ret != NULL) {
		end->none.now_ns = (*ret)->now_ns;
		return (int)(*ret)->count;
	}
	// What it took may be later than what all were handed: others have no room yet.
	end->none.now_ns = MAX(end->none.now_ns, end->dispatch->now_ns);
	*ret = &end->none;
	return handed;
}

static void own_pause(struct capture *end)
{
	flush_all(end->dispatch);
}

static void own_confirm(struct capture *end, struct packet_batch *batch, struct counters *counters)
{
	lane_confirm(end->dispatch->shards[0].lane, batch, counters);
}

static void own_release(struct capture *end, struct packet_batch *)
{
	lane_release(end->dispatch->shards[0].lane);
}

static void own_stats(struct capture *end, struct capture_stats *ret)
{
	const struct dispatch_config *config = &end->dispatch->config;

	config->ops->stats(config->source, ret);
}

static const char *own_error(struct capture *)
{
	return "";
}

static void own_close(struct capture *) {}

static const struct capture_ops reading_capture_ops = {
	.name = "dispatch",
	.decoded = true,
	.take = own_take,
	.pause = own_pause,
	.confirm = own_confirm,
	.release = own_release,
	.stats = own_stats,
	.error = own_error,
	.close = own_close,
};

const struct capture_ops *dispatch_end(struct dispatch *d, uint32_t shard, struct capture **ret)
{
	if (d->config.first_reads && shard == 0) {
		*ret = &d->own;
		return &reading_capture_ops;
	}
	*ret = lane_capture(d->shards[shard].lane);
	return &lane_capture_ops;
}
