// Settings from a YAML file, by libyaml's events, so that every complaint has its line. All that is
// wrong is said, not only the first.
#include "core/base/compiler.h"
#include "core/settings/table.h"

#include <errno.h>
#include <string.h>
#include <yaml.h>

enum { PATH_MAX_LEN = 256, DEPTH_MAX = 8 };

struct reader {
	yaml_parser_t parser;
	struct settings *settings;
	struct problems *problems;
	const char *file;
	bool broken; // not YAML any more: nothing else can be said
	unsigned seen[SETTING_COUNT]; // line of each setting that was set
};

static unsigned line_of(const yaml_event_t *event)
{
	return (unsigned)event->start_mark.line + 1;
}

// The next event, to be deleted by the caller; false when the file is not YAML.
static bool next(struct reader *r, yaml_event_t *event)
{
	if (r->broken)
		return false;
	if (yaml_parser_parse(&r->parser, event))
		return true;
	problems_add(r->problems, r->file, (unsigned)r->parser.problem_mark.line + 1,
		"not YAML: %s", r->parser.problem != NULL ? r->parser.problem : "unreadable");
	r->broken = true;
	return false;
}

// Skips whatever value begins with `event`.
static void skip(struct reader *r, const yaml_event_t *event)
{
	int depth =
		event->type == YAML_MAPPING_START_EVENT || event->type == YAML_SEQUENCE_START_EVENT;
	yaml_event_t inner;

	while (depth > 0 && next(r, &inner)) {
		if (inner.type == YAML_MAPPING_START_EVENT ||
			inner.type == YAML_SEQUENCE_START_EVENT)
			depth++;
		else if (inner.type == YAML_MAPPING_END_EVENT ||
			inner.type == YAML_SEQUENCE_END_EVENT)
			depth--;
		yaml_event_delete(&inner);
	}
}

static void complain(struct reader *r, unsigned line, const struct setting *s, const char *value)
{
	char allowed[256];

	setting_describe(allowed, sizeof(allowed), s);
	if (value != NULL)
		problems_add(r->problems, r->file, line, "%s: \"%s\" is not allowed; it takes %s",
			s->path, value, allowed);
	else
		problems_add(r->problems, r->file, line, "%s: takes %s", s->path, allowed);
}

static const char *text_of(const yaml_event_t *event)
{
	return (const char *)event->data.scalar.value;
}

static void read_list(struct reader *r, const struct setting *s, const yaml_event_t *start)
{
	struct setting_list *list = (void *)((char *)r->settings + s->offset);
	yaml_event_t event;

	if (start->type != YAML_SEQUENCE_START_EVENT && start->type != YAML_SCALAR_EVENT) {
		complain(r, line_of(start), s, NULL);
		skip(r, start);
		return;
	}
	setting_list_clear(list);
	if (start->type == YAML_SCALAR_EVENT) { // a list of one, or of none
		if (*text_of(start) != '\0')
			setting_list_add(list, NULL, text_of(start), line_of(start));
		return;
	}
	while (next(r, &event)) {
		bool end = event.type == YAML_SEQUENCE_END_EVENT;
		if (event.type == YAML_SCALAR_EVENT) {
			setting_list_add(list, NULL, text_of(&event), line_of(&event));
			if (list->count == s->max + 1)
				complain(r, line_of(&event), s, NULL);
		} else if (!end) {
			complain(r, line_of(&event), s, NULL);
			skip(r, &event);
		}
		yaml_event_delete(&event);
		if (end)
			return;
	}
}

// Of two lines for one key neither is what somebody meant: a rule "keep" must not undo a "drop".
static void add_to_map(struct reader *r, const struct setting *s, struct setting_list *map,
	const char *key, const char *value, unsigned line)
{
	for (size_t i = 0; i < map->count; i++)
		if (strcmp(map->items[i].key, key) == 0) {
			problems_add(r->problems, r->file, line, "%s.%s: stands in line %u already",
				s->path, key, map->items[i].line);
			return;
		}
	setting_list_add(map, key, value, line);
}

