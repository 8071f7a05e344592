// Exact copies of a frame, as a switch's mirror port makes them that sees a frame on its way in and
// on its way out: the second is dropped, by name. Off unless the operator asks for it: hosts repeat
// themselves too (IPv6 acknowledgements, ARP), and those copies would be lost as well.
//
// A copy has the same octets and the same lengths, captured and on the wire, comes on an interface
// of the same group, and within a window of time and DEDUP_FRAMES frames. Each frame takes one copy
// with it: of four that are the same, two stay.
//
// One shard's thread, or the reader's. Its memory is fixed.
#pragma once

#include "core/base/counters.h"
#include "core/base/hash.h"
#include "core/packet/packet.h"

#include <stddef.h>

enum { DEDUP_FRAMES = 16384 };

struct dedup;

// `iface_group`: of each interface index; borrowed. Returns 0 or -ENOMEM with *ret untouched.
int dedup_new(struct dedup **ret, uint64_t window_ns, const uint8_t *iface_group,
	const struct hash_key *key);
void dedup_free(struct dedup *dedup); // accepts NULL
size_t dedup_bytes(void);

// Takes copies out of a batch that has not been decoded, and counts them; what stays keeps its
// order.
void dedup_batch(struct dedup *dedup, struct packet_batch *batch, struct counters *counters);
