// Who this collector is: the id in every row, configured or made once and kept.
#pragma once

#include "core/record/record.h"
#include "core/settings/settings.h"

// Fills `identity` from the settings; the strings are the settings'. Makes and keeps an id in
// state_dir where none is configured; `*ret_kept` is false where that failed, so that the id is
// good for this run only. So is that of who replays a capture. A seed fixes ids and the reading
// time. Returns 0, or -EINVAL with a problem added.
int identity_make(struct record_identity *identity, const struct settings *settings,
	uint64_t wall_ns, bool *ret_kept, struct problems *problems);
