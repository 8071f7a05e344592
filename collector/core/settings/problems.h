// What is wrong with the operator's input, all of it: file, line, key, and what is allowed there.
// Cold path, main thread.
#pragma once

#include <stddef.h>
#include <stdio.h>

struct problems {
	char **lines;
	size_t count;
};

// "FILE:LINE: text"; line 0 or file NULL are left out. The text is the operator's own input and
// what is allowed, never collected data.
__attribute__((format(printf, 4, 5))) void problems_add(
	struct problems *problems, const char *file, unsigned line, const char *format, ...);
void problems_print(const struct problems *problems, FILE *out);
void problems_fini(struct problems *problems);
