// What goes wrong with Kafka, in the operator's words.
#include "exporters/kafka_parts.h"
#include "exporters/kafka_settings.h"

#include <inttypes.h>

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

void kafka_fault_set(
	struct exporter *x, rd_kafka_resp_err_t err, enum record_type type, const char *text)
{
	if (x->fatal && x->fault != RD_KAFKA_RESP_ERR_NO_ERROR)
		return; // what killed the producer says more than the rows that fail by it
	x->fault = err;
	x->fault_type = type;
	snprintf(x->fault_text, sizeof(x->fault_text), "%.*s", ERROR_TEXT_SIZE - 1, text);
}

void kafka_connection_failed(struct exporter *x, rd_kafka_resp_err_t err, const char *text)
{
	x->broker_err = err;
	snprintf(x->broker_text, sizeof(x->broker_text), "%s", text);
}

void kafka_fault_tell(struct exporter *x)
{
	char text[EXPORTER_ERROR_SIZE], topic[128] = "";
	const char *help = kafka_advice(x->fault);

	if (x->fault == RD_KAFKA_RESP_ERR_NO_ERROR || x->gone)
		return;
	if (x->fault_type != RECORD_NONE)
		snprintf(topic, sizeof(topic), ", topic \"%.100s%s\"", x->settings->topic_prefix,
			kafka_topic_names[x->fault_type]);
	int used = snprintf(
		text, sizeof(text), "Kafka at \"%.100s\"%s: ", x->settings->brokers, topic);
	if (help != NULL)
		used += snprintf(text + used, sizeof(text) - (size_t)used, "%s; ", help);
	if (!x->up && x->patience_ns > 0)
		used += snprintf(text + used, sizeof(text) - (size_t)used,
			"the run waits up to %" PRIu64 " s (kafka.patience); ",
			x->patience_ns / NS_PER_S);
	snprintf(text + used, sizeof(text) - (size_t)used, "librdkafka: %.*s",
		(int)sizeof(text) - used - 13, x->fault_text);
	x->fault = RD_KAFKA_RESP_ERR_NO_ERROR;
	x->told = true;
	x->told_type = x->fault_type;
	export_error(x->done, text);
}

void kafka_fault_over(struct exporter *x, enum record_type type)
{
	if (!x->told || (x->told_type != RECORD_NONE && x->told_type != type))
		return;
	x->told = false;
	export_error(x->done, NULL);
}
