// A set of client keys, by open addressing.
#include "core/export/key_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	SLOTS_MIN = 512,
	KEY_GROUPS = 1 << 16,
};

// The slot that holds `key`, or the empty one where it belongs.
static uint32_t *key_set_slot(struct key_set *set, const uint8_t key[KEY_SET_KEY_SIZE])
{
	for (uint32_t i = key_set_hash(key);; i++) {
		uint32_t *slot = &set->slots[i & (set->slot_count - 1)];
		if (*slot == 0 || memcmp(set->keys[*slot - 1], key, KEY_SET_KEY_SIZE) == 0)
			return slot;
	}
}

// Half of the slots stay empty.
static int key_set_grow(struct key_set *set)
{
	uint32_t slot_count = set->slot_count == 0 ? SLOTS_MIN : set->slot_count * 2;
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
		*key_set_slot(set, set->keys[i]) = i + 1;
	return 0;
}

int key_set_add(struct key_set *set, const uint8_t key[KEY_SET_KEY_SIZE], bool *ret_new)
{
	static const uint8_t none[KEY_SET_KEY_SIZE];

	if (memcmp(key, none, KEY_SET_KEY_SIZE) == 0) {
		*ret_new = false;
		return 0;
	}
	if (set->count >= set->slot_count / 2) {
		int err = key_set_grow(set);
		if (err != 0)
			return err;
	}
	uint32_t *slot = key_set_slot(set, key);
	*ret_new = *slot == 0;
	if (*slot == 0) {
		memcpy(set->keys[set->count], key, KEY_SET_KEY_SIZE);
		*slot = ++set->count;
	}
	return 0;
}

static uint32_t key_group(const uint8_t key[KEY_SET_KEY_SIZE])
{
	return (uint32_t)key[0] << 8 | key[1];
}

static int key_compare(const void *a, const void *b)
{
	return memcmp(a, b, KEY_SET_KEY_SIZE);
}

// Where each key goes by its first two octets: after the call end[g] is where group g ends. Keys
// are spread evenly, so that a group of a full segment holds one or two.
static void distribute(
	const struct key_set *set, uint8_t (*sorted)[KEY_SET_KEY_SIZE], uint32_t end[KEY_GROUPS])
{
	memset(end, 0, KEY_GROUPS * sizeof(*end));
	for (uint32_t i = 0; i < set->count; i++)
		end[key_group(set->keys[i])]++;
	for (uint32_t g = 0, before = 0; g < KEY_GROUPS; g++) {
		uint32_t count = end[g];
		end[g] = before;
		before += count;
	}
	for (uint32_t i = 0; i < set->count; i++)
		memcpy(sorted[end[key_group(set->keys[i])]++], set->keys[i], KEY_SET_KEY_SIZE);
}

int key_set_sort(struct key_set *set)
{
	if (set->count == 0)
		return 0;
	uint8_t(*sorted)[KEY_SET_KEY_SIZE] =
		malloc((size_t)(set->slot_count / 2) * KEY_SET_KEY_SIZE);
	uint32_t *end = malloc(KEY_GROUPS * sizeof(*end));
	if (sorted == NULL || end == NULL) {
		free(sorted);
		free(end);
		return -ENOMEM;
	}
	distribute(set, sorted, end);
	for (uint32_t g = 0, from = 0; g < KEY_GROUPS; from = end[g++])
		if (end[g] - from > 1)
			qsort(sorted[from], end[g] - from, KEY_SET_KEY_SIZE, key_compare);
	free(end);
	free(set->keys);
	set->keys = sorted;
	return 0;
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
