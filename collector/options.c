// The command line of `weir run`, `check` and `explain`.
#include "options.h"

#include "core/base/compiler.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum {
	OPT_PROFILE = 256,
	OPT_FORMAT,
	OPT_FILTER,
	OPT_EXPORTER,
	OPT_SEED,
	OPT_CLOCK,
	OPT_EXIT_IDLE,
	OPT_SHARDS,
	OPT_SET,
	OPT_HELP
};

static const struct option long_options[] = {
	{"profile", required_argument, NULL, OPT_PROFILE},
	{"format", required_argument, NULL, OPT_FORMAT},
	{"filter", required_argument, NULL, OPT_FILTER},
	{"exporter", required_argument, NULL, OPT_EXPORTER},
	{"seed", required_argument, NULL, OPT_SEED},
	{"clock", required_argument, NULL, OPT_CLOCK},
	{"exit-idle", required_argument, NULL, OPT_EXIT_IDLE},
	{"shards", required_argument, NULL, OPT_SHARDS},
	{"set", required_argument, NULL, OPT_SET},
	{"help", no_argument, NULL, OPT_HELP},
	{0},
};

void options_print_help(FILE *out)
{
	fputs("Options:\n"
	      "  -c FILE            settings (YAML); weir settings prints them all with their "
	      "defaults\n"
	      "  -r FILE            read a capture file (pcap, pcapng; gzip or zstd; - for "
	      "standard\n"
	      "                     input); again for more, merged in order of time\n"
	      "  -i INTERFACE       listen on an interface; again for more. Role and group: "
	      "capture.interface\n"
	      "  -o DIR             write segments to a directory; -o - writes JSON lines to "
	      "standard\n"
	      "                     output\n"
	      "  --profile NAME     basic, standard or full: where the privacy policy starts from\n"
	      "  --format NAME      protobuf or json\n"
	      "  --filter TEXT      collect only what matches (pcap-filter(7))\n"
	      "  --exporter NAME    file, kafka or null\n"
	      "  --shards N         share the packets out to so many threads\n"
	      "  --set KEY=VALUE    any setting\n"
	      "  --seed N           fixes ids, keys, hashes and the reading time, so that two runs "
	      "can be compared\n"
	      "  --clock packet     a live source has a file's clock: the time is the latest "
	      "packet's\n"
	      "  --exit-idle TIME   a live source ends when nothing came for so long\n"
	      "\nSettings:\n",
		out);
	settings_print_help(out);
}

static void replace(char **where, const char *text)
{
	free(*where);
	*where = strdup(text);
	REQUIRE(*where != NULL);
}

static void set_pair(struct settings *settings, const char *pair, struct problems *problems)
{
	const char *equals = strchr(pair, '=');

	if (equals == NULL) {
		problems_add(
			problems, "command line", 0, "--set takes KEY=VALUE, not \"%s\"", pair);
		return;
	}
	char *key = strndup(pair, (size_t)(equals - pair));
	REQUIRE(key != NULL);
	settings_set(settings, key, equals + 1, problems);
	free(key);
}

static void set_seed(struct settings *settings, const char *text, struct problems *problems)
{
	char *end;

	errno = 0;
	settings->seed = strtoull(text, &end, 10);
	if (errno != 0 || *end != '\0' || *text < '0' || *text > '9' || settings->seed == 0)
		problems_add(problems, "command line", 0,
			"--seed: \"%s\" is not allowed; it takes a whole number above 0", text);
}

static void set_clock(struct settings *settings, const char *text, struct problems *problems)
{
	if (strcmp(text, "packet") == 0)
		settings->packet_clock = true;
	else
		problems_add(problems, "command line", 0,
			"--clock: \"%s\" is not allowed; it takes packet", text);
}

static void set_exit_idle(struct settings *settings, const char *text, struct problems *problems)
{
	if (!setting_parse_duration(text, &settings->exit_idle) || settings->exit_idle == 0)
		problems_add(problems, "command line", 0,
			"--exit-idle: \"%s\" is not allowed; it takes a time above 0, with unit "
			"ms, s, m, h or d",
			text);
}

static int apply(
	struct settings *settings, int option, const char *value, struct problems *problems)
{
	switch (option) {
	case 'c':
		return 0; // read before all others
	case 'r':
		return settings_add(settings, "capture.files", value, problems);
	case 'o':
		replace(&settings->output, value);
		return settings_set(settings, "export.exporter", "file", problems);
	case 'i':
		return settings_add(settings, "capture.interface", value, problems);
	case OPT_PROFILE:
		return settings_set(settings, "privacy.profile", value, problems);
	case OPT_FORMAT:
		return settings_set(settings, "export.format", value, problems);
	case OPT_FILTER:
		return settings_set(settings, "capture.filter", value, problems);
	case OPT_EXPORTER:
		return settings_set(settings, "export.exporter", value, problems);
	case OPT_SHARDS:
		return settings_set(settings, "shards", value, problems);
	case OPT_SEED:
		set_seed(settings, value, problems);
		return 0;
	case OPT_CLOCK:
		set_clock(settings, value, problems);
		return 0;
	case OPT_EXIT_IDLE:
		set_exit_idle(settings, value, problems);
		return 0;
	case OPT_SET:
		set_pair(settings, value, problems);
		return 0;
	default:
		return -EINVAL;
	}
}

// One pass over the options; `file`: only -c.
static int pass(
	struct settings *settings, int argc, char **argv, bool file, struct problems *problems)
{
	int option;

	optind = 1;
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":c:r:i:o:h", long_options, NULL)) != -1) {
		if (option == OPT_HELP || option == 'h')
			return OPTIONS_HELP;
		if (file && option == 'c')
			settings_read(settings, optarg, problems);
		if (file)
			continue;
		if (option == ':')
			problems_add(
				problems, "command line", 0, "%s takes a value", argv[optind - 1]);
		else if (option == '?')
			problems_add(problems, "command line", 0,
				"there is no option \"%s\"; weir run --help lists them",
				argv[optind - 1]);
		else
			apply(settings, option, optarg, problems);
	}
	if (!file && optind < argc)
		problems_add(
			problems, "command line", 0, "\"%s\" belongs to no option", argv[optind]);
	return 0;
}

int options_read(struct settings *settings, int argc, char **argv, struct problems *problems)
{
	// The file first, wherever -c stands: the command line overrides.
	int err = pass(settings, argc, argv, true, problems);
	struct setting_list files = settings->files, interfaces = settings->interfaces;
	settings->files = settings->interfaces = (struct setting_list){0};
	if (err == 0)
		err = pass(settings, argc, argv, false, problems);
	if (err == 0 && settings->files.count > 0 && settings->interfaces.count > 0)
		problems_add(problems, "command line", 0, "-r and -i exclude each other");
	settings_apply_limits(settings);
	// What is given here is read in place of what the settings name.
	if (settings->files.count == 0 && settings->interfaces.count == 0) {
		settings->files = files;
		settings->interfaces = interfaces;
	} else {
		setting_list_clear(&files);
		setting_list_clear(&interfaces);
	}
	return err != 0 ? err : problems->count > 0 ? -EINVAL : 0;
}
