// The door: what comes out of it for each record type and profile; batches, keys, sequences, times.
#include "sample.h"

#include "core/base/compiler.h"
#include "core/privacy/policy_parts.h"
#include "core/record/encode.h"
#include "core/record/read.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define HEAD(type, fp) \
	"{\"record\":\"" type "\",\"collector_id\":\"636f6c6c6563746f722d69642d303000\"," \
	"\"boot_id\":\"b007000000000001\",\"sequence\":0,\"tenant\":\"acme\",\"site\":\"attic\"," \
	"\"policy_fp\":\"" fp "\""

// Everything behind the common fields, which hold the fingerprint.
static const char *own_fields(const char *json, const char *first)
{
	const char *at = strstr(json, first);

	assert_non_null(at);
	return at;
}

static void test_flow_full(void **)
{
	struct sample r;

	sample_init(&r, PROFILE_FULL, NULL, false);
	record_flow(r.record, &r.flow);
	struct batch *batch = sample_sealed(&r);
	assert_non_null(batch);
	const char *json = sample_json(batch, 0);
	char fingerprint[17], head[512];
	snprintf(fingerprint, sizeof(fingerprint), "%016llx",
		(unsigned long long)policy_fingerprint(r.policy));
	snprintf(head, sizeof(head), HEAD("flow", "%s") ",\"key_epoch\":1,", fingerprint);
	assert_memory_equal(json, head, strlen(head));
	assert_string_equal(own_fields(json, "\"expires_at\""),
		"\"expires_at\":\"2024-02-12T22:13:37.000000000Z\","
		"\"start\":\"2023-11-14T22:13:21.000000002Z\","
		"\"end\":\"2023-11-14T22:13:37.000000019Z\","
		"\"client_key\":\"636c69656e742d6b65792d3031323300\","
		"\"server_ip\":\"203.0.113.99\",\"server_port\":443,\"bytes_up\":1300,"
		"\"bytes_down\":140000,\"packets_up\":11,\"packets_down\":12,"
		"\"flow_id\":\"df01516f0e4ea182\",\"segment\":3,\"end_reason\":\"end\","
		"\"client_mac\":\"02:5e:ca:fe:f0:0d\",\"client_ip\":\"192.168.77.42\","
		"\"client_port\":50123,\"ip_protocol\":6,\"interface\":\"br-lan\",\"vlan\":12,"
		"\"vlan_inner\":13,\"mpls_label\":16000,\"tunnel\":\"pppoe\",\"tunnel_id\":321,"
		"\"direction\":\"out\",\"dscp_up\":8,\"dscp_down\":10,\"payload_up\":600,"
		"\"payload_down\":139000,\"tcp_flags_up\":27,\"tcp_flags_down\":26,"
		"\"protocol\":\"TLS\",\"application\":\"YouTube\",\"category\":\"Media\","
		"\"confidence\":\"dpi\",\"risk_bits\":16,\"risk_score\":50,\"dpi\":\"verdict\","
		"\"server_name\":\"deep.inside.Example.co.uk\",\"name_source\":\"dns_cache\","
		"\"name_age_ms\":40,\"ech\":\"grease\",\"tls_version\":\"1.3\","
		"\"alpn\":\"h2,http/1.1\","
		"\"user_agent\":\"Browser/7 (Alices-Phone)\",\"http_method\":\"GET\","
		"\"http_status\":204,\"dns\":[{\"name\":\"very.secret.question.example.uk\","
		"\"type\":\"AAAA\",\"rcode\":0,\"latency_us\":1500},{\"name\":\"alices-nas\","
		"\"type\":\"TYPE65280\"}],\"dns_queries\":2,\"dns_answers\":1,\"dns_failures\":1,"
		"\"rtt_client_us\":250,\"rtt_server_us\":12345,\"first_reply_us\":20000,"
		"\"retransmissions_up\":1,\"retransmissions_down\":2,\"syn_retransmissions\":7,"
		"\"fin_retransmissions\":8,\"out_of_order_up\":3,\"out_of_order_down\":4,"
		"\"zero_window_up\":5,\"zero_window_down\":6,\"gap_bytes_up\":900,"
		"\"gap_bytes_down\":1000,"
		"\"visibility\":[\"mid_flow\",\"loss_in_window\"]}");
	sample_fini(&r);
}

static void test_flow_standard(void **)
{
	struct sample r;

	sample_init(&r, PROFILE_STANDARD, NULL, false);
	record_flow(r.record, &r.flow);
	struct batch *batch = sample_sealed(&r);
	const char *json = sample_json(batch, 0);
	assert_non_null(strstr(json, "\"server_ip\":\"203.0.113.0\""));
	assert_non_null(strstr(json, "\"server_name\":\"example.co.uk\""));
	assert_non_null(strstr(json,
		"\"dns\":[{\"name\":\"example.uk\",\"type\":\"AAAA\",\"rcode\":0,"
		"\"latency_us\":1500},{\"type\":\"TYPE65280\"}]"));
	static const char *const gone[] = {
		"client_mac", "server_mac", "client_ip", "client_port", "mpls_label", "user_agent"};
	for (size_t i = 0; i < ARRAY_COUNT(gone); i++)
		assert_null(strstr(json, gone[i]));
	struct record_stats stats;
	record_stats(r.record, &stats);
	assert_int_equal(stats.made[RECORD_FLOW], 1);
	// Those above that the row has (no server_mac), and server_ip, server_name, two questions.
	assert_int_equal(stats.withheld_values[RECORD_FLOW], 9);
	sample_fini(&r);
}

