// The table of clients, and what is learned of one.
#include "core/client/client_table.h"

#include "core/base/memory.h"
#include "core/client/vendor.h"

#include <errno.h>
#include <string.h>

#define ROUTER_SPAN_NS (600 * NS_PER_S)

static size_t refused_bytes(const struct client_table *table)
{
	return ((size_t)table->bucket_mask + 1) * CLIENT_REFUSED_PER_BUCKET *
		sizeof(struct client_refused);
}

int client_table_init(struct client_table *table, uint32_t max, uint32_t random_max,
	uint64_t kept_ns, struct hash_key key)
{
	uint32_t buckets = 1;

	memset(table, 0, sizeof(*table));
	for (unsigned i = 0; i < CLIENT_STANDINGS; i++)
		for (unsigned random = 0; random < 2; random++)
			table->lists[i][random] =
				(struct client_list){.newest = POOL_NONE, .oldest = POOL_NONE};
	table->random_max = MIN(random_max, max);
	table->kept_ns = MAX(kept_ns, CLIENT_KEPT_NS);
	table->key = key;
	// Few that look for somebody who is not there shall find anybody in the bucket: they lie
	// far.
	while (buckets < 4 * (uint64_t)max)
		buckets *= 2;
	table->bucket_mask = buckets - 1;
	int err = pool_init(&table->pool, max, sizeof(struct client));
	if (err)
		return err;
	table->buckets = memory_reserve(buckets * sizeof(uint32_t));
	table->details = memory_reserve(max * sizeof(struct client_detail));
	table->refused = memory_reserve(refused_bytes(table));
	if (table->buckets == NULL || table->details == NULL || table->refused == NULL)
		return -ENOMEM;
	memset(table->buckets, 0xff, buckets * sizeof(uint32_t));
	return pool_init(&table->words, max, sizeof(struct client_words));
}

void client_table_fini(struct client_table *table)
{
	if (table->details != NULL)
		memory_release(table->details, table->pool.max * sizeof(struct client_detail));
	if (table->buckets != NULL)
		memory_release(table->buckets, ((size_t)table->bucket_mask + 1) * sizeof(uint32_t));
	if (table->refused != NULL)
		memory_release(table->refused, refused_bytes(table));
	pool_fini(&table->pool);
	pool_fini(&table->words);
	table->details = NULL;
	table->buckets = NULL;
	table->refused = NULL;
}

size_t client_table_bytes(const struct client_table *table)
{
	return pool_bytes(&table->pool) + pool_bytes(&table->words) +
		table->pool.max * sizeof(struct client_detail) +
		((size_t)table->bucket_mask + 1) * sizeof(uint32_t) + refused_bytes(table);
}

void client_table_prefault(struct client_table *table)
{
	pool_prefault(&table->pool);
}

static bool is_random(const struct identity *id)
{
	return id->kind == IDENTITY_MAC && (id->value[0] & 0x02) != 0;
}

static struct client *at(const struct client_table *table, uint32_t idx)
{
	return pool_at(&table->pool, idx);
}

static struct client_list *list_of(struct client_table *table, const struct client *client)
{
	return &table->lists[client->standing][client->random];
}

static void list_remove(struct client_table *table, struct client *client)
{
	struct client_list *list = list_of(table, client);

	if (client->newer != POOL_NONE)
		at(table, client->newer)->older = client->older;
	else
		list->newest = client->older;
	if (client->older != POOL_NONE)
		at(table, client->older)->newer = client->newer;
	else
		list->oldest = client->newer;
}

static void list_add_newest(struct client_table *table, struct client *client)
{
	struct client_list *list = list_of(table, client);
	uint32_t idx = pool_index(&table->pool, client);

	client->newer = POOL_NONE;
	client->older = list->newest;
	if (list->newest != POOL_NONE)
		at(table, list->newest)->newer = idx;
	else
		list->oldest = idx;
	list->newest = idx;
}

// Who was seen last longest ago of those of this standing, or NULL.
static struct client *oldest_of(
	const struct client_table *table, enum client_standing standing, bool random_only)
{
	uint32_t other = table->lists[standing][0].oldest,
		 random = table->lists[standing][1].oldest;

	if (random == POOL_NONE)
		return random_only || other == POOL_NONE ? NULL : at(table, other);
	if (random_only || other == POOL_NONE)
		return at(table, random);
	struct client *a = at(table, other), *b = at(table, random);
	return a->touched_ns <= b->touched_ns ? a : b;
}

bool client_table_has_place(const struct client_table *table, const struct identity *id,
	enum client_standing standing, uint64_t now_ns, struct client **ret_victim)
{
	bool random_only = is_random(id) && table->random_count >= table->random_max;

