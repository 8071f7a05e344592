// Domain names off the wire, as text. For dns.c, and for dhcp.c, whose option 81 carries them too.
#pragma once

#include "core/base/cursor.h"
#include "core/event/findings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Labels joined by dots, case and octets as sent, without a dot at the end; the root is ".". A dot
// or a backslash inside a label stands behind a backslash (RFC 1035 section 5.1).
struct dns_name {
	uint16_t len;
	uint8_t text[DNS_NAME_MAX];
};

// Reads the name at `c`, which lies inside `message` (NULL: compression pointers are not allowed),
// and leaves `c` behind it. False: cut, or no name: an unknown label type, more than 255 octets on
// the wire (RFC 1035 section 3.1), a pointer that does not run backwards (section 4.1.4; RFC 9267
// section 2), or a text that does not fit DNS_NAME_MAX. `name` is then unusable, and `c` is bad
// where the message ended too early.
bool dns_name_read(struct dns_name *name, struct cursor *c, const struct cursor *message);

// Leaves `c` behind the name without looking into it; `c` is bad when it is cut.
void dns_name_skip(struct cursor *c);

// Compares as resolvers do: ASCII letters without case (RFC 4343 section 3).
bool dns_name_equal(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len);

// A number that equal names and seeds have in common, and others hardly ever: not against somebody
// who looks for two that do.
uint32_t dns_name_mark(const struct dns_name *name, uint32_t seed);

// Whether the names at `a` and `b`, which lie inside `message`, are one. False where either is
// none.
bool dns_name_same(const struct cursor *message, const struct cursor *a, const struct cursor *b);
