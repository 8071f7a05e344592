// Our own loop over libndpi's dissectors. Beside ndpi.c the only file that knows libndpi, and the
// only one that knows its inside, which is that of 4.2.0 and no other: where anything does not
// match what we know, ndpi_dispatch_install() leaves the library alone.
//
// libndpi keeps a list of dissectors for each kind of packet, and asks each, in order, until one
// recognises the flow or all have excluded themselves (check_ndpi_detection_func() of its
// ndpi_main.c). It passes three sets of 512 bits by value for each question, which is most of what
// an undecided packet costs. Here the library is given lists of one entry, which is ours: it walks
// over a copy of the true list, whose members are the bits of a mask.
#include "classifiers/ndpi_dispatch.h"

#define NDPI_LIB_COMPILATION // shows struct ndpi_detection_module_struct
#include <ndpi/ndpi_api.h>

#include <stdint.h>
#include <string.h>

enum {
	DISSECTORS_MAX = 128,
	MASK_WORDS = DISSECTORS_MAX / 64,
	NOT_LISTED = UINT8_MAX,
	// Bits of a flow's excluded_protocol_bitmask from here on belong to no protocol; they are
	// our mark for those on the list who have excluded themselves. They stand there so that
	// they go when the library begins a flow anew (a new SYN) and clears it.
	MARK_BIT = 384,
	MARK_WORD = MARK_BIT / 32,
};

struct mask {
	uint64_t word[MASK_WORDS];
};

struct dissector {
	void (*look)(struct ndpi_detection_module_struct *, struct ndpi_flow_struct *);
	uint16_t protocol;
	uint16_t selection; // what a packet must have, NDPI_SELECTION_BITMASK_PROTOCOL_...
};

// What decides, beside TCP and UDP, who is asked about a packet.
enum trait { TRAIT_IP6 = 1, TRAIT_PAYLOAD = 2, TRAIT_AGAIN = 4, TRAIT_COMBINATIONS = 8 };

struct list {
	struct dissector dissectors[DISSECTORS_MAX];
	uint32_t count;
	struct mask selected[TRAIT_COMBINATIONS];
	struct mask come_back; // another dissector may let them in again: never marked
	uint8_t place[NDPI_NUM_BITS]; // of a protocol's dissector; NOT_LISTED: it has none here
};

// The same in every module, and never changed once made.
static struct list tcp_list, udp_list;

static bool excluded(const struct ndpi_flow_struct *flow, uint16_t protocol)
{
	return NDPI_ISSET(&flow->excluded_protocol_bitmask, protocol) != 0;
}

static struct mask marked(const struct ndpi_flow_struct *flow)
{
	struct mask mask;

	memcpy(&mask, &flow->excluded_protocol_bitmask.fds_bits[MARK_WORD], sizeof(mask));
	return mask;
}

static void mark(struct ndpi_flow_struct *flow, const struct mask *mask)
{
	memcpy(&flow->excluded_protocol_bitmask.fds_bits[MARK_WORD], mask, sizeof(*mask));
}

static bool has(const struct mask *mask, unsigned place)
{
	return (mask->word[place / 64] >> place % 64 & 1) != 0;
}

// ---- Datagrams that a dissector need not be shown

// What the rules below look at.
struct datagram {
	const struct ndpi_flow_struct *flow;
	const uint8_t *payload;
	uint8_t head[16]; // of the payload, zeros behind its end
	uint16_t len, sport, dport;
	uint8_t net[2]; // first octets of the addresses; 0: IPv6
	bool broadcast; // to 255.255.255.255
	bool tinc; // the module knows peers of TINC
};

#define B(i) d->head[i]
#define LEN d->len
#define PORT(port) (d->sport == (port) || d->dport == (port))
#define PORTS(low, high) \
	((d->sport >= (low) && d->sport <= (high)) || (d->dport >= (low) && d->dport <= (high)))
#define NET(octet) (d->net[0] == (octet) || d->net[1] == (octet))
#define BETWEEN(low, value, high) ((value) >= (low) && (value) <= (high))
#define LETTER(octet) BETWEEN('a', (octet) | 0x20, 'z')
#define SEEN d->flow->packet_counter

