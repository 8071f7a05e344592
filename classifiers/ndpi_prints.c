// Fingerprints that nobody reads, left out: of a TLS hello libndpi makes a text of a hundred
// numbers, one snprintf() each, and the MD5 of it (JA3); of SSH's algorithms an MD5 (HASSH); of a
// certificate its SHA-1; of a DHCP request the list of its options. We report none of them and give
// libndpi no list of bad ones to look them up in, so that no verdict and no risk comes of them;
// they were a sixth of all it cost on ordinary traffic, and it has no switch for that.
//
// The symbols take the place of libndpi's and of glibc's in this program, by the rules of dynamic
// linking (the executable comes first). Only where ndpi.c calls the libndpi that we know from
// inside do they something of their own; for everybody else they are what they were. Where libndpi
// was built in another way, nothing calls them.
#include "classifiers/ndpi_prints.h"

#include "classifiers/ndpi_names.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { MD5_SIZE = 16, SHA1_SIZE = 20 };

int __vsnprintf_chk(
	char *text, size_t size, int flag, size_t object_size, const char *format, va_list values);

typedef void hash_update(void *context, const unsigned char *octets, unsigned len);
typedef void hash_final(unsigned char *ret, void *context);

hash_update ndpi_MD5Update, SHA1Update;
hash_final ndpi_MD5Final, SHA1Final;

// Whether a format of libndpi 4.2 writes a piece of a fingerprint and nothing else: "%s%u", "%02x",
// "%02X", "%u,", ",", and of the versions a TLS client supports "%s%s" and "%s%04X".
static bool of_fingerprint(const char *format)
{
	if (format[0] == ',')
		return format[1] == '\0';
	if (format[0] != '%')
		return false;
	switch (format[1]) {
	case '0':
		return format[2] == '2' && (format[3] | 0x20) == 'x' && format[4] == '\0';
	case 'u':
		return format[2] == ',' && format[3] == '\0';
	case 's':
		return strcmp(format, "%s%u") == 0 || strcmp(format, "%s%s") == 0 ||
			strcmp(format, "%s%04X") == 0;
	default:
		return false;
	}
}

// "%s%s=%s", as snprintf() writes it: the names in a certificate.
static int put_named(char *text, size_t size, va_list values)
{
	const char *before = va_arg(values, const char *), *name = va_arg(values, const char *);
	const char *const pieces[] = {before, name, "=", va_arg(values, const char *)};
	size_t len = 0;

	for (unsigned i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		size_t piece = strlen(pieces[i]);
		if (len < size)
			memcpy(text + len, pieces[i], piece < size - len ? piece : size - len);
		len += piece;
	}
	if (size > 0)
		text[len < size ? len : size - 1] = '\0';
	return (int)len;
}

// Nothing in this program calls it by this name alone, which a linker that sees all of it at once
// would take for never.
[[gnu::used]] int __snprintf_chk(
	char *text, size_t size, int flag, size_t object_size, const char *format, ...)
{
	va_list values;

	if (ndpi_names_now != NULL && size > 0 && of_fingerprint(format)) {
		text[0] = '\0';
		// Nothing was written. Not that it failed: compilers know that with such formats it
		// does not, and leave a library's checks of that out.
		return 0;
	}
	va_start(values, format);
	int len = size <= object_size && strcmp(format, "%s%s=%s") == 0
		? put_named(text, size, values)
		: __vsnprintf_chk(text, size, flag, object_size, format, values);
	va_end(values);
	return len;
}

// As the above. libndpi's own are asked for anew each time: that is for dpi.plain and for tests.
[[gnu::used]] void ndpi_MD5Update(void *context, const unsigned char *octets, unsigned len)
{
	if (ndpi_names_now == NULL)
		((hash_update *)dlsym(RTLD_NEXT, "ndpi_MD5Update"))(context, octets, len);
}

[[gnu::used]] void ndpi_MD5Final(unsigned char *ret, void *context)
{
	if (ndpi_names_now == NULL)
		((hash_final *)dlsym(RTLD_NEXT, "ndpi_MD5Final"))(ret, context);
	else
		memset(ret, 0, MD5_SIZE);
}

[[gnu::used]] void SHA1Update(void *context, const unsigned char *octets, unsigned len)
{
	if (ndpi_names_now == NULL)
		((hash_update *)dlsym(RTLD_NEXT, "SHA1Update"))(context, octets, len);
}

[[gnu::used]] void SHA1Final(unsigned char *ret, void *context)
{
	if (ndpi_names_now == NULL)
		((hash_final *)dlsym(RTLD_NEXT, "SHA1Final"))(ret, context);
	else
		memset(ret, 0, SHA1_SIZE);
}
