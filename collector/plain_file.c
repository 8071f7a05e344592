// The records of a plain capture file: plain_file.h. The format: draft-ietf-opsawg-pcap.
#include "plain_file.h"

#include "core/base/compiler.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	RECORD_HEAD = 16,
	// With less than that left, a batch of common frames might not fill.
	LITTLE = 128 << 10,
	FULL_FRAME = RECORD_HEAD + 1514, // of Ethernet
	SMALL_FRAME = RECORD_HEAD + 60,
	PREFETCH_REACH = 8 * FULL_FRAME,
};

// Where a record begins is known when the one before it has been read: a chain of cache misses. So
// lines ahead are fetched where a train of full frames, with up to two acknowledgements between
// them, will have its heads; in traffic of small frames they are as good as any.
static const uint32_t prefetch_at[] = {
	CACHE_LINE, // this one's own headers: for decode
	3 * FULL_FRAME,
	3 * FULL_FRAME + SMALL_FRAME,
	3 * FULL_FRAME + 2 * SMALL_FRAME,
	6 * FULL_FRAME,
	6 * FULL_FRAME + SMALL_FRAME,
	6 * FULL_FRAME + 2 * SMALL_FRAME,
};

#define MAGIC_MICROSECONDS UINT32_C(0xa1b2c3d4)
#define MAGIC_NANOSECONDS UINT32_C(0xa1b23c4d)

bool plain_file_open(struct plain_file *file, int fd, uint32_t len_max)
{
	struct plain_file_head head;
	struct stat st;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) ||
		pread(fd, &head, sizeof(head), 0) != sizeof(head))
		return false;
	if ((head.magic != MAGIC_MICROSECONDS && head.magic != MAGIC_NANOSECONDS) ||
		head.major != 2 || head.minor != 4)
		return false;
	REQUIRE(FILE_WINDOW_SIZE / 2 >= len_max + RECORD_HEAD);
	*file = (struct plain_file){
		.at = sizeof(head),
		.len_max = len_max,
		.fraction_unit_ns = head.magic == MAGIC_NANOSECONDS ? 1 : NS_PER_US,
	};
	file->window = &file->windows[0];
	if (file_window_open(file->window, fd) != 0)
		return false;
	if (file_window_move(file->window, 0) == 0)
		return true;
	plain_file_close(file);
	return false;
}

void plain_file_close(struct plain_file *file)
{
	for (unsigned i = 0; i < PLAIN_FILE_WINDOWS; i++)
		file_window_close(&file->windows[i]);
}

// Octets of the next record, head included, as far as the window tells.
static size_t next_size(const struct plain_file *file)
{
	uint32_t cap_len;

	if (file->window->size - file->at < RECORD_HEAD)
		return RECORD_HEAD;
	memcpy(&cap_len, file->window->bytes + file->at + 8, sizeof(cap_len));
	return RECORD_HEAD + MIN(cap_len, file->len_max);
}

// One that nobody holds: the present one before others, of which none stays mapped. NULL: all are
// held, or none can be opened.
static struct file_window *free_window(struct plain_file *file)
{
	struct file_window *ret = NULL;

	for (unsigned i = 0; i < PLAIN_FILE_WINDOWS; i++) {
		struct file_window *window = &file->windows[i];
		if (window == file->window || capture_held(&window->loan))
			continue;
		file_window_let_go(window);
		ret = window;
	}
	if (!capture_held(&file->window->loan))
		return file->window;
	if (ret == NULL || ret->guard != NULL)
		return ret;
	return file_window_open(ret, file->window->fd) == 0 ? ret : NULL;
}

// Reads on when little is left. Where nothing can be mapped any more the file ends; libpcap meets
// the fault again and says what it is.
static void fill(struct plain_file *file)
{
	uint64_t offset = plain_file_offset(file);
	size_t left = file->window->size - file->at;

	if (file->window->last || file->broken || (left >= LITTLE && left >= next_size(file)))
		return;
	struct file_window *window = free_window(file);
	file->waits = window == NULL;
	if (file->waits)
		return;
	file->broken = file_window_move(window, offset) != 0;
	if (file->broken)
		return;
	file->window = window;
	file->at = (size_t)(offset - window->offset);
}

static bool next(struct plain_file *file, struct packet *p)
{
	const uint8_t *head = file->window->bytes + file->at;
	size_t left = file->window->size - file->at;
	struct {
		uint32_t seconds, fraction, cap_len, wire_len;
	} record;
	static_assert(sizeof(record) == RECORD_HEAD);

	if (unlikely(left < RECORD_HEAD))
		return false;
	memcpy(&record, head, sizeof(record));
	if (unlikely(record.cap_len > file->len_max || record.cap_len > left - RECORD_HEAD))
		return false;
	if (unlikely(record.cap_len == 0 && !file_window_whole(file->window)))
		return false;
	file->at += RECORD_HEAD + record.cap_len;
	if (likely(left > PREFETCH_REACH))
		for (unsigned i = 0; i < ARRAY_COUNT(prefetch_at); i++)
			__builtin_prefetch(head + prefetch_at[i]);
	uint64_t fraction_ns = record.fraction * file->fraction_unit_ns;
	p->data = head + RECORD_HEAD;
	p->ts_ns = record.seconds * NS_PER_S + (fraction_ns < NS_PER_S ? fraction_ns : 0);
	p->cap_len = record.cap_len;
	p->wire_len = MAX(record.wire_len, record.cap_len);
	return true;
}

void plain_file_receive(struct plain_file *file, struct packet_batch *batch, uint8_t iface)
{
	fill(file);
	size_t begin = file->at;
	batch->count = 0;
	while (batch->count < PACKET_BATCH_MAX && next(file, &batch->packets[batch->count]))
		batch->packets[batch->count++].iface = iface;
	// Some of that may be zeros that never were in the file.
	if (unlikely(file_window_cut(file->window))) {
		file->at = begin;
		batch->count = 0;
	}
}

struct capture_loan *plain_file_loan(struct plain_file *file)
{
	return &file->window->loan;
}

bool plain_file_waits(const struct plain_file *file)
{
	bool held = file->waits;

	for (unsigned i = 0; i < PLAIN_FILE_WINDOWS; i++)
		held = held || capture_held(&file->windows[i].loan);
	return held;
}

void plain_file_back(struct plain_file *file, uint32_t cap_len)
{
	REQUIRE(file->at >= RECORD_HEAD + cap_len);
	file->at -= RECORD_HEAD + cap_len;
}

uint64_t plain_file_offset(const struct plain_file *file)
{
	return file->window->offset + file->at;
}

bool plain_file_done(const struct plain_file *file)
{
	return file->window->last && file->at == file->window->size;
}
