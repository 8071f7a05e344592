// The table of settings, for the files of this folder: parser, printer and defaults share it.
#pragma once

#include "core/settings/settings.h"

enum setting_kind {
	SETTING_TEXT,
	SETTING_NUMBER,
	SETTING_BYTES,
	SETTING_DURATION,
	SETTING_FLAG,
	SETTING_CHOICE,
	SETTING_LIST,
	SETTING_MAP,
};

struct setting {
	const char *path;
	enum setting_kind kind;
	size_t offset; // in struct settings
	const char *initial; // as text; NULL: unset
	uint64_t min, max; // see SETTINGS; times in ms
	const char *allowed; // CHOICE: "a|b|c"
	const char *help;
};

enum {
#define X(member, ...) SETTING_INDEX_##member,
	SETTINGS(X)
#undef X
		SETTING_COUNT,
};

#define LINE_OF_COMMAND UINT32_MAX // in settings.lines: given on the command line

extern const struct setting setting_table[SETTING_COUNT];

const struct setting *setting_find(const char *path); // or NULL

// What `limits` chooses for a setting; NULL when it does not, or leaves the default.
const char *setting_limit(const char *path, enum setting_limits which);

// Checks one value and puts it into its place; false, with the place untouched, when it does not
// fit.
bool setting_put(struct settings *settings, const struct setting *setting, const char *text);

// What the setting takes, for an error: "a whole number from 1 to 9".
void setting_describe(char *out, size_t size, const struct setting *setting);
void setting_format_scaled(char *out, size_t size, const struct setting *setting, uint64_t value);

void setting_list_add(struct setting_list *list, const char *key, const char *value, unsigned line);
