// Answers: names by asker and server address.
#include "core/client/answers.h"

#include "core/base/memory.h"

#include <errno.h>
#include <string.h>

// One name that led to the server address, with the times at which it did: the first, then the last
// ones in order.
struct pair_name {
	uint64_t name; // place in the names' memory
	uint8_t count;
	uint64_t times[ANSWER_TIMES];
};

struct answer_pair {
	_Alignas(CACHE_LINE) struct identity asker;
	uint8_t server_ip[16];
	uint32_t bucket, next; // where it is, and who is next there
	uint32_t newer, older; // by last answer
	uint8_t server_ip6;
	uint8_t count;
	struct pair_name names[ANSWERS_KEPT]; // newest first
};
static_assert(offsetof(struct answer_pair, names) == CACHE_LINE);
enum { LINES_READ = 2 }; // most have one name, and little else is asked for
static_assert(sizeof(struct answer_pair) == 4 * CACHE_LINE);

int answers_init(
	struct answers *answers, uint32_t max, struct hash_key key, struct counters *counters)
{
	uint32_t buckets = 1;

	memset(answers, 0, sizeof(*answers));
	answers->newest = answers->oldest = POOL_NONE;
	answers->counters = counters;
	answers->key = key;
	while (buckets < max)
		buckets *= 2;
	answers->names_size = buckets * ANSWER_NAME_OCTETS;
	// Few stand behind another, which lies far.
	buckets *= 2;
	answers->bucket_mask = buckets - 1;
	answers->buckets = memory_reserve(buckets * sizeof(uint32_t));
	answers->names = memory_reserve(answers->names_size);
	if (answers->buckets == NULL || answers->names == NULL)
		return -ENOMEM;
	memset(answers->buckets, 0xff, buckets * sizeof(uint32_t));
	return pool_init(&answers->pool, max, sizeof(struct answer_pair));
}

void answers_fini(struct answers *answers)
{
	pool_fini(&answers->pool);
	if (answers->buckets != NULL)
		memory_release(
			answers->buckets, ((size_t)answers->bucket_mask + 1) * sizeof(uint32_t));
	memory_release(answers->names, answers->names_size);
	answers->buckets = NULL;
	answers->names = NULL;
}

size_t answers_bytes(const struct answers *answers)
{
	return pool_bytes(&answers->pool) + answers->names_size +
		((size_t)answers->bucket_mask + 1) * sizeof(uint32_t);
}

void answers_prefault(struct answers *answers)
{
	pool_prefault(&answers->pool);
	memory_prefault(answers->names, answers->names_size);
}

uint64_t answers_name(struct answers *answers, const uint8_t *name, uint16_t name_len)
{
	uint32_t mask = answers->names_size - 1;
	uint64_t place = answers->names_written;
	uint64_t size = sizeof(uint16_t) + name_len;

	// A name stands in one piece.
	if ((place & mask) + size > answers->names_size)
		place = (place | mask) + 1;
	uint8_t *at = answers->names + (place & mask);
	memcpy(at, &name_len, sizeof(name_len));
	memcpy(at + sizeof(name_len), name, name_len);
	answers->names_written = place + size;
	return place;
}

// False when it was written over since.
static bool read_name(const struct answers *answers, uint64_t place, struct answer_name *ret)
{
	if (answers->names_written - place > answers->names_size)
		return false;
	const uint8_t *at = answers->names + (place & (answers->names_size - 1));
	memcpy(&ret->name_len, at, sizeof(ret->name_len));
	ret->name = at + sizeof(ret->name_len);
	return true;
}

static bool same_name(const struct answers *answers, uint64_t a, uint64_t b)
{
	struct answer_name one, two;

	return a == b ||
		(read_name(answers, a, &one) && read_name(answers, b, &two) &&
			one.name_len == two.name_len &&
			memcmp(one.name, two.name, one.name_len) == 0);
}

uint32_t answers_bucket(const struct answers *answers, const struct identity *asker,
	const uint8_t *server_ip, bool server_ip6)
{
	uint64_t words[5];
	uint32_t server;

	for (unsigned i = 0; i < 3; i++)
		words[i] = identity_word(asker, i);
	if (likely(asker->kind == IDENTITY_IP4 && !server_ip6)) {
		// Both addresses find room in one word.
		memcpy(&server, server_ip, 4);
		words[0] |= IDENTITY_PART(server, 4, 4);
		words[1] = words[2];
		return (uint32_t)hash_words(&answers->key, words, 2) & answers->bucket_mask;
	}
	words[3] = words[4] = 0;
	memcpy(words + 3, server_ip, server_ip6 ? 16 : 4);
	return (uint32_t)hash_words(&answers->key, words, 5) & answers->bucket_mask;
}

static struct answer_pair *find_in(struct answers *answers, uint32_t bucket,
	const struct identity *asker, const uint8_t *server_ip, bool server_ip6)
{
	for (uint32_t idx = answers->buckets[bucket]; idx != POOL_NONE;) {
		struct answer_pair *pair = pool_at(&answers->pool, idx);
		if (pair->server_ip6 == server_ip6 &&
			memcmp(pair->server_ip, server_ip, server_ip6 ? 16 : 4) == 0 &&
			identity_equal(&pair->asker, asker))
			return pair;
		idx = pair->next;
	}
	return NULL;
}

