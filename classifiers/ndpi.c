// nDPI: which protocol and application a flow is. Nothing outside of this file and its helpers,
// ndpi_*.c, knows libndpi (4.2).
//
// The verdict is the one that ndpiReader reaches without guessing, though far fewer packets are
// shown: TCP segments without data only where they matter, what the others would have left in
// nDPI's flow is written there instead; after a verdict only what can still refine it; at most
// PACKETS_MAX packets with payload.
#include "classifiers/ndpi_dispatch.h"
#include "classifiers/ndpi_known.h"
#include "classifiers/ndpi_lines.h"
#include "classifiers/ndpi_memory.h"
#include "classifiers/ndpi_names.h"
#include "classifiers/ndpi_prints.h"
#include "core/base/compiler.h"
#include "core/base/cursor.h"
#include "core/base/memory.h"
#include "core/classify/classifier.h"

#include <ndpi/ndpi_api.h>

#include <errno.h>
#include <string.h>

enum {
	PACKETS_MAX = 16,
	// nDPI's own bound on packets of a flow, NDPI_MAX_NUM_PKTS_PER_FLOW_TO_DISSECT.
	PACKETS_PROCESSED_MAX = 32,
};

struct ndpi {
	struct ndpi_detection_module_struct *module;
	struct ndpi_memory memory;
	struct counters *counters;
	struct ndpi_hosts hosts;
	struct ndpi_names names;
	bool plain; // the library guesses and asks its dissectors by itself
	bool peers_cached; // a BitTorrent or mining peer was seen: its address names later flows
};

struct ndpi_state {
	struct ndpi_flow_struct flow;
	ndpi_protocol last; // what nDPI said last
	bool given_up; // out of memory
};

static void memory_tell(struct ndpi *self)
{
	self->counters->value[COUNTER_dpi_memory] = self->memory.arena.used;
}

// The allocator and the scanner of names are one for the process: whose memory and names are meant.
static void library_enter(struct ndpi *self)
{
	ndpi_memory_now = &self->memory;
	ndpi_names_now = self->plain ? NULL : &self->names;
}

static void library_leave(void)
{
	ndpi_memory_now = NULL;
	ndpi_names_now = NULL;
}

// A reference from here is what brings ndpi_prints.c and ndpi_lines.c into every program that has
// this file.
[[gnu::used]] static int (*const library_snprintf)(
	char *, size_t, int, size_t, const char *, ...) = __snprintf_chk;
[[gnu::used]] static void (*const library_lines)(struct ndpi_detection_module_struct *,
	struct ndpi_flow_struct *) = ndpi_parse_packet_line_info;

// Names are the same in every module, and outlive them. Modules are opened by one thread.
static void taxonomy_fill(
	struct taxonomy *taxonomy, struct ndpi_detection_module_struct *module, bool plain)
{
	static struct taxonomy names;
	unsigned count = ndpi_get_num_supported_protocols(module);

	for (unsigned i = 0; i < count && i < TAXONOMY_PROTOCOLS_MAX; i++)
		if (names.protocol[i] == NULL)
			names.protocol[i] = strdup(ndpi_get_proto_name(module, (uint16_t)i));
	for (unsigned i = 0; i < NDPI_PROTOCOL_NUM_CATEGORIES; i++)
		if (names.category[i] == NULL)
			names.category[i] =
				strdup(ndpi_category_get_name(module, (ndpi_protocol_category_t)i));
	*taxonomy = names;
	taxonomy->origin = plain ? "libndpi, which asks its dissectors itself"
				 : "libndpi 4.2.0, whose dissectors are asked by our own loop";
}
static_assert((int)NDPI_PROTOCOL_NUM_CATEGORIES <= (int)TAXONOMY_CATEGORIES_MAX);

static void ndpi_classifier_close(void *object)
{
	struct ndpi *self = object;

	if (self == NULL)
		return;
	ndpi_memory_now = &self->memory;
	if (self->module != NULL)
		ndpi_exit_detection_module(self->module);
	ndpi_memory_now = NULL;
	ndpi_memory_fini(&self->memory);
	memory_release(self, sizeof(*self));
}

