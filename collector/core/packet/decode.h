// Decode: from the link header to the transport header, for a whole batch.
//
// Reads hostile bytes and cannot fail: every packet gets a fate, and what is dropped is counted by
// name. Lengths are those of the IP header, never of the frame (RFC 791 section 3.1, RFC 8200
// section 3): short frames are padded, tapped ones may be cut.
#pragma once

#include "core/base/counters.h"
#include "core/packet/packet.h"

// Fills what decode sets in each packet and extra of the batch. The shard's thread. Counts packets,
// bytes, consumed and drops in `counters`.
void decode_batch(struct packet_batch *batch, struct counters *counters);
