// What the kernel says of memory: memory_room.h.
#include "core/shard/memory_room.h"

#include "core/base/compiler.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// All of a process with that preset, live and by one shard, at its peak.
static const struct {
	const char *word;
	uint32_t mib;
} presets[] = {{"server", 5632}, {"default", 512}, {"gateway", 128}};

static void take_least(struct memory_room *room, uint64_t bytes, const char *who)
{
	if (bytes >= room->bytes)
		return;
	room->bytes = bytes;
	snprintf(room->who, sizeof(room->who), "%s", who);
}

// A file that holds one number. "max" is none.
static void read_limit(const char *path, const char *shown, struct memory_room *room)
{
	char text[32] = "";
	FILE *file = fopen(path, "re");

	if (file == NULL)
		return;
	if (fgets(text, sizeof(text), file) != NULL && *text >= '0' && *text <= '9')
		take_least(room, strtoull(text, NULL, 10), shown);
	fclose(file);
}

// `group` and those above it, up to what is mounted.
static void read_groups(const char *root, const char *mount, const char *group, const char *name,
	struct memory_room *room)
{
	char path[PATH_MAX];
	size_t len = strcspn(group, "\n");

	for (;;) {
		while (len > 0 && group[len - 1] == '/')
			len--;
		int size = snprintf(
			path, sizeof(path), "%s%s%.*s/%s", root, mount, (int)len, group, name);
		if (size < (int)sizeof(path))
			read_limit(path, path + strlen(root), room);
		if (len == 0)
			return;
		while (len > 0 && group[len - 1] != '/')
			len--;
	}
}

// Whether the comma-separated list has the word.
static bool lists(const char *list, size_t len, const char *word)
{
	for (size_t at = 0; at < len; at += strcspn(list + at, ",:") + 1)
		if (strncmp(list + at, word, strlen(word)) == 0 &&
			strchr(",:", list[at + strlen(word)]) != NULL)
			return true;
	return false;
}

// A line is "hierarchy:controllers:group" (cgroups(7)); version 2 names no controllers.
static void read_group_line(const char *root, const char *line, struct memory_room *room)
{
	const char *controllers = strchr(line, ':');
	const char *group = controllers != NULL ? strchr(controllers + 1, ':') : NULL;

	if (group == NULL)
		return;
	controllers++;
	if (group == controllers) {
		read_groups(root, "/sys/fs/cgroup", group + 1, "memory.max", room);
		read_groups(root, "/sys/fs/cgroup/unified", group + 1, "memory.max", room);
	} else if (lists(controllers, (size_t)(group - controllers), "memory")) {
		read_groups(
			root, "/sys/fs/cgroup/memory", group + 1, "memory.limit_in_bytes", room);
	}
}

static void read_lines(const char *root, const char *name,
	void (*take)(const char *root, const char *line, struct memory_room *room),
	struct memory_room *room)
{
	char path[PATH_MAX], line[PATH_MAX];

	snprintf(path, sizeof(path), "%s%s", root, name);
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return;
	while (fgets(line, sizeof(line), file) != NULL)
		take(root, line, room);
	fclose(file);
}

static void read_available(const char *, const char *line, struct memory_room *room)
{
	uint64_t kib;

	if (sscanf(line, "MemAvailable: %" SCNu64 " kB", &kib) == 1)
		take_least(room, kib << 10, "MemAvailable");
}

void memory_room(const char *root, struct memory_room *ret)
{
	*ret = (struct memory_room){.bytes = UINT64_MAX};
	read_lines(root, "/proc/meminfo", read_available, ret);
	read_lines(root, "/proc/self/cgroup", read_group_line, ret);
}

const char *memory_room_preset(uint64_t bytes, uint32_t *ret_mib)
{
	for (size_t i = 0; i < ARRAY_COUNT(presets); i++) {
		if ((uint64_t)presets[i].mib << 20 > bytes)
			continue;
		*ret_mib = presets[i].mib;
		return presets[i].word;
	}
	return NULL;
}
