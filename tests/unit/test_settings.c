// Settings: the committed weir.yaml is the table's own and holds the defaults; whatever is wrong in
// a file is said with its line, all of it.
#include "core/settings/interfaces.h"
#include "core/settings/settings.h"

#include "core/base/compiler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/weir-settings-XXXXXX";

static int setup(void **)
{
	int fd = mkstemp(path);
	return fd < 0 ? -1 : close(fd);
}

static int teardown(void **)
{
	return unlink(path);
}

static void write_file(const char *text)
{
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

// Reads `text`; the problems are the caller's.
static int read_text(struct settings *settings, struct problems *problems, const char *text)
{
	*problems = (struct problems){0};
	write_file(text);
	assert_int_equal(settings_init(settings), 0);
	return settings_read(settings, path, problems);
}

static void expect_problem(const struct problems *problems, unsigned line, const char *words)
{
	char where[64];

	snprintf(where, sizeof(where), ":%u: ", line);
	for (size_t i = 0; i < problems->count; i++)
		if (strstr(problems->lines[i], where) != NULL &&
			strstr(problems->lines[i], words) != NULL)
			return;
	problems_print(problems, stderr);
	fail_msg("no problem in line %u about: %s", line, words);
}

static char *whole(FILE *file)
{
	char *text = calloc(1, 1 << 16);
	assert_non_null(text);
	rewind(file);
	assert_true(fread(text, 1, (1 << 16) - 1, file) > 0);
	fclose(file);
	return text;
}

static void test_committed_file_is_the_table(void **)
{
	FILE *out = tmpfile(), *committed = fopen(WEIR_YAML, "r");

	assert_non_null(out);
	assert_non_null(committed);
	settings_print_yaml(out);
	char *made = whole(out), *kept = whole(committed);
	// weir settings > weir.yaml mends it.
	assert_string_equal(made, kept);
	free(made);
	free(kept);
}

static void test_committed_file_gives_the_defaults(void **)
{
	struct settings fresh, read;
	struct problems problems = {0};

	assert_int_equal(settings_init(&fresh), 0);
	assert_int_equal(settings_init(&read), 0);
	assert_int_equal(settings_read(&read, WEIR_YAML, &problems), 0);
	assert_int_equal(problems.count, 0);
	assert_int_equal(read.flows_max, fresh.flows_max);
	assert_int_equal(read.retention, 90 * 86400 * NS_PER_S);
	assert_int_equal(read.local.count, fresh.local.count);
	for (size_t i = 0; i < fresh.local.count; i++)
		assert_string_equal(read.local.items[i].value, fresh.local.items[i].value);
	assert_string_equal(read.user, fresh.user);
	assert_string_equal(read.filter, "");
	assert_int_equal(read.interfaces.count, 0);
	settings_fini(&fresh);
	settings_fini(&read);
}

static void test_limits(void **)
{
	struct settings s;
	struct problems problems;

	assert_int_equal(read_text(&s, &problems,
				 "limits: gateway\n"
				 "clients:\n  answers: 4000\n"
				 "flow:\n  active: 2m\n"),
		0);
	assert_int_equal(settings_set(&s, "usage.max", "5000", &problems), 0);
	assert_int_equal(s.flows_max, 262144); // until all is read
	settings_apply_limits(&s);
	assert_int_equal(s.flows_max, 100000);
	assert_int_equal(s.clients_max, 4096);
	assert_int_equal(s.dpi_memory, 8 << 20);
	assert_int_equal(s.active, 120 * NS_PER_S);
	// What file or command line say stands.
	assert_int_equal(s.answers_max, 4000);
	assert_int_equal(s.usage_max, 5000);
	settings_fini(&s);

	assert_int_equal(settings_init(&s), 0);
	settings_apply_limits(&s);
	assert_int_equal(s.flows_max, 262144);
	assert_int_equal(settings_set(&s, "limits", "server", &problems), 0);
	settings_apply_limits(&s);
	assert_int_equal(s.flows_max, 4194304);
	assert_int_not_equal(settings_set(&s, "limits", "huge", &problems), 0);
	settings_fini(&s);

	// The quota of random MACs follows clients.max, unless it was set itself.
	assert_int_equal(settings_init(&s), 0);
	assert_int_equal(settings_set(&s, "clients.max", "1000", &problems), 0);
	settings_apply_limits(&s);
	assert_int_equal(s.clients_random_max, 500);
	assert_int_equal(settings_set(&s, "clients.random_max", "2000", &problems), 0);
	settings_apply_limits(&s);
	assert_int_equal(s.clients_random_max, 2000); // and is refused by who checks
	settings_fini(&s);
	problems_fini(&problems);
}

static void test_values(void **)
{
	struct settings s;
	struct problems problems;

	assert_int_equal(read_text(&s, &problems,
				 "tenant: acme\n"
				 "capture: {interface: br0, snaplen: 128, promiscuous: off}\n"
				 "flow:\n  idle_udp: 1500ms\n  active: 2m\n"
				 "file:\n  segment_bytes: 10MiB\n"
				 "networks:\n  local:\n    - 192.0.2.0/24\n    - 2001:db8::/32\n"
				 "privacy:\n  profile: full\n  fields:\n    flow.client_ip: drop\n"
				 "    flow.server_ip: {truncate: 24/48}\n"
				 "kafka:\n  properties:\n    client.id: weir\n"),
		0);
	assert_string_equal(s.tenant, "acme");
	assert_int_equal(s.interfaces.count, 1);
	assert_string_equal(s.interfaces.items[0].value, "br0");
	assert_int_equal(s.snaplen, 128);
	assert_false(s.promiscuous);
	assert_int_equal(s.idle_udp, 1500 * NS_PER_MS);
	assert_int_equal(s.active, 120 * NS_PER_S);
	assert_int_equal(s.segment_bytes, 10 << 20);
	assert_int_equal(s.local.count, 2);
	assert_string_equal(s.local.items[1].value, "2001:db8::/32");
	assert_int_equal(s.local.items[1].line, 11);
	assert_int_equal(s.profile, PROFILE_FULL);
	assert_int_equal(s.rules.count, 2);
	assert_string_equal(s.rules.items[1].key, "flow.server_ip");
	assert_string_equal(s.rules.items[1].value, "truncate: 24/48");
	assert_int_equal(s.rules.items[1].line, 16);
	assert_string_equal(s.kafka_properties.items[0].key, "client.id");
	settings_fini(&s);
}

static void test_words_of_choices(void **)
{
	static const char *const words[][3] = {{"limits", "default", "server"},
		{"privacy.profile", "standard", "full"}, {"export.exporter", "file", "kafka"},
		{"capture.overload", "auto", "drop"}};
	struct problems problems = {0};
	struct settings settings;
	char word[SETTING_WORD_SIZE];

	assert_int_equal(settings_init(&settings), 0);
	for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
		settings_word(&settings, words[i][0], word);
		assert_string_equal(word, words[i][1]);
		assert_int_equal(settings_set(&settings, words[i][0], words[i][2], &problems), 0);
		settings_word(&settings, words[i][0], word);
		assert_string_equal(word, words[i][2]);
	}
	settings_fini(&settings);
}

