// Exact copies of a frame: dedup.h. What was seen is kept as a keyed hash of 64 bits, in sets of a
// cache line, the oldest of a set giving way: that two frames differ and have one hash happens
// once in 10^15 of them.
#include "core/packet/dedup.h"

#include "core/base/memory.h"

#include <errno.h>
#include <string.h>

enum { SET_SIZE = 4, SETS = DEDUP_FRAMES / SET_SIZE };

struct seen {
	uint64_t hash; // 0: empty
	uint64_t time_ns;
};

struct set {
	_Alignas(CACHE_LINE) struct seen seen[SET_SIZE];
};
static_assert(sizeof(struct set) == CACHE_LINE && (SETS & (SETS - 1)) == 0);

struct dedup {
	struct set *sets; // SETS
	uint64_t window_ns;
	const uint8_t *iface_group;
	struct hash_key key;
};

size_t dedup_bytes(void)
{
	return SETS * sizeof(struct set);
}

int dedup_new(struct dedup **ret, uint64_t window_ns, const uint8_t *iface_group,
	const struct hash_key *key)
{
	struct dedup *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return -ENOMEM;
	d->window_ns = window_ns;
	d->iface_group = iface_group;
	d->key = *key;
	d->sets = memory_reserve(dedup_bytes());
	if (d->sets == NULL) {
		dedup_free(d);
		return -ENOMEM;
	}
	*ret = d;
	return 0;
}

void dedup_free(struct dedup *d)
{
	if (d == NULL)
		return;
	memory_release(d->sets, dedup_bytes());
	free(d);
}

static uint64_t hash_of(const struct dedup *d, const struct packet *p)
{
	uint64_t words[] = {
		hash_bytes(&d->key, p->data, p->cap_len),
		(uint64_t)p->cap_len << 32 | p->wire_len,
		d->iface_group[p->iface],
	};
	uint64_t hash = hash_words(&d->key, words, ARRAY_COUNT(words));

	return hash != 0 ? hash : 1;
}

// Whether it is a copy of one that has not taken a copy with it yet. Else it is remembered.
static bool is_copy(struct dedup *d, const struct packet *p)
{
	uint64_t hash = hash_of(d, p);
	struct seen *set = d->sets[hash & (SETS - 1)].seen, *oldest = set;

	for (unsigned i = 0; i < SET_SIZE; i++) {
		bool fresh = p->time_ns - set[i].time_ns <= d->window_ns;
		if (set[i].hash == hash && fresh) {
			set[i] = (struct seen){0};
			return true;
		}
		if (set[i].time_ns < oldest->time_ns)
			oldest = &set[i];
	}
	*oldest = (struct seen){.hash = hash, .time_ns = p->time_ns};
	return false;
}

void dedup_batch(struct dedup *d, struct packet_batch *batch, struct counters *counters)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < batch->count; i++) {
		const struct packet *p = &batch->packets[i];
		if (is_copy(d, p)) {
			counter_add(counters, COUNTER_packets, 1);
			counter_add(counters, COUNTER_bytes, p->wire_len);
			counter_drop(counters, DROP_duplicate);
			continue;
		}
		if (kept < i)
			batch->packets[kept] = *p;
		kept++;
	}
	batch->count = kept;
}
