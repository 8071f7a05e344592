// The Kafka exporter against librdkafka's own mock cluster: what becomes of every row, and what the
// operator is told, when the cluster takes rows, refuses them, is away, or comes back.
#include "core/base/compiler.h"
#include "core/base/own_connections.h"
#include "core/export/exporter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

extern const struct exporter_ops kafka_exporter_ops;

enum { PRODUCE = 0, PROPERTIES_MAX = 8, ROW_MAX = 4096 };

// What core/export keeps: here, what the exporter said.
struct export_done {
	uint64_t delivered[RECORD_TYPE_COUNT];
	uint64_t lost[RECORD_TYPE_COUNT][LOST_CAUSE_COUNT];
	uint32_t batches_back;
	uint32_t errors;
	char said[16384]; // every error, a line each
	bool gone;
};

void export_delivered(struct export_done *done, enum record_type type, uint64_t count)
{
	done->delivered[type] += count;
}

void export_lost(
	struct export_done *done, enum record_type type, enum lost_cause cause, uint64_t count)
{
	done->lost[type][cause] += count;
}

void export_batch(struct export_done *done, struct batch *batch)
{
	done->batches_back++;
	// Who still looked at it would show: under valgrind or ASan, or as a wrong row.
	memset(batch->bytes, 0xEE, batch->capacity);
	batch->count = 0;
}

void export_gone(struct export_done *done)
{
	done->gone = true;
}

void export_error(struct export_done *done, const char *text)
{
	size_t used = strlen(done->said);

	if (text != NULL)
		done->errors++;
	snprintf(done->said + used, sizeof(done->said) - used, "%s\n",
		text != NULL ? text : "It is over.");
}

struct rig {
	rd_kafka_t *host; // of the mock cluster
	rd_kafka_mock_cluster_t *mock;
	struct settings settings;
	struct setting_item properties[PROPERTIES_MAX];
	struct export_done done;
	struct exporter *exporter;
	char error[EXPORTER_ERROR_SIZE];
	uint64_t patience_ns;
};

static void property(struct rig *rig, const char *key, const char *value)
{
	struct setting_list *list = &rig->settings.kafka_properties;

	assert_true(list->count < PROPERTIES_MAX);
	rig->properties[list->count] = (struct setting_item){
		.key = (char *)key, .value = (char *)value, .line = 10 + (unsigned)list->count};
	list->items = rig->properties;
	list->count++;
}

// A cluster of one broker and settings that point there; the exporter is not open yet.
static struct rig *rig_new(void)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	char error[256];

	assert_non_null(rig);
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_conf_set(conf, "log_level", "0", NULL, 0);
	rig->host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof(error));
	assert_non_null(rig->host);
	rig->mock = rd_kafka_mock_cluster_new(rig->host, 1);
	assert_non_null(rig->mock);
	rig->settings = (struct settings){
		.path = (char *)"weir.yaml",
		.brokers = (char *)rd_kafka_mock_cluster_bootstraps(rig->mock),
		.topic_prefix = (char *)"weir.",
		.rows_per_message = 1,
		.batches = 16,
	};
	static const char *const topics[] = {"flows", "clients", "usage", "health", "erasures"};
	for (size_t i = 0; i < ARRAY_COUNT(topics); i++) {
		char name[64];
		snprintf(name, sizeof(name), "weir.%s", topics[i]);
		rd_kafka_mock_topic_create(rig->mock, name, 1, 1);
	}
	property(rig, "linger.ms", "5");
	property(rig, "reconnect.backoff.ms", "50");
	property(rig, "reconnect.backoff.max.ms", "100");
	return rig;
}

static uint64_t wall_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void rig_open(struct rig *rig)
{
	static const uint8_t policy[32];
	static const struct record_identity identity;
	const struct exporter_config config = {.settings = &rig->settings,
		.identity = &identity,
		.policy_sha256 = policy,
		.patience_ns = rig->patience_ns,
		.done = &rig->done};

	const uint64_t before = wall_ns();
	int err = kafka_exporter_ops.open(&rig->exporter, &config, rig->error);
	if (err)
		fail_msg("open: %d: %s", err, rig->error);
	assert_true(wall_ns() - before < NS_PER_S); // packets come in meanwhile
	assert_true(kafka_exporter_ops.idle(rig->exporter, false)); // the thread's first turn
}

static void rig_close(struct rig *rig)
{
	kafka_exporter_ops.close(rig->exporter);
	rig->exporter = NULL;
}

