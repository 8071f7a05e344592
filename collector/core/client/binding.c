// Bindings of addresses to MACs over time.
#include "core/client/binding.h"

#include "core/base/memory.h"

#include <errno.h>
#include <string.h>

static uint32_t power_of_two(uint32_t at_least)
{
	uint32_t p = 1;

	while (p < at_least)
		p *= 2;
	return p;
}

int bindings_init(struct bindings *bindings, uint32_t max, struct hash_key key)
{
	memset(bindings, 0, sizeof(*bindings));
	bindings->newest = bindings->oldest = POOL_NONE;
	bindings->key = key;
	uint32_t buckets = power_of_two(2 * max);
	bindings->bucket_mask = buckets - 1;
	bindings->buckets = memory_reserve(buckets * sizeof(uint32_t));
	if (bindings->buckets == NULL)
		return -ENOMEM;
	memset(bindings->buckets, 0xff, buckets * sizeof(uint32_t));
	return pool_init(&bindings->pool, max, sizeof(struct binding));
}

void bindings_fini(struct bindings *bindings)
{
	pool_fini(&bindings->pool);
	if (bindings->buckets != NULL)
		memory_release(
			bindings->buckets, ((size_t)bindings->bucket_mask + 1) * sizeof(uint32_t));
	bindings->buckets = NULL;
}

size_t bindings_bytes(const struct bindings *bindings)
{
	return pool_bytes(&bindings->pool) + ((size_t)bindings->bucket_mask + 1) * sizeof(uint32_t);
}

void bindings_prefault(struct bindings *bindings)
{
	pool_prefault(&bindings->pool);
}

static void unlink_use(struct bindings *bindings, struct binding *b)
{
	if (b->newer != POOL_NONE)
		((struct binding *)pool_at(&bindings->pool, b->newer))->older = b->older;
	else
		bindings->newest = b->older;
	if (b->older != POOL_NONE)
		((struct binding *)pool_at(&bindings->pool, b->older))->newer = b->newer;
	else
		bindings->oldest = b->newer;
}

static void link_newest(struct bindings *bindings, struct binding *b)
{
	uint32_t idx = pool_index(&bindings->pool, b);

	b->newer = POOL_NONE;
	b->older = bindings->newest;
	if (b->older != POOL_NONE)
		((struct binding *)pool_at(&bindings->pool, b->older))->newer = idx;
	else
		bindings->oldest = idx;
	bindings->newest = idx;
}

static void forget_oldest(struct bindings *bindings)
{
	struct binding *b = pool_at(&bindings->pool, bindings->oldest);
	uint32_t idx = bindings->oldest;
	uint32_t *link = &bindings->buckets[binding_bucket(bindings, &b->address)];

	while (*link != idx)
		link = &((struct binding *)pool_at(&bindings->pool, *link))->next;
	*link = b->next;
	unlink_use(bindings, b);
	b->address.kind = IDENTITY_NONE; // whoever remembers the place sees that it is gone
	pool_give(&bindings->pool, idx);
	// The next to go has not been touched for as long.
	if (bindings->oldest != POOL_NONE)
		__builtin_prefetch(pool_at(&bindings->pool, bindings->oldest));
}

void binding_use(struct bindings *bindings, struct binding *b, uint64_t now_ns)
{
	if (now_ns < b->used_ns + BINDING_USE_NS)
		return;
	b->used_ns = now_ns;
	unlink_use(bindings, b);
	link_newest(bindings, b);
}

bool bindings_have_room(const struct bindings *bindings, uint64_t since_ns)
{
	if (bindings->pool.used < bindings->pool.max)
		return true;
	const struct binding *oldest = pool_at(&bindings->pool, bindings->oldest);
	return oldest->used_ns <= since_ns;
}

struct binding *binding_get(
	struct bindings *bindings, const struct identity *address, uint64_t now_ns)
{
	uint32_t bucket = binding_bucket(bindings, address);
	struct binding *b = binding_find_in(bindings, bucket, address);

