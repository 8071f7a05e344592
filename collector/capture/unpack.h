// Compressed captures: octets of a gzip or zstd stream in, octets of the capture out. What is not
// compressed passes as it is. Recognised by how the data begin, never by a name.
//
// One thread's. byte_stream.c uses it.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct unpack;

enum { UNPACK_MAGIC_SIZE = 4 };

// `magic`: what the data begin with; zeros where they are shorter. Returns 0 or -ENOMEM.
int unpack_new(struct unpack **ret, const uint8_t magic[UNPACK_MAGIC_SIZE]);
void unpack_free(struct unpack *unpack); // accepts NULL

// Whether what begins so is compressed.
bool unpack_needed(const uint8_t magic[UNPACK_MAGIC_SIZE]);

// Moves on: takes octets from *from up to `from_end`, puts octets to *to up to `to_end`, and
// advances both. Nothing moves when it needs more input. Returns 0, or -EBADMSG when the data are
// damaged: what was put before is right.
int unpack_step(struct unpack *unpack, const uint8_t **from, const uint8_t *from_end, uint8_t **to,
	uint8_t *to_end);

// Whether the data may end here.
bool unpack_whole(const struct unpack *unpack);

// Why unpack_step() failed: the library's words.
const char *unpack_error(const struct unpack *unpack);
