// From a command line to a run (collect.h).
#include "collect.h"

#include "core/base/log.h"
#include "core/ledger/ledger.h"
#include "core/settings/interfaces.h"
#include "core/shard/cores.h"
#include "core/shard/own_traffic.h"
#include "core/shard/run.h"
#include "options.h"

#include <errno.h>
#include <string.h>

static const struct exporter_ops *exporter_of(const struct settings *settings)
{
	char name[SETTING_WORD_SIZE];

	settings_word(settings, "export.exporter", name);
	for (size_t i = 0; exporters[i] != NULL; i++)
		if (strcmp(exporters[i]->name, name) == 0)
			return exporters[i];
	return NULL;
}

// A row of protobuf does not say of which type it is: topics and segments do, a stream cannot.
static void check_output(const struct settings *settings, struct problems *problems)
{
	if (settings->output != NULL && strcmp(settings->output, "-") == 0 &&
		settings->exporter == EXPORTER_FILE && settings->format == FORMAT_PROTOBUF)
		problems_add(problems, "command line", 0,
			"-o - takes JSON only: rows of protobuf of several types in one stream "
			"cannot be told apart; add --format json, or write segments with -o DIR "
			"and print them with weir read");
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
	check_output(settings, problems);
	struct interfaces interfaces;
	interfaces_read(&interfaces, settings, problems);
	cores_check(settings, problems);
	ledger_check(settings, problems);
	policy_new(ret_policy, settings, problems, ret_random_key);
	return problems->count > 0 ? -EINVAL : 0;
}

int collect_prepare(struct settings *settings, struct policy **ret_policy, bool *ret_random_key,
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

static int collect(struct settings *settings, const struct policy *policy, bool random_key,
	const struct capture_ops *capture)
{
	struct run_config config = {
		.settings = settings,
		.policy = policy,
		.capture = capture,
		.classifiers = classifiers,
		.exporter = exporter_of(settings),
	};

	if (random_key)
		log_info("no privacy.key_file: pseudonyms are keyed for this run only");
	if (settings_live(settings) && settings->exporter == EXPORTER_KAFKA) {
		int err = own_traffic_exclude(settings);
		if (err) {
			log_error("our own traffic to the brokers cannot be left out: %s",
				strerror(-err));
			return EXIT_REFUSED;
		}
	}
	return (int)run(&config);
}

int collect_command(int argc, char **argv, const struct capture_ops *capture)
{
	struct settings settings;
	struct policy *policy = NULL;
	bool random_key = false;

	int status = collect_prepare(&settings, &policy, &random_key, argc, argv);
	if (status != 0) {
		status--;
	} else {
		log_level_set((enum log_level)settings.log_level);
		status = collect(&settings, policy, random_key, capture);
	}
	policy_free(policy);
	settings_fini(&settings);
	return status;
}
