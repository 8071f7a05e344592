// The table of clients: who goes when it is full, and what is learned of one.
#include "core/client/client_table.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct identity mac_of(uint8_t first, uint8_t last)
{
	return identity_of_mac(0, (const uint8_t[6]){first, 0x1b, 0x21, 0, 0, last});
}

enum { NOBODY = -1, REFUSED = -2 };
#define KEPT_S 600

static void open_table(struct client_table *table, uint32_t max, uint32_t random_max)
{
	assert_int_equal(
		client_table_init(table, max, random_max, KEPT_S * NS_PER_S, hash_key_new(1, 1)),
		0);
}

// As the ledger does it. Returns the last octet of who had to go, or one of the above.
static int enter_id(struct client_table *table, const struct identity *id,
	enum client_standing standing, double when_s)
{
	uint64_t now_ns = (uint64_t)(when_s * 1e9);
	uint32_t bucket = client_bucket(table, id);
	struct client *client = client_find(table, id), *victim;
	int gone = NOBODY;

	if (client == NULL) {
		bool has_place = client_table_has_place(table, id, standing, now_ns, &victim);
		if (!has_place && standing == CLIENT_ONCE &&
			client_table_refuse(table, id, bucket, now_ns)) {
			standing = CLIENT_AGAIN;
			has_place = client_table_has_place(table, id, standing, now_ns, &victim);
		}
		if (!has_place)
			return REFUSED;
		if (victim != NULL) {
			gone = victim->id.value[5];
			client_table_remove(table, victim);
		}
		client = client_table_add(table, id, bucket);
	}
	if (standing != CLIENT_UNSEEN)
		client_table_touch(table, client, standing, now_ns);
	return gone;
}

static int enter(struct client_table *table, uint8_t first, uint8_t last,
	enum client_standing standing, double when_s)
{
	struct identity id = mac_of(first, last);

	return enter_id(table, &id, standing, when_s);
}

static bool is_there(struct client_table *table, uint8_t first, uint8_t last)
{
	struct identity id = mac_of(first, last);

	return client_find(table, &id) != NULL;
}

static void test_unseen_longest_goes(void **)
{
	struct client_table table;

	open_table(&table, 4, 4);
	for (uint8_t i = 1; i <= 4; i++)
		assert_int_equal(enter(&table, 0, i, CLIENT_ONCE, i), NOBODY);
	assert_int_equal(enter(&table, 0, 1, CLIENT_ONCE, 10), NOBODY); // seen again
	assert_int_equal(enter(&table, 0, 5, CLIENT_ONCE, 11.999), REFUSED);
	assert_int_equal(enter(&table, 0, 6, CLIENT_ONCE, 12), 2);
	assert_int_equal(enter(&table, 0, 7, CLIENT_UNSEEN, 13), 3);
	assert_int_equal(enter(&table, 0, 8, CLIENT_ONCE, 13), 7); // never seen: goes first
	assert_true(is_there(&table, 0, 1) && !is_there(&table, 0, 2));
	assert_int_equal(table.pool.used, 4);
	client_table_fini(&table);
}

static void test_random_macs_have_a_quota(void **)
{
	struct client_table table;

	open_table(&table, 8, 2);
	for (uint8_t i = 1; i <= 4; i++)
		assert_int_equal(enter(&table, 0, i, CLIENT_ONCE, i), NOBODY);
	assert_int_equal(enter(&table, 2, 11, CLIENT_ONCE, 20), NOBODY);
	assert_int_equal(enter(&table, 2, 12, CLIENT_ONCE, 21), NOBODY);
	// Among themselves, though there is room.
	assert_int_equal(enter(&table, 2, 13, CLIENT_ONCE, 29), REFUSED);
	assert_int_equal(enter(&table, 2, 14, CLIENT_CONVERSED, 29), 11);
	assert_int_equal(enter(&table, 2, 15, CLIENT_ONCE, 31), 12);
	for (uint8_t i = 1; i <= 4; i++)
		assert_true(is_there(&table, 0, i));
	// A full table takes from both kinds.
	assert_int_equal(enter(&table, 0, 5, CLIENT_ONCE, 31), NOBODY);
	assert_int_equal(enter(&table, 0, 6, CLIENT_ONCE, 31), NOBODY);
	assert_int_equal(enter(&table, 0, 7, CLIENT_ONCE, 32), 1);
	for (uint8_t i = 2; i <= 7; i++)
		enter(&table, 0, i, CLIENT_ONCE, 40);
	assert_int_equal(enter(&table, 0, 8, CLIENT_ONCE, 41), 15);
	assert_int_equal(table.random_count, 1);
	client_table_fini(&table);
}

