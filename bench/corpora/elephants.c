// Corpus D: sixteen conversations that begin as the House's longest did and then go on and on: full
// segments from the server, an acknowledgement for every second.
#include "corpora.h"
#include "frames.h"

#include <stdlib.h>
#include <string.h>

enum {
	ELEPHANTS = 16,
	BEGIN_PACKETS = 40,
	MSS = 1460,
	HEADS = ETHERNET_SIZE + IPV4_SIZE + TCP_SIZE
};

struct elephant {
	uint32_t flow; // of the frames
	uint32_t count; // of its frames there
	uint32_t seq[2]; // next of the client, of the server
	uint8_t head[2][HEADS];
	uint32_t segments;
};

static bool is_plain_tcp(const struct frame *frame)
{
	return frame->version == 4 && frame->protocol == PROTOCOL_TCP &&
		frame->ip == ETHERNET_SIZE && frame->l4 == ETHERNET_SIZE + IPV4_SIZE &&
		frame->len >= HEADS;
}

static int longest_first(const void *left, const void *right)
{
	const struct elephant *a = left, *b = right;

	if (a->count != b->count)
		return a->count > b->count ? -1 : 1;
	return a->flow < b->flow ? -1 : a->flow > b->flow;
}

// The sixteen longest.
static struct elephant *choose(const struct frames *frames)
{
	struct elephant *all = calloc(frames->flow_count, sizeof(*all));
	uint32_t count = 0;

	if (all == NULL)
		abort();
	for (uint32_t flow = 0; flow < frames->flow_count; flow++)
		all[flow].flow = flow;
	for (uint32_t i = 0; i < frames->count; i++)
		if (is_plain_tcp(&frames->list[i]))
			count += all[frames->list[i].flow].count++ == 0;
	if (count < ELEPHANTS) {
		fprintf(stderr, "corpora: only %u conversations for D\n", count);
		exit(1);
	}
	qsort(all, frames->flow_count, sizeof(*all), longest_first);
	return all;
}

static uint64_t begin(
	struct output *out, struct elephant *e, const struct frames *frames, uint64_t at_us)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < frames->count && count < BEGIN_PACKETS; i++) {
		const struct frame *frame = &frames->list[i];
		const uint8_t *tcp = frame->bytes + frame->l4;
		if (frame->flow != e->flow || !is_plain_tcp(frame) || (tcp[13] & 5) != 0)
			continue; // neither FIN nor RST
		int side = frame->backward;
		uint32_t header_len = (uint32_t)(tcp[12] >> 4) * 4;
		uint32_t data_len = get16(frame->bytes + frame->ip + 2) - IPV4_SIZE - header_len;
		uint32_t next = get32(tcp + 4) + data_len + ((tcp[13] & 2) != 0);
		if (e->head[side][12] == 0 || (int32_t)(next - e->seq[side]) > 0) // first, or on
			e->seq[side] = next;
		memcpy(e->head[side], frame->bytes, HEADS);
		output_packet(out, at_us, frame->bytes, frame->len);
		at_us += 20;
		count++;
	}
	return at_us;
}

// A segment of data_len bytes, already in place, or a mere acknowledgement.
static void send(struct output *out, struct elephant *e, int side, uint8_t *frame,
	uint32_t data_len, uint64_t at_us)
{
	uint8_t *ip = frame + ETHERNET_SIZE, *tcp = ip + IPV4_SIZE;
	const uint8_t *head = e->head[side] + ETHERNET_SIZE;
	uint32_t len = HEADS + data_len;

	memcpy(frame, e->head[side], HEADS);
	put_ipv4(ip, IPV4_SIZE + TCP_SIZE + data_len, PROTOCOL_TCP, get32(head + 12),
		get32(head + 16), e->segments);
	put32(tcp + 4, e->seq[side]);
	put32(tcp + 8, e->seq[!side]);
	tcp[12] = 5 << 4;
	tcp[13] = 0x10; // ACK
	put16(tcp + 14, 65535);
	put32(tcp + 16, 0);
	put_l4_checksum(ip);
	e->seq[side] += data_len;
	output_packet(out, at_us, frame, len < 60 ? 60 : len);
}

void make_elephants(struct output *out, uint32_t packets, char *const *paths, int path_count)
{
	static const uint8_t record[5] = {0x17, 3, 3, (MSS - 5) >> 8, (MSS - 5) & 255}; // TLS data
	struct chance chance = chance_of(3);
	struct frames frames;
	uint8_t noise[4096], frame[HEADS + MSS];
	uint64_t at_us = 0;

	frames_load(&frames, paths, path_count);
	struct elephant *elephants = choose(&frames);
	for (int i = 0; i < ELEPHANTS; i++)
		at_us = begin(out, &elephants[i], &frames, at_us);
	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)chance_next(&chance);
	while (out->packets < packets) {
		struct elephant *e = &elephants[chance_below(&chance, ELEPHANTS)];
		memcpy(frame + HEADS, noise + chance_below(&chance, sizeof(noise) - MSS), MSS);
		if (get16(e->head[1] + ETHERNET_SIZE + IPV4_SIZE) == 443)
			memcpy(frame + HEADS, record, sizeof(record));
		send(out, e, 1, frame, MSS, at_us);
		at_us += 12;
		if (++e->segments % 2 == 0 && out->packets < packets) {
			uint8_t ack[60] = {0};
			send(out, e, 0, ack, 0, at_us++);
		}
	}
	free(elephants);
	frames_free(&frames);
}
