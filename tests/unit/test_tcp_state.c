// TCP state: handshake RTT, retransmissions, late and lost data, close; by hand-made segments.
#include "core/flow/tcp_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct flow flow;
static struct flow_more more;
static struct pool mores = {.objects = (uint8_t *)&more, .max = 1, .object_size = sizeof(more)};

struct sent {
	unsigned end;
	uint8_t flags;
	uint32_t seq, ack;
	uint16_t payload;
	uint64_t ts_us;
	uint16_t window;
};

static void begin(void)
{
	memset(&flow, 0, sizeof(flow));
	memset(&more, 0xa5, sizeof(more)); // whatever another flow left
	mores.fresh = 0;
	flow.more_from = &mores;
}

static void send(struct sent s)
{
	uint8_t header[20] = {0};
	struct packet p = {
		.data = header,
		.ts_ns = s.ts_us * 1000,
		.tcp_flags = s.flags,
		.l4_header_len = 20,
		.payload_len = s.payload,
		.ip_proto = IP_PROTO_TCP,
	};

	for (int i = 0; i < 4; i++) {
		header[4 + i] = (uint8_t)(s.seq >> (24 - 8 * i));
		header[8 + i] = (uint8_t)(s.ack >> (24 - 8 * i));
	}
	header[14] = (uint8_t)(s.window >> 8);
	header[15] = (uint8_t)s.window;
	flow.payload[s.end] += s.payload; // as the flow table counts first
	tcp_state_update(&flow, &p, s.end);
}

static void handshake(uint32_t client_isn, uint32_t server_isn)
{
	begin();
	send((struct sent){0, TCP_SYN, client_isn, 0, 0, 1000, 100});
	send((struct sent){1, TCP_SYN | TCP_ACK, server_isn, client_isn + 1, 0, 1250, 100});
	send((struct sent){0, TCP_ACK, client_isn + 1, server_isn + 1, 0, 1255, 100});
}

// What a flood brings of each flow, its first segment, leaves the rest of the flow untouched.
static void test_first_segment_touches_little(void **)
{
	static const uint8_t flags[] = {TCP_SYN, TCP_SYN | TCP_ACK, TCP_ACK, TCP_FIN, TCP_RST};

	for (unsigned i = 0; i < sizeof(flags); i++) {
		begin();
		struct flow_more before = more;
		send((struct sent){i % 2, flags[i], 100, 500, 0, 1000, 0});
		assert_false(flow_has_more(&flow));
		assert_memory_equal(&more, &before, sizeof(more));
		send((struct sent){i % 2, TCP_ACK, 5000, 500, 10, 1100, 0});
		assert_true(flow_has_more(&flow));
		assert_int_equal(more.holes[i % 2].holes[0].stop, 5000);
	}
}

static void test_handshake_rtt(void **)
{
	handshake(100, 900);
	assert_int_equal(flow.rtt_server_us, 250);
	assert_int_equal(flow.rtt_client_us, 5);
	// Later segments do not change it.
	send((struct sent){0, TCP_ACK, 101, 901, 10, 9000, 100});
	assert_int_equal(flow.rtt_client_us, 5);
}

static void test_repeated_syn(void **)
{
	begin();
	send((struct sent){0, TCP_SYN, 100, 0, 0, 1000, 100});
	send((struct sent){0, TCP_SYN, 100, 0, 0, 2000, 100});
	send((struct sent){1, TCP_SYN | TCP_ACK, 900, 101, 0, 2250, 100});
	send((struct sent){1, TCP_SYN | TCP_ACK, 900, 101, 0, 2300, 100});
	send((struct sent){0, TCP_ACK, 101, 901, 0, 2305, 100});
	assert_int_equal(flow.rtt_server_us, 250);
	assert_int_equal(flow.rtt_client_us, 55);
	assert_int_equal(flow_more(&flow)->syn_retransmissions, 2);
}

