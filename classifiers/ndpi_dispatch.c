// Our own loop over libndpi's dissectors. It knows the library's inside, which is that of 4.2.0 and
// no other: where anything does not match what we know, ndpi_dispatch_install() says so, and the
// library does everything its own way.
//
// libndpi keeps a list of dissectors for each kind of packet, and asks each, in order, until one
// recognises the flow or all have excluded themselves (check_ndpi_detection_func() of its
// ndpi_main.c). It passes three sets of 512 bits by value for each question, which is most of what
// an undecided packet costs. Here a function of ours stands in the place of its own, as in
// ndpi_prints.c; it walks over a copy of the list, whose members are the bits of a mask.
#include "classifiers/ndpi_dispatch.h"

#include "classifiers/ndpi_known.h"
#include "classifiers/ndpi_names.h"
#include "classifiers/ndpi_rules.h"

#define NDPI_LIB_COMPILATION // shows struct ndpi_detection_module_struct
#include <ndpi/ndpi_api.h>

#include <assert.h>
#include <dlfcn.h>
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

typedef void look_function(struct ndpi_detection_module_struct *, struct ndpi_flow_struct *);

struct dissector {
	look_function *look;
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
// By protocol, for TCP and UDP alike; without `look`: the protocol has none. Of one with a
// dissector for each the library knows the latter here.
static struct dissector of_protocol[MARK_BIT];

// The library's own macros make 64 bits of a mask's 32, which compilers warn of.
static void set_add(NDPI_PROTOCOL_BITMASK *set, uint16_t protocol)
{
	set->fds_bits[protocol / 32] |= 1u << protocol % 32;
}

static void set_remove(NDPI_PROTOCOL_BITMASK *set, uint16_t protocol)
{
	set->fds_bits[protocol / 32] &= ~(1u << protocol % 32);
}

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

// ---- Packets that a dissector need not be shown

#define HOLDS(place, protocol, condition) \
	mask.word[(place) / 64] |= (uint64_t)(condition) << (place) % 64;
#define IN_WORD_0(place, protocol, condition) | ((place) < 64 ? UINT64_C(1) << (place) % 64 : 0)
#define IN_WORD_1(place, protocol, condition) | ((place) >= 64 ? UINT64_C(1) << (place) % 64 : 0)

enum kind { DATAGRAM, SEGMENT, KINDS };

// The first places of TCP's list: HTTP, StarCraft, TLS.
enum { EARLY = 7 };

// The places that there are rules for.
static const struct mask excluding[KINDS] = {
	[DATAGRAM] = {{0 EXCLUDES_ITSELF_UNLESS(IN_WORD_0), 0 EXCLUDES_ITSELF_UNLESS(IN_WORD_1)}},
	[SEGMENT] = {{0 SEGMENT_EXCLUDES_ITSELF_UNLESS(IN_WORD_0),
		0 SEGMENT_EXCLUDES_ITSELF_UNLESS(IN_WORD_1)}},
};
static const struct mask waiting[KINDS] = {
	[DATAGRAM] = {{0 WAITS_UNLESS(IN_WORD_0), 0 WAITS_UNLESS(IN_WORD_1)}},
	[SEGMENT] = {{0 SEGMENT_WAITS_UNLESS(IN_WORD_0), 0 SEGMENT_WAITS_UNLESS(IN_WORD_1)}},
};

static uint64_t named_ports[KINDS][65536 / 64]; // in a rule
static NDPI_PROTOCOL_BITMASK excluding_protocols[KINDS]; // of the places in `excluding`

static bool port_named(enum kind kind, uint16_t port)
{
	return (named_ports[kind][port / 64] >> port % 64 & 1) != 0;
}

static void ports_name(enum kind kind, unsigned low, unsigned high)
{
	for (unsigned port = low; port <= high; port++)
		named_ports[kind][port / 64] |= UINT64_C(1) << port % 64;
}

static void shown_read(struct shown *d, const struct ndpi_detection_module_struct *module,
	const struct ndpi_flow_struct *flow)
{
	const struct ndpi_packet_struct *packet = &module->packet;

	*d = (struct shown){
		.flow = flow,
		.payload = packet->payload,
		.len = packet->payload_packet_len,
		.sport = ntohs(packet->udp != NULL ? packet->udp->source : packet->tcp->source),
		.dport = ntohs(packet->udp != NULL ? packet->udp->dest : packet->tcp->dest),
		.tinc = module->tinc_cache != NULL,
	};
	if (packet->iph != NULL) {
		memcpy(&d->net[0], &packet->iph->saddr, 1);
		memcpy(&d->net[1], &packet->iph->daddr, 1);
		d->broadcast = packet->iph->daddr == UINT32_MAX;
	}
	if (d->len >= 2) {
		d->last = d->payload[d->len - 1];
		d->ends_line = d->last == '\n' && d->payload[d->len - 2] == '\r';
	}
	if (d->len >= sizeof(d->head))
		memcpy(d->head, d->payload, sizeof(d->head));
	else
		memcpy(d->head, d->payload, d->len);
}

// Who need not be shown this packet: those who would exclude themselves, and those who would wait.
// `ports`: whether a rule names one of its ports; else those rules cost nothing.
[[gnu::always_inline]] static inline struct mask would_exclude(
	enum kind kind, const struct shown *d, bool ports)
{
	struct mask mask = {{0}};

