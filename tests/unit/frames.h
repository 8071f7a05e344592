// Builds frames for tests, field by field, in the order in which they stand on the wire.
#pragma once

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct frame {
	uint8_t bytes[4096];
	size_t len;
};

static inline void put(struct frame *f, const void *bytes, size_t len)
{
	if (f->len + len > sizeof(f->bytes))
		abort();
	memcpy(f->bytes + f->len, bytes, len);
	f->len += len;
}

static inline void put8(struct frame *f, unsigned value)
{
	uint8_t byte = (uint8_t)value;
	put(f, &byte, 1);
}

static inline void put16(struct frame *f, unsigned value)
{
	put8(f, value >> 8);
	put8(f, value & 0xff);
}

static inline void put32(struct frame *f, uint32_t value)
{
	put16(f, value >> 16);
	put16(f, value & 0xffff);
}

static inline void put_fill(struct frame *f, size_t len, unsigned value)
{
	for (size_t i = 0; i < len; i++)
		put8(f, value);
}

static inline void put_ether(struct frame *f, unsigned type)
{
	put(f, "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02", 12);
	put16(f, type);
}

// What follows the type 0x8100 or 0x88a8: id, then the next type.
static inline void put_tag(struct frame *f, unsigned id, unsigned type)
{
	put16(f, 0x6000 | id); // a priority, which is no part of the id
	put16(f, type);
}

struct ip4 {
	unsigned proto;
	unsigned l4_len;
	unsigned options_len; // octets, a multiple of 4
	unsigned fragment; // flags and offset as they stand in the header
};

static inline void put_ip4(struct frame *f, struct ip4 ip)
{
	put8(f, 0x45 + ip.options_len / 4);
	put8(f, 0);
	put16(f, 20 + ip.options_len + ip.l4_len);
	put16(f, 0x1234);
	put16(f, ip.fragment);
	put8(f, 64);
	put8(f, ip.proto);
	put16(f, 0); // checksum: not judged
	put(f, "\x0a\x00\x00\x01\xc0\x00\x02\x07", 8);
	put_fill(f, ip.options_len, 1);
}

static inline void put_ip6(struct frame *f, unsigned next, unsigned payload_len)
{
	put32(f, 0x60000000);
	put16(f, payload_len);
	put8(f, next);
	put8(f, 255);
	put(f, "\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\x01", 16);
	put(f, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02", 16);
}

// An IPv6 extension of 8 + 8 x `units` octets.
static inline void put_extension(struct frame *f, unsigned next, unsigned units)
{
	put8(f, next);
	put8(f, units);
	put_fill(f, 6 + 8 * units, 1);
}

// Offset in octets, a multiple of 8.
static inline void put_fragment(struct frame *f, unsigned next, unsigned offset, unsigned more)
{
	put8(f, next);
	put8(f, 0);
	put16(f, offset | more);
	put32(f, 0x01020304);
}

static inline void put_tcp(struct frame *f, unsigned flags, unsigned options_len)
{
	put16(f, 40000);
	put16(f, 443);
	put32(f, 0x11111111);
	put32(f, 0x22222222);
	put8(f, (5 + options_len / 4) << 4);
	put8(f, flags);
	put16(f, 0xffff);
	put32(f, 0);
	put_fill(f, options_len, 1);
}

// `len`: header and payload.
static inline void put_udp(struct frame *f, unsigned len)
{
	put16(f, 40000);
	put16(f, 53);
	put16(f, len);
	put16(f, 0);
}
