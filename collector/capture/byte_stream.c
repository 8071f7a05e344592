// The octets of a capture that comes by a pipe or is compressed: byte_stream.h. Formats:
// draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng.
#include "capture/byte_stream.h"

#include "capture/unpack.h"
#include "core/base/compiler.h"
#include "core/base/memory.h"

#include <byteswap.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	IN_SIZE = 128 << 10,
	OUT_SIZE = 1 << 20, // longer records are left to libpcap, which waits for them
	BLOCK_HEAD = 12, // of pcapng: type, size, and of a section its byte order
	ERROR_SIZE = 200,
};

enum framing { FRAMING_UNKNOWN, FRAMING_PCAP, FRAMING_PCAPNG };

struct byte_stream {
	int fd;
	bool waits; // not a regular file
	bool ended; // of fd
	bool failed;
	struct unpack *unpack;
	uint64_t read_bytes; // of fd
	uint32_t in_at, in_end, out_at, out_end;
	enum framing framing;
	uint32_t record_head; // octets that tell a record's size
	bool swapped; // numbers of other than this machine's byte order
	uint64_t record_left; // octets that libpcap has not read of the record it is in
	char error[ERROR_SIZE];
	uint8_t in[IN_SIZE], out[OUT_SIZE];
};

bool byte_stream_needed(int fd)
{
	uint8_t magic[UNPACK_MAGIC_SIZE] = {0};
	struct stat st;

	if (fstat(fd, &st) != 0)
		return false;
	if (!S_ISREG(st.st_mode))
		return !S_ISDIR(st.st_mode); // stdio says best what is wrong with it
	off_t at = lseek(fd, 0, SEEK_CUR);
	return at >= 0 && pread(fd, magic, sizeof(magic), at) == sizeof(magic) &&
		unpack_needed(magic);
}

// Reads once, waiting, whoever's descriptor it is: one shared with others may be set not to wait.
// Returns 0 or -errno.
static int read_some(struct byte_stream *s)
{
	if (s->in_at > 0) {
		memmove(s->in, s->in + s->in_at, s->in_end - s->in_at);
		s->in_end -= s->in_at;
		s->in_at = 0;
	}
	if (s->ended || s->in_end == IN_SIZE)
		return 0;
	ssize_t got;
	while ((got = read(s->fd, s->in + s->in_end, IN_SIZE - s->in_end)) < 0) {
		struct pollfd wait = {.fd = s->fd, .events = POLLIN};
		if (errno != EAGAIN || poll(&wait, 1, -1) < 0)
			return -errno;
	}
	s->ended = got == 0;
	s->in_end += (uint32_t)got;
	s->read_bytes += (uint64_t)got;
	return 0;
}

static void fail(struct byte_stream *s, const char *what, const char *why)
{
	uint64_t at = s->read_bytes - (s->in_end - s->in_at);

	s->failed = true;
	snprintf(s->error, sizeof(s->error), "%s at octet %llu%s%s", what, (unsigned long long)at,
		*why != '\0' ? ": " : "", why);
}

// Unpacks what was read, as far as there is room. Whether anything came of it.
static bool unpack_some(struct byte_stream *s)
{
	const uint8_t *from = s->in + s->in_at;
	uint32_t out_was = s->out_end, in_was = s->in_at;

	if (s->failed)
		return false;
	if (s->out_at > 0 && (s->out_at == s->out_end || s->out_end == OUT_SIZE)) {
		memmove(s->out, s->out + s->out_at, s->out_end - s->out_at);
		s->out_end -= s->out_at;
		out_was = s->out_end;
		s->out_at = 0;
	}
	uint8_t *to = s->out + s->out_end;
	int err = unpack_step(s->unpack, &from, s->in + s->in_end, &to, s->out + OUT_SIZE);
	s->in_at = (uint32_t)(from - s->in);
	s->out_end = (uint32_t)(to - s->out);
	if (err)
		fail(s, "the compressed data are damaged", unpack_error(s->unpack));
	return s->out_end > out_was || s->in_at > in_was;
}

// More octets to read, waiting for them; none come at the end or where it broke. Returns 0 or
// -errno.
static int more(struct byte_stream *s)
{
	uint32_t had = s->out_end - s->out_at;

	while (s->out_end - s->out_at == had && s->out_end - s->out_at < OUT_SIZE) {
		if (unpack_some(s))
			continue;
		if (s->failed)
			break;
		if (s->ended) {
			if (!unpack_whole(s->unpack))
				fail(s, "the compressed data end early", "");
			break;
		}
		int err = read_some(s);
		if (err)
			return err;
	}
	return 0;
}

// ---- framing

#define NG_SECTION UINT32_C(0x0a0d0d0a) // reads the same in both orders
#define NG_ORDER UINT32_C(0x1a2b3c4d)

static uint32_t number_at(const struct byte_stream *s, uint32_t at, bool swapped)
{
	uint32_t number;

	memcpy(&number, s->out + at, sizeof(number));
	return swapped ? bswap_32(number) : number;
}

// Octets of the record at `at`, or what it needs to be told apart where that is not there yet;
// UINT64_MAX where libpcap may judge. `*swapped`: the order of its numbers, which a section
// changes.
static uint64_t record_size(const struct byte_stream *s, uint32_t at, bool *swapped)
{
	if (s->framing == FRAMING_UNKNOWN)
		return UINT64_MAX;
	if (s->out_end - at < s->record_head)
		return s->record_head;
	if (s->framing == FRAMING_PCAP)
		return (uint64_t)s->record_head + number_at(s, at + 8, *swapped);
	if (number_at(s, at, false) == NG_SECTION)
		*swapped = number_at(s, at + 8, false) != NG_ORDER;
	uint32_t size = number_at(s, at + 4, *swapped);
	return size >= BLOCK_HEAD ? size : UINT64_MAX;
}