static void test_basic_is_usage_by_category(void **)
{
	struct sample r;
	struct record_stats stats;

	sample_init(&r, PROFILE_BASIC, NULL, false);
	record_flow(r.record, &r.flow);
	record_client(r.record, &r.client);
	assert_null(sample_sealed(&r));
	record_usage(r.record, &r.usage);
	struct batch *batch = sample_sealed(&r);
	assert_string_equal(own_fields(sample_json(batch, 0), "\"expires_at\""),
		"\"expires_at\":\"2024-02-12T22:20:00.000000000Z\","
		"\"window_start\":\"2023-11-14T22:15:00.000000000Z\",\"window_s\":300,"
		"\"category\":\"Media\",\"bytes_up\":1,\"bytes_down\":2,\"packets_up\":3,"
		"\"packets_down\":4,\"flows\":5,\"flows_failed\":6,\"active_s\":60,"
		"\"retransmissions\":7,\"members\":8}");
	assert_int_equal(batch->rows[0].key_len, 0);
	static const uint8_t nobody[2][16];
	assert_memory_equal(batch->rows[0].client_key, nobody, sizeof(nobody));
	record_stats(r.record, &stats);
	assert_int_equal(stats.withheld_rows[RECORD_FLOW], 1);
	assert_int_equal(stats.withheld_rows[RECORD_CLIENT], 1);
	assert_int_equal(stats.made[RECORD_FLOW], 0);
	sample_fini(&r);
}

static void test_client(void **)
{
	struct sample r;

	sample_init(&r, PROFILE_FULL, NULL, false);
	record_client(r.record, &r.client);
	struct batch *batch = sample_sealed(&r);
	assert_string_equal(own_fields(sample_json(batch, 0), "\"client_key\""),
		"\"client_key\":\"636c69656e742d6b65792d3031323300\","
		"\"first_seen\":\"2023-11-14T22:13:21.234567890Z\","
		"\"last_seen\":\"2023-11-15T00:43:21.234567890Z\",\"mac\":\"02:5e:ca:fe:f0:0d\","
		"\"mac_vendor\":\"Acme, Inc.\",\"mac_random\":true,\"vlan\":12,"
		"\"addresses\":[{\"ip\":\"192.168.77.42\","
		"\"from\":\"1970-01-01T00:00:00.000000017Z\","
		"\"to\":\"1970-01-01T00:00:00.000000018Z\",\"source\":\"dhcp\"},"
		"{\"ip\":\"fe80::42\",\"from\":\"1970-01-01T00:00:00.000000019Z\","
		"\"to\":\"1970-01-01T00:00:00.000000020Z\",\"source\":\"ndp\"}],"
		"\"names\":[{\"name\":\"Alices-Phone\",\"source\":\"dhcp\","
		"\"time\":\"1970-01-01T00:00:00.000000021Z\"},"
		"{\"name\":\"a\\\\\\\\b\\\\xff\\u0001\",\"source\":\"mdns\","
		"\"time\":\"1970-01-01T00:00:00.000000022Z\"}],"
		"\"dhcp_options\":\"1,3,6,15,119,252\",\"dhcp_vendor_class\":\"android-dhcp-13\"}");
	const struct batch_row *row = &batch->rows[0];
	assert_int_equal(row->key_len, 5 + 32);
	assert_memory_equal(batch->bytes + row->key_offset, "acme/636c69656e742d6b65792d3031323300",
		row->key_len);
	sample_fini(&r);

	sample_init(&r, PROFILE_STANDARD, NULL, false);
	record_client(r.record, &r.client);
	batch = sample_sealed(&r);
	assert_string_equal(own_fields(sample_json(batch, 0), "\"expires_at\""),
		"\"expires_at\":\"2024-02-13T00:00:00.000000000Z\","
		"\"client_key\":\"636c69656e742d6b65792d3031323300\","
		"\"first_seen\":\"2023-11-14T22:00:00.000000000Z\","
		"\"last_seen\":\"2023-11-15T00:00:00.000000000Z\",\"mac_vendor\":\"Acme, Inc.\","
		"\"mac_random\":true,\"vlan\":12}");
	// What the policy makes of last_seen must not be told by the message's time.
	assert_int_equal(batch->rows[0].time_ns, UINT64_C(1700006400000000000));
	sample_fini(&r);
}

