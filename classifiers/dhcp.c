// DHCP for IPv4 (RFC 2131): what a client calls itself and is made of, and which address a server
// acknowledged for it. Shown the packets of UDP ports 67 and 68; a client is always `chaddr`, for
// the frame's source may be a relay's.
#include "address.h"
#include "dns_name.h"

#include "core/base/cursor.h"
#include "core/classify/classifier.h"

#include <string.h>

enum { BOOTREQUEST = 1, BOOTREPLY = 2 };
enum { HARDWARE_UNSAID = 0, HARDWARE_ETHERNET = 1, HARDWARE_IEEE802 = 6 };
enum { MAGIC_COOKIE = 0x63825363 }; // section 3; without it: plain BOOTP, which says no names
enum { DHCPACK = 5, DHCPLEASEQUERY = 10 };
enum { SNAME_SIZE = 64, FILE_SIZE = 128, CHADDR_SIZE = 16 };

// RFC 2132 where nothing else stands.
enum {
	OPTION_PAD = 0,
	OPTION_HOST_NAME = 12,
	OPTION_OVERLOAD = 52,
	OPTION_MESSAGE_TYPE = 53,
	OPTION_PARAMETERS = 55,
	OPTION_VENDOR_CLASS = 60,
	OPTION_FQDN = 81, // RFC 4702
	OPTION_END = 255,
};
enum { OVERLOAD_FILE = 1, OVERLOAD_SNAME = 2 };
enum { FQDN_WIRE = 0x04 }; // RFC 4702 section 2.1, flag E: DNS wire format, else ASCII

enum {
	FIELD_MAX = 512, // octets of one option, all its parts together
	PARAMETERS_MAX = 128, // codes written out: "255," each makes 512 octets
};

// An option's parts in the order of RFC 3396 section 5: the same code again continues the first.
struct field {
	uint16_t len;
	uint8_t bytes[FIELD_MAX + 1]; // one spare: see say_fqdn()
};

struct message {
	uint8_t operation;
	uint8_t type;
	uint8_t overload;
	const uint8_t *client_ip; // ciaddr
	const uint8_t *your_ip; // yiaddr
	const uint8_t *mac;
	struct field host_name, parameters, vendor_class, fqdn;
};

static void append(struct field *field, const uint8_t *bytes, size_t len)
{
	size_t fits = MIN(len, (size_t)FIELD_MAX - field->len);

	memcpy(field->bytes + field->len, bytes, fits);
	field->len = (uint16_t)(field->len + fits);
}

static void read_option(struct message *m, uint8_t code, const uint8_t *value, uint8_t len)
{
	switch (code) {
	case OPTION_HOST_NAME:
		append(&m->host_name, value, len);
		break;
	case OPTION_PARAMETERS:
		append(&m->parameters, value, len);
		break;
	case OPTION_VENDOR_CLASS:
		append(&m->vendor_class, value, len);
		break;
	case OPTION_FQDN:
		append(&m->fqdn, value, len);
		break;
	case OPTION_MESSAGE_TYPE:
		m->type = len == 1 ? value[0] : 0;
		break;
	case OPTION_OVERLOAD:
		m->overload = len == 1 ? value[0] : 0;
		break;
	}
}

// One run of options: up to its end mark, or all of it.
static void read_options(struct message *m, struct cursor *c)
{
	while (c->left > 0) {
		uint8_t code = cursor_u8(c);
		if (code == OPTION_PAD)
			continue;
		if (code == OPTION_END)
			return;
		uint8_t len = cursor_u8(c);
		const uint8_t *value = cursor_take(c, len);
		if (c->bad)
			return;
		read_option(m, code, value, len);
	}
}

enum outcome { NOT_DHCP, BROKEN, READ };

// `cut`: the capture holds less than was sent; then what stands before the cut is used.
static enum outcome read_message(struct message *m, struct cursor *c, bool cut)
{
	m->operation = cursor_u8(c);
	uint8_t hardware = cursor_u8(c);
	uint8_t mac_len = cursor_u8(c);
	cursor_skip(c, 9); // hops, xid, secs, flags
	m->client_ip = cursor_take(c, 4);
	m->your_ip = cursor_take(c, 4);
	cursor_skip(c, 8); // siaddr, giaddr
	m->mac = cursor_take(c, CHADDR_SIZE);
	struct cursor sname = cursor_sub(c, SNAME_SIZE);
	struct cursor file = cursor_sub(c, FILE_SIZE);
	uint32_t cookie = cursor_u32(c);
	if (c->bad || cookie != MAGIC_COOKIE)
		return NOT_DHCP;
	if (m->operation != BOOTREQUEST && m->operation != BOOTREPLY)
		return BROKEN;
	if (mac_len != 6 ||
		(hardware != HARDWARE_ETHERNET && hardware != HARDWARE_IEEE802 &&
			hardware != HARDWARE_UNSAID))
		return NOT_DHCP; // of a machine that has no MAC address

