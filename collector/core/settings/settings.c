// Every setting: defaults, and one value checked and put into its place.
#include "core/settings/settings.h"

#include "core/base/compiler.h"
#include "core/settings/table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

// What the sixth column means depends on the kind.
#define ALLOWED_TEXT(max) NULL
#define ALLOWED_NUMBER(max) NULL
#define ALLOWED_BYTES(max) NULL
#define ALLOWED_DURATION(max) NULL
#define ALLOWED_FLAG(max) NULL
#define ALLOWED_CHOICE(max) max
#define ALLOWED_LIST(max) NULL
#define ALLOWED_MAP(max) NULL
#define MAX_TEXT(max) max
#define MAX_NUMBER(max) max
#define MAX_BYTES(max) max
#define MAX_DURATION(max) max
#define MAX_FLAG(max) 0
#define MAX_CHOICE(max) 0
#define MAX_LIST(max) max
#define MAX_MAP(max) max

const struct setting setting_table[SETTING_COUNT] = {
#define X(member, key, kind_, initial_, min_, max_, help_) \
	{ \
		.path = key, \
		.kind = SETTING_##kind_, \
		.offset = offsetof(struct settings, member), \
		.initial = initial_, \
		.min = min_, \
		.max = MAX_##kind_(max_), \
		.allowed = ALLOWED_##kind_(max_), \
		.help = help_, \
	},
	SETTINGS(X)
#undef X
};

const struct setting *setting_find(const char *path)
{
	for (size_t i = 0; i < SETTING_COUNT; i++)
		if (strcmp(setting_table[i].path, path) == 0)
			return &setting_table[i];
	return NULL;
}

static void *place(struct settings *settings, const struct setting *s)
{
	return (char *)settings + s->offset;
}

void setting_list_clear(struct setting_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->items[i].key);
		free(list->items[i].value);
	}
	free(list->items);
	*list = (struct setting_list){0};
}

void setting_list_add(struct setting_list *list, const char *key, const char *value, unsigned line)
{
	// A key given again, on the command line say, replaces the one before.
	for (size_t i = 0; key != NULL && i < list->count; i++) {
		if (strcmp(list->items[i].key, key) != 0)
			continue;
		free(list->items[i].value);
		list->items[i].value = strdup(value);
		list->items[i].line = line;
		REQUIRE(list->items[i].value != NULL);
		return;
	}
	list->items = realloc(list->items, (list->count + 1) * sizeof(*list->items));
	REQUIRE(list->items != NULL);
	struct setting_item *item = &list->items[list->count++];
	item->key = key != NULL ? strdup(key) : NULL;
	item->value = strdup(value);
	item->line = line;
	REQUIRE((key == NULL || item->key != NULL) && item->value != NULL);
}

// A number and its unit, the factor of which is looked up in `units`.
struct unit {
	const char *name;
	uint64_t factor;
};

static bool parse_scaled(
	const char *text, const struct unit *units, size_t unit_count, uint64_t *ret)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	uint64_t number = strtoull(text, &end, 10);
	if (errno != 0)
		return false;
	while (*end == ' ')
		end++;
	for (size_t i = 0; i < unit_count; i++)
		if (strcmp(end, units[i].name) == 0)
			return !__builtin_mul_overflow(number, units[i].factor, ret);
	return false;
}

static const struct unit number_units[] = {{"", 1}};
static const struct unit byte_units[] = {{"", 1}, {"B", 1}, {"KiB", UINT64_C(1) << 10},
	{"MiB", UINT64_C(1) << 20}, {"GiB", UINT64_C(1) << 30}};
static const struct unit duration_units[] = {{"ms", NS_PER_MS}, {"s", NS_PER_S},
	{"m", 60 * NS_PER_S}, {"h", 3600 * NS_PER_S}, {"d", 86400 * NS_PER_S}};

bool setting_parse_duration(const char *text, uint64_t *ret_ns)
{
	return parse_scaled(text, duration_units, ARRAY_COUNT(duration_units), ret_ns);
}