// X(place, protocol, condition): unless it is so, the dissector at this place of the list excludes
// itself and does nothing else. Read out of its source, the file of that name in libndpi 4.2.0,
// src/lib/protocols; held to it by tests/property/test_ndpi_dispatch.c.
#define EXCLUDES_ITSELF_UNLESS(X) \
	X(0, STARCRAFT, PORT(1119)) \
	X(2, RTP, LEN >= 12 && (B(0) == 0x80 || B(0) == 0xa0)) \
	X(4, RDP, LEN >= 10 && PORT(3389)) \
	X(8, TEREDO, LEN >= 40 && PORT(3544)) \
	X(9, EDONKEY, d->flow->edonkey_stage != 0 || B(0) >= 0xc0) \
	X(10, GNUTELLA, \
		LEN < 2 || BETWEEN(32, LEN, 35) || LEN == 23 || LEN == 73 || LEN == 96 || \
			B(0) == 'G') \
	X(13, VMWARE, LEN == 66 && d->dport == 902) \
	X(14, SOPCAST, B(0) == 0 || B(0) == 0xff) \
	X(15, TVUPLAYER, B(0) == 0 || B(0) == 0xff) \
	X(16, PPSTREAM, LEN > 14 && (PORT(17788) || B(1) == 0x80 || B(1) == 0x84 || B(1) == 0x53)) \
	X(17, IAX, LEN >= 12 && PORT(4569)) \
	X(18, MGCP, LEN >= 8 && BETWEEN('A', B(0), 'R')) \
	X(19, ZATTOO, LEN > 20 && PORT(5003)) \
	X(21, AYIYA, LEN > 44 && PORT(5072)) \
	X(22, THUNDER, LEN > 8 && BETWEEN(0x30, B(0), 0x3f)) \
	X(23, TEAMVIEWER, LEN == 0 || NET(95) || NET(178) || (LEN > 13 && B(0) == 0)) \
	X(24, DHCP, LEN >= 244 && BETWEEN(67, d->sport, 68)) \
	X(26, HALFLIFE2, LEN >= 20 && B(0) == 0xff) \
	X(28, MINING, LEN > 98 && PORT(30303)) \
	X(29, NTP, PORT(123)) \
	X(30, NFS, LEN >= 40 && B(4) == 0) \
	X(31, SSDP, LEN >= 19 && BETWEEN('H', B(0), 'N')) \
	X(32, SNMP, LEN > 32 && B(0) == 0x30) \
	X(33, KONTIKI, B(0) == 2) \
	X(34, KERBEROS, PORT(88)) \
	X(35, SYSLOG, LEN > 20 && B(0) == '<') \
	X(36, NETBIOS, BETWEEN(137, d->dport, 138)) \
	X(37, IPP, BETWEEN('0', B(0), '9') || B(0) == 'P') \
	X(38, LDAP, LEN >= 14 && B(0) == 0x30) \
	X(39, WARCRAFT3, B(0) == 1 || B(0) == 0xf7 || B(0) == 0xff) \
	X(40, XDMCP, d->dport == 177) \
	X(41, TFTP, LEN >= 4 && B(0) == 0) \
	X(42, DHCPV6, BETWEEN(546, d->dport, 547)) \
	X(43, CPHA, LEN > 20 && B(0) == 0x1a) \
	X(44, AIMINI, B(0) == 1) \
	X(45, FLORENSIA, B(0) == 5) \
	X(46, CROSSFIRE, LEN == 25) \
	X(47, ARMAGETRON, LEN > 10 && B(0) == 0) \
	X(48, DROPBOX, d->dport == 17500) \
	X(49, SPOTIFY, PORT(57621)) \
	X(51, GTP, PORT(2152) || PORT(2123) || PORT(3386)) \
	X(52, DCERPC, LEN <= 1 || (LEN >= 80 && B(0) == 4)) \
	X(53, NETFLOW, LEN >= 24 && B(0) == 0) \
	X(54, SFLOW, LEN >= 24 && B(0) == 0) \
	X(57, NOE, B(0) <= 7) \
	X(59, TEAMSPEAK, LEN >= 20 && B(0) == 'T') \
	X(61, MEGACO, B(0) == '!' || B(0) == 'M') \
	X(63, TELEGRAM, LEN == 0 || (LEN >= 40 && PORTS(500, 600))) \
	X(64, QUIC, LEN >= 1200) \
	X(65, EAQ, LEN == 16 && PORT(6000)) \
	X(66, KAKAOTALK_VOICE, LEN >= 4 && NET(1)) \
	X(67, MPEGTS, B(0) == 0x47) \
	X(68, UBNTAC2, LEN >= 135 && PORT(10001)) \
	X(69, COAP, LEN >= 4 && (PORT(5683) || PORTS(61616, 61631))) \
	X(70, SOMEIP, LEN >= 16 && B(4) == 0 && B(5) == 0) \
	X(71, RX, LEN >= 28 && BETWEEN(1, d->payload[20], 13)) \
	X(72, HANGOUT_DUO, LEN > 24 && PORTS(19302, 19309)) \
	X(73, BJNP, LEN > 4 && (B(0) == 'B' || B(0) == 'M')) \
	X(74, TINC, d->tinc) \
	X(75, NINTENDO, LEN > 48 && B(0) == 0x32) \
	X(76, CAPWAP, PORT(5246) || PORT(5247)) \
	X(77, VIBER, LEN > 5 && B(3) == 0) \
	X(80, OOKLA, PORT(8080)) \
	X(82, LISP, PORT(4341) || PORT(4342)) \
	X(83, MEMCACHED, LEN >= 8 && B(6) == 0 && B(7) == 0) \
	X(84, WIREGUARD, LEN >= 32 && B(1) == 0 && B(2) == 0 && B(3) == 0) \
	X(85, AMAZON_VIDEO, LEN > 4 && B(0) == 0xde) \
	X(86, TARGUS_GETDATA, PORT(5001) || PORT(5201)) \
	X(88, AMONG_US, B(0) == 8) \
	X(89, GENSHIN_IMPACT, LEN >= 20 && B(0) == 0) \
	X(90, AVAST_SECUREDNS, LEN >= 34 && B(14) == 9)