	m->host_name.len = m->parameters.len = m->vendor_class.len = m->fqdn.len = 0;
	m->type = m->overload = 0;
	read_options(m, c);
	// RFC 2131 section 4.1: first the options, then `file`, then `sname`.
	if ((m->overload & OVERLOAD_FILE) != 0)
		read_options(m, &file);
	if ((m->overload & OVERLOAD_SNAME) != 0)
		read_options(m, &sname);
	return (c->bad && !cut) || file.bad || sname.bad ? BROKEN : READ;
}

static void say_text(const struct message *m, struct report *report, enum client_fact kind,
	const uint8_t *text, size_t len)
{
	// RFC 2132 section 2: be prepared for NULs at the end.
	while (len > 0 && text[len - 1] == 0)
		len--;
	if (len == 0)
		return;
	struct fact fact = {.kind = (uint8_t)kind, .text_len = (uint16_t)len, .text = text};
	memcpy(fact.mac, m->mac, 6);
	report_fact(report, &fact);
}

// RFC 4702 section 2: flags, two result codes, the name.
static void say_fqdn(struct message *m, struct report *report)
{
	enum { HEAD = 3 };
	struct field *f = &m->fqdn;

	if (f->len <= HEAD)
		return;
	if ((f->bytes[0] & FQDN_WIRE) == 0) {
		say_text(m, report, FACT_DHCP_FQDN, f->bytes + HEAD, f->len - HEAD);
		return;
	}
	// Section 2.3.1: a partial name has no root at its end; the spare octet is one.
	f->bytes[f->len] = 0;
	struct cursor c = cursor_of(f->bytes + HEAD, (size_t)f->len - HEAD + 1);
	struct dns_name name;
	if (!dns_name_read(&name, &c, NULL))
		report_malformed(report);
	else if (!(name.len == 1 && name.text[0] == '.'))
		say_text(m, report, FACT_DHCP_FQDN, name.text, name.len);
}

static void say_parameters(const struct message *m, struct report *report)
{
	uint8_t text[PARAMETERS_MAX * 4];
	size_t count = MIN(m->parameters.len, (size_t)PARAMETERS_MAX);
	size_t len = 0;

	for (size_t i = 0; i < count; i++) {
		unsigned code = m->parameters.bytes[i];
		if (i > 0)
			text[len++] = ',';
		if (code >= 100)
			text[len++] = (uint8_t)('0' + code / 100);
		if (code >= 10)
			text[len++] = (uint8_t)('0' + code / 10 % 10);
		text[len++] = (uint8_t)('0' + code % 10);
	}
	say_text(m, report, FACT_DHCP_OPTIONS, text, len);
}

// An acknowledgement of DHCPINFORM has no `yiaddr`: the client keeps its own (RFC 2131 section
// 4.3.5).
static void say_binding(const struct message *m, struct report *report)
{
	static const uint8_t none[4];
	const uint8_t *ip = memcmp(m->your_ip, none, 4) != 0 ? m->your_ip : m->client_ip;

	if (!ip4_is_host(ip))
		return;
	struct fact fact = {.kind = FACT_DHCP_BINDING, .ip_version = 4};
	memcpy(fact.mac, m->mac, 6);
	memcpy(fact.ip, ip, 4);
	report_fact(report, &fact);
}

static enum classify_next dhcp_inspect(void *, void *, const struct packet *packet,
	const struct flow_view *, struct report *report)
{
	struct message m;
	uint32_t len;
	const uint8_t *payload = packet_payload(packet, &len);
	struct cursor c = cursor_of(payload, len);
	bool cut = len < packet->payload_len || (packet->bits & PACKET_FRAGMENT) != 0;
	enum outcome outcome = read_message(&m, &c, cut);

	if (outcome == BROKEN)
		report_malformed(report);
	if (outcome != READ || !mac_is_station(m.mac))
		return CLASSIFY_MORE;
	if (m.operation == BOOTREPLY && m.type == DHCPACK)
		say_binding(&m, report);
	// A reply names what the server wants, a lease query (RFC 4388) whom another asks about.
	if (m.operation != BOOTREQUEST || m.type >= DHCPLEASEQUERY)
		return CLASSIFY_MORE;
	say_text(&m, report, FACT_DHCP_NAME, m.host_name.bytes, m.host_name.len);
	say_fqdn(&m, report);
	say_text(&m, report, FACT_DHCP_VENDOR_CLASS, m.vendor_class.bytes, m.vendor_class.len);
	say_parameters(&m, report);
	return CLASSIFY_MORE;
}

static int dhcp_open(void **ret_self, const struct classifier_config *)
{
	*ret_self = NULL;
	return 0;
}

static void dhcp_close(void *) {}

const struct classifier_ops dhcp_classifier_ops = {
	.name = "dhcp",
	.wants = WANTS_DHCP,
	.open = dhcp_open,
	.inspect = dhcp_inspect,
	.close = dhcp_close,
};
