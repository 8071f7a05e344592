// Protobuf's wire form (protobuf.dev, "Encoding"), written forwards into room that the caller
// knows to be enough. All inline: this is the inside of the door's hot path.
#pragma once

#include "core/base/compiler.h"
#include "core/schema/field.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct span {
	const uint8_t *at;
	size_t len;
};

enum {
	TEXT_MAX = 1024, // octets of one string; what is longer is cut
	VARINT_MAX = 10,
	MESSAGE_MAX = 16383, // octets of a nested message
};

// A string that stands in many rows, made ready for them once (label_make).
struct label {
	const uint8_t *at; // LABEL_PIECE octets and more can be read
	uint16_t len; // as it stands in a row
	struct span raw; // as it was
};

enum { LABEL_PIECE = 32 };

static inline struct span octets(const uint8_t *at, size_t len)
{
	return (struct span){at, len};
}

static inline struct span text(const char *string)
{
	return (struct span){(const uint8_t *)string, strlen(string)};
}

// Of two octets and more: once in the program, so that the code of a row's many fields stays small.
uint8_t *put_long_varint(uint8_t *at, uint64_t value);

static inline uint8_t *put_varint(uint8_t *at, uint64_t value)
{
	if (value >= 0x80)
		return put_long_varint(at, value);
	*at = (uint8_t)value;
	return at + 1;
}

static inline size_t varint_len(uint64_t value)
{
	size_t len = 1;

	for (; value >= 0x80; value >>= 7)
		len++;
	return len;
}

static inline uint8_t *put_fixed64(uint8_t *at, uint64_t value)
{
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
	value = __builtin_bswap64(value);
#endif
	memcpy(at, &value, 8);
	return at + 8;
}

// The tag of field `id`: a constant, hence one store.
static inline __attribute__((always_inline)) uint8_t *put_tag(
	uint8_t *at, uint32_t id, enum wire wire)
{
	uint32_t tag = id << 3 | wire;

	if (tag < 0x80) {
		*at = (uint8_t)tag;
		return at + 1;
	}
	INVARIANT(tag < 1u << 14);
	uint8_t octets[2] = {(uint8_t)(tag | 0x80), (uint8_t)(tag >> 7)};
	memcpy(at, octets, 2);
	return at + 2;
}

// A nested message: its length is not known before it is written, so two octets are left for it.
static inline uint8_t *message_open(uint8_t *at, uint32_t id)
{
	return put_tag(at, id, WIRE_BYTES) + 2;
}

// `body`: what message_open() returned; `at`: behind the message. Returns the row's end.
static inline uint8_t *message_close(uint8_t *body, uint8_t *at)
{
	size_t len = (size_t)(at - body);

	INVARIANT(len <= MESSAGE_MAX);
	if (len < 0x80) {
		body[-2] = (uint8_t)len;
		memmove(body - 1, body, len);
		return at - 1;
	}
	body[-2] = (uint8_t)(len | 0x80);
	body[-1] = (uint8_t)(len >> 7);
	return at;
}

// Whether a string can stand as it is: ASCII without a backslash.
static inline bool is_plain(const uint8_t *at, size_t len)
{
	uint64_t found = 0;

	for (; len >= 8; at += 8, len -= 8) {
		uint64_t word;
		memcpy(&word, at, 8);
		uint64_t slash = word ^ UINT64_C(0x5c5c5c5c5c5c5c5c);
		// The high bit of an octet: not ASCII; or, in the second term, a backslash.
		found |= word | ((slash - UINT64_C(0x0101010101010101)) & ~slash);
	}
	for (; len > 0; at++, len--)
		found |= *at == '\\' ? 0x80 : *at;
	return (found & UINT64_C(0x8080808080808080)) == 0;
}

// SCHEMA.md: valid UTF-8; any other octet as \xHH, a backslash as \\. At most four octets for one.
size_t escape(uint8_t *out, const uint8_t *at, size_t len);

// The length of the valid UTF-8 sequence at the beginning, or 0.
unsigned utf8_len(const uint8_t *at, size_t len);

// Most strings of a row are shorter than the call of memcpy().
static inline void copy_octets(uint8_t *to, const uint8_t *from, size_t len)
{
	if (len > 32) {
		memcpy(to, from, len);
	} else if (len > 16) {
		uint64_t first[2], last[2];
		memcpy(first, from, 16);
		memcpy(last, from + len - 16, 16);
		memcpy(to, first, 16);
		memcpy(to + len - 16, last, 16);
	} else if (len >= 8) {
		uint64_t first, last;
		memcpy(&first, from, 8);
		memcpy(&last, from + len - 8, 8);
		memcpy(to, &first, 8);
		memcpy(to + len - 8, &last, 8);
	} else if (len >= 4) {
		uint32_t first, last;
		memcpy(&first, from, 4);
		memcpy(&last, from + len - 4, 4);
		memcpy(to, &first, 4);
		memcpy(to + len - 4, &last, 4);
	} else {
		for (size_t i = 0; i < len; i++)
			to[i] = from[i];
	}
}

static inline uint8_t *put_bytes(uint8_t *at, uint32_t id, struct span value)
{
	at = put_varint(put_tag(at, id, WIRE_BYTES), value.len);
	copy_octets(at, value.at, value.len);
	return at + value.len;
}

uint8_t *put_string(uint8_t *at, uint32_t id, struct span value);

// Makes a label of a string in `room`, of LABEL_ROOM(its length) octets. Returns how many it took.
#define LABEL_ROOM(len) (4 * (size_t)(len) + LABEL_PIECE)
size_t label_make(struct label *label, uint8_t *room, struct span value);

// In pieces: what is too much is written over.
static inline uint8_t *put_label(uint8_t *at, uint32_t id, const struct label *label)
{
	at = put_varint(put_tag(at, id, WIRE_BYTES), label->len);
	for (size_t i = 0; i < label->len; i += LABEL_PIECE)
		memcpy(at + i, label->at + i, LABEL_PIECE);
	return at + label->len;
}

static inline struct span span_itself(struct span value)
{
	return value;
}

static inline struct span label_raw(const struct label *label)
{
	return label->raw;
}

// Of a string or of one made ready.
#define put_text(at, id, value) \
	_Generic((value), struct span : put_string, const struct label * : put_label)(at, id, value)
#define raw_text(value) \
	_Generic((value), struct span : span_itself, const struct label * : label_raw)(value)
