// Capture by libpcap: files of each format and byte order that the test writes itself, what is
// damaged or refused, standard input, table time, and a live interface in a network namespace of
// its own.
//
// The clock of sources is compiled in here so that it can be moved.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cmocka.h>

static int64_t wall_moved_ns; // how far the test has set the wall clock

static int moved_clock_gettime(clockid_t clock, struct timespec *ret)
{
	int err = clock_gettime(clock, ret);
	if (clock == CLOCK_REALTIME)
		ret->tv_sec += wall_moved_ns / 1000000000;
	return err;
}
#define clock_gettime moved_clock_gettime
#include "core/packet/capture_clock.c"
#undef clock_gettime

#include "capture/pcap_capture.h"
#include "capture/pcap_parts.h"
#include "core/base/own_connections.h"
#include "core/packet/decode.h"

static const struct capture_ops *ops = &pcap_capture_ops;
static char folder[] = "/tmp/weir-test-capture-XXXXXX";
static char path[64]; // the file at hand

// Writes numbers in the byte order of the file.
struct writer {
	FILE *file;
	bool big;
};

static void put_uint(struct writer *w, uint64_t value, unsigned octets)
{
	for (unsigned i = 0; i < octets; i++)
		fputc((int)(value >> 8 * (w->big ? octets - 1 - i : i)) & 0xff, w->file);
}

static struct writer writer_open(bool big)
{
	snprintf(path, sizeof(path), "%s/file", folder);
	struct writer w = {.file = fopen(path, "wb"), .big = big};
	assert_non_null(w.file);
	return w;
}

static void pcap_head(struct writer *w, uint32_t magic, uint32_t link)
{
	put_uint(w, magic, 4);
	put_uint(w, 2, 2);
	put_uint(w, 4, 2);
	put_uint(w, 0, 8);
	put_uint(w, 262144, 4);
	put_uint(w, link, 4);
}

// A record whose `len` octets all are `fill`.
static void pcap_record(struct writer *w, uint32_t seconds, uint32_t fraction, uint32_t len,
	uint32_t wire_len, int fill)
{
	put_uint(w, seconds, 4);
	put_uint(w, fraction, 4);
	put_uint(w, len, 4);
	put_uint(w, wire_len, 4);
	for (uint32_t i = 0; i < len; i++)
		fputc(fill, w->file);
}

static void ng_head(struct writer *w, uint32_t link, int resolution)
{
	put_uint(w, 0x0a0d0d0a, 4);
	put_uint(w, 28, 4);
	put_uint(w, 0x1a2b3c4d, 4);
	put_uint(w, 1, 2);
	put_uint(w, 0, 2);
	put_uint(w, UINT64_MAX, 8);
	put_uint(w, 28, 4);

	put_uint(w, 1, 4); // interface, with if_tsresol
	put_uint(w, 32, 4);
	put_uint(w, link, 2);
	put_uint(w, 0, 2);
	put_uint(w, 0, 4);
	put_uint(w, 9, 2);
	put_uint(w, 1, 2);
	fputc(resolution, w->file);
	fwrite("\0\0\0", 1, 3, w->file);
	put_uint(w, 0, 4);
	put_uint(w, 32, 4);
}

static void ng_packet(struct writer *w, uint64_t ticks, uint32_t len, uint32_t wire_len, int fill)
{
	uint32_t padded = (len + 3) & ~3u;

	put_uint(w, 6, 4);
	put_uint(w, 32 + padded, 4);
	put_uint(w, 0, 4);
	put_uint(w, ticks >> 32, 4);
	put_uint(w, ticks & UINT32_MAX, 4);
	put_uint(w, len, 4);
	put_uint(w, wire_len, 4);
	for (uint32_t i = 0; i < padded; i++)
		fputc(i < len ? fill : 0, w->file);
	put_uint(w, 32 + padded, 4);
}

static struct capture *open_path(const char *file)
{
	struct capture_config config = {.file = file, .iface = 3};
	struct capture *capture = NULL;
	char error[CAPTURE_ERROR_SIZE] = "";

	int err = ops->open(&capture, &config, 0, error);
	if (err)
		print_message("%s\n", error);
	assert_int_equal(err, 0);
	return capture;
}

static struct packet_batch batch;

// Two records, the second cut by the snap length, then the end.
static void expect_two(uint64_t fraction_ns)
{
	struct capture *capture = open_path(path);
	uint64_t ts_ns = UINT64_C(1500000000) * NS_PER_S + fraction_ns;

	assert_int_equal(ops->receive(capture, &batch), 2);
	assert_int_equal(batch.count, 2);
	assert_int_equal(batch.link, LINK_ETHERNET);
	for (unsigned i = 0; i < 2; i++) {
		const struct packet *p = &batch.packets[i];
		assert_int_equal(p->ts_ns, ts_ns + i * NS_PER_S);
		assert_int_equal(p->time_ns, p->ts_ns);
		assert_int_equal(p->cap_len, 61 + i);
		assert_int_equal(p->wire_len, i == 0 ? 61 : 1500);
		assert_int_equal(p->iface, 3);
		for (uint32_t at = 0; at < p->cap_len; at++)
			assert_int_equal(p->data[at], 'a' + i);
	}
	assert_int_equal(batch.now_ns, ts_ns + NS_PER_S);
	ops->release(capture, &batch);
	assert_int_equal(ops->receive(capture, &batch), -ENODATA);
	assert_int_equal(ops->receive(capture, &batch), -ENODATA);
	assert_int_equal(batch.now_ns, ts_ns + NS_PER_S);
	assert_non_null(ops->error(capture));
	struct capture_stats stats = {.dropped_kernel = 1};
	ops->stats(capture, &stats);
	assert_int_equal(stats.dropped_kernel, 0);
	ops->close(capture);
}

