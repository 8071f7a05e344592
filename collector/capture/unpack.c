// Compressed captures (unpack.h), by libzstd (RFC 8878) and zlib (RFC 1952).
#include "capture/unpack.h"

#include "core/base/compiler.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

enum form { FORM_PLAIN, FORM_GZIP, FORM_ZSTD };

enum { GZIP_ONLY = 15 + 16 }; // inflateInit2(): the largest window, and no other header than gzip's

struct unpack {
	enum form form;
	bool whole; // between two streams, or after the last
	const char *error;
	z_stream gzip;
	ZSTD_DStream *zstd;
};

static enum form form_of(const uint8_t magic[UNPACK_MAGIC_SIZE])
{
	static const uint8_t zstd[] = {0x28, 0xb5, 0x2f, 0xfd}, skippable[] = {0x2a, 0x4d, 0x18};
	static const uint8_t gzip[] = {0x1f, 0x8b, 8};

	if (memcmp(magic, zstd, sizeof(zstd)) == 0 ||
		(magic[0] >> 4 == 5 && memcmp(magic + 1, skippable, sizeof(skippable)) == 0))
		return FORM_ZSTD;
	return memcmp(magic, gzip, sizeof(gzip)) == 0 ? FORM_GZIP : FORM_PLAIN;
}

bool unpack_needed(const uint8_t magic[UNPACK_MAGIC_SIZE])
{
	return form_of(magic) != FORM_PLAIN;
}

int unpack_new(struct unpack **ret, const uint8_t magic[UNPACK_MAGIC_SIZE])
{
	struct unpack *u = calloc(1, sizeof(*u));
	bool fine = u != NULL;

	if (fine) {
		u->form = form_of(magic);
		u->whole = true;
	}
	if (fine && u->form == FORM_ZSTD)
		fine = (u->zstd = ZSTD_createDStream()) != NULL;
	if (fine && u->form == FORM_GZIP)
		fine = inflateInit2(&u->gzip, GZIP_ONLY) == Z_OK;
	if (!fine) {
		unpack_free(u);
		return -ENOMEM;
	}
	*ret = u;
	return 0;
}

void unpack_free(struct unpack *u)
{
	if (u == NULL)
		return;
	if (u->form == FORM_GZIP)
		inflateEnd(&u->gzip); // accepts one that was not begun
	ZSTD_freeDStream(u->zstd);
	free(u);
}

static int refuse(struct unpack *u, const char *why)
{
	u->error = why;
	return -EBADMSG;
}

static int step_zstd(struct unpack *u, const uint8_t **from, const uint8_t *from_end, uint8_t **to,
	uint8_t *to_end)
{
	ZSTD_inBuffer in = {.src = *from, .size = (size_t)(from_end - *from)};
	ZSTD_outBuffer out = {.dst = *to, .size = (size_t)(to_end - *to)};

	size_t more = ZSTD_decompressStream(u->zstd, &out, &in);
	*from += in.pos;
	*to += out.pos;
	if (ZSTD_isError(more))
		return refuse(u, ZSTD_getErrorName(more));
	if (in.pos > 0 || out.pos > 0)
		u->whole = more == 0;
	return 0;
}

// A gzip file may be several streams, one after the other, and be filled up with zeros as a tape's
// block is (gzip(1), "Caveats").
static int step_gzip(struct unpack *u, const uint8_t **from, const uint8_t *from_end, uint8_t **to,
	uint8_t *to_end)
{
	z_stream *z = &u->gzip;

	while (u->whole && *from < from_end && **from == 0)
		(*from)++;
	if (u->whole && *from == from_end)
		return 0;
	u->whole = false;
	z->next_in = (uint8_t *)(uintptr_t)*from;
	z->avail_in = (unsigned)(from_end - *from);
	z->next_out = *to;
	z->avail_out = (unsigned)(to_end - *to);
	int status = inflate(z, Z_NO_FLUSH);
	*from = z->next_in;
	*to = z->next_out;
	if (status == Z_STREAM_END) {
		u->whole = true;
		inflateReset(z);
		return 0;
	}
	if (status == Z_OK || status == Z_BUF_ERROR) // the latter: nothing moved
		return 0;
	return refuse(u, z->msg != NULL ? z->msg : zError(status));
}

static void step_plain(
	const uint8_t **from, const uint8_t *from_end, uint8_t **to, const uint8_t *to_end)
{
	size_t len = (size_t)MIN(from_end - *from, to_end - *to);

	memcpy(*to, *from, len);
	*from += len;
	*to += len;
}

int unpack_step(struct unpack *u, const uint8_t **from, const uint8_t *from_end, uint8_t **to,
	uint8_t *to_end)
{
	if (u->form == FORM_ZSTD)
		return step_zstd(u, from, from_end, to, to_end);
	if (u->form == FORM_GZIP)
		return step_gzip(u, from, from_end, to, to_end);
	step_plain(from, from_end, to, to_end);
	return 0;
}

bool unpack_whole(const struct unpack *u)
{
	return u->whole;
}

const char *unpack_error(const struct unpack *u)
{
	return u->error;
}
