// Decode on any bytes. Input: one octet picks the link type, one says how much longer the frame was
// on the wire, the rest is the frame.
#include "core/packet/decode.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct counters counters;
	static struct packet_batch batch;
	struct packet *p = &batch.packets[0];

	if (size < 2)
		return 0;
	memset(&counters, 0, sizeof(counters));
	batch.count = 1;
	batch.link = data[0] % (LINK_OTHER + 1);
	p->data = data + 2;
	p->cap_len = (uint32_t)size - 2;
	p->wire_len = p->cap_len + data[1] * 300u;
	decode_batch(&batch, &counters);

	uint64_t drops = 0;
	for (unsigned reason = 1; reason < DROP_REASON_COUNT; reason++)
		drops += counters.value[COUNTER_DROPS + reason];
	REQUIRE(drops == (p->fate == PACKET_DROPPED));
	REQUIRE(counters.value[COUNTER_packets_consumed] ==
		(p->fate == PACKET_ARP || p->fate == PACKET_NDP || p->fate == PACKET_CONSUMED));
	if (p->fate == PACKET_ARP)
		REQUIRE(p->l3_offset <= p->cap_len);
	if (p->fate != PACKET_FLOW && p->fate != PACKET_NDP)
		return 0;

	// What later stages read without asking again.
	uint32_t header_len = p->bits & PACKET_IP6 ? 40 : 20, there;
	const uint8_t *payload = packet_payload(p, &there);
	REQUIRE(p->l3_offset + header_len <= p->cap_len);
	REQUIRE(p->data[p->l3_offset] >> 4 == (p->bits & PACKET_IP6 ? 6 : 4));
	REQUIRE(p->l3_len >= header_len);
	REQUIRE(p->l4_offset >= p->l3_offset + header_len);
	REQUIRE(p->l4_offset + p->l4_header_len <= p->cap_len);
	REQUIRE(payload + there <= p->data + p->cap_len);
	REQUIRE(there <= p->l3_len - header_len);
	REQUIRE(!(p->bits & PACKET_LATER) || p->l4_header_len == 0);
	return 0;
}
