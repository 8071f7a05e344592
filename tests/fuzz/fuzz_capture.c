// Capture files that anybody may have written, read by Weir and by libpcap alone: both find the
// same packets, up to where libpcap gives up. Weir reads plain ones itself and leaves the others,
// or the rest, to libpcap (plain_file.h).
#include "capture/pcap_capture.h"
#include "capture/plain_file.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	PACKETS_MAX = 16384,
	PACKED = 4, // octets by which a packed file is known
	HEAD = sizeof(struct plain_file_head),
	WALKED = 3 * RECORD_STRETCH, // octets
};

#define NO_TIME UINT64_MAX // of no calendar: what Weir makes of it is its own affair

struct found {
	uint64_t ts_ns, octets;
	uint32_t cap_len, wire_len;
};
struct all_found {
	struct found packets[PACKETS_MAX];
	uint32_t count;
};

static void note(struct all_found *all, uint64_t ts_ns, uint32_t wire_len, const uint8_t *data,
	uint32_t cap_len)
{
	struct found found = {.ts_ns = ts_ns, .cap_len = cap_len, .wire_len = wire_len};

	for (uint32_t i = 0; i < cap_len; i++)
		found.octets = found.octets * 31 + data[i];
	if (all->count < PACKETS_MAX)
		all->packets[all->count++] = found;
}

// Returns 0 when the file was read to its end.
static int read_ours(const char *path, struct all_found *ret)
{
	static struct packet_batch batch;
	struct capture_config config = {.file = path};
	struct capture *capture = NULL;
	char error[CAPTURE_ERROR_SIZE];
	int count = 0, err = pcap_capture_ops.open(&capture, &config, 0, error);

	if (err)
		return err;
	while (ret->count < PACKETS_MAX &&
		(count = pcap_capture_ops.receive(capture, &batch)) >= 0) {
		for (uint32_t i = 0; i < batch.count; i++) {
			const struct packet *p = &batch.packets[i];
			note(ret, p->ts_ns, p->wire_len, p->data, p->cap_len);
		}
		pcap_capture_ops.release(capture, &batch);
	}
	pcap_capture_ops.close(capture);
	return count == -ENODATA ? 0 : count;
}

static int read_libpcap(const char *path, struct all_found *ret)
{
	char error[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *head;
	const uint8_t *data;
	int got = 1;
	pcap_t *pcap =
		pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, error);

	if (pcap == NULL)
		return -EINVAL;
	while (ret->count < PACKETS_MAX && (got = pcap_next_ex(pcap, &head, &data)) == 1) {
		int64_t seconds = head->ts.tv_sec, fraction = head->ts.tv_usec;
		bool time = seconds >= 0 && seconds <= INT32_MAX && fraction >= 0 &&
			fraction < (int64_t)NS_PER_S;
		uint64_t ts_ns = (uint64_t)seconds * NS_PER_S + (uint64_t)fraction;
		note(ret, time ? ts_ns : NO_TIME, MAX(head->len, head->caplen), data, head->caplen);
	}
	pcap_close(pcap);
	return got == PCAP_ERROR_BREAK || got == 1 ? 0 : -EIO;
}

static bool same(const struct found *ours, const struct found *theirs)
{
	return (ours->ts_ns == theirs->ts_ns || theirs->ts_ns == NO_TIME) &&
		ours->octets == theirs->octets && ours->cap_len == theirs->cap_len &&
		ours->wire_len == theirs->wire_len;
}

static bool is_packed(const uint8_t *data, size_t size)
{
	static const uint8_t gzip[] = {0x1f, 0x8b}, zstd[PACKED] = {0x28, 0xb5, 0x2f, 0xfd};

	return size >= PACKED &&
		(memcmp(data, gzip, sizeof(gzip)) == 0 || memcmp(data, zstd, sizeof(zstd)) == 0);
}

static void compare(int fd)
{
	static struct all_found ours, theirs;
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ours.count = theirs.count = 0;
	int err = read_ours(path, &ours), their_err = read_libpcap(path, &theirs);
	if (!err && their_err)
		abort(); // what is damaged is told
	if (ours.count != theirs.count)
		abort();
	for (uint32_t i = 0; i < ours.count; i++)
		if (!same(&ours.packets[i], &theirs.packets[i]))
			abort();
}

static void append(int fd, const uint8_t *data, size_t size)
{
	if (write(fd, data, size) != (ssize_t)size)
		abort();
}

static void append_again(int fd, const uint8_t *records, size_t size)
{
	static uint8_t again[WALKED];

	for (size_t at = 0; at < WALKED; at += size)
		memcpy(again + at, records, MIN(size, WALKED - at));
	append(fd, again, WALKED);
}

// As it is, and with its records again and again, so that they are walked in several places at once
// (record_index.h).
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("capture", MFD_CLOEXEC);

	if (fd < 0)
		abort();
	if (!is_packed(data, size)) {
		append(fd, data, size);
		compare(fd);
		if (size > HEAD)
			append_again(fd, data + HEAD, size - HEAD);
		compare(fd);
	}
	close(fd);
	return 0;
}