static int module_make(struct ndpi *self)
{
	NDPI_PROTOCOL_BITMASK all;

	ndpi_memory_install();
	ndpi_memory_now = &self->memory;
	self->memory.making = true;
	self->module = ndpi_init_detection_module(ndpi_no_prefs);
	if (self->module != NULL) {
		NDPI_BITMASK_SET_ALL(all);
		ndpi_set_protocol_detection_bitmask2(self->module, &all);
		ndpi_finalize_initialization(self->module);
	}
	self->memory.making = false;
	ndpi_memory_now = NULL;
	return self->module == NULL ? -ENOMEM : 0;
}

static int ndpi_classifier_open(void **ret_self, const struct classifier_config *config)
{
	// A library of another version than the header's would read other fields.
	if (ndpi_detection_get_sizeof_ndpi_flow_struct() != sizeof(struct ndpi_flow_struct))
		return -ENOTSUP;
	// Not of the C library's heap: names and addresses of packets are kept in it.
	struct ndpi *self = memory_reserve(sizeof(*self));
	if (self == NULL)
		return -ENOMEM;
	int err = ndpi_memory_init(&self->memory, config->memory_bytes);
	if (!err)
		err = module_make(self);
	if (err)
		goto fail;
	self->counters = config->counters;
	self->plain = config->plain || !ndpi_dispatch_install(self->module);
	taxonomy_fill(config->taxonomy, self->module, self->plain);
	*ret_self = self;
	return 0;
fail:
	ndpi_classifier_close(self);
	return err;
}

// Its memory for flows, its tables, and the names and addresses that are kept.
static size_t ndpi_classifier_bytes(const void *object)
{
	const struct ndpi *self = object;

	return self->memory.arena.size + self->memory.tables_used + sizeof(*self);
}

struct tcp_head {
	uint16_t source, dest;
	uint32_t seq, ack;
	uint8_t len; // octets
};

static struct tcp_head tcp_head_read(const struct packet *p)
{
	struct cursor c = cursor_of(p->data, p->cap_len);

	cursor_skip(&c, p->l4_offset);
	return (struct tcp_head){
		.source = cursor_u16(&c),
		.dest = cursor_u16(&c),
		.seq = cursor_u32(&c),
		.ack = cursor_u32(&c),
		.len = (uint8_t)((cursor_u8(&c) >> 4) * 4),
	};
}

// nDPI tells the directions of a TCP flow apart by the order of its ports.
static unsigned direction_of(uint16_t source, uint16_t dest)
{
	return source < dest ? 1 : 0;
}

// Whether a dissector decides by ports or addresses alone, on segments without data too: Targus,
// TeamViewer. So is a flow with equal ports, whose directions nDPI cannot tell apart.
static bool bare_always(const struct packet *p, const struct tcp_head *head)
{
	struct cursor c = cursor_of(p->data, p->cap_len);

	if (head->source == head->dest)
		return true;
	if (p->bits & PACKET_IP6)
		return false;
	if (head->source == 5001 || head->dest == 5001 || head->source == 5201 ||
		head->dest == 5201)
		return true;
	cursor_skip(&c, p->l3_offset + 12u);
	for (unsigned i = 0; i < 2; i++) {
		uint32_t ip = cursor_u32(&c);
		// 95.211.37.195 - 95.211.37.203, 178.77.120.0/25
		if ((ip >= 0x5fd325c3 && ip <= 0x5fd325cb) || (ip & 0xffffff80) == 0xb24d7800)
			return true;
	}
	return false;
}

// What nDPI's connection tracking makes of a segment without data.
static void bare_track(
	struct ndpi_flow_struct *flow, const struct packet *p, const struct tcp_head *head)
{
	unsigned direction = direction_of(head->source, head->dest);
	uint8_t handshake = p->tcp_flags & (TCP_SYN | TCP_ACK);