// A map's value: a scalar, or one pair ({truncate: 24}), which stands for "truncate: 24".
static void read_map_value(
	struct reader *r, const struct setting *s, const char *key, unsigned line)
{
	struct setting_list *map = (void *)((char *)r->settings + s->offset);
	char pair[PATH_MAX_LEN] = "";
	yaml_event_t event;
	unsigned scalars = 0;

	if (!next(r, &event))
		return;
	if (event.type == YAML_SCALAR_EVENT) {
		add_to_map(r, s, map, key, text_of(&event), line);
	} else if (event.type == YAML_MAPPING_START_EVENT) {
		yaml_event_t inner;
		while (next(r, &inner)) {
			bool end = inner.type == YAML_MAPPING_END_EVENT;
			if (inner.type == YAML_SCALAR_EVENT && scalars < 2) {
				size_t used = strlen(pair);
				snprintf(pair + used, sizeof(pair) - used, "%s%s",
					scalars == 1 ? ": " : "", text_of(&inner));
				scalars++;
			} else if (!end) {
				scalars = 3;
				skip(r, &inner);
			}
			yaml_event_delete(&inner);
			if (end)
				break;
		}
		if (scalars == 2)
			add_to_map(r, s, map, key, pair, line);
		else
			problems_add(r->problems, r->file, line,
				"%s.%s: takes one value, or one pair in braces", s->path, key);
	} else {
		problems_add(r->problems, r->file, line, "%s.%s: takes one value", s->path, key);
		skip(r, &event);
	}
	yaml_event_delete(&event);
}

static void read_map(struct reader *r, const struct setting *s, const yaml_event_t *start)
{
	yaml_event_t event;

	if (start->type == YAML_SCALAR_EVENT && *text_of(start) == '\0')
		return;
	if (start->type != YAML_MAPPING_START_EVENT) {
		complain(r, line_of(start), s,
			start->type == YAML_SCALAR_EVENT ? text_of(start) : NULL);
		skip(r, start);
		return;
	}
	while (next(r, &event)) {
		bool end = event.type == YAML_MAPPING_END_EVENT;
		if (event.type == YAML_SCALAR_EVENT) {
			read_map_value(r, s, text_of(&event), line_of(&event));
		} else if (!end) {
			complain(r, line_of(&event), s, NULL);
			skip(r, &event);
		}
		yaml_event_delete(&event);
		if (end)
			return;
	}
}

static void read_setting(struct reader *r, const struct setting *s, const yaml_event_t *event)
{
	unsigned *seen = &r->seen[s - setting_table];

	if (*seen != 0)
		problems_add(r->problems, r->file, line_of(event), "%s: stands in line %u already",
			s->path, *seen);
	*seen = line_of(event);
	r->settings->lines[s - setting_table] = *seen;
	if (s->kind == SETTING_LIST) {
		read_list(r, s, event);
	} else if (s->kind == SETTING_MAP) {
		read_map(r, s, event);
	} else if (event->type != YAML_SCALAR_EVENT) {
		complain(r, line_of(event), s, NULL);
		skip(r, event);
	} else if (!setting_put(r->settings, s, text_of(event))) {
		complain(r, line_of(event), s, text_of(event));
	}
}

// Whether settings stand below this path.
static bool is_section(const char *path)
{
	size_t len = strlen(path);

	for (size_t i = 0; i < SETTING_COUNT; i++)
		if (strncmp(setting_table[i].path, path, len) == 0 &&
			setting_table[i].path[len] == '.')
			return true;
	return false;
}

