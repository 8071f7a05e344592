// The door: what the policy leaves of each field, and what stands in many rows, made ready for
// them.
#include "core/record/door.h"

#include "core/record/read.h"

#include <endian.h>
#include <errno.h>

void door_compile(struct record *d)
{
	for (enum record_type type = RECORD_FLOW; type < RECORD_TYPE_COUNT; type++) {
		d->writes[type] = policy_writes(d->policy, type);
		for (unsigned i = 0; i < record_schema(type)->count; i++)
			for (unsigned local = 0; local < 2; local++) {
				struct policy_rule rule = policy_rule(d->policy, type, i, local);
				d->action[local][type][i] = rule.action;
				d->bits[local][type][i] = (struct bits){rule.bits4, rule.bits6};
			}
	}
	d->excluded = policy_excluded(d->policy);
}

void name_interface(struct record *d, const char *interface)
{
	struct span name = text(interface);

	name.len = MIN(name.len, (size_t)TEXT_MAX);
	label_make(&d->interface_label, d->interface_room, name);
	d->interface = interface;
}

// Room for the names that are there, and how much they took.
static size_t names_room(const char *const *names, unsigned count)
{
	size_t room = 0;

	for (unsigned i = 0; i < count; i++)
		if (names[i] != NULL)
			room += LABEL_ROOM(MIN(strlen(names[i]), (size_t)TEXT_MAX)) + LABEL_PIECE;
	return room;
}

static size_t make_labels(
	struct label *labels, const char *const *names, unsigned count, uint8_t *room)
{
	size_t size = 0;

	for (unsigned i = 0; i < count; i++)
		if (names[i] != NULL)
			size += label_make(&labels[i], room + size, text(names[i]));
	return size;
}

int door_make_names(struct record *d)
{
	const struct taxonomy *t = d->taxonomy;
	bool named = d->action[0][RECORD_CLIENT][CLIENT_tenant] == POLICY_KEEP &&
		d->identity.tenant != NULL;
	int len = snprintf(d->client_key_head, sizeof(d->client_key_head) - 32, "%s/",
		named ? d->identity.tenant : "");

	d->client_key_head_len = MIN((size_t)len, sizeof(d->client_key_head) - 33);
	size_t room = names_room(t->protocol, TAXONOMY_PROTOCOLS_MAX) +
		names_room(t->category, TAXONOMY_CATEGORIES_MAX);
	d->labels = calloc(1, room + 1);
	if (d->labels == NULL)
		return -ENOMEM;
	size_t used = make_labels(d->protocols, t->protocol, TAXONOMY_PROTOCOLS_MAX, d->labels);
	make_labels(d->categories, t->category, TAXONOMY_CATEGORIES_MAX, d->labels + used);
	return 0;
}

static unsigned field_id(enum record_type type, unsigned field)
{
	return record_schema(type)->fields[field].id;
}

uint8_t *put_changed_number(struct record *d, uint8_t *at, enum record_type type, unsigned field,
	enum wire wire, uint64_t value)
{
	struct policy_rule rule = policy_rule(d->policy, type, field, false);

	count_withheld(d, type, field, false);
	if (rule.action != POLICY_BUCKET || rule.bucket == 0)
		return at;
	value -= value % rule.bucket;
	at = put_tag(at, field_id(type, field), wire);
	return wire == WIRE_FIXED64 ? put_fixed64(at, value) : put_varint(at, value);
}

static uint8_t *put_pseudonym_text(
	struct record *d, uint8_t *at, enum record_type type, unsigned field, struct span value)
{
	uint8_t made[16], hex[32];

	policy_pseudonym(d->policy, type, field, value.at, value.len, made);
	for (unsigned i = 0; i < 32; i++)
		hex[i] = (uint8_t) "0123456789abcdef"[made[i / 2] >> (i % 2 ? 0 : 4) & 15];
	return put_bytes(at, field_id(type, field), octets(hex, sizeof(hex)));
}

// Only the first `bits` of an address or MAC.
static void truncate_bits(uint8_t *bytes, size_t len, unsigned bits)
{
	size_t whole = bits / 8;

	if (whole >= len)
		return;
	bytes[whole] = (uint8_t)(bytes[whole] & (0xff00 >> bits % 8));
	memset(bytes + whole + 1, 0, len - whole - 1);
}

// The same of an IPv4 address as it is written, which most are, in one word: octets that were only
// just written are slow to read as a whole.
static uint8_t *put_truncated_ip4(uint8_t *at, unsigned id, const uint8_t *ip, unsigned bits)
{
	uint32_t word;

	memcpy(&word, ip, sizeof(word));
	if (bits < 32)
		word &= htobe32(~(UINT32_MAX >> bits));
	return put_bytes(at, id, octets((const uint8_t *)&word, sizeof(word)));
}

// Whether an address that a name spells out is one of a local end, by the address alone.
static bool ip_is_private(const uint8_t *ip, unsigned len)
{
	static const struct excluded_subnet private[] = {
		{{10}, 8, false}, {{172, 16}, 12, false}, {{192, 168}, 16, false},
		{{169, 254}, 16, false}, {{100, 64}, 10, false}, {{127}, 8, false}, {{0}, 8, false},
		{{0xfc}, 7, true}, {{0xfe, 0x80}, 10, true},
		{{0}, 8, true}, // ::1, and IPv4 in disguise
	};

	for (size_t i = 0; i < ARRAY_COUNT(private); i++)
		if (private[i].ip6 == (len == 16) &&
			ip_prefix_equal(private[i].ip, ip, private[i].prefix_len))
			return true;
	return false;
}

