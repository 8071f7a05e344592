// Rows back from their wire form: fields one by one, and JSON.
#include "core/record/read.h"

#include "core/base/compiler.h"
#include "core/record/encode.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>

static const uint8_t wires[FIELD_TYPE_COUNT] = {
#define X(type, proto, wire, note) wire,
	FIELD_TYPES(X)
#undef X
};

struct read_row read_row_of(enum record_type type, const uint8_t *row, size_t len)
{
	return (struct read_row){record_schema(type), -1, 0, row, row + len};
}

struct read_row read_row_in(const struct read_row *row, const struct read_value *value)
{
	return (struct read_row){row->schema, (int)value->index, value->index + 1, value->bytes,
		value->bytes + value->len};
}

static bool read_long_varint(const uint8_t **at, const uint8_t *end, uint64_t *ret)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
		uint8_t octet = *(*at)++;
		value |= (uint64_t)(octet & 0x7f) << shift;
		if (octet < 0x80) {
			*ret = value;
			return true;
		}
	}
	return false;
}

// Most have one octet.
static inline bool read_varint(const uint8_t **at, const uint8_t *end, uint64_t *ret)
{
	if (unlikely(*at == end || **at >= 0x80))
		return read_long_varint(at, end, ret);
	*ret = *(*at)++;
	return true;
}

// The value behind a tag.
static bool read_payload(struct read_row *row, unsigned wire, struct read_value *value)
{
	size_t left;

	switch (wire) {
	case WIRE_VARINT:
		return read_varint(&row->at, row->end, &value->number);
	case WIRE_FIXED64:
	case WIRE_FIXED32:
		left = wire == WIRE_FIXED64 ? 8 : 4;
		if ((size_t)(row->end - row->at) < left)
			return false;
		value->number = 0;
		for (size_t i = left; i-- > 0;)
			value->number = value->number << 8 | row->at[i];
		row->at += left;
		return true;
	case WIRE_BYTES:
		if (!read_varint(&row->at, row->end, &value->number) ||
			value->number > (size_t)(row->end - row->at))
			return false;
		value->bytes = row->at;
		value->len = (size_t)value->number;
		row->at += value->len;
		return true;
	default:
		return false;
	}
}

// The field of this id among those from `from` to before `to`; sub-fields stand together, behind
// their parent.
static bool search(
	const struct read_row *row, uint64_t id, unsigned from, unsigned to, unsigned *ret_index)
{
	for (unsigned i = from; i < to; i++) {
		const struct field_info *field = &row->schema->fields[i];
		if (field->parent != row->parent && row->parent >= 0)
			return false;
		if (field->parent == row->parent && field->id == id) {
			*ret_index = i;
			return true;
		}
	}
	return false;
}

// Rows are written in the order of the table: the next field is nearly always just ahead.
static const struct field_info *find_field(struct read_row *row, uint64_t id, unsigned *ret_index)
{
	if (!search(row, id, row->next, row->schema->count, ret_index) &&
		!search(row, id, (unsigned)(row->parent + 1), row->next, ret_index))
		return NULL;
	// A list's next entry is the same field again.
	row->next = *ret_index;
	return &row->schema->fields[*ret_index];
}

// Whether the octets of a value are what its type says.
static bool is_sound(const struct read_value *value)
{
	switch ((enum field_type)value->field->type) {
	case TYPE_KEY:
		return value->len == 16;
	case TYPE_MAC:
		return value->len == 6;
	case TYPE_ADDRESS:
	case TYPE_ADDRESS_END:
		return value->len == 4 || value->len == 16;
	case TYPE_COUNT32:
	case TYPE_CODE32:
	case TYPE_BITS:
	case TYPE_ENUM:
		return value->number <= UINT32_MAX;
	case TYPE_BOOL:
		return value->number <= 1;
	case TYPE_STRING:
	case TYPE_NAME:
	case TYPE_STRINGS:
		for (size_t i = 0; i < value->len;) {
			unsigned valid = utf8_len(value->bytes + i, value->len - i);
			if (valid == 0)
				return false;
			i += valid;
		}
		return true;
	default:
		return true;
	}
}