static void formats(void **)
{
	for (unsigned big = 0; big < 2; big++) {
		struct writer w = writer_open(big);
		pcap_head(&w, 0xa1b2c3d4, 1);
		pcap_record(&w, 1500000000, 123456, 61, 61, 'a');
		pcap_record(&w, 1500000001, 123456, 62, 1500, 'b');
		fclose(w.file);
		expect_two(123456000);

		w = writer_open(big);
		pcap_head(&w, 0xa1b23c4d, 1);
		pcap_record(&w, 1500000000, 123456789, 61, 61, 'a');
		pcap_record(&w, 1500000001, 123456789, 62, 1500, 'b');
		fclose(w.file);
		expect_two(123456789);

		w = writer_open(big);
		ng_head(&w, 1, 6);
		ng_packet(&w, UINT64_C(1500000000123456), 61, 61, 'a');
		ng_packet(&w, UINT64_C(1500000001123456), 62, 1500, 'b');
		fclose(w.file);
		expect_two(123456000);

		w = writer_open(big);
		ng_head(&w, 1, 9);
		ng_packet(&w, UINT64_C(1500000000123456789), 61, 61, 'a');
		ng_packet(&w, UINT64_C(1500000001123456789), 62, 1500, 'b');
		fclose(w.file);
		expect_two(123456789);
	}
}

static void standard_input(void **)
{
	struct writer w = writer_open(false);
	pcap_head(&w, 0xa1b2c3d4, 1);
	pcap_record(&w, 1500000000, 0, 61, 61, 'a');
	fclose(w.file);

	uint8_t bytes[256];
	FILE *file = fopen(path, "rb");
	size_t len = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	int ends[2], stdin_was = dup(STDIN_FILENO);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], bytes, len), len);
	close(ends[1]);
	dup2(ends[0], STDIN_FILENO);
	close(ends[0]);

	struct capture *capture = open_path("-");
	assert_int_equal(ops->receive(capture, &batch), 1);
	assert_int_equal(batch.packets[0].data[60], 'a');
	assert_int_equal(ops->receive(capture, &batch), -ENODATA);
	ops->close(capture);
	// The descriptor is the caller's still.
	assert_int_not_equal(fcntl(STDIN_FILENO, F_GETFD), -1);
	dup2(stdin_was, STDIN_FILENO);
	close(stdin_was);
}

static size_t read_all(uint8_t *bytes, size_t size)
{
	FILE *file = fopen(path, "rb");
	size_t len = fread(bytes, 1, size, file);

	fclose(file);
	return len;
}

static void write_all(const uint8_t *bytes, size_t len)
{
	FILE *file = fopen(path, "wb");

	assert_int_equal(fwrite(bytes, 1, len, file), len);
	fclose(file);
}

static size_t pack_gzip(uint8_t *to, size_t size, const uint8_t *from, size_t len)
{
	z_stream z = {.next_in = (uint8_t *)(uintptr_t)from,
		.avail_in = (unsigned)len,
		.next_out = to,
		.avail_out = (unsigned)size};

	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return z.total_out;
}

static size_t pack_zstd(uint8_t *to, size_t size, const uint8_t *from, size_t len)
{
	size_t packed = ZSTD_compress(to, size, from, len, 1);

	assert_false(ZSTD_isError(packed));
	return packed;
}

typedef size_t pack(uint8_t *to, size_t size, const uint8_t *from, size_t len);
static pack *const packs[] = {pack_gzip, pack_zstd};

static void write_two(bool big, bool ng)
{
	struct writer w = writer_open(big);

	if (ng) {
		ng_head(&w, 1, 6);
		ng_packet(&w, UINT64_C(1500000000123456), 61, 61, 'a');
		ng_packet(&w, UINT64_C(1500000001123456), 62, 1500, 'b');
	} else {
		pcap_head(&w, 0xa1b2c3d4, 1);
		pcap_record(&w, 1500000000, 123456, 61, 61, 'a');
		pcap_record(&w, 1500000001, 123456, 62, 1500, 'b');
	}
	fclose(w.file);
}

// Whole, as two compressed streams one after the other, and filled up to a tape's block.
static void compressed(void **)
{
	uint8_t plain[1024], packed[4096];

	for (unsigned i = 0; i < 2 * 2 * ARRAY_COUNT(packs); i++) {
		pack *how = packs[i / 4];
		write_two(i & 1, i & 2);
		size_t len = read_all(plain, sizeof(plain));
		write_all(packed, how(packed, sizeof(packed), plain, len));
		expect_two(123456000);
		size_t first = how(packed, sizeof(packed), plain, 70);
		size_t second = how(packed + first, sizeof(packed) - first, plain + 70, len - 70);
		write_all(packed, first + second);
		expect_two(123456000);
		if (how != pack_gzip)
			continue;
		memset(packed + first + second, 0, 512);
		write_all(packed, first + second + 512);
		expect_two(123456000);
	}
}

// What could be read comes out, then the error; it says where. A zstd frame of one block gives
// nothing before its end, so there are three.
static void compressed_and_cut(void **)
{
	uint8_t plain[512], packed[2048];

	struct writer w = writer_open(false);
	pcap_head(&w, 0xa1b2c3d4, 1);
	for (int i = 0; i < 3; i++)
		pcap_record(&w, 1500000000, 0, 24, 24, 'a' + i);
	fclose(w.file);
	assert_int_equal(read_all(plain, sizeof(plain)), 24 + 3 * 40);
	for (size_t p = 0; p < ARRAY_COUNT(packs); p++) {
		size_t ends[4] = {0};
		for (unsigned i = 0, from = 0; i < 3; from = 64 + 40 * i++)
			ends[i + 1] = ends[i] +
				packs[p](packed + ends[i], 512, plain + from, 64 + 40 * i - from);
		for (size_t cut = ends[1]; cut <= ends[3] + 1; cut++) {
			uint8_t damaged[2048];
			memcpy(damaged, packed, cut);
			if (cut > ends[3])
				damaged[ends[1]] ^= 0xff; // the second stream's first octet
			write_all(damaged, MIN(cut, ends[3]));
			struct capture *capture = open_path(path);
			int count = 0, got;
			while ((got = ops->receive(capture, &batch)) > 0)
				count += got;
			const char *said = ops->error(capture);
			bool fine = cut == ends[1] || cut == ends[2] || cut == ends[3];
			assert_int_equal(got, fine ? -ENODATA : -EBADMSG);
			if (!fine) {
				assert_non_null(strstr(said, path));
				assert_non_null(strstr(said, "compressed data"));
				assert_non_null(strstr(said,
					cut > ends[3] ? "damaged at octet" : "early at octet"));
			}
			unsigned whole = cut > ends[3] ? 0 : (cut >= ends[2]) + (cut >= ends[3]);
			assert_in_range(count, 1 + whole, 3);
			ops->close(capture);
		}
	}
}