// The server has not heard the ACK, or its SYN/ACK was late: the connection goes on where it was.
static void test_repeated_syn_of_an_open_connection(void **)
{
	handshake(100, 900);
	send((struct sent){1, TCP_SYN | TCP_ACK, 900, 101, 0, 2000, 100});
	assert_int_equal(flow_more(&flow)->syn_retransmissions, 1);
	send((struct sent){1, TCP_ACK, 901, 101, 50, 3000, 100});
	send((struct sent){1, TCP_SYN | TCP_ACK, 900, 101, 0, 4000, 100});
	send((struct sent){0, TCP_SYN, 100, 0, 0, 4001, 100});
	assert_int_equal(flow_more(&flow)->syn_retransmissions, 3);
	assert_int_equal(flow.next_seq[1], 951);
	send((struct sent){1, TCP_ACK, 951, 101, 50, 5000, 100});
	send((struct sent){0, TCP_ACK, 101, 1001, 0, 5001, 100});
	assert_int_equal(flow_more(&flow)->gap_bytes[1], 0);
	assert_int_equal(flow_more(&flow)->retransmissions[1], 0);
	assert_int_equal(flow_more(&flow)->out_of_order[1], 0);
}

// As from a server behind SYN cookies or a second one: before the client's ACK any may be taken up,
// afterwards none.
static void test_second_answer_to_a_syn(void **)
{
	begin();
	send((struct sent){0, TCP_SYN, 100, 0, 0, 1000, 100});
	send((struct sent){1, TCP_SYN | TCP_ACK, 900, 101, 0, 1100, 100});
	send((struct sent){1, TCP_SYN | TCP_ACK, 70000, 101, 0, 1200, 100});
	send((struct sent){0, TCP_ACK, 101, 70001, 10, 1300, 100});
	send((struct sent){1, TCP_SYN | TCP_ACK, 900, 101, 0, 1400, 100});
	send((struct sent){1, TCP_ACK, 70001, 111, 10, 1500, 100});
	send((struct sent){0, TCP_ACK, 111, 70011, 0, 1600, 100});
	assert_int_equal(flow_more(&flow)->syn_retransmissions, 2);
	assert_int_equal(flow_more(&flow)->gap_bytes[1], 0);
	assert_int_equal(flow_more(&flow)->retransmissions[1], 0);
	assert_int_equal(flow.next_seq[1], 70011);
}

// Another number is another connection: it has a handshake of its own.
static void test_connection_begun_anew(void **)
{
	handshake(100, 900);
	send((struct sent){1, TCP_ACK, 901, 101, 50, 3000, 100});
	send((struct sent){0, TCP_SYN, 70000, 0, 0, 6000, 100});
	send((struct sent){1, TCP_SYN | TCP_ACK, 80000, 70001, 0, 6300, 100});
	send((struct sent){0, TCP_ACK, 70001, 80001, 0, 6307, 100});
	send((struct sent){1, TCP_ACK, 80001, 70001, 50, 7000, 100});
	assert_int_equal(flow.rtt_server_us, 300);
	assert_int_equal(flow.rtt_client_us, 7);
	assert_int_equal(flow_more(&flow)->syn_retransmissions, 0);
	assert_int_equal(flow_more(&flow)->gap_bytes[1], 0);
	assert_int_equal(flow.next_seq[1], 80051);
}

// After more octets than there are numbers, too, each of which the first connection has had.
static void test_connection_begun_anew_after_gigabytes(void **)
{
	handshake(100, 900);
	flow.payload[0] = flow.payload[1] = UINT64_C(5) << 30;
	send((struct sent){0, TCP_SYN, 70000, 0, 0, 6000, 100});
	send((struct sent){1, TCP_SYN | TCP_ACK, 80000, 70001, 0, 6300, 100});
	send((struct sent){0, TCP_ACK, 70001, 80001, 0, 6307, 100});
	assert_int_equal(flow.rtt_server_us, 300);
	assert_int_equal(flow_more(&flow)->syn_retransmissions, 0);
	assert_int_equal(flow.next_seq[0], 70001);
	assert_int_equal(flow.next_seq[1], 80001);
	// Of a repeated one the numbers are near.
	flow.payload[0] = flow.payload[1] = UINT64_C(5) << 30;
	send((struct sent){1, TCP_SYN | TCP_ACK, 80000, 70001, 0, 6400, 100});
	assert_int_equal(flow_more(&flow)->syn_retransmissions, 1);
	assert_int_equal(flow.next_seq[1], 80001);
}