static void test_usage(void **)
{
	struct sample r;

	sample_init(&r, PROFILE_STANDARD, NULL, false);
	record_usage(r.record, &r.usage);
	r.usage.key = NULL;
	r.usage.total = true;
	record_usage(r.record, &r.usage);
	struct batch *batch = sample_sealed(&r);
	assert_int_equal(batch->count, 2);
	assert_non_null(strstr(sample_json(batch, 0),
		"\"client_key\":\"636c69656e742d6b65792d3031323300\",\"application\":\"YouTube\","
		"\"category\":\"Media\",\"bytes_up\":1,"));
	assert_int_equal(batch->rows[0].key_len, 32);
	assert_memory_equal(
		batch->bytes + batch->rows[0].key_offset, "636c69656e742d6b65792d3031323300", 32);
	// The site total has neither client nor application nor category.
	assert_non_null(strstr(sample_json(batch, 1), "\"sequence\":1,"));
	assert_non_null(strstr(sample_json(batch, 1), "\"window_s\":300,\"bytes_up\":1,"));
	assert_int_equal(batch->rows[1].key_len, 0);
	sample_fini(&r);
}

static void test_health(void **)
{
	static const char *const parts[] = {
		"\"time\":\"2023-11-14T22:18:20.000000000Z\",\"uptime_s\":301,"
		"\"version\":\"0.1.0\",\"policy\":{\"id\":\"house\",\"version\":\"7\",\"sha256\":"
		"\"",
		"\",\"loaded_at\":\"2025-06-15T15:06:40.123456789Z\"},"
		"\"interfaces\":[{\"name\":\"br-lan\",\"queue\":7,\"packets\":1,\"bytes\":2,"
		"\"dropped_kernel\":3,\"dropped_nic\":15,\"nic_missed\":4,\"nic_errors\":5,"
		"\"nic_no_buffer\":6,\"times_down\":7}],\"packets\":1000,"
		"\"packets_in_flows\":1002,\"packets_consumed\":1003,"
		"\"drops\":[{\"reason\":\"link_truncated\",\"packets\":",
		"\"dpi\":{\"states\":3,\"verdicts\":1013,\"given_up\":1014,"
		"\"not_admitted\":1015,\"memory\":1012},",
		// Lost: by export, for want of a segment's event, for want of a batch.
		"\"records\":[{\"type\":\"flow\",\"made\":1,\"delivered\":5,\"lost\":1027},"
		"{\"type\":\"client\",\"made\":1,\"delivered\":0,\"lost\":0}],"
		"\"lost\":[{\"type\":\"flow\",\"cause\":\"event_ring\",\"rows\":1021},"
		"{\"type\":\"flow\",\"cause\":\"broker\",\"rows\":6}],",
		"{\"rule\":\"flow.server_ip.remote\",\"reason\":\"truncate: 24/48\",\"rows\":0,"
		"\"values\":1},",
		"{\"rule\":\"flow.client_ip.local\",\"reason\":\"drop\",\"rows\":0,"
		"\"values\":1},",
		"{\"rule\":\"flow.dns.name\",\"reason\":\"domain\",\"rows\":0,\"values\":2},",
		"{\"rule\":\"client.last_seen\",\"reason\":\"bucket: "
		"1h\",\"rows\":0,\"values\":1},",
		"\"exporter\":{\"name\":\"kafka\",\"up\":true,\"in_flight\":7,"
		"\"last_error\":\"broker \\\"b\\\" is away\",\"bytes_raw\":8,\"bytes_sent\":9},"
		"\"memory\":[{\"pool\":\"flows\",\"used\":5,\"size\":6}],"
		"\"visibility\":{\"one_way_ratio\":0.25},\"clock_step_ns\":-5,"
		"\"limits\":[{\"limit\":\"flows\",\"times\":1009},"
		"{\"limit\":\"DPI admission\",\"times\":1015},"
		"{\"limit\":\"DPI states\",\"times\":1017},"
		"{\"limit\":\"DPI memory\",\"times\":1018},",
		"{\"limit\":\"events, facts\",\"times\":1022},"
		"{\"limit\":\"events, answers\",\"times\":1023},"
		"{\"limit\":\"reordering\",\"times\":1024}]",
	};
	struct sample r;

	sample_init(&r, PROFILE_STANDARD, NULL, false);
	record_flow(r.record, &r.flow);
	record_client(r.record, &r.client);
	record_health(r.record, &r.health);
	record_seal(r.record, 1, 0, true);
	struct batch *batch;
	while ((batch = batch_pool_next(&r.batches)) != NULL && batch->type != RECORD_HEALTH)
		batch_pool_done(&r.batches, batch);
	assert_non_null(batch);
	for (size_t i = 0; i < ARRAY_COUNT(parts); i++)
		if (strstr(sample_json(batch, 0), parts[i]) == NULL)
			fail_msg("no %s in %s", parts[i], sample_json(batch, 0));
	assert_memory_equal(batch->bytes + batch->rows[0].key_offset,
		"636f6c6c6563746f722d69642d303000", batch->rows[0].key_len);

	// Only the last row tells how many packets ended in flows.
	r.health.last = false;
	record_health(r.record, &r.health);
	batch = sample_sealed(&r);
	assert_null(strstr(sample_json(batch, 0), "packets_in_flows"));
	sample_fini(&r);
}

