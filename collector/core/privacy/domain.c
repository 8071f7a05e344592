// The registrable domain, by libpsl.
#include "core/privacy/domain.h"

#include "core/base/compiler.h"
#include "core/base/hash.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <libpsl.h>
#include <string.h>

enum {
	// No rule of the list has more labels; looking at more would let long names cost time.
	RULE_LABELS_MAX = 6,
	CACHE_SETS = 4096,
	CACHE_WAYS = 2,
	SUFFIXES = 1024,
};

struct domain_list {
	psl_ctx_t *psl;
};

// Not the Internet's, or not a host's: RFC 6761, 6762, 7686, 8375, 9476, and what home gateways
// use.
static const char *const special_use[] = {"alt", "arpa", "corp", "example", "home", "internal",
	"intranet", "invalid", "lan", "local", "localdomain", "localhost", "mail", "onion",
	"private", "test"};

int domain_list_new(struct domain_list **ret)
{
	struct domain_list *list = calloc(1, sizeof(*list));

	if (list == NULL)
		return -ENOMEM;
	list->psl = psl_latest(NULL);
	if (list->psl == NULL) {
		free(list);
		return -ENOENT;
	}
	*ret = list;
	return 0;
}

void domain_list_free(struct domain_list *list)
{
	if (list == NULL)
		return;
	psl_free(list->psl);
	free(list);
}

// Lower case, without port and final dot; 0 when it can be no host name. NUL-terminated.
static size_t normalised(const uint8_t *name, size_t len, char out[DOMAIN_SIZE_MAX + 1])
{
	size_t digits = 0;

	while (digits < len && isdigit(name[len - 1 - digits]))
		digits++;
	if (digits > 0 && digits < len && name[len - 1 - digits] == ':')
		len -= digits + 1;
	if (len > 0 && name[len - 1] == '.')
		len--;
	if (len == 0 || len > DOMAIN_SIZE_MAX - 1)
		return 0;
	uint8_t before = '.';
	for (size_t i = 0; i < len; i++) {
		uint8_t at = name[i];
		if (at >= 'A' && at <= 'Z')
			at = (uint8_t)(at + ('a' - 'A'));
		bool allowed = (at >= 'a' && at <= 'z') || (at >= '0' && at <= '9') || at == '-' ||
			at == '_' || at == '.';
		if (!allowed || (at == '.' && before == '.'))
			return 0;
		out[i] = (char)at;
		before = at;
	}
	out[len] = '\0';
	return len;
}

static bool is_special_use(const char *top)
{
	for (size_t i = 0; i < ARRAY_COUNT(special_use); i++)
		if (strcmp(top, special_use[i]) == 0)
			return true;
	return false;
}

// By keyed hashes: no name stands here. A registrable domain is a piece of its name, from `offset`;
// `len` 0: there is none.
struct domain_cache {
	const struct domain_list *list;
	struct hash_key key;
	struct entry {
		uint64_t hash;
		uint8_t offset, len;
		bool used;
	} entries[CACHE_SETS][CACHE_WAYS]; // the one asked for last first
	// Of a flood of made-up names the ends are the same.
	struct suffix {
		uint64_t hash;
		bool used, is_public;
	} suffixes[SUFFIXES];
};

static bool in_list(const struct domain_list *list, const char *suffix)
{
	return psl_is_public_suffix2(list->psl, suffix, PSL_TYPE_ICANN | PSL_TYPE_NO_STAR_RULE) !=
		0;
}

static bool in_list_cached(struct domain_cache *cache, const char *suffix, size_t len)
{
	uint64_t hash = hash_bytes(&cache->key, suffix, len);
	struct suffix *known = &cache->suffixes[hash % SUFFIXES];

	if (!known->used || known->hash != hash)
		*known = (struct suffix){hash, true, in_list(cache->list, suffix)};
	return known->is_public;
}

