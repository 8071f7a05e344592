// Lines for the operator, on standard error.
#include "core/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

static enum log_level log_threshold = LOG_INFO;

void log_level_set(enum log_level level)
{
	log_threshold = level;
}

void log_line(enum log_level level, const char *format, ...)
{
	static const char *const names[] = {"error", "warning", "info"};
	char line[1024];
	va_list args;

	if (level > log_threshold)
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	// One call, so that lines of two threads do not mix.
	if (level == LOG_INFO)
		fprintf(stderr, "weir: %s\n", line);
	else
		fprintf(stderr, "weir: %s: %s\n", names[level], line);
}

int log_allowed(uint64_t *last_s, uint64_t period_s, uint64_t *suppressed)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	uint64_t now_s = (uint64_t)now.tv_sec + 1;
	if (*last_s != 0 && now_s - *last_s < period_s) {
		++*suppressed;
		return 0;
	}
	*last_s = now_s;
	return 1;
}
