// A conversation shown to one classifier: see talk.h.
#include "talk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CUT_WIRE_EXTRA = 10 };
enum { TCP_HEAD = 20, UDP_HEAD = 8, IP6_HEAD = 40, ETHER_HEAD = 14 };

static void prepare(struct talk *t, const struct classifier_ops *ops, enum talk_kind kind)
{
	static const uint8_t ip4[2][4] = {{10, 0, 0, 1}, {192, 0, 2, 7}};
	static const uint8_t ip6[2][16] = {
		{0xfe, 0x80, [15] = 1}, {0x20, 0x01, 0x0d, 0xb8, [15] = 2}};
	bool six = kind == TALK_UDP6 || kind == TALK_FRAME6;
	struct classifier_config config = {0};

	t->ops = ops;
	t->kind = kind;
	REQUIRE(ops->open(&t->self, &config) == 0);
	if (ops->flow_state_size > 0) {
		// Behind its head a state is as somebody else left it.
		size_t head =
			ops->flow_state_head > 0 ? ops->flow_state_head : ops->flow_state_size;
		t->state = malloc(ops->flow_state_size);
		memset(t->state, 0xa5, ops->flow_state_size);
		memset(t->state, 0, head);
	}
	for (int end = 0; end < 2; end++) {
		memcpy(t->ip[end], six ? ip6[end] : ip4[end], six ? 16 : 4);
		t->view.ip[end] = t->ip[end];
		t->seq[end] = end == 0 ? 0xffffff00 : 5000; // one wraps
	}
	t->view.ip_version = six ? 6 : 4;
	t->view.ip_proto = kind == TALK_TCP ? IP_PROTO_TCP : IP_PROTO_UDP;
	t->view.port[0] = 40000;
	t->view.port[1] = 53;
	t->view.first_flags = TCP_SYN;
	t->now_ns = 1700000000 * NS_PER_S;
	t->script[t->script_len++] = (uint8_t)kind;
}

struct talk *talk_new(const struct classifier_ops *ops, enum talk_kind kind)
{
	struct talk *t = calloc(1, sizeof(*t));

	REQUIRE(t != NULL);
	t->report = calloc(1, sizeof(*t->report));
	REQUIRE(t->report != NULL);
	prepare(t, ops, kind);
	return t;
}

static void release(struct talk *t)
{
	t->ops->close(t->self);
	free(t->state);
}

void talk_free(struct talk *t)
{
	if (t == NULL)
		return;
	release(t);
	free(t->report);
	free(t);
}

static void write_script(struct talk *t, unsigned control, const uint8_t *bytes, size_t len)
{
	if (t->script_len + 3 + len > sizeof(t->script))
		return;
	t->script[t->script_len++] = (uint8_t)control;
	t->script[t->script_len++] = (uint8_t)(len >> 8);
	t->script[t->script_len++] = (uint8_t)len;
	if (len > 0)
		memcpy(t->script + t->script_len, bytes, len);
	t->script_len += len;
}

// The packet as decode leaves it; `head_len` octets stand before the `len` captured ones.
static struct packet packet_of(
	const struct talk *t, const uint8_t *data, size_t head_len, size_t len, size_t wire_len)
{
	struct packet p = {
		.data = data,
		.ts_ns = t->now_ns,
		.time_ns = t->now_ns,
		.cap_len = (uint32_t)(head_len + len),
		.wire_len = (uint32_t)(head_len + wire_len),
		.l4_header_len = (uint8_t)head_len,
		.payload_len = (uint16_t)wire_len,
		.l3_len = (uint32_t)(head_len + wire_len),
		.fate = PACKET_FLOW,
	};

	if (wire_len > len)
		p.bits |= PACKET_SNAPPED;
	if (t->kind == TALK_FRAME || t->kind == TALK_FRAME6) {
		p.fate = t->kind == TALK_FRAME ? PACKET_ARP : PACKET_NDP;
		p.l3_offset = ETHER_HEAD;
		p.l4_offset = ETHER_HEAD + IP6_HEAD;
		p.l3_len = (uint32_t)(wire_len > ETHER_HEAD ? wire_len - ETHER_HEAD : 0);
		p.bits |= PACKET_HAS_MAC;
		p.payload_len = 0;
	}
	return p;
}

