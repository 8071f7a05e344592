// Rows to standard output as they are, JSON lines or delimited protobuf, without ever waiting
// longer than asked: the reader of a pipe may have stopped reading. For the file exporter.
#pragma once

#include "core/export/exporter.h"

struct stream;

// `fd`: borrowed. Returns 0 or -ENOMEM.
int stream_new(struct stream **ret, struct export_done *done, int fd);
// What is not written is lost to shutdown. Accepts NULL.
void stream_free(struct stream *stream);

// As the exporter's operations of these names.
int stream_submit(struct stream *stream, struct batch *batch);
void stream_poll(struct stream *stream, int timeout_ms);
bool stream_idle(const struct stream *stream);
void stream_stats(const struct stream *stream, struct exporter_stats *ret);