// Octet by octet through a pipe: receive() never waits for the rest of a record, and gives each
// packet when its last octet came.
static void slow_pipe(void **)
{
	enum { CLASSIC_HEAD = 24, NG_HEAD = 60 };
	uint8_t bytes[1024];

	for (unsigned i = 0; i < 4; i++) {
		bool ng = i & 2;
		write_two(i & 1, ng);
		size_t len = read_all(bytes, sizeof(bytes)), at = ng ? NG_HEAD : CLASSIC_HEAD;
		size_t first = at + (ng ? 32 + 64 : 16 + 61);
		int ends[2], stdin_was = dup(STDIN_FILENO), count = 0;
		assert_int_equal(pipe(ends), 0);
		dup2(ends[0], STDIN_FILENO);
		assert_int_equal(write(ends[1], bytes, at), at);
		struct capture *capture = open_path("-");
		while (at < len) {
			assert_int_equal(ops->receive(capture, &batch), 0);
			assert_int_equal(write(ends[1], bytes + at++, 1), 1);
			if (at == first || at == len) {
				assert_int_equal(ops->receive(capture, &batch), 1);
				assert_int_equal(batch.packets[0].data[60], 'a' + count++);
			}
		}
		assert_int_equal(count, 2);
		assert_int_equal(ops->receive(capture, &batch), 0);
		close(ends[1]);
		assert_int_equal(ops->receive(capture, &batch), -ENODATA);
		ops->close(capture);
		close(ends[0]);
		dup2(stdin_was, STDIN_FILENO);
		close(stdin_was);
	}
}

static int stdin_from(int fd)
{
	int was = dup(STDIN_FILENO);

	assert_true(dup2(fd, STDIN_FILENO) >= 0);
	close(fd);
	return was;
}

static void stdin_back(int was)
{
	dup2(was, STDIN_FILENO);
	close(was);
}