static void rig_free(struct rig *rig)
{
	rig_close(rig);
	rd_kafka_mock_cluster_destroy(rig->mock);
	rd_kafka_destroy(rig->host);
	free(rig);
}

static struct batch *batch_new(enum record_type type)
{
	struct batch *batch = calloc(1, sizeof(*batch));

	assert_non_null(batch);
	batch->capacity = 1 << 22;
	batch->bytes = calloc(1, batch->capacity);
	assert_non_null(batch->bytes);
	batch->type = (uint8_t)type;
	return batch;
}

static void batch_free(struct batch *batch)
{
	free(batch->bytes);
	free(batch);
}

static uint32_t put(struct batch *batch, const void *bytes, size_t len)
{
	uint32_t at = batch->size;

	assert_true(at + len <= batch->capacity);
	memcpy(batch->bytes + at, bytes, len);
	batch->size += (uint32_t)len;
	return at;
}

static void row(struct batch *batch, const char *key, const char *value, uint64_t time_ns)
{
	struct batch_row *r = &batch->rows[batch->count++];

	r->key_len = key != NULL ? (uint32_t)strlen(key) : 0;
	r->key_offset = put(batch, key, r->key_len);
	r->len = (uint32_t)strlen(value);
	r->offset = put(batch, value, r->len);
	r->time_ns = time_ns;
}

// `count` rows "NAME-0", "NAME-1" ... under the keys "k0", "k1", "k2".
static struct batch *batch_of(enum record_type type, const char *name, unsigned count)
{
	struct batch *batch = batch_new(type);

	for (unsigned i = 0; i < count; i++) {
		char key[16], value[64];
		snprintf(key, sizeof(key), "k%u", i % 3);
		snprintf(value, sizeof(value), "%s-%u;", name, i);
		row(batch, key, value, wall_ns());
	}
	return batch;
}

// Turns as the export thread does, until everything is done; false after `seconds`.
static bool settle(struct rig *rig, double seconds)
{
	const uint64_t deadline = wall_ns() + (uint64_t)(seconds * 1e9);

	while (!kafka_exporter_ops.idle(rig->exporter, true)) {
		if (wall_ns() > deadline)
			return false;
		kafka_exporter_ops.poll(rig->exporter, 10);
	}
	kafka_exporter_ops.poll(rig->exporter, 0);
	return true;
}

static void submit(struct rig *rig, struct batch *batch)
{
	int err;

	while ((err = kafka_exporter_ops.submit(rig->exporter, batch)) == -EAGAIN)
		kafka_exporter_ops.poll(rig->exporter, 10);
	assert_int_equal(err, 0);
}

static uint64_t lost_in_all(const struct export_done *done)
{
	uint64_t sum = 0;

	for (int type = 0; type < RECORD_TYPE_COUNT; type++)
		for (int cause = 0; cause < LOST_CAUSE_COUNT; cause++)
			sum += done->lost[type][cause];
	return sum;
}

static void assert_said(const struct rig *rig, const char *word)
{
	if (strstr(rig->done.said, word) == NULL)
		fail_msg("\"%s\" is not in what the operator was told:\n%s", word, rig->done.said);
}

// Everything in one topic, in order.
struct message {
	char key[64];
	char value[ROW_MAX];
	bool empty; // no value at all
	int64_t time_ms;
};

static unsigned consume(struct rig *rig, const char *topic, struct message *ret, unsigned max)
{
	char error[256];
	unsigned count = 0;
	rd_kafka_conf_t *conf = rd_kafka_conf_new();

	rd_kafka_conf_set(conf, "bootstrap.servers", rig->settings.brokers, NULL, 0);
	rd_kafka_conf_set(conf, "group.id", "test", NULL, 0);
	rd_kafka_conf_set(conf, "enable.partition.eof", "true", NULL, 0);
	rd_kafka_conf_set(conf, "auto.offset.reset", "earliest", NULL, 0);
	rd_kafka_t *consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, sizeof(error));
	assert_non_null(consumer);
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_list_add(list, topic, 0)->offset = RD_KAFKA_OFFSET_BEGINNING;
	assert_int_equal(rd_kafka_assign(consumer, list), 0);
	for (bool more = true; more;) {
		rd_kafka_message_t *m = rd_kafka_consumer_poll(consumer, 10000);
		assert_non_null(m);
		if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
			more = false;
		} else {
			assert_int_equal(m->err, 0);
			assert_true(count < max && m->len < ROW_MAX);
			struct message *to = &ret[count++];
			*to = (struct message){
				.empty = m->payload == NULL,
				.time_ms = rd_kafka_message_timestamp(m, NULL),
			};
			memcpy(to->key, m->key, m->key_len);
			memcpy(to->value, m->payload != NULL ? m->payload : "", m->len);
		}
		rd_kafka_message_destroy(m);
	}
	rd_kafka_topic_partition_list_destroy(list);
	rd_kafka_destroy_flags(consumer, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	return count;
}

