// Vendors of MAC addresses: the longest block counts, the table is sorted.
#include "core/client/vendor.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void check(const char *text, const char *vendor)
{
	uint8_t mac[6];

	assert_int_equal(sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1], &mac[2],
				 &mac[3], &mac[4], &mac[5]),
		6);
	const char *found = vendor_of(mac);
	if (vendor == NULL)
		assert_null(found);
	else
		assert_string_equal(found == NULL ? "none" : found, vendor);
}

static void test_lookup(void **)
{
	check("00:1b:21:3c:4d:5e", "Intel Corporate"); // MA-L
	check("20:85:93:bf:ff:ff", "IOG Products LLC"); // MA-M
	check("20:85:93:b0:00:00", "IOG Products LLC");
	check("70:b3:d5:f2:f0:01", "TELEPLATFORMS"); // MA-S
	check("00:50:c2:7d:51:23", "DEUTA-WERKE GmbH"); // an individual address block
	check("02:1b:21:3c:4d:5e", NULL); // locally administered
	check("01:1b:21:3c:4d:5e", NULL); // a group
	check("ff:ff:ff:ff:ff:ff", NULL);
}

static void test_split_blocks_have_no_vendor(void **)
{
	// MA-L 20:85:93 is split: of its parts, those not given out are nobody's.
	static const struct vendor_registry *whole = &vendor_registries[2];
	size_t split = 0;

	for (size_t i = 0; i < whole->count; i++)
		split += whole->blocks[i].name == 0;
	assert_true(split > 50);
}

static void test_sorted(void **)
{
	static const unsigned bits[3] = {36, 28, 24};

	for (unsigned r = 0; r < 3; r++) {
		assert_int_equal(vendor_registries[r].bits, bits[r]);
		assert_true(vendor_registries[r].count > 3000);
		for (size_t i = 1; i < vendor_registries[r].count; i++)
			assert_true(vendor_registries[r].blocks[i - 1].prefix <
				vendor_registries[r].blocks[i].prefix);
	}
}

// Every block of 36 bits, than which none is longer, finds itself.
static void test_every_block(void **)
{
	for (size_t i = 0; i < vendor_registries[0].count; i++) {
		const struct vendor_block *b = &vendor_registries[0].blocks[i];
		uint64_t address = (uint64_t)b->prefix << 12 | 0xfff;
		uint8_t mac[6];
		for (unsigned o = 0; o < 6; o++)
			mac[o] = (uint8_t)(address >> (40 - 8 * o));
		if ((mac[0] & 3) == 0 && b->name != 0)
			assert_ptr_equal(vendor_of(mac), vendor_names + b->name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lookup),
		cmocka_unit_test(test_split_blocks_have_no_vendor),
		cmocka_unit_test(test_sorted),
		cmocka_unit_test(test_every_block),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