static void test_a_rule_stands_once(void **)
{
	struct settings s;
	struct problems problems;

	assert_int_not_equal(read_text(&s, &problems,
				     "privacy:\n"
				     "  fields:\n"
				     "    client_ip: drop\n"
				     "    client_ip: keep\n"
				     "    mac: drop\n"
				     "    mac: {truncate: 24}\n"),
		0);
	expect_problem(&problems, 4, "privacy.fields.client_ip: stands in line 3 already");
	expect_problem(&problems, 6, "privacy.fields.mac: stands in line 5 already");
	assert_int_equal(problems.count, 2);
	assert_int_equal(s.rules.count, 2);
	assert_string_equal(s.rules.items[0].value, "drop");
	problems_fini(&problems);
	settings_fini(&s);
}

static void test_all_that_is_wrong_is_said(void **)
{
	struct settings s;
	struct problems problems;

	assert_int_not_equal(read_text(&s, &problems,
				     "tenent: acme\n"
				     "flow:\n"
				     "  max: many\n"
				     "  idle_tcp: 60\n"
				     "  idle_udp: 1h\n"
				     "capture:\n"
				     "  promiscuous: perhaps\n"
				     "  snaplen: 63\n"
				     "  snaplen: 128\n"
				     "privacy:\n"
				     "  profile: ful\n"
				     "networks:\n"
				     "  local: {a: 10.0.0.0/8}\n"
				     "export: 7\n"),
		0);
	expect_problem(&problems, 1, "there is no setting \"tenent\"; allowed here: tenant, site");
	expect_problem(&problems, 3,
		"flow.max: \"many\" is not allowed; it takes a whole number from 1024");
	expect_problem(&problems, 4, "with unit ms, s, m, h or d");
	expect_problem(&problems, 5, "from 1s to");
	expect_problem(&problems, 7, "it takes yes or no");
	expect_problem(&problems, 8, "from 64 to 262144");
	expect_problem(&problems, 9, "stands in line 8 already");
	expect_problem(&problems, 11, "one of basic|standard|full");
	expect_problem(&problems, 13, "networks.local");
	expect_problem(&problems, 14, "export: takes a mapping");
	assert_int_equal(problems.count, 10);
	// What was wrong has changed nothing.
	assert_int_equal(s.flows_max, 262144);
	assert_int_equal(s.snaplen, 128);
	settings_fini(&s);
	problems_fini(&problems);
}

