// What is wrong with the operator's input.
#include "core/settings/problems.h"

#include "core/base/compiler.h"

#include <stdarg.h>
#include <string.h>

void problems_add(
	struct problems *problems, const char *file, unsigned line, const char *format, ...)
{
	char text[1024], whole[2048];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (file != NULL && line > 0)
		snprintf(whole, sizeof(whole), "%s:%u: %s", file, line, text);
	else if (file != NULL)
		snprintf(whole, sizeof(whole), "%s: %s", file, text);
	else
		snprintf(whole, sizeof(whole), "%s", text);

	char **lines = realloc(problems->lines, (problems->count + 1) * sizeof(*lines));
	REQUIRE(lines != NULL);
	problems->lines = lines;
	lines[problems->count] = strdup(whole);
	REQUIRE(lines[problems->count] != NULL);
	problems->count++;
}

void problems_print(const struct problems *problems, FILE *out)
{
	for (size_t i = 0; i < problems->count; i++)
		fprintf(out, "weir: %s\n", problems->lines[i]);
}

void problems_fini(struct problems *problems)
{
	for (size_t i = 0; i < problems->count; i++)
		free(problems->lines[i]);
	free(problems->lines);
	*problems = (struct problems){0};
}
