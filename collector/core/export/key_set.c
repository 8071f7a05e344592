// A set of client keys, by open addressing. The keys are outputs of a keyed hash, so their own
// first octets spread them.
#include "core/export/key_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS_MIN = 512 };

// The slot that holds `key`, or the empty one where it belongs.
static uint32_t *key_set_slot(struct key_set *set, const uint8_t key[KEY_SET_KEY_SIZE])
{
	uint32_t hash;

	memcpy(&hash, key, sizeof(hash));
	for (uint32_t i = hash;; i++) {
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

static int key_compare(const void *a, const void *b)
{
	return memcmp(a, b, KEY_SET_KEY_SIZE);
}

void key_set_sort(struct key_set *set)
{
	if (set->count > 0)
		qsort(set->keys, set->count, KEY_SET_KEY_SIZE, key_compare);
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