static void expect_interface(const struct interface *i, const char *name, const char *title,
	enum interface_role role, uint8_t group)
{
	assert_string_equal(i->name, name);
	assert_string_equal(i->title, title);
	assert_int_equal(i->role, role);
	assert_int_equal(i->group, group);
}

static void test_interfaces(void **)
{
	struct settings s;
	struct problems problems;
	struct interfaces all;

	assert_int_equal(read_text(&s, &problems,
				 "capture:\n"
				 "  interface:\n"
				 "    - eth0\n"
				 "    - tap0 role=mirror  group=tap\n"
				 "    - eth1 name=uplink role=wan\n"
				 "    - ' tap1 group=tap role=mirror name=out '\n"),
		0);
	assert_int_equal(interfaces_read(&all, &s, &problems), 0);
	assert_int_equal(all.count, 4);
	expect_interface(&all.items[0], "eth0", "eth0", ROLE_LAN, 0);
	expect_interface(&all.items[1], "tap0", "tap0", ROLE_MIRROR, 1);
	expect_interface(&all.items[2], "eth1", "uplink", ROLE_WAN, 2);
	expect_interface(&all.items[3], "tap1", "out", ROLE_MIRROR, 1);
	assert_int_equal(settings_set(&s, "capture.name", "all", &problems), 0);
	assert_int_not_equal(interfaces_read(&all, &s, &problems), 0);
	assert_non_null(strstr(problems.lines[0], "capture.name: is for one interface"));
	problems_fini(&problems);
	settings_fini(&s);

	// One value is a list of one, and may have a name of its own.
	assert_int_equal(
		read_text(&s, &problems, "capture:\n  interface: eth0\n  name: inside\n"), 0);
	assert_int_equal(interfaces_read(&all, &s, &problems), 0);
	assert_int_equal(all.count, 1);
	expect_interface(&all.items[0], "eth0", "inside", ROLE_LAN, 0);
	settings_fini(&s);

	assert_int_equal(read_text(&s, &problems, "capture:\n  files: [a, '-']\n"), 0);
	assert_int_equal(interfaces_read(&all, &s, &problems), 0);
	assert_int_equal(all.count, 1);
	expect_interface(&all.items[0], "", "file", ROLE_LAN, 0);
	settings_fini(&s);
}

