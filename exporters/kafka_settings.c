// The settings of kafka.*: properties, brokers, topics.
#include "exporters/kafka_settings.h"

#include <inttypes.h>
#include <string.h>

#define MESSAGE_TIMEOUT_NS (300 * NS_PER_S) // librdkafka's own
enum { PAST_PATIENCE_MS = 1000 }; // how much longer than the run is patient a row lives

const char *const kafka_topic_names[RECORD_TYPE_COUNT] = {
	[RECORD_FLOW] = "flows",
	[RECORD_CLIENT] = "clients",
	[RECORD_USAGE] = "usage",
	[RECORD_HEALTH] = "health",
	[RECORD_ERASURE] = "erasures",
};

// Set before the operator's properties, which may change them.
static const char *const defaults[][2] = {
	{"client.id", "weir"},
	{"enable.idempotence", "true"},
	{"acks", "all"},
	{"compression.codec", "zstd"},
	{"linger.ms", "100"}, // rows of a batch are a second old; larger messages compress better
	{"batch.num.messages", "10000"},
	{"queue.buffering.max.messages", "100000"},
	// A topic that is not there is told after 5 s and not after 30: sooner than a run over a
	// file gives up waiting.
	{"topic.metadata.propagation.max.ms", "5000"},
};

// Properties that would take the ground from under the exporter.
static const char *const refused[][2] = {
	{"bootstrap.servers", "is set by kafka.brokers"},
	{"metadata.broker.list", "is set by kafka.brokers"},
	{"delivery.report.only.error", "would leave delivered rows uncounted"},
	{"transactional.id", "is not supported: rows are sent idempotently, without transactions"},
};

// Sets one of the operator's properties; `ret_error` gets librdkafka's words when it cannot be.
static bool property_set(
	rd_kafka_conf_t *conf, const struct setting_item *item, char *ret_error, size_t error_size)
{
	for (size_t i = 0; i < ARRAY_COUNT(refused); i++) {
		if (strcmp(item->key, refused[i][0]) == 0) {
			snprintf(ret_error, error_size, "%s", refused[i][1]);
			return false;
		}
	}
	return rd_kafka_conf_set(conf, item->key, item->value, ret_error, error_size) ==
		RD_KAFKA_CONF_OK;
}

rd_kafka_conf_t *kafka_conf_new(
	const struct settings *settings, uint64_t patience_ns, struct problems *problems)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	const struct setting_list *properties = &settings->kafka_properties;
	char error[EXPORTER_ERROR_SIZE];

	for (size_t i = 0; i < ARRAY_COUNT(defaults); i++)
		REQUIRE(rd_kafka_conf_set(conf, defaults[i][0], defaults[i][1], error,
				sizeof(error)) == RD_KAFKA_CONF_OK);
	// Where a run has more patience than librdkafka, rows live as long as that.
	if (patience_ns > MESSAGE_TIMEOUT_NS) {
		char ms[32];
		snprintf(ms, sizeof(ms), "%" PRIu64, patience_ns / NS_PER_MS + PAST_PATIENCE_MS);
		REQUIRE(rd_kafka_conf_set(conf, "message.timeout.ms", ms, error, sizeof(error)) ==
			RD_KAFKA_CONF_OK);
	}
	for (size_t i = 0; i < properties->count; i++) {
		const struct setting_item *item = &properties->items[i];
		if (!property_set(conf, item, error, sizeof(error)))
			problems_add(problems, item->line > 0 ? settings->path : NULL, item->line,
				"kafka.properties: %s: %s", item->key, error);
	}
	return conf;
}

// "host:port", "[ip6]:port" or "protocol://host:port"; a port may be left out (9092).
static bool broker_valid(const char *text, size_t len)
{
	const char *end = text + len, *scheme = memmem(text, len, "://", 3);
	const char *host = scheme != NULL ? scheme + 3 : text;
	const char *bracket = memrchr(host, ']', (size_t)(end - host));
	const char *after = bracket != NULL ? bracket + 1 : host;
	const char *colon = memrchr(after, ':', (size_t)(end - after));
	unsigned long port = 0;

	if (memchr(host, ' ', (size_t)(end - host)) != NULL ||
		(colon != NULL ? colon : end) == host)
		return false;
	if (colon == NULL)
		return true;
	for (const char *digit = colon + 1; digit < end; digit++) {
		if (*digit < '0' || *digit > '9')
			return false;
		port = port * 10 + (unsigned long)(*digit - '0');
		if (port > 65535)
			return false;
	}
	return port > 0;
}

static void brokers_check(const struct settings *settings, struct problems *problems)
{
	for (const char *at = settings->brokers;;) {
		at += strspn(at, " ");
		size_t len = strcspn(at, ","), used = len;
		while (used > 0 && at[used - 1] == ' ')
			used--;
		if (!broker_valid(at, used))
			settings_complain(settings, "kafka.brokers", problems,
				"\"%.*s\" is not host:port with a port from 1 to 65535", (int)used,
				at);
		if (at[len] == '\0')
			return;
		at += len + 1;
	}
}

struct check {
	const struct settings *settings;
	struct problems *problems;
};

// librdkafka warns of a consumer's property and passes it over: to us it is an unknown one.
static void check_log(const rd_kafka_t *producer, int, const char *facility, const char *text)
{
	const struct check *check = rd_kafka_opaque(producer);
	const struct setting_list *properties = &check->settings->kafka_properties;

	// Said in rd_kafka_new(), by the caller's thread; anything else is another thread's.
	if (strcmp(facility, "CONFWARN") != 0 || strstr(text, "is a consumer property") == NULL)
		return;
	for (size_t i = 0; i < properties->count; i++) {
		const struct setting_item *item = &properties->items[i];
		char words[128];
		snprintf(words, sizeof(words), " %.100s is a ", item->key);
		if (strstr(text, words) != NULL)
			problems_add(check->problems, item->line > 0 ? check->settings->path : NULL,
				item->line,
				"kafka.properties: %s: is a consumer's property, Weir is a "
				"producer",
				item->key);
	}
}

void kafka_check(const struct settings *settings, struct problems *problems)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	const size_t before = problems->count;
	char error[EXPORTER_ERROR_SIZE];

	brokers_check(settings, problems);
	if (settings->topic_prefix[strspn(settings->topic_prefix, allowed)] != '\0')
		settings_complain(settings, "kafka.topic_prefix", problems,
			"\"%s\" may have letters, digits, '.', '_' and '-' only",
			settings->topic_prefix);
	rd_kafka_conf_t *conf = kafka_conf_new(settings, 0, problems);
	const bool wrong = problems->count > before;
	struct check check = {settings, problems};
	rd_kafka_conf_set_opaque(conf, &check);
	rd_kafka_conf_set_log_cb(conf, check_log);
	// Properties that do not go together, files of keys that cannot be read, and a consumer's
	// properties show only in a producer. Without a broker it sends nothing; without the
	// properties that are wrong, what it says of the others' company means nothing.
	rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof(error));
	if (producer == NULL) {
		if (!wrong)
			settings_complain(settings, "kafka.properties", problems, "%s", error);
		rd_kafka_conf_destroy(conf);
		return;
	}
	rd_kafka_destroy(producer);
}

bool kafka_debug_wanted(const struct settings *settings)
{
	for (size_t i = 0; i < settings->kafka_properties.count; i++)
		if (strcmp(settings->kafka_properties.items[i].key, "debug") == 0)
			return true;
	return false;
}