// Somebody else may have set the descriptor not to wait, for all who share it.
static void pipe_that_does_not_wait(void **)
{
	uint8_t bytes[1024];
	int ends[2];

	write_two(false, false);
	size_t len = read_all(bytes, sizeof(bytes));
	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	pid_t child = fork();
	if (child == 0) {
		usleep(100000);
		_exit(write(ends[1], bytes, len) == (ssize_t)len ? 0 : 1);
	}
	assert_true(child > 0);
	close(ends[1]);
	int was = stdin_from(ends[0]), status, count = 0, got;
	struct capture *capture = open_path("-");
	while ((got = ops->receive(capture, &batch)) >= 0)
		count += got;
	assert_int_equal(got, -ENODATA);
	assert_int_equal(count, 2);
	ops->close(capture);
	stdin_back(was);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

// The packet before the break would have waited for the one after it, to be believed.
static void broken_off_after_a_leap(void **)
{
	uint8_t bytes[1024], packed[1024];

	struct writer w = writer_open(false);
	pcap_head(&w, 0xa1b2c3d4, 1);
	pcap_record(&w, 1500000000, 0, 61, 61, 'a');
	pcap_record(&w, 1500000000 + 3 * 86400, 0, 61, 61, 'b');
	pcap_record(&w, 1500000000 + 3 * 86400, 0, 61, 61, 'c');
	fclose(w.file);
	size_t len = read_all(bytes, sizeof(bytes)) - 1;
	for (unsigned i = 0; i < 1 + ARRAY_COUNT(packs); i++) {
		bool plain = i == ARRAY_COUNT(packs);
		write_all(plain ? bytes : packed,
			plain ? len : packs[i](packed, sizeof(packed), bytes, len));
		struct capture *capture = open_path(path);
		int count = 0, got;
		while ((got = ops->receive(capture, &batch)) >= 0) {
			for (int k = 0; k < got; k++)
				assert_int_equal(batch.packets[k].data[0], 'a' + count + k);
			count += got;
		}
		assert_int_equal(got, -EBADMSG);
		assert_int_equal(count, 2);
		ops->close(capture);
	}
}

// What a pipe brings, damaged anywhere and cut anywhere, comes to an end, as a file does, with as
// many packets as a file gives.
static void damaged_pipes(void **)
{
	uint8_t bytes[1024];
	uint32_t state = 1;

	for (unsigned i = 0; i < 2000; i++) {
		write_two(i & 1, i & 2);
		size_t len = read_all(bytes, sizeof(bytes));
		for (unsigned damage = 0; damage < 1 + i % 3; damage++) {
			state = state * 1664525 + 1013904223;
			bytes[state / 256 % len] ^= (uint8_t)(state >> 24 | 1);
		}
		len -= i % 5 == 0 ? state / 65536 % len : 0;
		write_all(bytes, len);
		int counts[2] = {0}, results[2];
		for (unsigned piped = 0; piped < 2; piped++) {
			int ends[2], stdin_was = dup(STDIN_FILENO);
			assert_int_equal(pipe(ends), 0);
			assert_int_equal(write(ends[1], bytes, len), len);
			close(ends[1]);
			dup2(ends[0], STDIN_FILENO);
			close(ends[0]);
			struct capture_config config = {.file = piped ? "-" : path};
			struct capture *capture = NULL;
			char error[CAPTURE_ERROR_SIZE];
			results[piped] = ops->open(&capture, &config, 0, error);
			while (results[piped] == 0) {
				int got = ops->receive(capture, &batch);
				counts[piped] += MAX(got, 0);
				results[piped] = MIN(got, 0);
			}
			if (capture != NULL)
				ops->close(capture);
			dup2(stdin_was, STDIN_FILENO);
			close(stdin_was);
		}
		assert_int_equal(counts[0], counts[1]);
		// Of a file it shows that it is shorter than its section is said to be.
		static const uint8_t unknown[8] = {255, 255, 255, 255, 255, 255, 255, 255};
		bool announced = bytes[0] == 10 && memcmp(bytes + 16, unknown, 8) != 0;
		if (!announced || results[0] != -EBADMSG)
			assert_int_equal(results[0], results[1]);
	}
}

// Cut at every octet: whole packets come out, then the error, which says where.
static void cut_files(void **)
{
	struct writer w = writer_open(false);
	pcap_head(&w, 0xa1b2c3d4, 1);
	for (int i = 0; i < 3; i++)
		pcap_record(&w, 1500000000, 0, 24, 24, 'a' + i);
	long size = ftell(w.file);
	fclose(w.file);

	for (long cut = size - 1; cut >= 24; cut--) {
		assert_int_equal(truncate(path, cut), 0);
		struct capture *capture = open_path(path);
		int whole = (int)(cut - 24) / 40;
		bool clean = (cut - 24) % 40 == 0;
		if (whole > 0) {
			assert_int_equal(ops->receive(capture, &batch), whole);
			assert_int_equal(batch.packets[whole - 1].data[23], 'a' + whole - 1);
			ops->release(capture, &batch);
		}
		for (unsigned again = 0; again < 2; again++)
			assert_int_equal(
				ops->receive(capture, &batch), clean ? -ENODATA : -EBADMSG);
		if (!clean) {
			char where[32];
			snprintf(where, sizeof(where), "after packet %d:", whole);
			assert_non_null(strstr(ops->error(capture), where));
			assert_non_null(strstr(ops->error(capture), path));
			assert_non_null(strstr(ops->error(capture), "truncated"));
		}
		ops->close(capture);
	}
}

// A pcapng file cut between blocks is told of where its section says how long it is.
static void sections_that_say_how_long_they_are(void **)
{
	for (int big = 0; big < 2; big++) {
		struct writer w = writer_open(big);
		ng_head(&w, 1, 9);
		for (int i = 0; i < 3; i++)
			ng_packet(&w, (uint64_t)i, 24, 24, 'a');
		long size = ftell(w.file), block = (size - 60) / 3;
		fseek(w.file, 16, SEEK_SET);
		put_uint(&w, (uint64_t)size - 28, 8);
		fclose(w.file);
		for (int cut = 0; cut < 3; cut++, size -= block) {
			char says[96];
			assert_int_equal(truncate(path, size), 0);
			struct capture *capture = open_path(path);
			assert_int_equal(ops->receive(capture, &batch), 3 - cut);
			ops->release(capture, &batch);
			assert_int_equal(ops->receive(capture, &batch), cut ? -EBADMSG : -ENODATA);
			snprintf(says, sizeof(says),
				"cut after packet %d: it is %ld octets shorter than its head says",
				3 - cut, cut * block);
			assert_true(cut == 0 || strstr(ops->error(capture), says) != NULL);
			ops->close(capture);
		}
	}
}

static void expect_refused(const struct capture_config *config, int err, const char *says)
{
	struct capture *capture = (struct capture *)&batch;
	char error[CAPTURE_ERROR_SIZE] = "";

	assert_int_equal(ops->open(&capture, config, 0, error), err);
	assert_ptr_equal(capture, &batch); // untouched
	if (strstr(error, says) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", error, says);
}

static void refused(void **)
{
	struct writer w = writer_open(false);
	fputs("no capture file at all, but long enough", w.file);
	fclose(w.file);
	expect_refused(&(struct capture_config){.file = path}, -EBADMSG, path);

	w = writer_open(false);
	fclose(w.file);
	expect_refused(&(struct capture_config){.file = path}, -EBADMSG, "only got 0");
	expect_refused(&(struct capture_config){.file = "/nowhere/at/all"}, -ENOENT,
		"cannot open capture file \"/nowhere/at/all\"");
	expect_refused(&(struct capture_config){0}, -EINVAL, "nothing to read");

	w = writer_open(false);
	pcap_head(&w, 0xa1b2c3d4, 1);
	fclose(w.file);
	expect_refused(&(struct capture_config){.file = path, .filter = "no such words"}, -EINVAL,
		"pcap-filter(7)");
	expect_refused(
		&(struct capture_config){.file = path, .interface = "lo"}, -EINVAL, "either");
	expect_refused(&(struct capture_config){.interface = "none0", .snaplen = 2048}, -ENODEV,
		"no interface \"none0\"");
	ops->close(NULL);
}

static void link_types(void **)
{
	static const struct {
		uint32_t link;
		enum link_type type;
	} known[] = {{0, LINK_NULL}, {1, LINK_ETHERNET}, {101, LINK_RAW_IP}, {108, LINK_LOOP},
		{113, LINK_COOKED_1}, {228, LINK_RAW_IP}, {229, LINK_RAW_IP}, {276, LINK_COOKED_2},
		{9, LINK_OTHER}, {127, LINK_OTHER}};

	for (size_t i = 0; i < ARRAY_COUNT(known); i++) {
		struct writer w = writer_open(false);
		pcap_head(&w, 0xa1b2c3d4, known[i].link);
		pcap_record(&w, 1500000000, 0, 40, 40, 'a');
		fclose(w.file);
		struct capture *capture = open_path(path);
		assert_int_equal(ops->receive(capture, &batch), 1);
		assert_int_equal(batch.link, known[i].type);
		ops->close(capture);
	}
}

static void filtered(void **)
{
	struct writer w = writer_open(false);
	pcap_head(&w, 0xa1b2c3d4, 1);
	pcap_record(&w, 1500000000, 0, 60, 60, 'a');
	pcap_record(&w, 1500000001, 0, 80, 80, 'b');
	fclose(w.file);

	struct capture_config config = {.file = path, .filter = "greater 70"};
	struct capture *capture;
	char error[CAPTURE_ERROR_SIZE];
	assert_int_equal(ops->open(&capture, &config, 0, error), 0);
	assert_int_equal(ops->receive(capture, &batch), 1);
	assert_int_equal(batch.packets[0].cap_len, 80);
	assert_int_equal(ops->receive(capture, &batch), -ENODATA);
	ops->close(capture);
}

// Large frames end a batch early; every octet of it stays until it is released.
static void large_frames(void **)
{
	static const uint32_t lens[] = {60, 65535, 262144, 1, 9000, 262144, 262144, 0, 100000};
	enum { ROUNDS = 20 };
	unsigned seen = 0, batches = 0;

	struct writer w = writer_open(false);
	pcap_head(&w, 0xa1b2c3d4, 1);
	for (unsigned i = 0; i < ROUNDS * ARRAY_COUNT(lens); i++)
		pcap_record(&w, 1500000000 + i, 0, lens[i % ARRAY_COUNT(lens)], 300000,
			(int)(i & 0xff));
	fclose(w.file);

	struct capture *capture = open_path(path);
	for (int count; (count = ops->receive(capture, &batch)) > 0; batches++) {
		assert_int_equal(count, batch.count);
		for (int i = 0; i < count; i++, seen++) {
			const struct packet *p = &batch.packets[i];
			assert_int_equal(p->cap_len, lens[seen % ARRAY_COUNT(lens)]);
			assert_int_equal(p->wire_len, 300000);
			for (uint32_t at = 0; at < p->cap_len; at++)
				if (p->data[at] != (seen & 0xff))
					fail_msg("packet %u differs at %u", seen, at);
		}
		ops->release(capture, &batch);
	}
	assert_int_equal(seen, ROUNDS * ARRAY_COUNT(lens));
	assert_true(batches > seen / PACKET_BATCH_MAX);
	ops->close(capture);
}

static void many_small_frames(void **)
{
	struct writer w = writer_open(false);
	pcap_head(&w, 0xa1b2c3d4, 1);
	for (unsigned i = 0; i < 1000; i++)
		pcap_record(&w, 1500000000 + i, 0, 60 + i % 64, 60 + i % 64, (int)(i & 0xff));
	fclose(w.file);

	struct capture *capture = open_path(path);
	unsigned seen = 0;
	for (int count; (count = ops->receive(capture, &batch)) > 0;) {
		assert_int_equal(count, MIN(1000 - seen, (unsigned)PACKET_BATCH_MAX));
		for (int i = 0; i < count; i++, seen++) {
			assert_int_equal(batch.packets[i].data[59], seen & 0xff);
			assert_int_equal(batch.packets[i].cap_len, 60 + seen % 64);
		}
	}
	assert_int_equal(seen, 1000);
	ops->close(capture);
}

// A record beyond the file's own snap length is libpcap's to cut, wherever it stands, and what
// follows it is read on.
static void not_plain_from_here(void **)
{
	enum { PACKETS = 150, SNAPLEN = 100 };

	for (unsigned odd = 0; odd < PACKETS; odd++) {
		struct writer w = writer_open(false);
		pcap_head(&w, 0xa1b2c3d4, 1);
		for (unsigned i = 0; i < PACKETS; i++)
			pcap_record(&w, 1500000000 + i, 0, i == odd ? SNAPLEN + 50 : 60 + i % 40,
				200, (int)i);
		fseek(w.file, 16, SEEK_SET);
		put_uint(&w, SNAPLEN, 4);
		fclose(w.file);

		struct capture *capture = open_path(path);
		assert_true(capture->plain);
		unsigned seen = 0;
		for (int count; (count = ops->receive(capture, &batch)) > 0;)
			for (int i = 0; i < count; i++, seen++) {
				const struct packet *p = &batch.packets[i];
				assert_int_equal(
					p->cap_len, seen == odd ? SNAPLEN : 60 + seen % 40);
				assert_int_equal(p->wire_len, 200);
				assert_int_equal(p->data[0], seen);
				assert_int_equal(p->data[p->cap_len - 1], seen);
				assert_int_equal(p->ts_ns, (1500000000 + seen) * NS_PER_S);
			}
		assert_int_equal(seen, PACKETS);
		assert_false(capture->plain);
		ops->close(capture);
	}
}

// A file that is cut while it is being read ends the capture, not the process: at a page's end, in
// the middle of one, in a record's head. What was there comes out; of the packet that the cut fell
// into the rest may be zeros.
static void cut_while_read(void **)
{
	enum { PACKETS = 600, LEN = 1000, RECORD = 16 + LEN };
	static const long cuts[] = {24 + 300 * RECORD + 500, 24 + 300 * RECORD + 7,
		24 + 300 * RECORD, 75 * 4096, 24 + 64 * RECORD + 3, 24 + 20 * RECORD, 0};

	for (size_t i = 0; i < ARRAY_COUNT(cuts); i++) {
		struct writer w = writer_open(false);
		pcap_head(&w, 0xa1b2c3d4, 1);
		for (unsigned n = 0; n < PACKETS; n++)
			pcap_record(&w, 1500000000 + n, 0, LEN, LEN, (int)(n & 0xff));
		fclose(w.file);

		struct capture *capture = open_path(path);
		assert_true(capture->plain);
		long whole = MAX((cuts[i] - 24) / RECORD, PACKET_BATCH_MAX), seen = 0;
		int count;
		while ((count = ops->receive(capture, &batch)) > 0) {
			if (seen == 0)
				assert_int_equal(truncate(path, cuts[i]), 0);
			for (int k = 0; k < count; k++, seen++) {
				assert_int_equal(batch.packets[k].cap_len, LEN);
				assert_int_equal(
					batch.packets[k].ts_ns, (1500000000 + seen) * NS_PER_S);
				if (seen < (cuts[i] - 24) / RECORD)
					assert_int_equal(
						batch.packets[k].data[LEN - 1], seen & 0xff);
				else
					assert_true(batch.packets[k].data[LEN - 1] == 0);
			}
		}
		assert_true(seen == whole || seen == whole + 1);
		assert_int_equal(count, -EBADMSG); // also where what is left ends with a record
		assert_false(capture->plain);
		ops->close(capture);
	}
}

// Between the batch and the look at its headers: what is gone then is dropped, and only that.
static void cut_before_headers_are_read(void **)
{
	enum { PACKETS = 60, LEN = 1000, RECORD = 16 + LEN, KEPT = 20 };
	uint8_t frame[LEN] = {[12] = 8,
		[14] = 0x45,
		[16] = 3,
		[17] = 218,
		[22] = 64,
		[23] = 17,
		[26] = 192,
		[27] = 168,
		[29] = 1,
		[30] = 192,
		[31] = 0,
		[32] = 2,
		[33] = 1,
		[34] = 200,
		[37] = 9,
		[38] = 3,
		[39] = 198};
	struct counters counters = {0};

	for (unsigned cut = 0; cut < 3; cut++) { // not, after decode, before
		struct writer w = writer_open(false);
		pcap_head(&w, 0xa1b2c3d4, 1);
		for (unsigned n = 0; n < PACKETS; n++) {
			pcap_record(&w, 1500000000 + n, 0, 0, LEN, 0);
			fseek(w.file, -8, SEEK_CUR);
			put_uint(&w, LEN, 4);
			fseek(w.file, 4, SEEK_CUR);
			fwrite(frame, 1, LEN, w.file);
		}
		fclose(w.file);
		struct capture *capture = open_path(path);
		memset(&counters, 0, sizeof(counters));
		assert_int_equal(ops->receive(capture, &batch), PACKETS);
		if (cut == 2)
			assert_int_equal(truncate(path, 24 + KEPT * RECORD + 500), 0);
		decode_batch(&batch, &counters);
		if (cut == 1)
			assert_int_equal(truncate(path, 24 + KEPT * RECORD + 500), 0);
		ops->confirm(capture, &batch, &counters);
		for (unsigned i = 0; i < PACKETS; i++)
			assert_int_equal(batch.packets[i].fate == PACKET_FLOW, !cut || i < KEPT);
		// Decode saw no packets in zeros; the one that was cut in two is found out.
		assert_int_equal(counters.value[COUNTER_DROPS + DROP_file_cut],
			cut == 1           ? PACKETS - KEPT
				: cut == 2 ? 1
					   : 0);
		ops->release(capture, &batch);
		ops->close(capture);
	}
}

// What is held stays as it was while the file is read on, up to a bound; then nothing comes until
// it is given back, and the file goes on where it stopped. So too before libpcap takes over.
static void lent_frames(void **)
{
	enum { LEN = 60000, RECORD = 16 + LEN, PACKETS = 4 * (FILE_WINDOW_SIZE / RECORD) };
	struct packet held[PACKETS];
	struct capture_loan *loans[PACKETS];
	unsigned seen = 0, given_back = 0;
	int count;

	struct writer w = writer_open(false);
	pcap_head(&w, 0xa1b2c3d4, 1);
	for (unsigned i = 0; i < PACKETS; i++)
		pcap_record(&w, 1500000000 + i, 0, LEN, LEN, (int)(i % 251));
	fclose(w.file);

	struct capture *capture = open_path(path);
	while ((count = ops->receive(capture, &batch)) >= 0) {
		for (int i = 0; i < count; i++, seen++) {
			held[seen] = batch.packets[i];
			loans[seen] = ops->loan(capture);
			capture_hold(loans[seen]);
		}
		ops->release(capture, &batch);
		if (count > 0)
			continue;
		assert_true(seen > given_back && capture->plain);
		assert_in_range(seen - given_back, 1,
			PLAIN_FILE_WINDOWS * (unsigned)(FILE_WINDOW_SIZE / RECORD) + 1);
		for (unsigned to = MIN(given_back + 100, seen); given_back < to; given_back++) {
			const struct packet *p = &held[given_back];
			for (uint32_t at = 0; at < LEN; at += 1000)
				assert_int_equal(p->data[at], given_back % 251);
			capture_give_back(loans[given_back]);
		}
	}
	assert_int_equal(count, -ENODATA);
	assert_int_equal(seen, PACKETS);
	assert_int_equal(given_back, PACKETS);
	assert_true(!capture->plain && ops->loan(capture) == NULL);
	ops->close(capture);
}

// A fault of the kind that is no window's ends the process still.
static void other_bus_errors(void **)
{
	struct writer w = writer_open(false);
	pcap_head(&w, 0xa1b2c3d4, 1);
	pcap_record(&w, 1500000000, 0, 60, 60, 1);
	fclose(w.file);
	pid_t child = fork();
	if (child == 0) {
		signal(SIGBUS, SIG_DFL); // cmocka's
		struct capture *capture = open_path(path);
		const volatile uint8_t *bytes = mmap(
			NULL, 8192, PROT_READ, MAP_PRIVATE, fileno(pcap_file(capture->pcap)), 0);
		alarm(20);
		_exit(bytes[4096]);
	}
	int status = 0;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
}

static void file_time(void **)
{
	// Seconds as they stand in the file, and the table time they must give.
	static const struct {
		uint32_t stamp, table;
	} steps[] = {
		{1500000000, 1500000000}, {1500000010, 1500000010},
		{1500000005, 1500000010}, // back
		{1500000011, 1500000011},
		{4000000000, 1500000011}, // one damaged stamp, above 31 bits
		{1500000012, 1500000012}, {0, 1500000012}, // one that was never set
		{1500000013, 1500000013}, {1700000000, 1700000000}, // another capture
		{1700000001, 1700000001}, {1500000000, 1700000001},
		{4294967295, 4294967295}, // the last packet is believed
	};
	struct writer w = writer_open(false);
	pcap_head(&w, 0xa1b2c3d4, 1);
	for (size_t i = 0; i < ARRAY_COUNT(steps); i++)
		pcap_record(&w, steps[i].stamp, 0, 60, 60, 'a');
	fclose(w.file);

	struct capture *capture = open_path(path);
	assert_int_equal(ops->receive(capture, &batch), ARRAY_COUNT(steps));
	for (size_t i = 0; i < ARRAY_COUNT(steps); i++) {
		assert_int_equal(batch.packets[i].ts_ns, steps[i].stamp * NS_PER_S);
		assert_int_equal(batch.packets[i].time_ns, steps[i].table * NS_PER_S);
	}
	assert_int_equal(batch.now_ns, 4294967295 * NS_PER_S);
	ops->close(capture);

	// pcapng holds 64 bits: beyond what nanoseconds can say there is no time.
	w = writer_open(false);
	ng_head(&w, 1, 6);
	ng_packet(&w, UINT64_C(1500000000000000), 60, 60, 'a');
	ng_packet(&w, UINT64_MAX, 60, 60, 'b');
	fclose(w.file);
	capture = open_path(path);
	assert_int_equal(ops->receive(capture, &batch), 2);
	assert_int_equal(batch.packets[1].ts_ns, 1500000000 * NS_PER_S);
	assert_int_equal(batch.now_ns, 1500000000 * NS_PER_S);
	ops->close(capture);
}

// One damaged stamp, wherever it stands: at the beginning, at either side of a batch's end.
static void one_damaged_stamp_anywhere(void **)
{
	enum { PACKETS = 3 * PACKET_BATCH_MAX };

	for (unsigned damaged = 0; damaged < PACKETS - 1; damaged++) {
		struct writer w = writer_open(false);
		pcap_head(&w, 0xa1b2c3d4, 1);
		for (unsigned i = 0; i < PACKETS; i++)
			pcap_record(
				&w, i == damaged ? 4000000000 : 1500000000 + i, 0, 60, 60, (int)i);
		fclose(w.file);

		struct capture *capture = open_path(path);
		unsigned seen = 0;
		for (int count; (count = ops->receive(capture, &batch)) > 0;)
			for (int i = 0; i < count; i++, seen++) {
				const struct packet *p = &batch.packets[i];
				unsigned now = seen != damaged ? seen : seen == 0 ? 1 : seen - 1;
				assert_int_equal(p->data[59], seen);
				assert_int_equal(p->time_ns, (1500000000 + now) * NS_PER_S);
			}
		assert_int_equal(seen, PACKETS);
		ops->close(capture);
	}
}

// A network namespace in which only this process is; its loopback is down.
static bool own_network(void)
{
	return unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0;
}

static void loopback_set(bool up)
{
	struct ifreq request = {.ifr_name = "lo"};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	assert_int_equal(ioctl(fd, SIOCGIFFLAGS, &request), 0);
	request.ifr_flags = (short)(up ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP);
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &request), 0);
	close(fd);
}

