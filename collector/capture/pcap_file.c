// Capture files and standard input.
//
// A plain file (plain_file.h) is read without libpcap, which opens it and takes over where it stops
// being plain, its end included. What comes by a pipe or is compressed reaches libpcap through
// byte_stream.h, which knows when it would wait.
#include "capture/pcap_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_BUFFER_SIZE = 1 << 20 };

const char *file_title(const char *file)
{
	return strcmp(file, "-") == 0 ? "standard input" : file;
}

// A descriptor of our own, which may be closed. Returns it or -errno with a sentence in `error`.
static int open_descriptor(const char *path, char error[CAPTURE_ERROR_SIZE])
{
	bool input = strcmp(path, "-") == 0;

	if (input && isatty(STDIN_FILENO))
		return capture_explain(error, -EINVAL,
			"standard input is a terminal: pipe a capture file into it");
	int fd = input ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	int err = errno;
	return capture_explain(error, -err, "cannot open capture file \"%s\": %s", file_title(path),
		strerror(err));
}

// What libpcap reads, on `fd`, which belongs to it then. Returns 0 or -errno.
static int open_stdio(struct capture *capture, int fd, FILE **ret)
{
	FILE *file;

	if (byte_stream_needed(fd)) {
		int err = byte_stream_new(&capture->stream, fd);
		if (err) {
			close(fd);
			return err;
		}
		file = byte_stream_file(capture->stream);
	} else {
		file = fdopen(fd, "rb");
		if (file == NULL)
			close(fd);
	}
	if (file == NULL)
		return -ENOMEM;
	capture->file_buffer = malloc(FILE_BUFFER_SIZE);
	if (capture->file_buffer != NULL)
		setvbuf(file, capture->file_buffer, _IOFBF, FILE_BUFFER_SIZE);
	*ret = file;
	return 0;
}

// Octets of a pcapng file whose first section says how long it is; 0: it does not, or is none.
static uint64_t announced_size(int fd)
{
	struct {
		uint32_t type, len, order, version;
		// draft-ietf-opsawg-pcapng section 4.1: UINT64_MAX where not known.
		uint64_t section;
	} head;
	static_assert(sizeof(head) == 24);

	if (pread(fd, &head, sizeof(head), 0) != sizeof(head) || head.type != 0x0a0d0d0a)
		return 0;
	bool other_order = head.order == 0x4d3c2b1a;
	uint64_t section = other_order ? __builtin_bswap64(head.section) : head.section;
	uint32_t len = other_order ? __builtin_bswap32(head.len) : head.len;
	return section > INT64_MAX ? 0 : len + section;
}

// What of a file may be told by its size: libpcap takes what ends with a record for whole.
static void note_size(struct capture *capture, const char *path, int fd)
{
	struct stat st;

	if (strcmp(path, "-") == 0 || capture->stream != NULL || fstat(fd, &st) != 0)
		return;
	capture->size = (uint64_t)st.st_size;
	capture->announced = announced_size(fd);
}

// At a file's end: whether some of it is missing.
static bool is_short(struct capture *capture)
{
	struct stat st;

	if (capture->size == 0 || fstat(fileno(pcap_file(capture->pcap)), &st) != 0)
		return false;
	bool shrank = (uint64_t)st.st_size < capture->size;
	uint64_t whole = shrank ? capture->size : capture->announced;
	if ((uint64_t)st.st_size >= whole)
		return false;
	capture_explain(capture->error, 0,
		"\"%s\" is cut after packet %" PRIu64 ": it is %" PRIu64 " octets shorter than %s",
		capture->name, capture->packets, whole - (uint64_t)st.st_size,
		shrank ? "when it was opened" : "its head says");
	return true;
}

int file_open(struct capture *capture, const char *path, char error[CAPTURE_ERROR_SIZE])
{
	char why[PCAP_ERRBUF_SIZE] = "";

	int fd = open_descriptor(path, error);
	if (fd < 0)
		return fd;
	FILE *file;
	int err = open_stdio(capture, fd, &file);
	if (err)
		return capture_explain(error, err, "cannot read capture file \"%s\": %s",
			capture->name, strerror(-err));
	capture->pcap =
		pcap_fopen_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO, why);
	if (capture->pcap != NULL) {
		note_size(capture, path, fd);
		return 0;
	}
	fclose(file);
	const char *broken = capture->stream != NULL ? byte_stream_error(capture->stream) : NULL;
	return capture_explain(error, -EBADMSG, "\"%s\" is not a capture file that can be read: %s",
		capture->name, broken != NULL ? broken : why);
}

