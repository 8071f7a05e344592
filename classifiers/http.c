// HTTP/1 heads (RFC 9112): of the flow's first request the method, the server asked for and the
// User-Agent; of its first final response the status. Any TCP port.
//
// Nothing is buffered: a head that goes on in further segments is followed as long as they come in
// order, and each line counts that is whole in one segment.
#include "scalar.h"

#include "tcp_seq.h"

#include "core/base/cursor.h"
#include "core/classify/classifier.h"

#include <string.h>
#include <strings.h>

enum {
	SEGMENTS_MAX = 4096, // a long upload, of 6 MB, comes before its response
	MISSES_MAX = 7, // segments that begin no head, before a flow is given up: SOCKS has six
	MISSES_JOINED_MAX = 12, // the same for a flow joined in the middle, maybe of a body
	LINES_MAX = 128, // header lines looked at
	HOST_MAX = 255,
	METHOD_MAX = 16,
};
enum { ENDS_HEAD = 9 }; // " HTTP/1.x"
enum { INTERIM_MIN = 100, SWITCHING_PROTOCOLS = 101, INTERIM_MAX = 199 };

// Where the flow's first request head is.
enum phase {
	PHASE_NONE, // no request yet
	PHASE_TARGET, // within its first line, behind the method
	PHASE_FIELDS, // at the beginning of a header line
	PHASE_LINE, // within a header line whose beginning was in an earlier segment
	PHASE_PAST, // behind it, or nothing more to find
};

struct http_flow {
	uint32_t next_seq; // of the asker, while the head lasts
	uint8_t phase; // enum phase
	uint8_t method; // index in methods[]
	uint8_t asker; // end that sent the request
	uint8_t misses; // segments that began no head
	bool request, host, agent, status; // reported, or past
};

struct span {
	const uint8_t *at;
	size_t len;
};

// RFC 9110 section 9.3, RFC 5789, WebDAV (RFC 4918, 3253, 3744, 5323), UPnP and Windows' own.
static const char *const methods[] = {
	"GET",
	"POST",
	"HEAD",
	"PUT",
	"OPTIONS",
	"CONNECT",
	"DELETE",
	"PATCH",
	"TRACE",
	"NOTIFY",
	"SUBSCRIBE",
	"UNSUBSCRIBE",
	"M-SEARCH",
	"M-POST",
	"PROPFIND",
	"PROPPATCH",
	"MKCOL",
	"COPY",
	"MOVE",
	"LOCK",
	"UNLOCK",
	"REPORT",
	"SEARCH",
	"POLL",
	"MERGE",
	"ACL",
	"CHECKOUT",
	"CHECKIN",
	"MKACTIVITY",
	"MKCALENDAR",
	"PURGE",
	"BCOPY",
	"BMOVE",
	"BDELETE",
	"BPROPFIND",
	"BPROPPATCH",
	"BITS_POST",
	"CCM_POST",
	"RPC_IN_DATA",
	"RPC_OUT_DATA",
	"RPC_CONNECT",
	"SMS_POST",
};

static bool is_space(uint8_t octet)
{
	return octet == ' ' || octet == '\t';
}

static bool is_digit(uint8_t octet)
{
	return octet >= '0' && octet <= '9';
}

static struct span trim(struct span s)
{
	while (s.len > 0 && is_space(s.at[s.len - 1]))
		s.len--;
	while (s.len > 0 && is_space(s.at[0])) {
		s.at++;
		s.len--;
	}
	return s;
}

// The next line that ends here, without its end: CRLF, or LF alone (RFC 9112 section 2.2).
static bool take_line(struct cursor *c, struct span *ret)
{
	const uint8_t *end = c->left > 0 ? memchr(c->at, '\n', c->left) : NULL;

	if (end == NULL)
		return false;
	ret->at = c->at;
	ret->len = (size_t)(end - c->at);
	cursor_skip(c, ret->len + 1);
	if (ret->len > 0 && ret->at[ret->len - 1] == '\r')
		ret->len--;
	return true;
}