// The keys allowed below a section ("" for the top), each once.
static void allowed_keys(char *out, size_t size, const char *section)
{
	size_t len = strlen(section), used = 0;
	const char *before = "";
	size_t before_len = 0;

	*out = '\0';
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		const char *path = setting_table[i].path;
		if (strncmp(path, section, len) != 0)
			continue;
		const char *key = path + len;
		size_t key_len = strcspn(key, ".");
		if (key_len == before_len && strncmp(key, before, key_len) == 0)
			continue;
		before = key;
		before_len = key_len;
		int wrote = snprintf(
			out + used, size - used, "%s%.*s", used > 0 ? ", " : "", (int)key_len, key);
		if (wrote < 0 || (size_t)wrote >= size - used)
			return;
		used += (size_t)wrote;
	}
}

static void read_section(struct reader *r, const char *prefix, unsigned depth);

static void read_member(
	struct reader *r, const char *prefix, const yaml_event_t *key, unsigned depth)
{
	char path[PATH_MAX_LEN], allowed[1024];
	yaml_event_t event;

	snprintf(path, sizeof(path), "%s%s", prefix, text_of(key));
	if (!next(r, &event))
		return;
	const struct setting *s = setting_find(path);
	bool empty = event.type == YAML_SCALAR_EVENT && *text_of(&event) == '\0';
	if (s != NULL) {
		read_setting(r, s, &event);
	} else if (is_section(path) && event.type == YAML_MAPPING_START_EVENT &&
		depth < DEPTH_MAX) {
		size_t len = strlen(path);
		snprintf(path + len, sizeof(path) - len, ".");
		read_section(r, path, depth + 1);
	} else if (!is_section(path) || !empty) {
		allowed_keys(allowed, sizeof(allowed), prefix);
		if (is_section(path))
			problems_add(
				r->problems, r->file, line_of(key), "%s: takes a mapping", path);
		else
			problems_add(r->problems, r->file, line_of(key),
				"there is no setting \"%s\"; allowed here: %s", path, allowed);
		skip(r, &event);
	}
	yaml_event_delete(&event);
}

// Members up to the section's end. The mapping's start has been read.
static void read_section(struct reader *r, const char *prefix, unsigned depth)
{
	yaml_event_t event;

	while (next(r, &event)) {
		bool end = event.type == YAML_MAPPING_END_EVENT;
		if (event.type == YAML_SCALAR_EVENT) {
			read_member(r, prefix, &event, depth);
		} else if (!end) {
			problems_add(r->problems, r->file, line_of(&event), "a key was expected");
			skip(r, &event);
		}
		yaml_event_delete(&event);
		if (end)
			return;
	}
}

static void read_document(struct reader *r)
{
	yaml_event_t event;
	bool end = false;

	while (!end && next(r, &event)) {
		end = event.type == YAML_STREAM_END_EVENT;
		if (event.type == YAML_MAPPING_START_EVENT) {
			read_section(r, "", 0);
		} else if (event.type == YAML_SEQUENCE_START_EVENT ||
			event.type == YAML_ALIAS_EVENT ||
			(event.type == YAML_SCALAR_EVENT && *text_of(&event) != '\0')) {
			problems_add(r->problems, r->file, line_of(&event),
				"the file is a mapping of settings, as weir settings prints it");
			skip(r, &event);
		}
		yaml_event_delete(&event);
	}
}

int settings_read(struct settings *settings, const char *path, struct problems *problems)
{
	struct reader r = {.settings = settings, .problems = problems, .file = path};
	size_t before = problems->count;
	FILE *file = fopen(path, "rb");

	if (file == NULL) {
		int err = errno;
		problems_add(problems, path, 0, "cannot be read: %s", strerror(err));
		return -err;
	}
	if (!yaml_parser_initialize(&r.parser)) {
		fclose(file);
		return -ENOMEM;
	}
	yaml_parser_set_input_file(&r.parser, file);
	free(settings->path);
	settings->path = strdup(path);
	read_document(&r);
	yaml_parser_delete(&r.parser);
	fclose(file);
	return problems->count > before ? -EINVAL : 0;
}
