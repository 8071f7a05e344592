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

const char *record_type_name(enum record_type type); // "flow"
