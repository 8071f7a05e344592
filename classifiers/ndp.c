// Neighbour discovery (RFC 4861): who says that an IPv6 address is theirs, and which prefixes
// routers announce for the link. Shown NDP packets, of no flow.
#include "address.h"

#include "core/base/cursor.h"
#include "core/classify/classifier.h"

#include <string.h>

enum {
	ROUTER_SOLICITATION = 133,
	ROUTER_ADVERTISEMENT = 134,
	NEIGHBOUR_SOLICITATION = 135,
	NEIGHBOUR_ADVERTISEMENT = 136,
	REDIRECT = 137,
};
enum { OPTION_SOURCE_MAC = 1, OPTION_TARGET_MAC = 2, OPTION_PREFIX = 3 };
enum {
	HOP_LIMIT = 255, // sections 6.1 and 7.1: nobody beyond the link can have sent it
	ADVERTISEMENT_SOLICITED = 0x40, // first octet of an advertisement's flags
	PREFIX_ON_LINK = 0x80,
	PREFIXES_MAX = 8, // of one advertisement
};

struct message {
	const uint8_t *frame_mac; // Ethernet source, or NULL
	const uint8_t *source; // of the IPv6 header
	const uint8_t *target; // of a solicitation, an advertisement, a redirect; else NULL
	const uint8_t *source_mac; // options; NULL: none
	const uint8_t *target_mac;
	const uint8_t *prefix[PREFIXES_MAX]; // whole options
	uint32_t prefix_count;
	uint8_t type;
	uint8_t flags;
};

static void say(struct report *report, enum client_fact kind, const uint8_t *mac, const uint8_t *ip)
{
	struct fact fact = {.kind = (uint8_t)kind, .ip_version = 6};

	if (mac != NULL)
		memcpy(fact.mac, mac, 6);
	memcpy(fact.ip, ip, 16);
	report_fact(report, &fact);
}

static void say_binding(struct report *report, const uint8_t *mac, const uint8_t *ip)
{
	if (mac == NULL || !mac_is_station(mac) || !ip6_is_host(ip))
		return;
	say(report, FACT_ON_LINK, mac, ip);
	say(report, FACT_NDP, mac, ip);
}

// Options: type, length in units of eight octets, which is never 0 (section 4.6).
static void read_options(struct message *m, struct cursor *c)
{
	while (c->left > 0 && !c->bad) {
		const uint8_t *option = c->at;
		uint8_t type = cursor_u8(c);
		uint8_t units = cursor_u8(c);
		if (units == 0) {
			c->bad = true;
			return;
		}
		cursor_skip(c, (size_t)units * 8 - 2);
		if (c->bad)
			return;
		if (type == OPTION_SOURCE_MAC && units == 1)
			m->source_mac = option + 2;
		else if (type == OPTION_TARGET_MAC && units == 1)
			m->target_mac = option + 2;
		else if (type == OPTION_PREFIX && units == 4 && m->prefix_count < PREFIXES_MAX)
			m->prefix[m->prefix_count++] = option;
	}
}

// What stands before the options (sections 4.1 to 4.5).
static void read_head(struct message *m, struct cursor *c)
{
	m->type = cursor_u8(c);
	uint8_t code = cursor_u8(c);
	cursor_skip(c, 2); // checksum
	m->flags = cursor_u8(c);
	cursor_skip(c, 3);
	switch (m->type) {
	case ROUTER_SOLICITATION:
		break;
	case ROUTER_ADVERTISEMENT:
		cursor_skip(c, 8);
		break;
	case NEIGHBOUR_SOLICITATION:
	case NEIGHBOUR_ADVERTISEMENT:
		m->target = cursor_take(c, 16);
		break;
	case REDIRECT:
		m->target = cursor_take(c, 16);
		cursor_skip(c, 16); // destination
		break;
	default:
		c->bad = true;
	}
	if (code != 0)
		c->bad = true;
}

