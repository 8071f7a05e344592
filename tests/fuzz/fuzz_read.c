// Any octets as a row of any type, and as delimited rows: an answer, never harm. What is taken for
// a row makes one JSON object of one line.
#include "core/base/compiler.h"
#include "core/record/read.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_json(enum record_type type, const uint8_t *row, size_t len)
{
	static char text[1 << 16];
	struct read_text out = {.bytes = text, .capacity = sizeof(text)};

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
