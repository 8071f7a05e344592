// The capture file, the random numbers and the checksums of the corpora.
#include "output.h"

#include <stdlib.h>
#include <string.h>

enum { START_S = 1700000000 }; // 2023-11-14T22:13:20Z
enum { BUFFER_BYTES = 4 << 20 };

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

void output_open(struct output *out, const char *path)
{
	// Magic, version 2.4, zone, accuracy, longest packet, Ethernet.
	static const uint32_t head[6] = {0xa1b2c3d4, 4 << 16 | 2, 0, 0, 65535, 1};

	*out = (struct output){.file = fopen(path, "wb")};
	if (out->file == NULL)
		fail(path);
	setvbuf(out->file, NULL, _IOFBF, BUFFER_BYTES);
	if (fwrite(head, sizeof(head), 1, out->file) != 1)
		fail(path);
}

void output_packet(struct output *out, uint64_t at_us, const uint8_t *bytes, uint32_t len)
{
	uint32_t head[4] = {
		(uint32_t)(START_S + at_us / 1000000), (uint32_t)(at_us % 1000000), len, len};

	if (fwrite_unlocked(head, sizeof(head), 1, out->file) != 1 ||
		fwrite_unlocked(bytes, len, 1, out->file) != 1)
		fail("output");
	out->packets++;
	out->bytes += len;
}

void output_close(struct output *out)
{
	if (fclose(out->file) != 0)
		fail("output");
}

struct chance chance_of(uint64_t seed)
{
	struct chance chance = {seed * 0x9e3779b97f4a7c15ull + 1};

	for (int i = 0; i < 16; i++)
		chance_next(&chance);
	return chance;
}

// xorshift64 (Marsaglia, 2003).
uint64_t chance_next(struct chance *chance)
{
	chance->state ^= chance->state << 13;
	chance->state ^= chance->state >> 7;
	chance->state ^= chance->state << 17;
	return chance->state;
}

uint32_t checksum(const uint8_t *bytes, size_t len, uint64_t sum)
{
	for (; len >= 2; bytes += 2, len -= 2)
		sum += get16(bytes);
	if (len == 1)
		sum += (uint64_t)bytes[0] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~(uint32_t)sum & 0xffff;
}

void put_ipv4(uint8_t *ip, uint32_t total_len, uint8_t protocol, uint32_t source, uint32_t target,
	uint32_t ident)
{
	memset(ip, 0, IPV4_SIZE);
	ip[0] = 0x45;
	put16(ip + 2, total_len);
	put16(ip + 4, ident & 0xffff);
	ip[6] = 0x40; // not to be fragmented
	ip[8] = 64;
	ip[9] = protocol;
	put32(ip + 12, source);
	put32(ip + 16, target);
	put16(ip + 10, checksum(ip, IPV4_SIZE, 0));
}

void put_l4_checksum(uint8_t *ip)
{
	uint8_t *l4 = ip + IPV4_SIZE;
	uint8_t *field = l4 + (ip[9] == PROTOCOL_TCP ? 16 : 6);
	uint32_t len = get16(ip + 2) - IPV4_SIZE;
	uint64_t pseudo = (uint64_t)ip[9] + len + get16(ip + 12) + get16(ip + 14) + get16(ip + 16) +
		get16(ip + 18);

	put16(field, 0);
	uint32_t sum = checksum(l4, len, pseudo);
	put16(field, sum == 0 && ip[9] == PROTOCOL_UDP ? 0xffff : sum);
}
