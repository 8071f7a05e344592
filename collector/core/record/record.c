// THE ONE DOOR: rows become bytes here, under the policy, and nowhere else.
//
// A row is encoded in one pass over the fields of schema.h into a buffer of its own, then appended
// to the open batch of its type; a row for which there is no batch is lost and counted, and shows
// as a gap in the sequence. Only what was written of the row is copied: no other octet can leave.
#include "core/record/door.h"
#include "core/record/health.h"
#include "core/record/read.h"

#include <errno.h>

static const struct findings_view no_findings;

const char *lost_cause_name(enum lost_cause cause)
{
	static const char *const names[] = {"event_ring", "no_batch", "queue_full", "spool_full",
		"spool_age", "too_large", "broker", "shutdown"};
	static_assert(ARRAY_COUNT(names) == LOST_CAUSE_COUNT);

	return cause < LOST_CAUSE_COUNT ? names[cause] : "unknown";
}

int record_new(struct record **ret, const struct policy *policy, const struct taxonomy *taxonomy,
	const struct record_identity *identity, struct batch_pool *batches, bool json, bool wait)
{
	struct record *d = calloc(1, sizeof(*d));
	int err = -ENOMEM;

	if (d == NULL)
		return err;
	d->policy = policy;
	d->taxonomy = taxonomy;
	d->batches = batches;
	d->json = json;
	d->wait = wait;
	d->policy_fp = policy_fingerprint(policy);
	d->key_epoch = policy_key_epoch(policy);
	d->identity = *identity;
	d->identity.tenant = identity->tenant != NULL ? strdup(identity->tenant) : NULL;
	d->identity.site = identity->site != NULL ? strdup(identity->site) : NULL;
	d->row = malloc(ROW_SIZE_MAX);
	d->text = json ? malloc(ROW_TEXT_MAX) : NULL;
	if (d->row == NULL || (json && d->text == NULL) ||
		(d->identity.tenant == NULL) != (identity->tenant == NULL) ||
		(d->identity.site == NULL) != (identity->site == NULL))
		goto fail;
	err = domain_cache_new(&d->domains, policy_domains(policy));
	if (err)
		goto fail;
	door_compile(d);
	err = door_make_names(d);
	if (err)
		goto fail;
	*ret = d;
	return 0;
fail:
	record_free(d);
	return err;
}

void record_free(struct record *record)
{
	if (record == NULL)
		return;
	domain_cache_free(record->domains);
	free((char *)record->identity.tenant);
	free((char *)record->identity.site);
	free(record->labels);
	free(record->row);
	free(record->text);
	free(record);
}

// What a row's place in the batch needs beside its bytes.
struct row_place {
	struct span key; // Kafka key
	uint64_t time_ns;
	uint8_t client_key[2][16];
};

static void seal(struct record *d, enum record_type type)
{
	struct open_batch *open = &d->open[type];

	if (open->batch != NULL)
		batch_pool_seal(d->batches, open->batch);
	*open = (struct open_batch){0};
}

// The open batch of a type with room for so many octets and one row more, or NULL.
static struct open_batch *room_for(struct record *d, enum record_type type, size_t octets_needed)
{
	struct open_batch *open = &d->open[type];

	if (octets_needed > d->batches->capacity) {
		d->stats.too_large[type]++;
		return NULL;
	}
	if (open->batch != NULL &&
		(open->batch->count == BATCH_ROWS_MAX ||
			open->batch->size + open->keys + octets_needed > open->batch->capacity))
		seal(d, type);
	if (open->batch == NULL)
		open->batch = batch_pool_take(d->batches, type, d->wait);
	if (open->batch == NULL) {
		d->stats.no_batch[type]++;
		return NULL;
	}
	return open;
}