// Takes the method and the space behind it. False: no method.
static bool take_method(struct cursor *c, uint8_t *ret_method)
{
	if (c->left == 0 || c->at[0] < 'A' || c->at[0] > 'Z')
		return false;
	const uint8_t *space = memchr(c->at, ' ', MIN(c->left, (size_t)METHOD_MAX));
	if (space == NULL)
		return false;
	size_t len = (size_t)(space - c->at);
	for (size_t i = 0; i < ARRAY_COUNT(methods); i++) {
		if (strlen(methods[i]) == len && memcmp(methods[i], c->at, len) == 0) {
			*ret_method = (uint8_t)i;
			cursor_skip(c, len + 1);
			return true;
		}
	}
	return false;
}

static bool ends_request_line(struct span line)
{
	if (line.len < ENDS_HEAD)
		return false;
	const uint8_t *tail = line.at + line.len - ENDS_HEAD;
	return memcmp(tail, " HTTP/1.", ENDS_HEAD - 1) == 0 && is_digit(tail[ENDS_HEAD - 1]);
}

static bool named(struct span field, const char *name)
{
	return field.len == strlen(name) &&
		strncasecmp((const char *)field.at, name, field.len) == 0;
}

// Continuation lines (obs-fold, RFC 9112 section 5.2) stand for one space each.
static struct span unfold(uint8_t out[FINDING_TEXT_MAX], struct span value, struct cursor *c)
{
	struct span line;

	if (c->left == 0 || !is_space(c->at[0]))
		return value;
	size_t len = MIN(value.len, (size_t)FINDING_TEXT_MAX);
	memcpy(out, value.at, len);
	while (c->left > 0 && is_space(c->at[0]) && take_line(c, &line)) {
		line = trim(line);
		if (len == FINDING_TEXT_MAX || line.len == 0)
			continue;
		out[len++] = ' ';
		size_t fits = MIN(line.len, FINDING_TEXT_MAX - len);
		memcpy(out + len, line.at, fits);
		len += fits;
	}
	return (struct span){out, len};
}

// An IP literal, maybe with a port. A proxy's client that asks for one may still name the server in
// Host.
static bool is_address(struct span authority)
{
	if (authority.at[0] == '[')
		return true;
	for (size_t i = 0; i < authority.len; i++) {
		if (!is_digit(authority.at[i]) && authority.at[i] != '.' && authority.at[i] != ':')
			return false;
	}
	return true;
}

// The authority in the request's target, which counts more than Host (RFC 9112 section 3.2): all of
// CONNECT's, that of an absolute one; nothing in "/path".
static struct span authority_of(const char *method, struct span t)
{
	if (strcmp(method, "CONNECT") == 0)
		return t;
	size_t scheme_len = 0;
	if (t.len > 7 && strncasecmp((const char *)t.at, "http://", 7) == 0)
		scheme_len = 7;
	else if (t.len > 8 && strncasecmp((const char *)t.at, "https://", 8) == 0)
		scheme_len = 8;
	if (scheme_len == 0)
		return (struct span){0};
	t.at += scheme_len;
	t.len -= scheme_len;
	for (size_t i = 0; i < t.len; i++) {
		if (t.at[i] == '/' || t.at[i] == '?' || t.at[i] == '#')
			t.len = i;
	}
	return t;
}

// An authority without user and password (RFC 3986 section 3.2.1), which name nobody's server.
static struct span without_user(struct span a)
{
	for (size_t i = a.len; i > 0; i--)
		if (a.at[i - 1] == '@')
			return (struct span){a.at + i, a.len - i};
	return a;
}

// The host in such an authority: without port, or the brackets of an IPv6 literal; empty when the
// authority is none.
static struct span host_of(struct span a)
{
	if (a.len > 2 && a.at[0] == '[') {
		const uint8_t *close = memchr(a.at, ']', a.len);
		return close == NULL ? (struct span){0}
				     : (struct span){a.at + 1, (size_t)(close - a.at) - 1};
	}
	const uint8_t *colon = a.len > 0 ? memchr(a.at, ':', a.len) : NULL;
	if (colon == NULL)
		return a;
	for (const uint8_t *digit = colon + 1; digit < a.at + a.len; digit++) {
		if (!is_digit(*digit))
			return (struct span){0};
	}
	return (struct span){a.at, (size_t)(colon - a.at)};
}

// No spaces, no controls, and nothing that ends an authority.
static bool host_is_sound(struct span host)
{
	if (host.len == 0 || host.len > HOST_MAX)
		return false;
	for (size_t i = 0; i < host.len; i++) {
		uint8_t octet = host.at[i];
		if (octet <= ' ' || octet == 0x7f || octet == '/' || octet == '?' || octet == '#')
			return false;
	}
	return true;
}