// Who has spoken for itself takes the place of who has not, however lately that was seen; of its
// like, when that is silent for some seconds; and gives way to less only when silent for long.
static void test_standing(void **)
{
	struct client_table table;

	open_table(&table, 4, 4);
	for (uint8_t i = 1; i <= 4; i++)
		assert_int_equal(enter(&table, 0, i, CLIENT_ONCE, i / 10.0), NOBODY);
	enter(&table, 0, 2, CLIENT_ONCE, 1.1); // within a second of its first: not again
	assert_int_equal(enter(&table, 0, 1, CLIENT_ONCE, 1.1), NOBODY);
	assert_int_equal(enter(&table, 0, 5, CLIENT_CONVERSED, 1.2), 2);
	assert_int_equal(enter(&table, 0, 6, CLIENT_AGAIN, 1.3), 3);
	assert_int_equal(enter(&table, 0, 4, CLIENT_CONVERSED, 1.4), NOBODY);
	// 1 and 6 were seen again, 5 and 4 have conversed. Their like:
	assert_int_equal(enter(&table, 0, 7, CLIENT_AGAIN, 11), REFUSED);
	assert_int_equal(enter(&table, 0, 7, CLIENT_AGAIN, 11.1), 1);
	assert_int_equal(enter(&table, 0, 8, CLIENT_CONVERSED, 11.2), 6);
	assert_int_equal(enter(&table, 0, 9, CLIENT_CONVERSED, 11.2), 7);
	assert_int_equal(enter(&table, 0, 10, CLIENT_CONVERSED, 11.2), 5);
	assert_int_equal(enter(&table, 0, 11, CLIENT_CONVERSED, 11.3), REFUSED);
	assert_int_equal(enter(&table, 0, 4, CLIENT_ONCE, 100), NOBODY); // keeps its standing
	// Less than they are:
	assert_int_equal(enter(&table, 0, 12, CLIENT_AGAIN, 611), REFUSED);
	assert_int_equal(enter(&table, 0, 12, CLIENT_ONCE, 611.2), 8);
	assert_int_equal(enter(&table, 0, 13, CLIENT_CONVERSED, 611.2), 12);
	assert_true(is_there(&table, 0, 4) && is_there(&table, 0, 9));
	client_table_fini(&table);
}

// Who was refused, and is met again a second later, has the standing that it would have if it had
// found a place. A flood makes that be forgotten.
static void test_refused_is_remembered(void **)
{
	struct client_table table;

	open_table(&table, 64, 64);
	for (uint8_t i = 0; i < 64; i++)
		assert_int_equal(enter(&table, 0, i, CLIENT_ONCE, 1), NOBODY);
	assert_int_equal(enter(&table, 0, 100, CLIENT_ONCE, 2), REFUSED);
	assert_int_equal(enter(&table, 0, 101, CLIENT_ONCE, 2.5), REFUSED);
	assert_int_equal(enter(&table, 0, 100, CLIENT_ONCE, 2.999), REFUSED);
	assert_int_equal(enter(&table, 0, 100, CLIENT_ONCE, 3), 0);
	struct identity id = mac_of(0, 100);
	assert_int_equal(client_find(&table, &id)->standing, CLIENT_AGAIN);
	for (uint32_t i = 0; i < 20000; i++) {
		uint8_t mac[] = {0, 0x1b, 0x22, 0, (uint8_t)(i >> 8), (uint8_t)i};
		id = identity_of_mac(0, mac);
		assert_int_equal(enter_id(&table, &id, CLIENT_ONCE, 3 + i * 1e-4), REFUSED);
	}
	assert_int_equal(enter(&table, 0, 101, CLIENT_ONCE, 5.1), REFUSED);
	client_table_fini(&table);
}

static void test_serials_and_hash(void **)
{
	struct client_table table;
	uint64_t serial = 0;

	open_table(&table, 64, 64);
	for (unsigned i = 0; i < 1000; i++) {
		enter(&table, 0, (uint8_t)i, CLIENT_ONCE, i + 1);
		struct identity id = mac_of(0, (uint8_t)i);
		struct client *client = client_find(&table, &id);
		assert_non_null(client);
		assert_true(client->serial > serial); // nobody comes back under an old one
		serial = client->serial;
	}
	// The same MAC on another VLAN is another client.
	struct identity id = identity_of_mac(7, (const uint8_t[6]){0, 0x1b, 0x21, 0, 0, 231});
	assert_null(client_find(&table, &id));
	client_table_fini(&table);
}