// The next row will be about as long as this one: its place is fetched ahead, or each of its lines
// would be waited for when it is written.
static void fetch_next_place(const struct open_batch *open, const struct batch_row *row)
{
	const struct batch *batch = open->batch;
	const uint8_t *at = batch->bytes + batch->size;

	prefetch_octets(at, row->len + 1);
	prefetch(row + 1);
	prefetch(batch->bytes + row->key_offset - row->key_len);
}

// Appends `len` octets of d->row as one row (a message, delimited; or JSON).
static void add_row(
	struct record *d, enum record_type type, size_t len, const struct row_place *place)
{
	const uint8_t *bytes = d->row;
	bool delimited = !d->json && len > 0;
	size_t message_len = len;

	if (d->json && len > 0) {
		struct read_text out = {.bytes = d->text, .capacity = ROW_TEXT_MAX};
		int err = read_row_json(type, d->row, len, &out);
		INVARIANT(err == 0);
		if (err) {
			d->stats.too_large[type]++;
			return;
		}
		d->text[out.size] = '\n';
		bytes = (const uint8_t *)d->text;
		len = out.size + 1;
	}
	size_t head_len = delimited ? varint_len(len) : 0;
	struct open_batch *open = room_for(d, type, head_len + len + place->key.len);
	if (open == NULL)
		return;

	// Before the row is copied: a row that has just been written is slow to read as long as
	// stores to memory out of reach, as the batch's, stand before.
	if (d->listener != NULL && message_len > 0)
		d->listener(d->listener_arg, type, d->row, message_len);
	struct batch *batch = open->batch;
	struct batch_row *row = &batch->rows[batch->count++];
	uint8_t *at = batch->bytes + batch->size;
	if (delimited)
		at = put_varint(at, len);
	memcpy(at, bytes, len);
	*row = (struct batch_row){
		.offset = batch->size,
		.len = (uint32_t)(head_len + len),
		.key_len = (uint32_t)place->key.len,
		.time_ns = place->time_ns,
	};
	memcpy(row->client_key, place->client_key, sizeof(row->client_key));
	batch->size += row->len;
	if (place->key.len > 0) {
		// Keys stand at the batch's end, so that rows are one run of octets.
		open->keys += row->key_len;
		row->key_offset = batch->capacity - open->keys;
		copy_octets(batch->bytes + row->key_offset, place->key.at, place->key.len);
	}
	fetch_next_place(open, row);
	d->stats.made[type]++;
}

// A keyed id as it leaves, or false: it does not.
static bool leaving_key(struct record *d, enum record_type type, unsigned field, const uint8_t *key,
	uint8_t ret[16])
{
	unsigned action = d->action[0][type][field];

	if (key == NULL || (action != POLICY_KEEP && action != POLICY_PSEUDONYM))
		return false;
	if (action == POLICY_PSEUDONYM)
		policy_pseudonym(d->policy, type, field, key, 16, ret);
	else
		memcpy(ret, key, 16);
	return true;
}

typedef uint8_t octets16 __attribute__((vector_size(16)));

static struct span key_hex(const uint8_t key[16], uint8_t hex[32])
{
	octets16 in, high, low;

