// Findings: what classifiers said of a flow, in chunks of a shard's pool until the flow's segment
// is written, then as one run of entries in its event.
//
// A flow has at most two streams of chunks, each a sequence of entries that may cross from one
// chunk to the next: DNS entries, which end with their segment, and all else, which stays with the
// flow. The chunk that the flow's index names begins one of them and knows the other.
#include "core/event/findings.h"

#include <string.h>

enum {
	CHUNK_SIZE = 128,
	ENTRY_HEADER = 4, // kind u8, source u8, length u16
	DNS_FIXED = offsetof(struct dns_finding, name_len),
	// An event holds both streams; a flow cannot fill the pool alone.
	STREAM_MAX = 3072,
};

static_assert(DNS_FIXED == 8);

struct chunk {
	uint32_t next; // of the same stream, or POOL_NONE
	uint32_t last; // first of a stream: its last chunk
	uint32_t other; // head: the other stream's first chunk, or POOL_NONE
	uint16_t size; // first of a stream: octets of all entries
	uint8_t used; // octets of this chunk
	uint8_t dns; // DNS: entries in the stream + 1; all else: 0
	uint16_t kinds; // first of a stream: bit k: an entry of kind k
	uint8_t bytes[CHUNK_SIZE - 18];
};
static_assert(sizeof(struct chunk) == CHUNK_SIZE);
static_assert(FINDING_COUNT <= 16);

enum { CHUNK_BYTES = sizeof(((struct chunk *)NULL)->bytes) };

int findings_pool_init(struct findings_pool *pool, uint32_t chunks_max, struct counters *counters)
{
	pool->counters = counters;
	return pool_init(&pool->chunks, chunks_max, CHUNK_SIZE);
}

void findings_pool_fini(struct findings_pool *pool)
{
	pool_fini(&pool->chunks);
}

static struct chunk *chunk_at(const struct findings_pool *pool, uint32_t idx)
{
	return idx == POOL_NONE ? NULL : pool_at(&pool->chunks, idx);
}

// The first chunk of the flow's stream of DNS entries, or of the one of all else, or NULL.
static struct chunk *stream_of(const struct findings_pool *pool, uint32_t head, bool dns)
{
	struct chunk *first = chunk_at(pool, head);

	if (first == NULL || (first->dns > 0) == dns)
		return first;
	return chunk_at(pool, first->other);
}

// A fresh chunk; the caller knows that there is one.
static struct chunk *chunk_take(struct findings_pool *pool, uint32_t *ret_idx)
{
	*ret_idx = pool_take(&pool->chunks);
	struct chunk *chunk = pool_at(&pool->chunks, *ret_idx);

	chunk->next = POOL_NONE;
	chunk->last = *ret_idx;
	chunk->other = POOL_NONE;
	chunk->size = 0;
	chunk->used = 0;
	chunk->dns = 0;
	chunk->kinds = 0;
	return chunk;
}

static struct chunk *stream_begin(struct findings_pool *pool, uint32_t *head, bool dns)
{
	uint32_t idx;
	struct chunk *first = chunk_take(pool, &idx);

	first->dns = dns;
	if (*head == POOL_NONE)
		*head = idx;
	else
		chunk_at(pool, *head)->other = idx;
	return first;
}

static void stream_write(
	struct findings_pool *pool, struct chunk *first, const void *bytes, size_t len)
{
	const uint8_t *from = bytes;
	struct chunk *last = chunk_at(pool, first->last);

	while (len > 0) {
		if (last->used == CHUNK_BYTES) {
			uint32_t idx;
			struct chunk *fresh = chunk_take(pool, &idx);
			last->next = idx;
			first->last = idx;
			last = fresh;
		}
		size_t part = MIN(len, (size_t)(CHUNK_BYTES - last->used));
		memcpy(last->bytes + last->used, from, part);
		last->used = (uint8_t)(last->used + part);
		first->size = (uint16_t)(first->size + part);
		from += part;
		len -= part;
	}
}

// Reads along a stream of chunks.
struct stream_reader {
	const struct findings_pool *pool;
	struct chunk *chunk;
	unsigned at;
};

static uint8_t *stream_octet(struct stream_reader *r)
{
	while (r->chunk != NULL && r->at == r->chunk->used) {
		r->chunk = chunk_at(r->pool, r->chunk->next);
		r->at = 0;
	}
	return r->chunk == NULL ? NULL : &r->chunk->bytes[r->at++];
}