static void test_names(void **)
{
	struct client client = {0};
	static struct client_words words;
	char name[300] = {0};

	assert_false(client_learn_name(&client, &words, CLIENT_NAME_DHCP, (uint8_t *)"", 0, 1));
	for (unsigned i = 0; i < 10; i++) {
		name[0] = (char)('a' + i);
		assert_true(client_learn_name(
			&client, &words, CLIENT_NAME_DHCP, (uint8_t *)name, 1, i));
	}
	assert_int_equal(client.name_count, CLIENT_NAMES_MAX);
	assert_int_equal(words.names[0].text[0], 'j');
	assert_int_equal(words.names[7].text[0], 'c');
	// Said again: to the front, nothing new; by another source it is another name.
	assert_false(client_learn_name(&client, &words, CLIENT_NAME_DHCP, (uint8_t *)"e", 1, 20));
	assert_int_equal(words.names[0].text[0], 'e');
	assert_int_equal(words.names[0].time_ns, 20);
	assert_int_equal(words.names[1].text[0], 'j');
	assert_int_equal(words.names[7].text[0], 'c');
	assert_true(
		client_learn_name(&client, &words, CLIENT_NAME_DHCP_FQDN, (uint8_t *)"e", 1, 21));
	memset(name, 'x', sizeof(name));
	assert_true(client_learn_name(
		&client, &words, CLIENT_NAME_DHCP, (uint8_t *)name, sizeof(name), 22));
	assert_int_equal(words.names[0].len, 255);
}

static void test_addresses(void **)
{
	struct client client = {0};
	static struct client_detail detail;

	for (uint8_t i = 0; i < CLIENT_ADDRESSES_MAX; i++) {
		struct client_address a = {.ip = {10, 0, 0, i},
			.ip_version = 4,
			.source = ADDRESS_TRAFFIC,
			.from_ns = 10,
			.to_ns = 100u + i};
		assert_true(client_learn_address(&client, &detail, &a, i == 3));
	}
	assert_int_equal(client.asked, 1 << 3);
	struct client_address a = {.ip = {10, 0, 0, 3},
		.ip_version = 4,
		.source = ADDRESS_DHCP,
		.from_ns = 5,
		.to_ns = 50};
	assert_true(client_learn_address(&client, &detail, &a, false)); // better known
	assert_false(client_learn_address(&client, &detail, &a, false));
	assert_int_equal(detail.addresses[3].from_ns, 5);
	assert_int_equal(detail.addresses[3].to_ns, 103);
	assert_int_equal(client.asked, 1 << 3);
	// The same octets as an IPv6 address are another one; the one unseen longest makes room.
	a = (struct client_address){.ip = {10, 0, 0, 3}, .ip_version = 6, .to_ns = 200};
	assert_true(client_learn_address(&client, &detail, &a, false));
	assert_int_equal(client.address_count, CLIENT_ADDRESSES_MAX);
	assert_int_equal(detail.addresses[0].ip_version, 6);
	client_mark_asked(&client, &detail, a.ip, 6);
	assert_int_equal(client.asked, 1 << 3 | 1 << 0);
	a.ip[5] = 1;
	a.to_ns = 300;
	for (uint8_t i = 0; i < 4; i++, a.ip[5]++)
		client_learn_address(&client, &detail, &a, false);
	assert_int_equal(client.asked & 1 << 3, 0); // what came in its place has not asked
}

static void test_dhcp_texts(void **)
{
	struct client client = {0};
	static struct client_words words;
	char text[300];

	memset(text, '1', sizeof(text));
	assert_true(client_learn_dhcp_options(&client, &words, (uint8_t *)"1,3", 3));
	assert_false(client_learn_dhcp_options(&client, &words, (uint8_t *)"1,3", 3));
	assert_false(client_learn_dhcp_options(&client, &words, (uint8_t *)"", 0));
	assert_true(client_learn_dhcp_options(&client, &words, (uint8_t *)text, sizeof(text)));
	assert_int_equal(strlen(words.dhcp_options), DHCP_OPTIONS_MAX);
	assert_true(client_learn_vendor_class(&client, &words, (uint8_t *)text, sizeof(text)));
	assert_false(client_learn_vendor_class(&client, &words, (uint8_t *)text, sizeof(text)));
	assert_int_equal(client.dhcp_vendor_class_len, DHCP_VENDOR_CLASS_MAX);
}

#define MINUTES(m) ((m)*60 * NS_PER_S)

static void test_router(void **)
{
	struct client client = {.router_since_ns = CLIENT_NEVER};
	uint8_t ip[4] = {10, 0, 0, 1};

	// Four at one time, and a fifth long after: no router.
	for (; ip[3] <= 4; ip[3]++)
		assert_false(client_carries(&client, ip, MINUTES(20), MINUTES(21)));
	for (ip[3] = 1; ip[3] <= 4; ip[3]++)
		assert_false(client_carries(&client, ip, MINUTES(22), MINUTES(22)));
	assert_false(client_carries(&client, ip, MINUTES(33), MINUTES(33)));
	for (ip[3] = 6; ip[3] <= 8; ip[3]++)
		assert_false(client_carries(&client, ip, MINUTES(40), MINUTES(40)));
	assert_true(client_carries(&client, ip, MINUTES(43), MINUTES(43)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unseen_longest_goes),
		cmocka_unit_test(test_random_macs_have_a_quota),
		cmocka_unit_test(test_standing),
		cmocka_unit_test(test_refused_is_remembered),
		cmocka_unit_test(test_serials_and_hash),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_dhcp_texts),
		cmocka_unit_test(test_router),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
