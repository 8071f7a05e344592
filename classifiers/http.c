// HTTP/1 heads (RFC 9112): of the flow's first request the method, the server asked for and the
// User-Agent; of its first final response the status. A head that goes on in the next segment
// gives what its whole lines say. Any TCP port.
#include "core/base/cursor.h"
#include "core/classify/classifier.h"

#include <string.h>
#include <strings.h>

enum {
	SEGMENTS_MAX = 64, // a long upload comes before its response
	MISSES_MAX = 3, // segments of one end that begin no head, before it is given up
	MISSES_JOINED_MAX = 12, // the same for a flow joined in the middle of a body
	LINES_MAX = 128, // header lines looked at
	HOST_MAX = 255,
	METHOD_MAX = 16,
};
enum { ENDS_HEAD = 9 }; // " HTTP/1.x"
enum { INTERIM_MIN = 100, SWITCHING_PROTOCOLS = 101, INTERIM_MAX = 199 };

struct http_flow {
	uint8_t misses[2]; // by end
	uint8_t asker; // end that sent the request
	bool request, status; // reported
};

struct span {
	const uint8_t *at;
	size_t len;
};

struct head {
	struct span method, target, host, user_agent;
	uint8_t unfolded[FINDING_TEXT_MAX]; // of a User-Agent that goes on in further lines
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

static bool is_method(struct span token)
{
	for (size_t i = 0; i < ARRAY_COUNT(methods); i++) {
		if (strlen(methods[i]) == token.len && memcmp(methods[i], token.at, token.len) == 0)
			return true;
	}
	return false;
}

static bool ends_request_line(struct span line)
{
	if (line.len <= ENDS_HEAD)
		return false;
	const uint8_t *tail = line.at + line.len - ENDS_HEAD;
	return memcmp(tail, " HTTP/1.", ENDS_HEAD - 1) == 0 && is_digit(tail[ENDS_HEAD - 1]);
}

// method SP target SP HTTP/1.x (RFC 9112 section 3). True: this is a request.
static bool read_request_line(struct head *head, struct cursor *c)
{
	// A server should overlook empty lines before it (section 2.2).
	while (c->left > 0 && (c->at[0] == '\r' || c->at[0] == '\n'))
		cursor_skip(c, 1);
	if (c->left == 0 || c->at[0] < 'A' || c->at[0] > 'Z')
		return false;
	const uint8_t *space = memchr(c->at, ' ', MIN(c->left, (size_t)METHOD_MAX));
	if (space == NULL)
		return false;
	head->method = (struct span){c->at, (size_t)(space - c->at)};
	struct span line;
	if (!is_method(head->method) || !take_line(c, &line) || !ends_request_line(line))
		return false;
	size_t from = head->method.len + 1;
	if (line.len < from + ENDS_HEAD)
		return false;
	head->target = trim((struct span){line.at + from, line.len - ENDS_HEAD - from});
	return head->target.len > 0;
}

static bool named(struct span field, const char *name)
{
	return field.len == strlen(name) &&
		strncasecmp((const char *)field.at, name, field.len) == 0;
}

// Continuation lines (obs-fold, RFC 9112 section 5.2) stand for one space each.
static struct span unfold(struct head *head, struct span value, struct cursor *c)
{
	struct span line;

	if (c->left == 0 || !is_space(c->at[0]))
		return value;
	size_t len = MIN(value.len, sizeof(head->unfolded));
	memcpy(head->unfolded, value.at, len);
	while (c->left > 0 && is_space(c->at[0]) && take_line(c, &line)) {
		line = trim(line);
		if (len == sizeof(head->unfolded) || line.len == 0)
			continue;
		head->unfolded[len++] = ' ';
		size_t fits = MIN(line.len, sizeof(head->unfolded) - len);
		memcpy(head->unfolded + len, line.at, fits);
		len += fits;
	}
	return (struct span){head->unfolded, len};
}

// Header lines up to the empty one, the segment's end, or until both are found; the first of each
// name counts.
static void read_fields(struct head *head, struct cursor *c)
{
	struct span line;

	for (int lines = 0; lines < LINES_MAX && take_line(c, &line) && line.len > 0; lines++) {
		const uint8_t *colon = memchr(line.at, ':', line.len);
		if (colon == NULL)
			continue;
		struct span name = trim((struct span){line.at, (size_t)(colon - line.at)});
		struct span value =
			trim((struct span){colon + 1, line.len - (size_t)(colon - line.at) - 1});
		if (head->host.at == NULL && named(name, "Host"))
			head->host = value;
		else if (head->user_agent.at == NULL && named(name, "User-Agent"))
			head->user_agent = unfold(head, value, c);
		if (head->host.at != NULL && head->user_agent.at != NULL)
			return;
	}
}

// The authority that the request is for (RFC 9112 section 3.2): CONNECT's target, or the one in an
// absolute target, which counts more than Host (section 3.2.2), or Host.
static struct span authority_of(const struct head *head)
{
	struct span t = head->target;