	if (b != NULL) {
		binding_use(bindings, b, now_ns);
		return b;
	}
	if (bindings->pool.used == bindings->pool.max)
		forget_oldest(bindings);
	uint32_t idx = pool_take(&bindings->pool);
	b = pool_at(&bindings->pool, idx);
	*b = (struct binding){.address = *address,
		.on_link_ns = BINDING_NEVER,
		.used_ns = now_ns,
		.next = bindings->buckets[bucket]};
	bindings->buckets[bucket] = idx;
	link_newest(bindings, b);
	pool_fetch_next(&bindings->pool);
	return b;
}

// DHCP's server knows best, a neighbour speaks for itself, traffic may pass a router.
static int source_rank(uint8_t source)
{
	static const uint8_t rank[] = {
		[ADDRESS_NONE] = 0,
		[ADDRESS_TRAFFIC] = 1,
		[ADDRESS_ARP] = 2,
		[ADDRESS_NDP] = 2,
		[ADDRESS_DHCP] = 3,
	};
	return rank[source];
}

// A free place, or that of the oldest holder whom only traffic showed, or of the oldest of all.
static uint32_t place_of_least(const struct binding *b)
{
	if (b->holder_count < BINDING_HOLDERS)
		return b->holder_count;
	for (uint32_t i = BINDING_HOLDERS; i-- > 0;)
		if (b->holders[i].said_ns == BINDING_NEVER)
			return i;
	return BINDING_HOLDERS - 1;
}

bool binding_learn(struct binding *b, const uint8_t *mac, enum address_source source,
	uint64_t from_ns, uint64_t to_ns)
{
	struct holder *h = &b->holders[0];

	if (b->holder_count > 0 && memcmp(h->mac, mac, 6) == 0) {
		// Not past the holder before: it had the address until somebody else took it.
		if (b->holder_count > 1)
			from_ns = MAX(from_ns, b->holders[1].to_ns);
		h->from_ns = MIN(h->from_ns, from_ns);
		h->to_ns = MAX(h->to_ns, to_ns);
		if (source != ADDRESS_TRAFFIC)
			h->said_ns = MIN(h->said_ns, to_ns);
		if (source_rank((uint8_t)source) > source_rank(h->source)) {
			h->source = (uint8_t)source;
			b->told = 0;
		}
		return true;
	}
	if (b->holder_count > 0) {
		if (to_ns < h->from_ns)
			return false;
		if (source == ADDRESS_TRAFFIC && h->source != ADDRESS_TRAFFIC &&
			from_ns < h->to_ns + BINDING_SILENCE_NS)
			return false;
		from_ns = MAX(from_ns, h->from_ns);
	}
	uint32_t place = place_of_least(b);
	b->marked = false;
	memmove(&b->holders[1], &b->holders[0], place * sizeof(*h));
	b->holder_count = (uint8_t)MAX((uint32_t)b->holder_count, place + 1);
	b->told = 0;
	*h = (struct holder){.source = (uint8_t)source,
		.from_ns = from_ns,
		.to_ns = to_ns,
		.said_ns = source == ADDRESS_TRAFFIC ? BINDING_NEVER : to_ns};
	memcpy(h->mac, mac, 6);
	return true;
}

const struct holder *binding_holder(const struct binding *b, uint64_t when_ns)
{
	for (uint32_t i = 0; i < b->holder_count; i++)
		if (b->holders[i].from_ns <= when_ns)
			return &b->holders[i];
	return b->holder_count > 0 ? &b->holders[b->holder_count - 1] : NULL;
}

const struct holder *binding_said(const struct binding *b, uint64_t when_ns, uint64_t known_ns)
{
	const struct holder *first = NULL;

	for (uint32_t i = 0; i < b->holder_count; i++) {
		const struct holder *h = &b->holders[i];
		if (h->said_ns <= when_ns)
			return h;
		if (h->said_ns <= known_ns)
			first = h;
	}
	return first;
}