	if (kind == DATAGRAM) {
		EXCLUDES_ITSELF_UNLESS(HOLDS)
	} else {
		SEGMENT_EXCLUDES_ITSELF_UNLESS(HOLDS)
	}
	for (unsigned i = 0; i < MASK_WORDS; i++)
		mask.word[i] = ~mask.word[i] & excluding[kind].word[i];
	return mask;
}

[[gnu::always_inline]] static inline struct mask would_wait(
	enum kind kind, const struct shown *d, bool ports)
{
	struct mask mask = {{0}};

	if (kind == DATAGRAM) {
		WAITS_UNLESS(HOLDS)
	} else {
		SEGMENT_WAITS_UNLESS(HOLDS)
	}
	for (unsigned i = 0; i < MASK_WORDS; i++)
		mask.word[i] = ~mask.word[i] & waiting[kind].word[i];
	return mask;
}

[[gnu::always_inline]] static inline void judge(enum kind kind, const struct shown *d, bool exclude,
	struct mask *ret_out, struct mask *ret_wait)
{
	*ret_out = (struct mask){{0}};
	if (port_named(kind, d->sport) || port_named(kind, d->dport)) {
		if (exclude)
			*ret_out = would_exclude(kind, d, true);
		*ret_wait = would_wait(kind, d, true);
	} else {
		if (exclude)
			*ret_out = would_exclude(kind, d, false);
		*ret_wait = would_wait(kind, d, false);
	}
}

#undef PORTS
#define PORTS(low, high) (ports_name(kind, low, high), false)
#define NAME_PORTS(place, protocol, condition) (void)(condition);

static void ports_note(void)
{
	const struct ndpi_flow_struct flow = {0};
	const struct shown empty = {.flow = &flow, .payload = (const uint8_t *)"", .head = {0}};
	const struct shown *d = &empty;

	enum kind kind = DATAGRAM;

	EXCLUDES_ITSELF_UNLESS(NAME_PORTS)
	WAITS_UNLESS(NAME_PORTS)
	kind = SEGMENT;
	SEGMENT_EXCLUDES_ITSELF_UNLESS(NAME_PORTS)
	SEGMENT_WAITS_UNLESS(NAME_PORTS)
}

struct rule {
	uint16_t place, protocol;
};

static bool rules_fit(const struct list *list, const struct rule *rules, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (list->place[rules[i].protocol] != rules[i].place)
			return false;
	return true;
}

// Makes the rules ready. False: they do not speak of the dissectors that stand at these places.
static bool rules_make(void)
{
#define X(place, protocol, condition) {place, NDPI_PROTOCOL_##protocol},
	static const struct rule of_udp[] = {EXCLUDES_ITSELF_UNLESS(X) WAITS_UNLESS(X)};
	static const struct rule of_tcp[] = {
		SEGMENT_EXCLUDES_ITSELF_UNLESS(X) SEGMENT_WAITS_UNLESS(X)};
#undef X

	if (!rules_fit(&udp_list, of_udp, sizeof(of_udp) / sizeof(of_udp[0])) ||
		!rules_fit(&tcp_list, of_tcp, sizeof(of_tcp) / sizeof(of_tcp[0])))
		return false;
	for (unsigned place = 0; place < DISSECTORS_MAX; place++) {
		if (excluding[DATAGRAM].word[place / 64] >> place % 64 & 1)
			set_add(&excluding_protocols[DATAGRAM],
				udp_list.dissectors[place].protocol);
		if (excluding[SEGMENT].word[place / 64] >> place % 64 & 1)
			set_add(&excluding_protocols[SEGMENT], tcp_list.dissectors[place].protocol);
	}
	ports_note();
	return true;
}

// ---- The loop

static unsigned traits_of(const struct ndpi_packet_struct *packet)
{
	return (packet->iphv6 != NULL ? TRAIT_IP6 : 0u) |
		(packet->payload_packet_len > 0 ? TRAIT_PAYLOAD : 0u) |
		(packet->tcp_retransmission ? TRAIT_AGAIN : 0u);
}

// Excludes who stands at these places. `many`: it is nearly all there are rules for.
[[gnu::always_inline]] static inline void exclude_places(
	enum kind kind, struct ndpi_flow_struct *flow, const struct mask *out, bool many)
{
	const struct list *list = kind == DATAGRAM ? &udp_list : &tcp_list;
	NDPI_PROTOCOL_BITMASK *set = &flow->excluded_protocol_bitmask, old = *set;