static void test_rows_arrive_once_with_key_and_time(void **state)
{
	struct rig *rig = rig_new();
	struct batch *flows = batch_of(RECORD_FLOW, "flow", 1000);
	struct batch *clients = batch_new(RECORD_CLIENT), *none = batch_new(RECORD_USAGE);
	static struct message got[1100];
	const uint64_t now = wall_ns(), earlier = now - 3600 * NS_PER_S;
	struct exporter_stats stats;

	(void)state;
	row(clients, "home/0011", "a client", earlier);
	row(clients, "home/0022", "another", now);
	row(clients, "home/0011", "", now);
	rig_open(rig);
	submit(rig, flows);
	submit(rig, clients);
	submit(rig, none);
	kafka_exporter_ops.stats(rig->exporter, &stats);
	assert_true(stats.up);
	assert_int_equal(stats.in_flight, 1003);
	assert_true(settle(rig, 20));
	assert_int_equal(rig->done.delivered[RECORD_FLOW], 1000);
	assert_int_equal(rig->done.delivered[RECORD_CLIENT], 3);
	assert_int_equal(lost_in_all(&rig->done), 0);
	assert_int_equal(rig->done.batches_back, 3);
	assert_string_equal(rig->done.said, "");
	kafka_exporter_ops.stats(rig->exporter, &stats);
	assert_int_equal(stats.in_flight, 0);
	assert_true(stats.bytes_raw > 8000);
	assert_true(stats.bytes_sent > 0 && stats.bytes_sent < stats.bytes_raw); // compressed

	assert_int_equal(consume(rig, "weir.flows", got, ARRAY_COUNT(got)), 1000);
	for (unsigned i = 0; i < 1000; i++) {
		char value[64], key[16];
		snprintf(value, sizeof(value), "flow-%u;", i);
		snprintf(key, sizeof(key), "k%u", i % 3);
		assert_string_equal(got[i].value, value);
		assert_string_equal(got[i].key, key);
	}
	assert_int_equal(consume(rig, "weir.clients", got, ARRAY_COUNT(got)), 3);
	assert_string_equal(got[0].key, "home/0011");
	assert_string_equal(got[0].value, "a client");
	assert_int_equal(got[0].time_ms, earlier / NS_PER_MS);
	assert_int_equal(got[1].time_ms, now / NS_PER_MS);
	assert_false(got[1].empty);
	assert_true(got[2].empty); // the tombstone
	rig_free(rig);
	batch_free(flows);
	batch_free(clients);
	batch_free(none);
}

// Those that kafka.brokers does not name as well: the cluster names them.
static void test_connections_are_noted(void **state)
{
	struct rig *rig = rig_new();
	struct batch *batch = batch_of(RECORD_FLOW, "flow", 10);
	const char *all;
	char first[64];

	(void)state;
	rd_kafka_mock_cluster_destroy(rig->mock);
	rig->mock = rd_kafka_mock_cluster_new(rig->host, 2);
	rd_kafka_mock_topic_create(rig->mock, "weir.flows", 1, 1);
	rd_kafka_mock_partition_set_leader(rig->mock, "weir.flows", 0, 2);
	all = rd_kafka_mock_cluster_bootstraps(rig->mock);
	snprintf(first, sizeof(first), "%.*s", (int)strcspn(all, ","), all);
	rig->settings.brokers = first;
	const uint32_t before = own_connections_count();
	rig_open(rig);
	submit(rig, batch);
	assert_true(settle(rig, 20));
	assert_int_equal(rig->done.delivered[RECORD_FLOW], 10);
	unsigned found = 0;
	for (uint32_t i = before; i < own_connections_count(); i++) {
		const struct own_connection *c = own_connections_at(i);
		char peer[64];
		assert_false(c->ip6);
		assert_memory_equal(c->local, ((uint8_t[]){127, 0, 0, 1}), 4);
		snprintf(peer, sizeof(peer), "%u.%u.%u.%u:%u", c->peer[0], c->peer[1], c->peer[2],
			c->peer[3], c->port);
		assert_non_null(strstr(all, peer));
		found++;
	}
	assert_int_equal(found, 2);
	rig_free(rig);
	batch_free(batch);
}

