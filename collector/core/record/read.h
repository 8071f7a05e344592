// Rows back from their wire form, by the tables of schema.h: for weir read, for JSON, and for the
// summary of a run, which is made of what passed the door.
//
// Rows may come from files that anybody wrote: nothing here trusts them. Any thread.
#pragma once

#include "core/schema/schema.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { READ_ADDRESS_SIZE = 48 };

// One field of a row, or of a message in it. Borrows from the row.
struct read_value {
	const struct field_info *field;
	unsigned index; // of the field in its record's table: FLOW_server_name ...
	uint64_t number; // varint and fixed64 as they stand; SINT64 and DOUBLE as their bits
	const uint8_t *bytes; // of strings, bytes, messages
	size_t len;
};

struct read_row {
	const struct record_schema *schema;
	int parent; // index of the list or message that is read, or -1
	unsigned next; // where in the table the next field is looked for first
	const uint8_t *at, *end;
};

// `row` is one message without its delimiting length.
struct read_row read_row_of(enum record_type type, const uint8_t *row, size_t len);

// The message that a LIST's entry or a MESSAGE is.
struct read_row read_row_in(const struct read_row *row, const struct read_value *value);

// The next field: 1, 0 at the end, or -EBADMSG: this is no row of ours. Fields that a later
// version added are passed over.
int read_row_next(struct read_row *row, struct read_value *ret);

// Fields that a reader of many rows wants, none of them in a list or message: 1 + their index in
// the record's table, by their number.
struct read_wanted {
	uint8_t index[UINT8_MAX + 1];
};

void read_want(struct read_wanted *wanted, enum record_type type, unsigned index);

// As read_row_next(), but passes over all others, whatever they say.
int read_row_next_wanted(
	struct read_row *row, const struct read_wanted *wanted, struct read_value *ret);

// Text that grows up to a capacity. Not terminated.
struct read_text {
	char *bytes;
	size_t size, capacity;
};

// Appends the row as one JSON object, without a newline. Returns 0, -EBADMSG, or -ENOBUFS: it does
// not fit; then what was appended is no JSON.
int read_row_json(enum record_type type, const uint8_t *row, size_t len, struct read_text *out);

// Takes one delimited row off the front of *bytes. Returns 1, 0 at the end, or -EBADMSG.
int read_delimited(const uint8_t **bytes, size_t *left, const uint8_t **ret_row, size_t *ret_len);

// RFC 5952; `len` 4 or 16.
void read_print_address(const uint8_t *ip, size_t len, char ret[READ_ADDRESS_SIZE]);
