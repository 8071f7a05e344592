// Lent bytes: whether they still are what they were when they were decoded.
#include "core/packet/capture_loan.h"

// Octets that were there read as zeros when a file is cut: then there is no IP version.
static bool looks_spoilt(const struct packet *p)
{
	return (p->fate == PACKET_FLOW || p->fate == PACKET_NDP) && p->data[p->l3_offset] == 0;
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
	bool spoilt = false;

	for (uint32_t i = 0; i < loan_count; i++)
		spoilt |= atomic_load_explicit(loans[i]->spoilt, memory_order_relaxed);
	for (uint32_t i = 0; i < batch->count; i++)
		spoilt |= looks_spoilt(&batch->packets[i]);
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
