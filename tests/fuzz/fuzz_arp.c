// The ARP parser on any frames: a script as tests/unit/talk.h describes it. Whoever it tells of
// must have been named in what was sent.
#include "core/base/compiler.h"
#include "tests/unit/talk.h"

#include <string.h>

extern const struct classifier_ops arp_classifier_ops;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct report report;

	talk_play(&arp_classifier_ops, &report, data, size, SIZE_MAX, 0);
	for (uint32_t i = 0; i < MIN(report.fact_count, (uint32_t)TOLD_MAX); i++) {
		uint8_t sender[10]; // as they stand in a message, RFC 826
		memcpy(sender, report.facts[i].fact.mac, 6);
		memcpy(sender + 6, report.facts[i].fact.ip, 4);
		REQUIRE(memmem(data, size, sender, sizeof(sender)) != NULL);
	}
	return 0;
}