	memcpy(&in, key, 16);
	high = in >> 4;
	low = in & 15;
	octets16 first = __builtin_shufflevector(
		high, low, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
	octets16 last = __builtin_shufflevector(
		high, low, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
	first += '0' + ((octets16)(first > 9) & ('a' - '0' - 10));
	last += '0' + ((octets16)(last > 9) & ('a' - '0' - 10));
	memcpy(hex, &first, 16);
	memcpy(hex + 16, &last, 16);
	return octets(hex, 32);
}

// The time that a row may be known by: message time and expires_at must not tell what the policy
// makes of the field that they come from.
static uint64_t leaving_time(struct record *d, enum record_type type, unsigned field, uint64_t ns)
{
	if (d->identity.offline)
		return d->identity.run_start_ns;
	if (likely(d->action[0][type][field] == POLICY_KEEP))
		return ns;
	struct policy_rule rule = policy_rule(d->policy, type, field, false);
	uint64_t bucket = rule.action == POLICY_BUCKET ? rule.bucket : 3600 * NS_PER_S;
	return ns - ns % bucket;
}

static uint64_t expires_s(const struct record *d, uint64_t ns)
{
	return (ns + d->identity.retention_ns) / NS_PER_S;
}

static void withhold_row(struct record *d, enum record_type type, bool excluded)
{
	d->stats.withheld_rows[type]++;
	d->excluded_rows[type] += excluded;
}

static bool excludes_anybody(const struct record *d)
{
	return (d->excluded->mac_count | d->excluded->subnet_count) != 0;
}

static bool end_is_excluded(const struct record *d, const struct row_end *end, bool ip6)
{
	return end->ip != NULL &&
		excluded_matches(d->excluded, end->local ? end->mac : NULL, end->ip, ip6);
}

#define HAS_PORTS ((row->client.port | row->server.port) != 0)
#define IS_TCP (s->ip_proto == 6)
#define IS_ICMP (s->ip_proto == 1 || s->ip_proto == 58)
#define IS_DNS ((s->dns_queries | s->dns_answers | s->dns_failures) != 0 || f->dns_count > 0)
#define HAS_SENT(end) (s->seen >> (end)&1)
#define WAS_INSPECTED (s->dpi == DPI_VERDICT || s->dpi == DPI_GIVEN_UP)
#define HAS_TEXT(finding) (f->text[finding] != NULL)
#define FOUND(finding) octets(f->text[finding], f->len[finding])
#define HAS_NUMBER(finding) (f->text[finding] != NULL || f->number[finding] != 0)

static uint8_t *put_flow_icmp(struct record *d, uint8_t *at, const struct segment_event *s)
{
	uint8_t *body = message_open(at, 27);

	at = body;
	FLOW_ICMP_FIELDS(PUT_SUB)
	return message_close(body, at);
}

static uint8_t *put_flow_dns(struct record *d, uint8_t *at, const struct findings_view *f)
{
	for (uint32_t i = 0; i < MIN(f->dns_count, (uint32_t)DNS_ENTRIES_MAX); i++) {
		const struct dns_finding *e = &f->dns[i];
		uint8_t *body = message_open(at, 59);
		at = body;
		FLOW_DNS_FIELDS(PUT_SUB)
		at = message_close(body, at);
	}
	return at;
}

static uint8_t *encode_flow(struct record *d, uint8_t *at, const struct flow_row *row,
	uint64_t sequence, uint64_t expires_at)
{
	const struct segment_event *s = row->segment;
	const struct findings_view *f = row->findings != NULL ? row->findings : &no_findings;
	unsigned c = row->client_end & 1;

	uint8_t *common = put_common(d, at, RECORD_FLOW, sequence, expires_at);
	if (likely(common != NULL)) {
		at = common;
	} else {
		COMMON_FIELDS(PUT, FLOW)
	}
	FLOW_FIELDS(PUT_OWN, PUT_NONE)
	return at;
}

void record_flow(struct record *record, const struct flow_row *row)
{
	const struct segment_event *s = row->segment;
	uint8_t hex[32];

	if (!record->writes[RECORD_FLOW]) {
		withhold_row(record, RECORD_FLOW, false);
		return;
	}
	if (excludes_anybody(record) &&
		(end_is_excluded(record, &row->client, s->ip_version == 6) ||
			end_is_excluded(record, &row->server, s->ip_version == 6))) {
		withhold_row(record, RECORD_FLOW, true);
		return;
	}
	struct row_place place = {
		.time_ns = leaving_time(record, RECORD_FLOW, FLOW_end, wall_ns(record, s->end_ns)),
	};
	if (row->client.local &&
		leaving_key(
			record, RECORD_FLOW, FLOW_client_key, row->client.key, place.client_key[0]))
		place.key = key_hex(place.client_key[0], hex);
	if (row->server.local)
		leaving_key(
			record, RECORD_FLOW, FLOW_server_key, row->server.key, place.client_key[1]);
	record->server_local = row->server.local;
	record->expected_name = row->expected_name;
	record->expected_hash = row->expected_hash;
	uint8_t *end = encode_flow(record, record->row, row, record->sequence[RECORD_FLOW]++,
		expires_s(record, place.time_ns));
	add_row(record, RECORD_FLOW, (size_t)(end - record->row), &place);
}

uint64_t record_expect_name(const struct record *record, const uint8_t *name, size_t name_len)
{
	const uint8_t *action = record->action[0][RECORD_FLOW];

	if (action[FLOW_server_name] != POLICY_DOMAIN && action[FLOW_dns__name] != POLICY_DOMAIN)
		return 0;
	return domain_cache_fetch(record->domains, name, name_len);
}

static uint8_t *put_client_addresses(struct record *d, uint8_t *at, const struct client_row *row)
{
	for (uint32_t i = 0; i < MIN(row->address_count, (uint32_t)CLIENT_ADDRESSES_MAX); i++) {
		const struct client_address *e = &row->addresses[i];
		uint8_t *body = message_open(at, 16);
		at = body;
		CLIENT_ADDRESSES_FIELDS(PUT_SUB)
		at = message_close(body, at);
	}
	return at;
}

static uint8_t *put_client_names(struct record *d, uint8_t *at, const struct client_row *row)
{
	for (uint32_t i = 0; i < MIN(row->name_count, (uint32_t)CLIENT_NAMES_MAX); i++) {
		const struct client_name *e = &row->names[i];
		uint8_t *body = message_open(at, 17);
		at = body;
		CLIENT_NAMES_FIELDS(PUT_SUB)
		at = message_close(body, at);
	}
	return at;
}

static uint8_t *encode_client(struct record *d, uint8_t *at, const struct client_row *row,
	uint64_t sequence, uint64_t expires_at)
{
	uint8_t *common = put_common(d, at, RECORD_CLIENT, sequence, expires_at);

	if (likely(common != NULL)) {
		at = common;
	} else {
		COMMON_FIELDS(PUT, CLIENT)
	}
	CLIENT_FIELDS(PUT_OWN, PUT_NONE)
	return at;
}

static bool client_is_excluded(const struct record *d, const struct client_row *row)
{
	static const uint8_t nowhere[16];
	const struct excluded *set = d->excluded;

	// By its MAC alone: an address of no subnet but 0.0.0.0/0, which is everybody's.
	if (excluded_matches(set, row->mac, nowhere, false))
		return true;
	for (uint32_t i = 0; i < row->address_count; i++)
		if (excluded_matches(
			    set, NULL, row->addresses[i].ip, row->addresses[i].ip_version == 6))
			return true;
	return false;
}

// "tenant/client_key".
static struct span client_row_key(
	const struct record *d, const uint8_t key[16], uint8_t out[BATCH_KEY_MAX])
{
	memcpy(out, d->client_key_head, d->client_key_head_len);
	key_hex(key, out + d->client_key_head_len);
	return octets(out, d->client_key_head_len + 32);
}

void record_client(struct record *record, const struct client_row *row)
{
	struct row_place place = {0};
	uint8_t key[BATCH_KEY_MAX];

	if (!record->writes[RECORD_CLIENT]) {
		withhold_row(record, RECORD_CLIENT, false);
		return;
	}
	if (excludes_anybody(record) && client_is_excluded(record, row)) {
		withhold_row(record, RECORD_CLIENT, true);
		return;
	}
	place.time_ns = leaving_time(
		record, RECORD_CLIENT, CLIENT_last_seen, wall_ns(record, row->last_seen_ns));
	if (leaving_key(record, RECORD_CLIENT, CLIENT_client_key, row->key, place.client_key[0]))
		place.key = client_row_key(record, place.client_key[0], key);
	if (row->tombstone) {
		// Nothing under a key: it has no sequence, and without a key no meaning.
		if (place.key.len > 0)
			add_row(record, RECORD_CLIENT, 0, &place);
		return;
	}
	uint8_t *end = encode_client(record, record->row, row, record->sequence[RECORD_CLIENT]++,
		expires_s(record, place.time_ns));
	add_row(record, RECORD_CLIENT, (size_t)(end - record->row), &place);
}

static uint8_t *encode_usage(struct record *d, uint8_t *at, const struct usage_row *row,
	uint64_t sequence, uint64_t expires_at)
{
	uint8_t *common = put_common(d, at, RECORD_USAGE, sequence, expires_at);

	if (likely(common != NULL)) {
		at = common;
	} else {
		COMMON_FIELDS(PUT, USAGE)
	}
	USAGE_FIELDS(PUT_OWN, PUT_NONE)
	return at;
}

void record_usage(struct record *record, const struct usage_row *row)
{
	// The message's time is the window's start: its end may still lie ahead, and brokers refuse
	// what lies in the future.
	uint64_t start_ns = wall_window_s(record, row) * NS_PER_S;
	uint64_t end_ns = start_ns + row->window_s * NS_PER_S;
	struct row_place place = {0};
	uint8_t hex[32];

	if (!record->writes[RECORD_USAGE]) {
		withhold_row(record, RECORD_USAGE, false);
		return;
	}
	place.time_ns = leaving_time(record, RECORD_USAGE, USAGE_window_start, start_ns);
	if (leaving_key(record, RECORD_USAGE, USAGE_client_key, row->key, place.client_key[0]))
		place.key = key_hex(place.client_key[0], hex);
	uint8_t *end = encode_usage(record, record->row, row, record->sequence[RECORD_USAGE]++,
		expires_s(record, leaving_time(record, RECORD_USAGE, USAGE_window_start, end_ns)));
	add_row(record, RECORD_USAGE, (size_t)(end - record->row), &place);
}

void record_health(struct record *record, const struct health_row *row)
{
	struct row_place place = {0};
	uint8_t hex[32];

	if (!record->writes[RECORD_HEALTH]) {
		withhold_row(record, RECORD_HEALTH, false);
		return;
	}
	place.time_ns = leaving_time(record, RECORD_HEALTH, HEALTH_time, row->time_ns);
	if (record->action[0][RECORD_HEALTH][HEALTH_collector_id] == POLICY_KEEP)
		place.key = key_hex(record->identity.collector_id, hex);
	uint8_t *end = encode_health(record, record->row, row, record->sequence[RECORD_HEALTH]++,
		expires_s(record, place.time_ns));
	add_row(record, RECORD_HEALTH, (size_t)(end - record->row), &place);
}

void record_clock(struct record *record, int64_t step_ns)
{
	record->clock_step_ns = step_ns;
}

void record_wait(struct record *record)
{
	record->wait = true;
}

void record_listen(struct record *record, record_listener_fn *listener, void *arg)
{
	record->listener = listener;
	record->listener_arg = arg;
}

void record_seal(struct record *record, uint64_t now_ns, uint64_t age_ns, bool all)
{
	for (enum record_type type = RECORD_FLOW; type < RECORD_TYPE_COUNT; type++) {
		struct open_batch *open = &record->open[type];
		if (open->batch == NULL)
			continue;
		if (open->since_ns == 0)
			open->since_ns = now_ns;
		if (all || now_ns - open->since_ns >= age_ns)
			seal(record, type);
	}
}

void record_stats(const struct record *record, struct record_stats *ret)
{
	*ret = record->stats;
	for (enum record_type type = RECORD_FLOW; type < RECORD_TYPE_COUNT; type++)
		for (unsigned i = 0; i < SCHEMA_FIELDS_MAX; i++)
			ret->withheld_values[type] +=
				record->withheld[type][i][0] + record->withheld[type][i][1];
}