static void say_prefixes(const struct message *m, struct report *report)
{
	for (uint32_t i = 0; i < m->prefix_count; i++) {
		const uint8_t *option = m->prefix[i];
		// fe80::/10 is every link's and says nothing (section 4.6.2).
		if ((option[3] & PREFIX_ON_LINK) == 0 || option[2] == 0 || option[2] > 128 ||
			!ip6_is_host(option + 16) ||
			(option[16] == 0xfe && (option[17] & 0xc0) == 0x80))
			continue;
		struct fact fact = {
			.kind = FACT_ROUTER_PREFIX, .ip_version = 6, .prefix_len = option[2]};
		memcpy(fact.ip, option + 16, 16);
		report_fact(report, &fact);
	}
}

static void say_advertised(const struct message *m, struct report *report)
{
	if (m->target_mac != NULL) {
		say_binding(report, m->target_mac, m->target);
		return;
	}
	// The option may be left out when the asker knows it (section 4.4); then the frame shows
	// it, where the answer comes from the address itself.
	if ((m->flags & ADVERTISEMENT_SOLICITED) != 0 && memcmp(m->source, m->target, 16) == 0)
		say_binding(report, m->frame_mac, m->target);
	else if (ip6_is_host(m->target))
		say(report, FACT_ON_LINK, NULL, m->target);
}

static void say_all(const struct message *m, struct report *report)
{
	// A sender without an address yet looks for another owner of the target (RFC 4862 section
	// 5.4.2): the target is of this link, whoever has it.
	if (m->source_mac != NULL && m->type != NEIGHBOUR_ADVERTISEMENT && m->type != REDIRECT)
		say_binding(report, m->source_mac, m->source);
	if (m->type == NEIGHBOUR_SOLICITATION && ip6_is_host(m->target))
		say(report, FACT_ON_LINK, NULL, m->target);
	if (m->type == NEIGHBOUR_ADVERTISEMENT)
		say_advertised(m, report);
	// A redirect's target with a link-layer address is a neighbour (section 4.5).
	if (m->type == REDIRECT && m->target_mac != NULL)
		say_binding(report, m->target_mac, m->target);
	if (m->type == ROUTER_ADVERTISEMENT)
		say_prefixes(m, report);
}

static enum classify_next ndp_inspect(void *, void *, const struct packet *packet,
	const struct flow_view *, struct report *report)
{
	struct message m = {0};
	struct cursor ip = cursor_of(packet->data, packet->cap_len);

	cursor_skip(&ip, packet->l3_offset);
	cursor_skip(&ip, 7);
	uint8_t hop_limit = cursor_u8(&ip);
	m.source = cursor_take(&ip, 16);
	if (ip.bad || hop_limit != HOP_LIMIT || packet->l4_offset < packet->l3_offset)
		return CLASSIFY_MORE;
	if ((packet->bits & PACKET_HAS_MAC) != 0)
		m.frame_mac = packet->data + 6;

	struct cursor c = cursor_of(packet->data, packet->cap_len);
	cursor_skip(&c, packet->l4_offset);
	// Lengths by the IP header: what Ethernet pads is no option.
	uint32_t head_len = (uint32_t)packet->l4_offset - packet->l3_offset;
	if (packet->l3_len > head_len)
		c.left = MIN(c.left, packet->l3_len - head_len);
	read_head(&m, &c);
	if (c.bad)
		return CLASSIFY_MORE;
	read_options(&m, &c);
	// Section 6.1, 7.1: a message with a broken option is thrown away. A cut one keeps what it
	// had.
	if (c.bad && (packet->bits & PACKET_SNAPPED) == 0)
		return CLASSIFY_MORE;
	say_all(&m, report);
	return CLASSIFY_MORE;
}

static int ndp_open(void **ret_self, const struct classifier_config *)
{
	*ret_self = NULL;
	return 0;
}

static void ndp_close(void *) {}

const struct classifier_ops ndp_classifier_ops = {
	.name = "ndp",
	.wants = WANTS_NDP,
	.open = ndp_open,
	.inspect = ndp_inspect,
	.close = ndp_close,
};
