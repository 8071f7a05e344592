// What librdkafka's errors mean to the operator.
#pragma once

#include <librdkafka/rdkafka.h>

// What to do about an error, as one sentence without an end; NULL: no advice.
const char *kafka_advice(rd_kafka_resp_err_t err);
