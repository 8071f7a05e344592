// The neighbour discovery parser on any conversation: a script as tests/unit/talk.h describes it.
// Whatever it tells must have been sent.
#include "tests/unit/talk.h"

extern const struct classifier_ops ndp_classifier_ops;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct report report;

	talk_play(&ndp_classifier_ops, &report, data, size, SIZE_MAX, 0);
	talk_check_claims(&report, data, size);
	return 0;
}