static void test_full_queue_makes_the_caller_wait(void **state)
{
	struct rig *rig = rig_new();
	struct batch *first = batch_of(RECORD_FLOW, "first", 500);
	struct batch *second = batch_of(RECORD_FLOW, "second", 500);
	static struct message got[1001];

	(void)state;
	property(rig, "queue.buffering.max.messages", "20");
	rig_open(rig);
	assert_int_equal(kafka_exporter_ops.submit(rig->exporter, first), 0);
	assert_int_equal(kafka_exporter_ops.submit(rig->exporter, second), -EAGAIN);
	assert_false(kafka_exporter_ops.idle(rig->exporter, false));
	submit(rig, second);
	assert_true(settle(rig, 30));
	assert_int_equal(rig->done.delivered[RECORD_FLOW], 1000);
	assert_int_equal(lost_in_all(&rig->done), 0);
	assert_int_equal(rig->done.batches_back, 2);
	assert_int_equal(consume(rig, "weir.flows", got, ARRAY_COUNT(got)), 1000);
	assert_string_equal(got[499].value, "first-499;");
	assert_string_equal(got[500].value, "second-0;");
	rig_free(rig);
	batch_free(first);
	batch_free(second);
}

static void test_more_batches_than_promised_wait(void **state)
{
	struct rig *rig = rig_new();
	struct batch *batches[6];

	(void)state;
	rig->settings.batches = 2;
	rig_open(rig);
	for (unsigned i = 0; i < 6; i++)
		batches[i] = batch_of(RECORD_USAGE, "usage", 5);
	for (unsigned i = 0; i < 2 + BATCHES_FOR_HEALTH; i++)
		assert_int_equal(kafka_exporter_ops.submit(rig->exporter, batches[i]), 0);
	assert_int_equal(kafka_exporter_ops.submit(rig->exporter, batches[4]), -EAGAIN);
	submit(rig, batches[4]);
	submit(rig, batches[5]);
	assert_true(settle(rig, 20));
	assert_int_equal(rig->done.delivered[RECORD_USAGE], 30);
	rig_free(rig);
	for (unsigned i = 0; i < 6; i++)
		batch_free(batches[i]);
}

static void test_passing_errors_are_tried_again(void **state)
{
	struct rig *rig = rig_new();
	struct batch *batch = batch_of(RECORD_HEALTH, "health", 10);
	static struct message got[20];

	(void)state;
	rig_open(rig);
	rd_kafka_mock_push_request_errors(rig->mock, PRODUCE, 2,
		RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS);
	submit(rig, batch);
	assert_true(settle(rig, 20));
	assert_int_equal(rig->done.delivered[RECORD_HEALTH], 10);
	assert_int_equal(lost_in_all(&rig->done), 0);
	assert_int_equal(consume(rig, "weir.health", got, ARRAY_COUNT(got)), 10);
	rig_free(rig);
	batch_free(batch);
}