// The same, but the dissector does nothing at all unless it is so, and waits for another packet.
// (DTLS excludes TLS over TCP, which nobody asks here.)
#define WAITS_UNLESS(X) \
	X(1, DTLS, LEN >= 14 && (B(0) == 0x16 || B(0) == 0x14)) \
	X(6, SIP, SEEN > 5 || (LEN >= 14 && (LETTER(B(0)) || LETTER(B(4))))) \
	X(7, IMO, \
		LEN == 1 || LEN == 10 || LEN == 11 || LEN == 1099 || \
			d->flow->num_processed_pkts > 5 || d->flow->l4.udp.imo_last_one_byte_pkt) \
	X(11, JABBER, SEEN >= 3 || B(0) == '<') \
	X(12, DNS, SEEN > 3 || PORT(53) || PORT(5353) || d->dport == 5355) \
	X(20, QQ, d->flow->num_processed_pkts > 4 || B(0) == 2 || B(0) == 0x28) \
	X(25, STEAM, \
		SEEN > 5 || d->flow->steam_stage1 || d->flow->steam_stage2 || \
			d->flow->steam_stage3 || B(0) == 'V' || B(0) == 1 || B(0) == 0x31 || \
			B(0) == 0xff || B(0) == 0x39) \
	X(27, XBOX, PORT(3074) || (LEN > 12 && B(5) == 0x58)) \
	X(50, RADIUS, PORT(1812) || PORT(1813) || PORT(18013)) \
	X(55, H323, SEEN > 5 || PORT(1719) || (LEN >= 6 && B(0) == 0x80)) \
	X(58, CISCOVPN, d->flow->num_processed_pkts > 5 || PORT(443) || PORT(10000)) \
	X(62, VHUA, SEEN > 3 || LEN < 9 || B(0) == 5) \
	X(81, CSGO, \
		SEEN > 5 || d->broadcast || B(0) == 0xff || B(0) == 0x3a || B(0) == 0x39 || \
			B(0) == 0x56 || B(0) <= 2 || B(0) == 0x0d) \
	X(87, DNSCRYPT, \
		SEEN >= 10 || \
			(d->flow->packet_direction_counter[0] > 0 && \
				d->flow->packet_direction_counter[1] > 0) || \
			B(0) == 'r' || B(13) == '2')