static void say_server(struct http_flow *flow, struct span authority, struct report *report)
{
	flow->host = true;
	if (authority.len == 0)
		return;
	authority = without_user(authority);
	// As sent, port and brackets included (SCHEMA.md, server_name).
	if (host_is_sound(host_of(authority)) && host_is_sound(authority))
		report_text(report, FINDING_SERVER_NAME, NAME_HTTP, authority.at, authority.len);
	else
		report_malformed(report);
}

static void read_field(
	struct http_flow *flow, struct span line, struct cursor *c, struct report *report)
{
	uint8_t unfolded[FINDING_TEXT_MAX];
	const uint8_t *colon = memchr(line.at, ':', line.len);

	if (colon == NULL)
		return;
	struct span name = trim((struct span){line.at, (size_t)(colon - line.at)});
	struct span value = {colon + 1, line.len - (size_t)(colon - line.at) - 1};
	if (!flow->host && named(name, "Host")) {
		say_server(flow, trim(value), report);
	} else if (!flow->agent && named(name, "User-Agent")) {
		flow->agent = true;
		value = unfold(unfolded, trim(value), c);
		if (value.len > 0)
			report_text(report, FINDING_USER_AGENT, 0, value.at,
				MIN(value.len, (size_t)FINDING_TEXT_MAX));
	}
}

// Header lines up to the empty one, or the segment's end, or until both are found; the first of
// each name counts.
static void read_fields(struct http_flow *flow, struct cursor *c, struct report *report)
{
	struct span line;

	flow->phase = PHASE_PAST;
	for (int lines = 0; lines < LINES_MAX && !(flow->host && flow->agent); lines++) {
		if (!take_line(c, &line)) {
			flow->phase = c->left > 0 ? PHASE_LINE : PHASE_FIELDS;
			return;
		}
		if (line.len == 0)
			return;
		read_field(flow, line, c, report);
	}
}

// The rest of the request line, method SP target SP HTTP/1.x (RFC 9112 section 3), and what follows
// it. `whole`: the target begins here. False: this is no request.
static bool read_target(struct http_flow *flow, struct cursor *c, bool whole, struct report *report)
{
	const char *method = methods[flow->method];
	struct span line;

	if (!take_line(c, &line)) {
		// Only "/path" may go on in the next segment: an authority must be in one.
		flow->phase = PHASE_TARGET;
		return !whole || c->left == 0 || c->at[0] == '/' || c->at[0] == '*';
	}
	flow->phase = PHASE_PAST;
	if (!ends_request_line(line))
		return false;
	flow->request = true;
	report_text(report, FINDING_HTTP_METHOD, 0, (const uint8_t *)method, strlen(method));
	struct span authority = {0};
	if (whole)
		authority =
			authority_of(method, trim((struct span){line.at, line.len - ENDS_HEAD}));
	if (authority.len > 0 && !is_address(authority))
		say_server(flow, authority, report);
	read_fields(flow, c, report);
	if (!flow->host && authority.len > 0)
		say_server(flow, authority, report);
	return true;
}

static bool begin_request(struct http_flow *flow, struct cursor *c, struct report *report)
{
	// A server should overlook empty lines before it (RFC 9112 section 2.2).
	while (c->left > 0 && (c->at[0] == '\r' || c->at[0] == '\n'))
		cursor_skip(c, 1);
	if (!take_method(c, &flow->method) || !read_target(flow, c, true, report)) {
		flow->phase = PHASE_NONE;
		return false;
	}
	return true;
}

// A further segment of the head. False: it is not what it seemed.
static bool continue_request(struct http_flow *flow, struct cursor *c, struct report *report)
{
	struct span line;

	if (flow->phase == PHASE_TARGET && !read_target(flow, c, false, report)) {
		flow->phase = PHASE_PAST;
		return false;
	}
	if (flow->phase == PHASE_LINE && take_line(c, &line))
		flow->phase = PHASE_FIELDS;
	if (flow->phase == PHASE_FIELDS)
		read_fields(flow, c, report);
	return true;
}

