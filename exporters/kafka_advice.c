// What librdkafka's errors mean to the operator: kafka_advice.h.
#include "exporters/kafka_advice.h"

#include <stddef.h>

const char *kafka_advice(rd_kafka_resp_err_t err)
{
	switch (err) {
	case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
	case RD_KAFKA_RESP_ERR__TRANSPORT:
	case RD_KAFKA_RESP_ERR__TIMED_OUT:
		return "no broker answers there: start Kafka, or correct kafka.brokers (address, "
		       "port) and security.protocol in kafka.properties";
	case RD_KAFKA_RESP_ERR__RESOLVE:
		return "the broker's name is not known to DNS: correct kafka.brokers";
	case RD_KAFKA_RESP_ERR__BAD_MSG:
	case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
		return "what answers there is no Kafka broker that takes rows: correct the port in "
		       "kafka.brokers";
	case RD_KAFKA_RESP_ERR__AUTHENTICATION:
	case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
	case RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM:
		return "the broker refuses the login: correct sasl.mechanism, sasl.username and "
		       "sasl.password in kafka.properties";
	case RD_KAFKA_RESP_ERR__SSL:
		return "TLS fails: correct security.protocol, ssl.ca.location and "
		       "ssl.certificate.location in kafka.properties";
	case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
	case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
	case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
		return "the topic does not exist: create it, or correct kafka.topic_prefix";
	case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
		return "this user may not write to the topic: grant it Write and Describe there";
	case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
		return "this user may not write idempotently: grant it IdempotentWrite on the "
		       "cluster";
	case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
	case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
		return "the cluster did not take rows within message.timeout.ms: see to its load "
		       "and to the way there";
	case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
	case RD_KAFKA_RESP_ERR_INVALID_RECORD:
		return "the broker refuses the rows' time or key: set this machine's clock, and "
		       "see message.timestamp.after.max.ms and before.max.ms of the topic";
	case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
	case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
		return "the message is larger than allowed: lower kafka.rows_per_message, or raise "
		       "message.max.bytes in kafka.properties and max.message.bytes of the topic";
	case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS:
	case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND:
		return "the topic has too few replicas in sync: see to the cluster's brokers";
	case RD_KAFKA_RESP_ERR__FATAL:
		return "the producer lost its place and begins anew; rows then under way may be "
		       "lost";
	default:
		return NULL;
	}
}
