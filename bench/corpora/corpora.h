// The makers of corpora: each writes a capture of so many packets, the same bytes each time.
#pragma once

#include "output.h"

struct replicas {
	uint32_t packets_max, large_max; // to which conversations are shortened
	uint32_t window_s; // the moments at which replicas start
	uint32_t houses; // that live again and again; 0: every replica has clients of its own
};

void make_replicas(struct output *out, uint32_t packets, const struct replicas *how,
	char *const *paths, int path_count);
// One frame of 60 bytes a flow, a million a second.
void make_churn(struct output *out, uint32_t packets);
// Sixteen conversations: their real beginning, then bulk.
void make_elephants(struct output *out, uint32_t packets, char *const *paths, int path_count);
