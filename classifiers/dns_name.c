// Domain names off the wire, as text: see dns_name.h.
#include "dns_name.h"

enum {
	LABEL_TYPE = 0xc0, // the two high bits of a length octet: 00 a label, 11 a pointer
	WIRE_MAX = 255, // octets of a name, lengths and the root's included
};

static bool append(struct dns_name *name, uint8_t octet)
{
	if (name->len == sizeof(name->text))
		return false;
	name->text[name->len++] = octet;
	return true;
}

static bool append_label(struct dns_name *name, const uint8_t *label, size_t len)
{
	if (name->len > 0 && !append(name, '.'))
		return false;
	for (size_t i = 0; i < len; i++) {
		if ((label[i] == '.' || label[i] == '\\') && !append(name, '\\'))
			return false;
		if (!append(name, label[i]))
			return false;
	}
	return true;
}

// Where a pointer leads: strictly before the part of the name in which it stands, so that no chain
// of pointers is endless.
static bool follow(
	struct cursor *at, const uint8_t **ret_part, uint8_t high, const struct cursor *message)
{
	size_t offset = (size_t)(high & ~LABEL_TYPE) << 8 | cursor_u8(at);

	if (at->bad || message == NULL || offset >= (size_t)(*ret_part - message->at))
		return false;
	*ret_part = message->at + offset;
	*at = cursor_of(*ret_part, message->left - offset);
	return true;
}

bool dns_name_read(struct dns_name *name, struct cursor *c, const struct cursor *message)
{
	struct cursor at = *c;
	const uint8_t *part = at.at;
	size_t wire_len = 0;
	bool jumped = false;

	name->len = 0;
	for (;;) {
		uint8_t len = cursor_u8(&at);
		if ((len & LABEL_TYPE) == LABEL_TYPE) {
			bool first = !jumped;
			struct cursor behind = at;
			cursor_skip(&behind, 1);
			if (first)
				*c = behind;
			jumped = true;
			if (!follow(&at, &part, len, message))
				return false;
			continue;
		}
		const uint8_t *label = cursor_take(&at, len & ~LABEL_TYPE);
		if (!jumped)
			*c = at;
		wire_len += (size_t)len + 1;
		if ((len & LABEL_TYPE) != 0 || at.bad || wire_len > WIRE_MAX)
			return false;
		if (len == 0)
			return name->len > 0 || append(name, '.');
		if (!append_label(name, label, len))
			return false;
	}
}

void dns_name_skip(struct cursor *c)
{
	// A name without a pointer is at most 127 labels and the root.
	for (int labels = 0; labels <= WIRE_MAX / 2; labels++) {
		uint8_t len = cursor_u8(c);
		if ((len & LABEL_TYPE) == LABEL_TYPE) {
			cursor_skip(c, 1);
			return;
		}
		if (len == 0)
			return;
		cursor_skip(c, len);
	}
	c->bad = true;
}

static uint8_t lower(uint8_t octet)
{
	return octet >= 'A' && octet <= 'Z' ? (uint8_t)(octet | 0x20) : octet;
}

bool dns_name_equal(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	if (a_len != b_len)
		return false;
	for (size_t i = 0; i < a_len; i++) {
		if (lower(a[i]) != lower(b[i]))
			return false;
	}
	return true;
}