static void show(struct talk *t, unsigned from, const uint8_t *bytes, size_t len, size_t wire_len)
{
	size_t head_len = t->kind == TALK_TCP ? TCP_HEAD : UDP_HEAD;
	bool frame = t->kind == TALK_FRAME || t->kind == TALK_FRAME6;

	if (frame)
		head_len = 0;
	// decode lets no frame pass whose headers are cut.
	if ((frame && len < ETHER_HEAD) || (t->kind == TALK_FRAME6 && len < ETHER_HEAD + IP6_HEAD))
		return;
	uint8_t *data = calloc(1, head_len + len);
	REQUIRE(data != NULL || head_len + len == 0);
	if (len > 0)
		memcpy(data + head_len, bytes, len);
	if (t->kind == TALK_TCP) {
		for (int i = 0; i < 4; i++)
			data[4 + i] = (uint8_t)(t->seq[from] >> (24 - 8 * i));
		t->seq[from] += (uint32_t)wire_len;
	}
	struct packet p = packet_of(t, data, head_len, len, wire_len);
	t->view.from = (uint8_t)from;
	t->view.payload_packets++;
	t->view.first_flags = t->joined ? TCP_ACK : TCP_SYN;
	const struct flow_view *view = frame ? NULL : &t->view;
	uint16_t packets_max = t->ops->packets_max;
	if (t->ops->inspect(t->self, t->state, &p, view, t->report) == CLASSIFY_ENOUGH ||
		(packets_max > 0 && t->view.payload_packets >= packets_max))
		t->enough = true;
	free(data);
	if (t->enough)
		talk_end(t);
}

void talk_say_later(struct talk *t, unsigned from, const void *bytes, size_t len, unsigned after_ms,
	unsigned cut_len)
{
	write_script(t, from | (cut_len > 0 ? 2 : 0) | after_ms / 500 << 2, bytes, len - cut_len);
	t->now_ns += after_ms * NS_PER_MS;
	if (!t->enough)
		show(t, from, bytes, len - cut_len, len);
}

void talk_say(struct talk *t, unsigned from, const void *bytes, size_t len)
{
	talk_say_later(t, from, bytes, len, 0, 0);
}

void talk_end(struct talk *t)
{
	if (t->finished)
		return;
	t->finished = true;
	t->view.ended = true;
	if (t->ops->finish != NULL)
		t->ops->finish(t->self, t->state, &t->view, t->report);
}

// The next packet of a script.
struct saying {
	unsigned from, half_seconds;
	bool cut;
	const uint8_t *bytes;
	size_t len;
};

static bool next_saying(const uint8_t *script, size_t script_len, size_t *at, struct saying *ret)
{
	if (script_len - *at < 3)
		return false;
	uint8_t control = script[*at];
	size_t len = (size_t)script[*at + 1] << 8 | script[*at + 2];
	*at += 3;
	ret->from = control & 1;
	ret->cut = (control & 2) != 0;
	ret->half_seconds = control >> 2;
	ret->bytes = script + *at;
	ret->len = MIN(len, script_len - *at);
	*at += ret->len;
	return true;
}

void talk_play(const struct classifier_ops *ops, struct report *report, const uint8_t *script,
	size_t script_len, size_t say_cut, size_t cut_to)
{
	static struct talk t;
	struct saying s;
	size_t at = 1;

	report_forget(report);
	if (script_len == 0)
		return;
	t = (struct talk){.report = report};
	prepare(&t, ops, script[0] % TALK_KINDS);
	for (size_t i = 0; !t.enough && next_saying(script, script_len, &at, &s); i++) {
		size_t wire_len = s.len + (s.cut ? CUT_WIRE_EXTRA : 0);
		t.now_ns += s.half_seconds * (NS_PER_S / 2);
		show(&t, s.from, s.bytes, i == say_cut ? MIN(cut_to, s.len) : s.len, wire_len);
		if (ops->cut != NULL && i % 3 == 2 && !t.enough)
			ops->cut(t.self, t.state, &t.view, t.now_ns, report);
	}
	talk_end(&t);
	release(&t);
}

