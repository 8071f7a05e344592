// The schema agrees with itself, with the generated files, and with what the outside goes by.
#include "core/schema/schema.h"

#include "core/base/compiler.h"
#include "core/record/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void assert_same_as_file(void (*print)(FILE *), const char *path)
{
	char *made = NULL, *stored = NULL;
	size_t made_len, stored_len = 0;
	FILE *out = open_memstream(&made, &made_len);
	FILE *file = fopen(path, "r");

	assert_non_null(out);
	if (file == NULL)
		fail_msg("%s is not there", path);
	print(out);
	fclose(out);
	assert_true(getdelim(&stored, &stored_len, '\0', file) > 0);
	fclose(file);
	if (strcmp(made, stored) != 0)
		fail_msg("%s is not what the schema makes: run weir schema again", path);
	free(made);
	free(stored);
}

static void test_generated(void **)
{
	assert_same_as_file(schema_print_proto, SOURCE_ROOT "/proto/weir.proto");
	assert_same_as_file(schema_print_markdown, SOURCE_ROOT "/docs/schema.md");
}

// Numbers are unique and rise by one; sub-fields stand behind their parent; a profile lets nothing
// out that a freer one holds back; enumerations are there where they are needed.
static void test_coherent(void **)
{
	for (enum record_type type = RECORD_FLOW; type < RECORD_TYPE_COUNT; type++) {
		const struct record_schema *schema = record_schema(type);
		unsigned next = 1, next_sub = 1;
		for (unsigned i = 0; i < schema->count; i++) {
			const struct field_info *field = &schema->fields[i];
			bool parts = field->type == TYPE_LIST || field->type == TYPE_MESSAGE;
			if (field->parent < 0) {
				assert_int_equal(field->id, next++);
				next_sub = 1;
			} else {
				const struct field_info *parent = &schema->fields[field->parent];
				assert_true(
					parent->type == TYPE_LIST || parent->type == TYPE_MESSAGE);
				assert_int_equal(field->id, next_sub++);
				assert_int_equal(field->parent, i - field->id);
				assert_false(parts); // nesting is one level
			}
			bool named = field->type == TYPE_ENUM || field->type == TYPE_BITS;
			assert_int_equal(named, schema_enumeration(field->unit) != NULL);
			if (field->leaves[0] == LEAVES_KEEP)
				assert_int_equal(field->leaves[1], LEAVES_KEEP);
			if (field->leaves[1] == LEAVES_KEEP)
				assert_int_equal(field->leaves[2], LEAVES_KEEP);
			// Whoever is named directly is not let out by default.
			if (field->class == CLASS_PERSON && field->type != TYPE_ADDRESS_END)
				assert_int_equal(field->leaves[1], LEAVES_DROP);
		}
		// The common fields come first and are the same everywhere.
		for (unsigned i = 0; i < 8; i++)
			assert_string_equal(
				schema->fields[i].name, record_schema(RECORD_FLOW)->fields[i].name);
	}
	assert_null(record_schema(RECORD_NONE));
	assert_null(record_schema(RECORD_TYPE_COUNT));
	assert_string_equal(record_type_name(RECORD_ERASURE), "erasure");
}

// Some numbers that others have written down: they never change.
static void test_numbers(void **)
{
	static const struct {
		enum record_type type;
		unsigned index, id;
		const char *name;
	} fixed[] = {
		{RECORD_FLOW, FLOW_expires_at, 8, "expires_at"},
		{RECORD_FLOW, FLOW_server_ip, 12, "server_ip"},
		{RECORD_FLOW, FLOW_application, 42, "application"},
		{RECORD_FLOW, FLOW_server_name, 48, "server_name"},
		{RECORD_FLOW, FLOW_dns, 59, "dns"},
		{RECORD_FLOW, FLOW_dns__latency_us, 4, "latency_us"},
		{RECORD_FLOW, FLOW_server_as_org, 65, "server_as_org"},
		{RECORD_FLOW, FLOW_visibility, 83, "visibility"},
		{RECORD_CLIENT, CLIENT_mac, 12, "mac"},
		{RECORD_CLIENT, CLIENT_user_name, 28, "user_name"},
		{RECORD_USAGE, USAGE_members, 25, "members"},
		{RECORD_HEALTH, HEALTH_withheld, 23, "withheld"},
		{RECORD_HEALTH, HEALTH_erasures, 30, "erasures"},
		{RECORD_ERASURE, ERASURE_tombstones, 13, "tombstones"},
	};

	for (size_t i = 0; i < ARRAY_COUNT(fixed); i++) {
		const struct field_info *field =
			&record_schema(fixed[i].type)->fields[fixed[i].index];
		assert_int_equal(field->id, fixed[i].id);
		assert_string_equal(field->name, fixed[i].name);
	}
	// The core's numbers are the schema's.
	assert_string_equal(schema_enumeration(UNIT_TUNNEL)->names[TUNNEL_6IN4], "6in4");
	assert_string_equal(
		schema_enumeration(UNIT_DIRECTION)->names[DIRECTION_TRANSIT], "transit");
	assert_string_equal(schema_enumeration(UNIT_DPI)->names[DPI_NO_PAYLOAD], "none");
	assert_string_equal(schema_enumeration(UNIT_END_REASON)->names[END_DETECTED], "end");
	assert_string_equal(schema_enumeration(UNIT_NAME_SOURCE)->names[NAME_CERT], "cert");
	assert_string_equal(
		schema_enumeration(UNIT_ADDRESS_SOURCE)->names[ADDRESS_TRAFFIC], "traffic");
	assert_string_equal(
		schema_enumeration(UNIT_CLIENT_NAME_SOURCE)->names[CLIENT_NAME_CDP], "cdp");
	assert_string_equal(schema_enumeration(UNIT_VISIBILITY)->names[1 + 4], "loss_in_window");
	assert_int_equal(VISIBLE_LOSS, 1 << 4);
}

// What this version fills is said; what it does not is said as well.
// Whoever draws a health row's count must know whether to take differences.
static void test_gauge_or_counter(void **)
{
	const struct record_schema *health = record_schema(RECORD_HEALTH);
	unsigned judged = 0;

	for (unsigned i = 0; i < health->count; i++) {
		const struct field_info *f = &health->fields[i];
		if (f->type != TYPE_COUNT32 && f->type != TYPE_COUNT64 && f->type != TYPE_DOUBLE &&
			f->type != TYPE_SINT64 && f->type != TYPE_BOOL)
			continue;
		judged++;
		if (strncmp(f->note, "now", 3) != 0 && strncmp(f->note, "since the start", 15) != 0)
			fail_msg("%s: \"%s\"", f->name, f->note);
	}
	assert_true(judged > 40);
}

static void test_collected(void **)
{
	assert_true(record_schema(RECORD_FLOW)->fields[FLOW_server_name].has_data);
	assert_true(record_schema(RECORD_FLOW)->fields[FLOW_dns__name].has_data);
	assert_false(record_schema(RECORD_FLOW)->fields[FLOW_server_country].has_data);
	assert_false(record_schema(RECORD_FLOW)->fields[FLOW_rtp_lost].has_data);
	assert_false(record_schema(RECORD_CLIENT)->fields[CLIENT_clues__value].has_data);
	assert_false(record_schema(RECORD_ERASURE)->fields[ERASURE_done_at].has_data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_generated),
		cmocka_unit_test(test_coherent),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_gauge_or_counter),
		cmocka_unit_test(test_collected),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