static void unlink_age(struct answers *answers, struct answer_pair *pair)
{
	if (pair->newer != POOL_NONE)
		((struct answer_pair *)pool_at(&answers->pool, pair->newer))->older = pair->older;
	else
		answers->newest = pair->older;
	if (pair->older != POOL_NONE)
		((struct answer_pair *)pool_at(&answers->pool, pair->older))->newer = pair->newer;
	else
		answers->oldest = pair->newer;
}

static void link_newest(struct answers *answers, struct answer_pair *pair)
{
	uint32_t idx = pool_index(&answers->pool, pair);

	pair->newer = POOL_NONE;
	pair->older = answers->newest;
	if (pair->older != POOL_NONE)
		((struct answer_pair *)pool_at(&answers->pool, pair->older))->newer = idx;
	else
		answers->oldest = idx;
	answers->newest = idx;
}

static void forget_oldest(struct answers *answers)
{
	uint32_t idx = answers->oldest;
	struct answer_pair *pair = pool_at(&answers->pool, idx);
	uint32_t *link = &answers->buckets[pair->bucket];

	while (*link != idx)
		link = &((struct answer_pair *)pool_at(&answers->pool, *link))->next;
	*link = pair->next;
	unlink_age(answers, pair);
	pool_give(&answers->pool, idx);
	counter_add(answers->counters, COUNTER_answers_evicted, 1);
	// The two that go next were not touched for as long: the first one's bucket, and the
	// second.
	if (answers->oldest == POOL_NONE)
		return;
	pair = pool_at(&answers->pool, answers->oldest);
	answers_fetch_bucket(answers, pair->bucket);
	if (pair->newer != POOL_NONE)
		__builtin_prefetch(pool_at(&answers->pool, pair->newer), 1);
}

static struct answer_pair *get_pair(struct answers *answers, uint32_t bucket,
	const struct identity *asker, const uint8_t *server_ip, bool server_ip6)
{
	struct answer_pair *pair = find_in(answers, bucket, asker, server_ip, server_ip6);

	if (pair != NULL) {
		unlink_age(answers, pair);
		link_newest(answers, pair);
		return pair;
	}
	if (answers->pool.used == answers->pool.max)
		forget_oldest(answers);
	uint32_t idx = pool_take(&answers->pool);
	pair = pool_at(&answers->pool, idx);
	memset(pair, 0, offsetof(struct answer_pair, names)); // of these, as many as are counted
	pair->asker = *asker;
	memcpy(pair->server_ip, server_ip, server_ip6 ? 16 : 4);
	pair->server_ip6 = server_ip6;
	pair->bucket = bucket;
	pair->next = answers->buckets[bucket];
	answers->buckets[bucket] = idx;
	link_newest(answers, pair);
	return pair;
}

void answers_add(struct answers *answers, uint32_t bucket, const struct identity *asker,
	const uint8_t *server_ip, bool server_ip6, uint64_t name, uint64_t time_ns)
{
	struct answer_pair *pair = get_pair(answers, bucket, asker, server_ip, server_ip6);
	struct pair_name *newest = &pair->names[0];

	if (pair->count > 0 && same_name(answers, newest->name, name)) {
		newest->name = name; // the younger copy is written over later
		if (newest->count == ANSWER_TIMES)
			memmove(&newest->times[1], &newest->times[2],
				(ANSWER_TIMES - 2) * sizeof(newest->times[0]));
		else
			newest->count++;
		newest->times[newest->count - 1] = time_ns;
		return;
	}
	if (pair->count < ANSWERS_KEPT)
		pair->count++;
	memmove(&pair->names[1], &pair->names[0], (pair->count - 1u) * sizeof(*newest));
	*newest = (struct pair_name){.name = name, .count = 1, .times = {time_ns}};
}

bool answers_find(struct answers *answers, uint32_t bucket, const struct identity *asker,
	const uint8_t *server_ip, bool server_ip6, uint64_t not_before_ns, uint64_t when_ns,
	struct answer_name *ret)
{
	const struct answer_pair *pair = find_in(answers, bucket, asker, server_ip, server_ip6);

	for (uint32_t i = 0; pair != NULL && i < pair->count; i++) {
		const struct pair_name *n = &pair->names[i];
		for (uint32_t t = n->count; t-- > 0;) {
			if (n->times[t] > when_ns)
				continue;
			if (n->times[t] < not_before_ns || !read_name(answers, n->name, ret))
				return false;
			ret->time_ns = n->times[t];
			return true;
		}
	}
	return false;
}

void answers_fetch_bucket(const struct answers *answers, uint32_t bucket)
{
	__builtin_prefetch(&answers->buckets[bucket]);
}

void answers_fetch_pair(const struct answers *answers, uint32_t bucket)
{
	uint32_t idx = answers->buckets[bucket];

	if (idx == POOL_NONE)
		return;
	prefetch_octets(pool_at(&answers->pool, idx), LINES_READ * CACHE_LINE);
}

void answers_fetch_around(const struct answers *answers, uint32_t bucket)
{
	uint32_t idx = answers->buckets[bucket];

	if (idx == POOL_NONE)
		return;
	const struct answer_pair *pair = pool_at(&answers->pool, idx);
	if (pair->newer != POOL_NONE)
		__builtin_prefetch(pool_at(&answers->pool, pair->newer), 1);
	if (pair->older != POOL_NONE)
		__builtin_prefetch(pool_at(&answers->pool, pair->older), 1);
	__builtin_prefetch(answers->names + (pair->names[0].name & (answers->names_size - 1)));
}
