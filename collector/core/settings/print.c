// The table of settings for people: a commented weir.yaml with every default, and the list for
// --help.
#include "core/base/compiler.h"
#include "core/settings/table.h"

#include <string.h>

static void print_scalar(FILE *out, const char *value)
{
	bool plain = *value != '\0' && strpbrk(value, ":#{}[],&*?|<>=!%@`'\"") == NULL;

	if (plain)
		fprintf(out, " %s", value);
	else
		fprintf(out, " '%s'", value);
}

static void print_default(FILE *out, const struct setting *s, const char *indent)
{
	if (s->kind == SETTING_MAP) {
		fprintf(out, " {}\n");
	} else if (s->kind != SETTING_LIST) {
		print_scalar(out, s->initial);
		fprintf(out, "\n");
	} else if (*s->initial == '\0') {
		fprintf(out, " []\n");
	} else {
		fprintf(out, "\n");
		for (const char *at = s->initial; *at != '\0';) {
			size_t len = strcspn(at, ",");
			fprintf(out, "%s  - '%.*s'\n", indent, (int)len, at);
			at += len + (at[len] == ',');
		}
	}
}

// Opens the sections that `path` stands in and that `before` does not; returns the depth.
static unsigned print_sections(FILE *out, const char *path, const char *before)
{
	unsigned depth = 0;
	size_t at = 0, dot;
	bool same = true;

	while ((dot = strcspn(path + at, ".")), path[at + dot] == '.') {
		same = same && strncmp(path, before, at + dot + 1) == 0;
		if (!same)
			fprintf(out, "%s%*s%.*s:\n", depth == 0 ? "\n" : "", (int)(2 * depth), "",
				(int)dot, path + at);
		at += dot + 1;
		depth++;
	}
	return depth;
}

void settings_print_yaml(FILE *out)
{
	const char *before = "";

	fprintf(out,
		"# Settings of weir, each with its default. What is left out has the default.\n"
		"# Times take ms, s, m, h or d; sizes KiB, MiB or GiB.\n\n");
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		const struct setting *s = &setting_table[i];
		char allowed[256], indent[2 * 8 + 1];
		unsigned depth = print_sections(out, s->path, before);
		const char *dot = strrchr(s->path, '.');

		snprintf(indent, sizeof(indent), "%*s", (int)(2 * depth), "");
		setting_describe(allowed, sizeof(allowed), s);
		fprintf(out, "%s# %s: %s.\n", indent, s->help, allowed);
		// One that `limits` chooses stays open to it.
		const char *gateway = setting_limit(s->path, LIMITS_GATEWAY);
		if (gateway != NULL)
			fprintf(out, "%s# limits: gateway has %s, server %s.\n", indent, gateway,
				setting_limit(s->path, LIMITS_SERVER));
		fprintf(out, "%s%s%s:", indent, s->initial == NULL || gateway != NULL ? "# " : "",
			dot != NULL ? dot + 1 : s->path);
		if (s->initial == NULL)
			fprintf(out, "\n");
		else
			print_default(out, s, indent);
		before = s->path;
	}
}

void settings_print_help(FILE *out)
{
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		const struct setting *s = &setting_table[i];
		char allowed[256];

		setting_describe(allowed, sizeof(allowed), s);
		fprintf(out, "  %s\n      %s: %s.", s->path, s->help, allowed);
		if (s->initial != NULL && *s->initial != '\0')
			fprintf(out, " Default: %s.", s->initial);
		if (setting_limit(s->path, LIMITS_GATEWAY) != NULL)
			fprintf(out, " Gateway: %s. Server: %s.",
				setting_limit(s->path, LIMITS_GATEWAY),
				setting_limit(s->path, LIMITS_SERVER));
		fprintf(out, "\n");
	}
}