static void stream_skip(struct stream_reader *r, size_t len)
{
	while (len > 0 && r->chunk != NULL) {
		size_t part = MIN(len, (size_t)(r->chunk->used - r->at));
		r->at += (unsigned)part;
		len -= part;
		if (r->at == r->chunk->used) {
			r->chunk = chunk_at(r->pool, r->chunk->next);
			r->at = 0;
		}
	}
}

// Makes room for a better server name: strikes the one that stands, if `source` is better.
static bool server_name_strike(
	const struct findings_pool *pool, struct chunk *first, uint8_t source)
{
	struct stream_reader r = {.pool = pool, .chunk = first};
	uint8_t *kind;

	while ((kind = stream_octet(&r)) != NULL) {
		uint8_t stands = *stream_octet(&r);
		size_t len = *stream_octet(&r);
		len |= (size_t)*stream_octet(&r) << 8;
		if (*kind == FINDING_SERVER_NAME) {
			if (source >= stands)
				return false;
			*kind = FINDING_NONE;
			return true;
		}
		stream_skip(&r, len);
	}
	return false;
}

// What stands before an entry's bytes, and of a DNS entry its fixed part. Octet by octet: what was
// only just written, piece by piece, is slow to read as a whole.
static void stream_begin_entry(struct findings_pool *pool, struct chunk *first, enum finding kind,
	uint8_t source, size_t len, const struct dns_finding *entry)
{
	uint8_t head[ENTRY_HEADER + DNS_FIXED];
	struct chunk *last = chunk_at(pool, first->last);
	size_t size = ENTRY_HEADER + (entry == NULL ? 0 : DNS_FIXED);
	bool fits = last->used + size <= CHUNK_BYTES;
	uint8_t *to = fits ? last->bytes + last->used : head;

	to[0] = (uint8_t)kind;
	to[1] = source;
	to[2] = (uint8_t)(len & 0xff);
	to[3] = (uint8_t)(len >> 8);
	if (entry != NULL) {
		struct dns_finding fixed = {.latency_us = entry->latency_us};
		apart();
		fixed.type = entry->type;
		apart();
		fixed.rcode = entry->rcode;
		memcpy(to + ENTRY_HEADER, &fixed, DNS_FIXED);
	}
	if (!fits) {
		stream_write(pool, first, head, size);
		return;
	}
	last->used = (uint8_t)(last->used + size);
	first->size = (uint16_t)(first->size + size);
}

// `entry`: of a DNS entry, whose fixed part stands before the bytes; else NULL.
static void append(struct findings_pool *pool, uint32_t *head, enum finding kind, uint8_t source,
	const struct dns_finding *entry, const void *bytes, size_t bytes_len)
{
	bool dns = entry != NULL;
	size_t len = bytes_len + (dns ? DNS_FIXED : 0);
	struct chunk *first = stream_of(pool, *head, dns);

	size_t size = first == NULL ? 0 : first->size;
	size_t needed = ENTRY_HEADER + len;
	// No list of entries is broken off in the middle for want of a chunk.
	size_t last_room = first == NULL ? 0 : CHUNK_BYTES - chunk_at(pool, first->last)->used;
	size_t beyond = needed > last_room ? needed - last_room : 0;
	size_t chunks = (beyond + CHUNK_BYTES - 1) / CHUNK_BYTES;
	bool full = dns ? findings_dns_count(pool, *head) >= DNS_ENTRIES_MAX
			: size + needed > STREAM_MAX;

	if (!dns && first != NULL && (first->kinds & 1u << kind)) {
		if (kind != FINDING_SERVER_NAME)
			return;
		if (full || chunks > pool->chunks.max - pool->chunks.used)
			return; // the worse name stays: nothing is lost
		if (!server_name_strike(pool, first, source))
			return;
	} else if (full || chunks > pool->chunks.max - pool->chunks.used) {
		counter_add(pool->counters, COUNTER_findings_lost, 1);
		return;
	}
	if (first == NULL)
		first = stream_begin(pool, head, dns);
	stream_begin_entry(pool, first, kind, source, len, entry);
	stream_write(pool, first, bytes, bytes_len);
	first->kinds = (uint16_t)(first->kinds | 1u << kind);
	if (dns)
		first->dns++;
}

void findings_append_dns(
	struct findings_pool *pool, uint32_t *head, const struct dns_finding *entry)
{
	append(pool, head, FINDING_DNS, 0, entry, entry->name,
		MIN(entry->name_len, (uint16_t)DNS_NAME_MAX));
}

