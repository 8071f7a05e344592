// Micro benches of what becomes of a flow: its row through the privacy door, encoding, compression.
#include "bench/micro/micro.h"

#include "core/export/segment.h"
#include "core/record/encode.h"
#include "core/record/record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { BATCHES = 16, BATCH_BYTES = 1 << 20, BLOCKS = 4, TEXTS_MAX = 1024 };

struct rows {
	struct settings settings;
	struct policy *policy;
	struct record_identity identity;
	struct batch_pool batches;
	struct record *record;
	struct flow_row *flows;
	struct findings_view *findings;
	uint8_t (*keys)[16];
	uint32_t count;
	struct client_row client;
	struct client_address address;
	struct usage_row usage;
	struct segment_writer *writer;
	struct batch *sealed;
	int fd;
	uint8_t *out;
	struct span texts[TEXTS_MAX];
	uint32_t text_count;
};

static bool is_local(const struct segment_event *s, unsigned end)
{
	static const uint8_t house4[] = {192, 168, 77}, house6[] = {0x20, 1, 0x0d, 0xb8, 0, 0x77};

	return s->ip_version == 4 ? memcmp(s->ip[end], house4, sizeof(house4)) == 0
				  : memcmp(s->ip[end], house6, sizeof(house6)) == 0;
}

static struct row_end end_of(struct rows *r, const struct segment_event *s, unsigned end)
{
	bool local = is_local(s, end);

	if (local)
		memcpy(r->keys[r->count * 2 + end], s->ip[end], 16);
	return (struct row_end){.local = local,
		.ip = s->ip[end],
		.mac = local && (s->has_mac & 1 << end) ? s->mac[end] : NULL,
		.key = local ? r->keys[r->count * 2 + end] : NULL,
		.port = s->port[end]};
}

static void add_flow(struct rows *r, const struct segment_event *s)
{
	struct findings_view *findings = &r->findings[r->count];

	findings_read(findings, s->findings, s->findings_size);
	for (unsigned kind = 0; kind < FINDING_COUNT; kind++)
		if (findings->text[kind] != NULL && r->text_count < TEXTS_MAX)
			r->texts[r->text_count++] =
				octets(findings->text[kind], findings->len[kind]);
	r->flows[r->count] = (struct flow_row){.segment = s,
		.client = end_of(r, s, 0),
		.server = end_of(r, s, 1),
		.direction = DIRECTION_OUT,
		.interface = "lan0",
		.findings = findings,
		.server_name = findings->text[FINDING_SERVER_NAME],
		.server_name_len = findings->len[FINDING_SERVER_NAME],
		.name_source = findings->source[FINDING_SERVER_NAME],
		.name_age_ms = NOT_KNOWN_32};
	r->count++;
}

static void fill(struct rows *r, const struct house *house)
{
	r->flows = micro_alloc(house->segment_count * sizeof(*r->flows));
	r->findings = micro_alloc(house->segment_count * sizeof(*r->findings));
	r->keys = micro_alloc(house->segment_count * sizeof(*r->keys) * 2);
	for (size_t at = 0; at < house->events_len;) {
		const struct event *event = (const struct event *)(house->events + at);
		if (event->kind == EVENT_SEGMENT)
			add_flow(r, (const struct segment_event *)event);
		at += event->size;
	}
	const struct segment_event *s = r->flows[0].segment;
	r->address = (struct client_address){.ip_version = 4};
	memcpy(r->address.ip, s->ip[0], sizeof(r->address.ip));
	r->client = (struct client_row){.key = r->keys[0],
		.first_seen_ns = s->start_ns,
		.last_seen_ns = s->end_ns,
		.mac = s->mac[0],
		.mac_vendor = "Synology Incorporated",
		.addresses = &r->address,
		.address_count = 1,
		.dhcp_options = "1,3,6,12,15,28,42"};
	r->usage = (struct usage_row){.window_start_s = s->start_ns / NS_PER_S,
		.window_s = 300,
		.key = r->keys[0],
		.has_application = true,
		.application = 91,
		.category = 5,
		.bytes_up = 12345,
		.bytes_down = 1234567,
		.packets_up = 123,
		.packets_down = 1234,
		.flows = 12,
		.active_s = 120,
		.members = 1};
}

static void open_door(struct rows *r, const struct house *house, enum setting_profile profile)
{
	struct problems problems = {0};
	bool random_key;

	int err = settings_init(&r->settings);
	if (err)
		micro_fail("settings", err);
	r->settings.profile = profile;
	r->settings.seed = 1;
	r->identity = (struct record_identity){.tenant = "default",
		.site = "default",
		.offline = true,
		.retention_ns = r->settings.retention};
	err = policy_new(&r->policy, &r->settings, &problems, &random_key);
	if (!err)
		err = batch_pool_init(&r->batches, BATCHES, BATCH_BYTES);
	if (!err)
		err = record_new(&r->record, r->policy, classify_taxonomy(house->classify),
			&r->identity, &r->batches, false, false);
	if (err)
		micro_fail("door", err);
	problems_fini(&problems);
}

