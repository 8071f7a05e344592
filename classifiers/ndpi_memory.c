// The memory of nDPI: ndpi_memory.h.
#include "classifiers/ndpi_memory.h"

#include "core/base/memory.h"

#include <ndpi/ndpi_api.h>

#include <errno.h>
#include <stdlib.h>

enum { TABLES_SIZE = 16 << 20 }; // a third is used; what does not fit is the C library's

_Thread_local struct ndpi_memory *ndpi_memory_now;

int ndpi_memory_init(struct ndpi_memory *m, size_t bytes)
{
	int err = arena_init(&m->arena, bytes);

	if (err)
		return err;
	m->tables = memory_reserve(TABLES_SIZE);
	if (m->tables == NULL)
		return -ENOMEM;
	m->tables_size = TABLES_SIZE;
	return 0;
}

void ndpi_memory_fini(struct ndpi_memory *m)
{
	arena_fini(&m->arena);
	memory_release(m->tables, m->tables_size);
}

static void *tables_take(struct ndpi_memory *m, size_t size)
{
	enum { ALIGN = 16 };
	size_t whole = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);

	if (size > m->tables_size || whole > m->tables_size - m->tables_used)
		return malloc(size);
	m->tables_used += whole;
	return m->tables + m->tables_used - whole;
}

static void *library_malloc(size_t size)
{
	struct ndpi_memory *m = ndpi_memory_now;

	if (m == NULL)
		return malloc(size);
	return m->making ? tables_take(m, size) : arena_take(&m->arena, size);
}

static void library_free(void *memory)
{
	struct ndpi_memory *m = ndpi_memory_now;
	const uint8_t *at = memory;

	if (at == NULL)
		return;
	if (m != NULL && arena_owns(&m->arena, memory))
		arena_give(&m->arena, memory);
	else if (m == NULL || at < m->tables || at >= m->tables + m->tables_size)
		free(memory); // of the tables' nothing comes back before all of it
}

// In the place of libndpi's own, which counts octets for the process: all shards would write to
// that word.
[[gnu::used]] void *ndpi_malloc(size_t size)
{
	return library_malloc(size);
}

void ndpi_memory_install(void)
{
	set_ndpi_malloc(library_malloc);
	set_ndpi_free(library_free);
}
