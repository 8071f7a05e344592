// Lent bytes: whether they still are what they were when they were decoded.
#include "core/packet/capture_loan.h"

// Octets that were there read as zeros when a file is cut: then there is no IP version. What lies
// last goes first, so the last packet that has one tells.
static bool looks_spoilt(const struct packet_batch *batch)
{
	for (uint32_t i = batch->count; i-- > 0;) {
		const struct packet *p = &batch->packets[i];
		if (p->fate == PACKET_FLOW || p->fate == PACKET_NDP)
			return p->data[p->l3_offset] == 0;
	}
	return false;
}

static bool is_whole(struct capture_loan *const *loans, uint32_t loan_count, const struct packet *p)
{
	for (uint32_t i = 0; i < loan_count; i++)
		if (loans[i]->whole(loans[i], p->data, p->cap_len))
			return true;
	return false;
}

void capture_loan_confirm(struct capture_loan *const *loans, uint32_t loan_count,
	struct packet_batch *batch, struct counters *counters)
{
	bool spoilt = looks_spoilt(batch);

	for (uint32_t i = 0; i < loan_count; i++)
		spoilt |= atomic_load_explicit(loans[i]->spoilt, memory_order_relaxed);
	if (likely(!spoilt))
		return;
	for (uint32_t i = 0; i < batch->count; i++) {
		struct packet *p = &batch->packets[i];
		if (p->fate == PACKET_DROPPED || is_whole(loans, loan_count, p))
			continue;
		if (p->fate == PACKET_FLOW)
			counter_drop(counters, DROP_file_cut);
		p->fate = p->fate == PACKET_FLOW ? PACKET_DROPPED : PACKET_CONSUMED;
	}
}
