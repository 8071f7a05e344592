// Rows for the tests of policy and door: made with everything in them, every secret recognisable.
#pragma once

#include "core/record/record.h"
#include "core/settings/settings.h"

struct sample {
	struct settings settings;
	struct policy *policy;
	struct taxonomy taxonomy;
	struct record_identity identity;
	struct batch_pool batches;
	struct record *record;

	struct findings_view findings;
	struct flow_row flow;
	struct client_address addresses[2];
	struct client_name names[2];
	struct client_row client;
	struct usage_row usage;
	uint64_t counters[COUNTER_COUNT];
	struct health_interface interface;
	struct memory_pool memory;
	struct health_row health;
	struct segment_event segment; // last, as its findings have no fixed size
};

// `rules`: "field=value" each, ended by NULL. Fails the test when the policy is refused.
void sample_init(
	struct sample *sample, enum setting_profile profile, const char *const *rules, bool json);
void sample_fini(struct sample *sample);

// Settings as a policy needs them, and what to free of them.
void sample_settings(
	struct settings *settings, enum setting_profile profile, const char *const *rules);
void sample_settings_fini(struct settings *settings);

// The only row of the only sealed batch of a type; its batch must be given back.
struct batch *sample_sealed(struct sample *sample);

// The last row of a batch as JSON, in a static buffer.
const char *sample_json(const struct batch *batch, uint32_t row);