// Where in `name` its registrable domain stands: returns its length, or 0. `cache`: or NULL.
static size_t locate(const struct domain_list *list, struct domain_cache *cache,
	const uint8_t *name, size_t name_len, size_t *ret_offset)
{
	char text[DOMAIN_SIZE_MAX + 1];
	size_t len = normalised(name, name_len, text);
	size_t start[RULE_LABELS_MAX + 1]; // of the last labels, rightmost first
	unsigned count = 0;

	if (len == 0)
		return 0;
	for (size_t i = len; i-- > 0 && count < ARRAY_COUNT(start);)
		if (i == 0 || text[i - 1] == '.')
			start[count++] = i;
	if (count < 2 || is_special_use(text + start[0]))
		return 0;
	// The longest suffix that is public, and one label more.
	for (unsigned label = MIN(count, (unsigned)RULE_LABELS_MAX); label-- > 0;) {
		const char *suffix = text + start[label];
		// What stands before the last two labels is seldom seen again.
		bool is_public = cache != NULL && label < 2
			? in_list_cached(cache, suffix, len - start[label])
			: in_list(list, suffix);
		if (!is_public)
			continue;
		if (label + 1 >= count)
			return 0; // the whole name is a public suffix
		*ret_offset = start[label + 1];
		return len - start[label + 1];
	}
	return 0;
}

static void copy_lower(char *to, const uint8_t *from, size_t len)
{
	for (size_t i = 0; i < len; i++)
		to[i] = (char)(from[i] >= 'A' && from[i] <= 'Z' ? from[i] + ('a' - 'A') : from[i]);
}

size_t domain_registrable(const struct domain_list *list, const uint8_t *name, size_t name_len,
	char ret[DOMAIN_SIZE_MAX])
{
	size_t offset = 0;
	size_t len = locate(list, NULL, name, name_len, &offset);

	copy_lower(ret, name + offset, len);
	return len;
}

unsigned domain_ip_literal(const uint8_t *name, size_t name_len, uint8_t ret_ip[16])
{
	char text[INET6_ADDRSTRLEN + 9];

	if (name_len == 0 || name_len >= sizeof(text))
		return 0;
	memcpy(text, name, name_len);
	text[name_len] = '\0';
	if (strlen(text) != name_len)
		return 0;
	if (text[0] == '[') {
		char *close = strchr(text, ']');
		if (close == NULL)
			return 0;
		*close = '\0';
		return inet_pton(AF_INET6, text + 1, ret_ip) == 1 ? 16 : 0;
	}
	if (inet_pton(AF_INET6, text, ret_ip) == 1)
		return 16;
	char *colon = strchr(text, ':');
	if (colon != NULL)
		*colon = '\0';
	return inet_pton(AF_INET, text, ret_ip) == 1 ? 4 : 0;
}

int domain_cache_new(struct domain_cache **ret, const struct domain_list *list)
{
	struct domain_cache *cache = calloc(1, sizeof(*cache));

	if (cache == NULL)
		return -ENOMEM;
	cache->list = list;
	cache->key = hash_key_new(0, 0);
	*ret = cache;
	return 0;
}

void domain_cache_free(struct domain_cache *cache)
{
	free(cache);
}

uint64_t domain_cache_fetch(const struct domain_cache *cache, const uint8_t *name, size_t name_len)
{
	if (name_len == 0 || name_len > DOMAIN_SIZE_MAX)
		return 0;
	uint64_t hash = hash_bytes(&cache->key, name, name_len);
	prefetch(cache->entries[hash % CACHE_SETS]);
	return hash;
}

size_t domain_cached(struct domain_cache *cache, uint64_t hash, const uint8_t *name,
	size_t name_len, char ret[DOMAIN_SIZE_MAX])
{
	if (name_len == 0 || name_len > DOMAIN_SIZE_MAX)
		return 0;
	if (hash == 0)
		hash = hash_bytes(&cache->key, name, name_len);
	struct entry *entry = cache->entries[hash % CACHE_SETS], found = entry[0];

	if (!found.used || found.hash != hash) {
		found = entry[1];
		if (!found.used || found.hash != hash) {
			size_t offset = 0;
			size_t len = locate(cache->list, cache, name, name_len, &offset);
			found = (struct entry){hash, (uint8_t)offset, (uint8_t)len, true};
		}
		entry[1] = entry[0];
		entry[0] = found;
	}
	if (found.offset + (size_t)found.len > name_len)
		return 0;
	copy_lower(ret, name + found.offset, found.len);
	return found.len;
}
