// A part of a file as it lies in the page cache, mapped and moved along: for reading large files
// without copying them. Pages are mapped together when the window moves there, and no more of the
// file than the window is ever resident.
//
// A file that is cut while it is mapped would end the process by SIGBUS (mmap(2)). Here what is
// gone reads as zeros and file_window_cut() says so: a handler puts an empty page in its place, for
// windows alone; any other SIGBUS stays what it was.
//
// Each window is moved by one thread, which may open another of the same file. The first of a
// program's windows is opened by main, before there are threads. Any may read what is mapped, if it
// hears SIGBUS.
#pragma once

#include "core/packet/capture.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	FILE_WINDOW_SIZE = 10 << 20, // octets mapped at once
	// Where a window may begin: a huge page of the usual size, so that what the page cache has
	// in such (ext4 and XFS of today) is mapped by one entry each and not by 512.
	FILE_WINDOW_STEP = 2 << 20,
};

struct file_window {
	int fd; // borrowed
	uint8_t *bytes; // NULL: nothing is mapped yet
	size_t size; // octets at `bytes` that are the file's
	uint64_t offset; // of bytes[0] in the file
	bool last; // the file ended there when it was mapped
	struct window_guard *guard;
	struct capture_loan loan; // who holds it is not to be moved, nor let go
};

// Returns 0, or -ENOBUFS: too many windows are open. Nothing is mapped yet.
int file_window_open(struct file_window *window, int fd);

// Maps from `offset`, or less than FILE_WINDOW_STEP before it, FILE_WINDOW_SIZE octets as far as
// the file goes now. What was mapped before is gone. Returns 0, -ENODATA when the file ends there,
// or -errno where it cannot be mapped so; the window is then as before.
int file_window_move(struct file_window *window, uint64_t offset);

// Whether a page was found gone since the window was moved: the file has been cut.
bool file_window_cut(const struct file_window *window);

// Whether the file still is as long as when the window was moved, by a system call: the last page
// of a file that was cut reads as zeros beyond its end without further notice.
bool file_window_whole(const struct file_window *window);

// Nothing is mapped any more; it may be moved again.
void file_window_let_go(struct file_window *window);

void file_window_close(struct file_window *window); // also one never opened, all zeros
