// Rows to standard output. One batch at a time, in pieces that a pipe takes without waiting.
#include "exporters/stream.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_PIECE = 256 << 10 };

struct stream {
	struct export_done *done;
	int fd;
	size_t piece; // octets of one write: after poll() a pipe has room for PIPE_BUF
	bool broken;
	uint64_t bytes;
	struct batch *batch; // being written, or NULL
	size_t written; // octets of it
};

int stream_new(struct stream **ret, struct export_done *done, int fd)
{
	struct stat info;
	struct stream *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return -ENOMEM;
	s->done = done;
	s->fd = fd;
	s->piece = fstat(fd, &info) == 0 && S_ISREG(info.st_mode) ? FILE_PIECE : PIPE_BUF;
	*ret = s;
	return 0;
}

// Gives the batch back; its rows that are not wholly written are lost.
static void stream_done(struct stream *s, enum lost_cause cause)
{
	struct batch *batch = s->batch;
	uint32_t delivered = 0;
	size_t end = 0;

	while (delivered < batch->count && end + batch->rows[delivered].len <= s->written)
		end += batch->rows[delivered++].len;
	if (delivered > 0)
		export_delivered(s->done, batch->type, delivered);
	if (delivered < batch->count)
		export_lost(s->done, batch->type, cause, batch->count - delivered);
	s->batch = NULL;
	export_batch(s->done, batch);
}

static void stream_break(struct stream *s, int err)
{
	char text[EXPORTER_ERROR_SIZE];

	if (err == EPIPE)
		snprintf(text, sizeof(text),
			"the reader of standard output has gone: collection ends");
	else
		snprintf(text, sizeof(text), "cannot write to standard output: %s: collection ends",
			strerror(err));
	s->broken = true;
	stream_done(s, err == EPIPE ? LOST_BROKER : LOST_SPOOL_FULL);
	export_gone(s->done);
	export_error(s->done, text);
}

// Writes while there is room, waiting for it at most timeout_ms.
void stream_poll(struct stream *stream, int timeout_ms)
{
	while (stream->batch != NULL) {
		struct pollfd room = {.fd = stream->fd, .events = POLLOUT};
		if (poll(&room, 1, timeout_ms) <= 0)
			return;
		ssize_t count = write(stream->fd, stream->batch->bytes + stream->written,
			MIN(stream->batch->size - stream->written, stream->piece));
		if (count < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (count < 0) {
			stream_break(stream, errno);
			return;
		}
		stream->written += (size_t)count;
		stream->bytes += (uint64_t)count;
		if (stream->written == stream->batch->size)
			stream_done(stream, LOST_SHUTDOWN);
		timeout_ms = 0;
	}
}

int stream_submit(struct stream *stream, struct batch *batch)
{
	if (stream->batch != NULL)
		return -EAGAIN;
	stream->batch = batch;
	stream->written = 0;
	if (stream->broken) {
		stream_done(stream, LOST_BROKER);
	} else if (batch->size == 0) {
		stream_done(stream, LOST_SHUTDOWN); // tombstones only: nothing to write
	} else {
		stream_poll(stream, 0);
	}
	return 0;
}

bool stream_idle(const struct stream *stream)
{
	return stream->batch == NULL;
}

void stream_stats(const struct stream *stream, struct exporter_stats *ret)
{
	*ret = (struct exporter_stats){
		.up = !stream->broken,
		.in_flight = stream->batch != NULL ? stream->batch->count : 0,
		.bytes_raw = stream->bytes,
		.bytes_sent = stream->bytes,
	};
}

void stream_free(struct stream *stream)
{
	if (stream == NULL)
		return;
	if (stream->batch != NULL)
		stream_done(stream, LOST_SHUTDOWN);
	free(stream);
}
