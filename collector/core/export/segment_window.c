// A window that slides over a segment: segment_window.h.
#include "core/export/segment_window.h"

#include "core/base/compiler.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	READ_SIZE = 256 << 10,
	WINDOW_MAX = sizeof(struct segment_block_head) + SEGMENT_KEYS_MAX * SEGMENT_KEY_SIZE +
		SEGMENT_PACKED_MAX + SEGMENT_MAGIC_SIZE,
};

int window_init(struct segment_window *w)
{
	*w = (struct segment_window){.fd = -1, .buffer_max = 2 * READ_SIZE};
	w->buffer = malloc(w->buffer_max);
	return w->buffer == NULL ? -ENOMEM : 0;
}

void window_fini(struct segment_window *w)
{
	free(w->buffer);
}

void window_open(struct segment_window *w, int fd, const uint8_t *prefix, size_t prefix_len)
{
	REQUIRE(prefix_len <= w->buffer_max);
	if (prefix_len > 0)
		memcpy(w->buffer, prefix, prefix_len);
	*w = (struct segment_window){
		.fd = fd,
		.buffer = w->buffer,
		.buffer_max = w->buffer_max,
		.have = prefix_len,
	};
}

// Makes room for `size` octets from `at` on.
static bool make_room(struct segment_window *w, size_t size)
{
	if (w->at > 0 && w->at + size > w->buffer_max) {
		memmove(w->buffer, w->buffer + w->at, w->have - w->at);
		w->have -= w->at;
		w->at = 0;
	}
	if (size <= w->buffer_max)
		return true;
	size_t more = MAX(size, MIN(2 * w->buffer_max, (size_t)WINDOW_MAX));
	uint8_t *buffer = realloc(w->buffer, more);
	if (buffer == NULL) {
		w->error = ENOMEM;
		return false;
	}
	w->buffer = buffer;
	w->buffer_max = more;
	return true;
}

bool window_fill(struct segment_window *w, size_t size)
{
	INVARIANT(size <= WINDOW_MAX);
	while (w->have - w->at < size) {
		if (w->at_eof)
			return false;
		size_t step = MIN(size, w->have - w->at + READ_SIZE);
		if (!make_room(w, step)) {
			w->at_eof = true;
			return false;
		}
		ssize_t count = read(w->fd, w->buffer + w->have,
			MIN(w->buffer_max - w->have, (size_t)READ_SIZE));
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			w->error = errno;
		if (count <= 0)
			w->at_eof = true;
		else
			w->have += (size_t)count;
	}
	return true;
}

void window_advance(struct segment_window *w, size_t count)
{
	w->at += count;
	w->offset += count;
}

bool window_magic(const struct segment_window *w, size_t ahead, const char *magic)
{
	return window_len(w) - ahead >= SEGMENT_MAGIC_SIZE &&
		memcmp(window_bytes(w) + ahead, magic, SEGMENT_MAGIC_SIZE) == 0;
}

bool window_part(const struct segment_window *w, size_t ahead)
{
	return window_magic(w, ahead, SEGMENT_BLOCK_MAGIC) ||
		window_magic(w, ahead, SEGMENT_FOOTER_MAGIC);
}

void window_skip(struct segment_window *w)
{
	window_advance(w, 1);
	while (window_fill(w, SEGMENT_MAGIC_SIZE)) {
		size_t last = window_len(w) - SEGMENT_MAGIC_SIZE;
		for (size_t ahead = 0; ahead <= last; ahead++) {
			if (window_part(w, ahead)) {
				window_advance(w, ahead);
				return;
			}
		}
		window_advance(w, last + 1);
	}
	// Too few octets for anything.
	window_advance(w, window_len(w));
}
