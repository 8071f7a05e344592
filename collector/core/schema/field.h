// What a field of a record is: number, name, type, class, and what each profile lets of it leave.
// The types of schema.h are written down here, once.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum record_type {
	RECORD_NONE,
	RECORD_FLOW,
	RECORD_CLIENT,
	RECORD_USAGE,
	RECORD_HEALTH,
	RECORD_ERASURE,
	RECORD_TYPE_COUNT,
};

enum field_class { CLASS_NONE, CLASS_LINK, CLASS_PERSON, CLASS_BEHAVIOUR };

// X(type, protobuf type, wire type, what it is). From the type follow the wire form, the form in
// JSON and which transforms of the policy fit.
#define FIELD_TYPES(X) \
	X(TIME_NS, "fixed64", 1, "time, ns since 1970") \
	X(TIME_S, "fixed64", 1, "time, s since 1970") \
	X(ID64, "fixed64", 1, "id, hexadecimal in JSON") \
	X(COUNT32, "uint32", 0, "count") \
	X(COUNT64, "uint64", 0, "count") \
	X(CODE32, "uint32", 0, "number") \
	X(CODE64, "uint64", 0, "number") \
	X(BITS, "uint32", 0, "bit set, a list of names in JSON") \
	X(ENUM, NULL, 0, "one of a list") \
	X(BOOL, "bool", 0, "yes or no") \
	X(DOUBLE, "double", 1, "number") \
	X(SINT64, "sint64", 0, "number") \
	X(STRING, "string", 2, "text") \
	X(NAME, "string", 2, "host name") \
	X(KEY, "bytes", 2, "keyed id, 16 octets") \
	X(BYTES, "bytes", 2, "octets, hexadecimal in JSON") \
	X(MAC, "bytes", 2, "MAC address, 6 octets") \
	X(ADDRESS, "bytes", 2, "IP address, 4 or 16 octets") \
	X(ADDRESS_END, "bytes", 2, "IP address of a flow's end, 4 or 16 octets") \
	X(STRINGS, "string", 2, "list of text") \
	X(MESSAGE, NULL, 2, "message") \
	X(LIST, NULL, 2, "list of messages")

enum field_type {
#define X(type, proto, wire, text) TYPE_##type,
	FIELD_TYPES(X)
#undef X
		FIELD_TYPE_COUNT,
};

// Protobuf's wire types.
enum wire { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

// What a profile lets of a field leave.
enum profile_rule {
	LEAVES_DROP = 0,
	LEAVES_KEEP,
	LEAVES_DOMAIN, // the registrable domain
	LEAVES_CUT, // of remote ends /24 or /48, of local ends nothing
	LEAVES_HOUR, // rounded down to the hour
	LEAVES_MINUTE, // rounded down to the minute
};

struct field_info {
	const char *name;
	uint8_t id; // for ever: never reused, never retyped
	uint8_t type; // enum field_type
	uint8_t unit; // enum field_unit of schema.h: also the enumeration of ENUM and BITS
	uint8_t class; // enum field_class
	uint8_t leaves[3]; // enum profile_rule, by enum setting_profile: basic, standard, full
	int16_t parent; // index of the list or message that it stands in, or -1
	bool has_data; // whether this version ever fills it
	const char *elsewhere; // IPFIX element, ECS field
	const char *note;
};

struct record_schema {
	const char *name; // "flow"
	const char *message; // "Flow"
	const struct field_info *fields; // sub-fields right after their parent
	unsigned count;
};

// NULL for no such type.
const struct record_schema *record_schema(enum record_type type);

const char *record_type_name(enum record_type type); // "flow"