// RFC 7413 section 4.1.3: a SYN whose data nobody acknowledges is sent again without.
static void test_repeated_syn_without_its_data(void **)
{
	begin();
	send((struct sent){0, TCP_SYN, 100, 0, 200, 1000, 100});
	send((struct sent){0, TCP_SYN, 100, 0, 0, 2000, 100});
	assert_int_equal(flow_more(&flow)->syn_retransmissions, 1);
}

static void test_time_that_runs_back_leaves_no_rtt(void **)
{
	begin();
	send((struct sent){0, TCP_SYN, 100, 0, 0, 5000, 100});
	send((struct sent){1, TCP_SYN | TCP_ACK, 900, 101, 0, 4000, 100});
	assert_int_equal(flow.rtt_server_us, UINT32_MAX);
}

static void test_retransmission_and_wrap(void **)
{
	handshake(UINT32_MAX - 50, 900);
	uint32_t seq = UINT32_MAX - 49;
	send((struct sent){0, TCP_ACK, seq, 901, 100, 2000, 100}); // over the wrap
	send((struct sent){0, TCP_ACK, seq + 100, 901, 100, 2001, 100});
	assert_int_equal(flow_more(&flow)->retransmissions[0], 0);
	send((struct sent){0, TCP_ACK, seq, 901, 100, 2002, 100});
	send((struct sent){0, TCP_ACK, seq + 100, 901, 100, 2003, 100});
	assert_int_equal(flow_more(&flow)->retransmissions[0], 2);
	// Partly new data is not a repetition.
	send((struct sent){0, TCP_ACK, seq + 150, 901, 100, 2004, 100});
	assert_int_equal(flow_more(&flow)->retransmissions[0], 2);
	assert_int_equal(flow.next_seq[0], seq + 250);
}

static void test_keep_alive_is_no_retransmission(void **)
{
	handshake(100, 900);
	send((struct sent){0, TCP_ACK, 101, 901, 10, 2000, 100});
	send((struct sent){0, TCP_ACK, 110, 901, 1, 3000, 100});
	send((struct sent){0, TCP_ACK, 110, 901, 0, 3001, 100});
	assert_int_equal(flow_more(&flow)->retransmissions[0], 0);
}

static void test_late_segment_is_out_of_order(void **)
{
	handshake(100, 900);
	send((struct sent){1, TCP_ACK, 901, 101, 100, 2000, 100});
	send((struct sent){1, TCP_ACK, 1101, 101, 100, 2001, 100});
	send((struct sent){1, TCP_ACK, 1001, 101, 100, 2002, 100});
	assert_int_equal(flow_more(&flow)->out_of_order[1], 1);
	assert_int_equal(flow_more(&flow)->retransmissions[1], 0);
	// The hole is filled: the same again is a repetition.
	send((struct sent){1, TCP_ACK, 1001, 101, 100, 2003, 100});
	assert_int_equal(flow_more(&flow)->retransmissions[1], 1);
}

static void test_several_holes(void **)
{
	handshake(100, 900);
	for (uint32_t i = 1; i < 7; i += 2) // every other one of six is late
		send((struct sent){1, TCP_ACK, 901 + i * 100, 101, 100, 2000, 100});
	for (uint32_t i = 0; i < 6; i += 2)
		send((struct sent){1, TCP_ACK, 901 + i * 100, 101, 100, 2001, 100});
	assert_int_equal(flow_more(&flow)->out_of_order[1], 3);
	assert_int_equal(flow_more(&flow)->retransmissions[1], 0);
	send((struct sent){1, TCP_ACK, 901, 101, 600, 2002, 100});
	assert_int_equal(flow_more(&flow)->retransmissions[1], 1);
}

// What the capture has lost for good does not take the place of what is late gigabytes on.
static void test_holes_that_are_long_past(void **)
{
	uint32_t next = 901;

	handshake(100, 900);
	for (unsigned i = 0; i < 3; i++, next += 200)
		send((struct sent){1, TCP_ACK, next + 100, 101, 100, 2000, 100});
	while (next < UINT32_C(2500000000)) {
		send((struct sent){1, TCP_ACK, next, 101, 50000, 3000, 100});
		next += 50000;
	}
	for (uint32_t i = 1; i < 4; i += 2)
		send((struct sent){1, TCP_ACK, next + i * 100, 101, 100, 4000, 100});
	for (uint32_t i = 0; i < 4; i += 2)
		send((struct sent){1, TCP_ACK, next + i * 100, 101, 100, 4001, 100});
	assert_int_equal(flow_more(&flow)->out_of_order[1], 2);
	assert_int_equal(flow_more(&flow)->retransmissions[1], 0);
}

