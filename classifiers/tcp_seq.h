// Where a TCP segment stands in its stream. For dns.c and http.c, whose heads and messages may go
// on in the next segment.
#pragma once

#include "core/base/cursor.h"
#include "core/packet/packet.h"

// The sequence number of the first octet of payload (RFC 9293 section 3.1: a SYN takes one itself).
static inline uint32_t tcp_seq_of(const struct packet *packet)
{
	struct cursor tcp = cursor_of(packet->data, packet->cap_len);

	cursor_skip(&tcp, (size_t)packet->l4_offset + 4);
	return cursor_u32(&tcp) + ((packet->tcp_flags & TCP_SYN) != 0);
}
