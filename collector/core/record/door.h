// The door from inside, for record.c and health.c: its state, and how each type of field passes.
#pragma once

#include "core/base/compiler.h"
#include "core/privacy/domain.h"
#include "core/record/dns_type.h"
#include "core/record/encode.h"
#include "core/record/record.h"
#include "core/schema/schema.h"

enum {
	// A row is made here first: more than the longest that can be.
	ROW_SIZE_MAX = 192 << 10,
	// Room that health's lists leave: more than one entry and all plain fields.
	ROW_SIZE_SPARE = 32 << 10,
};

// The common fields of a record type, all of them kept: what stands before a row's sequence, and
// what stands after it as long as the rows expire at one time.
struct common {
	uint8_t before[32], after[224];
	uint8_t before_len, after_len; // 0: to be written field by field
	uint64_t expires_at;
};

struct record {
	uint8_t action[2][RECORD_TYPE_COUNT][SCHEMA_FIELDS_MAX]; // enum policy_action; [1]: local
	struct bits {
		uint8_t v4, v6;
	} bits[2][RECORD_TYPE_COUNT][SCHEMA_FIELDS_MAX]; // of POLICY_TRUNCATE
	bool writes[RECORD_TYPE_COUNT];
	const struct excluded *excluded; // the policy's
	struct common common[RECORD_TYPE_COUNT];
	const struct policy *policy;
	const struct taxonomy *taxonomy;
	struct record_identity identity; // with strings of its own
	uint64_t policy_fp;
	uint32_t key_epoch;
	bool json, wait;
	struct batch_pool *batches;
	struct domain_cache *domains;
	// By nDPI's numbers; `at` NULL: no such number.
	struct label protocols[TAXONOMY_PROTOCOLS_MAX], categories[TAXONOMY_CATEGORIES_MAX];
	uint8_t *labels; // their octets
	const char *interface; // of the row before
	struct label interface_label;
	uint8_t interface_room[LABEL_ROOM(TEXT_MAX)];
	char client_key_head[BATCH_KEY_MAX]; // of a client row's key: "tenant/"
	size_t client_key_head_len;
	char dns_type[DNS_TYPE_NAME_SIZE];
	bool server_local; // of the flow at hand
	const uint8_t *expected_name; // of it, or NULL
	uint64_t expected_hash;
	int64_t clock_step_ns; // from table time to the wall clock

	uint64_t sequence[RECORD_TYPE_COUNT]; // of the next row
	struct open_batch {
		struct batch *batch;
		uint32_t keys; // octets taken at its end by keys
		uint64_t since_ns; // of the caller's clock; 0: not asked yet
	} open[RECORD_TYPE_COUNT];

	struct record_stats stats;
	record_listener_fn *listener;
	void *listener_arg;
	uint64_t excluded_rows[RECORD_TYPE_COUNT];
	uint64_t withheld[RECORD_TYPE_COUNT][SCHEMA_FIELDS_MAX][2]; // values; [1]: of local ends

	uint8_t *row; // ROW_SIZE_MAX
	char *text; // as JSON
};

enum { ROW_TEXT_MAX = 4 * ROW_SIZE_MAX };

// An end of a flow and its address.
struct end_value {
	struct span ip;
	bool local;
};

static const struct span no_text;

// From the policy and the identity, once: what each field's rule is, and what stands in many rows.
void door_compile(struct record *d);
int door_make_names(struct record *d); // returns 0 or -ENOMEM

static inline struct end_value end_address(const struct row_end *end, const struct segment_event *s)
{
	return (struct end_value){octets(end->ip, s->ip_version == 6 ? 16 : 4), end->local};
}

// Table time as the wall clock has it now: a step of that clock moves what is told, never what is
// kept.
static inline uint64_t wall_ns(const struct record *d, uint64_t table_ns)
{
	return table_ns + (uint64_t)d->clock_step_ns;
}

// Windows begin on whole multiples of their length, whatever was done to the clock.
static inline uint64_t wall_window_s(const struct record *d, const struct usage_row *row)
{
	uint64_t start_s = wall_ns(d, row->window_start_s * NS_PER_S) / NS_PER_S;

	return start_s - start_s % row->window_s;
}

static inline struct span dns_type(struct record *d, uint16_t type)
{
	return text(dns_type_name(type, d->dns_type));
}

static inline void count_withheld(
	struct record *d, enum record_type type, unsigned field, bool local)
{
	d->withheld[type][field][local]++;
}

// What is not simply kept: counts it as withheld, and writes what the rule leaves of it.
uint8_t *put_changed_number(struct record *d, uint8_t *at, enum record_type type, unsigned field,
	enum wire wire, uint64_t value);
uint8_t *put_changed_text(
	struct record *d, uint8_t *at, enum record_type type, unsigned field, struct span value);
uint8_t *put_changed_bytes(struct record *d, uint8_t *at, enum record_type type, unsigned field,
	bool local, struct span value);

