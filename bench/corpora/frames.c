// Loading captures, finding where they name networks and hosts, writing them anew.
#include "frames.h"

#include "output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LARGE_LEN = 1000 };
enum { PLACES_MAX = 256, EPHEMERAL_MIN = 32768, EPHEMERAL_COUNT = 28232 };
enum { HOSTS_MAX = sizeof(((struct frames *)0)->hosts) / 6 };

// The networks of the House and of the golden captures.
static const uint8_t nets4[][3] = {{192, 168, 77}, {10, 88, 0}, {192, 168, 1}};
static const uint8_t nets6[][8] = {
	{0x20, 1, 0x0d, 0xb8, 0, 0x77, 0, 0}, {0x20, 1, 0x0d, 0xb8, 0, 1, 0, 0}};
enum { NETS4 = sizeof(nets4) / sizeof(nets4[0]), NETS6 = sizeof(nets6) / sizeof(nets6[0]) };

// ---- layers

static uint32_t ethertype_of(const struct frame *frame, uint32_t *ret_offset)
{
	const uint8_t *bytes = frame->bytes;
	uint32_t offset = 12;
	uint32_t type = get16(bytes + offset);

	while ((type == 0x8100 || type == 0x88a8) && offset + 6 <= frame->len) {
		offset += 4;
		type = get16(bytes + offset);
	}
	offset += 2;
	if (type == 0x8847) { // MPLS: to the bottom of the stack
		while (offset + 5 <= frame->len && (bytes[offset + 2] & 1) == 0)
			offset += 4;
		offset += 4;
		type = offset < frame->len && bytes[offset] >> 4 == 6 ? 0x86dd : 0x0800;
	} else if (type == 0x8864 && offset + 8 <= frame->len) { // PPPoE
		type = get16(bytes + offset + 6) == 0x57 ? 0x86dd : 0x0800;
		offset += 8;
	}
	*ret_offset = offset;
	return type;
}

static void find_layers(struct frame *frame)
{
	uint32_t offset;
	uint32_t type = ethertype_of(frame, &offset);
	const uint8_t *ip = frame->bytes + offset;

	if (type == 0x0800 && offset + IPV4_SIZE <= frame->len && ip[0] >> 4 == 4) {
		uint32_t l4 = offset + (ip[0] & 15u) * 4;
		frame->version = 4;
		frame->protocol = ip[9];
		frame->ip = (uint16_t)offset;
		if ((get16(ip + 6) & 0x1fff) == 0 && l4 + UDP_SIZE <= frame->len)
			frame->l4 = (uint16_t)l4;
	} else if (type == 0x86dd && offset + 40 <= frame->len && ip[0] >> 4 == 6) {
		frame->version = 6;
		frame->protocol = ip[6];
		frame->ip = (uint16_t)offset;
		uint32_t l4 = offset + 40;
		if (frame->protocol == 0 && l4 + 8 <= frame->len) { // hop-by-hop options: MLD
			frame->protocol = frame->bytes[l4];
			l4 += (frame->bytes[l4 + 1] + 1u) * 8;
		}
		if (l4 + UDP_SIZE <= frame->len)
			frame->l4 = (uint16_t)l4;
	}
	bool tcp_cut = frame->protocol == PROTOCOL_TCP && frame->l4 + TCP_SIZE > (int)frame->len;
	if (tcp_cut)
		frame->l4 = 0;
}

static bool has_ports(const struct frame *frame)
{
	return frame->l4 && (frame->protocol == PROTOCOL_TCP || frame->protocol == PROTOCOL_UDP);
}

// ---- conversations

// Both ends, as the frame has them; with the file, so that captures do not meet.
struct ends {
	uint32_t file;
	uint8_t protocol, version;
	uint16_t port[2];
	uint8_t address[2][16];
};

static struct ends ends_of(const struct frame *frame)
{
	struct ends ends;
	const uint8_t *ip = frame->bytes + frame->ip, *l4 = frame->bytes + frame->l4;
	uint32_t size = frame->version == 4 ? 4 : 16, at = frame->version == 4 ? 12 : 8;

	memset(&ends, 0, sizeof(ends));
	ends.file = frame->file;
	ends.protocol = frame->protocol;
	ends.version = frame->version;
	for (uint32_t side = 0; side < 2; side++) {
		memcpy(ends.address[side], ip + at + side * size, size);
		if (has_ports(frame))
			ends.port[side] = (uint16_t)get16(l4 + side * 2);
	}
	return ends;
}

