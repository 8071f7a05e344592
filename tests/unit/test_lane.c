// A lane: what a shard takes is what the reader put, every field of it, though most packets cross
// in a form that has no room for what few have.
#include "core/shard/lane.h"

#include "core/packet/capture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { FRAME_SIZE = 128, ROUNDS = 400 };

static uint8_t frames[PACKET_BATCH_MAX][FRAME_SIZE];
static uint64_t random_state = 4711;

static uint32_t random_below(uint32_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state % below);
}

// A usual packet, and in one of two something that few have.
static void make_packet(struct packet *p, struct packet_extra *extra, unsigned i, uint64_t time_ns)
{
	for (unsigned k = 0; k < FRAME_SIZE; k++)
		frames[i][k] = (uint8_t)random_below(256);
	*p = (struct packet){
		.data = frames[i],
		.ts_ns = time_ns,
		.time_ns = time_ns,
		.wire_len = 60 + random_below(1400),
		.cap_len = 60 + random_below(FRAME_SIZE - 60),
		.l3_len = 20 + random_below(1400),
		.l3_offset = 14,
		.l4_offset = (uint16_t)(34 + random_below(20)),
		.payload_len = (uint16_t)random_below(1400),
		.l4_header_len = (uint8_t)random_below(60),
		.ip_proto = (uint8_t)random_below(256),
		.tcp_flags = (uint8_t)random_below(256),
		.bits = (uint8_t)random_below(PACKET_COOKED_MAC),
		.fate = (uint8_t)random_below(PACKET_DROPPED),
		.iface = (uint8_t)random_below(8),
	};
	*extra = (struct packet_extra){.mpls_label = UINT32_MAX};
	switch (random_below(2) * (1 + random_below(11))) {
	case 1:
		p->vlan = 12;
		break;
	case 2:
		p->vlan_inner = 13;
		break;
	case 3:
		p->wire_len = 65549; // the longest IP packet, in Ethernet
		break;
	case 4:
		p->wire_len = p->l3_len = 70000;
		break;
	case 5:
		p->ts_ns = time_ns - 1;
		break;
	case 6:
		extra->mpls_label = random_below(2) * 16000;
		break;
	case 7:
		extra->tunnel = TUNNEL_PPPOE;
		break;
	case 8:
		extra->tunnel_id = 1 << 16;
		break;
	case 9:
		p->bits |= PACKET_COOKED_MAC;
		memset(extra->cooked_mac, 7, sizeof(extra->cooked_mac));
		break;
	case 10:
		p->l3_offset = 256;
		break;
	case 11:
		p->l4_offset = 300;
		break;
	default:
		break;
	}
}

static void assert_same(
	const struct packet_batch *took, uint32_t at, const struct packet_batch *put, unsigned i)
{
	const struct packet_extra *extra = &took->extra[at], *was = &put->extra[i];
	struct packet packet = took->packets[at];

	assert_memory_equal(packet.data, frames[i], packet.cap_len);
	packet.data = put->packets[i].data; // copied
	assert_memory_equal(&packet, &put->packets[i], sizeof(packet));
	assert_int_equal(extra->mpls_label, was->mpls_label);
	assert_int_equal(extra->tunnel, was->tunnel);
	assert_int_equal(extra->tunnel_id, was->tunnel_id);
	assert_memory_equal(extra->cooked_mac, was->cooked_mac, 6);
}

// The shard's next batch, and its count.
static int take(struct lane *lane, bool own, struct packet_batch **ret)
{
	if (!own)
		return lane_capture_ops.take(lane_capture(lane), ret);
	*ret = lane_take_own(lane);
	return *ret == NULL ? 0 : (int)(*ret)->count;
}

static void through(bool own)
{
	static struct packet_batch put;
	struct packet_batch *took;
	struct lane *lane;
	uint64_t time_ns = UINT64_C(1700000000) * NS_PER_S;

	assert_int_equal(lane_new(&lane, own), 0);
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t mine =
			((uint64_t)random_below(UINT32_MAX) << 32 | random_below(UINT32_MAX)) |
			UINT64_C(1) << random_below(PACKET_BATCH_MAX);
		put.count = PACKET_BATCH_MAX;
		for (unsigned i = 0; i < PACKET_BATCH_MAX; i++)
			make_packet(&put.packets[i], &put.extra[i], i, time_ns++);
		// Frames are copied: the reader's may be written over at once.
		struct packet_batch reader = put;
		assert_int_equal(lane_put(lane, &reader, mine, NULL), 0);
		lane_flush(lane, time_ns);
		int count = take(lane, own, &took);
		assert_int_equal(count, __builtin_popcountll(mine));
		for (int at = 0; at < count; at++, mine &= mine - 1)
			assert_same(took, (uint32_t)at, &put, (unsigned)__builtin_ctzll(mine));
		assert_int_equal(took->now_ns, took->packets[count - 1].time_ns);
		if (own)
			lane_release(lane);
		else
			lane_capture_ops.release(lane_capture(lane), took);
		assert_int_equal(take(lane, own, &took), 0);
		if (!own)
			assert_int_equal(took->now_ns, time_ns);
	}
	lane_end(lane);
	if (!own)
		assert_int_equal(take(lane, own, &took), -ENODATA);
	lane_free(lane);
}

static void test_to_another_thread(void **)
{
	through(false);
}

static void test_own(void **)
{
	through(true);
}

// A lane whose blocks are all on their way takes no more, says which packets it left, and goes on
// where the first comes back.
static void test_full(void **)
{
	static struct packet_batch put;
	struct packet_batch *took;
	struct lane *lane;
	uint64_t left = 0, in = 0, out = 0;

	assert_int_equal(lane_new(&lane, false), 0);
	put.count = PACKET_BATCH_MAX;
	for (unsigned i = 0; i < PACKET_BATCH_MAX; i++)
		make_packet(&put.packets[i], &put.extra[i], i, NS_PER_S + i);
	while (left == 0) {
		struct packet_batch reader = put;
		left = lane_put(lane, &reader, UINT64_MAX, NULL);
		in += PACKET_BATCH_MAX - (unsigned)__builtin_popcountll(left);
		assert_true(in < 1 << 20);
	}
	lane_flush(lane, 2 * NS_PER_S);
	int count = take(lane, false, &took);
	assert_true(count > 0);
	out += (unsigned)count;
	lane_capture_ops.release(lane_capture(lane), took);
	struct packet_batch reader = put;
	uint64_t before = left;
	left = lane_put(lane, &reader, left, NULL);
	assert_true(left != before);
	in += (unsigned)__builtin_popcountll(before) - (unsigned)__builtin_popcountll(left);
	lane_flush(lane, 2 * NS_PER_S);
	while ((count = take(lane, false, &took)) > 0) {
		out += (unsigned)count;
		lane_capture_ops.release(lane_capture(lane), took);
	}
	assert_int_equal(out, in);
	lane_free(lane);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_to_another_thread),
		cmocka_unit_test(test_own),
		cmocka_unit_test(test_full),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
