// The records of a plain capture file: plain_file.h. The format: draft-ietf-opsawg-pcap.
#include "capture/plain_file.h"

#include "core/base/compiler.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// With less than that left, a batch of common frames might not fill.
enum { LITTLE = 128 << 10 };

#define MAGIC_MICROSECONDS UINT32_C(0xa1b2c3d4)
#define MAGIC_NANOSECONDS UINT32_C(0xa1b23c4d)

static void go_to(struct plain_file *file, size_t at)
{
	file->at = at;
	file->index.count = file->index.next = 0;
}

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
	REQUIRE(FILE_WINDOW_SIZE - FILE_WINDOW_STEP >= len_max + RECORD_HEAD);
	memset(file->windows, 0, sizeof(file->windows));
	file->window = &file->windows[0];
	file->fraction_unit_ns = head.magic == MAGIC_NANOSECONDS ? 1 : NS_PER_US;
	file->kind = (struct record_kind){
		.len_max = len_max,
		.fractions = (uint32_t)(NS_PER_S / file->fraction_unit_ns),
	};
	file->waits = file->broken = false;
	go_to(file, sizeof(head));
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
	return RECORD_HEAD + MIN(cap_len, file->kind.len_max);
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
	go_to(file, (size_t)(offset - window->offset));
}

// Whether the index has a record; finds more when it has none left.
static bool has_next(struct plain_file *file)
{
	struct record_index *index = &file->index;

	if (unlikely(index->next == index->count))
		record_index_fill(
			index, file->window->bytes, file->window->size, file->at, &file->kind);
	return index->next < index->count;
}

// Adds the records of the index to the batch, as many as there is room for. Returns whether all of
// them are what the index says: a file that is written to while it is mapped may no longer be.
static bool take(struct plain_file *file, struct packet_batch *batch, uint8_t iface)
{
	struct record_index *index = &file->index;
	const uint32_t *starts = &index->at[index->next];
	const uint8_t *bytes = file->window->bytes;
	const size_t size = file->window->size;
	const uint32_t len_max = file->kind.len_max;
	const uint64_t unit_ns = file->fraction_unit_ns;
	struct packet *packets = &batch->packets[batch->count];
	uint32_t most = MIN(PACKET_BATCH_MAX - batch->count, index->count - index->next), i;
	size_t end = file->at;

	for (i = 0; i < most; i++) {
		struct packet *p = &packets[i];
		size_t at = starts[i];
		struct {
			uint32_t seconds, fraction, cap_len, wire_len;
		} record;
		static_assert(sizeof(record) == RECORD_HEAD);

		memcpy(&record, bytes + at, sizeof(record));
		if (unlikely(record.cap_len > len_max || record.cap_len > size - at - RECORD_HEAD))
			break;
		if (unlikely(record.cap_len == 0 && !file_window_whole(file->window)))
			break;
		end = at + RECORD_HEAD + record.cap_len;
		uint64_t fraction_ns = record.fraction * unit_ns;
		p->data = bytes + at + RECORD_HEAD;
		p->ts_ns = record.seconds * NS_PER_S + (fraction_ns < NS_PER_S ? fraction_ns : 0);
		p->cap_len = record.cap_len;
		p->wire_len = MAX(record.wire_len, record.cap_len);
		p->iface = iface;
	}
	file->at = end;
	index->next += i;
	batch->count += i;
	return i == most;
}

void plain_file_receive(struct plain_file *file, struct packet_batch *batch, uint8_t iface)
{
	fill(file);
	size_t begin = file->at;
	batch->count = 0;
	while (batch->count < PACKET_BATCH_MAX && has_next(file))
		if (unlikely(!take(file, batch, iface)))
			break;
	// Some of that may be zeros that never were in the file.
	if (unlikely(file_window_cut(file->window))) {
		go_to(file, begin);
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
	if (file->index.next > 0)
		file->index.next--;
	else
		go_to(file, file->at);
}

uint64_t plain_file_offset(const struct plain_file *file)
{
	return file->window->offset + file->at;
}

bool plain_file_done(const struct plain_file *file)
{
	return file->window->last && file->at == file->window->size;
}
