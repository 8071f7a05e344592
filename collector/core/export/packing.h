// Packing: rows into zstd frames and back. The one place of this folder that knows zstd. Export
// thread, or whoever reads.
#pragma once

#include "core/record/batch.h"

#include <stddef.h>
#include <stdint.h>

struct packer;

// `level`: of zstd, or 0 for its -1. Returns 0 or -ENOMEM.
int packer_new(struct packer **ret, int level);
void packer_free(struct packer *packer); // accepts NULL

// The most octets that `size` octets of rows can take.
size_t packer_bound(size_t size);

// The rows of `batch` as one frame at `to`, where packer_bound() octets have room. Returns its
// size, or 0: there was no memory.
size_t packer_put(struct packer *packer, const struct batch *batch, uint8_t *to, size_t room);

// The frame in `packed`, which may be anything, into exactly `raw_size` octets. Returns 0, -EBADMSG
// when it is not that, or -ENOMEM.
int packing_undo(uint8_t *raw, size_t raw_size, const uint8_t *packed, size_t packed_size);