void findings_append(struct findings_pool *pool, uint32_t *head, enum finding kind, uint8_t source,
	const void *bytes, size_t len)
{
	REQUIRE(kind > FINDING_NONE && kind < FINDING_COUNT && kind != FINDING_DNS);
	append(pool, head, kind, source, NULL, bytes, MIN(len, (size_t)FINDING_TEXT_MAX));
}

uint32_t findings_dns_count(const struct findings_pool *pool, uint32_t head)
{
	const struct chunk *first = stream_of(pool, head, true);

	return first == NULL ? 0 : first->dns - 1u;
}

size_t findings_size(const struct findings_pool *pool, uint32_t head)
{
	const struct chunk *first = chunk_at(pool, head);

	if (first == NULL)
		return 0;
	const struct chunk *other = chunk_at(pool, first->other);
	return (size_t)first->size + (other == NULL ? 0 : other->size);
}

void findings_copy(const struct findings_pool *pool, uint32_t head, uint8_t *out)
{
	for (const struct chunk *first = chunk_at(pool, head); first != NULL;
		first = chunk_at(pool, first->other))
		for (const struct chunk *c = first; c != NULL; c = chunk_at(pool, c->next)) {
			memcpy(out, c->bytes, c->used);
			out += c->used;
		}
}

bool findings_have(const struct findings_pool *pool, uint32_t head, enum finding kind)
{
	const struct chunk *first = stream_of(pool, head, kind == FINDING_DNS);

	return first != NULL && (first->kinds & 1u << kind);
}

static void stream_give(struct findings_pool *pool, uint32_t idx)
{
	while (idx != POOL_NONE) {
		uint32_t next = chunk_at(pool, idx)->next;
		pool_give(&pool->chunks, idx);
		idx = next;
	}
}

void findings_give(struct findings_pool *pool, uint32_t *head)
{
	if (*head == POOL_NONE)
		return;
	stream_give(pool, chunk_at(pool, *head)->other);
	stream_give(pool, *head);
	*head = POOL_NONE;
}

void findings_give_dns(struct findings_pool *pool, uint32_t *head)
{
	struct chunk *first = chunk_at(pool, *head);

	if (first == NULL)
		return;
	uint32_t dns = first->dns > 0 ? *head : first->other;
	uint32_t rest = first->dns > 0 ? first->other : *head;
	stream_give(pool, dns);
	if (rest != POOL_NONE)
		chunk_at(pool, rest)->other = POOL_NONE;
	*head = rest;
}

static void read_dns(struct findings_view *view, const uint8_t *bytes, size_t len)
{
	if (view->dns_count == DNS_ENTRIES_MAX || len < DNS_FIXED)
		return;
	struct dns_finding *entry = &view->dns[view->dns_count++];
	memcpy(entry, bytes, DNS_FIXED);
	entry->name = bytes + DNS_FIXED;
	entry->name_len = (uint16_t)(len - DNS_FIXED);
}

void findings_read(struct findings_view *view, const uint8_t *run, size_t size)
{
	memset(view, 0, offsetof(struct findings_view, dns)); // of these, as many as are counted
	for (size_t at = 0; at + ENTRY_HEADER <= size;) {
		uint8_t kind = run[at];
		uint8_t source = run[at + 1];
		size_t len = run[at + 2] | (size_t)run[at + 3] << 8;
		const uint8_t *bytes = run + at + ENTRY_HEADER;

		at += ENTRY_HEADER + len;
		REQUIRE(at <= size && kind < FINDING_COUNT); // our own writing, not the network's
		if (kind == FINDING_DNS) {
			read_dns(view, bytes, len);
		} else if (kind != FINDING_NONE) {
			view->text[kind] = bytes;
			view->len[kind] = (uint16_t)len;
			view->source[kind] = source;
			if (len == sizeof(uint64_t))
				memcpy(&view->number[kind], bytes, len);
		}
	}
}

const uint8_t *findings_first_name(const uint8_t *run, size_t size, uint16_t *ret_len)
{
	if (size < ENTRY_HEADER || (run[0] != FINDING_SERVER_NAME && run[0] != FINDING_DNS))
		return NULL;
	size_t len = run[2] | (size_t)run[3] << 8, before = run[0] == FINDING_DNS ? DNS_FIXED : 0;
	if (len < before)
		return NULL;
	*ret_len = (uint16_t)(len - before);
	return run + ENTRY_HEADER + before;
}