static void test_wrong_interfaces(void **)
{
	static const char *const wrong[][2] = {
		{"  interface: eth0 role=dmz\n", "\"eth0 role=dmz\" is not allowed"},
		{"  interface: eth0 eth1\n", "\"eth0 eth1\" is not allowed"},
		{"  interface: eth0 role=wan role=lan\n",
			"\"eth0 role=wan role=lan\" is not allowed"},
		{"  interface: eth0 group=a group=b\n", "\"eth0 group=a group=b\" is not allowed"},
		{"  interface: eth0 name=\n", "\"eth0 name=\" is not allowed"},
		{"  interface: ' '\n", "\" \" is not allowed"},
		{"  interface: [a, b, a role=wan]\n", "\"a role=wan\" stands there twice"},
		{"  files: ['-', x, '-']\n", "can be read once only"},
		{"  files: x\n  interface: y\n", "capture.interface is set as well"},
	};

	for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
		struct settings s;
		struct problems problems;
		struct interfaces all;
		char text[128];
		snprintf(text, sizeof(text), "capture:\n%s", wrong[i][0]);
		assert_int_equal(read_text(&s, &problems, text), 0);
		assert_int_not_equal(interfaces_read(&all, &s, &problems), 0);
		assert_int_equal(problems.count, 1);
		expect_problem(&problems, 2, wrong[i][1]);
		problems_fini(&problems);
		settings_fini(&s);
	}
}

static void test_not_yaml(void **)
{
	static const char *const texts[] = {"tenant: [a\n", "\ttenant: x\n", "- a\n- b\n",
		"flow: *x\n", "{{{{{{{{", "a: b: c\n"};
	struct settings s;
	struct problems problems;

	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		assert_int_not_equal(read_text(&s, &problems, texts[i]), 0);
		assert_true(problems.count > 0);
		assert_non_null(strstr(problems.lines[0], path));
		settings_fini(&s);
		problems_fini(&problems);
	}
}

static void test_empty_file_is_all_defaults(void **)
{
	struct settings s;
	struct problems problems;

	assert_int_equal(read_text(&s, &problems, "# nothing\n"), 0);
	settings_fini(&s);
	assert_int_equal(read_text(&s, &problems, "flow:\ncapture:\n"), 0);
	settings_fini(&s);
}

static void test_missing_file(void **)
{
	struct settings s;
	struct problems problems = {0};

	assert_int_equal(settings_init(&s), 0);
	assert_int_not_equal(settings_read(&s, "/nonexistent/weir.yaml", &problems), 0);
	assert_non_null(strstr(problems.lines[0], "/nonexistent/weir.yaml"));
	settings_fini(&s);
	problems_fini(&problems);
}

static void test_command_line(void **)
{
	struct settings s;
	struct problems problems = {0};

	assert_int_equal(settings_init(&s), 0);
	assert_int_equal(settings_set(&s, "flow.max", "2000", &problems), 0);
	assert_int_equal(settings_set(&s, "networks.local", "192.0.2.0/24,fd00::/8", &problems), 0);
	assert_int_equal(settings_set(&s, "kafka.properties.linger.ms", "5", &problems), 0);
	assert_int_equal(settings_set(&s, "kafka.properties.linger.ms", "6", &problems), 0);
	assert_int_equal(s.flows_max, 2000);
	assert_int_equal(s.local.count, 2);
	assert_int_equal(s.kafka_properties.count, 1);
	assert_string_equal(s.kafka_properties.items[0].value, "6");
	assert_int_not_equal(settings_set(&s, "flow.max", "1", &problems), 0);
	assert_int_not_equal(settings_set(&s, "flow.maximum", "1", &problems), 0);
	assert_int_not_equal(settings_set(&s, "flow.max", "18446744073709551616", &problems), 0);
	assert_int_equal(problems.count, 3);
	settings_fini(&s);
	problems_fini(&problems);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_committed_file_is_the_table),
		cmocka_unit_test(test_committed_file_gives_the_defaults),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_all_that_is_wrong_is_said),
		cmocka_unit_test(test_words_of_choices),
		cmocka_unit_test(test_a_rule_stands_once),
		cmocka_unit_test(test_interfaces),
		cmocka_unit_test(test_wrong_interfaces),
		cmocka_unit_test(test_not_yaml),
		cmocka_unit_test(test_empty_file_is_all_defaults),
		cmocka_unit_test(test_missing_file),
		cmocka_unit_test(test_command_line),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
