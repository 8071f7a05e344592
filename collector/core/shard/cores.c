// Which core each shard's thread has: cores.h.
#include "core/shard/cores.h"

#include "core/base/compiler.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

static bool read_number(const char **text, int *ret)
{
	char *end;

	if (**text < '0' || **text > '9')
		return false;
	unsigned long number = strtoul(*text, &end, 10);
	*text = end;
	*ret = (int)number;
	return number < CPU_SETSIZE;
}

// "2,4-6". Returns how many, or -EINVAL: of another form, or one of them twice.
static int read_list(const char *text, int ret[CORES_MAX])
{
	cpu_set_t seen;
	int count = 0;

	CPU_ZERO(&seen);
	for (bool more = true; more; text++) {
		int first, last;
		if (!read_number(&text, &first))
			return -EINVAL;
		last = first;
		if (*text == '-' && (text++, !read_number(&text, &last)))
			return -EINVAL;
		for (int core = first; core <= last; core++) {
			if (CPU_ISSET(core, &seen) || count == CORES_MAX)
				return -EINVAL;
			CPU_SET(core, &seen);
			ret[count++] = core;
		}
		more = *text == ',' && first <= last;
		if (!more && (*text != '\0' || first > last))
			return -EINVAL;
	}
	return count;
}

static bool is_list(const struct settings *settings)
{
	return strcmp(settings->cpus, "auto") != 0 && strcmp(settings->cpus, "any") != 0;
}

void cores_check(const struct settings *settings, struct problems *problems)
{
	int list[CORES_MAX];
	cpu_set_t allowed;

	if (!is_list(settings))
		return;
	int count = read_list(settings->cpus, list);
	if (count < 0) {
		settings_complain(settings, "cpus", problems,
			"\"%s\" is not allowed; it takes auto, any, or a list of cores such as "
			"2,4-6, each once",
			settings->cpus);
		return;
	}
	if ((uint64_t)count != settings->shards)
		settings_complain(settings, "cpus", problems,
			"\"%s\" names %d cores for %llu shards", settings->cpus, count,
			(unsigned long long)settings->shards);
	if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
		return;
	for (int i = 0; i < count; i++)
		if (!CPU_ISSET(list[i], &allowed))
			settings_complain(settings, "cpus", problems,
				"core %d is not there, or not for this process", list[i]);
}

// One each where there are enough; the first is left to main and export.
static void choose(struct cores *cores, uint32_t shards)
{
	cpu_set_t allowed;
	uint32_t at = 0;

	if (shards == 1 || sched_getaffinity(0, sizeof(allowed), &allowed) != 0 ||
		CPU_COUNT(&allowed) <= (int)shards)
		return;
	for (int core = 0; core < CPU_SETSIZE && at <= shards; core++) {
		if (!CPU_ISSET(core, &allowed))
			continue;
		if (at > 0)
			cores->shard[at - 1] = core;
		at++;
	}
}

void cores_choose(struct cores *ret, const struct settings *settings, bool own_places)
{
	for (unsigned i = 0; i < CORES_MAX; i++)
		ret->shard[i] = CORE_ANY;
	if (own_places)
		return;
	if (is_list(settings))
		REQUIRE(read_list(settings->cpus, ret->shard) > 0); // cores_check()
	else if (strcmp(settings->cpus, "auto") == 0)
		choose(ret, (uint32_t)settings->shards);
}

int cores_bind(int core)
{
	cpu_set_t own;

	if (core == CORE_ANY)
		return 0;
	CPU_ZERO(&own);
	CPU_SET(core, &own);
	return sched_setaffinity(0, sizeof(own), &own) != 0 ? -errno : 0;
}
