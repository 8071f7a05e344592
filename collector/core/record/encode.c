// Long numbers, and strings that cannot stand as they are.
#include "core/record/encode.h"

uint8_t *put_long_varint(uint8_t *at, uint64_t value)
{
	if (likely(value < 1 << 14)) {
		uint8_t octets[2] = {(uint8_t)(value | 0x80), (uint8_t)(value >> 7)};
		memcpy(at, octets, 2);
		return at + 2;
	}
	while (value >= 0x80) {
		*at++ = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	*at++ = (uint8_t)value;
	return at;
}

// RFC 3629 section 4: no overlong forms, no surrogates, nothing above U+10FFFF.
unsigned utf8_len(const uint8_t *at, size_t len)
{
	if (len == 0)
		return 0;
	if (at[0] < 0x80)
		return 1;
	unsigned need = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
	if (at[0] < 0xc2 || at[0] > 0xf4 || len < need)
		return 0;
	for (unsigned i = 1; i < need; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
		(at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
		return 0;
	return need;
}

size_t escape(uint8_t *out, const uint8_t *at, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	uint8_t *begin = out;

	while (len > 0) {
		unsigned valid = utf8_len(at, len);
		if (*at == '\\')
			*out++ = '\\';
		if (valid == 0) {
			*out++ = '\\';
			*out++ = 'x';
			*out++ = (uint8_t)hex[*at >> 4];
			*out++ = (uint8_t)hex[*at & 15];
			valid = 1;
		} else {
			memcpy(out, at, valid);
			out += valid;
		}
		at += valid;
		len -= valid;
	}
	return (size_t)(out - begin);
}

size_t label_make(struct label *label, uint8_t *room, struct span value)
{
	size_t len = value.len < TEXT_MAX ? value.len : TEXT_MAX;

	if (value.len <= TEXT_MAX && is_plain(value.at, value.len))
		memcpy(room, value.at, len);
	else
		len = escape(room, value.at, len);
	*label = (struct label){.at = room, .len = (uint16_t)len, .raw = value};
	return (len + 2 * LABEL_PIECE - 1) / LABEL_PIECE * LABEL_PIECE;
}

static uint8_t *put_escaped(uint8_t *at, uint32_t id, struct span value)
{
	uint8_t escaped[4 * TEXT_MAX];
	size_t len = value.len < TEXT_MAX ? value.len : TEXT_MAX;

	return put_bytes(at, id, octets(escaped, escape(escaped, value.at, len)));
}

uint8_t *put_string(uint8_t *at, uint32_t id, struct span value)
{
	if (likely(value.len <= TEXT_MAX && is_plain(value.at, value.len)))
		return put_bytes(at, id, value);
	return put_escaped(at, id, value);
}