// PUT_type(record, id, index of the field, known, value): writes one field at `at`.
#define PUT_NUMBER(R, id, index, wire, put, known, value) \
	if (known) { \
		if (likely(d->action[0][RECORD_##R][index] == POLICY_KEEP)) \
			at = put(put_tag(at, id, wire), (uint64_t)(value)); \
		else if (d->action[0][RECORD_##R][index] == POLICY_DROP) \
			count_withheld(d, RECORD_##R, index, false); \
		else \
			at = put_changed_number( \
				d, at, RECORD_##R, index, wire, (uint64_t)(value)); \
	}
#define PUT_VARINT(R, id, index, known, value) \
	PUT_NUMBER(R, id, index, WIRE_VARINT, put_varint, known, value)
#define PUT_FIXED64(R, id, index, known, value) \
	PUT_NUMBER(R, id, index, WIRE_FIXED64, put_fixed64, known, value)
#define PUT_TIME_NS PUT_FIXED64
#define PUT_TIME_S PUT_FIXED64
#define PUT_ID64 PUT_FIXED64
#define PUT_COUNT32 PUT_VARINT
#define PUT_COUNT64 PUT_VARINT
#define PUT_CODE32 PUT_VARINT
#define PUT_CODE64 PUT_VARINT
#define PUT_BITS PUT_VARINT
#define PUT_ENUM PUT_VARINT
#define PUT_BOOL PUT_VARINT
#define PUT_DOUBLE(R, id, index, known, value) \
	if (known) { \
		double number = value; \
		uint64_t bits; \
		memcpy(&bits, &number, 8); \
		PUT_FIXED64(R, id, index, true, bits) \
	}
// Zigzag: small negative numbers stay small.
#define PUT_SINT64(R, id, index, known, value) \
	if (known) { \
		int64_t number = value; \
		PUT_VARINT(R, id, index, true, \
			((uint64_t)number << 1) ^ (number < 0 ? UINT64_MAX : 0)) \
	}
#define PUT_STRING(R, id, index, known, value) \
	if (known) { \
		if (likely(d->action[0][RECORD_##R][index] == POLICY_KEEP)) \
			at = put_text(at, id, value); \
		else \
			at = put_changed_text(d, at, RECORD_##R, index, raw_text(value)); \
	}
#define PUT_NAME PUT_STRING
#define PUT_STRINGS PUT_STRING
#define PUT_BYTES(R, id, index, known, value) \
	if (known) { \
		unsigned action = d->action[0][RECORD_##R][index]; \
		if (likely(action == POLICY_KEEP)) \
			at = put_bytes(at, id, value); \
		else if (action == POLICY_DROP) \
			count_withheld(d, RECORD_##R, index, false); \
		else \
			at = put_changed_bytes(d, at, RECORD_##R, index, false, value); \
	}
#define PUT_KEY PUT_BYTES
#define PUT_MAC PUT_BYTES
#define PUT_ADDRESS PUT_BYTES
#define PUT_ADDRESS_END(R, id, index, known, value) \
	if (known) { \
		struct end_value end = value; \
		unsigned action = d->action[end.local][RECORD_##R][index]; \
		if (action == POLICY_KEEP) \
			at = put_bytes(at, id, end.ip); \
		else if (action == POLICY_DROP) \
			count_withheld(d, RECORD_##R, index, end.local); \
		else \
			at = put_changed_bytes(d, at, RECORD_##R, index, end.local, end.ip); \
	}
// The value of a list or message is a call that writes it and returns where it ends.
#define PUT_MESSAGE(R, id, index, known, value) \
	if (known) { \
		if (d->action[0][RECORD_##R][index] == POLICY_KEEP) \
			at = value; \
		else \
			count_withheld(d, RECORD_##R, index, false); \
	}
#define PUT_LIST PUT_MESSAGE

// For a record's list of fields (sub-fields are written by their parent's call), and for a list of
// sub-fields.
#define PUT(R, id, name, type, unit, class, basic, standard, full, elsewhere, note, ...) \
	PUT_##type(R, id, R##_##name, __VA_ARGS__)
#define PUT_SUB( \
	R, parent, id, name, type, unit, class, basic, standard, full, elsewhere, note, ...) \
	PUT_##type(R, id, R##_##parent##__##name, __VA_ARGS__)
#define PUT_NONE(...)
// The fields after the common ones, which put_common() writes.
#define PUT_OWN(R, id, name, type, unit, class, basic, standard, full, elsewhere, note, ...) \
	if ((id) > COMMON_FIELDS_LAST) { \
		PUT_##type(R, id, R##_##name, __VA_ARGS__) \
	}
enum { COMMON_FIELDS_LAST = 8 };

uint8_t *put_common(struct record *d, uint8_t *at, enum record_type type, uint64_t sequence,
	uint64_t expires_at);

#define HAS_PROTOCOL(n) ((n) < TAXONOMY_PROTOCOLS_MAX && d->protocols[n].at != NULL)
#define PROTOCOL(n) ((const struct label *)&d->protocols[n])
#define HAS_CATEGORY(n) ((n) < TAXONOMY_CATEGORIES_MAX && d->categories[n].at != NULL)
#define CATEGORY(n) ((const struct label *)&d->categories[n])

// Most rows are of the interface that the row before was of.
void name_interface(struct record *d, const char *interface);
static inline const struct label *interface_label(struct record *d, const char *interface)
{
	if (unlikely(d->interface != interface))
		name_interface(d, interface);
	return &d->interface_label;
}