	for (unsigned i = 0; many && i < MARK_WORD; i++)
		set->fds_bits[i] |= excluding_protocols[kind].fds_bits[i];
	for (unsigned i = 0; i < MASK_WORDS; i++) {
		uint64_t rest = many ? excluding[kind].word[i] & ~out->word[i] : out->word[i];
		for (; rest != 0; rest &= rest - 1) {
			unsigned place = i * 64 + (unsigned)__builtin_ctzll(rest);
			uint16_t protocol = list->dissectors[place].protocol;
			if (!many)
				set_add(set, protocol);
			else if (!NDPI_ISSET(&old, protocol))
				set_remove(set, protocol);
		}
	}
}

// Takes those off the list of candidates who need not be shown this packet. Returns whether there
// were any.
[[gnu::always_inline]] static inline bool filter(enum kind kind,
	const struct ndpi_detection_module_struct *module, struct ndpi_flow_struct *flow,
	struct mask *left, struct mask *done)
{
	const struct list *list = kind == DATAGRAM ? &udp_list : &tcp_list;
	struct mask out, wait;
	struct shown d;
	bool taken = false, first = ((done->word[0] & ~(uint64_t)EARLY) | done->word[1]) == 0;

	// Of a stream, those that a first segment has not ruled out are few, and know why.
	if (kind == SEGMENT && !first &&
		((left->word[0] & waiting[kind].word[0]) |
			(left->word[1] & waiting[kind].word[1])) == 0)
		return false;
	shown_read(&d, module, flow);
	judge(kind, &d, kind == DATAGRAM || first, &out, &wait);
	for (unsigned i = 0; i < MASK_WORDS; i++) {
		out.word[i] &= left->word[i];
		taken |= (left->word[i] & (out.word[i] | wait.word[i])) != 0;
		left->word[i] &= ~(out.word[i] | wait.word[i]);
		done->word[i] |= out.word[i] & ~list->come_back.word[i];
	}
	exclude_places(kind, flow, &out, first);
	return taken;
}

static bool datagram_filter(const struct ndpi_detection_module_struct *module,
	struct ndpi_flow_struct *flow, struct mask *left, struct mask *done)
{
	return filter(DATAGRAM, module, flow, left, done);
}

static bool segment_filter(const struct ndpi_detection_module_struct *module,
	struct ndpi_flow_struct *flow, struct mask *left, struct mask *done)
{
	return filter(SEGMENT, module, flow, left, done);
}

// Asks those left on the list, but for who was asked `before`, and takes them off. Returns whether
// there was anybody to ask.
static bool list_ask(const struct list *list, struct ndpi_detection_module_struct *module,
	struct ndpi_flow_struct *flow, look_function *before, struct mask *left, struct mask *done)
{
	bool asked = false;

