// What `limits` chooses: how much memory the tables may take on a small gateway, by default, or on
// a server.
#include "core/base/compiler.h"
#include "core/settings/table.h"

#include <string.h>

// X(path, gateway, server). The default stands in SETTINGS. A gateway is a box of 512 MiB: all of
// the collector within 128 MiB of it. A server takes a mirror port of 10 Gb/s and more.
#define LIMITS(X) \
	X("capture.buffer", "4MiB", "256MiB") \
	X("flow.max", "100000", "4194304") \
	X("dpi.states", "4096", "262144") \
	X("dpi.memory", "8MiB", "1GiB") \
	X("dpi.findings", "32768", "1048576") \
	X("clients.max", "4096", "131072") \
	X("clients.random_max", "3072", "65536") \
	X("clients.answers", "8192", "1048576") \
	X("usage.max", "8192", "1048576") \
	X("export.batches", "12", "256") \
	X("export.batch_bytes", "256KiB", "1MiB")

static const struct {
	const char *path, *values[SETTING_LIMITS_COUNT];
} limits[] = {
#define X(path_, gateway, server) \
	{.path = path_, .values = {[LIMITS_GATEWAY] = gateway, [LIMITS_SERVER] = server}},
	LIMITS(X)
#undef X
};

const char *setting_limit(const char *path, enum setting_limits which)
{
	for (size_t i = 0; i < ARRAY_COUNT(limits); i++)
		if (strcmp(limits[i].path, path) == 0)
			return limits[i].values[which];
	return NULL;
}

void settings_apply_limits(struct settings *settings)
{
	for (size_t i = 0; i < ARRAY_COUNT(limits) && settings->limits != LIMITS_DEFAULT; i++) {
		const struct setting *s = setting_find(limits[i].path);
		if (settings->lines[s - setting_table] == 0)
			REQUIRE(setting_put(settings, s, limits[i].values[settings->limits]));
	}
	// Who lowers the one alone still wants a quota.
	if (settings->clients_random_max > settings->clients_max &&
		settings->lines[setting_find("clients.random_max") - setting_table] == 0)
		settings->clients_random_max = settings->clients_max / 2;
}