// Whether `text` is in one packet: whole, or (folded lines, several records or options) in
// pieces.
static bool is_in(const char *text, size_t len, const struct saying *s)
{
	for (int pieces = 0; pieces < 300 && len > 0; pieces++) {
		size_t piece = len;
		while (piece > 0 && memmem(s->bytes, s->len, text, piece) == NULL)
			piece--;
		// A folded line's beginning, a tab here, is told as one space (RFC 9112
		// section 5.2).
		if (piece == 0 && text[0] == ' ' && memmem(s->bytes, s->len, "\n\t", 2) != NULL)
			piece = 1;
		text += piece;
		len -= piece;
	}
	return len == 0;
}

static void check_text(const uint8_t *script, size_t script_len, const char *text, size_t len)
{
	struct saying s;

	bool sent = false;
	for (size_t at = 1; !sent && next_saying(script, script_len, &at, &s);)
		sent = is_in(text, len, &s);
	REQUIRE(sent);
}

// Whether a label stands in the script behind its length.
static void check_label(const uint8_t *script, size_t script_len, const uint8_t *label, size_t len)
{
	uint8_t wire[64];

	REQUIRE(len >= 1 && len <= 63);
	wire[0] = (uint8_t)len;
	memcpy(wire + 1, label, len);
	REQUIRE(memmem(script, script_len, wire, len + 1) != NULL);
}

static void check_name(const uint8_t *script, size_t script_len, const char *name, size_t name_len)
{
	uint8_t label[DNS_NAME_MAX];
	size_t len = 0;

	if (name_len == 1 && name[0] == '.')
		return;
	for (size_t i = 0; i < name_len; i++) {
		if (name[i] == '.') {
			check_label(script, script_len, label, len);
			len = 0;
		} else {
			i += name[i] == '\\';
			REQUIRE(i < name_len);
			label[len++] = (uint8_t)name[i];
		}
	}
	check_label(script, script_len, label, len);
}

static void check_facts(const struct report *r, const uint8_t *script, size_t script_len)
{
	for (uint32_t i = 0; i < r->fact_count; i++) {
		const struct told_fact *f = &r->facts[i];
		// "1,3,6" is written anew; a fully qualified name can be labels.
		if (f->fact.kind == FACT_DHCP_OPTIONS)
			REQUIRE(strspn(f->text, "0123456789,") == f->fact.text_len);
		else if (f->fact.kind != FACT_DHCP_FQDN && f->fact.text_len > 0)
			check_text(script, script_len, f->text, f->fact.text_len);
	}
}

void talk_check_claims(const struct report *r, const uint8_t *script, size_t script_len)
{
	if (script_len == 0)
		return;
	for (uint32_t i = 0; i < r->text_count; i++) {
		const struct told_text *t = &r->texts[i];
		if (t->kind == FINDING_SERVER_NAME)
			REQUIRE(t->len <= DNS_NAME_MAX);
		if (t->kind != FINDING_TLS_VERSION && t->kind != FINDING_ALPN)
			check_text(script, script_len, t->text, t->len);
	}
	for (uint32_t i = 0; i < r->dns_count; i++)
		check_name(script, script_len, r->dns[i].name, r->dns[i].entry.name_len);
	for (uint32_t i = 0; i < r->answer_count; i++)
		check_name(script, script_len, r->answers[i].name, r->answers[i].answer.name_len);
	check_facts(r, script, script_len);
}

static void write_corpus(const struct talk *t, const char *name)
{
	const char *dir = getenv("WEIR_CORPUS");
	char path[512];

	if (dir == NULL)
		return;
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *file = fopen(path, "wb");
	REQUIRE(file != NULL);
	REQUIRE(fwrite(t->script, 1, t->script_len, file) == t->script_len);
	REQUIRE(fclose(file) == 0);
}

void talk_close(struct talk *t, const char *name)
{
	static struct report report;
	struct saying s;
	size_t at = 1;

	talk_end(t);
	for (size_t i = 0; next_saying(t->script, t->script_len, &at, &s); i++) {
		for (size_t cut_to = 0; cut_to < MIN(s.len, (size_t)600); cut_to++) {
			talk_play(t->ops, &report, t->script, t->script_len, i, cut_to);
			talk_check_claims(&report, t->script, t->script_len);
		}
	}
	write_corpus(t, name);
	talk_free(t);
}
