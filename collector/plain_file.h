// The records of a plain capture file (classic pcap, version 2.4, this machine's byte order), read
// in large pieces and handed out where they lie: what nearly every capture file is, at half the
// price of libpcap's three reads and a copy for each packet. Whatever is not plain is left to
// libpcap: capture_pcap.c, which alone uses this, gives it back at the record where that begins.
//
// One shard's thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// What a file begins with.
struct plain_file_head {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t reserved[2];
	uint32_t snaplen, link;
};

struct plain_file {
	int fd; // borrowed; read by position, so that it does not move
	uint8_t *buffer; // borrowed
	uint32_t size; // octets of buffer; a record of len_max fits
	uint32_t at, end; // not handed out yet: buffer[at] to buffer[end]
	uint64_t offset; // of buffer[end] in the file
	uint32_t len_max; // longer records are not plain
	bool nanoseconds;
	bool ended; // nothing follows what is in the buffer
};

struct plain_record {
	int32_t seconds;
	int64_t fraction_ns;
	uint32_t cap_len, wire_len;
	const uint8_t *bytes; // until the next plain_file_fill()
};

// Whether the file is a plain one; `fd` must be a regular file.
bool plain_file_open(
	struct plain_file *file, int fd, uint32_t len_max, uint8_t *buffer, uint32_t size);

// Reads on when little is left. What was handed out dies.
void plain_file_fill(struct plain_file *file);

// The next record. False: none that is whole and plain is in the buffer.
bool plain_file_next(struct plain_file *file, struct plain_record *ret);

// The last record handed out, of `cap_len` octets, will be the next again.
void plain_file_back(struct plain_file *file, uint32_t cap_len);

// Where in the file the next record begins.
uint64_t plain_file_offset(const struct plain_file *file);

// Whether all of the file has been handed out.
bool plain_file_done(const struct plain_file *file);