#define ONE(place, word) ((place) / 64 == (word) ? UINT64_C(1) << (place) % 64 : 0)
#define RULED(place, protocol, condition) \
	mask.word[0] |= ONE(place, 0); \
	mask.word[1] |= ONE(place, 1);
#define HOLDS(place, protocol, condition) \
	mask.word[(place) / 64] |= (uint64_t)(condition) << (place) % 64;

static void datagram_read(struct datagram *d, const struct ndpi_detection_module_struct *module,
	const struct ndpi_flow_struct *flow)
{
	const struct ndpi_packet_struct *packet = &module->packet;

	*d = (struct datagram){
		.flow = flow,
		.payload = packet->payload,
		.len = packet->payload_packet_len,
		.sport = ntohs(packet->udp->source),
		.dport = ntohs(packet->udp->dest),
		.tinc = module->tinc_cache != NULL,
	};
	if (packet->iph != NULL) {
		memcpy(&d->net[0], &packet->iph->saddr, 1);
		memcpy(&d->net[1], &packet->iph->daddr, 1);
		d->broadcast = packet->iph->daddr == UINT32_MAX;
	}
	if (d->len >= sizeof(d->head))
		memcpy(d->head, d->payload, sizeof(d->head));
	else
		memcpy(d->head, d->payload, d->len);
}

// Who need not be shown this datagram: those who would exclude themselves, and those who would
// wait.
static struct mask would_exclude(const struct datagram *d)
{
	struct mask ruled, held;
	struct mask mask = {{0}};

	EXCLUDES_ITSELF_UNLESS(RULED)
	ruled = mask;
	mask = (struct mask){{0}};
	EXCLUDES_ITSELF_UNLESS(HOLDS)
	held = mask;
	for (unsigned i = 0; i < MASK_WORDS; i++)
		mask.word[i] = ruled.word[i] & ~held.word[i];
	return mask;
}

static struct mask would_wait(const struct datagram *d)
{
	struct mask ruled, held;
	struct mask mask = {{0}};

	WAITS_UNLESS(RULED)
	ruled = mask;
	mask = (struct mask){{0}};
	WAITS_UNLESS(HOLDS)
	held = mask;
	for (unsigned i = 0; i < MASK_WORDS; i++)
		mask.word[i] = ruled.word[i] & ~held.word[i];
	return mask;
}

// Whether the rules speak of the dissectors that stand at these places.
static bool rules_fit(const struct list *list)
{
	static const struct {
		uint16_t place, protocol;
	} rules[] = {
#define X(place, protocol, condition) {place, NDPI_PROTOCOL_##protocol},
		EXCLUDES_ITSELF_UNLESS(X) WAITS_UNLESS(X)
#undef X
	};

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (list->place[rules[i].protocol] != rules[i].place)
			return false;
	return true;
}

// ---- The loop

static unsigned traits_of(const struct ndpi_packet_struct *packet)
{
	return (packet->iphv6 != NULL ? TRAIT_IP6 : 0u) |
		(packet->payload_packet_len > 0 ? TRAIT_PAYLOAD : 0u) |
		(packet->tcp_retransmission ? TRAIT_AGAIN : 0u);
}

// The library asks the dissector of the protocol that the ports let it guess first, and has done so
// when it comes here: its place, or NOT_LISTED.
static unsigned asked_before(const struct ndpi_detection_module_struct *module,
	const struct list *list, const struct mask *candidates, const struct ndpi_flow_struct *flow)
{
	unsigned place = list->place[flow->guessed_protocol_id];

	if (place == NOT_LISTED || !has(candidates, place))
		return NOT_LISTED;
	// Of a protocol with a dissector for TCP and one for UDP the library knows only the latter.
	return module->proto_defaults[flow->guessed_protocol_id].func ==
			list->dissectors[place].look
		? place
		: NOT_LISTED;
}