int read_row_next(struct read_row *row, struct read_value *ret)
{
	while (row->schema != NULL && row->at < row->end) {
		struct read_value value = {0};
		uint64_t tag;
		if (!read_varint(&row->at, row->end, &tag) || tag >> 3 == 0 || tag > UINT32_MAX)
			return -EBADMSG;
		unsigned wire = tag & 7;
		if (!read_payload(row, wire, &value))
			return -EBADMSG;
		value.field = find_field(row, tag >> 3, &value.index);
		if (value.field == NULL)
			continue;
		if (wires[value.field->type] != wire || !is_sound(&value))
			return -EBADMSG;
		*ret = value;
		return 1;
	}
	return row->schema == NULL ? -EBADMSG : 0;
}

void read_want(struct read_wanted *wanted, enum record_type type, unsigned index)
{
	const struct field_info *field = &record_schema(type)->fields[index];

	REQUIRE(field->parent < 0 && index < UINT8_MAX);
	wanted->index[field->id] = (uint8_t)(index + 1);
}

// The end of the value at `at`, or NULL: it is not whole.
static inline const uint8_t *pass_value(const uint8_t *at, const uint8_t *end, unsigned wire)
{
	uint64_t left;

	switch (wire) {
	case WIRE_VARINT:
		for (unsigned i = 0; i < VARINT_MAX && at < end; i++)
			if (*at++ < 0x80)
				return at;
		return NULL;
	case WIRE_FIXED64:
		return end - at >= 8 ? at + 8 : NULL;
	case WIRE_FIXED32:
		return end - at >= 4 ? at + 4 : NULL;
	case WIRE_BYTES:
		return read_varint(&at, end, &left) && left <= (size_t)(end - at) ? at + left
										  : NULL;
	default:
		return NULL;
	}
}

// The first field that is wanted: 1 + its index, and its wire type; 0 at the end; or -EBADMSG.
static int find_wanted(struct read_row *row, const struct read_wanted *wanted, unsigned *ret_wire)
{
	const uint8_t *at = row->at, *end = row->end;
	uint64_t tag;

	while (at != NULL && at < end) {
		if (!read_varint(&at, end, &tag) || tag >> 3 == 0 || tag > UINT32_MAX)
			return -EBADMSG;
		*ret_wire = tag & 7;
		if (tag >> 3 <= UINT8_MAX && wanted->index[tag >> 3] != 0) {
			row->at = at;
			return wanted->index[tag >> 3];
		}
		at = pass_value(at, end, *ret_wire);
	}
	row->at = end;
	return at == NULL ? -EBADMSG : 0;
}

int read_row_next_wanted(
	struct read_row *row, const struct read_wanted *wanted, struct read_value *ret)
{
	struct read_value value = {0};
	unsigned wire = 0;

	int found = find_wanted(row, wanted, &wire);
	if (found <= 0)
		return found;
	value.index = (unsigned)found - 1;
	value.field = &row->schema->fields[value.index];
	if (wires[value.field->type] != wire || !read_payload(row, wire, &value) ||
		!is_sound(&value))
		return -EBADMSG;
	*ret = value;
	return 1;
}

int read_delimited(const uint8_t **bytes, size_t *left, const uint8_t **ret_row, size_t *ret_len)
{
	const uint8_t *at = *bytes, *end = *bytes + *left;
	uint64_t len;

	if (at == end)
		return 0;
	if (!read_varint(&at, end, &len) || len > (size_t)(end - at))
		return -EBADMSG;
	*ret_row = at;
	*ret_len = (size_t)len;
	*bytes = at + len;
	*left = (size_t)(end - *bytes);
	return 1;
}

void read_print_address(const uint8_t *ip, size_t len, char ret[READ_ADDRESS_SIZE])
{
	if (inet_ntop(len == 4 ? AF_INET : AF_INET6, ip, ret, READ_ADDRESS_SIZE) == NULL)
		ret[0] = '\0';
}

static void add_bytes(struct read_text *out, const char *bytes, size_t len)
{
	if (len < out->capacity && out->size < out->capacity - len)
		memcpy(out->bytes + out->size, bytes, len);
	else
		len = out->capacity - out->size; // full for good
	out->size += len;
}

static void add_text(struct read_text *out, const char *text_)
{
	add_bytes(out, text_, strlen(text_));
}

static void add_number(struct read_text *out, uint64_t number)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	add_bytes(out, digits + at, sizeof(digits) - at);
}

// With leading zeros.
static void add_padded(struct read_text *out, uint64_t number, unsigned width)
{
	char digits[20];

	for (unsigned i = width; i-- > 0; number /= 10)
		digits[i] = (char)('0' + number % 10);
	add_bytes(out, digits, width);
}