	for (unsigned i = 0; i < MASK_WORDS; i++) {
		for (; left->word[i] != 0; left->word[i] &= left->word[i] - 1) {
			unsigned place = i * 64 + (unsigned)__builtin_ctzll(left->word[i]);
			const struct dissector *d = &list->dissectors[place];

			if (d->look != before && !excluded(flow, d->protocol)) {
				asked = true;
				d->look(module, flow);
				if (flow->detected_protocol_stack[0] != NDPI_PROTOCOL_UNKNOWN)
					return true;
			}
			if (excluded(flow, d->protocol))
				done->word[i] |=
					left->word[i] & -left->word[i] & ~list->come_back.word[i];
		}
	}
	return asked;
}

// Asks whom the list has and who was not asked `before`. Returns whether there was anybody to ask.
static bool dispatch(const struct list *list, struct ndpi_detection_module_struct *module,
	struct ndpi_flow_struct *flow, look_function *before)
{
	const struct mask *selected = &list->selected[traits_of(&module->packet)];
	struct mask done = marked(flow);
	struct mask left, early = {{0}};
	bool asked = false;

	for (unsigned i = 0; i < MASK_WORDS; i++)
		left.word[i] = selected->word[i] & ~done.word[i];
	if (list == &udp_list) {
		asked = datagram_filter(module, flow, &left, &done);
	} else {
		early.word[0] = left.word[0] & EARLY;
		left.word[0] &= ~(uint64_t)EARLY;
		asked = list_ask(list, module, flow, before, &early, &done);
		if (flow->detected_protocol_stack[0] != NDPI_PROTOCOL_UNKNOWN)
			return true;
		asked |= segment_filter(module, flow, &left, &done);
	}
	asked |= list_ask(list, module, flow, before, &left, &done);
	if (flow->detected_protocol_stack[0] == NDPI_PROTOCOL_UNKNOWN)
		mark(flow, &done);
	return asked;
}

// Asks the dissector of a protocol, if it would look at such a packet. Returns it, or NULL.
static look_function *protocol_ask(struct ndpi_detection_module_struct *module,
	struct ndpi_flow_struct *flow, uint16_t protocol, uint16_t selection)
{
	const struct dissector *d = &of_protocol[protocol];

	if (d->look == NULL || (d->selection & ~selection) != 0 || excluded(flow, d->protocol))
		return NULL;
	d->look(module, flow);
	return d->look;
}

static bool subprotocols_ask(struct ndpi_detection_module_struct *module,
	struct ndpi_flow_struct *flow, uint16_t selection, look_function *before)
{
	const ndpi_proto_defaults_t *found =
		&module->proto_defaults[flow->detected_protocol_stack[0]];
	bool asked = false;

	for (uint32_t i = 0; i < found->subprotocol_count; i++) {
		uint16_t protocol = (uint16_t)found->subprotocols[i];
		if (protocol == (uint16_t)NDPI_PROTOCOL_MATCHED_BY_CONTENT)
			continue;
		if (of_protocol[protocol].look != before)
			asked |= protocol_ask(module, flow, protocol, selection) != NULL;
		if (flow->detected_protocol_stack[1] != NDPI_PROTOCOL_UNKNOWN)
			break;
	}
	return asked;
}

static u_int32_t check_library(struct ndpi_detection_module_struct *module,
	struct ndpi_flow_struct *flow, NDPI_SELECTION_BITMASK_PROTOCOL_SIZE *selection)
{
	static void *_Atomic function; // the same, whoever finds it

