// Any octets as a row of any type, and as delimited rows: an answer, never harm. What is taken for
// a row makes one JSON object of one line.
#include "core/base/compiler.h"
#include "core/record/read.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Every other field of the table: of a row that is sound, those that are read are passed over to.
static void pass_over(enum record_type type, const uint8_t *bytes, size_t len)
{
	struct read_wanted wanted = {0};
	struct read_row row = read_row_of(type, bytes, len), all = row, sound = row;
	struct read_value value, other;
	int got;

	if (row.schema == NULL)
		return;
	for (unsigned i = 0; i < row.schema->count; i += 2)
		if (row.schema->fields[i].parent < 0)
			read_want(&wanted, type, i);
	while ((got = read_row_next(&sound, &value)) > 0)
		continue;
	while (read_row_next_wanted(&row, &wanted, &value) > 0) {
		REQUIRE(wanted.index[value.field->id] == value.index + 1);
		if (got != 0)
			continue;
		do
			REQUIRE(read_row_next(&all, &other) > 0);
		while (wanted.index[other.field->id] == 0);
		REQUIRE(value.index == other.index && value.number == other.number &&
			value.bytes == other.bytes && value.len == other.len);
	}
	while (got == 0 && read_row_next(&all, &other) > 0)
		REQUIRE(wanted.index[other.field->id] == 0);
}

static void read_json(enum record_type type, const uint8_t *row, size_t len)
{
	static char text[1 << 16];
	struct read_text out = {.bytes = text, .capacity = sizeof(text)};

	pass_over(type, row, len);
	if (read_row_json(type, row, len, &out) != 0)
		return;
	REQUIRE(out.size > 2 && text[0] == '{' && text[out.size - 1] == '}');
	REQUIRE(memchr(text, '\n', out.size) == NULL && memchr(text, '\0', out.size) == NULL);
}

// The first octet says which type.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *row;
	size_t len;

	if (size == 0)
		return 0;
	enum record_type type = data[0] % RECORD_TYPE_COUNT;
	data++;
	size--;
	read_json(type, data, size);
	while (read_delimited(&data, &size, &row, &len) == 1)
		read_json(type, row, len);
	return 0;
}
