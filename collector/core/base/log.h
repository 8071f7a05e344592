// Lines for the operator, on standard error. Only main, run and export log; stages count or return.
// Never an address, a name or a payload of a person: log lines have no privacy policy.
#pragma once

#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO };

// Lines above this level are not written. Main, before threads start.
void log_level_set(enum log_level level);

__attribute__((format(printf, 2, 3))) void log_line(enum log_level level, const char *format, ...);

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)

// A line that the next such one replaces, for a terminal: main's. Another line begins below it.
__attribute__((format(printf, 1, 2))) void log_status(const char *format, ...);
void log_status_end(void);

// For what may happen often: at most one line in `period_s` seconds for each `last_s` (zeroed, the
// caller's, static); returns whether to log now. `suppressed` counts what was held back.
int log_allowed(uint64_t *last_s, uint64_t period_s, uint64_t *suppressed);
