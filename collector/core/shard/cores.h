// Which core each shard's thread has: setting `cpus`, or chosen here. Memory that a shard uses is
// first touched on its core, and so lies near it: the kernel gives pages of the node that asks.
// Main's thread.
#pragma once

#include "core/settings/settings.h"

enum { CORES_MAX = 64, CORE_ANY = -1 };

struct cores {
	int shard[CORES_MAX]; // a core's number, or CORE_ANY: the scheduler does as well
};

// What is wrong with the setting goes to `problems`.
void cores_check(const struct settings *settings, struct problems *problems);

// For settings that are right. `own_places`: the source places its threads, and all are CORE_ANY.
void cores_choose(struct cores *ret, const struct settings *settings, bool own_places);

// Binds the calling thread. CORE_ANY: leaves it where it is. Returns 0 or -errno.
int cores_bind(int core);
