// Fingerprints that libndpi makes and that we do not report. For ndpi.c.
#pragma once

#include <stddef.h>

// glibc's function behind snprintf() where a program was built with _FORTIFY_SOURCE, as Debian's
// libndpi was. Defined in ndpi_prints.c for the whole program; where ndpi_names_now is set it
// writes nothing for the formats that only fingerprints are written with; else it is glibc's. Any
// thread.
__attribute__((format(printf, 5, 6))) int __snprintf_chk(
	char *text, size_t size, int flag, size_t object_size, const char *format, ...);
