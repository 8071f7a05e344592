// Prints what an independent reader needs to check the wire form: the schema as one line of JSON,
// then of each record type a line {type, octets in hexadecimal, JSON}, by tabs.
#include "sample.h"

#include "core/base/compiler.h"
#include "core/record/read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void print_schema(void)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	schema_print_json(out);
	fclose(out);
	for (char *at = text; *at != '\0'; at++)
		if (*at != '\n')
			putchar(*at);
	putchar('\n');
	free(text);
}

int main(void)
{
	static const char *const rules[] = {"gap_bytes_up=bucket: 100", NULL};
	struct sample r;

	print_schema();
	sample_init(&r, PROFILE_FULL, rules, false);
	record_flow(r.record, &r.flow);
	r.segment.ip_proto = 1;
	r.flow.server.local = true;
	r.flow.server.key = r.flow.client.key;
	record_flow(r.record, &r.flow);
	record_client(r.record, &r.client);
	record_usage(r.record, &r.usage);
	record_health(r.record, &r.health);
	record_seal(r.record, 1, 0, true);
	for (struct batch *batch; (batch = batch_pool_next(&r.batches)) != NULL;) {
		const uint8_t *bytes = batch->bytes, *row;
		size_t left = batch->size, len;
		for (uint32_t i = 0; i < batch->count; i++) {
			if (read_delimited(&bytes, &left, &row, &len) != 1)
				return 1;
			printf("%s\t", record_type_name(batch->type));
			for (size_t j = 0; j < len; j++)
				printf("%02x", row[j]);
			printf("\t%s\n", sample_json(batch, i));
		}
	}
	sample_fini(&r);
	return 0;
}
