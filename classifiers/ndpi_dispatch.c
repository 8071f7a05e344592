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
	bool comes_back; // another dissector may let it in again, so that it is never marked
};

// What decides, beside TCP and UDP, who is asked about a packet.
enum trait { TRAIT_IP6 = 1, TRAIT_PAYLOAD = 2, TRAIT_AGAIN = 4, TRAIT_COMBINATIONS = 8 };

struct list {
	struct dissector dissectors[DISSECTORS_MAX];
	uint32_t count;
	struct mask selected[TRAIT_COMBINATIONS];
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

static void dispatch(const struct list *list, struct ndpi_detection_module_struct *module,
	struct ndpi_flow_struct *flow)
{
	const struct mask *selected = &list->selected[traits_of(&module->packet)];
	struct mask done = marked(flow);
	struct mask left;
	bool asked = false;

	for (unsigned i = 0; i < MASK_WORDS; i++)
		left.word[i] = selected->word[i] & ~done.word[i];
	unsigned before = asked_before(module, list, &left, flow);
	for (unsigned i = 0; i < MASK_WORDS; i++) {
		for (; left.word[i] != 0; left.word[i] &= left.word[i] - 1) {
			unsigned place = i * 64 + (unsigned)__builtin_ctzll(left.word[i]);
			const struct dissector *d = &list->dissectors[place];
			bool was_excluded = excluded(flow, d->protocol);

			if (place != before && !was_excluded) {
				asked = true;
				d->look(module, flow);
				if (flow->detected_protocol_stack[0] != NDPI_PROTOCOL_UNKNOWN)
					return;
			}
			if (!d->comes_back && excluded(flow, d->protocol))
				done.word[i] |= left.word[i] & -left.word[i];
		}
	}
	mark(flow, &done);
	// As the library does when it has nobody left to ask.
	if (!asked && before == NOT_LISTED)
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
			.selection = (uint16_t)callback->ndpi_selection_bitmask,
			// mail_imap.c, stun.c
			.comes_back =
				protocol == NDPI_PROTOCOL_TLS || protocol == NDPI_PROTOCOL_RTP};
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
				module->callback_buffer_size_udp, false)))
		return false;
	made = true;
	list_take(module->callback_buffer_tcp_payload, &module->callback_buffer_size_tcp_payload,
		dispatch_tcp);
	list_take(module->callback_buffer_udp, &module->callback_buffer_size_udp, dispatch_udp);
	return true;
}
