// The tables that the lists of schema.h make: fields by record, enumerations.
#include "core/schema/schema.h"

#include "core/base/compiler.h"
#include "core/settings/settings.h"

#define FIELD(R, number, label, kind, unit_, class_, basic, standard, full, other, text, ...) \
	{ \
		.name = #label, \
		.id = number, \
		.type = TYPE_##kind, \
		.unit = UNIT_##unit_, \
		.class = CLASS_##class_, \
		.leaves = {[PROFILE_BASIC] = LEAVES_##basic, \
			[PROFILE_STANDARD] = LEAVES_##standard, \
			[PROFILE_FULL] = LEAVES_##full}, \
		.parent = -1, \
		.has_data = HAS_DATA(__VA_ARGS__), \
		.elsewhere = other, \
		.note = text, \
	},
#define SUB_FIELD( \
	R, list, number, label, kind, unit_, class_, basic, standard, full, other, text, ...) \
	{ \
		.name = #label, \
		.id = number, \
		.type = TYPE_##kind, \
		.unit = UNIT_##unit_, \
		.class = CLASS_##class_, \
		.leaves = {[PROFILE_BASIC] = LEAVES_##basic, \
			[PROFILE_STANDARD] = LEAVES_##standard, \
			[PROFILE_FULL] = LEAVES_##full}, \
		.parent = R##_##list, \
		.has_data = HAS_DATA(__VA_ARGS__), \
		.elsewhere = other, \
		.note = text, \
	},
// By the text of the last two columns, which is that of NO_DATA or NO_TEXT or another.
#define TEXT_OF(...) #__VA_ARGS__
#define TEXT(...) TEXT_OF(__VA_ARGS__)
#define HAS_DATA(...) \
	(__builtin_strcmp(TEXT(__VA_ARGS__), TEXT(NO_DATA)) != 0 && \
		__builtin_strcmp(TEXT(__VA_ARGS__), TEXT(NO_TEXT)) != 0)

#define X(R, name, message) \
	static const struct field_info name##_fields[] = {R##_FIELDS(FIELD, SUB_FIELD)}; \
	static_assert(ARRAY_COUNT(name##_fields) == R##_FIELD_COUNT); \
	static_assert(ARRAY_COUNT(name##_fields) <= SCHEMA_FIELDS_MAX);
RECORDS(X)
#undef X

static const struct record_schema schemas[RECORD_TYPE_COUNT] = {
#define X(R, record, text) [RECORD_##R] = {#record, text, record##_fields, R##_FIELD_COUNT},
	RECORDS(X)
#undef X
};

const struct record_schema *record_schema(enum record_type type)
{
	if (type <= RECORD_NONE || type >= RECORD_TYPE_COUNT)
		return NULL;
	return &schemas[type];
}

const char *record_type_name(enum record_type type)
{
	const struct record_schema *schema = record_schema(type);

	return schema == NULL ? "none" : schema->name;
}

#define NAME(name) #name,
#define X(unit, proto) static const char *const names_##unit[] = {NULL, ENUM_##unit(NAME)};
ENUMERATIONS(X)
#undef X

// The numbers that the rest of the core uses are those of the schema.
#define NAMES_OF(unit, last) static_assert(ARRAY_COUNT(names_##unit) == (last) + 1)
NAMES_OF(END_REASON, END_RESOURCES);
NAMES_OF(TUNNEL, TUNNEL_ERSPAN);
NAMES_OF(CONFIDENCE, CONFIDENCE_CUSTOM);
NAMES_OF(DPI, DPI_EXCLUDED);
NAMES_OF(NAME_SOURCE, NAME_CERT);
NAMES_OF(ECH, ECH_OFFERED);

static const struct enumeration enumerations[UNIT_COUNT] = {
#define X(unit, name) [UNIT_##unit] = {name, #unit, names_##unit, ARRAY_COUNT(names_##unit)},
	ENUMERATIONS(X)
#undef X
};

const struct enumeration *schema_enumeration(enum field_unit unit)
{
	if (unit >= UNIT_COUNT || enumerations[unit].names == NULL)
		return NULL;
	return &enumerations[unit];
}

const char *schema_unit_name(enum field_unit unit)
{
	switch (unit) {
	case UNIT_NS:
		return "ns";
	case UNIT_US:
		return "us";
	case UNIT_MS:
		return "ms";
	case UNIT_SEC:
		return "s";
	case UNIT_OCTETS:
		return "octets";
	case UNIT_PACKETS:
		return "packets";
	default:
		return "";
	}
}
