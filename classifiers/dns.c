// DNS over port 53 (RFC 1035): what was asked, how it was answered and how fast, and to which
// addresses a name led. UDP; TCP as far as a message, or its beginning, stands in one segment.
//
// One entry a question: when it is answered, when ten seconds went by, or at the flow's end. The
// same id, type and name again, while the first is open, is the same question sent again: its
// latency runs from the first, and it counts once; likewise the same answer again counts once. An
// answer to a question not seen makes an entry without latency.
#include "scalar.h"

#include "dns_name.h"
#include "tcp_seq.h"

#include "core/base/cursor.h"
#include "core/classify/classifier.h"

#include <string.h>

enum { HEAD_SIZE = 12, QUESTION_MIN = 5, RECORD_MIN = 11 }; // octets, with a root name
enum {
	FLAG_RESPONSE = 0x8000, // RFC 1035 section 4.1.1
	FLAG_TRUNCATED = 0x0200,
	OPCODE_SHIFT = 11,
	OPCODE_MASK = 0xf,
	OPCODE_QUERY = 0,
	OPCODE_MAX = 6, // DSO, RFC 8490
	RCODE_MASK = 0xf,
};
enum { TYPE_A = 1, TYPE_CNAME = 5, TYPE_AAAA = 28 };
enum { CLASS_IN = 1, CLASS_CHAOS = 3, CLASS_HESIOD = 4, CLASS_ANY = 255 };
enum {
	QUESTIONS_MAX = 4, // of one message that are looked at; real ones have one
	OPEN_MAX = 16, // questions of a flow; the oldest gives way
	NAMES_SIZE = 448, // octets of their names; the oldest gives way
	ANSWERED_MAX = 4, // last answers remembered, to know one that comes again
	NOISE_MAX = 8, // messages in a row that are none, before a flow is given up
	TCP_MESSAGES_MAX = 32, // of one segment
};
#define GIVE_UP_NS (10 * NS_PER_S)

struct open_question {
	uint64_t ts_ns; // of the capture
	uint64_t time_ns; // of the table
	uint16_t id;
	uint16_t type;
	uint8_t name_len;
	uint8_t from; // end that asked
};

// Names stand in `names` one behind the other, in the order of `open`: oldest first.
// What each packet asks for stands in the first line.
struct dns_flow {
	uint8_t open_count;
	uint8_t answered_at;
	uint8_t noise;
	bool seq_known[2];
	uint16_t names_len;
	uint16_t length[2]; // TCP: of the next message, where it came in a segment before; else 0
	uint32_t next_seq[2]; // TCP: where the next message of each end begins
	uint32_t answered[ANSWERED_MAX]; // marks of answers; 0: none
	struct open_question open[OPEN_MAX];
	uint8_t names[NAMES_SIZE];
};

struct question {
	uint16_t id;
	uint16_t type;
	struct cursor at; // where its name stands in the message
	struct dns_name name;
};

// One message at hand, and where it came.
struct message {
	struct cursor all; // the whole of it, as far as it is there: names point into it
	struct cursor c;
	bool cut; // not all of it is there
	bool asks; // a question could be read
	uint16_t id, flags;
	uint16_t questions, answers;
	uint32_t records; // of all three sections
	const struct packet *packet;
	const struct flow_view *view;
	struct dns_flow *flow;
	struct report *report;
};

static void give_up_oldest(struct dns_flow *flow, struct report *report)
{
	const struct open_question *q = &flow->open[0];
	struct dns_finding entry = {
		.latency_us = DNS_NOT_ANSWERED,
		.type = q->type,
		.name_len = q->name_len,
		.name = flow->names,
	};

	report_dns(report, &entry);
	report_dns_counts(report, 0, 0, 1);
}

static void forget_open(struct dns_flow *flow, uint32_t which)
{
	uint32_t name_at = 0;
	uint32_t name_len = flow->open[which].name_len;

	for (uint32_t i = 0; i < which; i++)
		name_at += flow->open[i].name_len;
	flow->names_len = (uint16_t)(flow->names_len - name_len);
	memmove(flow->names + name_at, flow->names + name_at + name_len, flow->names_len - name_at);
	flow->open_count--;
	memmove(&flow->open[which], &flow->open[which + 1],
		(flow->open_count - which) * sizeof(flow->open[0]));
}