void file_open_plain(struct capture *capture)
{
	// Standard input may be a pipe, or stand elsewhere than at the beginning.
	bool whole = capture->stream == NULL &&
		ftello(pcap_file(capture->pcap)) == sizeof(struct plain_file_head);

	if (whole && capture->link != LINK_OTHER)
		capture->plain = plain_file_open(&capture->file, fileno(pcap_file(capture->pcap)),
			MIN((uint32_t)pcap_snapshot(capture->pcap), (uint32_t)FRAME_MAX));
}

// The same, packet by packet as they come to be there.
static int dispatch_stream(struct capture *capture, struct packet_batch *batch)
{
	int count;

	frames_begin(capture, batch);
	capture->quiet = !byte_stream_ready(capture->stream, (int)capture->poll_ms);
	if (capture->quiet)
		return 0;
	frames_take_held(capture, batch);
	do {
		count = pcap_dispatch(capture->pcap, 1, frames_keep, (u_char *)capture);
	} while (batch->count < PACKET_BATCH_MAX && !frames_full(capture) &&
		(count == PCAP_ERROR_BREAK ||
			(count > 0 && byte_stream_ready(capture->stream, 0))));
	capture->packets += batch->count;
	return count == PCAP_ERROR_BREAK ? 0 : count;
}

// The same of a plain file; from where it is none on, libpcap reads it.
static int dispatch_plain(struct capture *capture, struct packet_batch *batch)
{
	batch->link = capture->link;
	plain_file_receive(&capture->file, batch, capture->iface);
	capture->packets += batch->count;
	capture->quiet = batch->count == 0 && plain_file_waits(&capture->file);
	if (batch->count > 0 || capture->quiet)
		return 0;
	off_t offset = (off_t)plain_file_offset(&capture->file);
	REQUIRE(fseeko(pcap_file(capture->pcap), offset, SEEK_SET) == 0);
	plain_file_close(&capture->file);
	capture->plain = false;
	return frames_dispatch(capture, batch);
}

// Whether a file's next packet may have been left to the next batch.
static bool batch_full(const struct capture *capture, const struct packet_batch *batch)
{
	if (capture->plain)
		return !plain_file_done(&capture->file);
	return capture->stream != NULL || batch->count == PACKET_BATCH_MAX || frames_full(capture);
}

int file_receive(struct capture *capture, struct packet_batch *batch)
{
	if (capture->failed) {
		batch->count = 0;
		batch->now_ns = capture->clock.last_ns;
		return capture->failed;
	}
	errno = 0;
	int status = capture->plain       ? dispatch_plain(capture, batch)
		: capture->stream != NULL ? dispatch_stream(capture, batch)
					  : frames_dispatch(capture, batch);
	bool interrupted = status < 0 && errno == EINTR;
	bool broken_off = status < 0 && !interrupted;
	frames_set_time(capture, batch, !broken_off && batch_full(capture, batch));
	if (interrupted || capture->quiet)
		return (int)batch->count; // no damage: whoever caught the signal knows what follows
	const char *broken = capture->stream != NULL ? byte_stream_error(capture->stream) : NULL;
	if (broken_off || (batch->count == 0 && broken != NULL)) {
		capture->failed = capture_explain(capture->error, -EBADMSG,
			"\"%s\" is damaged or cut after packet %llu: %s", capture->name,
			(unsigned long long)capture->packets,
			broken != NULL ? broken : pcap_geterr(capture->pcap));
	} else if (batch->count == 0 && is_short(capture)) {
		capture->failed = -EBADMSG;
	} else if (batch->count == 0) {
		capture->failed = capture_explain(
			capture->error, -ENODATA, "\"%s\" has been read to its end", capture->name);
	}
	return batch->count > 0 ? (int)batch->count : capture->failed;
}
