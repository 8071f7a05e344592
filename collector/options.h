// The command line of `weir run`, `check` and `explain`: the settings file first, then what the
// command line says over it.
#pragma once

#include "core/settings/settings.h"

enum { OPTIONS_HELP = 1 };

// Reads both into `settings`, which settings_init() has filled. All that is wrong goes to
// `problems`. Returns 0, OPTIONS_HELP when help was asked for, or -EINVAL.
int options_read(struct settings *settings, int argc, char **argv, struct problems *problems);

void options_print_help(FILE *out);