static void give_up_old(struct dns_flow *flow, uint64_t now_ns, struct report *report)
{
	while (flow->open_count > 0 && now_ns >= flow->open[0].time_ns + GIVE_UP_NS) {
		give_up_oldest(flow, report);
		forget_open(flow, 0);
	}
}

// The open question of `asker` that this is, or OPEN_MAX.
static uint32_t find_open(const struct dns_flow *flow, const struct question *q, uint8_t asker)
{
	const uint8_t *name = flow->names;

	for (uint32_t i = 0; i < flow->open_count; i++) {
		const struct open_question *o = &flow->open[i];
		if (o->id == q->id && o->type == q->type && o->from == asker &&
			dns_name_equal(name, o->name_len, q->name.text, q->name.len))
			return i;
		name += o->name_len;
	}
	return OPEN_MAX;
}

static void take_query(struct message *m, const struct question *q)
{
	struct dns_flow *flow = m->flow;

	if (find_open(flow, q, m->view->from) != OPEN_MAX)
		return;
	while (flow->open_count == OPEN_MAX || flow->names_len + q->name.len > NAMES_SIZE) {
		give_up_oldest(flow, m->report);
		forget_open(flow, 0);
	}
	memcpy(flow->names + flow->names_len, q->name.text, q->name.len);
	flow->names_len = (uint16_t)(flow->names_len + q->name.len);
	flow->open[flow->open_count++] = (struct open_question){
		.ts_ns = m->packet->ts_ns,
		.time_ns = m->packet->time_ns,
		.id = q->id,
		.type = q->type,
		.name_len = (uint8_t)q->name.len,
		.from = m->view->from,
	};
	report_dns_counts(m->report, 1, 0, 0);
}

// A mark of an answer, never 0: nothing hangs on a collision but one duplicate answer.
static uint32_t mark_of(const struct question *q)
{
	return dns_name_mark(&q->name, q->id | (uint32_t)q->type << 16) | 1;
}

static bool was_answered(const struct dns_flow *flow, uint32_t mark)
{
	for (uint32_t i = 0; i < ANSWERED_MAX; i++) {
		if (flow->answered[i] == mark)
			return true;
	}
	return false;
}

static uint32_t latency_us(const struct open_question *o, const struct packet *packet)
{
	uint64_t ns = packet->ts_ns > o->ts_ns ? packet->ts_ns - o->ts_ns : 0;

	return (uint32_t)MIN(ns / NS_PER_US, (uint64_t)DNS_NOT_ANSWERED - 1);
}

static void take_response(struct message *m, const struct question *q)
{
	struct dns_flow *flow = m->flow;
	uint32_t mark = mark_of(q);
	uint32_t which = find_open(flow, q, (uint8_t)(1 - m->view->from));

	if (which == OPEN_MAX && was_answered(flow, mark))
		return;
	flow->answered[flow->answered_at++ % ANSWERED_MAX] = mark;
	struct dns_finding entry = {
		.latency_us = DNS_NOT_ANSWERED,
		.type = q->type,
		.rcode = m->flags & RCODE_MASK,
		.name_len = q->name.len,
		.name = q->name.text,
	};
	if (which != OPEN_MAX)
		entry.latency_us = latency_us(&flow->open[which], m->packet);
	report_dns(m->report, &entry);
	report_dns_counts(m->report, 0, 1, entry.rcode != 0);
	if (which != OPEN_MAX)
		forget_open(flow, which);
}

struct record {
	struct cursor owner; // its name begins here
	uint16_t type, class;
	uint32_t ttl_s;
	struct cursor data;
};

static unsigned opcode_of(const struct message *m)
{
	return m->flags >> OPCODE_SHIFT & OPCODE_MASK;
}

// One resource record (RFC 1035 section 4.1.3). False: cut or broken.
static bool read_record(struct message *m, struct record *ret)
{
	ret->owner = m->c;
	dns_name_skip(&m->c);
	ret->type = cursor_u16(&m->c);
	ret->class = cursor_u16(&m->c);
	ret->ttl_s = cursor_u32(&m->c);
	ret->data = cursor_sub(&m->c, cursor_u16(&m->c));
	return !m->c.bad;
}

