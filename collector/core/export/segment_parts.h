// The octets of a segment, for the files of this folder that write and read it. All numbers are
// little-endian; a sum is SipHash-1-3 under a fixed key (base/hash.h): against damage, not against
// forgers.
//
//   head, block ..., footer, tail
//   block: block head, the client keys not seen in earlier blocks (16 octets each), a zstd frame,
//     without a checksum of its own: the block's sum is over the frame as it stands in the file
//   footer: footer head, all client keys (sorted, each once), sum of both
//
// A block is whole or it is not there: so a segment without a footer is readable up to its last
// block, and its footer can be made from its blocks.
#pragma once

#include "core/base/hash.h"

#include <assert.h>
#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SEGMENT_VERSION = 1,
	SEGMENT_MAGIC_SIZE = 8,
	SEGMENT_RAW_MAX = 16 << 20, // octets of a block's rows
	SEGMENT_PACKED_MAX = 17 << 20, // of its zstd frame
	SEGMENT_ROWS_MAX = 1 << 16, // of a block
	SEGMENT_KEYS_MAX = 1 << 17, // of a segment or a block
	SEGMENT_KEYS_FULL = 1 << 16, // then the writer calls it full
	SEGMENT_KEY_SIZE = 16,
	SEGMENT_COUNTS = 8, // record types, with room for more
	SEGMENT_PROTOBUF = 1, // delimited messages
	SEGMENT_JSON = 2, // objects, each with a newline
};

#define SEGMENT_HEAD_MAGIC "WEIRSEG\n"
#define SEGMENT_BLOCK_MAGIC "\xb1WEIRBLK"
#define SEGMENT_FOOTER_MAGIC "\xf7WEIRFOT"
#define SEGMENT_TAIL_MAGIC "\xe4WEIREND"

struct segment_head {
	uint8_t magic[SEGMENT_MAGIC_SIZE];
	uint32_t version, schema_version;
	uint64_t created_ns; // wall time
	uint64_t boot_id;
	uint8_t collector_id[16];
	uint8_t policy_sha256[32];
	uint32_t format; // SEGMENT_PROTOBUF or SEGMENT_JSON
	uint32_t zero;
	uint8_t region[64]; // padded with zeros, as the next two
	uint8_t policy_id[64];
	uint8_t policy_version[32];
	uint64_t sum; // of all before
};
static_assert(sizeof(struct segment_head) == 256);

struct segment_block_head {
	uint8_t magic[SEGMENT_MAGIC_SIZE];
	uint16_t type; // enum record_type
	uint16_t format; // as in the head, so that blocks can be read without it
	uint32_t rows, keys;
	uint32_t raw_size, packed_size;
	uint32_t zero;
	uint64_t payload_sum; // of keys and frame
	uint64_t sum; // of all before
};
static_assert(sizeof(struct segment_block_head) == 48);

struct segment_footer_head {
	uint8_t magic[SEGMENT_MAGIC_SIZE];
	uint64_t rows[SEGMENT_COUNTS]; // by enum record_type
	uint64_t blocks;
	uint64_t raw_bytes;
	uint32_t keys;
	uint32_t zero;
};
static_assert(sizeof(struct segment_footer_head) == 96);

struct segment_tail {
	uint64_t footer_offset;
	uint8_t magic[SEGMENT_MAGIC_SIZE];
};
static_assert(sizeof(struct segment_tail) == 16);

static inline uint64_t segment_sum(const void *bytes, size_t len)
{
	static const struct hash_key key = {
		UINT64_C(0x7765697220736567), UINT64_C(0x6d656e742073756d)};

	return hash_bytes(&key, bytes, len);
}
