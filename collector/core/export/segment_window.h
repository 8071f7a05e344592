// A window that slides over a segment: a file or a pipe, of which it reads as much as somebody
// wants to see at once. What it shows may be hostile: it grows with what the file holds, not with
// what a head in it claims.
#pragma once

#include "core/export/segment_parts.h"

#include <stdbool.h>

struct segment_window {
	int fd; // borrowed
	bool at_eof;
	int error; // errno of a read, or ENOMEM: it ends there; 0: none
	uint8_t *buffer;
	size_t buffer_max;
	size_t at, have; // what is looked at: buffer[at .. have)
	uint64_t offset; // of buffer[at] in the file
};

int window_init(struct segment_window *window); // 0 or -ENOMEM
void window_fini(struct segment_window *window);

// A new file, of which `prefix` has been read already.
void window_open(struct segment_window *window, int fd, const uint8_t *prefix, size_t prefix_len);

// What is looked at, until the next fill().
static inline const uint8_t *window_bytes(const struct segment_window *window)
{
	return window->buffer + window->at;
}

static inline size_t window_len(const struct segment_window *window)
{
	return window->have - window->at;
}

// Whether there are `size` octets to look at, after reading if need be.
bool window_fill(struct segment_window *window, size_t size);
void window_advance(struct segment_window *window, size_t count);

// Whether this magic stands `ahead` octets on, of those that are there; or that of any part of a
// segment behind its head.
bool window_magic(const struct segment_window *window, size_t ahead, const char *magic);
bool window_part(const struct segment_window *window, size_t ahead);

// Moves on, by one octet at least, to where a block or the footer may begin, or to the end.
void window_skip(struct segment_window *window);
