// A payload cut into lines, in the place of libndpi's ndpi_parse_packet_line_info() as in
// ndpi_prints.c. That one walks octet by octet and compares each line's beginning with thirty names
// of header fields; it was a tenth of all that libndpi cost on ordinary traffic, a fifth where much
// of it was HTTP, for HTTP, RTSP, Steam and others call it for what is no text at all.
//
// What it leaves in packet and flow is the same to the last octet, the odd lengths too at which it
// begins to know a field: held to it by tests/property/test_ndpi_lines.c.
#include "classifiers/ndpi_lines.h"

#include "classifiers/ndpi_names.h"
#include "core/base/compiler.h"

#define NDPI_LIB_COMPILATION // shows struct ndpi_detection_module_struct
#include <ndpi/ndpi_api.h>

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum how {
	COUNTED, // and nothing else
	WHOLE, // what comes after the name
	SPACE, // what comes after the name and a space, if there is one
	SPACES, // after the name and all spaces
};

// A field of a header, lower case. `beyond`: lines of so many octets are too short for it.
struct field {
	const char *name;
	uint8_t len, beyond, how;
	uint16_t at; // where struct ndpi_packet_struct notes it
};

#define FIELD(text, beyond, how, member) \
	{ \
		text, sizeof(text) - 1, beyond, how, offsetof(struct ndpi_packet_struct, member) \
	}
#define COUNT(text) \
	{ \
		text, sizeof(text) - 1, sizeof(text) - 1, COUNTED, 0 \
	}
#define END \
	{ \
		0 \
	}

static const struct field a_fields[] = {FIELD("accept: ", 8, WHOLE, accept_line),
	COUNT("accept-encoding: "), COUNT("accept-language: "), COUNT("accept-ranges: "),
	FIELD("authorization: ", 15, SPACES, authorization_line), END};
static const struct field c_fields[] = {COUNT("connection: "),
	FIELD("content-length: ", 16, WHOLE, http_contentlen),
	FIELD("content-type: ", 14, SPACES, content_line),
	FIELD("content-type:", 13, WHOLE, content_line),
	FIELD("content-encoding: ", 18, WHOLE, http_encoding),
	FIELD("content-disposition: ", 21, WHOLE, content_disposition_line),
	FIELD("cookie: ", 8, WHOLE, http_cookie), END};
static const struct field d_fields[] = {COUNT("date: "), END};
static const struct field e_fields[] = {COUNT("etag: "), COUNT("expires: "), END};
static const struct field h_fields[] = {FIELD("host:", 6, SPACE, host_line), END};
static const struct field k_fields[] = {COUNT("keep-alive: "), END};
static const struct field l_fields[] = {COUNT("last-modified: "), END};
static const struct field o_fields[] = {FIELD("origin: ", 8, WHOLE, http_origin), END};
static const struct field p_fields[] = {COUNT("pragma: "), END};
static const struct field r_fields[] = {FIELD("referer: ", 9, WHOLE, referer_line), END};
static const struct field s_fields[] = {
	FIELD("server:", 8, SPACE, server_line), COUNT("set-cookie: "), END};
static const struct field t_fields[] = {
	FIELD("transfer-encoding: ", 19, WHOLE, http_transfer_encoding), END};
static const struct field u_fields[] = {FIELD("user-agent: ", 12, WHOLE, user_agent_line),
	COUNT("upgrade-insecure-requests: "), END};
static const struct field v_fields[] = {COUNT("vary: "), END};
static const struct field x_fields[] = {FIELD("x-forwarded-for:", 17, SPACE, forwarded_line),
	FIELD("x-session-type: ", 16, WHOLE, http_x_session_type), END};

enum { LETTERS = 32 };

// By a letter's last five bits, which are the same in upper case.
static const struct field *const fields[LETTERS] = {
	['a' % LETTERS] = a_fields,
	['c' % LETTERS] = c_fields,
	['d' % LETTERS] = d_fields,
	['e' % LETTERS] = e_fields,
	['h' % LETTERS] = h_fields,
	['k' % LETTERS] = k_fields,
	['l' % LETTERS] = l_fields,
	['o' % LETTERS] = o_fields,
	['p' % LETTERS] = p_fields,
	['r' % LETTERS] = r_fields,
	['s' % LETTERS] = s_fields,
	['t' % LETTERS] = t_fields,
	['u' % LETTERS] = u_fields,
	['v' % LETTERS] = v_fields,
	['x' % LETTERS] = x_fields,
};

// The field that a line is, or NULL.
static const struct field *field_of(const struct ndpi_int_one_line_struct *line)
{
	const struct field *f = line->len > 0 ? fields[line->ptr[0] % LETTERS] : NULL;

	for (; f != NULL && f->len > 0; f++)
		if (line->len > f->beyond &&
			line->ptr[f->len - 1] == (uint8_t)f->name[f->len - 1] &&
			strncasecmp((const char *)line->ptr, f->name, f->len) == 0)
			return f;
	return NULL;
}

// A content's type ends where its parameters begin.
static void content_cut(struct ndpi_int_one_line_struct *content)
{
	static const char ends[] = {';', '\r'};

	for (unsigned i = 0; i < sizeof(ends); i++) {
		const uint8_t *end =
			content->len > 0 ? memchr(content->ptr, ends[i], content->len) : NULL;
		if (end != NULL)
			content->len = (uint16_t)(end - content->ptr);
	}
}

