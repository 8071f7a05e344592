// The policy: what each profile lets leave, the operator's rules, what is refused and how it is
// told.
#include "sample.h"

#include "core/base/compiler.h"
#include "core/privacy/policy_parts.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct policy *make(enum setting_profile profile, const char *const *rules)
{
	struct settings settings;
	struct problems problems = {0};
	struct policy *policy = NULL;
	bool random_key;

	sample_settings(&settings, profile, rules);
	int err = policy_new(&policy, &settings, &problems, &random_key);
	problems_print(&problems, stderr);
	assert_int_equal(err, 0);
	assert_int_equal(problems.count, 0);
	problems_fini(&problems);
	sample_settings_fini(&settings);
	return policy;
}

// The problems that rules or settings make, joined by newlines, in a static buffer.
static const char *refused(struct settings *settings)
{
	static char text[4096];
	struct problems problems = {0};
	struct policy *policy = NULL;
	bool random_key = false;

	assert_int_equal(policy_new(&policy, settings, &problems, &random_key), -EINVAL);
	assert_null(policy);
	text[0] = '\0';
	for (size_t i = 0; i < problems.count; i++) {
		strcat(text, problems.lines[i]);
		strcat(text, "\n");
	}
	problems_fini(&problems);
	return text;
}

static const char *refused_rules(const char *const *rules)
{
	struct settings settings;

	sample_settings(&settings, PROFILE_STANDARD, rules);
	const char *text = refused(&settings);
	sample_settings_fini(&settings);
	return text;
}

static const char *rule_text(
	const struct policy *policy, enum record_type type, unsigned field, bool local)
{
	static char text[RULE_TEXT_SIZE];
	struct policy_rule rule = policy_rule(policy, type, field, local);

	policy_rule_print(&rule, &record_schema(type)->fields[field], text);
	return text;
}

