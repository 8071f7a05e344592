// Corpus C: a flow a packet. SYNs and small datagrams by turns, from clients all different to
// servers anywhere, a million a second.
#include "corpora.h"

#include <string.h>

enum { FRAME_SIZE = 60 }; // 64 with its check sequence, the least there is

static uint32_t public_address(struct chance *chance)
{
	uint32_t address = (uint32_t)chance_next(chance);
	uint32_t first = address >> 24;

	if (first == 0 || first == 10 || first == 127 || first >= 224)
		address = (address & 0xffffff) | 45u << 24;
	return address;
}

// One in five known, the others as a scan has them.
static uint32_t any_service(struct chance *chance)
{
	static const uint16_t known[8] = {443, 80, 53, 22, 123, 8080, 3389, 445};

	if (chance_below(chance, 5) == 0)
		return known[chance_below(chance, 8)];
	return 1 + chance_below(chance, 65000);
}

static void put_syn(uint8_t *tcp, struct chance *chance)
{
	static const uint8_t options[4] = {2, 4, 1460 >> 8, 1460 & 255}; // MSS

	put32(tcp + 4, (uint32_t)chance_next(chance));
	tcp[12] = 6 << 4;
	tcp[13] = 2;
	put16(tcp + 14, 64240);
	memcpy(tcp + TCP_SIZE, options, sizeof(options));
}

void make_churn(struct output *out, uint32_t packets)
{
	struct chance chance = chance_of(2);

	for (uint32_t i = 0; i < packets; i++) {
		uint8_t frame[FRAME_SIZE] = {2, 0, 0, 0, 0, 1, 2, 0, [12] = 8};
		uint8_t *ip = frame + ETHERNET_SIZE, *l4 = ip + IPV4_SIZE;
		uint32_t udp = i & 1;
		uint32_t l4_len = udp ? FRAME_SIZE - ETHERNET_SIZE - IPV4_SIZE : TCP_SIZE + 4;

		uint32_t target = public_address(&chance);
		uint32_t ident = (uint32_t)chance_next(&chance);

		put32(frame + 8, i);
		put_ipv4(ip, IPV4_SIZE + l4_len, udp ? PROTOCOL_UDP : PROTOCOL_TCP,
			10u << 24 | (i & 0xffffff), target, ident);
		put16(l4, 1024 + chance_below(&chance, 64000));
		put16(l4 + 2, any_service(&chance));
		if (udp) {
			put16(l4 + 4, l4_len);
			for (uint32_t k = UDP_SIZE; k < l4_len; k++)
				l4[k] = (uint8_t)chance_next(&chance);
		} else {
			put_syn(l4, &chance);
		}
		put_l4_checksum(ip);
		output_packet(out, i, frame, FRAME_SIZE);
	}
}