static struct ends turned(const struct ends *ends)
{
	struct ends out = *ends;

	for (int side = 0; side < 2; side++) {
		out.port[side] = ends->port[!side];
		memcpy(out.address[side], ends->address[!side], 16);
	}
	return out;
}

// A list is enough: captures of ours have some hundred conversations.
static void find_flows(struct frames *frames)
{
	struct ends *known = calloc(frames->count, sizeof(*known));

	if (known == NULL)
		abort();
	for (uint32_t i = 0; i < frames->count; i++) {
		struct frame *frame = &frames->list[i];
		frame->flow = UINT32_MAX;
		if (frame->version == 0)
			continue;
		struct ends ends = ends_of(frame), back = turned(&ends);
		uint32_t flow = 0;
		for (; flow < frames->flow_count; flow++) {
			frame->backward = memcmp(&known[flow], &back, sizeof(back)) == 0;
			if (frame->backward || memcmp(&known[flow], &ends, sizeof(ends)) == 0)
				break;
		}
		if (flow == frames->flow_count) {
			frame->backward = false;
			known[frames->flow_count++] = ends;
		}
		frame->flow = flow;
	}
	free(known);
}

// ---- places

static void find_hosts(struct frames *frames)
{
	for (uint32_t i = 0; i < frames->count; i++) {
		const uint8_t *mac = frames->list[i].bytes + 6;
		uint32_t host = 0;
		while (host < frames->host_count && memcmp(frames->hosts[host], mac, 6) != 0)
			host++;
		if (host < frames->host_count || (mac[0] & 1))
			continue;
		if (host == HOSTS_MAX) {
			fprintf(stderr, "corpora: more than %d hosts\n", HOSTS_MAX);
			exit(1);
		}
		memcpy(frames->hosts[frames->host_count++], mac, 6);
	}
}

// How far into what starts at bytes the host's last three lie; 0: it is not named there. As a MAC,
// as the end of an EUI-64 (RFC 4291, appendix A) and of a solicited-node group (section 2.7.1).
static uint32_t host_at(const uint8_t *bytes, uint32_t left, const uint8_t *mac)
{
	const uint8_t eui[8] = {mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]};
	const uint8_t group[5] = {1, 0xff, mac[3], mac[4], mac[5]};
	const uint8_t group_mac[6] = {0x33, 0x33, 0xff, mac[3], mac[4], mac[5]};

	if (left >= 6 && (memcmp(bytes, mac, 6) == 0 || memcmp(bytes, group_mac, 6) == 0))
		return 3;
	if (left >= 8 && memcmp(bytes, eui, 8) == 0)
		return 5;
	if (left >= 5 && memcmp(bytes, group, 5) == 0)
		return 2;
	return 0;
}

static uint32_t place_at(const struct frames *frames, const struct frame *frame, uint32_t offset,
	struct place *place)
{
	const uint8_t *bytes = frame->bytes + offset;
	uint32_t left = frame->len - offset;

	for (uint8_t i = 0; i < NETS4; i++)
		if (left >= 4 && memcmp(bytes, nets4[i], 3) == 0) {
			*place = (struct place){(uint16_t)offset, PLACE_NET4, i};
			return 4;
		}
	for (uint8_t i = 0; i < NETS6; i++)
		if (left >= 8 && memcmp(bytes, nets6[i], 8) == 0) {
			*place = (struct place){(uint16_t)(offset + 4), PLACE_NET6, i};
			return 8;
		}
	for (uint8_t i = 0; i < frames->host_count; i++) {
		uint32_t within = host_at(bytes, left, frames->hosts[i]);
		if (within) {
			*place = (struct place){(uint16_t)(offset + within), PLACE_HOST, i};
			return within + 3;
		}
	}
	return 0;
}

// In headers and whatever else names addresses; what TCP carries is left as it is.
static void find_places(const struct frames *frames, struct frame *frame)
{
	struct place places[PLACES_MAX];
	uint16_t count = 0;
	bool tcp = frame->l4 && frame->protocol == PROTOCOL_TCP;
	uint32_t end = tcp ? frame->l4 : frame->len;

	for (uint32_t offset = 0; offset < end && count < PLACES_MAX - 2;) {
		uint32_t len = place_at(frames, frame, offset, &places[count]);
		count = (uint16_t)(count + (len != 0));
		offset += len ? len : 1;
	}
	for (uint32_t side = 0; side < 2 && has_ports(frame); side++) {
		uint32_t offset = frame->l4 + side * 2;
		if (get16(frame->bytes + offset) >= EPHEMERAL_MIN)
			places[count++] = (struct place){(uint16_t)offset, PLACE_PORT, 0};
	}
	frame->places = calloc(count + 1u, sizeof(*places));
	if (frame->places == NULL)
		abort();
	memcpy(frame->places, places, count * sizeof(*places));
	frame->place_count = count;
}

