// Records found by walkers side by side: record_index.h.
#include "capture/record_index.h"

#include "core/base/compiler.h"

#include <stdbool.h>
#include <string.h>

enum {
	SEARCH_MAX = 4096, // octets in which a stretch's first record is looked for
	SEARCH_AHEAD = 512, // of them fetched at once
	ALIKE = 3, // so many in a row are taken for records
	NEAR_S = 3600, // their times, from that of the record before
};

struct walker {
	size_t first, at, stop; // where it set out, is, and has nothing more to do
	uint32_t *found;
	uint32_t count;
};

struct record {
	uint32_t seconds, fraction, cap_len, wire_len;
};
static_assert(sizeof(struct record) == RECORD_HEAD);

static struct record record_at(const uint8_t *at)
{
	struct record record;

	memcpy(&record, at, sizeof(record));
	return record;
}

static bool looks_like_records(const uint8_t *bytes, size_t size, size_t at,
	const struct record_kind *kind, uint32_t seconds)
{
	for (unsigned i = 0; i < ALIKE; i++) {
		if (at > size - RECORD_HEAD)
			return false;
		struct record r = record_at(bytes + at);
		if (r.seconds - seconds + NEAR_S > 2 * NEAR_S || r.fraction >= kind->fractions ||
			r.cap_len > kind->len_max || r.wire_len < r.cap_len)
			return false;
		at += RECORD_HEAD + r.cap_len;
	}
	return true;
}

// What seems to be a record's beginning at `from` or soon after it, or `size`.
static size_t find_record(const uint8_t *bytes, size_t size, size_t from,
	const struct record_kind *kind, uint32_t seconds)
{
	// The octet of the time that seldom changes.
	enum { HIGH = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 3 : 0 };
	const uint8_t *end = bytes + MIN(size, from + SEARCH_MAX);
	const uint8_t *at = bytes + from + HIGH;

	while (at < end && (at = memchr(at, (int)(seconds >> 24), (size_t)(end - at))) != NULL) {
		size_t first = (size_t)(at++ - bytes) - HIGH;
		if (looks_like_records(bytes, size, first, kind, seconds))
			return first;
	}
	return size;
}

// Returns whether it may go on.
static inline bool step(
	struct walker *w, const uint8_t *bytes, size_t size, const struct record_kind *kind)
{
	uint32_t cap_len;

	if (w->at >= w->stop)
		return false;
	memcpy(&cap_len, bytes + w->at + offsetof(struct record, cap_len), sizeof(cap_len));
	size_t next = w->at + RECORD_HEAD + cap_len;
	if (unlikely(cap_len > kind->len_max || next > size || w->count == RECORD_STRETCH_MAX)) {
		w->stop = w->at;
		return false;
	}
	__builtin_prefetch(bytes + next);
	__builtin_prefetch(bytes + w->at + CACHE_LINE); // headers, for decode
	w->found[w->count++] = (uint32_t)w->at;
	w->at = next;
	return true;
}

static void set_out(struct walker *w, size_t first, size_t stop, uint32_t *found)
{
	*w = (struct walker){.first = first, .at = first, .stop = stop, .found = found};
}

void record_index_fill(struct record_index *index, const uint8_t *bytes, size_t size, size_t from,
	const struct record_kind *kind)
{
	struct walker walkers[RECORD_WALKERS];

	index->count = index->next = 0;
	if (size < RECORD_HEAD || from > size - RECORD_HEAD)
		return;
	size_t last = size - RECORD_HEAD + 1; // here and behind it no record begins
	uint32_t count = (uint32_t)MIN((last - from) / RECORD_STRETCH + 1, (size_t)RECORD_WALKERS);
	for (uint32_t i = 1; i < count; i++)
		for (size_t line = 0; line < SEARCH_AHEAD; line += CACHE_LINE)
			__builtin_prefetch(bytes + from + i * (size_t)RECORD_STRETCH + line);
	for (uint32_t i = 0; i < count; i++) {
		size_t start = from + i * (size_t)RECORD_STRETCH;
		size_t first = i == 0
			? from
			: find_record(bytes, size, start, kind, record_at(bytes + from).seconds);
		set_out(&walkers[i], first, MIN(start + RECORD_STRETCH, last),
			index->at + i * RECORD_STRETCH_MAX);
	}
	for (bool more = true; more;) {
		more = false;
		for (uint32_t i = 0; i < count; i++)
			more = step(&walkers[i], bytes, size, kind) || more;
	}
	index->count = walkers[0].count;
	for (uint32_t i = 1; i < count && walkers[i].first == walkers[i - 1].at; i++) {
		memmove(index->at + index->count, walkers[i].found,
			walkers[i].count * sizeof(uint32_t));
		index->count += walkers[i].count;
	}
}