#define ASSERT_RULE(policy, type, field, local, text) \
	assert_string_equal(rule_text(policy, RECORD_##type, type##_##field, local), text)

static void test_profiles(void **)
{
	struct policy *basic = make(PROFILE_BASIC, NULL);
	struct policy *standard = make(PROFILE_STANDARD, NULL);
	struct policy *full = make(PROFILE_FULL, NULL);

	assert_false(policy_writes(basic, RECORD_FLOW));
	assert_false(policy_writes(basic, RECORD_CLIENT));
	assert_true(policy_writes(basic, RECORD_USAGE));
	assert_true(policy_writes(basic, RECORD_HEALTH));
	assert_false(policy_usage_by_client(basic));
	ASSERT_RULE(basic, USAGE, category, false, "keep");
	ASSERT_RULE(basic, USAGE, application, false, "drop");
	ASSERT_RULE(basic, USAGE, client_key, false, "drop");
	ASSERT_RULE(basic, USAGE, active_s, false, "bucket: 1m");
	ASSERT_RULE(basic, USAGE, key_epoch, false, "drop");

	assert_true(policy_writes(standard, RECORD_FLOW));
	assert_true(policy_usage_by_client(standard));
	ASSERT_RULE(standard, FLOW, server_ip, false, "truncate: 24/48");
	ASSERT_RULE(standard, FLOW, server_ip, true, "drop");
	ASSERT_RULE(standard, FLOW, client_ip, false, "truncate: 24/48");
	ASSERT_RULE(standard, FLOW, client_ip, true, "drop");
	ASSERT_RULE(standard, FLOW, server_name, false, "domain");
	ASSERT_RULE(standard, FLOW, dns__name, false, "domain");
	ASSERT_RULE(standard, FLOW, dns__rcode, false, "keep");
	ASSERT_RULE(standard, CLIENT, last_seen, false, "bucket: 1h");
	ASSERT_RULE(standard, CLIENT, names__name, false, "drop");
	ASSERT_RULE(standard, CLIENT, names, false, "drop"); // nothing in it leaves
	ASSERT_RULE(standard, CLIENT, clues__value, false, "drop");
	ASSERT_RULE(standard, CLIENT, clues, false, "keep");

	// `full`: everything but what nobody collects.
	for (enum record_type type = RECORD_FLOW; type < RECORD_TYPE_COUNT; type++)
		for (unsigned i = 0; i < record_schema(type)->count; i++)
			for (unsigned local = 0; local < 2; local++)
				assert_string_equal(rule_text(full, type, i, local),
					type == RECORD_CLIENT && i == CLIENT_user_name ? "drop"
										       : "keep");
	policy_free(basic);
	policy_free(standard);
	policy_free(full);
}

static void test_rules(void **)
{
	static const char *const rules[] = {
		"flow.dns.name=keep", // more special than the next
		"dns=drop",
		"client_ip.local=truncate: 16/32",
		"client_ip=keep",
		"vlan=drop", // of flows and clients
		"client.vlan=keep",
		"flow.start=bucket: 10s",
		"rtt_server_us=bucket: 500us",
		"usage.bytes_up=bucket: 4096",
		"window_start=bucket: 1h",
		"mac=truncate 24",
		"names.name=pseudonym",
		"client_key=pseudonym",
		NULL,
	};
	struct policy *policy = make(PROFILE_STANDARD, rules);

	ASSERT_RULE(policy, FLOW, dns__name, false, "keep");
	ASSERT_RULE(policy, FLOW, dns__rcode, false, "drop");
	ASSERT_RULE(policy, FLOW, dns, false, "keep");
	ASSERT_RULE(policy, FLOW, client_ip, true, "truncate: 16/32");
	ASSERT_RULE(policy, FLOW, client_ip, false, "keep");
	ASSERT_RULE(policy, FLOW, vlan, false, "drop");
	ASSERT_RULE(policy, CLIENT, vlan, false, "keep");
	ASSERT_RULE(policy, FLOW, start, false, "bucket: 10s");
	ASSERT_RULE(policy, FLOW, rtt_server_us, false, "bucket: 500us");
	assert_int_equal(policy_rule(policy, RECORD_FLOW, FLOW_rtt_server_us, false).bucket, 500);
	ASSERT_RULE(policy, USAGE, bytes_up, false, "bucket: 4096");
	ASSERT_RULE(policy, FLOW, bytes_up, false, "keep");
	assert_int_equal(policy_rule(policy, RECORD_USAGE, USAGE_window_start, false).bucket, 3600);
	ASSERT_RULE(policy, CLIENT, mac, false, "truncate: 24");
	ASSERT_RULE(policy, FLOW, client_key, false, "pseudonym");
	ASSERT_RULE(policy, USAGE, client_key, false, "pseudonym");
	assert_int_equal(policy_rule(policy, RECORD_FLOW, FLOW_dns__name, false).line, 11);
	assert_int_equal(policy_rule(policy, RECORD_FLOW, FLOW_dns__rcode, false).line, 12);
	assert_false(policy_rule(policy, RECORD_FLOW, FLOW_end, false).own);
	policy_free(policy);
}

static void test_misfits(void **)
{
	static const char *const rules[] = {
		"flow.colour=keep",
		"bytes_up=domain",
		"client_mac=truncate: 16",
		"server_ip=truncate: 33/48",
		"server_ip=truncate: 24",
		"server_ip=pseudonym",
		"flow.start=bucket: 0",
		"usage.packets_up=bucket: 1h",
		"ip_protocol=bucket: 2",
		"direction=pseudonym",
		"server_name=hash",
		"client_key=domain",
		"window_start=bucket: 1500ms",
		"client.client_ip=keep",
		NULL,
	};

	assert_string_equal(refused_rules(rules),
		"weir.yaml:11: privacy.fields: no record has a field \"flow.colour\"; weir explain "
		"lists them\n"
		"weir.yaml:12: privacy.fields: bytes_up: \"domain\" does not fit flow.bytes_up; "
		"allowed: keep, drop, bucket: N\n"
		"weir.yaml:13: privacy.fields: client_mac: \"truncate: 16\" does not fit "
		"flow.client_mac; allowed: keep, drop, truncate: 24 (the vendor's part)\n"
		"weir.yaml:14: privacy.fields: server_ip: \"truncate: 33/48\" does not fit "
		"flow.server_ip.remote; allowed: keep, drop, truncate: V4/V6 (prefix bits, as "
		"24/48)\n"
		"weir.yaml:15: privacy.fields: server_ip: \"truncate: 24\" does not fit "
		"flow.server_ip.remote; allowed: keep, drop, truncate: V4/V6 (prefix bits, as "
		"24/48)\n"
		"weir.yaml:16: privacy.fields: server_ip: \"pseudonym\" does not fit "
		"flow.server_ip.remote; allowed: keep, drop, truncate: V4/V6 (prefix bits, as "
		"24/48)\n"
		"weir.yaml:17: privacy.fields: flow.start: \"bucket: 0\" does not fit flow.start; "
		"allowed: keep, drop, bucket: TIME (as 60s, 1h)\n"
		"weir.yaml:18: privacy.fields: usage.packets_up: \"bucket: 1h\" does not fit "
		"usage.packets_up; allowed: keep, drop, bucket: N\n"
		"weir.yaml:19: privacy.fields: ip_protocol: \"bucket: 2\" does not fit "
		"flow.ip_protocol; allowed: keep, drop\n"
		"weir.yaml:20: privacy.fields: direction: \"pseudonym\" does not fit "
		"flow.direction; "
		"allowed: keep, drop\n"
		"weir.yaml:21: privacy.fields: server_name: \"hash\" does not fit "
		"flow.server_name; "
		"allowed: keep, drop, pseudonym, domain\n"
		"weir.yaml:22: privacy.fields: client_key: \"domain\" does not fit "
		"flow.client_key; "
		"allowed: keep, drop, pseudonym\n"
		"weir.yaml:23: privacy.fields: window_start: \"bucket: 1500ms\" does not fit "
		"usage.window_start; allowed: keep, drop, bucket: TIME (as 60s, 1h)\n"
		"weir.yaml:24: privacy.fields: no record has a field \"client.client_ip\"; weir "
		"explain lists them\n");
}

static uint64_t fingerprint_of(const struct settings *settings)
{
	struct problems problems = {0};
	struct policy *policy = NULL;
	bool random_key;

	assert_int_equal(policy_new(&policy, settings, &problems, &random_key), 0);
	uint64_t fingerprint = policy_fingerprint(policy);
	policy_free(policy);
	return fingerprint;
}

static void test_excluded(void **)
{
	struct setting_item macs[] = {{NULL, (char *)"02:5E:ca-fe:f0:0d", 3}};
	struct setting_item subnets[] = {{NULL, (char *)"192.0.2.0/25", 4},
		{NULL, (char *)"2001:db8::/32", 5}, {NULL, (char *)"198.51.100.7", 6}};
	static const uint8_t mac[6] = {0x02, 0x5e, 0xca, 0xfe, 0xf0, 0x0d}, other[6] = {2};
	static const uint8_t in[16] = {192, 0, 2, 127}, out[16] = {192, 0, 2, 128};
	static const uint8_t one[16] = {198, 51, 100, 7}, in6[16] = {0x20, 1, 0x0d, 0xb8, 9};
	struct settings settings;
	struct problems problems = {0};
	struct policy *policy = NULL;
	bool random_key;

	sample_settings(&settings, PROFILE_STANDARD, NULL);
	settings.exclude_macs = (struct setting_list){macs, 1};
	settings.exclude_subnets = (struct setting_list){subnets, 3};
	assert_int_equal(policy_new(&policy, &settings, &problems, &random_key), 0);
	const struct excluded *set = policy_excluded(policy);
	assert_true(excluded_matches(set, mac, out, false));
	assert_false(excluded_matches(set, other, out, false));
	assert_true(excluded_matches(set, other, in, false));
	assert_true(excluded_matches(set, NULL, one, false));
	assert_true(excluded_matches(set, NULL, in6, true));
	assert_false(excluded_matches(set, NULL, in6, false));
	uint64_t fingerprint = policy_fingerprint(policy);
	policy_free(policy);

	// Whom it excludes is part of the policy: how many they are, and who.
	settings.exclude_subnets.count = 2;
	assert_int_not_equal(fingerprint_of(&settings), fingerprint);
	settings.exclude_subnets.count = 3;
	assert_int_equal(fingerprint_of(&settings), fingerprint);
	subnets[2].value = (char *)"198.51.100.8";
	assert_int_not_equal(fingerprint_of(&settings), fingerprint);
	subnets[2].value = (char *)"198.51.100.7";
	macs[0].value = (char *)"02:5e:ca:fe:f0:0e";
	assert_int_not_equal(fingerprint_of(&settings), fingerprint);

	macs[0].value = (char *)"02:5e:ca:fe:f0";
	subnets[0].value = (char *)"192.0.2.0/33";
	subnets[1].value = (char *)"example.com";
	settings.exclude_subnets.count = 3;
	assert_string_equal(refused(&settings),
		"weir.yaml:3: privacy.exclude.mac: \"02:5e:ca:fe:f0\" is no MAC address; allowed: "
		"02:00:5e:10:00:01\n"
		"weir.yaml:4: privacy.exclude.subnet: \"192.0.2.0/33\" is no subnet; allowed: "
		"192.0.2.0/24, 2001:db8::/32, or one address\n"
		"weir.yaml:5: privacy.exclude.subnet: \"example.com\" is no subnet; allowed: "
		"192.0.2.0/24, 2001:db8::/32, or one address\n");
}

static void test_fingerprint(void **)
{
	static const char *const same[] = {"server_name=domain", NULL};
	static const char *const other[] = {"server_name=drop", NULL};
	struct policy *a = make(PROFILE_STANDARD, NULL), *b = make(PROFILE_STANDARD, same);
	struct policy *c = make(PROFILE_STANDARD, other);
	uint64_t first = 0;

	// It is of what leaves, not of how that was said.
	assert_int_equal(policy_fingerprint(a), policy_fingerprint(b));
	assert_int_not_equal(policy_fingerprint(a), policy_fingerprint(c));
	for (unsigned i = 0; i < 8; i++)
		first = first << 8 | policy_sha256(a)[i];
	assert_int_equal(policy_fingerprint(a), first);
	struct settings settings;
	sample_settings(&settings, PROFILE_STANDARD, NULL);
	assert_int_equal(fingerprint_of(&settings), first);
	settings.retention -= NS_PER_S; // how long rows may be kept is part of it
	assert_int_not_equal(fingerprint_of(&settings), first);
	policy_free(a);
	policy_free(b);
	policy_free(c);
}

static void test_client_keys(void **)
{
	static const uint8_t mac[16] = {2, 0, 0, 0, 0, 1}, other[16] = {2, 0, 0, 0, 0, 2};
	struct policy *a = make(PROFILE_STANDARD, NULL), *b = make(PROFILE_FULL, NULL);
	uint8_t key[16], again[16];

	policy_client_key(a, CLIENT_KIND_MAC, 0, mac, key);
	policy_client_key(b, CLIENT_KIND_MAC, 0, mac, again);
	assert_memory_equal(key, again, 16); // the same seed, whatever the profile
	policy_client_key(a, CLIENT_KIND_MAC, 1, mac, again);
	assert_memory_not_equal(key, again, 16);
	policy_client_key(a, CLIENT_KIND_MAC, 0, other, again);
	assert_memory_not_equal(key, again, 16);
	policy_client_key(a, CLIENT_KIND_IP6, 0, mac, again);
	assert_memory_not_equal(key, again, 16);
	assert_int_equal(policy_key_epoch(a), 1);
	assert_int_equal(policy_flow_id(a, 7), policy_flow_id(b, 7));
	assert_int_not_equal(policy_flow_id(a, 7), 7);
	assert_int_not_equal(policy_flow_id(a, 7), policy_flow_id(a, 8));
	policy_free(a);
	policy_free(b);
}

// One value has one pseudonym in one kind of field, and another in the other kind: a text is not to
// be looked up among the keys of clients.
static void test_pseudonyms_of_fields(void **)
{
	static const uint8_t value[16] = "sixteen octets.";
	struct policy *policy = make(PROFILE_STANDARD, NULL);
	uint8_t key[16], text[16], again[16];

	policy_pseudonym(policy, RECORD_FLOW, FLOW_client_key, value, sizeof(value), key);
	policy_pseudonym(policy, RECORD_FLOW, FLOW_server_name, value, sizeof(value), text);
	assert_memory_not_equal(key, text, 16);
	policy_pseudonym(policy, RECORD_CLIENT, CLIENT_client_key, value, sizeof(value), again);
	assert_memory_equal(again, key, 16); // the same client's in every record
	policy_pseudonym(policy, RECORD_FLOW, FLOW_user_agent, value, sizeof(value), again);
	assert_memory_equal(again, text, 16);
	policy_free(policy);
}

static struct policy *make_at(char *tenant, char *site)
{
	struct settings settings;
	struct problems problems = {0};
	struct policy *policy = NULL;
	bool random_key;

	sample_settings(&settings, PROFILE_STANDARD, NULL);
	settings.tenant = tenant;
	settings.site = site;
	assert_int_equal(policy_new(&policy, &settings, &problems, &random_key), 0);
	sample_settings_fini(&settings);
	return policy;
}

// A key is made of tenant and site as well, however long they are; and several at once as one by
// one.
static void test_client_keys_of_places(void **)
{
	static char longest[] = "a-name-of-sixty-four-octets-is-the-longest-that-a-tenant-can-be.";
	// "ab" + "c" is not "a" + "bc".
	static char *const places[][2] = {{"acme", "attic"}, {"acme", "cellar"}, {"ab", "c"},
		{"a", "bc"}, {"", ""}, {longest, "attic"}, {longest, "cellar"}, {"attic", longest}};
	static const uint8_t values[20][16] = {
		{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}, {10, 0, 0, 1}};
	static const uint8_t kinds[] = {CLIENT_KIND_MAC, CLIENT_KIND_IP4, CLIENT_KIND_IP6};
	uint8_t key[ARRAY_COUNT(places)][16];

	for (size_t p = 0; p < ARRAY_COUNT(places); p++) {
		struct policy *policy = make_at(places[p][0], places[p][1]);
		policy_client_key(policy, CLIENT_KIND_MAC, 7, values[0], key[p]);
		for (size_t before = 0; before < p; before++)
			assert_memory_not_equal(key[p], key[before], 16);

		struct policy_client clients[ARRAY_COUNT(values)];
		uint8_t many[ARRAY_COUNT(values)][16], one[16];
		for (size_t i = 0; i < ARRAY_COUNT(values); i++)
			clients[i] = (struct policy_client){.value = values[i],
				.ret_key = many[i],
				.vlan = (uint16_t)(i / 3),
				.kind = kinds[i % 3]};
		policy_client_keys(policy, clients, ARRAY_COUNT(values));
		for (size_t i = 0; i < ARRAY_COUNT(values); i++) {
			policy_client_key(policy, clients[i].kind, clients[i].vlan, values[i], one);
			assert_memory_equal(one, many[i], 16);
		}
		policy_free(policy);
	}
}

static void test_random_key(void **)
{
	static const uint8_t mac[16] = {2};
	struct settings settings;
	struct problems problems = {0};
	struct policy *a, *b;
	uint8_t key[16], other[16];
	bool random_key = false;

	sample_settings(&settings, PROFILE_STANDARD, NULL);
	settings.seed = 0;
	assert_int_equal(policy_new(&a, &settings, &problems, &random_key), 0);
	assert_true(random_key);
	assert_int_equal(policy_new(&b, &settings, &problems, &random_key), 0);
	policy_client_key(a, CLIENT_KIND_MAC, 0, mac, key);
	policy_client_key(b, CLIENT_KIND_MAC, 0, mac, other);
	assert_memory_not_equal(key, other, 16);
	assert_int_equal(policy_key_epoch(a), 0);
	// The policy is the same.
	assert_int_equal(policy_fingerprint(a), policy_fingerprint(b));
	policy_free(a);
	policy_free(b);

	settings.seed = 5;
	settings.key_file = (char *)"/nonexistent/key";
	assert_string_equal(refused(&settings),
		"privacy.key_file: is refused together with --seed, which makes a key that "
		"everybody knows\n");
}

static void test_explain(void **)
{
	static const char *const rules[] = {"client_ip.local=truncate: 16/32", NULL};
	static const char *const lines[] = {
		"Policy \"house\" version 7, from profile standard, fingerprint ",
		"\nflow records\n",
		"  flow.client_ip.local               truncate: 16/32  person     weir.yaml:11\n",
		"  flow.client_ip.remote              truncate: 24/48  person     profile "
		"standard\n",
		"  flow.dns.name                      domain           behaviour  profile "
		"standard\n",
		"  client.user_name                   drop             person     profile standard "
		"(not collected by this version)\n",
		"\nExcluded at either end, no row leaves:\n"
		"  02:00:00:00:00:01                  by weir.yaml:3\n",
		"\nPseudonyms: a key that --seed fixes, for tests\n",
		"\nExpires: 2160 h after the data's end\n",
	};
	struct setting_item macs[] = {{NULL, (char *)"02:00:00:00:00:01", 3}};
	struct policy *policy = make(PROFILE_STANDARD, rules);
	struct settings settings;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	sample_settings(&settings, PROFILE_STANDARD, rules);
	settings.exclude_macs = (struct setting_list){macs, 1};
	policy_explain(policy, &settings, out);
	fclose(out);
	for (size_t i = 0; i < ARRAY_COUNT(lines); i++)
		if (strstr(text, lines[i]) == NULL)
			fail_msg("no \"%s\" in\n%s", lines[i], text);
	// Every field that is not a list has a line, for both ends where it has two.
	for (enum record_type type = RECORD_FLOW; type < RECORD_TYPE_COUNT; type++)
		for (unsigned i = 0; i < record_schema(type)->count; i++) {
			char path[FIELD_PATH_SIZE];
			unsigned kind = record_schema(type)->fields[i].type;
			policy_field_path(type, i, true, path);
			if (kind != TYPE_LIST && kind != TYPE_MESSAGE)
				assert_non_null(strstr(text, path));
		}
	free(text);
	policy_free(policy);

	policy = make(PROFILE_BASIC, NULL);
	settings.profile = PROFILE_BASIC;
	settings.exclude_macs.count = 0;
	out = open_memstream(&text, &len);
	policy_explain(policy, &settings, out);
	fclose(out);
	assert_non_null(
		strstr(text, "\nflow records: none leave, since no field of their own does\n"));
	assert_non_null(strstr(text, "\nExcluded at either end, no row leaves: nobody\n"));
	assert_null(strstr(text, "flow.server_name "));
	free(text);
	policy_free(policy);
	sample_settings_fini(&settings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_profiles),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_misfits),
		cmocka_unit_test(test_excluded),
		cmocka_unit_test(test_fingerprint),
		cmocka_unit_test(test_client_keys),
		cmocka_unit_test(test_pseudonyms_of_fields),
		cmocka_unit_test(test_client_keys_of_places),
		cmocka_unit_test(test_random_key),
		cmocka_unit_test(test_explain),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
