// What the makers of corpora share: the capture that is written, chance that is the same each
// time, and the Internet checksum (RFC 1071).
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct output {
	FILE *file;
	uint64_t packets;
	uint64_t bytes;
};

// Classic capture, microseconds, Ethernet. Ends the process where it cannot be written.
void output_open(struct output *out, const char *path);
void output_packet(struct output *out, uint64_t at_us, const uint8_t *bytes, uint32_t len);
void output_close(struct output *out);

struct chance {
	uint64_t state; // never 0
};

struct chance chance_of(uint64_t seed);
uint64_t chance_next(struct chance *chance);
static inline uint32_t chance_below(struct chance *chance, uint32_t limit)
{
	return (uint32_t)(chance_next(chance) % limit);
}

static inline void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static inline void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value & 0xffff);
}

static inline uint32_t get16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

static inline uint32_t get32(const uint8_t *at)
{
	return get16(at) << 16 | get16(at + 2);
}

// Of bytes and of a sum so far, complemented.
uint32_t checksum(const uint8_t *bytes, size_t len, uint64_t sum);

enum { ETHERNET_SIZE = 14, IPV4_SIZE = 20, TCP_SIZE = 20, UDP_SIZE = 8 };
enum { PROTOCOL_ICMP = 1, PROTOCOL_TCP = 6, PROTOCOL_UDP = 17, PROTOCOL_ICMPV6 = 58 };

// A header without options at ip for total_len bytes in all, its checksum included.
void put_ipv4(uint8_t *ip, uint32_t total_len, uint8_t protocol, uint32_t source, uint32_t target,
	uint32_t ident);
// The checksum of the TCP segment or UDP datagram behind the 20 bytes of ip.
void put_l4_checksum(uint8_t *ip);
