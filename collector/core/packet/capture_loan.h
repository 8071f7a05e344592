// Lent bytes: a source's, that stay where they are beyond release() while somebody holds them. What
// they were they may cease to be: a file can be cut while it is mapped.
#pragma once

#include "core/base/counters.h"
#include "core/packet/packet.h"

#include <stdatomic.h>

// The source's thread holds and gives back, for others as well when they have told it that they are
// done. Others may ask while it is held.
struct capture_loan {
	uint32_t holders;
	const _Atomic bool *spoilt; // some of them are gone: whole() knows which
	bool (*whole)(const struct capture_loan *loan, const uint8_t *data, uint32_t len); // still
};

static inline void capture_hold(struct capture_loan *loan)
{
	loan->holders++;
}

static inline void capture_give_back(struct capture_loan *loan)
{
	loan->holders--;
}

static inline bool capture_held(const struct capture_loan *loan)
{
	return loan->holders > 0;
}

// Of a decoded batch whose bytes lie in these, after they have been looked at: drops and counts
// packets that are not whole any more. Consumed ones (counted by decode) only lose their fate.
void capture_loan_confirm(struct capture_loan *const *loans, uint32_t loan_count,
	struct packet_batch *batch, struct counters *counters);
