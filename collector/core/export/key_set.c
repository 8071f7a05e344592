// A set of client keys, by open addressing. A slot has some of its key's octets, so that other keys
// are seldom looked at.
#include "core/export/key_set.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	SLOTS_MIN = 512,
	SLOT_INDEX = KEY_SET_MAX, // of a slot; above it stands some of the key
	// Keys that are not spread, as in a file that was tampered with, are not moved one by one.
	MOVES_A_KEY = 8,
};

static uint32_t key_tag(const uint8_t key[KEY_SET_KEY_SIZE])
{
	uint32_t word;

	memcpy(&word, key + sizeof(word), sizeof(word));
	return word & ~(uint32_t)SLOT_INDEX;
}

// The slot that holds `key`, or the empty one where it belongs.
static uint32_t *key_set_slot(struct key_set *set, const uint8_t key[KEY_SET_KEY_SIZE])
{
	uint32_t tag = key_tag(key);

	for (uint32_t i = key_set_hash(key);; i++) {
		uint32_t *slot = &set->slots[i & (set->slot_count - 1)];
		if (*slot == 0)
			return slot;
		if ((*slot & ~(uint32_t)SLOT_INDEX) == tag &&
			memcmp(set->keys[(*slot & SLOT_INDEX) - 1], key, KEY_SET_KEY_SIZE) == 0)
			return slot;
	}
}

// Half of the slots stay empty. Apart from key_set_add(), which is called for each row and seldom
// comes here.
static __attribute__((noinline)) int key_set_grow(struct key_set *set)
{
	uint32_t slot_count = set->slot_count == 0 ? SLOTS_MIN : set->slot_count * 2;
	if (slot_count / 2 > KEY_SET_MAX + 1)
		return -ENOMEM;
	uint32_t *slots = calloc(slot_count, sizeof(*slots));
	void *keys = realloc(set->keys, (size_t)(slot_count / 2) * KEY_SET_KEY_SIZE);

	if (keys != NULL)
		set->keys = keys;
	if (slots == NULL || keys == NULL) {
		free(slots);
		return -ENOMEM;
	}
	free(set->slots);
	set->slots = slots;
	set->slot_count = slot_count;
	for (uint32_t i = 0; i < set->count; i++)
		*key_set_slot(set, set->keys[i]) = key_tag(set->keys[i]) | (i + 1);
	return 0;
}

int key_set_add(struct key_set *set, const uint8_t key[KEY_SET_KEY_SIZE], bool *ret_new)
{
	static const uint8_t none[KEY_SET_KEY_SIZE];

	*ret_new = false;
	if (memcmp(key, none, KEY_SET_KEY_SIZE) == 0)
		return 0;
	if (set->count >= set->slot_count / 2) {
		int err = key_set_grow(set);
		if (err != 0)
			return err;
	}
	uint32_t *slot = key_set_slot(set, key);
	if (*slot != 0)
		return 0;
	if (set->count == KEY_SET_MAX)
		return -ENOMEM;
	memcpy(set->keys[set->count], key, KEY_SET_KEY_SIZE);
	*slot = key_tag(key) | ++set->count;
	*ret_new = true;
	return 0;
}

static int key_compare(const void *a, const void *b)
{
	return memcmp(a, b, KEY_SET_KEY_SIZE);
}

static bool key_before(const uint8_t a[KEY_SET_KEY_SIZE], const uint8_t b[KEY_SET_KEY_SIZE])
{
	uint64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	if (x != y)
		return be64toh(x) < be64toh(y);
	return key_compare(a, b) < 0;
}

// By their first bits: as many groups as half of the slots, which hold their ends meanwhile. Keys
// are spread evenly, so that a group holds one or two.
static void distribute(struct key_set *set, uint8_t (*sorted)[KEY_SET_KEY_SIZE])
{
	uint32_t *end = set->slots, groups = set->slot_count / 2;
	unsigned shift = (unsigned)__builtin_clz(groups) + 1;

	memset(end, 0, groups * sizeof(*end));
	for (uint32_t i = 0; i < set->count; i++)
		end[be32toh(key_set_hash(set->keys[i])) >> shift]++;
	for (uint32_t g = 0, before = 0; g < groups; g++) {
		uint32_t count = end[g];
		end[g] = before;
		before += count;
	}
	for (uint32_t i = 0; i < set->count; i++)
		memcpy(sorted[end[be32toh(key_set_hash(set->keys[i])) >> shift]++], set->keys[i],
			KEY_SET_KEY_SIZE);
}

void key_set_sort(struct key_set *set, uint8_t (*sorted)[KEY_SET_KEY_SIZE])
{
	uint64_t moves = 0;

	if (set->count == 0)
		return;
	distribute(set, sorted);
	// What is left out of order stands close to its place.
	for (uint32_t i = 1; i < set->count; i++) {
		uint8_t key[KEY_SET_KEY_SIZE];
		uint32_t at = i;

		if (!key_before(sorted[i], sorted[i - 1]))
			continue;
		memcpy(key, sorted[i], sizeof(key));
		for (; at > 0 && key_before(key, sorted[at - 1]); at--)
			memcpy(sorted[at], sorted[at - 1], KEY_SET_KEY_SIZE);
		memcpy(sorted[at], key, sizeof(key));
		moves += i - at;
		if (moves > (uint64_t)MOVES_A_KEY * set->count) {
			qsort(sorted, set->count, KEY_SET_KEY_SIZE, key_compare);
			return;
		}
	}
}

void key_set_clear(struct key_set *set)
{
	if (set->slots != NULL)
		memset(set->slots, 0, (size_t)set->slot_count * sizeof(*set->slots));
	set->count = 0;
}

void key_set_fini(struct key_set *set)
{
	free(set->keys);
	free(set->slots);
	*set = (struct key_set){0};
}