	*ret_victim = NULL;
	if (!random_only && table->pool.used < table->pool.max)
		return true;
	for (enum client_standing s = CLIENT_UNSEEN; s < CLIENT_STANDINGS; s++) {
		struct client *oldest = oldest_of(table, s, random_only);
		bool equals = s == CLIENT_ONCE || s == standing;
		uint64_t kept_ns = equals ? CLIENT_KEPT_NS : table->kept_ns;
		if (oldest == NULL ||
			(s != CLIENT_UNSEEN && s >= standing &&
				now_ns < oldest->touched_ns + kept_ns))
			continue;
		*ret_victim = oldest;
		return true;
	}
	return false;
}

bool client_table_refuse(
	struct client_table *table, const struct identity *id, uint32_t bucket, uint64_t now_ns)
{
	struct client_refused *of = &table->refused[(size_t)bucket * CLIENT_REFUSED_PER_BUCKET];
	uint32_t now_ms = (uint32_t)(now_ns / NS_PER_MS);
	const uint64_t words[] = {identity_word(id, 0), identity_word(id, 1), identity_word(id, 2)};

	// Multiply-shift, as in usage.c. To be taken for another gains a forger one place.
	uint64_t mixed = (words[0] ^ words[2] << 32) * (table->key.k0 | 1) +
		(words[1] ^ words[2]) * (table->key.k1 | 1);
	uint32_t tag = (uint32_t)(mixed >> 32) | 1;
	for (unsigned i = 0; i < CLIENT_REFUSED_PER_BUCKET; i++)
		if (of[i].tag == tag)
			return now_ms - of[i].when_ms >= CLIENT_TOUCH_NS / NS_PER_MS;
	memmove(&of[1], &of[0], (CLIENT_REFUSED_PER_BUCKET - 1) * sizeof(*of));
	of[0] = (struct client_refused){.tag = tag, .when_ms = now_ms};
	return false;
}

void client_table_remove(struct client_table *table, struct client *client)
{
	uint32_t idx = pool_index(&table->pool, client);
	uint32_t *link = &table->buckets[client->bucket];

	while (*link != idx)
		link = &at(table, *link)->next;
	*link = client->next;
	list_remove(table, client);
	table->random_count -= client->random;
	if (client->words != POOL_NONE)
		pool_give(&table->words, client->words);
	client->id.kind = IDENTITY_NONE; // whoever remembers the place sees that it is gone
	pool_give(&table->pool, idx);
	// Those who go next have not been touched for as long: the next one's bucket, and the one
	// after.
	struct client *next = client_table_next(table, client);
	if (next == NULL)
		return;
	prefetch(&table->buckets[next->bucket]);
	if (next->newer != POOL_NONE)
		client_fetch(table, at(table, next->newer));
}

struct client *client_table_next(const struct client_table *table, const struct client *client)
{
	uint32_t oldest = table->lists[client->standing][client->random].oldest;

	return oldest == POOL_NONE ? NULL : at(table, oldest);
}

struct client *client_table_add(
	struct client_table *table, const struct identity *id, uint32_t bucket)
{
	uint32_t idx = pool_take(&table->pool);
	REQUIRE(idx != POOL_NONE);
	struct client *client = at(table, idx);

	*client = (struct client){.id = *id,
		.serial = ++table->serials,
		.bucket = bucket,
		.next = table->buckets[bucket],
		.due_ns = CLIENT_NEVER,
		.touched_ns = CLIENT_NEVER,
		.words = POOL_NONE,
		.random = is_random(id),
		.router_since_ns = CLIENT_NEVER,
		.vendor = id->kind == IDENTITY_MAC ? vendor_of(id->value) : NULL};
	table->buckets[bucket] = idx;
	list_add_newest(table, client);
	table->random_count += client->random;
	pool_fetch_next(&table->pool);
	return client;
}

void client_table_touch(struct client_table *table, struct client *client,
	enum client_standing standing, uint64_t now_ns)
{
	bool later = client->touched_ns != CLIENT_NEVER &&
		now_ns >= client->touched_ns + CLIENT_TOUCH_NS;

	if (likely(!later && standing <= client->standing))
		return;
	if (later && standing < CLIENT_AGAIN)
		standing = CLIENT_AGAIN;
	list_remove(table, client);
	if (standing > client->standing)
		client->standing = (uint8_t)standing;
	client->touched_ns = now_ns;
	list_add_newest(table, client);
}

struct client_words *client_words(struct client_table *table, struct client *client)
{
	if (client->words == POOL_NONE)
		client->words = pool_take(&table->words); // there is one for each client
	return pool_at(&table->words, client->words);
}

// Where an address stands or may stand: its own place, a free one, that of the one unseen longest.
static struct client_address *address_place(
	struct client *client, struct client_detail *detail, const struct client_address *address)
{
	struct client_address *oldest = &detail->addresses[0];