	if (function == NULL)
		function = dlsym(RTLD_NEXT, "ndpi_check_flow_func");
	return ((typeof(check_library) *)function)(module, flow, selection);
}

// Whom the library would ask about a packet, by the same order: the dissector of the protocol that
// ports let it guess, all others, those of protocols within the one found. Returns 0 if there was
// nobody, upon which it gives the flow up.
// Nothing in this program calls it, which a linker that sees all of it at once would take for
// never.
[[gnu::used]] u_int32_t ndpi_check_flow_func(struct ndpi_detection_module_struct *module,
	struct ndpi_flow_struct *flow, NDPI_SELECTION_BITMASK_PROTOCOL_SIZE *selection)
{
	const struct ndpi_packet_struct *packet = &module->packet;
	const struct list *list = packet->tcp == NULL ? &udp_list : &tcp_list;

	if (ndpi_names_now == NULL || flow == NULL ||
		(packet->tcp == NULL ? packet->udp == NULL : packet->payload_packet_len == 0))
		return check_library(module, flow, selection);
	look_function *before =
		protocol_ask(module, flow, flow->guessed_protocol_id, (uint16_t)*selection);
	bool asked = before != NULL;
	if (flow->detected_protocol_stack[0] == NDPI_PROTOCOL_UNKNOWN)
		asked |= dispatch(list, module, flow, before);
	asked |= subprotocols_ask(module, flow, (uint16_t)*selection, before);
	return asked;
}

// It is called by each dissector that rules itself out.
[[gnu::used]] void ndpi_exclude_protocol(struct ndpi_detection_module_struct *,
	struct ndpi_flow_struct *flow, u_int16_t protocol, const char *, const char *, int)
{
	if (protocol < NDPI_NUM_BITS)
		set_add(&flow->excluded_protocol_bitmask, protocol);
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

// Whether a dissector is asked about flows that nothing is known of.
static bool asked_first(const struct ndpi_call_function_struct *callback)
{
	return NDPI_ISSET(&callback->detection_bitmask, NDPI_PROTOCOL_UNKNOWN) != 0;
}

// Whether it is its own protocol that keeps it from being asked.
static bool excluded_by_own(const struct ndpi_call_function_struct *callback)
{
	NDPI_PROTOCOL_BITMASK own = {{0}};

	set_add(&own, callback->ndpi_protocol_id % NDPI_NUM_BITS);
	return memcmp(&own, &callback->excluded_protocol_bitmask, sizeof(own)) == 0;
}

// False: dissectors that we could not ask as the library does.
static bool of_protocol_make(const struct ndpi_detection_module_struct *module)
{
	for (unsigned i = 1; i < module->ndpi_num_supported_protocols; i++) {
		const ndpi_proto_defaults_t *protocol = &module->proto_defaults[i];
		const struct ndpi_call_function_struct *callback =
			&module->callback_buffer[protocol->protoIdx];
		if (protocol->protoId == NDPI_PROTOCOL_UNKNOWN || protocol->func == NULL ||
			!asked_first(callback))
			continue;
		if (callback->func != protocol->func || !excluded_by_own(callback))
			return false;
		of_protocol[i] = (struct dissector){.look = protocol->func,
			.protocol = callback->ndpi_protocol_id,
			.selection = (uint16_t)callback->ndpi_selection_bitmask};
	}
	for (unsigned i = 0; i < module->ndpi_num_supported_protocols; i++) {
		const ndpi_proto_defaults_t *protocol = &module->proto_defaults[i];
		for (uint32_t j = 0; j < protocol->subprotocol_count; j++) {
			unsigned inner = (uint16_t)protocol->subprotocols[j];
			if (inner != (uint16_t)NDPI_PROTOCOL_MATCHED_BY_CONTENT &&
				(inner >= MARK_BIT || of_protocol[inner].look == NULL))
				return false;
		}
	}
	return true;
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

		if (protocol == NDPI_PROTOCOL_UNKNOWN || protocol >= MARK_BIT ||
			list->place[protocol] != NOT_LISTED || !excluded_by_own(callback) ||
			!asked_first(callback))
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

// ---- Installation

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
			of_protocol_make(module) && rules_make()))
		return false;
	if (!made)
		ndpi_known_read(module);
	made = true;
	return true;
}