static void add_hex(struct read_text *out, const uint8_t *bytes, size_t len, const char *between)
{
	for (size_t i = 0; i < len; i++) {
		char pair[2] = {
			"0123456789abcdef"[bytes[i] >> 4], "0123456789abcdef"[bytes[i] & 15]};
		if (i > 0)
			add_text(out, between);
		add_bytes(out, pair, 2);
	}
}

// RFC 8259 section 7. The bytes are valid UTF-8.
static void add_string(struct read_text *out, const uint8_t *bytes, size_t len)
{
	size_t from = 0;

	add_text(out, "\"");
	for (size_t i = 0; i < len; i++) {
		uint8_t at = bytes[i];
		if (at >= 0x20 && at != '"' && at != '\\')
			continue;
		add_bytes(out, (const char *)bytes + from, i - from);
		from = i + 1;
		if (at >= 0x20) {
			char escaped[2] = {'\\', (char)at};
			add_bytes(out, escaped, 2);
		} else {
			add_text(out, "\\u00");
			add_hex(out, &at, 1, "");
		}
	}
	add_bytes(out, (const char *)bytes + from, len - from);
	add_text(out, "\"");
}

// RFC 3339 in UTC with nine decimals. The calendar is that of Hinnant, "chrono-Compatible Low-Level
// Date Algorithms", days from 0000-03-01.
static void add_time(struct read_text *out, uint64_t seconds, uint64_t ns)
{
	uint64_t days = seconds / 86400 + 719468, rest = seconds % 86400;
	uint64_t era = days / 146097, day_of_era = days % 146097;
	uint64_t year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	uint64_t day_of_year =
		day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	uint64_t month = (5 * day_of_year + 2) / 153; // 0: March
	uint64_t day = day_of_year - (153 * month + 2) / 5 + 1;
	uint64_t year = year_of_era + era * 400 + (month >= 10);

	add_text(out, "\"");
	add_padded(out, year, 4);
	add_text(out, "-");
	add_padded(out, month < 10 ? month + 3 : month - 9, 2);
	add_text(out, "-");
	add_padded(out, day, 2);
	add_text(out, "T");
	add_padded(out, rest / 3600, 2);
	add_text(out, ":");
	add_padded(out, rest / 60 % 60, 2);
	add_text(out, ":");
	add_padded(out, rest % 60, 2);
	add_text(out, ".");
	add_padded(out, ns, 9);
	add_text(out, "Z\"");
}

static void add_enum(struct read_text *out, const struct read_value *value)
{
	const struct enumeration *list = schema_enumeration(value->field->unit);

	// A number that a later version added stands as it is.
	if (value->number == 0 || value->number >= list->count) {
		add_number(out, value->number);
		return;
	}
	add_text(out, "\"");
	add_text(out, list->names[value->number]);
	add_text(out, "\"");
}

static void add_bits(struct read_text *out, const struct read_value *value)
{
	const struct enumeration *list = schema_enumeration(value->field->unit);
	const char *before = "\"";

	add_text(out, "[");
	for (unsigned bit = 0; bit + 1 < list->count; bit++) {
		if ((value->number >> bit & 1) == 0)
			continue;
		add_text(out, before);
		add_text(out, list->names[bit + 1]);
		add_text(out, "\"");
		before = ",\"";
	}
	add_text(out, "]");
}

static void add_double(struct read_text *out, uint64_t bits)
{
	double number;
	char shown[32];

	memcpy(&number, &bits, sizeof(number));
	// JSON has no words for infinity.
	if (!__builtin_isfinite(number))
		number = 0;
	snprintf(shown, sizeof(shown), "%.9g", number);
	add_text(out, shown);
}

static void add_signed(struct read_text *out, uint64_t zigzag)
{
	uint64_t magnitude = (zigzag >> 1) + (zigzag & 1);

	if ((zigzag & 1) != 0)
		add_text(out, "-");
	add_number(out, magnitude);
}

static void add_address(struct read_text *out, const struct read_value *value)
{
	char shown[READ_ADDRESS_SIZE];

	read_print_address(value->bytes, value->len, shown);
	add_text(out, "\"");
	add_text(out, shown);
	add_text(out, "\"");
}

