// Interfaces with their roles and groups: interfaces.h.
#include "core/settings/interfaces.h"

#include "core/base/compiler.h"

#include <errno.h>
#include <string.h>

// Whether `word` is `key` and a value that fits, which is copied; `out` has none yet.
static bool take_value(char out[INTERFACE_NAME_SIZE], const char *key, const char *word, size_t len)
{
	size_t key_len = strlen(key);

	if (*out != '\0' || len <= key_len || strncmp(word, key, key_len) != 0 ||
		len - key_len >= INTERFACE_NAME_SIZE)
		return false;
	memcpy(out, word + key_len, len - key_len);
	out[len - key_len] = '\0';
	return true;
}

static bool take_role(enum interface_role *ret, const char *word, size_t len)
{
	static const char *const roles[] = {"role=lan", "role=mirror", "role=wan"};

	for (unsigned i = 0; i < ARRAY_COUNT(roles); i++) {
		if (strlen(roles[i]) != len || strncmp(word, roles[i], len) != 0)
			continue;
		*ret = (enum interface_role)i;
		return true;
	}
	return false;
}

// "eth0 name=uplink role=wan group=tap": the name first, the rest as you like.
static bool read_one(struct interface *ret, const char *text)
{
	bool named = false, has_role = false, fine = true;

	*ret = (struct interface){0};
	for (size_t len; fine && *(text += strspn(text, " ")) != '\0'; text += len) {
		len = strcspn(text, " ");
		if (!named)
			named = fine = take_value(ret->name, "", text, len);
		else
			fine = take_value(ret->title, "name=", text, len) ||
				take_value(ret->group_name, "group=", text, len) ||
				(!has_role && (has_role = take_role(&ret->role, text, len)));
	}
	if (*ret->title == '\0')
		memcpy(ret->title, ret->name, sizeof(ret->title));
	return fine && named;
}

// The number of an earlier one's group, or a new one.
static uint8_t group_of(const struct interfaces *all, uint32_t which)
{
	const struct interface *own = &all->items[which];
	unsigned next = 0;

	for (uint32_t i = 0; i < which; i++) {
		const struct interface *other = &all->items[i];
		if (*own->group_name != '\0' && strcmp(own->group_name, other->group_name) == 0)
			return other->group;
		next = MAX(next, other->group + 1u);
	}
	return (uint8_t)next;
}

// With the value's own line, where it has one.
static void complain(const struct settings *settings, uint32_t which, struct problems *problems,
	const char *what)
{
	const struct setting_item *item = &settings->interfaces.items[which];

	if (item->line > 0)
		problems_add(problems, settings->path, item->line, "capture.interface: \"%s\" %s",
			item->value, what);
	else
		settings_complain(
			settings, "capture.interface", problems, "\"%s\" %s", item->value, what);
}

static bool stands_before(const struct interfaces *all, uint32_t which)
{
	for (uint32_t i = 0; i < which; i++)
		if (strcmp(all->items[i].name, all->items[which].name) == 0)
			return true;
	return false;
}

static void check_files(const struct settings *settings, struct problems *problems)
{
	uint32_t inputs = 0;

	for (size_t i = 0; i < settings->files.count; i++)
		inputs += strcmp(settings->files.items[i].value, "-") == 0;
	if (inputs > 1)
		settings_complain(settings, "capture.files", problems,
			"standard input (-) can be read once only");
	if (settings->interfaces.count > 0)
		settings_complain(settings, "capture.files", problems,
			"capture.interface is set as well: one or the other");
}

int interfaces_read(
	struct interfaces *ret, const struct settings *settings, struct problems *problems)
{
	size_t before = problems->count;
	const char *title = settings->interface_name;

	*ret = (struct interfaces){.count = 1};
	if (settings_live(settings)) {
		uint32_t count = (uint32_t)MIN(settings->interfaces.count, (size_t)INTERFACES_MAX);
		ret->count = MAX(count, 1u);
		for (uint32_t i = 0; i < count; i++) {
			if (!read_one(&ret->items[i], settings->interfaces.items[i].value))
				complain(settings, i, problems,
					"is not allowed; it takes an interface, and after it "
					"name=NAME, group=NAME, role=lan, role=mirror or role=wan");
			else if (stands_before(ret, i))
				complain(settings, i, problems, "stands there twice");
			ret->items[i].group = group_of(ret, i);
		}
	} else {
		check_files(settings, problems);
		memcpy(ret->items[0].title, "file", sizeof("file"));
	}
	if (title != NULL && ret->count > 1)
		settings_complain(settings, "capture.name", problems,
			"is for one interface; of several each takes its own (capture.interface: "
			"\"eth0 name=NAME\")");
	else if (title != NULL)
		snprintf(ret->items[0].title, INTERFACE_NAME_SIZE, "%s", title);
	return problems->count > before ? -EINVAL : 0;
}
