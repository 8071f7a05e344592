// The records of a plain capture file (classic pcap, version 2.4, this machine's byte order),
// handed out where they lie in the page cache (file_window.h): what nearly every capture file is,
// at a fraction of the price of libpcap's three reads and a copy for each packet. Whatever is not
// plain is left to libpcap: pcap_capture.c, which alone uses this, gives it back at the record
// where that begins.
//
// One shard's thread.
#pragma once

#include "capture/file_window.h"
#include "capture/record_index.h"
#include "core/packet/packet.h"

#include <stdbool.h>
#include <stdint.h>

// What a file begins with.
struct plain_file_head {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t reserved[2];
	uint32_t snaplen, link;
};

enum { PLAIN_FILE_WINDOWS = 3 }; // mapped at a time, at the most

struct plain_file {
	struct file_window windows[PLAIN_FILE_WINDOWS]; // one to read from, others while held
	struct file_window *window;
	size_t at; // not handed out yet: from here on in the window
	struct record_kind kind; // others are not plain
	uint64_t fraction_unit_ns;
	bool waits; // too much is held
	bool broken; // nothing can be mapped any more
	struct record_index index; // of the window, from `at` on
};

// Whether the file is a plain one that can be mapped; `fd`, borrowed, must be a regular file.
bool plain_file_open(struct plain_file *file, int fd, uint32_t len_max);
void plain_file_close(struct plain_file *file); // also one never opened, all zeros

// Fills the batch with the next packets, their bytes valid until the next call, or as long as
// plain_file_loan() is held; time_ns is the caller's. None: what comes next is not whole, not
// plain, or not there, unless plain_file_waits().
void plain_file_receive(struct plain_file *file, struct packet_batch *batch, uint8_t iface);

// What the bytes of the last batch lie in.
struct capture_loan *plain_file_loan(struct plain_file *file);

// Whether nothing comes, and the file is not to be closed, before more is given back.
bool plain_file_waits(const struct plain_file *file);

// The last packet handed out, of `cap_len` octets, will be the next again.
void plain_file_back(struct plain_file *file, uint32_t cap_len);

// Where in the file the next record begins.
uint64_t plain_file_offset(const struct plain_file *file);

// Whether all of the file has been handed out.
bool plain_file_done(const struct plain_file *file);