static void field_note(struct ndpi_packet_struct *packet, const struct field *f,
	const struct ndpi_int_one_line_struct *line)
{
	struct ndpi_int_one_line_struct *to = (void *)((uint8_t *)packet + f->at);
	uint16_t skip = f->len;

	// Without a space it is looked at only where there is none with one.
	if (f->at == offsetof(struct ndpi_packet_struct, content_line) && f->how == WHOLE &&
		to->len > 0)
		return;
	packet->http_num_headers++;
	if (f->how == COUNTED)
		return;
	if (f->how == SPACE && line->ptr[skip] == ' ')
		skip++;
	while (f->how == SPACES && skip < line->len && line->ptr[skip] == ' ')
		skip++;
	to->ptr = line->ptr + skip;
	to->len = (uint16_t)(line->len - skip);
	if (to == &packet->content_line)
		content_cut(to);
}

// "HTTP/1.1 200 OK"
static void answer_note(struct ndpi_packet_struct *packet, struct ndpi_flow_struct *flow)
{
	enum { CODE_AT = 9, CODE_MIN = 100, CODE_MAX = 509 };
	const struct ndpi_int_one_line_struct *line = &packet->line[0];
	char code[4] = "";

	if (line->len < CODE_AT + 4 || strncasecmp((const char *)line->ptr, "HTTP/1.", 7) != 0 ||
		line->ptr[CODE_AT] <= '0' || line->ptr[CODE_AT] >= '6')
		return;
	packet->http_response.ptr = line->ptr + CODE_AT;
	packet->http_response.len = (uint16_t)(line->len - CODE_AT);
	packet->http_num_headers++;
	memcpy(code, line->ptr + CODE_AT, sizeof(code) - 1);
	int number = atoi(code);
	flow->http.response_status_code =
		(uint16_t)(number < CODE_MIN || number > CODE_MAX ? 0 : number);
}

// The first octets behind an empty line.
static void body_note(
	struct ndpi_packet_struct *packet, struct ndpi_flow_struct *flow, const uint8_t *cr)
{
	const uint8_t *end = packet->payload + packet->payload_packet_len;
	size_t left = (size_t)(end - cr);

	if (left <= 4 || cr[2] != '\r' || cr[3] != '\n')
		return;
	size_t len = MIN(left - 4, sizeof(flow->initial_binary_bytes));
	memcpy(flow->initial_binary_bytes, cr + 4, len);
	flow->initial_binary_bytes_len = (uint8_t)len;
}

// Takes the line that ends at `cr`. Returns whether there is room for another.
static bool line_take(
	struct ndpi_packet_struct *packet, struct ndpi_flow_struct *flow, const uint8_t *cr)
{
	struct ndpi_int_one_line_struct *line = &packet->line[packet->parsed_lines];

	body_note(packet, flow, cr);
	line->len = (uint16_t)(cr - line->ptr);
	if (packet->parsed_lines == 0)
		answer_note(packet, flow);
	const struct field *f = field_of(line);
	if (f != NULL)
		field_note(packet, f, line);
	if (line->len == 0) {
		packet->empty_line_position = (uint16_t)(cr - packet->payload);
		packet->empty_line_position_set = 1;
	}
	if (packet->parsed_lines >= NDPI_MAX_PARSE_LINES_PER_PACKET - 1)
		return false;
	line[1].ptr = cr + 2;
	line[1].len = 0;
	packet->parsed_lines++;
	return true;
}

static void lines_begin(struct ndpi_packet_struct *packet)
{
	packet->packet_lines_parsed_complete = 1;
	packet->parsed_lines = 0;
	packet->empty_line_position_set = 0;
	memset(&packet->host_line, 0,
		offsetof(struct ndpi_packet_struct, http_num_headers) -
			offsetof(struct ndpi_packet_struct, host_line));
	packet->http_num_headers = 0;
	packet->line[0].ptr = packet->payload;
	packet->line[0].len = 0;
}

static void lines_cut(struct ndpi_packet_struct *packet, struct ndpi_flow_struct *flow)
{
	const uint8_t *end = packet->payload + packet->payload_packet_len;
	const uint8_t *at = packet->payload;

	lines_begin(packet);
	while ((at = memchr(at, '\r', (size_t)(end - at))) != NULL && at + 1 < end) {
		if (at[1] != '\n') {
			at++;
			continue;
		}
		if (!line_take(packet, flow, at))
			return;
		at += 2;
	}
	if (packet->parsed_lines > 0) {
		struct ndpi_int_one_line_struct *last = &packet->line[packet->parsed_lines++];
		last->len = (uint16_t)(end - last->ptr);
	}
}

// Nothing in this program calls it, which a linker that sees all of it at once would take for
// never.
[[gnu::used]] void ndpi_parse_packet_line_info(
	struct ndpi_detection_module_struct *module, struct ndpi_flow_struct *flow)
{
	struct ndpi_packet_struct *packet = &module->packet;

	if (ndpi_names_now == NULL)
		((typeof(ndpi_parse_packet_line_info) *)dlsym(
			RTLD_NEXT, "ndpi_parse_packet_line_info"))(module, flow);
	else if (packet->payload_packet_len >= 3 && packet->payload != NULL &&
		!packet->packet_lines_parsed_complete)
		lines_cut(packet, flow);
}