// A name that is an address goes by server_ip's rule: that of local ends where the address is not
// the Internet's, or where the server that answers to it is local.
static uint8_t *put_literal(struct record *d, uint8_t *at, unsigned id, uint8_t *ip, unsigned len)
{
	bool local = ip_is_private(ip, len) || d->server_local;
	struct policy_rule rule = policy_rule(d->policy, RECORD_FLOW, FLOW_server_ip, local);
	char shown[READ_ADDRESS_SIZE];

	if (rule.action == POLICY_TRUNCATE)
		truncate_bits(ip, len, len == 16 ? rule.bits6 : rule.bits4);
	else if (rule.action != POLICY_KEEP)
		return at;
	read_print_address(ip, len, shown);
	return put_bytes(at, id, text(shown));
}

uint8_t *put_changed_text(
	struct record *d, uint8_t *at, enum record_type type, unsigned field, struct span value)
{
	struct policy_rule rule = policy_rule(d->policy, type, field, false);
	unsigned id = field_id(type, field);
	char domain[DOMAIN_SIZE_MAX];
	uint8_t ip[16];

	if (rule.action == POLICY_PSEUDONYM) {
		count_withheld(d, type, field, false);
		return put_pseudonym_text(d, at, type, field, value);
	}
	if (rule.action != POLICY_DOMAIN) {
		count_withheld(d, type, field, false);
		return at;
	}
	uint64_t hash = value.at == d->expected_name ? d->expected_hash : 0;
	size_t len = domain_cached(d->domains, hash, value.at, value.len, domain);
	if (len != value.len)
		count_withheld(d, type, field, false);
	if (len > 0)
		return put_bytes(at, id, octets((uint8_t *)domain, len));
	unsigned ip_len = domain_ip_literal(value.at, value.len, ip);
	return ip_len > 0 ? put_literal(d, at, id, ip, ip_len) : at;
}

uint8_t *put_changed_bytes(struct record *d, uint8_t *at, enum record_type type, unsigned field,
	bool local, struct span value)
{
	unsigned action = d->action[local][type][field];
	struct bits bits = d->bits[local][type][field];
	unsigned id = field_id(type, field);
	uint8_t changed[16];

	count_withheld(d, type, field, local);
	if (action == POLICY_PSEUDONYM) {
		policy_pseudonym(d->policy, type, field, value.at, value.len, changed);
		return put_bytes(at, id, octets(changed, 16));
	}
	if (action != POLICY_TRUNCATE || value.len > sizeof(changed))
		return at;
	if (likely(value.len == 4))
		return put_truncated_ip4(at, id, value.at, bits.v4);
	memcpy(changed, value.at, value.len);
	truncate_bits(changed, value.len, value.len == 16 ? bits.v6 : bits.v4);
	return put_bytes(at, id, octets(changed, value.len));
}

// The common fields stand first in every record, in one order.
#define X(R, name, message) \
	static_assert((int)R##_collector_id == 0 && (int)R##_sequence == 2 && \
		(int)R##_expires_at == COMMON_FIELDS_LAST - 1);
RECORDS(X)
#undef X

#define KEPT_BYTES put_bytes
#define KEPT_STRING put_string
#define KEPT_ID64(at, id, value) put_fixed64(put_tag(at, id, WIRE_FIXED64), value)
#define KEPT_TIME_S KEPT_ID64
#define KEPT_CODE64(at, id, value) put_varint(put_tag(at, id, WIRE_VARINT), value)
#define KEPT_CODE32 KEPT_CODE64
#define KEPT(R, id, name, type, unit, class, basic, standard, full, elsewhere, note, known, value) \
	if (known) { \
		if ((int)R##_##name == (int)R##_sequence) \
			before_end = at; \
		at = KEPT_##type(at, id, value); \
		if ((int)R##_##name == (int)R##_sequence) \
			after = at; \
	}

// Writes down the common fields as they will be until `expires_at` changes, if all of them are kept
// and not too long.
static void make_common(struct record *d, enum record_type type, uint64_t expires_at)
{
	struct common *common = &d->common[type];
	uint8_t *at = d->row, *before_end = at, *after = at;
	const uint64_t sequence = 0; // each row's own

	for (unsigned i = 0; i < COMMON_FIELDS_LAST; i++)
		if (d->action[0][type][i] != POLICY_KEEP)
			return;
	COMMON_FIELDS(KEPT, FLOW)
	size_t before_len = (size_t)(before_end - d->row), after_len = (size_t)(at - after);
	if (before_len > sizeof(common->before) || after_len > sizeof(common->after))
		return;
	memcpy(common->before, d->row, before_len);
	memcpy(common->after, after, after_len);
	common->before_len = (uint8_t)before_len;
	common->after_len = (uint8_t)after_len;
	common->expires_at = expires_at;
}

uint8_t *put_common(struct record *d, uint8_t *at, enum record_type type, uint64_t sequence,
	uint64_t expires_at)
{
	struct common *common = &d->common[type];

	if (unlikely(common->expires_at != expires_at || common->after_len == 0)) {
		make_common(d, type, expires_at);
		if (common->after_len == 0)
			return NULL;
	}
	// In pieces of 32 octets: what is too much is written over.
	memcpy(at, common->before, sizeof(common->before));
	at = KEPT_CODE64(at + common->before_len, 3, sequence);
	for (size_t i = 0; i < common->after_len; i += 32)
		memcpy(at + i, common->after + i, 32);
	return at + common->after_len;
}
