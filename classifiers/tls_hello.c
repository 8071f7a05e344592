// The TLS ClientHello that fits one segment (RFC 8446 section 4.1.2, and RFC 5246 section 7.4.1.2
// for older ones): which server it asks for, and what it offers. Looks for it at the beginning of
// the first segments with data, so that a hello after STARTTLS or CONNECT is found as well. Of a
// hello that goes on in the next segment it takes the extensions that stand here as a whole.
#include "scalar.h"

#include "core/base/cursor.h"
#include "core/classify/classifier.h"

#include <string.h>

enum { RECORD_HANDSHAKE = 22, RECORD_APPLICATION_DATA = 23 };
enum { CLIENT_HELLO = 1, SERVER_HELLO = 2 };
enum { RECORD_HEAD = 5, HANDSHAKE_HEAD = 4, RECORD_MAX = 16384 + 2048 }; // RFC 5246 section 6.2.3
enum {
	EXTENSION_SERVER_NAME = 0, // RFC 6066 section 3
	EXTENSION_ALPN = 16, // RFC 7301
	EXTENSION_SUPPORTED_VERSIONS = 43, // RFC 8446 section 4.2.1
	EXTENSION_ECH = 0xfe0d, // RFC 9849 section 5
};
enum { HOST_NAME = 0, HOST_NAME_MAX_LEN = 255 };
enum { ECH_OUTER = 0 };
enum { SSL_3 = 0x0300, TLS_1_2 = 0x0303, TLS_1_3 = 0x0304 };
enum {
	SEGMENTS_MAX = 10, // SMTP's hello is the sixth or seventh segment with data
	REJOINED_MAX = 4096, // octets of a hello that lies in several records of the segment
};

struct hello {
	bool whole; // all of it is in the segment
	const uint8_t *server_name;
	size_t server_name_len;
	struct cursor alpn; // protocol names, each behind its length
	uint16_t legacy_version;
	uint16_t version; // highest supported; 0: the extension was not seen
	bool ech;
};

// GREASE (RFC 8701 section 2): 0x0a0a, 0x1a1a ... 0xfafa.
static bool is_grease(uint8_t high, uint8_t low)
{
	return high == low && (low & 0x0f) == 0x0a;
}

// A list that says its own length, which must be all that is there.
static struct cursor list_of(struct cursor *c, size_t len)
{
	struct cursor list = cursor_sub(c, len);

	if (c->left > 0)
		list.bad = true;
	return list;
}

static bool read_server_name(struct hello *h, struct cursor c)
{
	struct cursor list = list_of(&c, cursor_u16(&c));

	while (list.left > 0) {
		uint8_t type = cursor_u8(&list);
		uint16_t len = cursor_u16(&list);
		const uint8_t *name = cursor_take(&list, len);
		if (list.bad || len == 0 || len > HOST_NAME_MAX_LEN)
			return false;
		if (type == HOST_NAME && h->server_name == NULL) {
			h->server_name = name;
			h->server_name_len = len;
		}
	}
	return !list.bad;
}

static bool read_alpn(struct hello *h, struct cursor c)
{
	struct cursor list = list_of(&c, cursor_u16(&c));

	h->alpn = list;
	while (list.left > 0) {
		uint8_t len = cursor_u8(&list);
		cursor_skip(&list, len);
		if (len == 0)
			return false;
	}
	return !list.bad;
}

// The drafts of 1.3 count as 1.3 (0x7f00 + draft; 0xfb00 + draft was Facebook's).
static uint16_t known_version(uint16_t version)
{
	if (version >> 8 == 0x7f || version >> 8 == 0xfb)
		return TLS_1_3;
	return version >= SSL_3 && version <= TLS_1_3 ? version : 0;
}

static bool read_versions(struct hello *h, struct cursor c)
{
	struct cursor list = list_of(&c, cursor_u8(&c));

	while (list.left > 0 && !list.bad) {
		uint16_t version = cursor_u16(&list);
		// GREASE is none of the known.
		if (known_version(version) > h->version)
			h->version = known_version(version);
	}
	return !list.bad;
}

// An outer hello: type, cipher suite, configuration id, key, payload.
static bool read_ech(struct hello *h, struct cursor c)
{
	if (cursor_u8(&c) != ECH_OUTER)
		return !c.bad;
	cursor_skip(&c, 5);
	cursor_skip(&c, cursor_u16(&c));
	cursor_skip(&c, cursor_u16(&c));
	h->ech = !c.bad;
	return !c.bad;
}

static bool read_extension(struct hello *h, uint16_t type, struct cursor body)
{
	switch (type) {
	case EXTENSION_SERVER_NAME:
		return read_server_name(h, body);
	case EXTENSION_ALPN:
		return read_alpn(h, body);
	case EXTENSION_SUPPORTED_VERSIONS:
		return read_versions(h, body);
	case EXTENSION_ECH:
		return read_ech(h, body);
	default:
		return true;
	}
}

// False: the hello lies about its lengths. One that is not whole ends where the segment does.
static bool read_hello(struct hello *h, struct cursor c)
{
	h->legacy_version = cursor_u16(&c);
	cursor_skip(&c, 32); // random
	cursor_skip(&c, cursor_u8(&c)); // session id
	cursor_skip(&c, cursor_u16(&c)); // cipher suites
	cursor_skip(&c, cursor_u8(&c)); // compression methods
	if (h->legacy_version >> 8 != 3)
		return false;
	if (c.bad)
		return !h->whole;
	if (c.left == 0)
		return true; // extensions may be left out before 1.3

	uint16_t extensions_len = cursor_u16(&c);
	if (h->whole && extensions_len > c.left)
		return false;
	c.left = MIN(c.left, extensions_len);
	while (c.left > 0) {
		uint16_t type = cursor_u16(&c);
		struct cursor body = cursor_sub(&c, cursor_u16(&c));
		if (c.bad)
			return !h->whole;
		if (!read_extension(h, type, body))
			return false;
	}
	return true;
}

