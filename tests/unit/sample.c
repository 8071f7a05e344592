// Rows with everything in them.
#include "sample.h"

#include "core/base/compiler.h"
#include "core/record/read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { BATCHES = 8, BATCH_BYTES = 64 << 10 };

static const uint8_t client_ip[16] = {192, 168, 77, 42}, server_ip[16] = {203, 0, 113, 99};
static const uint8_t client_mac[6] = {0x02, 0x5e, 0xca, 0xfe, 0xf0, 0x0d};
static const uint8_t server_mac[6] = {0x00, 0x1b, 0x63, 0xbe, 0xad, 0x01};
static const uint8_t client_key[16] = "client-key-0123";

void sample_settings(
	struct settings *settings, enum setting_profile profile, const char *const *rules)
{
	*settings = (struct settings){
		.tenant = "acme",
		.site = "attic",
		.policy_id = "house",
		.policy_version = "7",
		.profile = profile,
		.retention = UINT64_C(90) * 86400 * NS_PER_S,
		.seed = 4711,
		.path = "weir.yaml",
	};
	for (size_t i = 0; rules != NULL && rules[i] != NULL; i++) {
		char *equals = strchr(rules[i], '=');
		settings->rules.items = realloc(settings->rules.items,
			(settings->rules.count + 1) * sizeof(struct setting_item));
		settings->rules.items[settings->rules.count++] = (struct setting_item){
			.key = strndup(rules[i], (size_t)(equals - rules[i])),
			.value = strdup(equals + 1),
			.line = (unsigned)i + 11,
		};
	}
}

void sample_settings_fini(struct settings *settings)
{
	for (size_t i = 0; i < settings->rules.count; i++) {
		free(settings->rules.items[i].key);
		free(settings->rules.items[i].value);
	}
	free(settings->rules.items);
}

static void put_finding(struct findings_view *view, enum finding kind, const char *words)
{
	view->text[kind] = (const uint8_t *)words;
	view->len[kind] = (uint16_t)strlen(words);
}

static void fill_flow(struct sample *r)
{
	r->segment = (struct segment_event){
		.event = {.vlan = 12},
		.start_ns = UINT64_C(1700000001000000002),
		.end_ns = UINT64_C(1700000017000000019),
		.flow_id = 99,
		.packets = {11, 12},
		.bytes = {1300, 140000},
		.payload = {600, 139000},
		.tunnel_id = 321,
		.risk_bits = 1 << 4,
		.has_mac = 3,
		.ip_version = 4,
		.ip_proto = 6,
		.tunnel = TUNNEL_PPPOE,
		.end_reason = END_DETECTED,
		.dscp = {8, 10},
		.tcp_flags = {0x1b, 0x1a},
		.seen = 3,
		.dpi = DPI_VERDICT,
		.confidence = CONFIDENCE_DPI,
		.vlan_inner = 13,
		.protocol = 1,
		.application = 2,
		.category = 1,
		.risk_score = 50,
		.mpls_label = 16000,
		.segment = 3,
		.rtt_client_us = 250,
		.rtt_server_us = 12345,
		.first_reply_us = 20000,
		.retransmissions = {1, 2},
		.out_of_order = {3, 4},
		.zero_window = {5, 6},
		.syn_retransmissions = 7,
		.fin_retransmissions = 8,
		.gap_bytes = {900, 1000},
		.dns_queries = 2,
		.dns_answers = 1,
		.dns_failures = 1,
		.visibility = VISIBLE_MID_FLOW | VISIBLE_LOSS,
	};
	put_finding(&r->findings, FINDING_TLS_VERSION, "1.3");
	put_finding(&r->findings, FINDING_ALPN, "h2,http/1.1");
	put_finding(&r->findings, FINDING_USER_AGENT, "Browser/7 (Alices-Phone)");
	put_finding(&r->findings, FINDING_HTTP_METHOD, "GET");
	r->findings.number[FINDING_HTTP_STATUS] = 204;
	r->findings.number[FINDING_ECH] = ECH_GREASE;
	r->findings.dns[0] = (struct dns_finding){
		.latency_us = 1500,
		.type = 28,
		.name_len = 31,
		.name = (const uint8_t *)"very.secret.question.example.uk",
	};
	r->findings.dns[1] = (struct dns_finding){
		.latency_us = DNS_NOT_ANSWERED,
		.type = 65280,
		.name_len = 10,
		.name = (const uint8_t *)"alices-nas",
	};
	r->findings.dns_count = 2;
	r->flow = (struct flow_row){
		.segment = &r->segment,
		.client = {true, client_ip, client_mac, client_key, 50123},
		.server = {false, server_ip, server_mac, NULL, 443},
		.direction = DIRECTION_OUT,
		.interface = "br-lan",
		.findings = &r->findings,
		.server_name = (const uint8_t *)"deep.inside.Example.co.uk",
		.server_name_len = 25,
		.name_source = NAME_DNS_CACHE,
		.name_age_ms = 40,
	};
}

