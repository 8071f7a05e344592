// The order of events: what is compared.
#include "core/ledger/event_order.h"

#include "core/base/compiler.h"

#include <string.h>

enum { RANK_BITS = 2 };

static unsigned rank_of(const struct event *event)
{
	// What is said at a time holds at that time: facts first, and names before flows.
	static const uint8_t rank[] = {
		[EVENT_FACT] = 0, [EVENT_ANSWER] = 1, [EVENT_SEGMENT] = 2, [EVENT_NONE] = 3};

	return rank[event->kind];
}

uint64_t event_order_at(uint64_t time_ns)
{
	return MIN(time_ns, UINT64_MAX >> RANK_BITS) << RANK_BITS;
}

uint64_t event_order(const struct event *event)
{
	return event_order_at(event->time_ns) | rank_of(event);
}

// By octets as they stand in memory.
static uint64_t by_octets(const void *at, unsigned count)
{
	uint64_t word = 0;

	memcpy(&word, at, count);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	return word >> (64 - 8 * count);
}

// Of an IPv6 address the last octets, in which hosts differ.
static uint64_t tie_of_ip(const uint8_t *ip, uint8_t ip_version)
{
	return by_octets(ip_version == 6 ? ip + 12 : ip, 4);
}

uint64_t event_tie(const struct event *event)
{
	const struct segment_event *s = (const struct segment_event *)event;
	const struct fact_event *fact = (const struct fact_event *)event;
	const struct answer_event *answer = (const struct answer_event *)event;

	switch (event->kind) {
	case EVENT_SEGMENT:
		return (uint64_t)s->ip_proto << 56 | (uint64_t)(s->ip_version == 6) << 55 |
			tie_of_ip(s->ip[0], s->ip_version) << 16 | s->port[0];
	case EVENT_FACT:
		return (uint64_t)fact->kind << 48 | by_octets(fact->mac, 6);
	case EVENT_ANSWER:
		return tie_of_ip(answer->client_ip, answer->client_ip_version) << 16 |
			answer->name_len;
	default:
		return 0;
	}
}

#define BY(x, y) \
	do { \
		if ((x) != (y)) \
			return (x) < (y) ? -1 : 1; \
	} while (0)
#define BY_OCTETS(x, y, len) \
	do { \
		int by_ = memcmp((x), (y), (len)); \
		if (by_ != 0) \
			return by_; \
	} while (0)

static size_t ip_len(uint8_t ip_version)
{
	return ip_version == 4 ? 4 : ip_version == 6 ? 16 : 0;
}

// Field by field: octets between fields are whatever the ring held before.
static int segment_compare(const struct segment_event *a, const struct segment_event *b)
{
	BY(a->ip_version, b->ip_version);
	BY(a->ip_proto, b->ip_proto);
	for (unsigned e = 0; e < 2; e++) {
		BY_OCTETS(a->ip[e], b->ip[e], ip_len(a->ip_version));
		BY(a->port[e], b->port[e]);
	}
	BY(a->flow_start_ns, b->flow_start_ns);
	BY(a->segment, b->segment);
	BY(a->vlan_inner, b->vlan_inner);
	BY(a->tunnel, b->tunnel);
	BY(a->tunnel_id, b->tunnel_id);
	BY(a->flow_id, b->flow_id);
	for (unsigned e = 0; e < 2; e++) {
		BY(a->packets[e], b->packets[e]);
		BY(a->bytes[e], b->bytes[e]);
	}
	return 0;
}

static int fact_compare(const struct fact_event *a, const struct fact_event *b)
{
	BY(a->kind, b->kind);
	BY_OCTETS(a->mac, b->mac, 6);
	BY(a->ip_version, b->ip_version);
	BY_OCTETS(a->ip, b->ip, ip_len(a->ip_version));
	BY(a->prefix_len, b->prefix_len);
	BY(a->text_len, b->text_len);
	BY_OCTETS(a->text, b->text, a->text_len);
	return 0;
}

static int answer_compare(const struct answer_event *a, const struct answer_event *b)
{
	BY(a->client_ip_version, b->client_ip_version);
	BY_OCTETS(a->client_ip, b->client_ip, ip_len(a->client_ip_version));
	BY(a->name_len, b->name_len);
	BY_OCTETS(a->name, b->name, a->name_len);
	BY(a->address_count, b->address_count);
	for (unsigned i = 0; i < a->address_count; i++) {
		BY(a->addresses[i].ip_version, b->addresses[i].ip_version);
		BY_OCTETS(
			a->addresses[i].ip, b->addresses[i].ip, ip_len(a->addresses[i].ip_version));
	}
	return 0;
}

int event_compare(const struct event *a, const struct event *b)
{
	BY(a->time_ns, b->time_ns);
	BY(a->vlan, b->vlan);
	BY(a->iface, b->iface);
	switch (a->kind) {
	case EVENT_SEGMENT:
		return segment_compare(
			(const struct segment_event *)a, (const struct segment_event *)b);
	case EVENT_FACT:
		return fact_compare((const struct fact_event *)a, (const struct fact_event *)b);
	case EVENT_ANSWER:
		return answer_compare(
			(const struct answer_event *)a, (const struct answer_event *)b);
	default:
		return 0;
	}
}