static const char *version_text(uint16_t version)
{
	static const char *const text[] = {"SSL 3.0", "1.0", "1.1", "1.2", "1.3"};

	return text[version - SSL_3];
}

static void say_alpn(struct report *report, struct cursor list)
{
	uint8_t text[FINDING_TEXT_MAX];
	size_t text_len = 0;

	while (list.left > 0) {
		uint8_t len = cursor_u8(&list);
		const uint8_t *name = cursor_take(&list, len);
		if (name == NULL || text_len + 1 + len > sizeof(text))
			break;
		if (len == 2 && is_grease(name[0], name[1]))
			continue;
		if (text_len > 0)
			text[text_len++] = ',';
		memcpy(text + text_len, name, len);
		text_len += len;
	}
	if (text_len > 0)
		report_text(report, FINDING_ALPN, 0, text, text_len);
}

static void say_hello(struct report *report, const struct hello *h)
{
	if (h->server_name != NULL)
		report_text(
			report, FINDING_SERVER_NAME, NAME_SNI, h->server_name, h->server_name_len);
	say_alpn(report, h->alpn);

	// Without the extension a hello offers 1.2 at most (RFC 8446 section 4.2.1); one that is
	// not whole may still bring it.
	uint16_t version = h->version;
	if (version == 0 && h->whole)
		version = h->legacy_version > TLS_1_2 ? TLS_1_2 : h->legacy_version;
	if (version != 0) {
		const char *text = version_text(version);
		report_text(report, FINDING_TLS_VERSION, 0, (const uint8_t *)text, strlen(text));
	}
	// RFC 9849 section 6.2 makes GREASE look like a real offer in every octet, so nobody
	// outside can tell: `offered` says that the extension was there, and ECH_GREASE is never
	// claimed.
	if (h->ech)
		report_number(report, FINDING_ECH, ECH_OFFERED);
}

// Puts a hello's pieces from several records into `out`, up to `want` octets.
static size_t rejoin(uint8_t out[REJOINED_MAX], struct cursor c, size_t want)
{
	size_t len = 0;

	want = MIN(want, (size_t)REJOINED_MAX);
	while (len < want && c.left > 0) {
		uint8_t type = cursor_u8(&c);
		cursor_skip(&c, 2);
		uint16_t record_len = cursor_u16(&c);
		if (c.bad || type != RECORD_HANDSHAKE || record_len == 0)
			break;
		struct cursor record = cursor_sub(&c, MIN((size_t)record_len, c.left));
		size_t piece = MIN(record.left, want - len);
		memcpy(out + len, record.at, piece);
		len += piece;
	}
	return len;
}

// What there is of a hello of `hello_len` octets, without its head.
static void inspect_body(struct cursor body, size_t hello_len, struct report *report)
{
	struct hello h = {.whole = body.left == hello_len};

	if (read_hello(&h, body))
		say_hello(report, &h);
	else
		report_malformed(report);
}

static void inspect_rejoined(struct cursor segment, size_t hello_len, struct report *report)
{
	uint8_t rejoined[REJOINED_MAX] = {0};
	size_t len = rejoin(rejoined, segment, HANDSHAKE_HEAD + hello_len);

	inspect_body(cursor_of(rejoined + HANDSHAKE_HEAD, len - HANDSHAKE_HEAD), hello_len, report);
}

// `segment` begins with a handshake record whose first message is a ClientHello.
static void inspect_hello(struct cursor segment, struct report *report)
{
	struct cursor c = segment;

	cursor_skip(&c, 3);
	uint16_t record_len = cursor_u16(&c);
	struct cursor record = cursor_sub(&c, MIN((size_t)record_len, c.left));
	cursor_skip(&record, 1);
	size_t hello_len = cursor_u24(&record);
	if (record.bad || record_len > RECORD_MAX) {
		report_malformed(report);
		return;
	}
	if (record.left < hello_len && c.left > 0)
		inspect_rejoined(segment, hello_len, report);
	else
		inspect_body(cursor_of(record.at, MIN(record.left, hello_len)), hello_len, report);
}

static enum classify_next tls_hello_inspect(void *, void *, const struct packet *packet,
	const struct flow_view *, struct report *report)
{
	uint32_t len;
	const uint8_t *payload = packet_payload(packet, &len);

	if (len < RECORD_HEAD + HANDSHAKE_HEAD || payload[1] != 3 || payload[2] > 4)
		return CLASSIFY_MORE;
	if (payload[0] == RECORD_HANDSHAKE && payload[RECORD_HEAD] == CLIENT_HELLO) {
		inspect_hello(cursor_of(payload, len), report);
		return CLASSIFY_ENOUGH;
	}
	// The hello was before the capture, or lost.
	if (payload[0] == RECORD_APPLICATION_DATA ||
		(payload[0] == RECORD_HANDSHAKE && payload[RECORD_HEAD] == SERVER_HELLO))
		return CLASSIFY_ENOUGH;
	return CLASSIFY_MORE;
}

static int tls_hello_open(void **ret_self, const struct classifier_config *)
{
	*ret_self = NULL;
	return 0;
}

static void tls_hello_close(void *) {}

const struct classifier_ops tls_hello_classifier_ops = {
	.name = "tls_hello",
	.wants = WANTS_TCP_PAYLOAD,
	.packets_max = SEGMENTS_MAX,
	.open = tls_hello_open,
	.inspect = tls_hello_inspect,
	.close = tls_hello_close,
};
