// The octets of a capture that comes by a pipe or is compressed, as a stdio stream for libpcap.
//
// libpcap reads a record in several steps and waits in each: on a pipe whose writer is silent it
// would keep the whole run waiting, finished rows included. So the octets are gathered here first,
// by poll(2), and libpcap is only called when a whole record is there (byte_stream_ready()). For
// that the stream knows how records of pcap and pcapng are framed, and nothing else of them.
//
// One shard's thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct byte_stream;

// Whether the file needs one: it is no regular file, or compressed. Reads nothing of a pipe.
bool byte_stream_needed(int fd);

// `fd` becomes the stream's when 0 is returned; else -errno. Waits for the first octets.
int byte_stream_new(struct byte_stream **ret, int fd);
void byte_stream_free(struct byte_stream *stream); // accepts NULL; after fclose()

// For libpcap, which closes it. Reading waits for what is not there yet; EINTR ends that.
FILE *byte_stream_file(struct byte_stream *stream);

// Called where libpcap stands between two records: whether it can read the next packet, or meet the
// end or an error, without waiting. Waits up to `wait_ms` for that to come true; a signal ends it.
bool byte_stream_ready(struct byte_stream *stream, int wait_ms);

// Why the stream ended before the capture did, or NULL.
const char *byte_stream_error(const struct byte_stream *stream);