// HTTP/1.x SP status (RFC 9112 section 4). 0: no status line.
static unsigned read_status(const uint8_t *payload, size_t len)
{
	if (len < 12 || memcmp(payload, "HTTP/1.", 7) != 0 || !is_digit(payload[7]) ||
		payload[8] != ' ')
		return 0;
	for (int i = 9; i < 12; i++) {
		if (!is_digit(payload[i]))
			return 0;
	}
	if (len > 12 && payload[12] != ' ' && payload[12] != '\r' && payload[12] != '\n')
		return 0;
	unsigned status = (payload[9] - '0') * 100U + (payload[10] - '0') * 10U + payload[11] - '0';
	return status >= INTERIM_MIN ? status : 0;
}

// The status of the response that follows interim ones in the same segment, or 0: "first of the
// flow" is the first that answers the request (RFC 9110 section 15.2).
static unsigned final_status(struct cursor c)
{
	for (;;) {
		unsigned status = read_status(c.at, c.left);
		if (status == 0 || status == SWITCHING_PROTOCOLS || status > INTERIM_MAX)
			return status;
		struct span line;
		do {
			if (!take_line(&c, &line))
				return 0;
		} while (line.len > 0);
	}
}

// A segment of the asker, or of whoever may be one. False: it belongs to no head.
static bool inspect_request(struct http_flow *flow, struct cursor c, const struct packet *packet,
	const struct flow_view *view, struct report *report)
{
	uint32_t seq = tcp_seq_of(packet);
	bool sound;

	if (flow->phase == PHASE_PAST)
		return false;
	if (flow->phase == PHASE_NONE) {
		flow->asker = view->from;
		sound = begin_request(flow, &c, report);
	} else if (flow->asker != view->from) {
		return false;
	} else if (seq != flow->next_seq) {
		// Seen before; or behind a gap, where no line's beginning can be known.
		if ((int32_t)(seq - flow->next_seq) > 0)
			flow->phase = PHASE_PAST;
		return true;
	} else {
		sound = continue_request(flow, &c, report);
	}
	flow->next_seq = seq + packet->payload_len;
	return sound;
}

// A segment that begins no head: is there still something to wait for?
static enum classify_next judge_miss(
	struct http_flow *flow, const struct flow_view *view, const uint8_t *payload, uint32_t len)
{
	if (flow->request && view->from == flow->asker)
		return CLASSIFY_MORE; // its body
	bool whole = (view->first_flags & TCP_SYN) != 0;
	bool tls = len > 2 && payload[0] == 0x16 && payload[1] == 3;
	flow->misses++;
	return tls || flow->misses >= (whole ? MISSES_MAX : MISSES_JOINED_MAX) ? CLASSIFY_ENOUGH
									       : CLASSIFY_MORE;
}

static enum classify_next http_inspect(void *, void *state, const struct packet *packet,
	const struct flow_view *view, struct report *report)
{
	struct http_flow *flow = state;
	uint32_t len;
	const uint8_t *payload = packet_payload(packet, &len);
	struct cursor c = cursor_of(payload, len);

	if (len == 0)
		return CLASSIFY_MORE;
	// No head begins so: most of what is no HTTP ends here.
	if (flow->phase == PHASE_NONE && (payload[0] < 'A' || payload[0] > 'Z') &&
		payload[0] != '\r' && payload[0] != '\n')
		return judge_miss(flow, view, payload, len);
	if (!flow->status && read_status(payload, len) != 0) {
		unsigned status = final_status(c);
		if (status == 0)
			return CLASSIFY_MORE; // interim only
		report_number(report, FINDING_HTTP_STATUS, status);
		flow->status = true;
	} else if (!inspect_request(flow, c, packet, view, report)) {
		return judge_miss(flow, view, payload, len);
	}
	return flow->request && flow->status ? CLASSIFY_ENOUGH : CLASSIFY_MORE;
}

static int http_open(void **ret_self, const struct classifier_config *)
{
	*ret_self = NULL;
	return 0;
}

static void http_close(void *) {}

const struct classifier_ops http_classifier_ops = {
	.name = "http",
	.wants = WANTS_TCP_PAYLOAD,
	.packets_max = SEGMENTS_MAX,
	.flow_state_size = sizeof(struct http_flow),
	.open = http_open,
	.inspect = http_inspect,
	.close = http_close,
};