static void send_datagrams(unsigned count, uint16_t port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
	char payload[100];
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	memset(payload, 'p', sizeof(payload));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (unsigned i = 0; i < count; i++)
		sendto(fd, payload, sizeof(payload), 0, (struct sockaddr *)&to, sizeof(to));
	close(fd);
}

// Packets of `port` that come within a second, and whether table time ran back.
static unsigned receive_datagrams(struct capture *capture, unsigned expected, uint64_t *last_ns)
{
	unsigned seen = 0;

	for (unsigned turn = 0; turn < 20 && seen < expected; turn++) {
		int count = ops->receive(capture, &batch);
		assert_true(count >= 0);
		for (int i = 0; i < count; i++) {
			const struct packet *p = &batch.packets[i];
			assert_true(p->time_ns >= *last_ns);
			*last_ns = p->time_ns;
			assert_int_equal(p->wire_len, 142);
			assert_int_equal(p->cap_len, 96);
			assert_int_equal(p->data[95], 'p');
			seen++;
		}
		assert_true(batch.now_ns >= *last_ns);
		*last_ns = batch.now_ns;
		ops->release(capture, &batch);
	}
	return seen;
}

static void live(void **)
{
	struct capture_config config = {.interface = "lo",
		.filter = "udp and not dst port 7778",
		.snaplen = 96,
		.buffer_bytes = 4 << 20,
		.poll_ms = 50,
		.wall_offset_ns = capture_clock_wall_offset_ns()};
	struct capture *capture, *later;
	char error[CAPTURE_ERROR_SIZE] = "";
	struct capture_stats stats;
	uint64_t last_ns = 0;

	if (!own_network()) {
		print_message("no network namespace may be made here\n");
		skip();
	}
	expect_refused(&config, -ENETDOWN, "down");
	loopback_set(true);
	assert_int_equal(ops->open(&capture, &config, 0, error), 0);

	// Nothing there: waits, and the clock runs all the same.
	struct timespec now;
	assert_int_equal(ops->receive(capture, &batch), 0);
	clock_gettime(CLOCK_REALTIME, &now);
	assert_true(batch.now_ns / NS_PER_S + 2 >= (uint64_t)now.tv_sec);
	assert_true(batch.now_ns / NS_PER_S <= (uint64_t)now.tv_sec);

	// The filter keeps out what is not wanted; loopback shows a packet once going, once coming.
	send_datagrams(10, 7778);
	send_datagrams(100, 7777);
	unsigned seen = receive_datagrams(capture, 200, &last_ns);
	assert_true(seen == 100 || seen == 200);
	uint64_t before_ns = last_ns;

	// The wall clock is set an hour ahead, then two back: table time takes no notice.
	wall_moved_ns = 3600 * (int64_t)NS_PER_S;
	assert_int_equal(ops->receive(capture, &batch), 0);
	assert_true(batch.now_ns - before_ns < 10 * NS_PER_S);
	ops->stats(capture, &stats);
	assert_true(llabs(stats.clock_step_ns - wall_moved_ns) < (int64_t)NS_PER_MS);
	// Another source of the run, opened after the step, agrees.
	assert_int_equal(ops->open(&later, &config, 0, error), 0);
	assert_int_equal(ops->receive(later, &batch), 0);
	assert_true(batch.now_ns - before_ns < 10 * NS_PER_S);
	ops->close(later);
	wall_moved_ns = -3600 * (int64_t)NS_PER_S;
	last_ns = batch.now_ns;
	// These are stamped by the kernel, which knows nothing of it: like packets from before a
	// step that are read after it, an hour ahead, and held to the present.
	send_datagrams(5, 7777);
	assert_true(receive_datagrams(capture, 5, &last_ns) >= 5);
	assert_true(last_ns - before_ns < 10 * NS_PER_S);
	wall_moved_ns = 0;
	ops->stats(capture, &stats);
	assert_int_equal(stats.dropped_kernel, 0);

	loopback_set(false);
	int err = 0;
	for (unsigned turn = 0; turn < 20 && err >= 0; turn++)
		err = ops->receive(capture, &batch);
	assert_int_equal(err, -ENETDOWN);
	assert_non_null(strstr(ops->error(capture), "\"lo\""));
	ops->close(capture);
}