// Whether all is there that libpcap needs to come to a packet: of pcapng it reads on until a block
// holds one.
static bool has_packet(const struct byte_stream *s)
{
	enum { PACKET = 2, SIMPLE_PACKET = 3, ENHANCED_PACKET = 6 };
	bool swapped = s->swapped;

	for (uint32_t at = s->out_at;;) {
		uint64_t size = record_size(s, at, &swapped);
		if (size > OUT_SIZE)
			return s->out_end > at;
		if (size > s->out_end - at)
			return false;
		uint32_t type = number_at(s, at, swapped);
		if (s->framing == FRAMING_PCAP || type == PACKET || type == SIMPLE_PACKET ||
			type == ENHANCED_PACKET)
			return true;
		at += (uint32_t)size;
	}
}

// At least `size` octets to read, waiting for them, if so many come. Returns 0 or -errno.
static int gather(struct byte_stream *s, uint32_t size)
{
	int err = 0;

	for (uint32_t had = UINT32_MAX;
		!err && s->out_end - s->out_at < size && s->out_end - s->out_at != had;) {
		had = s->out_end - s->out_at;
		err = more(s);
	}
	return err;
}

// How the capture begins says how it is framed. Returns 0 or -errno.
static int learn_framing(struct byte_stream *s)
{
	enum { PCAP_HEAD = 24, RECORD_HEAD = 16, MODIFIED_HEAD = 24 };
	static const struct {
		uint32_t magic;
		uint32_t record_head;
	} forms[] = {
		{UINT32_C(0xa1b2c3d4), RECORD_HEAD}, // microseconds
		{UINT32_C(0xa1b23c4d), RECORD_HEAD}, // nanoseconds
		{UINT32_C(0xa12b3c4d), RECORD_HEAD}, // Navtel's
		{UINT32_C(0xa1b2cd34), MODIFIED_HEAD}, // Kuznetsov's
		{NG_SECTION, BLOCK_HEAD},
	};

	int err = gather(s, BLOCK_HEAD);
	if (err || s->out_end < BLOCK_HEAD)
		return err;
	uint32_t magic = number_at(s, 0, false);
	for (size_t i = 0; i < ARRAY_COUNT(forms); i++) {
		if (magic != forms[i].magic && bswap_32(magic) != forms[i].magic)
			continue;
		s->swapped = magic != forms[i].magic;
		s->record_head = forms[i].record_head;
		bool ng = forms[i].magic == NG_SECTION;
		s->framing = ng ? FRAMING_PCAPNG : FRAMING_PCAP;
		s->record_left = ng ? 0 : PCAP_HEAD;
	}
	return 0;
}

// ---- for libpcap

// At most the rest of one record: so stdio, which reads ahead, holds nothing that
// byte_stream_ready() does not know of.
static ssize_t stream_read(void *cookie, char *to, size_t size)
{
	struct byte_stream *s = cookie;

	int err = gather(s, s->record_left > 0 ? 1 : MAX(s->record_head, 1u));
	if (err) {
		errno = -err;
		return -1;
	}
	uint32_t there = s->out_end - s->out_at;
	if (s->record_left == 0)
		s->record_left = record_size(s, s->out_at, &s->swapped);
	size_t len = (size_t)MIN(s->record_left, (uint64_t)there);
	len = MIN(len, size);
	memcpy(to, s->out + s->out_at, len);
	s->out_at += (uint32_t)len;
	s->record_left -= len;
	return (ssize_t)len;
}

FILE *byte_stream_file(struct byte_stream *s)
{
	return fopencookie(s, "r", (cookie_io_functions_t){.read = stream_read});
}

// ---- making

int byte_stream_new(struct byte_stream **ret, int fd)
{
	struct byte_stream *s = memory_reserve(sizeof(*s)); // packets stand in it
	uint8_t magic[UNPACK_MAGIC_SIZE] = {0};
	struct stat st;
	int err = 0;

	if (s == NULL)
		return -ENOMEM;
	s->fd = fd;
	s->waits = fstat(fd, &st) != 0 || !S_ISREG(st.st_mode);
	while (!err && !s->ended && s->in_end < sizeof(magic))
		err = read_some(s);
	if (!err) {
		memcpy(magic, s->in, MIN(s->in_end, sizeof(magic)));
		err = unpack_new(&s->unpack, magic);
	}
	if (!err)
		err = learn_framing(s);
	if (err) {
		unpack_free(s->unpack);
		memory_release(s, sizeof(*s));
		return err;
	}
	*ret = s;
	return 0;
}

void byte_stream_free(struct byte_stream *s)
{
	if (s == NULL)
		return;
	unpack_free(s->unpack);
	close(s->fd);
	memory_release(s, sizeof(*s));
}

// ---- waiting

bool byte_stream_ready(struct byte_stream *s, int wait_ms)
{
	struct pollfd wait = {.fd = s->fd, .events = POLLIN};

	if (!s->waits || has_packet(s))
		return true;
	for (;;) {
		while (unpack_some(s))
			;
		if (s->failed || s->ended || s->out_end - s->out_at == OUT_SIZE || has_packet(s))
			return true;
		if (poll(&wait, 1, wait_ms) <= 0)
			return false;
		if (read_some(s) != 0)
			return true; // libpcap meets the fault again
	}
}

const char *byte_stream_error(const struct byte_stream *s)
{
	return s->failed ? s->error : NULL;
}
