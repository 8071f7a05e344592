// HMAC-SHA-256 of many short messages under one key, side by side in the lanes of wide registers:
// each step of the hash waits for the one before, so that one message at a time leaves most of the
// processor idle. A flood of forged addresses makes a client_key a packet.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HMAC_LANES = 16, HMAC_BLOCK = 64 };

// Whether that is quicker here, for so many messages, than one after the other.
bool hmac_lanes_pay(size_t count);

// `count` messages, up to HMAC_LANES, each a block with its end (FIPS 180-4 section 5.1.1); the
// blocks stand `stride` octets apart. `inner`, `outer`: the hash's states after either padded key
// (RFC 2104 section 4). Out: the first 32 octets of each block. Only where hmac_lanes_pay() says
// so.
void hmac_lanes(const uint32_t inner[8], const uint32_t outer[8], uint8_t *blocks, size_t stride,
	size_t count);
