// Micro benches of what a shard does to a packet: decode, and the parsers of names.
#include "bench/micro/micro.h"

#include "core/classify/report.h"
#include "core/packet/decode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { RING_BYTES = 1 << 20, CHUNKS = 1024 };

extern const struct classifier_ops dns_classifier_ops, http_classifier_ops,
	tls_hello_classifier_ops;

static uint64_t decode(void *arg)
{
	struct house *house = arg;

	for (uint32_t i = 0; i < house->batch_count; i++)
		decode_batch(&house->batches[i], house->counters);
	return house->packet_count;
}

// The packets that a parser is for, each as the first payload of a flow.
struct names {
	const struct classifier_ops *ops;
	const struct packet **packets;
	uint32_t count;
	uint64_t found; // findings, so that nobody measures what finds nothing
	void *self, *state;
	struct flow flow;
	struct flow_more more;
	struct pool mores; // it alone
	struct findings_pool findings;
	struct event_ring events;
	struct report report;
};

static struct flow_view view_of(const struct packet *p)
{
	const uint8_t *ip = p->data + p->l3_offset, *l4 = p->data + p->l4_offset;
	bool ip6 = p->bits & PACKET_IP6;

	return (struct flow_view){
		.ip = {ip + (ip6 ? 8 : 12), ip + (ip6 ? 24 : 16)},
		.port = {(uint16_t)(l4[0] << 8 | l4[1]), (uint16_t)(l4[2] << 8 | l4[3])},
		.ip_version = ip6 ? 6 : 4,
		.ip_proto = p->ip_proto,
		.first_flags = TCP_SYN,
		.opening = OPENING_SYN | OPENING_SYN_ACK | OPENING_ACK | OPENING_OVER,
		.payload_packets = 1,
		.ended = true,
	};
}

static uint64_t names(void *arg)
{
	struct names *n = arg;

	for (uint32_t i = 0; i < n->count; i++) {
		struct flow_view view = view_of(n->packets[i]);
		if (n->state != NULL)
			memset(n->state, 0, n->ops->flow_state_size);
		n->ops->inspect(n->self, n->state, n->packets[i], &view, &n->report);
		if (n->ops->finish != NULL)
			n->ops->finish(n->self, n->state, &view, &n->report);
		n->found += n->flow.findings != POOL_NONE;
		findings_give(&n->findings, &n->flow.findings);
		event_ring_publish(&n->events, 0);
		while (event_ring_peek(&n->events) != NULL)
			event_ring_pop(&n->events);
	}
	return n->count;
}

typedef bool choice(const struct packet *p, const uint8_t *payload, uint32_t len);

static bool is_dns(const struct packet *p, const uint8_t *, uint32_t)
{
	const uint8_t *ports = p->data + p->l4_offset;

	return p->ip_proto == IP_PROTO_UDP &&
		(memcmp(ports, "\0\65", 2) == 0 || memcmp(ports + 2, "\0\65", 2) == 0);
}

static bool is_hello(const struct packet *p, const uint8_t *payload, uint32_t len)
{
	return p->ip_proto == IP_PROTO_TCP && len > 6 && payload[0] == 0x16 && payload[5] == 1;
}

static bool is_http(const struct packet *p, const uint8_t *payload, uint32_t len)
{
	return p->ip_proto == IP_PROTO_TCP && len > 16 &&
		(memcmp(payload, "GET ", 4) == 0 || memcmp(payload, "POST", 4) == 0);
}

static void choose(struct names *n, const struct house *house, choice *chosen)
{
	n->packets = micro_alloc(house->packet_count * sizeof(const struct packet *));
	for (uint32_t i = 0; i < house->batch_count; i++)
		for (uint32_t k = 0; k < house->batches[i].count; k++) {
			const struct packet *p = &house->batches[i].packets[k];
			uint32_t len;
			if (p->fate != PACKET_FLOW || !packet_has_ports(p))
				continue;
			const uint8_t *payload = packet_payload(p, &len);
			if (len > 0 && chosen(p, payload, len))
				n->packets[n->count++] = p;
		}
}

static void measure_names(
	struct house *house, const char *name, const struct classifier_ops *ops, choice *chosen)
{
	struct names *n = micro_alloc(sizeof(*n));
	struct classifier_config config = {.counters = house->counters, .states_max = 16};

	n->ops = ops;
	n->flow.findings = POOL_NONE;
	n->mores = (struct pool){
		.objects = (uint8_t *)&n->more, .max = 1, .object_size = sizeof(n->more)};
	n->flow.more_from = &n->mores;
	n->report = (struct report){.findings = &n->findings,
		.counters = house->counters,
		.events = &n->events,
		.flow = &n->flow};
	if (ops->flow_state_size > 0)
		n->state = micro_alloc(ops->flow_state_size);
	int err = findings_pool_init(&n->findings, CHUNKS, house->counters);
	if (!err)
		err = event_ring_init(&n->events, RING_BYTES, house->counters);
	if (!err)
		err = ops->open(&n->self, &config);
	if (err)
		micro_fail(name, err);
	choose(n, house, chosen);
	if (n->count == 0 || names(n) == 0 || n->found == 0)
		micro_fail(name, -ENOENT); // nothing to measure in this capture
	micro(name, names, n, false);
	ops->close(n->self);
	event_ring_fini(&n->events);
	findings_pool_fini(&n->findings);
	free(n->state);
	free(n->packets);
	free(n);
}

void micro_packets(struct house *house)
{
	decode(house); // the choice of packets needs it
	micro("decode, a packet", decode, house, false);
	measure_names(house, "names: DNS, a message", &dns_classifier_ops, is_dns);
	measure_names(house, "names: TLS, a client's hello", &tls_hello_classifier_ops, is_hello);
	measure_names(house, "names: HTTP, a request", &http_classifier_ops, is_http);
}