// Knocks at a port where nobody is: a SYN, and an RST that answers it.
static void knock(uint8_t local, uint8_t peer, uint16_t port)
{
	struct sockaddr_in from = {.sin_family = AF_INET}, to = from;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	from.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + local);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + peer);
	to.sin_port = htons(port);
	assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), -1);
	assert_int_equal(errno, ECONNREFUSED);
	close(fd);
}

// SYNs heard, as "LOCAL-PEER:PORT ", of each the first.
static void heard(struct capture *capture, char *ret, size_t size)
{
	size_t used = 0;

	*ret = '\0';
	for (unsigned turn = 0; turn < 6; turn++) {
		ops->receive(capture, &batch);
		for (uint32_t i = 0; i < batch.count; i++) {
			const uint8_t *p = batch.packets[i].data + 14;
			char one[32];
			if ((p[33] & 0x3f) != 2)
				continue;
			snprintf(one, sizeof(one), "%u-%u:%u ", p[15], p[19], p[22] << 8 | p[23]);
			if (strstr(ret, one) == NULL)
				used += (size_t)snprintf(ret + used, size - used, "%s", one);
		}
		ops->release(capture, &batch);
	}
}

// Connections of our own are left out as they are made, whatever else the filter says: by both
// addresses and the broker's port.
static void own_connections_are_left_out(void **)
{
	static const char *const filters[] = {NULL, "tcp and not port 9095"};
	char text[256];

	if (!own_network()) {
		print_message("no network namespace may be made here\n");
		skip();
	}
	loopback_set(true);
	for (uint8_t i = 0; i < ARRAY_COUNT(filters); i++) {
		struct capture_config config = {.interface = "lo",
			.filter = filters[i],
			.snaplen = 2048,
			.buffer_bytes = 4 << 20,
			.poll_ms = 50};
		struct capture *capture;
		char error[CAPTURE_ERROR_SIZE] = "";
		const uint8_t peer = 2 + i; // not known yet
		assert_int_equal(ops->open(&capture, &config, 0, error), 0);
		knock(1, peer, 9093);
		heard(capture, text, sizeof(text));
		assert_string_equal(text, i == 0 ? "1-2:9093 " : "1-3:9093 ");

		own_connections_add(&(struct own_connection){
			.local = {127, 0, 0, 1}, .peer = {127, 0, 0, peer}, .port = 9093});
		heard(capture, text, sizeof(text));
		assert_string_equal(text, "");
		knock(1, peer, 9093); // own, the first again as well
		knock(1, 2, 9093);
		knock(9, peer, 9093); // somebody else's
		knock(1, peer, 9094); // to something else
		knock(1, 8, 9093); // to somebody else
		knock(1, 8, 9095); // which the operator leaves out
		heard(capture, text, sizeof(text));
		assert_string_equal(text,
			i == 0 ? "9-2:9093 1-2:9094 1-8:9093 1-8:9095 "
			       : "9-3:9093 1-3:9094 1-8:9093 ");
		ops->close(capture);
	}
	// The same again is none more; nor is one beyond what there is room for, which is said.
	uint32_t known = own_connections_count();
	own_connections_add(own_connections_at(0));
	assert_int_equal(own_connections_count(), known);
	for (uint16_t port = 1; port < OWN_CONNECTIONS_MAX; port++)
		own_connections_add(&(struct own_connection){
			.local = {127, 0, 0, 7}, .peer = {127, 0, 0, 7}, .port = port});
	assert_int_equal(own_connections_count(), OWN_CONNECTIONS_MAX);
	assert_int_equal(own_connections_missed(), known - 1);
	struct capture_config config = {
		.interface = "lo", .snaplen = 2048, .buffer_bytes = 4 << 20, .poll_ms = 50};
	struct capture *capture;
	char error[CAPTURE_ERROR_SIZE] = "";
	assert_int_equal(ops->open(&capture, &config, 0, error), 0);
	heard(capture, text, sizeof(text));
	knock(7, 7, 1);
	knock(1, 2, 9093);
	knock(7, 7, OWN_CONNECTIONS_MAX);
	heard(capture, text, sizeof(text));
	assert_string_equal(text, "7-7:64 ");
	ops->close(capture);
	assert_int_equal(own_connections_missed(), known - 1);

	// So is a filter that the kernel does not take: a locked one stays.
	const int on = 1;
	assert_int_equal(ops->open(&capture, &config, 0, error), 0);
	assert_int_equal(
		setsockopt(ops->descriptor(capture), SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof(on)),
		0);
	heard(capture, text, sizeof(text));
	assert_int_equal(own_connections_missed(), known);
	ops->close(capture);
	loopback_set(false);
}