// ---- loading

static void frame_free(struct frame *frame)
{
	free(frame->bytes);
	free(frame->places);
}

static struct frame *add_frame(struct frames *frames, FILE *file, uint32_t len)
{
	if (frames->count == frames->capacity) {
		frames->capacity = frames->capacity ? frames->capacity * 2 : 1024;
		frames->list = realloc(frames->list, frames->capacity * sizeof(*frames->list));
		if (frames->list == NULL)
			abort();
	}
	struct frame *frame = &frames->list[frames->count++];
	*frame = (struct frame){.bytes = malloc(len), .len = len, .file = frames->file_count};
	if (frame->bytes == NULL)
		abort();
	if (fread(frame->bytes, len, 1, file) == 1)
		return frame;
	frame_free(frame);
	frames->count--; // the file ends within it
	return NULL;
}

// Time begins at 0, never goes back, and waits no longer than a second.
static void load_packets(struct frames *frames, FILE *file, uint32_t ticks_per_us)
{
	uint32_t head[4];
	uint64_t before_us = 0, at_us = 0;

	while (fread(head, sizeof(head), 1, file) == 1) {
		uint64_t now_us = head[0] * UINT64_C(1000000) + head[1] / ticks_per_us;
		if (before_us && now_us > before_us)
			at_us += now_us - before_us < 1000000 ? now_us - before_us : 1000000;
		before_us = now_us;
		if (head[2] < ETHERNET_SIZE || head[2] > FRAME_SIZE_MAX || head[2] != head[3]) {
			fseek(file, head[2], SEEK_CUR);
			continue;
		}
		struct frame *frame = add_frame(frames, file, head[2]);
		if (frame == NULL)
			break;
		frame->at_us = at_us;
		find_layers(frame);
	}
}

static void load_file(struct frames *frames, const char *path)
{
	uint32_t head[6];
	FILE *file = fopen(path, "rb");

	if (file == NULL || fread(head, sizeof(head), 1, file) != 1) {
		perror(path);
		exit(1);
	}
	bool micro = head[0] == 0xa1b2c3d4, nano = head[0] == 0xa1b23c4d;
	if ((micro || nano) && head[5] == 1)
		load_packets(frames, file, nano ? 1000 : 1);
	else
		fprintf(stderr, "corpora: left out, not Ethernet or not classic: %s\n", path);
	frames->file_count++;
	fclose(file);
}

void frames_load(struct frames *frames, char *const *paths, int path_count)
{
	memset(frames, 0, sizeof(*frames));
	for (int i = 0; i < path_count; i++)
		load_file(frames, paths[i]);
	if (frames->count == 0) {
		fprintf(stderr, "corpora: no frames to begin with\n");
		exit(1);
	}
	find_flows(frames);
	find_hosts(frames);
	for (uint32_t i = 0; i < frames->count; i++)
		find_places(frames, &frames->list[i]);
}

void frames_free(struct frames *frames)
{
	for (uint32_t i = 0; i < frames->count; i++)
		frame_free(&frames->list[i]);
	free(frames->list);
}

// ---- shortening

struct shortened {
	uint32_t packets, large;
	uint32_t gone[2]; // sequence space that was left out, by side
};

static uint32_t data_len(const struct frame *frame)
{
	const uint8_t *ip = frame->bytes + frame->ip;
	uint32_t total = frame->version == 4 ? get16(ip + 2) : get16(ip + 4) + 40;

	return total - (frame->l4 - frame->ip) - (uint32_t)(frame->bytes[frame->l4 + 12] >> 4) * 4;
}

// To a 32-bit field of TCP, and to the checksum what that takes (RFC 1624).
static void lower(uint8_t *tcp, uint32_t field, uint32_t by)
{
	uint32_t before = get32(tcp + field), after = before - by;

	put32(tcp + field, after);
	uint64_t sum = (~get16(tcp + 16) & 0xffff) + (~before >> 16) + (~before & 0xffff) +
		(after >> 16) + (after & 0xffff);
	put16(tcp + 16, checksum(NULL, 0, sum));
}