	if (named(head->method, "CONNECT"))
		return t;
	size_t scheme_len = 0;
	if (t.len > 7 && strncasecmp((const char *)t.at, "http://", 7) == 0)
		scheme_len = 7;
	else if (t.len > 8 && strncasecmp((const char *)t.at, "https://", 8) == 0)
		scheme_len = 8;
	if (scheme_len == 0)
		return head->host;
	t.at += scheme_len;
	t.len -= scheme_len;
	for (size_t i = 0; i < t.len; i++) {
		if (t.at[i] == '/' || t.at[i] == '?' || t.at[i] == '#')
			t.len = i;
	}
	return t;
}

// The host in an authority (RFC 3986 section 3.2): without user, password, port, or the brackets of
// an IPv6 literal.
static struct span host_of(struct span a)
{
	for (size_t i = a.len; i > 0; i--) {
		if (a.at[i - 1] == '@')
			return host_of((struct span){a.at + i, a.len - i});
	}
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

static void say_request(struct report *report, const struct head *head)
{
	report_text(report, FINDING_HTTP_METHOD, 0, head->method.at, head->method.len);
	struct span authority = authority_of(head);
	if (authority.len > 0) {
		struct span host = host_of(authority);
		if (host_is_sound(host))
			report_text(report, FINDING_SERVER_NAME, NAME_HTTP, host.at, host.len);
		else
			report_malformed(report);
	}
	struct span agent = head->user_agent;
	if (agent.len > 0)
		report_text(report, FINDING_USER_AGENT, 0, agent.at,
			MIN(agent.len, (size_t)FINDING_TEXT_MAX));
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

static bool inspect_request(struct cursor c, struct report *report)
{
	struct head head;

	head.host.at = head.user_agent.at = NULL;
	head.host.len = head.user_agent.len = 0;
	if (!read_request_line(&head, &c))
		return false;
	read_fields(&head, &c);
	say_request(report, &head);
	return true;
}

// A segment that begins no head: is there still something to wait for?
static enum classify_next judge_miss(struct http_flow *flow, const struct flow_view *view)
{
	if (flow->request && view->from == flow->asker)
		return CLASSIFY_MORE; // its body
	uint8_t *misses = flow->misses;
	misses[view->from]++;
	bool whole = (view->first_flags & TCP_SYN) != 0;
	if (misses[view->from] >= (whole ? MISSES_MAX : MISSES_JOINED_MAX))
		return CLASSIFY_ENOUGH;
	// Both ends of a flow seen from its beginning talk something else.
	return whole && misses[0] > 0 && misses[1] > 0 ? CLASSIFY_ENOUGH : CLASSIFY_MORE;
}

static enum classify_next http_inspect(void *, void *state, const struct packet *packet,
	const struct flow_view *view, struct report *report)
{
	struct http_flow *flow = state;
	uint32_t len;
	const uint8_t *payload = packet_payload(packet, &len);

	if (len == 0)
		return CLASSIFY_MORE;
	if (!flow->status && read_status(payload, len) != 0) {
		unsigned status = final_status(cursor_of(payload, len));
		if (status == 0)
			return CLASSIFY_MORE; // interim only
		report_number(report, FINDING_HTTP_STATUS, status);
		flow->status = true;
	} else if (!flow->request && inspect_request(cursor_of(payload, len), report)) {
		flow->request = true;
		flow->asker = view->from;
	} else {
		return judge_miss(flow, view);
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