static void test_hole_filled_in_pieces(void **)
{
	handshake(100, 900);
	send((struct sent){1, TCP_ACK, 1201, 101, 100, 2000, 100});
	send((struct sent){1, TCP_ACK, 1001, 101, 100, 2001, 100}); // its middle
	send((struct sent){1, TCP_ACK, 901, 101, 100, 2002, 100});
	send((struct sent){1, TCP_ACK, 1101, 101, 50, 2003, 100});
	assert_int_equal(flow_more(&flow)->out_of_order[1], 3);
	// Partly new: neither late nor repeated. The rest has now come as well.
	send((struct sent){1, TCP_ACK, 1101, 101, 100, 2004, 100});
	assert_int_equal(flow_more(&flow)->out_of_order[1], 3);
	assert_int_equal(flow_more(&flow)->retransmissions[1], 0);
	send((struct sent){1, TCP_ACK, 1101, 101, 100, 2005, 100});
	assert_int_equal(flow_more(&flow)->retransmissions[1], 1);
}

// What was left out came in two steps, and comes in one.
static void test_two_holes_filled_at_once(void **)
{
	handshake(100, 900);
	send((struct sent){0, TCP_ACK, 101, 1001, 0, 2000, 100});
	send((struct sent){1, TCP_ACK, 1101, 101, 100, 2001, 100});
	send((struct sent){1, TCP_ACK, 901, 101, 200, 2002, 100});
	assert_int_equal(flow_more(&flow)->out_of_order[1], 1);
	assert_int_equal(flow_more(&flow)->retransmissions[1], 0);
	send((struct sent){1, TCP_ACK, 901, 101, 200, 2003, 100});
	assert_int_equal(flow_more(&flow)->retransmissions[1], 1);
}

// Seen late, behind its acknowledgement, as a mirror port may have it.
static void test_acknowledged_before_it_was_seen(void **)
{
	handshake(100, 900);
	send((struct sent){0, TCP_ACK, 101, 1001, 0, 2000, 100});
	send((struct sent){1, TCP_ACK, 901, 101, 100, 2001, 100});
	assert_int_equal(flow_more(&flow)->out_of_order[1], 1);
	assert_int_equal(flow_more(&flow)->retransmissions[1], 0);
}

static void test_acknowledged_but_never_seen(void **)
{
	handshake(100, 900);
	send((struct sent){1, TCP_ACK, 901, 101, 100, 2000, 100});
	send((struct sent){0, TCP_ACK, 101, 1501, 0, 2001, 100});
	assert_int_equal(flow_more(&flow)->gap_bytes[1], 500);
	// Another connection's number is not half a gigabyte lost.
	send((struct sent){0, TCP_ACK, 101, 0x70000000, 0, 2002, 100});
	assert_int_equal(flow_more(&flow)->gap_bytes[1], 500);
}

static void test_zero_window(void **)
{
	handshake(100, 900);
	send((struct sent){0, TCP_ACK, 101, 901, 0, 2000, 0});
	send((struct sent){0, TCP_RST, 101, 901, 0, 2000, 0});
	assert_int_equal(flow.zero_window[0], 1);
}

static void test_close_by_both_fins(void **)
{
	handshake(100, 900);
	send((struct sent){0, TCP_FIN | TCP_ACK, 101, 901, 0, 2000, 100});
	send((struct sent){1, TCP_ACK, 901, 102, 0, 2001, 100});
	assert_false(flow.bits & FLOW_CLOSED);
	send((struct sent){1, TCP_FIN | TCP_ACK, 901, 102, 0, 2002, 100});
	assert_false(flow.bits & FLOW_CLOSED);
	send((struct sent){0, TCP_ACK, 102, 902, 0, 2003, 100});
	assert_true(flow.bits & FLOW_CLOSED);
}

