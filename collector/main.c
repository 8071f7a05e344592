// The program weir: its commands. Everything that is not about the command line stands in core/.
#include "capture_pcap.h"
#include "core/base/compiler.h"
#include "core/base/log.h"
#include "core/ledger/ledger.h"
#include "core/schema/schema.h"
#include "core/shard/own_traffic.h"
#include "core/shard/process.h"
#include "core/shard/run.h"
#include "options.h"
#include "read.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_REFUSED = 2 };

static const struct exporter_ops *exporter_of(const struct settings *settings)
{
	static const char *const names[] = {"file", "kafka", "null"};

	for (size_t i = 0; exporters[i] != NULL; i++)
		if (strcmp(exporters[i]->name, names[settings->exporter]) == 0)
			return exporters[i];
	return NULL;
}

// Everything that can be checked without opening anything; the policy is the caller's when it is
// right.
static int check_all(const struct settings *settings, struct policy **ret_policy,
	bool *ret_random_key, struct problems *problems)
{
	const struct exporter_ops *exporter = exporter_of(settings);

	if (exporter == NULL)
		settings_complain(settings, "export.exporter", problems,
			"this weir was built without the Kafka exporter");
	else if (exporter->check != NULL)
		exporter->check(settings, problems);
	ledger_check(settings, problems);
	policy_new(ret_policy, settings, problems, ret_random_key);
	return problems->count > 0 ? -EINVAL : 0;
}

// Reads settings and policy; says all that is wrong. Returns 0, or an exit status + 1 to end with.
static int prepare(struct settings *settings, struct policy **ret_policy, bool *ret_random_key,
	int argc, char **argv)
{
	struct problems problems = {0};

	REQUIRE(settings_init(settings) == 0);
	int err = options_read(settings, argc, argv, &problems);
	if (err == OPTIONS_HELP) {
		options_print_help(stdout);
		return 1;
	}
	check_all(settings, ret_policy, ret_random_key, &problems);
	problems_print(&problems, stderr);
	err = problems.count > 0 ? EXIT_REFUSED + 1 : 0;
	problems_fini(&problems);
	return err;
}

static int collect(struct settings *settings, const struct policy *policy, bool random_key)
{
	struct run_config config = {
		.settings = settings,
		.policy = policy,
		.capture = &pcap_capture_ops,
		.classifiers = classifiers,
		.exporter = exporter_of(settings),
	};

	if (settings->read_file == NULL && settings->interface == NULL) {
		log_error("nothing to read: give a capture file (-r FILE) or an interface (-i "
			  "INTERFACE)");
		return EXIT_REFUSED;
	}
	if (settings->output != NULL && strcmp(settings->output, "-") == 0 &&
		settings->format == FORMAT_PROTOBUF && isatty(STDOUT_FILENO)) {
		log_error("protobuf is not for a terminal: add --format json, or redirect standard "
			  "output");
		return EXIT_REFUSED;
	}
	if (random_key)
		log_info("no privacy.key_file: pseudonyms are keyed for this run only");
	if (settings->read_file == NULL && settings->exporter == EXPORTER_KAFKA) {
		int err = own_traffic_exclude(settings);
		if (err) {
			log_error("our own traffic to the brokers cannot be left out: %s",
				strerror(-err));
			return EXIT_REFUSED;
		}
	}
	return (int)run(&config);
}

static int command_run(int argc, char **argv)
{
	struct settings settings;
	struct policy *policy = NULL;
	bool random_key = false;

	int status = prepare(&settings, &policy, &random_key, argc, argv);
	if (status != 0) {
		status--;
	} else {
		log_level_set((enum log_level)settings.log_level);
		status = collect(&settings, policy, random_key);
	}
	policy_free(policy);
	settings_fini(&settings);
	return status;
}

static int command_check(int argc, char **argv)
{
	struct settings settings;
	struct policy *policy = NULL;
	bool random_key;

	int status = prepare(&settings, &policy, &random_key, argc, argv);
	if (status == 0)
		printf("settings and policy are right\n");
	policy_free(policy);
	settings_fini(&settings);
	return status == 0 ? 0 : status - 1;
}

static int command_explain(int argc, char **argv)
{
	struct settings settings;
	struct policy *policy = NULL;
	bool random_key;

	int status = prepare(&settings, &policy, &random_key, argc, argv);
	if (status == 0)
		policy_explain(policy, &settings, stdout);
	policy_free(policy);
	settings_fini(&settings);
	return status == 0 ? 0 : status - 1;
}

static int command_schema(int argc, char **argv)
{
	const char *form = argc == 2 ? argv[1] : "";

	if (strcmp(form, "proto") == 0)
		schema_print_proto(stdout);
	else if (strcmp(form, "json") == 0)
		schema_print_json(stdout);
	else if (strcmp(form, "markdown") == 0)
		schema_print_markdown(stdout);
	else {
		fprintf(stderr,
			"weir: schema: \"%s\" is not allowed; it takes proto, json or markdown\n",
			form);
		return EXIT_REFUSED;
	}
	return 0;
}

static int command_settings(int, char **)
{
	settings_print_yaml(stdout);
	return 0;
}

static int command_version(int, char **)
{
	printf("weir %s\n", WEIR_VERSION);
	return 0;
}

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} commands[] = {
	{"run", command_run, "collect from an interface or a capture file"},
	{"check", command_check, "settings and policy: says all that is wrong, and where"},
	{"explain", command_explain, "what leaves this gateway, field by field"},
	{"read", command_read, "the records of segments as JSON lines"},
	{"schema", command_schema, "the records: proto | json | markdown"},
	{"settings", command_settings, "a commented weir.yaml with every default"},
	{"version", command_version, "the version"},
};

static void usage(FILE *out)
{
	fprintf(out,
		"weir collects traffic information and lets out what the privacy policy "
		"permits.\n\n"
		"usage: weir COMMAND [OPTIONS]; weir COMMAND --help\n\n");
	for (size_t i = 0; i < ARRAY_COUNT(commands); i++)
		fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].help);
}

int main(int argc, char **argv)
{
	process_no_dumps();
	for (size_t i = 0; argc > 1 && i < ARRAY_COUNT(commands); i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	bool asked = argc > 1 && (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0);
	usage(asked ? stdout : stderr);
	return asked ? 0 : EXIT_REFUSED;
}
