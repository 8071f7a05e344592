// The producer: librdkafka's, made, asked, and made anew when it falls over.
#include "core/base/clock.h"
#include "core/base/own_connections.h"
#include "exporters/kafka_parts.h"
#include "exporters/kafka_settings.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum {
	FIRST_ANSWER_MS = 2000, // how long the first turn waits for the cluster
	PURGE_MS = 1000,
};

#define RESTART_NS (5 * NS_PER_S)

// Connections and the producer as a whole. From rd_kafka_poll().
static void trouble(rd_kafka_t *producer, int code, const char *reason, void *opaque)
{
	struct exporter *x = opaque;
	rd_kafka_resp_err_t err = code;
	char text[ERROR_TEXT_SIZE];

	switch (err) {
	case RD_KAFKA_RESP_ERR__FATAL:
		err = rd_kafka_fatal_error(producer, text, sizeof(text));
		x->fault = RD_KAFKA_RESP_ERR_NO_ERROR;
		kafka_fault_set(x, kafka_advice(err) != NULL ? err : RD_KAFKA_RESP_ERR__FATAL,
			RECORD_NONE, text);
		x->fatal = true;
		return;
	case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
		x->up = false;
		if (x->broker_err == RD_KAFKA_RESP_ERR_NO_ERROR)
			kafka_connection_failed(x, err, reason);
		kafka_fault_set(x, x->broker_err, RECORD_NONE, x->broker_text);
		return;
	default:
		// One broker of several: only worth a line when the operator must act.
		kafka_connection_failed(x, err, reason);
		if (err == RD_KAFKA_RESP_ERR__AUTHENTICATION || err == RD_KAFKA_RESP_ERR__SSL)
			kafka_fault_set(x, err, RECORD_NONE, reason);
	}
}

// The octets of each produce request, compressed as they are. On librdkafka's threads.
static rd_kafka_resp_err_t request_sent(rd_kafka_t *, int, const char *, int32_t, int16_t api_key,
	int16_t, int32_t, size_t size, void *opaque)
{
	struct exporter *x = opaque;

	if (api_key == 0) // Produce
		atomic_fetch_add_explicit(&x->bytes_sent, size, memory_order_relaxed);
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

// Where a connection goes, a capture leaves out; a cluster has brokers at addresses and ports of
// which kafka.brokers says nothing.
static void note_connection(int fd, const struct sockaddr *peer)
{
	struct own_connection connection = {.ip6 = peer->sa_family == AF_INET6};
	struct sockaddr_storage local;
	socklen_t len = sizeof(local);

	if (getsockname(fd, (struct sockaddr *)&local, &len) != 0 ||
		local.ss_family != peer->sa_family)
		return;
	if (connection.ip6) {
		const struct sockaddr_in6 *from = (struct sockaddr_in6 *)&local;
		const struct sockaddr_in6 *to = (const struct sockaddr_in6 *)peer;
		memcpy(connection.local, &from->sin6_addr, 16);
		memcpy(connection.peer, &to->sin6_addr, 16);
		connection.port = ntohs(to->sin6_port);
	} else {
		const struct sockaddr_in *from = (struct sockaddr_in *)&local;
		const struct sockaddr_in *to = (const struct sockaddr_in *)peer;
		memcpy(connection.local, &from->sin_addr, 4);
		memcpy(connection.peer, &to->sin_addr, 4);
		connection.port = ntohs(to->sin_port);
	}
	own_connections_add(&connection);
}

// In librdkafka's place, which does the same and notes nothing. On its threads.
static int connect_noted(int fd, const struct sockaddr *peer, int len, const char *, void *)
{
	if (connect(fd, peer, (socklen_t)len) != 0 && errno != EINPROGRESS)
		return errno;
	note_connection(fd, peer);
	return 0;
}

static rd_kafka_resp_err_t producer_made(
	rd_kafka_t *producer, const rd_kafka_conf_t *, void *opaque, char *, size_t)
{
	return rd_kafka_interceptor_add_on_request_sent(producer, "weir", request_sent, opaque);
}

void kafka_producer_stop(struct exporter *x)
{
	for (unsigned type = 0; type < RECORD_TYPE_COUNT; type++) {
		if (x->topics[type] != NULL)
			rd_kafka_topic_destroy(x->topics[type]);
		x->topics[type] = NULL;
	}
	if (x->producer != NULL)
		rd_kafka_destroy(x->producer);
	x->producer = NULL;
}

static int topics_open(struct exporter *x, char *error, size_t error_size)
{
	for (unsigned type = 0; type < RECORD_TYPE_COUNT; type++) {
		char name[256];
		if (kafka_topic_names[type] == NULL)
			continue;
		snprintf(name, sizeof(name), "%s%s", x->settings->topic_prefix,
			kafka_topic_names[type]);
		x->topics[type] = rd_kafka_topic_new(x->producer, name, NULL);
		if (x->topics[type] == NULL) {
			snprintf(error, error_size, "topic \"%s\": %s", name,
				rd_kafka_err2str(rd_kafka_last_error()));
			return -EINVAL;
		}
	}
	return 0;
}

int kafka_producer_start(struct exporter *x, char *error, size_t error_size)
{
	struct problems problems = {0};
	rd_kafka_conf_t *conf = kafka_conf_new(x->settings, x->patience_ns, &problems);
	char value[32];
	size_t value_size = sizeof(value);

	if (problems.count > 0) {
		snprintf(error, error_size, "%s", problems.lines[0]);
		goto fail;
	}
	if (rd_kafka_conf_set(conf, "bootstrap.servers", x->settings->brokers, error, error_size) !=
		RD_KAFKA_CONF_OK)
		goto fail;
	REQUIRE(rd_kafka_conf_get(conf, "message.max.bytes", value, &value_size) ==
		RD_KAFKA_CONF_OK);
	x->message_bytes_max = strtoul(value, NULL, 10);
	rd_kafka_conf_set_opaque(conf, x);
	rd_kafka_conf_set_dr_msg_cb(conf, kafka_delivery);
	rd_kafka_conf_set_error_cb(conf, trouble);
	rd_kafka_conf_set_connect_cb(conf, connect_noted);
	if (!kafka_debug_wanted(x->settings))
		rd_kafka_conf_set_log_cb(conf, NULL); // what matters comes to trouble()
	rd_kafka_conf_interceptor_add_on_new(conf, "weir", producer_made, x);
	x->producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, error_size);
	if (x->producer == NULL)
		goto fail;
	problems_fini(&problems);
	int err = topics_open(x, error, error_size);
	if (err)
		kafka_producer_stop(x);
	return err;
fail:
	rd_kafka_conf_destroy(conf);
	problems_fini(&problems);
	return -EINVAL;
}