	if (handshake == (TCP_SYN | TCP_ACK) && flow->l4.tcp.seen_syn &&
		!flow->l4.tcp.seen_syn_ack && !flow->l4.tcp.seen_ack)
		flow->l4.tcp.seen_syn_ack = 1;
	else if (handshake == TCP_ACK && flow->l4.tcp.seen_syn && flow->l4.tcp.seen_syn_ack)
		flow->l4.tcp.seen_ack = 1;
	if ((flow->next_tcp_seq_nr[0] == 0 || flow->next_tcp_seq_nr[1] == 0) &&
		p->tcp_flags & TCP_ACK) {
		flow->next_tcp_seq_nr[direction] = head->seq + (p->tcp_flags & TCP_SYN ? 1 : 0);
		flow->next_tcp_seq_nr[1 - direction] = head->ack;
	}
	if (p->tcp_flags & TCP_RST)
		flow->next_tcp_seq_nr[0] = flow->next_tcp_seq_nr[1] = 0;
}

static bool ndpi_classifier_bare(void *object, void *object_state, const struct packet *p)
{
	struct ndpi *self = object;
	struct ndpi_state *state = object_state;
	struct tcp_head head = tcp_head_read(p);

	if (head.len != p->l4_header_len) // a wrong length, of which nDPI makes payload
		return true;
	if (state == NULL) {
		if (!(p->bits & PACKET_NEW_FLOW))
			return false;
		// A flow that begins without a SYN is given up after its first packet, and then
		// looked up among known peers.
		return bare_always(p, &head) || (self->peers_cached && !(p->tcp_flags & TCP_SYN));
	}
	struct ndpi_flow_struct *flow = &state->flow;
	bool decided = flow->detected_protocol_stack[0] != NDPI_PROTOCOL_UNKNOWN;
	if (flow->check_extra_packets) {
		uint16_t protocol = flow->detected_protocol_stack[1] != NDPI_PROTOCOL_UNKNOWN
			? flow->detected_protocol_stack[1]
			: flow->detected_protocol_stack[0];
		if (protocol != NDPI_PROTOCOL_TLS)
			return true;
		if (flow->num_processed_pkts < PACKETS_PROCESSED_MAX &&
			flow->extra_packets_func != NULL &&
			++flow->num_extra_packets_checked == flow->max_extra_packets_to_check)
			flow->extra_packets_func = NULL;
	} else if (!decided &&
		(bare_always(p, &head) || (p->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN)) {
		return true; // a new SYN makes nDPI begin anew
	}
	flow->num_processed_pkts++;
	if (flow->num_processed_pkts <= PACKETS_PROCESSED_MAX && !decided)
		bare_track(flow, p, &head);
	return false;
}

static bool ip_less(const uint8_t *a, const uint8_t *b, uint8_t ip_version)
{
	if (ip_version == 4)
		return memcmp(a, b, 4) < 0;
	// nDPI compares IPv6 addresses as two words of this machine's byte order.
	uint64_t x[2], y[2];
	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	return x[0] < y[0] || (x[0] == y[0] && x[1] < y[1]);
}

// Writes into a fresh nDPI flow what the segments without data before this packet, which were not
// shown, would have left there.
static void opening_write(struct ndpi_flow_struct *flow, const struct flow_view *view)
{
	unsigned first = view->first_end;

	flow->num_processed_pkts = view->bare_packets;
	flow->init_finished = 1;
	flow->setup_packet_direction =
		ip_less(view->ip[first], view->ip[1 - first], view->ip_version);
	flow->l4.tcp.seen_syn = (view->opening & OPENING_SYN) != 0;
	flow->l4.tcp.seen_syn_ack = (view->opening & OPENING_SYN_ACK) != 0;
	flow->l4.tcp.seen_ack = (view->opening & OPENING_ACK) != 0;
	for (unsigned end = 0; end < 2; end++)
		flow->next_tcp_seq_nr[direction_of(view->port[end], view->port[1 - end])] =
			view->opening_seq[end];
	// The dissectors that have looked at segments without data and ruled themselves out.
	NDPI_ADD_PROTOCOL_TO_BITMASK(flow->excluded_protocol_bitmask, NDPI_PROTOCOL_TARGUS_GETDATA);
	if (view->ip_version == 4)
		NDPI_ADD_PROTOCOL_TO_BITMASK(
			flow->excluded_protocol_bitmask, NDPI_PROTOCOL_HANGOUT_DUO);
}

// Whether nDPI will take this packet's ports from where we found them.
static bool ports_certain(const struct packet *p, const struct flow_view *view)
{
	struct cursor c = cursor_of(p->data, p->cap_len);

	if (view->ip_proto != IP_PROTO_UDP &&
		(view->ip_proto != IP_PROTO_TCP || tcp_head_read(p).len != p->l4_header_len))
		return false;
	if (view->ip_version == 4)
		return true;
	cursor_skip(&c, p->l3_offset + 6u);
	return cursor_u8(&c) == view->ip_proto; // no extension headers
}

// nDPI's first guess, by ports and addresses of the flow's first packet, as ndpi_do_guess() makes
// it; that one looks up the addresses twice.
static void guess_write(
	struct ndpi *self, struct ndpi_flow_struct *flow, const struct flow_view *view)
{
	unsigned first = view->first_end;
	const uint8_t *ip[2] = {view->ip[first], view->ip[1 - first]};
	uint16_t port[2] = {view->port[first], view->port[1 - first]};
	uint16_t host = NDPI_PROTOCOL_UNKNOWN;

	flow->protocol_id_already_guessed = 1;
	flow->guessed_protocol_id = ndpi_known_port(flow, view->ip_proto, port);
	for (unsigned i = 0; i < 2 && host == NDPI_PROTOCOL_UNKNOWN && view->ip_version == 4; i++)
		host = ndpi_known_host(self->module, &self->hosts, ip[i], port[i]);
	flow->guessed_host_protocol_id = host;
}

// A packet that nDPI refuses makes it guess nothing.
static void guess_undo(struct ndpi_flow_struct *flow)
{
	flow->protocol_id_already_guessed = 0;
	flow->guessed_protocol_id = flow->guessed_host_protocol_id = NDPI_PROTOCOL_UNKNOWN;
}

// Whether later packets may still change the application of a flow that has a verdict.
static bool refines(const struct ndpi_flow_struct *flow)
{
	uint16_t protocol = flow->detected_protocol_stack[1] != NDPI_PROTOCOL_UNKNOWN
		? flow->detected_protocol_stack[1]
		: flow->detected_protocol_stack[0];

	switch (protocol) {
	case NDPI_PROTOCOL_TLS:
	case NDPI_PROTOCOL_DTLS:
		return !flow->protos.tls_quic.subprotocol_detected;
	case NDPI_PROTOCOL_QUIC:
	case NDPI_PROTOCOL_DNS:
	case NDPI_PROTOCOL_MDNS:
	case NDPI_PROTOCOL_SKYPE_TEAMS:
	case NDPI_PROTOCOL_HTTP:
		return true;
	default:
		return false;
	}
}

static enum classify_next next_of(struct ndpi *self, struct ndpi_state *state)
{
	struct ndpi_flow_struct *flow = &state->flow;

	if (flow->num_processed_pkts >= PACKETS_PROCESSED_MAX)
		return CLASSIFY_ENOUGH;
	if (state->last.app_protocol == NDPI_PROTOCOL_UNKNOWN)
		return flow->fail_with_unknown ? CLASSIFY_ENOUGH : CLASSIFY_MORE;
	if (flow->check_extra_packets && flow->extra_packets_func == NULL)
		return CLASSIFY_ENOUGH;
	return refines(flow) && ndpi_extra_dissection_possible(self->module, flow)
		? CLASSIFY_MORE
		: CLASSIFY_ENOUGH;
}

static enum classify_next ndpi_classifier_inspect(void *object, void *object_state,
	const struct packet *p, const struct flow_view *view, struct report *)
{
	struct ndpi *self = object;
	struct ndpi_state *state = object_state;
	struct ndpi_flow_struct *flow = &state->flow;
	uint32_t size = p->cap_len - p->l3_offset;
	bool guess = !self->plain && !flow->protocol_id_already_guessed && ports_certain(p, view);

	if (p->bits & PACKET_LATER)
		return CLASSIFY_ENOUGH;
	if (flow->num_processed_pkts == 0 && view->bare_packets > 0)
		opening_write(flow, view);
	if (guess)
		guess_write(self, flow, view);
	library_enter(self);
	self->memory.arena.full = false;
	state->last = ndpi_detection_process_packet(self->module, flow, p->data + p->l3_offset,
		(uint16_t)MIN(size, (uint32_t)UINT16_MAX), p->time_ns / NS_PER_MS);
	library_leave();
	if (guess && flow->l4_proto == 0)
		guess_undo(flow);
	memory_tell(self);
	if (self->memory.arena.full) {
		state->given_up = true;
		counter_add(self->counters, COUNTER_dpi_memory_lost, 1);
		return CLASSIFY_ENOUGH;
	}
	return next_of(self, state);
}

static uint8_t confidence_of(ndpi_confidence_t confidence)
{
	switch (confidence) {
	case NDPI_CONFIDENCE_MATCH_BY_PORT:
		return CONFIDENCE_PORT;
	case NDPI_CONFIDENCE_MATCH_BY_IP:
		return CONFIDENCE_IP;
	case NDPI_CONFIDENCE_DPI_CACHE:
		return CONFIDENCE_CACHE;
	case NDPI_CONFIDENCE_DPI:
		return CONFIDENCE_DPI;
	default:
		return CONFIDENCE_UNKNOWN;
	}
}

static void verdict_report(struct ndpi *self, const struct ndpi_state *state, struct report *report)
{
	const ndpi_protocol *last = &state->last;
	uint16_t client_score, server_score;
	struct verdict verdict = {
		.protocol = last->master_protocol != NDPI_PROTOCOL_UNKNOWN ? last->master_protocol
									   : last->app_protocol,
		.application = last->app_protocol,
		.category = (uint16_t)last->category,
		.risk_bits = state->flow.risk,
		.risk_score = ndpi_risk2score(state->flow.risk, &client_score, &server_score),
		.confidence = confidence_of(state->flow.confidence),
		.dpi = DPI_VERDICT,
	};

	if (state->given_up)
		verdict = (struct verdict){.dpi = DPI_GIVEN_UP};
	else if (verdict.protocol == NDPI_PROTOCOL_UNKNOWN)
		verdict.dpi = DPI_GIVEN_UP;
	if (verdict.application == NDPI_PROTOCOL_BITTORRENT ||
		verdict.application == NDPI_PROTOCOL_MINING)
		self->peers_cached = true;
	report_verdict(report, &verdict);
}

static void ndpi_classifier_finish(
	void *object, void *object_state, const struct flow_view *view, struct report *report)
{
	struct ndpi *self = object;
	struct ndpi_state *state = object_state;
	uint8_t guessed;

	library_enter(self);
	if (!state->given_up && state->flow.init_finished &&
		state->last.app_protocol == NDPI_PROTOCOL_UNKNOWN)
		state->last = ndpi_detection_giveup(self->module, &state->flow, 0, &guessed);
	ndpi_free_flow_data(&state->flow);
	library_leave();
	memory_tell(self);
	// A flow without payload that is not known is told of as if it had never been shown:
	// whether it was hangs on which peers this shard has met.
	if (view->payload_packets > 0 || state->last.app_protocol != NDPI_PROTOCOL_UNKNOWN)
		verdict_report(self, state, report);
}

static void ndpi_classifier_cut(
	void *object, void *object_state, const struct flow_view *, uint64_t, struct report *report)
{
	const struct ndpi_state *state = object_state;

	if (state->last.app_protocol != NDPI_PROTOCOL_UNKNOWN)
		verdict_report(object, state, report);
}

const struct classifier_ops ndpi_classifier_ops = {
	.name = "ndpi",
	.wants = WANTS_TCP_PAYLOAD | WANTS_TCP_BARE | WANTS_UDP_PAYLOAD | WANTS_OTHER,
	.verdicts = true,
	.whole_packets = true,
	.packets_max = PACKETS_MAX,
	.flow_state_size = sizeof(struct ndpi_state),
	.open = ndpi_classifier_open,
	.bare = ndpi_classifier_bare,
	.inspect = ndpi_classifier_inspect,
	.finish = ndpi_classifier_finish,
	.cut = ndpi_classifier_cut,
	.bytes = ndpi_classifier_bytes,
	.close = ndpi_classifier_close,
};