void frames_shorten(struct frames *frames, uint32_t packets_max, uint32_t large_max)
{
	struct shortened *flows = calloc(frames->flow_count + 1, sizeof(*flows));
	uint32_t kept = 0;

	if (flows == NULL)
		abort();
	for (uint32_t i = 0; i < frames->count; i++) {
		struct frame *frame = &frames->list[i];
		if (frame->l4 && frame->protocol == PROTOCOL_TCP) {
			struct shortened *flow = &flows[frame->flow];
			uint8_t *tcp = frame->bytes + frame->l4;
			bool edge = (tcp[13] & 7) != 0; // SYN, FIN, RST
			bool large = frame->len >= LARGE_LEN;
			flow->large += large;
			bool past =
				flow->packets >= packets_max || (large && flow->large > large_max);
			if (past && !edge) {
				flow->gone[frame->backward] += data_len(frame);
				frame_free(frame);
				continue;
			}
			flow->packets++;
			lower(tcp, 4, flow->gone[frame->backward]);
			lower(tcp, 8, flow->gone[!frame->backward]);
		}
		frames->list[kept++] = *frame;
	}
	frames->count = kept;
	free(flows);
}

// ---- writing anew

// What changes at offset by value, for the sum over 16-bit words from start on.
static int64_t put_byte(uint8_t *out, uint32_t offset, uint32_t start, uint32_t value)
{
	int64_t delta = (int64_t)(value & 0xff) - out[offset];

	out[offset] = (uint8_t)value;
	return (offset - start) % 2 ? delta : delta * 256;
}

static int64_t put_place(
	const struct place *place, uint8_t *out, uint32_t start, uint32_t replica, uint32_t turn)
{
	uint32_t value = 0, len = 3;

	switch ((enum place_kind)place->kind) {
	case PLACE_NET4: // 10.x.y
		value = 10u << 16 | ((replica * NETS4 + place->idx) & 0xffff);
		break;
	case PLACE_NET6:
		value = (replica + 1) * NETS6 + place->idx;
		len = 4;
		break;
	case PLACE_HOST:
		value = replica * HOSTS_MAX + place->idx;
		break;
	case PLACE_PORT:
		len = 2;
		value = get16(out + place->offset) - EPHEMERAL_MIN + turn * 149;
		value = EPHEMERAL_MIN + value % EPHEMERAL_COUNT;
		break;
	}
	int64_t delta = 0;
	for (uint32_t i = 0; i < len; i++)
		delta += put_byte(out, place->offset + i, start, value >> (len - 1 - i) * 8);
	return delta;
}

static uint32_t checksum_offset(const struct frame *frame)
{
	switch (frame->l4 ? frame->protocol : 0) {
	case PROTOCOL_TCP:
		return frame->l4 + 16;
	case PROTOCOL_UDP:
		return frame->l4 + 6;
	case PROTOCOL_ICMP:
	case PROTOCOL_ICMPV6:
		return frame->l4 + 2;
	default:
		return 0;
	}
}

// Where what the checksum covers begins: with the addresses, which the pseudo header has, but for
// ICMP.
static uint32_t covered_offset(const struct frame *frame)
{
	if (frame->protocol == PROTOCOL_ICMP)
		return frame->l4;
	return frame->ip + (frame->version == 4 ? 12u : 8u);
}

void frame_rewrite(const struct frame *frame, uint32_t replica, uint32_t turn, uint8_t *out)
{
	uint32_t field = checksum_offset(frame);
	uint32_t covered = field ? covered_offset(frame) : frame->len;
	int64_t delta = 0;

	memcpy(out, frame->bytes, frame->len);
	for (uint32_t i = 0; i < frame->place_count; i++) {
		const struct place *place = &frame->places[i];
		if (place->kind == PLACE_PORT && turn == 0)
			continue;
		int64_t change = put_place(place, out, frame->ip, replica, turn);
		if (place->offset >= covered)
			delta += change;
	}
	if (frame->version == 4) {
		uint8_t *ip = out + frame->ip;
		put16(ip + 10, 0);
		put16(ip + 10, checksum(ip, (ip[0] & 15u) * 4, 0));
	}
	// A UDP checksum of zero is none.
	if (field && (frame->protocol != PROTOCOL_UDP || get16(out + field) != 0)) {
		int64_t sum = (int64_t)(~get16(out + field) & 0xffff) + delta;
		while (sum < 0)
			sum += 0xffff * INT64_C(65536);
		put16(out + field, checksum(NULL, 0, (uint64_t)sum));
	}
}