// A fault that names all topics which rows cannot be written to, if there are any.
static void note_missing(struct exporter *x, const struct rd_kafka_metadata *metadata)
{
	rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_NO_ERROR;
	char missing[ERROR_TEXT_SIZE] = "";
	size_t used = 0;

	for (int i = 0; i < metadata->topic_cnt; i++) {
		const struct rd_kafka_metadata_topic *topic = &metadata->topics[i];
		if (topic->err == RD_KAFKA_RESP_ERR_NO_ERROR ||
			topic->err == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE)
			continue;
		err = topic->err;
		int len = snprintf(missing + used, sizeof(missing) - used, "%s\"%s\"",
			used > 0 ? ", " : "", topic->topic);
		used = used + (size_t)len < sizeof(missing) ? used + (size_t)len : used;
	}
	if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
		kafka_fault_set(x, err, RECORD_NONE, missing);
}

void kafka_first_answer(struct exporter *x)
{
	if (x->asked)
		return;
	x->asked = true;
	const struct rd_kafka_metadata *metadata = NULL;
	rd_kafka_resp_err_t err =
		rd_kafka_metadata(x->producer, 0, NULL, &metadata, FIRST_ANSWER_MS);

	if (err != RD_KAFKA_RESP_ERR_NO_ERROR) {
		kafka_connection_failed(x, err, rd_kafka_err2str(err));
		kafka_fault_set(x, err, RECORD_NONE, x->broker_text);
		rd_kafka_poll(x->producer, 0); // knows better what it was
	} else {
		x->up = true;
		note_missing(x, metadata);
		rd_kafka_metadata_destroy(metadata);
	}
	kafka_fault_tell(x);
}

void kafka_producer_purge(struct exporter *x)
{
	if (x->producer == NULL)
		return;
	rd_kafka_purge(x->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
	for (int waited_ms = 0; x->in_flight > 0 && waited_ms < PURGE_MS; waited_ms += 10)
		rd_kafka_poll(x->producer, 10);
}

void kafka_producer_restart(struct exporter *x, int timeout_ms)
{
	char error[EXPORTER_ERROR_SIZE];

	if (x->producer != NULL) {
		kafka_producer_purge(x);
		kafka_fault_tell(x);
		kafka_producer_stop(x);
		kafka_rows_abandon(x, LOST_BROKER);
		x->up = false;
	}
	if (x->restart_ns != 0 && clock_steady_ns() < x->restart_ns) {
		nanosleep(&(struct timespec){.tv_nsec = MIN(timeout_ms, 100) * 1000000L}, NULL);
		return;
	}
	x->restart_ns = clock_steady_ns() + RESTART_NS;
	if (kafka_producer_start(x, error, sizeof(error)) == 0)
		x->fatal = false;
	else
		kafka_fault_set(x, RD_KAFKA_RESP_ERR__FAIL, RECORD_NONE, error);
}
