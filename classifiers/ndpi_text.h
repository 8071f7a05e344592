// How libndpi writes numbers. For ndpi.c.
#pragma once

#include <stddef.h>

// glibc's function behind snprintf() where a program was built with _FORTIFY_SOURCE, as Debian's
// libndpi was. Defined in ndpi_text.c for the whole program; the same in all that can be seen of
// it. Any thread.
__attribute__((format(printf, 5, 6))) int __snprintf_chk(
	char *text, size_t size, int flag, size_t object_size, const char *format, ...);
