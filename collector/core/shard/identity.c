// Who this collector is.
#include "core/shard/identity.h"

#include "core/base/hash.h"
#include "core/shard/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ID_HEX = 32 };

// 32 hex digits, dashes allowed as in a UUID.
static bool parse_id(const char *text, uint8_t id[16])
{
	unsigned digits = 0;

	memset(id, 0, 16);
	for (; *text != '\0' && *text != '\n'; text++) {
		const char *hex = "0123456789abcdef";
		const char *at = strchr(hex, *text | 0x20);
		if (*text == '-')
			continue;
		if (at == NULL || digits == ID_HEX)
			return false;
		id[digits / 2] = (uint8_t)(id[digits / 2] << 4 | (at - hex));
		digits++;
	}
	return digits == ID_HEX;
}

static void random_id(uint8_t id[16], uint64_t seed)
{
	struct hash_key key = hash_key_new(seed, 0x6964);

	memcpy(id, &key, 16);
}

// Reads the id kept in state_dir, or makes one and keeps it.
static bool kept_id(const struct settings *settings, uint8_t id[16])
{
	char path[4200], text[64] = "";

	snprintf(path, sizeof(path), "%s/collector_id", settings->state_dir);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		ssize_t got = read(fd, text, sizeof(text) - 1);
		close(fd);
		return got > 0 && parse_id(text, id);
	}
	if (process_make_directory(settings->state_dir, settings->user) != 0)
		return false;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return false;
	random_id(id, 0);
	for (unsigned i = 0; i < 16; i++)
		snprintf(text + 2 * i, 3, "%02x", id[i]);
	text[ID_HEX] = '\n';
	bool wrote = write(fd, text, ID_HEX + 1) == ID_HEX + 1;
	return close(fd) == 0 && wrote;
}

// Two runs with one seed are to be the same to the last octet, whenever they are made: they begin
// at a time that SOURCE_DATE_EPOCH gives (seconds since 1970, as reproducible-builds.org has it),
// else on the day of the release.
static uint64_t seeded_start_ns(void)
{
	const char *text = getenv("SOURCE_DATE_EPOCH");
	uint64_t given_s = text == NULL ? 0 : strtoull(text, NULL, 10);

	return (given_s != 0 ? given_s : WEIR_RELEASED_S) * NS_PER_S;
}

int identity_make(struct record_identity *identity, const struct settings *settings,
	uint64_t wall_ns, bool *ret_kept, struct problems *problems)
{
	bool offline = settings->files.count > 0 || settings->packet_clock;
	struct hash_key boot = hash_key_new(settings->seed, 0x626f6f74);

	*identity = (struct record_identity){
		.boot_id = boot.k0,
		.tenant = settings->tenant,
		.site = settings->site,
		.run_start_ns = settings->seed != 0 ? seeded_start_ns() : wall_ns,
		.offline = offline,
		.retention_ns = settings->retention,
	};
	*ret_kept = true;
	if (settings->collector_id != NULL) {
		if (parse_id(settings->collector_id, identity->collector_id))
			return 0;
		problems_add(problems, settings->path, 0, "collector_id: takes 32 hex digits");
		return -EINVAL;
	}
	// Who replays a capture must not become a collector for good.
	bool replays = settings->seed != 0 || offline;
	*ret_kept = replays || kept_id(settings, identity->collector_id);
	if (replays || !*ret_kept)
		random_id(identity->collector_id, settings->seed);
	return 0;
}