static void add_address(struct answer *answer, const struct record *r)
{
	size_t len = r->type == TYPE_A ? 4 : 16;
	// RFC 2181 section 8: a lifetime with the highest bit set is none.
	uint32_t ttl_s = r->ttl_s > INT32_MAX ? 0 : r->ttl_s;

	if (r->data.left != len || answer->address_count == ANSWER_ADDRESSES_MAX)
		return;
	struct answer_address *a = &answer->addresses[answer->address_count++];
	memcpy(a->ip, r->data.at, len);
	a->ip_version = len == 4 ? 4 : 6;
	answer->ttl_s = answer->address_count == 1 ? ttl_s : MIN(answer->ttl_s, ttl_s);
}

// Addresses in the answer section that the question leads to, by way of CNAMEs in the order in
// which resolvers follow them. What is cut or broken ends it; what stood before is used.
static bool take_addresses(struct message *m, const struct question *q)
{
	struct answer answer = {.name = q->name.text, .name_len = q->name.len};
	struct cursor target = q->at;
	struct record r;
	bool sound = true;

	for (uint32_t i = 0; i < m->answers && sound; i++) {
		sound = read_record(m, &r);
		if (!sound || r.class != CLASS_IN || !dns_name_same(&m->all, &r.owner, &target))
			continue;
		if (r.type == TYPE_CNAME)
			target = r.data;
		else if (r.type == TYPE_A || r.type == TYPE_AAAA)
			add_address(&answer, &r);
	}
	if (answer.address_count > 0) {
		// The receiver of the answer is who asked.
		const uint8_t *client = m->view->ip[1 - m->view->from];
		answer.client_ip_version = m->view->ip_version;
		memcpy(answer.client_ip, client, m->view->ip_version == 4 ? 4 : 16);
		report_answer(m->report, &answer);
	}
	return sound || m->cut || (m->flags & FLAG_TRUNCATED) != 0;
}

static bool class_is_known(uint16_t class)
{
	return class == CLASS_IN || class == CLASS_CHAOS || class == CLASS_HESIOD ||
		class == CLASS_ANY;
}

// False: cut, or not a question.
static bool read_question(struct message *m, struct question *ret)
{
	ret->at = m->c;
	if (!dns_name_read(&ret->name, &m->c, &m->all))
		return false;
	ret->id = m->id;
	ret->type = cursor_u16(&m->c);
	return class_is_known(cursor_u16(&m->c)) && ret->type != 0 && !m->c.bad;
}

// False: cut, or not a header that can be DNS.
static bool read_head(struct message *m)
{
	m->id = cursor_u16(&m->c);
	m->flags = cursor_u16(&m->c);
	m->questions = cursor_u16(&m->c);
	m->answers = cursor_u16(&m->c);
	m->records = (uint32_t)m->answers + cursor_u16(&m->c);
	m->records += cursor_u16(&m->c);
	return !m->c.bad && opcode_of(m) <= OPCODE_MAX;
}

// Whether what the header says can be true of a message of `wire_len` octets.
static bool head_is_sound(const struct message *m, size_t wire_len)
{
	if (m->questions > QUESTIONS_MAX)
		return false;
	// What a server left out of a truncated message, it may still have counted.
	if ((m->flags & FLAG_TRUNCATED) == 0 &&
		HEAD_SIZE + m->questions * QUESTION_MIN + m->records * RECORD_MIN > wire_len)
		return false;
	if ((m->flags & FLAG_RESPONSE) != 0)
		return true;
	return m->questions > 0 && m->answers == 0 && (m->flags & RCODE_MASK) == 0;
}

// False: this is no DNS message, or one that lies; questions that could be read are used all the
// same, answers are not.
static bool take_message(struct message *m, size_t wire_len)
{
	struct question q;

	if (!read_head(m))
		return m->cut && m->c.bad;
	// NOTIFY, UPDATE and others ask nothing that a client wants to know.
	if (opcode_of(m) != OPCODE_QUERY)
		return m->questions <= QUESTIONS_MAX;
	for (uint32_t i = 0; i < m->questions && i < QUESTIONS_MAX; i++) {
		if (!read_question(m, &q))
			return m->cut && m->c.bad;
		m->asks = true;
		if ((m->flags & FLAG_RESPONSE) == 0)
			take_query(m, &q);
		else
			take_response(m, &q);
	}
	if (!head_is_sound(m, wire_len))
		return false;
	if (m->questions != 1 || m->answers == 0 || (m->flags & RCODE_MASK) != 0)
		return true;
	return take_addresses(m, &q);
}