static void fill_client(struct sample *r)
{
	r->addresses[0] = (struct client_address){
		.ip_version = 4, .source = ADDRESS_DHCP, .from_ns = 17, .to_ns = 18};
	memcpy(r->addresses[0].ip, client_ip, 16);
	r->addresses[1] = (struct client_address){.ip = {0xfe, 0x80, [15] = 0x42},
		.ip_version = 6,
		.source = ADDRESS_NDP,
		.from_ns = 19,
		.to_ns = 20};
	r->names[0] = (struct client_name){
		.source = CLIENT_NAME_DHCP, .len = 12, .time_ns = 21, .text = "Alices-Phone"};
	r->names[1] = (struct client_name){
		.source = CLIENT_NAME_MDNS, .len = 5, .time_ns = 22, .text = "a\\b\xff\x01"};
	r->client = (struct client_row){
		.key = client_key,
		.first_seen_ns = UINT64_C(1700000001234567890),
		.last_seen_ns = UINT64_C(1700009001234567890),
		.mac = client_mac,
		.mac_vendor = "Acme, Inc.",
		.mac_random = true,
		.vlan = 12,
		.addresses = r->addresses,
		.address_count = 2,
		.names = r->names,
		.name_count = 2,
		.dhcp_options = "1,3,6,15,119,252",
		.dhcp_vendor_class = (const uint8_t *)"android-dhcp-13",
		.dhcp_vendor_class_len = 15,
	};
	r->usage = (struct usage_row){
		.window_start_s = 1700000100,
		.window_s = 300,
		.key = client_key,
		.has_application = true,
		.application = 2,
		.category = 1,
		.bytes_up = 1,
		.bytes_down = 2,
		.packets_up = 3,
		.packets_down = 4,
		.flows = 5,
		.flows_failed = 6,
		.active_s = 119,
		.retransmissions = 7,
		.members = 8,
	};
}

static void fill_health(struct sample *r)
{
	for (unsigned i = 0; i < COUNTER_COUNT; i++)
		r->counters[i] = 1000 + i;
	r->counters[COUNTER_dpi_states] = r->counters[COUNTER_dpi_states_back] + 3;
	r->interface = (struct health_interface){"br-lan", 7, 1, 2, 3, 15, {4, 5, 6}, 7};
	r->memory = (struct memory_pool){"flows", 5, 6};
	r->health = (struct health_row){
		.time_ns = UINT64_C(1700000300000000000),
		.uptime_s = 301,
		.version = "0.1.0",
		.interfaces = &r->interface,
		.interface_count = 1,
		.counters = r->counters,
		.last = true,
		.flows_active_now = 1,
		.clients_now = 2,
		.delivered = {[RECORD_FLOW] = 5},
		.lost = {[RECORD_FLOW] = {[LOST_BROKER] = 6}},
		.exporter = "kafka",
		.exporter_up = true,
		.in_flight = 7,
		.bytes_raw = 8,
		.bytes_sent = 9,
		.last_error = "broker \"b\" is away",
		.memory = &r->memory,
		.memory_count = 1,
		.one_way_flows = 1,
		.tcp_flows = 4,
		.clock_step_ns = -5,
	};
}

void sample_init(
	struct sample *sample, enum setting_profile profile, const char *const *rules, bool json)
{
	struct problems problems = {0};
	bool random_key;

	memset(sample, 0, sizeof(*sample));
	sample_settings(&sample->settings, profile, rules);
	if (policy_new(&sample->policy, &sample->settings, &problems, &random_key) < 0)
		problems_print(&problems, stderr);
	assert_int_equal(problems.count, 0);
	problems_fini(&problems);
	sample->taxonomy.protocol[0] = "Unknown";
	sample->taxonomy.protocol[1] = "TLS";
	sample->taxonomy.protocol[2] = "YouTube";
	sample->taxonomy.category[1] = "Media";
	sample->taxonomy.category[2] = "forty octets and more, with a \\ in them and \xe9";
	sample->identity = (struct record_identity){
		.collector_id = "collector-id-00",
		.boot_id = UINT64_C(0xb007000000000001),
		.tenant = "acme",
		.site = "attic",
		.run_start_ns = UINT64_C(1750000000123456789),
		.retention_ns = sample->settings.retention,
	};
	fill_flow(sample);
	fill_client(sample);
	fill_health(sample);
	assert_int_equal(batch_pool_init(&sample->batches, BATCHES, BATCH_BYTES), 0);
	assert_int_equal(record_new(&sample->record, sample->policy, &sample->taxonomy,
				 &sample->identity, &sample->batches, json, false),
		0);
}

void sample_fini(struct sample *sample)
{
	record_free(sample->record);
	batch_pool_fini(&sample->batches);
	policy_free(sample->policy);
	sample_settings_fini(&sample->settings);
}

struct batch *sample_sealed(struct sample *sample)
{
	record_seal(sample->record, 1, 0, true);
	return batch_pool_next(&sample->batches);
}

const char *sample_json(const struct batch *batch, uint32_t row)
{
	static char text[64 << 10];
	struct read_text out = {.bytes = text, .capacity = sizeof(text)};
	const uint8_t *bytes = batch->bytes + batch->rows[row].offset, *message;
	size_t left = batch->rows[row].len, len;

	assert_int_equal(read_delimited(&bytes, &left, &message, &len), 1);
	assert_int_equal(left, 0);
	assert_int_equal(read_row_json(batch->type, message, len, &out), 0);
	text[out.size] = '\0';
	return text;
}
