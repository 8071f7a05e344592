// Numbers for libndpi. It writes TLS fingerprints (JA3) and hashes number by number, a hundred
// calls of snprintf() for a hello, which was a quarter to a third of all it cost on ordinary
// traffic; it has no switch for that. The few formats it does this with are written here; all else
// goes on to the C library.
//
// The symbol takes the place of glibc's in this program, by the rules of dynamic linking (the
// executable comes first). Where libndpi was built in another way, nothing calls it.
#include "classifiers/ndpi_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { DIGITS_MAX = 10 };

int __vsnprintf_chk(
	char *text, size_t size, int flag, size_t object_size, const char *format, va_list values);

static unsigned decimal(char digits[DIGITS_MAX], unsigned value)
{
	unsigned count = 1;

	for (unsigned rest = value; rest >= 10; rest /= 10)
		count++;
	for (unsigned i = count; i > 0; value /= 10)
		digits[--i] = (char)('0' + value % 10);
	return count;
}

// As snprintf() would leave it.
static int put(char *text, size_t size, const char *made, unsigned len)
{
	if (size > 0) {
		size_t fits = len < size ? len : size - 1;
		memcpy(text, made, fits);
		text[fits] = '\0';
	}
	return (int)len;
}

// "%s%u", with a string of one character at most. Negative: a longer one.
static int put_joined(char *text, size_t size, const char *before, unsigned value)
{
	char made[1 + DIGITS_MAX];
	unsigned len = 0;

	if (before[0] != '\0' && before[1] != '\0')
		return -1;
	if (before[0] != '\0')
		made[len++] = before[0];
	len += decimal(made + len, value);
	return put(text, size, made, len);
}

// "%02x", "%02X". Negative: more than an octet.
static int put_hex(char *text, size_t size, unsigned value, const char digits[16])
{
	char made[2] = {digits[value >> 4 & 15], digits[value & 15]};

	return value > 255 ? -1 : put(text, size, made, sizeof(made));
}

static int put_known(char *text, size_t size, const char *format, va_list values)
{
	if (format[0] != '%')
		return -1;
	if (format[1] == 's' && format[2] == '%' && format[3] == 'u' && format[4] == '\0') {
		const char *before = va_arg(values, const char *);
		return before == NULL ? -1
				      : put_joined(text, size, before, va_arg(values, unsigned));
	}
	if (format[1] == '0' && format[2] == '2' && format[3] != '\0' && format[4] == '\0') {
		if (format[3] == 'x')
			return put_hex(text, size, va_arg(values, unsigned), "0123456789abcdef");
		if (format[3] == 'X')
			return put_hex(text, size, va_arg(values, unsigned), "0123456789ABCDEF");
	}
	return -1;
}

// Nothing in this program calls it by this name alone, which a linker that sees all of it at once
// would take for never.
[[gnu::used]] int __snprintf_chk(
	char *text, size_t size, int flag, size_t object_size, const char *format, ...)
{
	va_list values, again;
	int len = -1;

	va_start(values, format);
	va_copy(again, values);
	if (size <= object_size) // else glibc ends the program
		len = put_known(text, size, format, values);
	if (len < 0)
		len = __vsnprintf_chk(text, size, flag, object_size, format, again);
	va_end(again);
	va_end(values);
	return len;
}
