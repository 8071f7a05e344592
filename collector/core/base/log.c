// Lines for the operator, on standard error.
#include "core/base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

static enum log_level log_threshold = LOG_INFO;
static atomic_bool status_open; // the cursor stands behind one

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
	const char *before = atomic_exchange(&status_open, false) ? "\n" : "";
	if (level == LOG_INFO)
		fprintf(stderr, "%sweir: %s\n", before, line);
	else
		fprintf(stderr, "%sweir: %s: %s\n", before, names[level], line);
}

void log_status(const char *format, ...)
{
	char line[256];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	fprintf(stderr, "\rweir: %s ", line);
	atomic_store(&status_open, true);
}

void log_status_end(void)
{
	if (atomic_exchange(&status_open, false))
		fputc('\n', stderr);
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