// Takes those off the list of candidates who need not be shown this datagram.
static bool datagram_filter(const struct ndpi_detection_module_struct *module,
	struct ndpi_flow_struct *flow, struct mask *left, struct mask *done)
{
	struct datagram d;
	bool taken = false;

	datagram_read(&d, module, flow);
	struct mask out = would_exclude(&d), wait = would_wait(&d);
	for (unsigned i = 0; i < MASK_WORDS; i++) {
		out.word[i] &= left->word[i];
		taken |= (left->word[i] & (out.word[i] | wait.word[i])) != 0;
		left->word[i] &= ~(out.word[i] | wait.word[i]);
		for (uint64_t rest = out.word[i]; rest != 0; rest &= rest - 1) {
			const struct dissector *dissector =
				&udp_list.dissectors[i * 64 + (unsigned)__builtin_ctzll(rest)];
			NDPI_SET(&flow->excluded_protocol_bitmask, dissector->protocol);
		}
		done->word[i] |= out.word[i] & ~udp_list.come_back.word[i];
	}
	return taken;
}

static void dispatch(const struct list *list, struct ndpi_detection_module_struct *module,
	struct ndpi_flow_struct *flow)
{
	const struct mask *selected = &list->selected[traits_of(&module->packet)];
	struct mask done = marked(flow);
	struct mask left;

	for (unsigned i = 0; i < MASK_WORDS; i++)
		left.word[i] = selected->word[i] & ~done.word[i];
	unsigned before = asked_before(module, list, &left, flow);
	bool asked = before != NOT_LISTED;
	if (list == &udp_list)
		asked |= datagram_filter(module, flow, &left, &done);
	for (unsigned i = 0; i < MASK_WORDS; i++) {
		for (; left.word[i] != 0; left.word[i] &= left.word[i] - 1) {
			unsigned place = i * 64 + (unsigned)__builtin_ctzll(left.word[i]);
			const struct dissector *d = &list->dissectors[place];

			if (place != before && !excluded(flow, d->protocol)) {
				asked = true;
				d->look(module, flow);
				if (flow->detected_protocol_stack[0] != NDPI_PROTOCOL_UNKNOWN)
					return;
			}
			if (excluded(flow, d->protocol))
				done.word[i] |=
					left.word[i] & -left.word[i] & ~list->come_back.word[i];
		}
	}
	mark(flow, &done);
	// As the library does when it has nobody left to ask.
	if (!asked)
		flow->fail_with_unknown = 1;
}

static void dispatch_tcp(struct ndpi_detection_module_struct *module, struct ndpi_flow_struct *flow)
{
	dispatch(&tcp_list, module, flow);
}

static void dispatch_udp(struct ndpi_detection_module_struct *module, struct ndpi_flow_struct *flow)
{
	dispatch(&udp_list, module, flow);
}

// What libndpi makes of a packet's traits (ndpi_detection_process_packet()).
static uint16_t selection_of(bool tcp, unsigned traits)
{
	unsigned selection = NDPI_SELECTION_BITMASK_PROTOCOL_COMPLETE_TRAFFIC |
		NDPI_SELECTION_BITMASK_PROTOCOL_INT_TCP_OR_UDP |
		NDPI_SELECTION_BITMASK_PROTOCOL_IPV4_OR_IPV6;

	selection |= tcp ? NDPI_SELECTION_BITMASK_PROTOCOL_INT_TCP
			 : NDPI_SELECTION_BITMASK_PROTOCOL_INT_UDP;
	selection |= traits & TRAIT_IP6 ? NDPI_SELECTION_BITMASK_PROTOCOL_IPV6
					: NDPI_SELECTION_BITMASK_PROTOCOL_IP;
	if (traits & TRAIT_PAYLOAD)
		selection |= NDPI_SELECTION_BITMASK_PROTOCOL_HAS_PAYLOAD;
	if (!(traits & TRAIT_AGAIN))
		selection |= NDPI_SELECTION_BITMASK_PROTOCOL_NO_TCP_RETRANSMISSION;
	return (uint16_t)selection;
}