// One message of `wire_len` octets, of which `bytes` are there.
static void inspect_message(struct message *m, struct cursor bytes, size_t wire_len)
{
	m->all = m->c = bytes;
	m->cut = bytes.left < wire_len;
	m->asks = false;
	bool sound = take_message(m, wire_len);
	if (!sound)
		report_malformed(m->report);
	m->flow->noise = sound || m->asks ? 0 : (uint8_t)(m->flow->noise + 1);
}

// TCP: each message stands behind its length (RFC 1035 section 4.2.2). The flow knows for each end
// where in the stream its next message begins; what was seen before, and the rest of a message
// whose beginning was in an earlier segment, is passed over.
static void inspect_segment(struct message *m, struct cursor payload)
{
	uint32_t *next = &m->flow->next_seq[m->view->from];
	uint16_t *length = &m->flow->length[m->view->from];
	bool *known = &m->flow->seq_known[m->view->from];

	uint32_t seq = tcp_seq_of(m->packet);
	uint32_t end = seq + m->packet->payload_len;
	if (*known && (int32_t)(end - *next) <= 0)
		return;
	// Behind a gap a segment is taken to begin a message, as it mostly does.
	if (!*known || (int32_t)(seq - *next) > 0) {
		*next = seq;
		*length = 0;
	}
	*known = true;
	cursor_skip(&payload, *next - seq);
	for (int i = 0; i < TCP_MESSAGES_MAX && payload.left > 0; i++) {
		size_t wire_len = *length;
		if (wire_len == 0) {
			wire_len = cursor_u16(&payload);
			*next += 2;
		}
		// Some send the length by itself.
		*length = payload.left == 0 ? (uint16_t)wire_len : 0;
		if (payload.left == 0)
			break;
		*next += (uint32_t)wire_len;
		inspect_message(m, cursor_sub(&payload, MIN(payload.left, wire_len)), wire_len);
	}
}

// UDP: one message. Of a fragmented one the first piece comes here, and its whole length is not
// known.
static void inspect_datagram(struct message *m, struct cursor payload)
{
	bool fragment = (m->packet->bits & PACKET_FRAGMENT) != 0;

	inspect_message(m, payload, fragment ? UINT16_MAX : m->packet->payload_len);
	// Whoever begins with an answer was asked before we looked.
	if (m->view->payload_packets == 1 && m->flow->noise == 0 && (m->flags & FLAG_RESPONSE) != 0)
		report_mid_flow(m->report);
}

static enum classify_next dns_inspect(void *, void *state, const struct packet *packet,
	const struct flow_view *view, struct report *report)
{
	struct dns_flow *flow = state;
	struct message m = {.packet = packet, .view = view, .flow = flow, .report = report};
	uint32_t len;
	const uint8_t *payload = packet_payload(packet, &len);

	give_up_old(flow, packet->time_ns, report);
	if (packet->payload_len == 0)
		return CLASSIFY_MORE;
	if (view->ip_proto == IP_PROTO_TCP)
		inspect_segment(&m, cursor_of(payload, len));
	else
		inspect_datagram(&m, cursor_of(payload, len));
	// Something else on this port.
	return flow->noise >= NOISE_MAX ? CLASSIFY_ENOUGH : CLASSIFY_MORE;
}

static void dns_finish(void *, void *state, const struct flow_view *, struct report *report)
{
	struct dns_flow *flow = state;

	while (flow->open_count > 0) {
		give_up_oldest(flow, report);
		forget_open(flow, 0);
	}
}

static void dns_cut(
	void *, void *state, const struct flow_view *, uint64_t now_ns, struct report *report)
{
	give_up_old(state, now_ns, report);
}

static int dns_open(void **ret_self, const struct classifier_config *)
{
	*ret_self = NULL;
	return 0;
}

static void dns_close(void *) {}

const struct classifier_ops dns_classifier_ops = {
	.name = "dns",
	.wants = WANTS_DNS,
	.flow_state_size = sizeof(struct dns_flow),
	.flow_state_head = offsetof(struct dns_flow, open),
	.open = dns_open,
	.inspect = dns_inspect,
	.finish = dns_finish,
	.cut = dns_cut,
	.close = dns_close,
};
