// The settings of kafka.* in librdkafka's words, and what is wrong with them. Main's thread, or
// export's.
#pragma once

#include "core/export/exporter.h"

#include <librdkafka/rdkafka.h>

// All but the brokers and what points to an exporter. Each property that cannot be set stands in
// `problems`. `patience_ns`: how long a run waits for the cluster; 0: as long as librdkafka.
rd_kafka_conf_t *kafka_conf_new(
	const struct settings *settings, uint64_t patience_ns, struct problems *problems);

// Adds to `problems` what is wrong, before anything runs. Sends nothing.
void kafka_check(const struct settings *settings, struct problems *problems);

// Whether the operator wants librdkafka's own log.
bool kafka_debug_wanted(const struct settings *settings);

// What stands behind kafka.topic_prefix; NULL: records of this type have no topic.
extern const char *const kafka_topic_names[RECORD_TYPE_COUNT];
