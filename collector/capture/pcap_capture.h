// Capture source over libpcap: a capture file, standard input, or a live interface (Linux,
// TPACKET_V3).
//
// Files: pcap and pcapng, micro- and nanoseconds, whatever libpcap reads. A link type that decode
// does not know is read all the same; its packets are dropped by name. `snaplen` is for live use:
// a file's frames are taken as they were captured.
//
// Live: several queues are members of a PACKET_FANOUT group, one for each shard; each comes silent
// from open(), so that no packet is seen twice or by the wrong one, and hears from start() on. A
// file has one queue only.
//
// The filter is the kernel's and stays as it was at open(). What Weir itself sends is kept out by
// it: whoever composes the configuration adds "not (tcp and host BROKER and port PORT)" for each
// address of each broker, before open().
#pragma once

#include "core/packet/capture.h"

extern const struct capture_ops pcap_capture_ops;