// False: a list that we could not walk as the library does.
static bool list_make(struct list *list, const struct ndpi_call_function_struct *callbacks,
	uint32_t count, bool tcp)
{
	memset(list, 0, sizeof(*list));
	memset(list->place, NOT_LISTED, sizeof(list->place));
	for (uint32_t i = 0; i < count; i++) {
		const struct ndpi_call_function_struct *callback = &callbacks[i];
		uint16_t protocol = callback->ndpi_protocol_id;
		NDPI_PROTOCOL_BITMASK own;

		NDPI_SAVE_AS_BITMASK(own, protocol);
		if (protocol == NDPI_PROTOCOL_UNKNOWN || protocol >= MARK_BIT ||
			list->place[protocol] != NOT_LISTED ||
			memcmp(&own, &callback->excluded_protocol_bitmask, sizeof(own)) != 0 ||
			!NDPI_ISSET(&callback->detection_bitmask, NDPI_PROTOCOL_UNKNOWN))
			return false;
		for (uint32_t j = 0; j < i; j++)
			if (list->dissectors[j].look == callback->func)
				return false;
		list->place[protocol] = (uint8_t)i;
		list->dissectors[i] = (struct dissector){.look = callback->func,
			.protocol = protocol,
			.selection = (uint16_t)callback->ndpi_selection_bitmask};
		if (protocol == NDPI_PROTOCOL_TLS || // by mail_imap.c
			protocol == NDPI_PROTOCOL_RTP) // by stun.c
			list->come_back.word[i / 64] |= UINT64_C(1) << i % 64;
	}
	list->count = count;
	for (unsigned traits = 0; traits < TRAIT_COMBINATIONS; traits++)
		for (uint32_t i = 0; i < count; i++)
			if (!(list->dissectors[i].selection & ~selection_of(tcp, traits)))
				list->selected[traits].word[i / 64] |= UINT64_C(1) << i % 64;
	return true;
}

static bool known(const struct ndpi_detection_module_struct *module)
{
	return strcmp(ndpi_revision(), "4.2.0") == 0 && sizeof(*module) == 240816 &&
		sizeof(module->packet) == 1384 && sizeof(struct ndpi_flow_struct) == 688 &&
		module->callback_buffer_size_tcp_payload == 113 &&
		module->callback_buffer_size_udp == 91 &&
		module->callback_buffer_size_tcp_no_payload == 8 &&
		module->callback_buffer_size_non_tcp_udp == 9 &&
		module->ndpi_num_supported_protocols <= MARK_BIT &&
		module->ndpi_num_custom_protocols == 0;
}

static void list_take(struct ndpi_call_function_struct *callbacks, uint32_t *count,
	void (*look)(struct ndpi_detection_module_struct *, struct ndpi_flow_struct *))
{
	callbacks[0] = (struct ndpi_call_function_struct){.func = look};
	NDPI_SAVE_AS_BITMASK(callbacks[0].detection_bitmask, NDPI_PROTOCOL_UNKNOWN);
	*count = 1;
}

bool ndpi_dispatch_install(struct ndpi_detection_module_struct *module)
{
	static bool made;

	if (!known(module))
		return false;
	if (!made &&
		!(list_make(&tcp_list, module->callback_buffer_tcp_payload,
			  module->callback_buffer_size_tcp_payload, true) &&
			list_make(&udp_list, module->callback_buffer_udp,
				module->callback_buffer_size_udp, false) &&
			rules_fit(&udp_list)))
		return false;
	made = true;
	list_take(module->callback_buffer_tcp_payload, &module->callback_buffer_size_tcp_payload,
		dispatch_tcp);
	list_take(module->callback_buffer_udp, &module->callback_buffer_size_udp, dispatch_udp);
	return true;
}