// A ring that nobody reads overflows, and the kernel's count says so.
static void live_drops(void **)
{
	struct capture_config config = {.interface = "lo",
		.snaplen = 2048,
		.buffer_bytes = 1 << 20,
		.poll_ms = 50,
		.wall_offset_ns = capture_clock_wall_offset_ns()};
	struct capture *capture;
	char error[CAPTURE_ERROR_SIZE] = "";
	struct capture_stats stats = {0}, again = {0};
	uint64_t seen = 0;

	if (!own_network()) {
		print_message("no network namespace may be made here\n");
		skip();
	}
	loopback_set(true);
	assert_int_equal(ops->open(&capture, &config, 0, error), 0);
	send_datagrams(20000, 7777);
	for (int count; (count = ops->receive(capture, &batch)) > 0;)
		seen += (uint64_t)count;
	ops->stats(capture, &stats);
	assert_true(seen > 0);
	assert_true(stats.dropped_kernel > 0);
	ops->stats(capture, &again);
	assert_int_equal(again.dropped_kernel, stats.dropped_kernel);
	ops->close(capture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats),
		cmocka_unit_test(standard_input),
		cmocka_unit_test(compressed),
		cmocka_unit_test(compressed_and_cut),
		cmocka_unit_test(slow_pipe),
		cmocka_unit_test(pipe_that_does_not_wait),
		cmocka_unit_test(broken_off_after_a_leap),
		cmocka_unit_test(damaged_pipes),
		cmocka_unit_test(cut_files),
		cmocka_unit_test(refused),
		cmocka_unit_test(link_types),
		cmocka_unit_test(filtered),
		cmocka_unit_test(large_frames),
		cmocka_unit_test(many_small_frames),
		cmocka_unit_test(not_plain_from_here),
		cmocka_unit_test(cut_while_read),
		cmocka_unit_test(cut_before_headers_are_read),
		cmocka_unit_test(sections_that_say_how_long_they_are),
		cmocka_unit_test(lent_frames),
		cmocka_unit_test(other_bus_errors),
		cmocka_unit_test(file_time),
		cmocka_unit_test(one_damaged_stamp_anywhere),
		cmocka_unit_test(live),
		cmocka_unit_test(live_drops),
		cmocka_unit_test(own_connections_are_left_out),
	};
	if (mkdtemp(folder) == NULL)
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	rmdir(folder);
	return failed;
}