static void close_door(struct rows *r)
{
	record_free(r->record);
	batch_pool_fini(&r->batches);
	policy_free(r->policy);
	settings_fini(&r->settings);
}

static void drain(struct rows *r)
{
	struct batch *batch;

	while ((batch = batch_pool_next(&r->batches)) != NULL)
		batch_pool_done(&r->batches, batch);
}

static uint64_t flow_rows(void *arg)
{
	struct rows *r = arg;

	for (uint32_t i = 0; i < r->count; i++)
		record_flow(r->record, &r->flows[i]);
	drain(r);
	return r->count;
}

static uint64_t client_rows(void *arg)
{
	struct rows *r = arg;

	for (uint32_t i = 0; i < r->count; i++)
		record_client(r->record, &r->client);
	drain(r);
	return r->count;
}

static uint64_t usage_rows(void *arg)
{
	struct rows *r = arg;

	for (uint32_t i = 0; i < r->count; i++)
		record_usage(r->record, &r->usage);
	drain(r);
	return r->count;
}

// Numbers of a flow's row, as the door writes them.
static uint64_t encode_numbers(void *arg)
{
	struct rows *r = arg;

	for (uint32_t i = 0; i < r->count; i++) {
		const struct segment_event *s = r->flows[i].segment;
		uint8_t *at = r->out;
		at = put_fixed64(put_tag(at, 9, WIRE_FIXED64), s->start_ns);
		at = put_fixed64(put_tag(at, 10, WIRE_FIXED64), s->end_ns);
		at = put_varint(put_tag(at, 14, WIRE_VARINT), s->bytes[0]);
		at = put_varint(put_tag(at, 15, WIRE_VARINT), s->bytes[1]);
		at = put_varint(put_tag(at, 16, WIRE_VARINT), s->packets[0]);
		at = put_varint(put_tag(at, 17, WIRE_VARINT), s->packets[1]);
		at = put_varint(put_tag(at, 30, WIRE_VARINT), s->payload[0]);
		at = put_varint(put_tag(at, 31, WIRE_VARINT), s->payload[1]);
		__asm__ volatile("" : : "r"(at) : "memory"); // it is written
	}
	return 8ull * r->count;
}

static uint64_t encode_texts(void *arg)
{
	struct rows *r = arg;

	for (uint32_t i = 0; i < r->text_count; i++) {
		uint8_t *at = put_string(r->out, 12, r->texts[i]);
		__asm__ volatile("" : : "r"(at) : "memory");
	}
	return r->text_count;
}

// A batch full of the House's flows, kept.
static void seal_batch(struct rows *r)
{
	while (r->sealed == NULL) {
		for (uint32_t i = 0; i < r->count; i++)
			record_flow(r->record, &r->flows[i]);
		r->sealed = batch_pool_next(&r->batches);
	}
}

static uint64_t compress(void *arg)
{
	static const struct segment_info info = {.schema_version = SEGMENT_SCHEMA_VERSION};
	struct rows *r = arg;

	int err = ftruncate(r->fd, 0) != 0 || lseek(r->fd, 0, SEEK_SET) != 0 ? -errno : 0;
	if (!err)
		err = segment_writer_begin(r->writer, r->fd, &info);
	for (unsigned i = 0; i < BLOCKS && !err; i++)
		err = segment_writer_put(r->writer, r->sealed);
	if (!err)
		err = segment_writer_finish(r->writer);
	if (err)
		micro_fail("segment", err);
	return (uint64_t)BLOCKS * r->sealed->count;
}

static void measure_compress(struct rows *r)
{
	seal_batch(r);
	r->fd = memfd_create("micro", 0);
	if (r->fd < 0)
		micro_fail("memfd", -errno);
	int err = segment_writer_new(&r->writer, (int)r->settings.zstd_level);
	if (err)
		micro_fail("segment", err);
	micro("compress: a flow's row into a segment", compress, r, false);
	segment_writer_free(r->writer);
	close(r->fd);
}

void micro_rows(struct house *house)
{
	struct rows *r = micro_alloc(sizeof(*r));

	fill(r, house);
	r->out = micro_alloc(TEXT_MAX * 8);
	open_door(r, house, PROFILE_STANDARD);
	micro("door: a flow, standard", flow_rows, r, false);
	micro("door: a client, standard", client_rows, r, false);
	micro("door: usage, standard", usage_rows, r, false);
	micro("encode: a number", encode_numbers, r, false);
	micro("encode: a text", encode_texts, r, false);
	measure_compress(r);
	close_door(r);
	open_door(r, house, PROFILE_FULL);
	micro("door: a flow, full", flow_rows, r, false);
	close_door(r);
	free(r->out);
	free(r->keys);
	free(r->findings);
	free(r->flows);
	free(r);
}
