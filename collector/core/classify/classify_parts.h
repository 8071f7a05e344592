// Classify from inside, for the files that make it and that show packets to classifiers.
#pragma once

#include "core/base/pool.h"
#include "core/classify/classify.h"

enum { CLASSIFIERS_MAX = 16 }; // bits of flow.watching
enum { NO_SLOT = UINT8_MAX };

struct instance {
	const struct classifier_ops *ops;
	void *self;
	struct pool states; // of the flows it is being shown; empty without flow_state_size
	uint32_t state_head; // octets of a state to be zeroed
	uint16_t packets_max; // 0: no limit
	uint8_t slot; // in flow.state, or NO_SLOT
};

struct classify {
	struct instance instances[CLASSIFIERS_MAX];
	uint32_t count;
	const struct pool *states[FLOW_STATES_MAX]; // by slot; NULL: nobody's
	// Bit i: instances[i] wants it.
	uint16_t tcp, tcp_bare, udp, other, dns, dhcp, arp, ndp;
	uint16_t whole; // bit i: instances[i] reads whole packets only
	struct findings_pool findings;
	struct counters *counters;
	const struct excluded *excluded;
	struct taxonomy taxonomy;
	size_t library_bytes;
	// New DPI work is admitted at this pace, in packets' time: a flow's turn comes
	// `admission_ns` behind the last one's, and unused turns of the last burst are kept.
	uint64_t admission_ns; // 0: all are admitted
	uint64_t admission_due_ns;
	bool dpi; // somebody gives verdicts
};
