// The process around the pipeline: no core files, no privileges that are not needed any more,
// signals that end a run. Main thread, before others start.
#pragma once

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

// First of all. Where standard input, output or error is closed, nothing that is opened may take
// its number: what is said there would go out by the socket that captures, or into a segment.
void process_keep_standard(void);

// Packets, names and keys must not end up in a core file or under a debugger: no dumps, not
// traceable; nor can anything gain privileges by executing.
void process_no_dumps(void);

// Set by SIGINT, SIGTERM and SIGHUP (not under nohup), counted: a second one means "at once".
// SIGPIPE is ignored.
extern volatile sig_atomic_t process_stop;
void process_catch_signals(void);

// Gives up the capabilities of somebody who is not root (file or ambient ones, to open the source
// with). Before other threads start. Returns 0 or -errno, and in `error` one sentence.
int process_drop_capabilities(char *error, size_t size);

// Becomes `user` for good (groups, gid, uid, no way back), when the process is root and `user` is
// not empty. Returns 0 or -errno, and in `error` one sentence for the operator.
int process_drop_privileges(const char *user, char *error, size_t size);

// Makes a directory (with its parents) where there is none, and gives what it made to `user` when
// the process is root, so that it can still write there after the drop. Returns 0 or -errno.
int process_make_directory(const char *path, const char *user);

// CPU time of the process so far, ns.
uint64_t process_cpu_ns(void);
// Peak resident memory so far, octets.
uint64_t process_peak_rss(void);
