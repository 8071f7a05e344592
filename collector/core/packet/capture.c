// Capture sources: what all of them do alike.
#include "core/packet/capture.h"

#include <stdarg.h>
#include <stdio.h>

int capture_explain(char error[CAPTURE_ERROR_SIZE], int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, CAPTURE_ERROR_SIZE, format, args);
	va_end(args);
	return err;
}