static void test_refused_rows_are_lost_and_said(void **state)
{
	static const struct {
		rd_kafka_resp_err_t err;
		enum lost_cause cause;
		const char *word;
	} cases[] = {
		{RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, LOST_BROKER, "grant it Write"},
		{RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP, LOST_BROKER, "clock"},
		{RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, LOST_TOO_LARGE, "max.message.bytes"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct rig *rig = rig_new();
		struct batch *bad = batch_of(RECORD_FLOW, "bad", 50);
		struct batch *good = batch_of(RECORD_FLOW, "good", 7);
		rig_open(rig);
		rd_kafka_mock_push_request_errors(rig->mock, PRODUCE, 1, cases[i].err);
		submit(rig, bad);
		assert_true(settle(rig, 20));
		assert_int_equal(rig->done.lost[RECORD_FLOW][cases[i].cause], 50);
		assert_int_equal(lost_in_all(&rig->done), 50);
		assert_said(rig, "topic \"weir.flows\"");
		assert_said(rig, cases[i].word);
		assert_true(rig->done.errors <= 2); // not one a row
		for (int turn = 0; turn < 100; turn++) // librdkafka asks for the topic anew
			kafka_exporter_ops.poll(rig->exporter, 10);
		submit(rig, good);
		assert_true(settle(rig, 20));
		assert_int_equal(rig->done.delivered[RECORD_FLOW], 7);
		assert_int_equal(rig->done.batches_back, 2);
		rig_free(rig);
		batch_free(bad);
		batch_free(good);
	}
}

static void test_row_larger_than_a_message_is_lost_alone(void **state)
{
	struct rig *rig = rig_new();
	struct batch *batch = batch_new(RECORD_FLOW);
	char large[3000];

	(void)state;
	memset(large, 'x', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	row(batch, "k", "small", wall_ns());
	row(batch, "k", large, wall_ns());
	row(batch, "k", "small again", wall_ns());
	property(rig, "message.max.bytes", "1500");
	rig_open(rig);
	submit(rig, batch);
	assert_true(settle(rig, 20));
	assert_int_equal(rig->done.delivered[RECORD_FLOW], 2);
	assert_int_equal(rig->done.lost[RECORD_FLOW][LOST_TOO_LARGE], 1);
	assert_int_equal(rig->done.batches_back, 1);
	assert_said(rig, "message.max.bytes");
	rig_free(rig);
	batch_free(batch);
}

static void test_missing_topic_is_said_at_start(void **state)
{
	struct rig *rig = rig_new();
	struct batch *batch = batch_of(RECORD_USAGE, "usage", 3);

	(void)state;
	rd_kafka_mock_topic_set_error(
		rig->mock, "weir.usage", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
	property(rig, "topic.metadata.propagation.max.ms", "300");
	rig_open(rig);
	assert_said(rig, "\"weir.usage\"");
	assert_said(rig, "kafka.topic_prefix");
	assert_null(strstr(rig->done.said, "weir.flows"));
	submit(rig, batch);
	assert_true(settle(rig, 20));
	assert_int_equal(rig->done.lost[RECORD_USAGE][LOST_BROKER], 3);
	rig_free(rig);
	batch_free(batch);
}

static void test_absent_cluster_does_not_stop_the_start(void **state)
{
	struct rig *rig = rig_new();
	struct batch *batch = batch_of(RECORD_FLOW, "flow", 100);
	struct exporter_stats stats;

	(void)state;
	rd_kafka_mock_broker_set_down(rig->mock, 1);
	const uint64_t before = wall_ns();
	rig_open(rig);
	assert_true(wall_ns() - before < 5 * NS_PER_S);
	assert_said(rig, rig->settings.brokers);
	assert_said(rig, "kafka.brokers");
	kafka_exporter_ops.stats(rig->exporter, &stats);
	assert_false(stats.up);
	submit(rig, batch);
	assert_false(settle(rig, 0.5));
	assert_int_equal(rig->done.delivered[RECORD_FLOW], 0);

	assert_int_equal(rd_kafka_mock_broker_set_up(rig->mock, 1), 0);
	assert_true(settle(rig, 20));
	assert_int_equal(rig->done.delivered[RECORD_FLOW], 100);
	assert_int_equal(lost_in_all(&rig->done), 0);
	assert_said(rig, "It is over.");
	kafka_exporter_ops.stats(rig->exporter, &stats);
	assert_true(stats.up);
	rig_free(rig);
	batch_free(batch);
}

static void test_close_gives_up_what_is_left(void **state)
{
	struct rig *rig = rig_new();
	struct batch *first = batch_of(RECORD_FLOW, "first", 100);
	struct batch *second = batch_of(RECORD_USAGE, "second", 40);

	(void)state;
	property(rig, "queue.buffering.max.messages", "120"); // the second is handed over in part
	rig_open(rig);
	rd_kafka_mock_broker_set_down(rig->mock, 1);
	submit(rig, first);
	submit(rig, second);
	const uint64_t before = wall_ns();
	rig_close(rig);
	assert_true(wall_ns() - before < 5 * NS_PER_S);
	assert_int_equal(rig->done.lost[RECORD_FLOW][LOST_SHUTDOWN], 100);
	assert_int_equal(rig->done.lost[RECORD_USAGE][LOST_SHUTDOWN], 40);
	assert_int_equal(lost_in_all(&rig->done), 140);
	assert_int_equal(rig->done.batches_back, 2);
	rig_free(rig);
	batch_free(first);
	batch_free(second);
}

static void test_rows_that_wait_too_long_are_lost(void **state)
{
	(void)state;
	for (int away = 0; away < 2; away++) {
		struct rig *rig = rig_new();
		struct batch *batch = batch_of(RECORD_FLOW, "flow", 20);
		property(rig, "message.timeout.ms", "700");
		rig_open(rig);
		if (away)
			rd_kafka_mock_broker_set_down(rig->mock, 1);
		else
			rd_kafka_mock_broker_set_rtt(rig->mock, 1, 5000);
		submit(rig, batch);
		assert_true(settle(rig, 20));
		assert_int_equal(rig->done.lost[RECORD_FLOW][LOST_BROKER], 20);
		assert_int_equal(rig->done.batches_back, 1);
		assert_said(rig, away ? "no broker answers" : "timed out");
		rig_free(rig);
		batch_free(batch);
	}
}

// A run over files ends when rows waited for so long and none was taken; it does not where none
// wait.
static void test_patience_ends(void **state)
{
	struct rig *rig = rig_new();
	struct batch *batches[3];

	(void)state;
	rig->patience_ns = NS_PER_S;
	property(rig, "queue.buffering.max.messages", "120"); // the second is handed over in part
	rig_open(rig);
	assert_int_equal(rig->done.errors, 0);
	for (unsigned i = 0; i < 3; i++)
		batches[i] = batch_of(RECORD_FLOW, "flow", 100);
	submit(rig, batches[0]);
	assert_true(settle(rig, 20));
	for (int turn = 0; turn < 150; turn++) // nothing waits: nothing is waited for
		kafka_exporter_ops.poll(rig->exporter, 10);
	assert_false(rig->done.gone);

	rd_kafka_mock_broker_set_down(rig->mock, 1);
	const uint64_t before = wall_ns();
	submit(rig, batches[1]);
	submit(rig, batches[2]);
	assert_true(settle(rig, 20));
	assert_true(wall_ns() - before >= NS_PER_S && wall_ns() - before < 4 * NS_PER_S);
	assert_true(rig->done.gone);
	assert_said(rig, "the run waits up to 1 s (kafka.patience)");
	assert_said(rig, "took no row for 1 s (kafka.patience): the run ends");
	assert_int_equal(rig->done.delivered[RECORD_FLOW], 100);
	assert_int_equal(rig->done.lost[RECORD_FLOW][LOST_BROKER], 200);
	assert_int_equal(rig->done.batches_back, 3);

	// What still comes is lost at once, and nothing more is said.
	const uint32_t errors = rig->done.errors;
	struct batch *late = batch_of(RECORD_HEALTH, "health", 1);
	assert_int_equal(kafka_exporter_ops.submit(rig->exporter, late), 0);
	assert_true(kafka_exporter_ops.idle(rig->exporter, true));
	assert_int_equal(rig->done.lost[RECORD_HEALTH][LOST_BROKER], 1);
	assert_int_equal(lost_in_all(&rig->done), 201);
	rig_close(rig);
	assert_int_equal(rig->done.errors, errors);
	rig_free(rig);
	batch_free(late);
	for (unsigned i = 0; i < 3; i++)
		batch_free(batches[i]);
}

static void test_dead_producer_is_replaced(void **state)
{
	struct rig *rig = rig_new();
	struct batch *bad = batch_of(RECORD_FLOW, "bad", 30);
	struct batch *good = batch_of(RECORD_FLOW, "good", 30);

	(void)state;
	property(rig, "enable.gapless.guarantee", "true"); // a row that fails ends the producer
	rig_open(rig);
	rd_kafka_mock_push_request_errors(
		rig->mock, PRODUCE, 1, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
	submit(rig, bad);
	assert_true(settle(rig, 20));
	assert_int_equal(rig->done.lost[RECORD_FLOW][LOST_BROKER], 30);
	assert_said(rig, "begins anew");
	assert_null(strstr(rig->done.said, "It is over."));
	submit(rig, good);
	assert_true(settle(rig, 20));
	assert_said(rig, "It is over.");
	assert_int_equal(rig->done.delivered[RECORD_FLOW], 30);
	assert_int_equal(lost_in_all(&rig->done), 30);
	assert_int_equal(rig->done.batches_back, 2);
	rig_free(rig);
	batch_free(bad);
	batch_free(good);
}

// A cluster that ends every producer, as for want of IdempotentWrite, takes no rows either:
// patience ends over all of them together.
static void test_patience_ends_with_dead_producers(void **state)
{
	enum { BATCHES = 16 };
	struct rig *rig = rig_new();
	struct batch *batches[BATCHES];
	unsigned sent = 0;

	(void)state;
	rig->patience_ns = 6 * NS_PER_S; // longer than a dead producer is not replaced
	property(rig, "enable.gapless.guarantee", "true");
	rig_open(rig);
	for (unsigned i = 0; i < BATCHES; i++)
		rd_kafka_mock_push_request_errors(
			rig->mock, PRODUCE, 1, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
	const uint64_t before = wall_ns();
	while (!rig->done.gone && wall_ns() - before < 60 * NS_PER_S) {
		if (kafka_exporter_ops.idle(rig->exporter, false)) {
			assert_true(sent < BATCHES);
			batches[sent] = batch_of(RECORD_FLOW, "flow", 10);
			submit(rig, batches[sent++]);
		}
		kafka_exporter_ops.poll(rig->exporter, 10);
	}
	assert_true(rig->done.gone);
	assert_true(sent >= 3); // the second and the third died as well
	assert_said(rig, "begins anew");
	assert_said(rig, "took no row for 6 s (kafka.patience): the run ends");
	assert_int_equal(rig->done.lost[RECORD_FLOW][LOST_BROKER], 10 * sent);
	assert_int_equal(rig->done.batches_back, sent);
	rig_free(rig);
	while (sent > 0)
		batch_free(batches[--sent]);
}

// The time in which nobody had rows is not counted, though a producer died at its beginning.
static void test_nothing_waits_after_a_dead_producer(void **state)
{
	struct rig *rig = rig_new();
	struct batch *batches[3];

	(void)state;
	rig->patience_ns = 2 * NS_PER_S;
	property(rig, "enable.gapless.guarantee", "true");
	rig_open(rig);
	rd_kafka_mock_broker_set_rtt(rig->mock, 1, 100); // rows are seen to wait
	for (unsigned i = 0; i < 3; i++) {
		if (i < 2)
			rd_kafka_mock_push_request_errors(rig->mock, PRODUCE, 1,
				RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
		else
			nanosleep(&(struct timespec){.tv_sec = 6}, NULL);
		batches[i] = batch_of(RECORD_FLOW, "flow", 10);
		submit(rig, batches[i]);
		assert_true(settle(rig, 20));
	}
	assert_false(rig->done.gone);
	assert_int_equal(rig->done.lost[RECORD_FLOW][LOST_BROKER], 20);
	assert_int_equal(rig->done.delivered[RECORD_FLOW], 10);
	rig_free(rig);
	for (unsigned i = 0; i < 3; i++)
		batch_free(batches[i]);
}

static void test_several_rows_a_message_share_a_key(void **state)
{
	struct rig *rig = rig_new();
	struct batch *flows = batch_of(RECORD_FLOW, "f", 25),
		     *clients = batch_of(RECORD_CLIENT, "c", 6);
	static struct message got[40];

	(void)state;
	rig->settings.rows_per_message = 4;
	rig_open(rig);
	submit(rig, flows);
	submit(rig, clients);
	assert_true(settle(rig, 20));
	assert_int_equal(rig->done.delivered[RECORD_FLOW], 25);
	assert_int_equal(rig->done.delivered[RECORD_CLIENT], 6);
	// 9, 8 and 8 rows of the keys, four at most together.
	assert_int_equal(consume(rig, "weir.flows", got, ARRAY_COUNT(got)), 7);
	assert_string_equal(got[0].key, "k0");
	assert_string_equal(got[0].value, "f-0;f-3;f-6;f-9;");
	assert_string_equal(got[2].key, "k0");
	assert_string_equal(got[2].value, "f-24;");
	assert_string_equal(got[3].key, "k1");
	assert_string_equal(got[3].value, "f-1;f-4;f-7;f-10;");
	assert_string_equal(got[6].key, "k2");
	assert_string_equal(got[6].value, "f-14;f-17;f-20;f-23;");
	assert_int_equal(consume(rig, "weir.clients", got, ARRAY_COUNT(got)), 6); // one by one
	rig_free(rig);
	batch_free(flows);
	batch_free(clients);
}

// All that is wrong, in the order of the file.
static void check(struct rig *rig, char *ret_text, size_t size)
{
	struct problems problems = {0};

	kafka_exporter_ops.check(&rig->settings, &problems);
	size_t used = 0;
	ret_text[0] = '\0';
	for (size_t i = 0; i < problems.count; i++)
		used += (size_t)snprintf(ret_text + used, size - used, "%s\n", problems.lines[i]);
	problems_fini(&problems);
}

static void test_wrong_properties_are_all_named(void **state)
{
	struct rig *rig = rig_new();
	char text[4096];

	(void)state;
	check(rig, text, sizeof(text));
	assert_string_equal(text, "");
	property(rig, "compresion.type", "zstd");
	property(rig, "linger.ms", "soon");
	property(rig, "bootstrap.servers", "127.0.0.1:1");
	check(rig, text, sizeof(text));
	assert_string_equal(text,
		"weir.yaml:13: kafka.properties: compresion.type: No such configuration property: "
		"\"compresion.type\"\n"
		"weir.yaml:14: kafka.properties: linger.ms: Invalid value for configuration "
		"property \"queue.buffering.max.ms\"\n"
		"weir.yaml:15: kafka.properties: bootstrap.servers: is set by kafka.brokers\n");

	// Nor is it opened.
	const struct exporter_config config = {.settings = &rig->settings, .done = &rig->done};
	assert_int_equal(kafka_exporter_ops.open(&rig->exporter, &config, rig->error), -EINVAL);
	assert_null(rig->exporter);
	assert_non_null(strstr(rig->error, "compresion.type"));
	rig_free(rig);
}

static void test_properties_that_do_not_go_together_are_named(void **state)
{
	struct rig *rig = rig_new();
	char text[4096];

	(void)state;
	property(rig, "acks", "1");
	check(rig, text, sizeof(text));
	assert_non_null(strstr(text, "kafka.properties: "));
	assert_non_null(strstr(text, "`acks` must be set to `all`"));
	rig->settings.kafka_properties.count--;
	property(rig, "auto.offset.reset", "earliest");
	check(rig, text, sizeof(text));
	assert_string_equal(text,
		"weir.yaml:13: kafka.properties: auto.offset.reset: is a consumer's property, "
		"Weir is a producer\n");
	rig->settings.kafka_properties.count--;
	property(rig, "security.protocol", "SSL");
	property(rig, "ssl.ca.location", "/nonexistent/ca.pem");
	check(rig, text, sizeof(text));
	assert_non_null(strstr(text, "ssl.ca.location"));
	rig_free(rig);
}

static void test_brokers_are_checked(void **state)
{
	static const struct {
		const char *brokers;
		bool valid;
	} cases[] = {
		{"127.0.0.1:9092", true},
		{"kafka", true},
		{"a.example:9092, b.example:9093", true},
		{"SASL_SSL://a.example:9093,[2001:db8::1]:9092", true},
		{"a.example:90920", false},
		{"a.example:", false},
		{"a.example:http", false},
		{"a.example:0", false},
		{":9092", false},
		{"a.example:9092,", false},
		{"a example:9092", false},
	};
	char text[1024];

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct rig *rig = rig_new();
		rig->settings.brokers = (char *)cases[i].brokers;
		check(rig, text, sizeof(text));
		if ((text[0] == '\0') != cases[i].valid)
			fail_msg("\"%s\": \"%s\"", cases[i].brokers, text);
		if (!cases[i].valid)
			assert_non_null(strstr(text, "kafka.brokers"));
		rig->settings.brokers = (char *)"a:1";
		rig->settings.topic_prefix = (char *)"my weir/";
		check(rig, text, sizeof(text));
		assert_non_null(strstr(text, "kafka.topic_prefix"));
		rig_free(rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_arrive_once_with_key_and_time),
		cmocka_unit_test(test_connections_are_noted),
		cmocka_unit_test(test_full_queue_makes_the_caller_wait),
		cmocka_unit_test(test_more_batches_than_promised_wait),
		cmocka_unit_test(test_passing_errors_are_tried_again),
		cmocka_unit_test(test_refused_rows_are_lost_and_said),
		cmocka_unit_test(test_row_larger_than_a_message_is_lost_alone),
		cmocka_unit_test(test_missing_topic_is_said_at_start),
		cmocka_unit_test(test_absent_cluster_does_not_stop_the_start),
		cmocka_unit_test(test_close_gives_up_what_is_left),
		cmocka_unit_test(test_rows_that_wait_too_long_are_lost),
		cmocka_unit_test(test_patience_ends),
		cmocka_unit_test(test_dead_producer_is_replaced),
		cmocka_unit_test(test_patience_ends_with_dead_producers),
		cmocka_unit_test(test_nothing_waits_after_a_dead_producer),
		cmocka_unit_test(test_several_rows_a_message_share_a_key),
		cmocka_unit_test(test_wrong_properties_are_all_named),
		cmocka_unit_test(test_properties_that_do_not_go_together_are_named),
		cmocka_unit_test(test_brokers_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
