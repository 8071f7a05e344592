// A mapped part of a file: file_window.h.
#include "capture/file_window.h"

#include "core/base/compiler.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { GUARDS = 64 };

// What the handler may know: lock-free atomics alone (C17 section 7.14.1.1).
struct window_guard {
	_Atomic bool used;
	_Atomic uintptr_t start; // 0: nothing is mapped
	_Atomic size_t size;
	_Atomic bool cut;
};

static struct window_guard guards[GUARDS];
static struct sigaction before; // whoever handled SIGBUS until now
static size_t page_size;

static struct window_guard *guard_of(uintptr_t at)
{
	for (size_t i = 0; i < GUARDS; i++)
		if (at - atomic_load(&guards[i].start) < atomic_load(&guards[i].size))
			return &guards[i];
	return NULL;
}

static void on_bus_error(int, siginfo_t *info, void *)
{
	int err = errno;
	uintptr_t at = (uintptr_t)info->si_addr;
	struct window_guard *guard = info->si_code == BUS_ADRERR ? guard_of(at) : NULL;
	void *page = (void *)(at & ~(page_size - 1));

	if (guard == NULL ||
		mmap(page, page_size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
			page)
		sigaction(SIGBUS, &before, NULL); // the fault comes again, and meets that
	else
		atomic_store(&guard->cut, true);
	errno = err;
}

static void install_handler(void)
{
	struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO}, old;

	sigemptyset(&action.sa_mask);
	if (sigaction(SIGBUS, &action, &old) == 0 && old.sa_sigaction != on_bus_error)
		before = old;
}

// Of a loan: whether the file still has these octets, by a system call.
static bool loan_whole(const struct capture_loan *loan, const uint8_t *data, uint32_t len)
{
	const struct file_window *window =
		(const struct file_window *)(const void *)((const uint8_t *)loan -
			offsetof(struct file_window, loan));
	struct stat st;

	if ((uintptr_t)data < (uintptr_t)window->bytes ||
		(uintptr_t)data + len > (uintptr_t)window->bytes + window->size)
		return false;
	uint64_t end = window->offset + (uint64_t)(data - window->bytes) + len;
	return fstat(window->fd, &st) == 0 && end <= (uint64_t)st.st_size;
}

int file_window_open(struct file_window *window, int fd)
{
	page_size = (size_t)sysconf(_SC_PAGESIZE);
	install_handler();
	for (size_t i = 0; i < GUARDS; i++) {
		bool unused = false;
		if (atomic_compare_exchange_strong(&guards[i].used, &unused, true)) {
			*window = (struct file_window){
				.fd = fd,
				.guard = &guards[i],
				.loan = {.spoilt = &guards[i].cut, .whole = loan_whole},
			};
			return 0;
		}
	}
	return -ENOBUFS;
}

void file_window_let_go(struct file_window *window)
{
	if (window->bytes == NULL)
		return;
	atomic_store(&window->guard->size, 0);
	munmap(window->bytes, window->size);
	window->bytes = NULL;
}

int file_window_move(struct file_window *window, uint64_t offset)
{
	uint64_t start = offset & ~(uint64_t)(FILE_WINDOW_STEP - 1);
	struct stat st;

	if (fstat(window->fd, &st) != 0)
		return -errno;
	if ((uint64_t)st.st_size <= offset)
		return -ENODATA;
	size_t size = MIN((uint64_t)st.st_size - start, (uint64_t)FILE_WINDOW_SIZE);
	void *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, window->fd, (off_t)start);
	if (bytes == MAP_FAILED)
		return -errno;
	// All its pages at once: a fault for each would cost as much as copying them.
	if (madvise(bytes, size, MADV_POPULATE_READ) != 0) {
		int err = -errno;
		munmap(bytes, size);
		return err;
	}
	madvise(bytes, size, MADV_DONTDUMP);
	file_window_let_go(window);
	window->bytes = bytes;
	window->size = size;
	window->offset = start;
	window->last = start + size == (uint64_t)st.st_size;
	atomic_store(&window->guard->cut, false);
	atomic_store(&window->guard->start, (uintptr_t)bytes);
	atomic_store(&window->guard->size, size);
	return 0;
}

bool file_window_cut(const struct file_window *window)
{
	return atomic_load_explicit(&window->guard->cut, memory_order_relaxed);
}

bool file_window_whole(const struct file_window *window)
{
	struct stat st;

	return fstat(window->fd, &st) == 0 && (uint64_t)st.st_size >= window->offset + window->size;
}

void file_window_close(struct file_window *window)
{
	if (window->guard == NULL)
		return;
	file_window_let_go(window);
	atomic_store(&window->guard->used, false);
	*window = (struct file_window){0};
}
