// Bindings: who had an address when, on whose word.
#include "core/client/binding.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t a[6] = {0, 1, 2, 3, 4, 0xa}, b[6] = {0, 1, 2, 3, 4, 0xb},
		     c[6] = {0, 1, 2, 3, 4, 0xc};

#define AT(s) ((s)*NS_PER_S)

static const uint8_t *holder_at(const struct binding *binding, uint64_t when_ns)
{
	const struct holder *holder = binding_holder(binding, when_ns);

	return holder == NULL ? NULL : holder->mac;
}

static void test_over_time(void **)
{
	struct binding x = {0};

	assert_null(binding_holder(&x, 0));
	assert_true(binding_learn(&x, a, ADDRESS_ARP, AT(10), AT(10)));
	assert_true(binding_learn(&x, b, ADDRESS_DHCP, AT(100), AT(100)));
	assert_true(binding_learn(&x, a, ADDRESS_ARP, AT(200), AT(200)));
	assert_memory_equal(holder_at(&x, AT(50)), a, 6);
	assert_memory_equal(holder_at(&x, AT(100)), b, 6);
	assert_memory_equal(holder_at(&x, AT(199)), b, 6);
	assert_memory_equal(holder_at(&x, AT(900)), a, 6);
	assert_memory_equal(holder_at(&x, AT(1)), a, 6); // the first that is known
	assert_int_equal(x.holder_count, 3);
	for (uint64_t i = 0; i < 10; i++)
		binding_learn(&x, i % 2 ? b : c, ADDRESS_ARP, AT(300 + i), AT(300 + i));
	assert_int_equal(x.holder_count, BINDING_HOLDERS);
	assert_memory_equal(holder_at(&x, AT(308)), c, 6);
	assert_memory_equal(holder_at(&x, AT(309)), b, 6);
}

static void test_evidence(void **)
{
	struct binding x = {0};

	// The best word for the same holder stands, and the time in which it had the address grows.
	binding_learn(&x, a, ADDRESS_TRAFFIC, AT(50), AT(60));
	binding_learn(&x, a, ADDRESS_DHCP, AT(70), AT(70));
	binding_learn(&x, a, ADDRESS_TRAFFIC, AT(40), AT(65));
	assert_int_equal(x.holders[0].source, ADDRESS_DHCP);
	assert_int_equal(x.holders[0].from_ns, AT(40));
	assert_int_equal(x.holders[0].to_ns, AT(70));
	// Traffic with another MAC may have passed a router.
	assert_false(binding_learn(&x, b, ADDRESS_TRAFFIC, AT(100), AT(110)));
	assert_memory_equal(holder_at(&x, AT(105)), a, 6);
	// Not after long silence, though; and traffic gives way to traffic.
	assert_true(binding_learn(&x, b, ADDRESS_TRAFFIC, AT(700), AT(710)));
	assert_true(binding_learn(&x, c, ADDRESS_TRAFFIC, AT(720), AT(721)));
	assert_memory_equal(holder_at(&x, AT(721)), c, 6);
	// News that is older than the holder is no news.
	assert_false(binding_learn(&x, a, ADDRESS_TRAFFIC, AT(600), AT(650)));
}

// A holder did not have the address before the one before it lost it.
static void test_no_overlap(void **)
{
	struct binding x = {0};

	binding_learn(&x, a, ADDRESS_ARP, AT(0), AT(100));
	binding_learn(&x, b, ADDRESS_ARP, AT(200), AT(200));
	binding_learn(&x, b, ADDRESS_TRAFFIC, AT(50), AT(300));
	assert_int_equal(x.holders[0].from_ns, AT(100));
	assert_memory_equal(holder_at(&x, AT(99)), a, 6);
	// Nor before that one had it, of which it knows nothing.
	binding_learn(&x, c, ADDRESS_DHCP, AT(10), AT(400));
	assert_int_equal(x.holders[0].from_ns, AT(100));
}

// What was said holds, whatever traffic shows later of the time before.
static void test_said(void **)
{
	struct binding x = {0};

	assert_null(binding_said(&x, AT(10), AT(100)));
	binding_learn(&x, a, ADDRESS_TRAFFIC, AT(0), AT(10));
	assert_null(binding_said(&x, AT(10), AT(100)));
	binding_learn(&x, a, ADDRESS_ARP, AT(50), AT(50));
	assert_null(binding_said(&x, AT(10), AT(49)));
	assert_memory_equal(binding_said(&x, AT(10), AT(50))->mac, a, 6); // the first that was said
	binding_learn(&x, b, ADDRESS_DHCP, AT(60), AT(60));
	assert_memory_equal(binding_said(&x, AT(59), AT(100))->mac, a, 6);
	assert_memory_equal(binding_said(&x, AT(60), AT(100))->mac, b, 6);
	// Holders whom only traffic showed make room first.
	for (uint64_t i = 0; i < 20; i++)
		binding_learn(&x, i % 2 ? a : c, ADDRESS_TRAFFIC, AT(2000 + i), AT(2000 + i));
	assert_int_equal(x.holder_count, BINDING_HOLDERS);
	assert_memory_equal(binding_said(&x, AT(59), AT(100))->mac, a, 6);
	assert_memory_equal(binding_said(&x, AT(3000), AT(3000))->mac, b, 6);
	assert_memory_equal(holder_at(&x, AT(3000)), a, 6);
}

static void test_table(void **)
{
	struct bindings table;
	uint8_t ip[16] = {10, 0, 0, 0};
	uint64_t time = 0;

	assert_int_equal(bindings_init(&table, 8, hash_key_new(1, 1)), 0);
	for (uint8_t i = 0; i < 8; i++) {
		ip[3] = i;
		struct identity address = address_of(0, ip, false);
		assert_null(binding_find(&table, &address));
		struct binding *made = binding_get(&table, &address, time += NS_PER_S);
		assert_ptr_equal(binding_find(&table, &address), made);
		assert_int_equal(made->on_link_ns, BINDING_NEVER);
	}
	ip[3] = 0;
	struct identity first = address_of(0, ip, false), other_vlan = address_of(1, ip, false);
	binding_get(&table, &first, time += NS_PER_S)->asked =
		true; // used: not the oldest any more
	binding_get(&table, &other_vlan, time += NS_PER_S);
	assert_true(binding_find(&table, &first)->asked);
	assert_false(binding_find(&table, &other_vlan)->asked);
	ip[3] = 1;
	struct identity second = address_of(0, ip, false);
	assert_null(binding_find(&table, &second)); // made room
	for (uint32_t i = 0; i < 1000; i++) {
		memcpy(ip + 2, &i, 2);
		struct identity address = address_of(0, ip, true);
		binding_get(&table, &address, time += NS_PER_S);
	}
	assert_int_equal(table.pool.used, 8);
	bindings_fini(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_over_time),
		cmocka_unit_test(test_evidence),
		cmocka_unit_test(test_no_overlap),
		cmocka_unit_test(test_said),
		cmocka_unit_test(test_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