static void add_quoted_hex(
	struct read_text *out, const uint8_t *bytes, size_t len, const char *between)
{
	add_text(out, "\"");
	add_hex(out, bytes, len, between);
	add_text(out, "\"");
}

static void add_id(struct read_text *out, uint64_t id)
{
	uint8_t big_endian[8];

	for (unsigned i = 0; i < 8; i++)
		big_endian[i] = (uint8_t)(id >> (56 - 8 * i));
	add_quoted_hex(out, big_endian, sizeof(big_endian), "");
}

static void add_scalar(struct read_text *out, const struct read_value *value)
{
	switch ((enum field_type)value->field->type) {
	case TYPE_TIME_NS:
		return add_time(out, value->number / NS_PER_S, value->number % NS_PER_S);
	case TYPE_TIME_S:
		return add_time(out, value->number, 0);
	case TYPE_ID64:
		return add_id(out, value->number);
	case TYPE_COUNT32:
	case TYPE_COUNT64:
	case TYPE_CODE32:
	case TYPE_CODE64:
		return add_number(out, value->number);
	case TYPE_BITS:
		return add_bits(out, value);
	case TYPE_ENUM:
		return add_enum(out, value);
	case TYPE_BOOL:
		return add_text(out, value->number != 0 ? "true" : "false");
	case TYPE_DOUBLE:
		return add_double(out, value->number);
	case TYPE_SINT64:
		return add_signed(out, value->number);
	case TYPE_STRING:
	case TYPE_NAME:
	case TYPE_STRINGS:
		return add_string(out, value->bytes, value->len);
	case TYPE_KEY:
	case TYPE_BYTES:
		return add_quoted_hex(out, value->bytes, value->len, "");
	case TYPE_MAC:
		return add_quoted_hex(out, value->bytes, value->len, ":");
	case TYPE_ADDRESS:
	case TYPE_ADDRESS_END:
		return add_address(out, value);
	case TYPE_MESSAGE:
	case TYPE_LIST:
	case FIELD_TYPE_COUNT:
		return; // these are no scalars
	}
}

static int add_fields(struct read_text *out, struct read_row row, bool first);

static int add_object(
	struct read_text *out, const struct read_row *row, const struct read_value *value)
{
	add_text(out, "{");
	int err = add_fields(out, read_row_in(row, value), true);
	add_text(out, "}");
	return err;
}

// All entries of a list, wherever in the row they stand: the first was just read.
static int add_list(struct read_text *out, struct read_row row, const struct read_value *first)
{
	struct read_value value = *first;
	int got = 1;

	add_text(out, "[");
	do {
		if (value.index != first->index)
			continue;
		if (value.bytes != first->bytes)
			add_text(out, ",");
		if (value.field->type == TYPE_LIST) {
			int err = add_object(out, &row, &value);
			if (err)
				return err;
		} else {
			add_scalar(out, &value);
		}
	} while ((got = read_row_next(&row, &value)) > 0);
	add_text(out, "]");
	return got;
}

// A field that stands twice is no row of ours, except entries of a list.
static int add_fields(struct read_text *out, struct read_row row, bool first)
{
	bool seen[SCHEMA_FIELDS_MAX] = {false};
	struct read_value value;
	int got;

	while ((got = read_row_next(&row, &value)) > 0) {
		bool list = value.field->type == TYPE_LIST || value.field->type == TYPE_STRINGS;
		if (seen[value.index] && list)
			continue;
		if (seen[value.index])
			return -EBADMSG;
		seen[value.index] = true;
		add_text(out, first ? "\"" : ",\"");
		first = false;
		add_text(out, value.field->name);
		add_text(out, "\":");
		int err = 0;
		if (list)
			err = add_list(out, row, &value);
		else if (value.field->type == TYPE_MESSAGE)
			err = add_object(out, &row, &value);
		else
			add_scalar(out, &value);
		if (err)
			return err;
	}
	return got;
}

int read_row_json(enum record_type type, const uint8_t *row, size_t len, struct read_text *out)
{
	if (record_schema(type) == NULL)
		return -EBADMSG;
	add_text(out, "{\"record\":\"");
	add_text(out, record_type_name(type));
	add_text(out, "\"");
	int err = add_fields(out, read_row_of(type, row, len), false);
	if (err)
		return err;
	add_text(out, "}");
	return out->size < out->capacity ? 0 : -ENOBUFS;
}