static void test_close_by_reset(void **)
{
	begin();
	send((struct sent){0, TCP_SYN, 100, 0, 0, 1000, 100});
	send((struct sent){1, TCP_RST | TCP_ACK, 0, 101, 0, 1100, 0});
	assert_true(flow.bits & FLOW_CLOSED);
}

static void test_repeated_fin(void **)
{
	handshake(100, 900);
	send((struct sent){0, TCP_FIN | TCP_ACK, 101, 901, 0, 2000, 100});
	send((struct sent){0, TCP_FIN | TCP_ACK, 101, 901, 0, 3000, 100});
	assert_int_equal(flow_more(&flow)->fin_retransmissions, 1);
	assert_int_equal(flow_more(&flow)->retransmissions[0], 0);
}

// Data and FIN in one segment: both are repeated.
static void test_repeated_fin_with_data(void **)
{
	handshake(100, 900);
	send((struct sent){0, TCP_FIN | TCP_ACK, 101, 901, 50, 2000, 100});
	send((struct sent){0, TCP_FIN | TCP_ACK, 101, 901, 50, 3000, 100});
	assert_int_equal(flow_more(&flow)->fin_retransmissions, 1);
	assert_int_equal(flow_more(&flow)->retransmissions[0], 1);
}

// Who gives up what it has sent may close below it: nothing was sent twice.
static void test_first_fin_below_the_data(void **)
{
	handshake(100, 900);
	send((struct sent){1, TCP_ACK, 901, 101, 500, 2000, 100});
	send((struct sent){1, TCP_FIN | TCP_ACK, 901, 101, 0, 3000, 100});
	assert_int_equal(flow_more(&flow)->fin_retransmissions, 0);
	assert_int_equal(flow_more(&flow)->retransmissions[1], 0);
}

static void test_restart_keeps_sequence_numbers(void **)
{
	handshake(100, 900);
	send((struct sent){0, TCP_ACK, 101, 901, 10, 2000, 100});
	send((struct sent){0, TCP_ACK, 101, 901, 10, 2001, 100});
	tcp_state_restart(&flow);
	assert_int_equal(flow_more(&flow)->retransmissions[0], 0);
	send((struct sent){0, TCP_ACK, 101, 901, 10, 2002, 100});
	assert_int_equal(flow_more(&flow)->retransmissions[0], 1);
}

// A header that the snap length cut has flags, and nothing behind its end is read.
static void test_cut_header(void **)
{
	uint8_t *header = calloc(1, 14);
	struct packet p = {.data = header,
		.tcp_flags = TCP_RST,
		.l4_header_len = 14,
		.ip_proto = IP_PROTO_TCP};

	begin();
	tcp_state_update(&flow, &p, 0);
	assert_int_equal(flow.tcp_flags[0], TCP_RST);
	free(header);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_segment_touches_little),
		cmocka_unit_test(test_handshake_rtt),
		cmocka_unit_test(test_repeated_syn),
		cmocka_unit_test(test_repeated_syn_of_an_open_connection),
		cmocka_unit_test(test_repeated_syn_without_its_data),
		cmocka_unit_test(test_second_answer_to_a_syn),
		cmocka_unit_test(test_connection_begun_anew),
		cmocka_unit_test(test_connection_begun_anew_after_gigabytes),
		cmocka_unit_test(test_time_that_runs_back_leaves_no_rtt),
		cmocka_unit_test(test_retransmission_and_wrap),
		cmocka_unit_test(test_keep_alive_is_no_retransmission),
		cmocka_unit_test(test_late_segment_is_out_of_order),
		cmocka_unit_test(test_several_holes),
		cmocka_unit_test(test_holes_that_are_long_past),
		cmocka_unit_test(test_hole_filled_in_pieces),
		cmocka_unit_test(test_two_holes_filled_at_once),
		cmocka_unit_test(test_acknowledged_before_it_was_seen),
		cmocka_unit_test(test_acknowledged_but_never_seen),
		cmocka_unit_test(test_zero_window),
		cmocka_unit_test(test_close_by_both_fins),
		cmocka_unit_test(test_close_by_reset),
		cmocka_unit_test(test_repeated_fin),
		cmocka_unit_test(test_repeated_fin_with_data),
		cmocka_unit_test(test_first_fin_below_the_data),
		cmocka_unit_test(test_restart_keeps_sequence_numbers),
		cmocka_unit_test(test_cut_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
