// Domain names off the wire, as text: see dns_name.h.
#include "scalar.h"

#include "dns_name.h"

#include "core/base/compiler.h"

#include <string.h>

enum {
	LABEL_TYPE = 0xc0, // the two high bits of a length octet: 00 a label, 11 a pointer
	WIRE_MAX = 255, // octets of a name, lengths and the root's included
};

// Where the next octet of a name is, and the beginning of the part that it stands in.
struct place {
	struct cursor at;
	const uint8_t *part;
};

// The next label of a name, or an empty one at its root. Pointers run strictly backwards, before
// the part of the name in which they stand, so that no chain of them is endless. False: no name.
static bool next_label(struct place *p, const struct cursor *message, struct cursor *ret_label)
{
	uint8_t len = cursor_u8(&p->at);

	while ((len & LABEL_TYPE) == LABEL_TYPE) {
		size_t offset = (size_t)(len & ~LABEL_TYPE) << 8 | cursor_u8(&p->at);
		if (p->at.bad || message == NULL || offset >= (size_t)(p->part - message->at))
			return false;
		p->part = message->at + offset;
		p->at = cursor_of(p->part, message->left - offset);
		len = cursor_u8(&p->at);
	}
	*ret_label = cursor_sub(&p->at, len & ~LABEL_TYPE);
	return (len & LABEL_TYPE) == 0 && !p->at.bad;
}

static uint64_t load(const uint8_t *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

// Not 0 where one of the eight octets is `octet`: from its carry on, octets behind it may be marked
// as well.
static uint64_t octet_marks(uint64_t word, uint8_t octet)
{
	uint64_t ones = UINT64_MAX / UINT8_MAX, off = word ^ ones * octet;

	return (off - ones) & ~off & ones << 7;
}

static bool needs_escape(uint64_t word)
{
	return (octet_marks(word, '.') | octet_marks(word, '\\')) != 0;
}

// Copies a label, word by word: the last word ends where the label does. False: some octet needs a
// backslash, and what was written is none.
static bool copy_plain(uint8_t *to, const uint8_t *from, size_t len)
{
	uint64_t word = 0;
	bool plain = true;

	if (len >= sizeof(word)) {
		for (size_t at = 0; at < len; at += sizeof(word)) {
			size_t place = MIN(at, len - sizeof(word));
			word = load(from + place);
			memcpy(to + place, &word, sizeof(word));
			plain &= !needs_escape(word);
		}
		return plain;
	}
	if (len >= sizeof(uint32_t)) {
		uint32_t first, last;
		memcpy(&first, from, sizeof(first));
		memcpy(&last, from + len - sizeof(last), sizeof(last));
		memcpy(to, &first, sizeof(first));
		memcpy(to + len - sizeof(last), &last, sizeof(last));
		return !needs_escape((uint64_t)last << 32 | first);
	}
	for (size_t i = 0; i < len; i++) {
		to[i] = from[i];
		word = word << 8 | from[i];
	}
	return !needs_escape(word);
}

static bool append_label(struct dns_name *name, const struct cursor *label)
{
	// What fits when every octet needs a backslash.
	bool roomy = name->len + 1 + 2 * label->left <= sizeof(name->text);
	size_t len = name->len;
	uint8_t *text = name->text;

	if (!roomy) {
		size_t escapes = 0;
		for (size_t i = 0; i < label->left; i++)
			escapes += label->at[i] == '.' || label->at[i] == '\\';
		if (len + (len > 0) + label->left + escapes > sizeof(name->text))
			return false;
	}
	if (len > 0)
		text[len++] = '.';
	if (likely(roomy && copy_plain(text + len, label->at, label->left))) {
		name->len = (uint16_t)(len + label->left);
		return true;
	}
	for (size_t i = 0; i < label->left; i++) {
		if (label->at[i] == '.' || label->at[i] == '\\')
			text[len++] = '\\';
		text[len++] = label->at[i];
	}
	name->len = (uint16_t)len;
	return true;
}

static bool labels_read(struct dns_name *name, struct place *p, const struct cursor *message)
{
	struct cursor label;
	size_t wire_len = 0;

	name->len = 0;
	do {
		if (!next_label(p, message, &label))
			return false;
		wire_len += label.left + 1;
		if (wire_len > WIRE_MAX || (label.left > 0 && !append_label(name, &label)))
			return false;
	} while (label.left > 0);
	if (name->len == 0)
		name->text[name->len++] = '.';
	return true;
}

bool dns_name_read(struct dns_name *name, struct cursor *c, const struct cursor *message)
{
	struct place p = {.at = *c, .part = c->at};
	bool read = labels_read(name, &p, message);

	if (read && p.part == c->at) // no pointer led away
		*c = p.at;
	else
		dns_name_skip(c);
	return read;
}

void dns_name_skip(struct cursor *c)
{
	// A name without a pointer is at most 127 labels and the root; an unknown type ends it.
	for (int labels = 0; labels <= WIRE_MAX / 2 && !c->bad; labels++) {
		uint8_t len = cursor_u8(c);
		cursor_skip(c, (len & LABEL_TYPE) == LABEL_TYPE ? 1 : len & ~LABEL_TYPE);
		if (len == 0 || (len & LABEL_TYPE) != 0)
			return;
	}
}

static uint8_t lower(uint8_t octet)
{
	return octet >= 'A' && octet <= 'Z' ? (uint8_t)(octet | 0x20) : octet;
}

bool dns_name_equal(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	if (a_len != b_len)
		return false;
	if (memcmp(a, b, a_len) == 0) // as nearly always
		return true;
	for (size_t i = 0; i < a_len; i++) {
		if (lower(a[i]) != lower(b[i]))
			return false;
	}
	return true;
}

uint32_t dns_name_mark(const struct dns_name *name, uint32_t seed)
{
	const uint64_t odd = UINT64_C(0x9e3779b97f4a7c15); // 2^64 by the golden ratio
	uint64_t mark = (seed ^ (uint64_t)name->len << 32) * odd;

	if (name->len < sizeof(uint64_t)) {
		for (size_t i = 0; i < name->len; i++)
			mark = (mark ^ name->text[i]) * odd;
		return (uint32_t)(mark >> 32);
	}
	for (size_t at = 0; at < name->len; at += sizeof(uint64_t)) {
		mark ^= load(name->text + MIN(at, name->len - sizeof(uint64_t)));
		mark = (mark ^ mark >> 32) * odd;
	}
	return (uint32_t)(mark >> 32);
}

bool dns_name_same(const struct cursor *message, const struct cursor *a, const struct cursor *b)
{
	struct place p = {.at = *a, .part = a->at}, q = {.at = *b, .part = b->at};
	struct cursor one, two;
	size_t wire_len = 0;

	do {
		if (!next_label(&p, message, &one) || !next_label(&q, message, &two))
			return false;
		if (one.at == two.at)
			return true; // both pointed here: so is all that follows
		wire_len += one.left + 1;
		if (wire_len > WIRE_MAX || !dns_name_equal(one.at, one.left, two.at, two.left))
			return false;
	} while (one.left > 0);
	return true;
}
