// Reads bytes that may be hostile. Reading past the end gives zeros and marks the cursor bad, and
// every later read is harmless; so a parser reads what it wants and asks once, at the end.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cursor {
	const uint8_t *at;
	size_t left;
	bool bad;
};

static inline struct cursor cursor_of(const uint8_t *bytes, size_t len)
{
	return (struct cursor){.at = bytes, .left = len};
}

// The next `count` bytes, borrowed, or NULL when there are fewer.
static inline const uint8_t *cursor_take(struct cursor *c, size_t count)
{
	if (count > c->left) {
		c->left = 0;
		c->bad = true;
		return NULL;
	}
	const uint8_t *taken = c->at;
	c->at += count;
	c->left -= count;
	return taken;
}

static inline void cursor_skip(struct cursor *c, size_t count)
{
	(void)cursor_take(c, count);
}

static inline uint8_t cursor_u8(struct cursor *c)
{
	const uint8_t *p = cursor_take(c, 1);
	return p == NULL ? 0 : p[0];
}

static inline uint16_t cursor_u16(struct cursor *c)
{
	const uint8_t *p = cursor_take(c, 2);
	if (p == NULL)
		return 0;
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t cursor_u24(struct cursor *c)
{
	const uint8_t *p = cursor_take(c, 3);
	return p == NULL ? 0 : (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
}

static inline uint32_t cursor_u32(struct cursor *c)
{
	const uint8_t *p = cursor_take(c, 4);
	return p == NULL ? 0
			 : (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

// A cursor over the next `count` bytes; bad, with nothing to read, when there are fewer.
static inline struct cursor cursor_sub(struct cursor *c, size_t count)
{
	const uint8_t *p = cursor_take(c, count);
	if (p == NULL)
		return (struct cursor){.bad = true};
	return cursor_of(p, count);
}
