// A ring of pointers between two threads: its memory.
#include "core/base/ring.h"

#include <errno.h>
#include <string.h>

int ring_init(struct ring *ring, uint32_t count)
{
	REQUIRE(count > 0 && (count & (count - 1)) == 0);
	memset(ring, 0, sizeof(*ring));
	ring->slots = calloc(count, sizeof(void *));
	if (ring->slots == NULL)
		return -ENOMEM;
	ring->mask = count - 1;
	return 0;
}

void ring_fini(struct ring *ring)
{
	free(ring->slots);
	ring->slots = NULL;
}
