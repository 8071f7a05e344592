// Packing by zstd: packing.h.
#include "core/export/packing.h"

#include "core/base/compiler.h"
#include "core/export/segment_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

// A match reaches back over a whole batch of usual size: with less, what zstd's table still has of
// octets out of reach costs a wrong guess of the processor each. The context takes half a MiB at
// level 0, 17 at the highest.
enum { WINDOW_LOG = 20 };

// Zstd's levels, and the 2^n entries of its table: 0 for what the level has.
enum {
	USUAL_LEVEL = -1, // literals as they are, and a table that L1 holds
	LIGHT_LEVEL = -2, // half of the places looked at
	LIGHT_HASH_LOG = 10,
	LIGHT_MIN = 128 << 10, // octets of a block from which it matters
	LIGHT_ROUND = 128, // blocks
};

// At level 0 the blocks of a type of record are packed in one of two ways. Of a flood's rows each
// is as like to the one before as to any: they are packed lightly, a fifth cheaper and hardly
// larger, where other rows would grow by a fourth. The first two blocks of each round find out.
struct choice {
	uint32_t turn; // of the round
	bool light; // from the third block on
	uint64_t usual; // size of the first one, packed, of each 2^32 octets
};

struct packer {
	ZSTD_CCtx *zstd;
	bool level_0, light; // what zstd is set to
	struct choice choice[RECORD_TYPE_COUNT];
};

static_assert(SEGMENT_PACKED_MAX >= ZSTD_COMPRESSBOUND(SEGMENT_RAW_MAX));

static void set(struct packer *p, ZSTD_cParameter parameter, int value)
{
	size_t code = ZSTD_CCtx_setParameter(p->zstd, parameter, value);

	REQUIRE(!ZSTD_isError(code));
}

int packer_new(struct packer **ret, int level)
{
	struct packer *p = calloc(1, sizeof(*p));
	if (p == NULL)
		return -ENOMEM;
	p->zstd = ZSTD_createCCtx();
	if (p->zstd == NULL) {
		packer_free(p);
		return -ENOMEM;
	}
	p->level_0 = level == 0; // zstd's own 0 is its default, 3
	set(p, ZSTD_c_compressionLevel, p->level_0 ? USUAL_LEVEL : level);
	set(p, ZSTD_c_windowLog, WINDOW_LOG);
	*ret = p;
	return 0;
}

void packer_free(struct packer *packer)
{
	if (packer == NULL)
		return;
	ZSTD_freeCCtx(packer->zstd);
	free(packer);
}

size_t packer_bound(size_t size)
{
	return ZSTD_compressBound(size);
}

static void set_light(struct packer *p, bool light)
{
	if (p->light == light)
		return;
	p->light = light;
	set(p, ZSTD_c_compressionLevel, light ? LIGHT_LEVEL : USUAL_LEVEL);
	set(p, ZSTD_c_hashLog, light ? LIGHT_HASH_LOG : 0);
}

size_t packer_put(struct packer *packer, const struct batch *batch, uint8_t *to, size_t room)
{
	struct choice *c = &packer->choice[batch->type];
	bool chosen = packer->level_0 && batch->size >= LIGHT_MIN;

	set_light(packer, chosen && (c->turn == 1 || (c->turn > 1 && c->light)));
	size_t size = ZSTD_compress2(packer->zstd, to, room, batch->bytes, batch->size);
	if (ZSTD_isError(size))
		return 0; // for want of memory, the one cause left: the output fits
	if (!chosen)
		return size;
	uint64_t share = ((uint64_t)size << 32) / batch->size;
	if (c->turn == 0)
		c->usual = share;
	else if (c->turn == 1)
		c->light = share <= c->usual + c->usual / 32;
	c->turn = (c->turn + 1) % LIGHT_ROUND;
	return size;
}

int packing_undo(uint8_t *raw, size_t raw_size, const uint8_t *packed, size_t packed_size)
{
	size_t size = ZSTD_decompress(raw, raw_size, packed, packed_size);

	if (ZSTD_getErrorCode(size) == ZSTD_error_memory_allocation)
		return -ENOMEM;
	return size == raw_size ? 0 : -EBADMSG;
}
