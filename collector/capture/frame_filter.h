// A filter in pcap-filter(7)'s words over Ethernet frames in memory, for sources whose driver has
// none. Immutable once made: any thread.
#pragma once

#include "core/packet/capture.h"

struct frame_filter;

// `text` NULL or "": *ret is NULL, which all frames pass. Returns 0, or -errno with one sentence in
// `error`.
int frame_filter_new(struct frame_filter **ret, const char *text, char error[CAPTURE_ERROR_SIZE]);
void frame_filter_free(struct frame_filter *filter); // accepts NULL

bool frame_filter_passes(const struct frame_filter *filter, const uint8_t *frame, uint32_t cap_len,
	uint32_t wire_len);