	for (unsigned i = 0; i < client->address_count; i++) {
		struct client_address *a = &detail->addresses[i];
		if (a->ip_version == address->ip_version &&
			memcmp(a->ip, address->ip, address->ip_version == 4 ? 4 : 16) == 0)
			return a;
		if (a->to_ns < oldest->to_ns)
			oldest = a;
	}
	if (client->address_count < CLIENT_ADDRESSES_MAX)
		oldest = &detail->addresses[client->address_count++];
	oldest->ip_version = 0;
	return oldest;
}

bool client_learn_address(struct client *client, struct client_detail *detail,
	const struct client_address *address, bool asked)
{
	struct client_address *a = address_place(client, detail, address);
	uint16_t bit = (uint16_t)(1u << (a - detail->addresses));

	if (a->ip_version == 0) {
		*a = *address;
		client->asked = (uint16_t)(asked ? client->asked | bit : client->asked & ~bit);
		return true;
	}
	if (asked)
		client->asked |= bit;
	a->binding = address->binding;
	a->from_ns = MIN(a->from_ns, address->from_ns);
	a->to_ns = MAX(a->to_ns, address->to_ns);
	if (a->source == address->source)
		return false;
	a->source = address->source;
	return true;
}

uint8_t client_address_place(
	const struct client *client, const struct client_detail *detail, uint32_t binding)
{
	uint8_t place = 0;

	while (place + 1 < client->address_count && detail->addresses[place].binding != binding)
		place++;
	return place;
}

void client_mark_asked(
	struct client *client, struct client_detail *detail, const uint8_t *ip, uint8_t ip_version)
{
	for (unsigned i = 0; i < client->address_count; i++) {
		const struct client_address *a = &detail->addresses[i];
		if (a->ip_version == ip_version && memcmp(a->ip, ip, ip_version == 4 ? 4 : 16) == 0)
			client->asked |= (uint16_t)(1u << i);
	}
}

bool client_learn_name(struct client *client, struct client_words *words,
	enum client_name_source source, const uint8_t *text, size_t len, uint64_t time_ns)
{
	struct client_name *names = words->names;
	unsigned i = 0;

	if (len == 0)
		return false;
	len = MIN(len, sizeof(names->text));
	while (i < client->name_count &&
		(names[i].source != source || names[i].len != len ||
			memcmp(names[i].text, text, len) != 0))
		i++;
	bool known = i < client->name_count;
	// To the front: those before it move on by one, over its old place or the oldest's.
	if (!known || i > 0) {
		if (!known && client->name_count < CLIENT_NAMES_MAX)
			client->name_count++;
		i = MIN(i, client->name_count - 1u);
		memmove(&names[1], &names[0], i * sizeof(*names));
		names[0].source = (uint8_t)source;
		names[0].len = (uint8_t)len;
		memcpy(names[0].text, text, len);
	}
	names[0].time_ns = time_ns;
	return !known;
}

bool client_learn_dhcp_options(
	struct client *client, struct client_words *words, const uint8_t *text, size_t len)
{
	len = MIN(len, (size_t)DHCP_OPTIONS_MAX);
	if (len == 0 ||
		(client->dhcp_options_len == len && memcmp(words->dhcp_options, text, len) == 0))
		return false;
	memcpy(words->dhcp_options, text, len);
	words->dhcp_options[len] = '\0';
	client->dhcp_options_len = (uint16_t)len;
	return true;
}

bool client_learn_vendor_class(
	struct client *client, struct client_words *words, const uint8_t *text, size_t len)
{
	len = MIN(len, (size_t)DHCP_VENDOR_CLASS_MAX);
	if (len == 0 ||
		(client->dhcp_vendor_class_len == len &&
			memcmp(words->dhcp_vendor_class, text, len) == 0))
		return false;
	memcpy(words->dhcp_vendor_class, text, len);
	client->dhcp_vendor_class_len = (uint16_t)len;
	return true;
}

bool client_carries(struct client *client, const uint8_t ip[4], uint64_t start_ns, uint64_t end_ns)
{
	uint32_t address;
	unsigned oldest = 0, recent = 0;

	memcpy(&address, ip, 4);
	for (unsigned i = 0; i < client->source_count; i++) {
		if (client->sources[i] == address) {
			client->source_ns[i] = MAX(client->source_ns[i], end_ns);
			return false;
		}
		if (client->source_ns[i] + ROUTER_SPAN_NS >= start_ns)
			recent++;
		if (client->source_ns[i] < client->source_ns[oldest])
			oldest = i;
	}
	if (client->source_count < ROUTER_SOURCES)
		oldest = client->source_count++;
	client->sources[oldest] = address;
	client->source_ns[oldest] = end_ns;
	return client->router_since_ns == CLIENT_NEVER && recent + 1 >= ROUTER_SOURCES;
}
