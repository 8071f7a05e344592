// From a command line to a run: settings and policy, read and checked. The same for every program.
// Main thread, before others start.
#pragma once

#include "core/packet/capture.h"
#include "core/privacy/policy.h"
#include "core/settings/settings.h"

enum { EXIT_REFUSED = 2 };

// Reads settings and policy; says all that is wrong. Returns 0, or an exit status + 1 to end with.
// Both are the caller's in either case: settings_fini(), policy_free().
int collect_prepare(struct settings *settings, struct policy **ret_policy, bool *ret_random_key,
	int argc, char **argv);

// `run`: collects from `capture` as the command line says. Returns an exit status.
int collect_command(int argc, char **argv, const struct capture_ops *capture);