// Octets or nanoseconds in the largest unit that says them exactly.
void setting_format_scaled(char *out, size_t size, const struct setting *s, uint64_t value)
{
	const struct unit *units = s->kind == SETTING_DURATION ? duration_units : byte_units;
	size_t count =
		s->kind == SETTING_DURATION ? ARRAY_COUNT(duration_units) : ARRAY_COUNT(byte_units);
	size_t best = 0;

	for (size_t i = 0; i < count; i++)
		if (value != 0 && value % units[i].factor == 0)
			best = i;
	snprintf(out, size, "%" PRIu64 "%s", value / units[best].factor, units[best].name);
}

void setting_describe(char *out, size_t size, const struct setting *s)
{
	char low[32], high[32];
	uint64_t scale = s->kind == SETTING_DURATION ? NS_PER_MS : 1;

	setting_format_scaled(low, sizeof(low), s, s->min * scale);
	setting_format_scaled(high, sizeof(high), s, s->max * scale);
	switch (s->kind) {
	case SETTING_TEXT:
		snprintf(
			out, size, "text of %" PRIu64 " to %" PRIu64 " characters", s->min, s->max);
		break;
	case SETTING_NUMBER:
		snprintf(out, size, "a whole number from %" PRIu64 " to %" PRIu64, s->min, s->max);
		break;
	case SETTING_BYTES:
		snprintf(out, size, "octets from %s to %s, with KiB, MiB, GiB or no unit", low,
			high);
		break;
	case SETTING_DURATION:
		snprintf(out, size, "a time from %s to %s, with unit ms, s, m, h or d", low, high);
		break;
	case SETTING_FLAG:
		snprintf(out, size, "yes or no");
		break;
	case SETTING_CHOICE:
		snprintf(out, size, "one of %s", s->allowed);
		break;
	case SETTING_LIST:
		snprintf(out, size, "a list of at most %" PRIu64 " values", s->max);
		break;
	case SETTING_MAP:
		snprintf(out, size, "a mapping of at most %" PRIu64 " keys to values", s->max);
		break;
	}
}

void settings_word(
	const struct settings *settings, const char *path, char ret_word[SETTING_WORD_SIZE])
{
	const struct setting *s = setting_find(path);

	REQUIRE(s != NULL && s->kind == SETTING_CHOICE);
	unsigned index;
	memcpy(&index, (const char *)settings + s->offset, sizeof(index));
	const char *word = s->allowed;
	for (; index > 0; index--)
		word += strcspn(word, "|") + 1;
	snprintf(ret_word, SETTING_WORD_SIZE, "%.*s", (int)strcspn(word, "|"), word);
}

static bool parse_choice(const char *allowed, const char *text, unsigned *ret)
{
	size_t len = strlen(text);

	for (unsigned index = 0;; index++) {
		size_t choice = strcspn(allowed, "|");
		if (choice == len && strncmp(allowed, text, len) == 0) {
			*ret = index;
			return true;
		}
		if (allowed[choice] == '\0')
			return false;
		allowed += choice + 1;
	}
}

static bool parse_flag(const char *text, bool *ret)
{
	static const char *const yes[] = {"yes", "true", "on"},
				 *const no[] = {"no", "false", "off"};

	for (size_t i = 0; i < ARRAY_COUNT(yes); i++) {
		if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) {
			*ret = strcmp(text, yes[i]) == 0;
			return true;
		}
	}
	return false;
}

static bool put_scaled(uint64_t *where, const struct setting *s, const char *text)
{
	uint64_t value, scale = s->kind == SETTING_DURATION ? NS_PER_MS : 1;
	bool fine;

	if (s->kind == SETTING_NUMBER)
		fine = parse_scaled(text, number_units, ARRAY_COUNT(number_units), &value);
	else if (s->kind == SETTING_BYTES)
		fine = parse_scaled(text, byte_units, ARRAY_COUNT(byte_units), &value);
	else
		fine = setting_parse_duration(text, &value);
	if (!fine || value < s->min * scale || value > s->max * scale)
		return false;
	*where = value;
	return true;
}

static bool put_text(char **where, const struct setting *s, const char *text)
{
	size_t len = strlen(text);

	if (len < s->min || len > s->max)
		return false;
	char *copy = strdup(text);
	REQUIRE(copy != NULL);
	free(*where);
	*where = copy;
	return true;
}