// What is not known is absent, and not zero.
static void test_absent(void **)
{
	struct sample r;

	sample_init(&r, PROFILE_FULL, NULL, false);
	r.segment = (struct segment_event){
		.ip_version = 6,
		.ip_proto = 58,
		.icmp_type = 128,
		.seen = 1,
		.mpls_label = NOT_KNOWN_32,
		.rtt_client_us = NOT_KNOWN_32,
		.rtt_server_us = NOT_KNOWN_32,
		.first_reply_us = NOT_KNOWN_32,
		.packets = {1, 0},
		// Numbers that have no name.
		.protocol = TAXONOMY_PROTOCOLS_MAX - 1,
		.application = TAXONOMY_PROTOCOLS_MAX,
		.category = TAXONOMY_CATEGORIES_MAX - 1,
	};
	static const uint8_t ip[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
	r.flow = (struct flow_row){
		.segment = &r.segment, .client = {.ip = ip}, .server = {.ip = ip}};
	record_flow(r.record, &r.flow);
	struct batch *batch = sample_sealed(&r);
	assert_string_equal(own_fields(sample_json(batch, 0), "\"server_ip\""),
		"\"server_ip\":\"2001:db8::1\",\"bytes_up\":0,\"bytes_down\":0,\"packets_up\":1,"
		"\"packets_down\":0,\"flow_id\":\"4e63a20ce9262b8e\",\"segment\":0,"
		"\"client_ip\":\"2001:db8::1\",\"ip_protocol\":58,"
		"\"icmp\":{\"type\":128,\"code\":0},\"dscp_up\":0,\"payload_up\":0,"
		"\"payload_down\":0,\"visibility\":[]}");
	sample_fini(&r);
}

// The client may be the segment's second end; a local server has a key and, like a local client,
// an address that the profile does not let out.
static void test_ends(void **)
{
	static const uint8_t key[16] = "the server's key";
	struct sample r;

	sample_init(&r, PROFILE_STANDARD, NULL, false);
	r.flow.client_end = 1;
	r.flow.server.local = true;
	r.flow.server.key = key;
	r.flow.direction = DIRECTION_LAN;
	record_flow(r.record, &r.flow);
	r.flow.client.local = r.flow.server.local = false;
	r.flow.direction = DIRECTION_TRANSIT;
	record_flow(r.record, &r.flow);
	struct batch *batch = sample_sealed(&r);
	const char *json = sample_json(batch, 0);
	assert_non_null(strstr(json, "\"bytes_up\":140000,\"bytes_down\":1300,\"packets_up\":12"));
	assert_non_null(strstr(json, "\"server_key\":\"746865207365727665722773206b6579\""));
	assert_null(strstr(json, "server_ip"));
	assert_null(strstr(json, "client_ip"));
	assert_memory_equal(batch->rows[0].client_key[1], key, 16);
	json = sample_json(batch, 1);
	assert_non_null(strstr(json, "\"client_ip\":\"192.168.77.0\""));
	assert_non_null(strstr(json, "\"server_ip\":\"203.0.113.0\""));
	assert_null(strstr(json, "_key\":\""));
	assert_int_equal(batch->rows[1].key_len, 0);
	sample_fini(&r);
}

static const char *name_of(struct sample *r, const char *name)
{
	static char found[8192];
	r->flow.server_name = (const uint8_t *)name;
	r->flow.server_name_len = (uint16_t)strlen(name);
	record_flow(r->record, &r->flow);
	struct batch *batch = sample_sealed(r);
	const char *at = strstr(sample_json(batch, 0), "\"server_name\":\"");
	batch_pool_done(&r->batches, batch);
	if (at == NULL)
		return "";
	snprintf(found, sizeof(found), "%s", at + strlen("\"server_name\":\""));
	*strchr(found, '"') = '\0';
	return found;
}

// Under `domain` a name that is an address goes the way of server_ip.
static void test_literals(void **)
{
	static const char *const keep[] = {"server_ip=keep", NULL};
	static const char *const drop[] = {"server_ip=drop", NULL};
	struct sample r;

	sample_init(&r, PROFILE_STANDARD, NULL, false);
	assert_string_equal(name_of(&r, "203.0.113.99"), "203.0.113.0");
	assert_string_equal(name_of(&r, "203.0.113.99:8080"), "203.0.113.0");
	assert_string_equal(name_of(&r, "[2001:db8:1:2:3::4]:443"), "2001:db8:1::");
	// A local end's, by its own words.
	static const char *const private[] = {"192.168.1.1", "10.255.0.1", "172.31.255.1",
		"169.254.7.7", "100.127.0.1", "127.0.0.1", "0.0.0.0", "[fd00::1]", "[fe80::1]",
		"[febf::1]", "[::1]"};
	for (size_t i = 0; i < ARRAY_COUNT(private); i++)
		assert_string_equal(name_of(&r, private[i]), "");
	assert_string_equal(name_of(&r, "172.32.0.1"), "172.32.0.0");
	assert_string_equal(name_of(&r, "169.253.7.7"), "169.253.7.0");
	assert_string_equal(name_of(&r, "100.128.0.1"), "100.128.0.0");
	assert_string_equal(name_of(&r, "[::ffff:10.0.0.1]"), "");
	assert_string_equal(name_of(&r, "alices-nas"), "");
	r.flow.server.local = true;
	assert_string_equal(name_of(&r, "203.0.113.99"), "");
	assert_string_equal(name_of(&r, "WWW.example.com."), "example.com");
	sample_fini(&r);

	sample_init(&r, PROFILE_STANDARD, keep, false);
	assert_string_equal(name_of(&r, "203.0.113.99"), "203.0.113.99");
	assert_string_equal(name_of(&r, "192.168.1.1"), "192.168.1.1");
	sample_fini(&r);

	sample_init(&r, PROFILE_STANDARD, drop, false);
	assert_string_equal(name_of(&r, "203.0.113.99"), "");
	sample_fini(&r);
}

// Names as sent: anything that is not UTF-8, and backslashes, so that they can be told apart.
static void test_escapes(void **)
{
	struct sample r;
	char longer[TEXT_MAX + 51];

	sample_init(&r, PROFILE_FULL, NULL, false);
	assert_string_equal(name_of(&r, "caf\xc3\xa9.example"), "caf\xc3\xa9.example");
	assert_string_equal(name_of(&r, "caf\xe9.example"), "caf\\\\xe9.example");
	assert_string_equal(name_of(&r, "12345678\\x41"), "12345678\\\\\\\\x41");
	assert_string_equal(name_of(&r, "\xed\xa0\x80"), "\\\\xed\\\\xa0\\\\x80");
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(strlen(name_of(&r, longer)), TEXT_MAX);
	sample_fini(&r);
}

// Names that stand in many rows are made ready once: their escapes too, and of every interface.
static void test_common_names(void **)
{
	static const char *const interfaces[] = {
		"eth0", "a longer name \\ than most of them", "eth0"};
	struct sample r;

	sample_init(&r, PROFILE_FULL, NULL, false);
	r.segment.category = 2;
	for (size_t i = 0; i < ARRAY_COUNT(interfaces); i++) {
		r.flow.interface = interfaces[i];
		record_flow(r.record, &r.flow);
	}
	struct batch *batch = sample_sealed(&r);
	assert_int_equal(batch->count, 3);
	assert_non_null(strstr(sample_json(batch, 0), "\"interface\":\"eth0\","));
	assert_non_null(strstr(sample_json(batch, 1),
		"\"interface\":\"a longer name \\\\\\\\ than most of them\","));
	assert_non_null(strstr(sample_json(batch, 2), "\"interface\":\"eth0\","));
	assert_non_null(strstr(sample_json(batch, 2),
		"\"category\":\"forty octets and more, with a \\\\\\\\ in them and \\\\xe9\","));
	sample_fini(&r);
}

static void test_transforms(void **)
{
	static const char *const rules[] = {"flow.client_mac=truncate: 24",
		"client_ip=truncate: 20/40", "bytes_down=bucket: 1000", "rtt_server_us=bucket: 1ms",
		"server_name=pseudonym", "client_key=pseudonym", "start=bucket: 1m", "end=drop",
		NULL};
	struct sample r;

	sample_init(&r, PROFILE_FULL, rules, false);
	record_flow(r.record, &r.flow);
	struct batch *batch = sample_sealed(&r);
	const char *json = sample_json(batch, 0);
	assert_non_null(strstr(json, "\"client_mac\":\"02:5e:ca:00:00:00\""));
	assert_non_null(strstr(json, "\"client_ip\":\"192.168.64.0\""));
	assert_non_null(strstr(json, "\"bytes_down\":140000,"));
	assert_non_null(strstr(json, "\"rtt_server_us\":12000,"));
	assert_non_null(strstr(json, "\"start\":\"2023-11-14T22:13:00.000000000Z\""));
	assert_null(strstr(json, "\"end\":"));
	// The end must not be told by the row's expiry or the message's time either.
	assert_non_null(strstr(json, "\"expires_at\":\"2024-02-12T22:00:00.000000000Z\""));
	assert_int_equal(batch->rows[0].time_ns % (3600 * NS_PER_S), 0);

	uint8_t made[16];
	char hex[64] = "\"server_name\":\"";
	policy_pseudonym(r.policy, RECORD_FLOW, FLOW_server_name, r.flow.server_name,
		r.flow.server_name_len, made);
	for (unsigned i = 0; i < 16; i++)
		sprintf(hex + strlen(hex), "%02x", made[i]);
	assert_non_null(strstr(json, hex));

	// The pseudonym of the key stands in the row, in the message's key and in the index.
	policy_pseudonym(r.policy, RECORD_FLOW, FLOW_client_key, r.flow.client.key, 16, made);
	assert_memory_not_equal(made, r.flow.client.key, 16);
	assert_memory_equal(batch->rows[0].client_key[0], made, 16);
	strcpy(hex, "");
	for (unsigned i = 0; i < 16; i++)
		sprintf(hex + strlen(hex), "%02x", made[i]);
	assert_memory_equal(batch->bytes + batch->rows[0].key_offset, hex, 32);
	sample_fini(&r);
}

// Of an address so many bits leave as the rule says, and not one more.
static void test_prefix_bits(void **)
{
	static const uint8_t ones[16] = {
		255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
	struct sample r;

	for (unsigned bits = 0; bits <= 32; bits++) {
		char rule[64], expected[64];
		const char *const rules[] = {rule, NULL};
		snprintf(rule, sizeof(rule), "server_ip=truncate: %u/%u", bits, bits);
		sample_init(&r, PROFILE_FULL, rules, false);
		r.flow.server.ip = ones;
		record_flow(r.record, &r.flow);
		struct batch *batch = sample_sealed(&r);
		uint32_t left = bits == 0 ? 0 : UINT32_MAX << (32 - bits);
		snprintf(expected, sizeof(expected), "\"server_ip\":\"%u.%u.%u.%u\"", left >> 24,
			left >> 16 & 255, left >> 8 & 255, left & 255);
		assert_non_null(strstr(sample_json(batch, 0), expected));
		batch_pool_done(&r.batches, batch);

		r.segment.ip_version = 6;
		record_flow(r.record, &r.flow);
		batch = sample_sealed(&r);
		uint8_t prefix[16] = {(uint8_t)(left >> 24), (uint8_t)(left >> 16),
			(uint8_t)(left >> 8), (uint8_t)left};
		char text[INET6_ADDRSTRLEN];
		inet_ntop(AF_INET6, prefix, text, sizeof(text));
		snprintf(expected, sizeof(expected), "\"server_ip\":\"%s\"", text);
		assert_non_null(strstr(sample_json(batch, 0), expected));
		sample_fini(&r);
	}
}

// A common field may leave in one kind of record and not in another.
static void test_common_fields_by_record(void **)
{
	static const char *const rules[] = {"client.site=drop", "usage.tenant=drop", NULL};
	struct sample r;

	sample_init(&r, PROFILE_FULL, rules, false);
	for (unsigned i = 0; i < 2; i++) {
		record_flow(r.record, &r.flow);
		record_client(r.record, &r.client);
		record_usage(r.record, &r.usage);
	}
	record_seal(r.record, 1, 0, true);
	for (struct batch *batch; (batch = batch_pool_next(&r.batches)) != NULL;)
		for (uint32_t row = 0; row < batch->count; row++) {
			const char *json = sample_json(batch, row);
			bool site = strstr(json, "\"site\":\"attic\"") != NULL;
			bool tenant = strstr(json, "\"tenant\":\"acme\"") != NULL;
			assert_int_equal(site, batch->type != RECORD_CLIENT);
			assert_int_equal(tenant, batch->type != RECORD_USAGE);
		}
	sample_fini(&r);
}

static void test_offline_times(void **)
{
	struct sample r;

	sample_init(&r, PROFILE_STANDARD, NULL, false);
	struct record_identity offline = r.identity;
	offline.offline = true;
	record_free(r.record);
	assert_int_equal(
		record_new(&r.record, r.policy, &r.taxonomy, &offline, &r.batches, false, true), 0);
	record_flow(r.record, &r.flow);
	struct batch *batch = sample_sealed(&r);
	assert_int_equal(batch->rows[0].time_ns, offline.run_start_ns);
	assert_non_null(
		strstr(sample_json(batch, 0), "\"expires_at\":\"2025-09-13T15:06:40.000000000Z\""));
	sample_fini(&r);
}

// The wall clock was set while the run went on: rows tell its time, and windows keep their grid.
static void test_clock_step(void **)
{
	struct sample r;

	sample_init(&r, PROFILE_FULL, NULL, false);
	record_clock(r.record, (int64_t)(7 * NS_PER_S));
	record_flow(r.record, &r.flow);
	struct batch *batch = sample_sealed(&r);
	assert_non_null(strstr(sample_json(batch, 0),
		"\"start\":\"2023-11-14T22:13:28.000000002Z\",\"end\":\"2023-11-14T22:13:44."
		"000000019Z\""));
	sample_fini(&r);

	sample_init(&r, PROFILE_FULL, NULL, false);
	record_clock(r.record, -(int64_t)(7 * NS_PER_S));
	record_usage(r.record, &r.usage);
	batch = sample_sealed(&r);
	assert_non_null(strstr(
		sample_json(batch, 0), "\"window_start\":\"2023-11-14T22:10:00.000000000Z\""));
	sample_fini(&r);
}

static void test_excluded(void **)
{
	static const uint8_t mac[1][6] = {{0x02, 0x5e, 0xca, 0xfe, 0xf0, 0x0d}};
	static const struct excluded_subnet subnet = {{203, 0, 113}, 24, false};
	struct sample r;
	struct record_stats stats;

	sample_init(&r, PROFILE_FULL, NULL, false);
	r.policy->excluded = (struct excluded){.macs = mac, .mac_count = 1};
	record_flow(r.record, &r.flow);
	record_client(r.record, &r.client);
	r.policy->excluded = (struct excluded){.subnets = &subnet, .subnet_count = 1};
	record_flow(r.record, &r.flow); // a remote end counts as well
	record_client(r.record, &r.client);
	struct batch *batch = sample_sealed(&r);
	assert_int_equal(batch->type, RECORD_CLIENT);
	assert_int_equal(batch->count, 1);
	assert_null(sample_sealed(&r));
	record_stats(r.record, &stats);
	assert_int_equal(stats.withheld_rows[RECORD_FLOW], 2);
	assert_int_equal(stats.withheld_rows[RECORD_CLIENT], 1);
	record_health(r.record, &r.health);
	batch = sample_sealed(&r);
	assert_non_null(strstr(sample_json(batch, 0),
		"{\"rule\":\"flow\",\"reason\":\"excluded\",\"rows\":2,\"values\":0}"));
	// Without a MAC, by any of its addresses.
	r.client.mac = NULL;
	for (uint32_t i = 0; i < r.client.address_count; i++) {
		const struct client_address *address = &r.addresses[i];
		struct excluded_subnet own = {.ip6 = address->ip_version == 6};
		own.prefix_len = own.ip6 ? 128 : 32;
		memcpy(own.ip, address->ip, own.ip6 ? 16 : 4);
		r.policy->excluded = (struct excluded){.subnets = &own, .subnet_count = 1};
		record_client(r.record, &r.client);
		assert_null(sample_sealed(&r));
	}
	r.policy->excluded = (struct excluded){0};
	sample_fini(&r);
}

// A policy that says nothing lets nothing out.
static void test_zero_withholds(void **)
{
	static struct policy zero;
	struct sample r;

	sample_init(&r, PROFILE_FULL, NULL, false);
	record_free(r.record);
	assert_int_equal(
		record_new(&r.record, &zero, &r.taxonomy, &r.identity, &r.batches, false, false),
		0);
	record_flow(r.record, &r.flow);
	record_client(r.record, &r.client);
	record_usage(r.record, &r.usage);
	record_health(r.record, &r.health);
	assert_null(sample_sealed(&r));

	// One rule more: one field more, and nothing else, not even the common ones.
	zero.rules[RECORD_FLOW][FLOW_bytes_up][0].action = POLICY_KEEP;
	zero.writes[RECORD_FLOW] = true;
	record_free(r.record);
	zero.pseudonym = r.policy->pseudonym;
	assert_int_equal(
		record_new(&r.record, &zero, &r.taxonomy, &r.identity, &r.batches, false, false),
		0);
	record_flow(r.record, &r.flow);
	struct batch *batch = sample_sealed(&r);
	assert_string_equal(sample_json(batch, 0), "{\"record\":\"flow\",\"bytes_up\":1300}");
	assert_int_equal(batch->rows[0].key_len, 0);
	sample_fini(&r);
}

static void test_tombstone(void **)
{
	struct sample r;

	sample_init(&r, PROFILE_STANDARD, NULL, false);
	r.client.tombstone = true;
	record_client(r.record, &r.client);
	r.client.tombstone = false;
	record_client(r.record, &r.client);
	struct batch *batch = sample_sealed(&r);
	assert_int_equal(batch->count, 2);
	assert_int_equal(batch->rows[0].len, 0);
	assert_int_equal(batch->rows[0].key_len, 5 + 32);
	assert_non_null(strstr(sample_json(batch, 1), "\"sequence\":0,"));
	sample_fini(&r);
}

// Rows stand one after the other from the batch's beginning, keys at its end.
static void test_batches(void **)
{
	struct sample r;
	uint64_t rows = 0, expected = 0;
	char sequence[64];

	sample_init(&r, PROFILE_STANDARD, NULL, false);
	for (unsigned i = 0; i < 600; i++)
		record_flow(r.record, &r.flow);
	record_seal(r.record, 1, 0, true);
	for (struct batch *batch; (batch = batch_pool_next(&r.batches)) != NULL;) {
		uint32_t at = 0;
		uint32_t keys = 0;
		assert_int_equal(batch->type, RECORD_FLOW);
		for (uint32_t i = 0; i < batch->count; i++) {
			assert_int_equal(batch->rows[i].offset, at);
			at += batch->rows[i].len;
			keys += batch->rows[i].key_len;
			assert_int_equal(batch->rows[i].key_offset, batch->capacity - keys);
			snprintf(sequence, sizeof(sequence), "\"sequence\":%u,",
				(unsigned)expected++);
			assert_non_null(strstr(sample_json(batch, i), sequence));
		}
		assert_int_equal(batch->size, at);
		assert_true(batch->size + keys <= batch->capacity);
		rows += batch->count;
		if (rows < 600) // the row that did not fit is not much longer than these
			assert_true(batch->size + keys + 1000 > batch->capacity);
	}
	assert_int_equal(rows, 600);
	sample_fini(&r);
}

// When no batch is free rows are lost: flows first, then usage, then clients, health last; what
// follows shows the gap.
static void test_overload(void **)
{
	struct sample r;
	struct record_stats stats;

	sample_init(&r, PROFILE_STANDARD, NULL, false);
	for (unsigned i = 0; i < 2000; i++)
		record_flow(r.record, &r.flow);
	record_stats(r.record, &stats);
	assert_true(stats.no_batch[RECORD_FLOW] > 0);
	assert_int_equal(stats.made[RECORD_FLOW] + stats.no_batch[RECORD_FLOW], 2000);
	record_health(r.record, &r.health);
	record_stats(r.record, &stats);
	assert_int_equal(stats.made[RECORD_HEALTH], 1);
	record_client(r.record, &r.client);
	record_stats(r.record, &stats);
	assert_int_equal(stats.no_batch[RECORD_CLIENT], 1);

	record_seal(r.record, 1, 0, true);
	uint64_t made = stats.made[RECORD_FLOW];
	for (struct batch *batch; (batch = batch_pool_next(&r.batches)) != NULL;)
		batch_pool_done(&r.batches, batch);
	record_flow(r.record, &r.flow);
	char sequence[64];
	snprintf(sequence, sizeof(sequence), "\"sequence\":2000,");
	assert_true(made < 2000);
	assert_non_null(strstr(sample_json(sample_sealed(&r), 0), sequence));
	sample_fini(&r);
}

static void test_too_large(void **)
{
	struct sample r;
	struct record_stats stats;
	static uint8_t ugly[255];

	sample_init(&r, PROFILE_FULL, NULL, false);
	memset(ugly, 0xff, sizeof(ugly));
	for (unsigned i = 0; i < DNS_ENTRIES_MAX; i++)
		r.findings.dns[i] = (struct dns_finding){.name = ugly, .name_len = 255};
	r.findings.dns_count = DNS_ENTRIES_MAX;
	struct batch_pool small;
	assert_int_equal(batch_pool_init(&small, 8, 16 << 10), 0);
	record_free(r.record);
	assert_int_equal(
		record_new(&r.record, r.policy, &r.taxonomy, &r.identity, &small, false, false), 0);
	record_flow(r.record, &r.flow);
	record_stats(r.record, &stats);
	assert_int_equal(stats.made[RECORD_FLOW], 0);
	assert_int_equal(stats.too_large[RECORD_FLOW], 1);
	// Health says so, by its cause.
	memset(r.health.lost, 0, sizeof(r.health.lost));
	record_health(r.record, &r.health);
	record_seal(r.record, 1, 0, true);
	struct batch *batch = batch_pool_next(&small);
	assert_non_null(batch);
	assert_non_null(strstr(
		sample_json(batch, 0), "{\"type\":\"flow\",\"cause\":\"too_large\",\"rows\":1}"));
	batch_pool_done(&small, batch);
	record_free(r.record);
	r.record = NULL;
	batch_pool_fini(&small);
	sample_fini(&r);
}

static void test_age(void **)
{
	struct sample r;

	sample_init(&r, PROFILE_STANDARD, NULL, false);
	record_flow(r.record, &r.flow);
	record_seal(r.record, 1000, 500, false);
	assert_null(batch_pool_next(&r.batches));
	record_seal(r.record, 1499, 500, false);
	assert_null(batch_pool_next(&r.batches));
	record_seal(r.record, 1500, 500, false);
	assert_non_null(batch_pool_next(&r.batches));
	record_seal(r.record, 9999, 500, false);
	assert_null(batch_pool_next(&r.batches));
	sample_fini(&r);
}

static void test_json(void **)
{
	struct sample r;

	sample_init(&r, PROFILE_STANDARD, NULL, false);
	record_flow(r.record, &r.flow);
	char *expected = strdup(sample_json(sample_sealed(&r), 0));
	sample_fini(&r);

	sample_init(&r, PROFILE_STANDARD, NULL, true);
	record_flow(r.record, &r.flow);
	struct batch *batch = sample_sealed(&r);
	assert_int_equal(batch->rows[0].len, strlen(expected) + 1);
	assert_memory_equal(batch->bytes, expected, strlen(expected));
	assert_int_equal(batch->bytes[batch->size - 1], '\n');
	free(expected);
	sample_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flow_full),
		cmocka_unit_test(test_flow_standard),
		cmocka_unit_test(test_basic_is_usage_by_category),
		cmocka_unit_test(test_client),
		cmocka_unit_test(test_usage),
		cmocka_unit_test(test_health),
		cmocka_unit_test(test_absent),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_literals),
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_common_names),
		cmocka_unit_test(test_transforms),
		cmocka_unit_test(test_prefix_bits),
		cmocka_unit_test(test_common_fields_by_record),
		cmocka_unit_test(test_offline_times),
		cmocka_unit_test(test_clock_step),
		cmocka_unit_test(test_excluded),
		cmocka_unit_test(test_zero_withholds),
		cmocka_unit_test(test_tombstone),
		cmocka_unit_test(test_batches),
		cmocka_unit_test(test_overload),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_age),
		cmocka_unit_test(test_json),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
