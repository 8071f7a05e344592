// The program weir: its commands. Everything that is not about the command line stands in core/.
#include "capture/pcap_capture.h"
#include "collect.h"
#include "core/base/compiler.h"
#include "core/schema/schema.h"
#include "core/shard/process.h"
#include "read.h"

#include <string.h>

static int command_run(int argc, char **argv)
{
	return collect_command(argc, argv, &pcap_capture_ops);
}

static int command_check(int argc, char **argv)
{
	struct settings settings;
	struct policy *policy = NULL;
	bool random_key;

	int status = collect_prepare(&settings, &policy, &random_key, argc, argv);
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

	int status = collect_prepare(&settings, &policy, &random_key, argc, argv);
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
	process_keep_standard();
	process_no_dumps();
	for (size_t i = 0; argc > 1 && i < ARRAY_COUNT(commands); i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	bool asked = argc > 1 && (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0);
	usage(asked ? stdout : stderr);
	return asked ? 0 : EXIT_REFUSED;
}