// Comma-separated, as defaults and the command line give it.
static bool put_list(struct setting_list *list, const struct setting *s, const char *text)
{
	setting_list_clear(list);
	while (*text != '\0') {
		size_t len = strcspn(text, ",");
		char *value = strndup(text, len);
		REQUIRE(value != NULL);
		setting_list_add(list, NULL, value, 0);
		free(value);
		text += len + (text[len] == ',');
	}
	return list->count <= s->max;
}

bool setting_put(struct settings *settings, const struct setting *s, const char *text)
{
	void *where = place(settings, s);

	switch (s->kind) {
	case SETTING_TEXT:
		return put_text(where, s, text);
	case SETTING_NUMBER:
	case SETTING_BYTES:
	case SETTING_DURATION:
		return put_scaled(where, s, text);
	case SETTING_FLAG:
		return parse_flag(text, where);
	case SETTING_CHOICE:
		return parse_choice(s->allowed, text, where);
	case SETTING_LIST:
		return put_list(where, s, text);
	case SETTING_MAP:
		return *text == '\0';
	}
	return false;
}

int settings_init(struct settings *settings)
{
	*settings = (struct settings){0};
	for (size_t i = 0; i < SETTING_COUNT; i++)
		if (setting_table[i].initial != NULL)
			REQUIRE(setting_put(settings, &setting_table[i], setting_table[i].initial));
	return 0;
}

void settings_fini(struct settings *settings)
{
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		const struct setting *s = &setting_table[i];
		if (s->kind == SETTING_TEXT)
			free(*(char **)place(settings, s));
		else if (s->kind == SETTING_LIST || s->kind == SETTING_MAP)
			setting_list_clear(place(settings, s));
	}
	free(settings->path);
	free(settings->output);
	*settings = (struct settings){0};
}

// Of a map's members each is set alone: "kafka.properties.client.id".
static const struct setting *map_of(const char *path, const char **ret_key)
{
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		const struct setting *s = &setting_table[i];
		size_t len = strlen(s->path);
		if (s->kind == SETTING_MAP && strncmp(path, s->path, len) == 0 &&
			path[len] == '.') {
			*ret_key = path + len + 1;
			return s;
		}
	}
	return NULL;
}

int settings_set(
	struct settings *settings, const char *path, const char *value, struct problems *problems)
{
	const struct setting *s = setting_find(path);
	const char *key;
	char allowed[256];

	if (s == NULL && (s = map_of(path, &key)) != NULL) {
		setting_list_add(place(settings, s), key, value, 0);
		return 0;
	}
	if (s == NULL) {
		problems_add(problems, "command line", 0,
			"there is no setting \"%s\"; weir run --help lists them", path);
		return -EINVAL;
	}
	if (setting_put(settings, s, value)) {
		settings->lines[s - setting_table] = LINE_OF_COMMAND;
		return 0;
	}
	setting_describe(allowed, sizeof(allowed), s);
	problems_add(problems, "command line", 0, "%s: \"%s\" is not allowed; it takes %s", path,
		value, allowed);
	return -EINVAL;
}

int settings_add(
	struct settings *settings, const char *path, const char *value, struct problems *problems)
{
	const struct setting *s = setting_find(path);

	REQUIRE(s != NULL && s->kind == SETTING_LIST);
	struct setting_list *list = place(settings, s);
	settings->lines[s - setting_table] = LINE_OF_COMMAND;
	setting_list_add(list, NULL, value, 0);
	if (list->count <= s->max)
		return 0;
	problems_add(
		problems, "command line", 0, "%s: takes at most %" PRIu64 " values", path, s->max);
	return -EINVAL;
}

void settings_complain(const struct settings *settings, const char *path, struct problems *problems,
	const char *format, ...)
{
	const struct setting *s = setting_find(path);
	char text[1024];
	va_list args;

	REQUIRE(s != NULL);
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	unsigned line = settings->lines[s - setting_table];
	if (line == LINE_OF_COMMAND)
		problems_add(problems, "command line", 0, "%s: %s", path, text);
	else
		problems_add(
			problems, line > 0 ? settings->path : NULL, line, "%s: %s", path, text);
}
