// What Weir itself sends to its brokers is not collected: what can be told of that before a
// connection is made. What is connected to is known from core/base/own_connections.h.
#include "core/shard/own_traffic.h"

#include "core/base/compiler.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <string.h>

enum { FILTER_MAX = 16384, KAFKA_PORT = 9092 };

struct text {
	char bytes[FILTER_MAX];
	size_t used;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *text, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int wrote =
		vsnprintf(text->bytes + text->used, sizeof(text->bytes) - text->used, format, args);
	va_end(args);
	if (wrote > 0)
		text->used = MIN(text->used + (size_t)wrote, sizeof(text->bytes) - 1);
}

// "host:port, [v6]:port, PROTOCOL://host": the port of each, as librdkafka reads the list.
static void add_ports(struct text *text, const char *brokers)
{
	const char *joint = "";

	while (*brokers != '\0') {
		size_t len = strcspn(brokers, ",");
		const char *colon = memrchr(brokers, ':', len);
		unsigned long port = KAFKA_PORT;
		if (colon != NULL && colon[1] >= '0' && colon[1] <= '9' &&
			memchr(colon, ']', len - (size_t)(colon - brokers)) == NULL)
			port = strtoul(colon + 1, NULL, 10);
		add(text, "%sport %lu", joint, port);
		joint = " or ";
		brokers += len + (brokers[len] == ',');
	}
}

// Every address of this host; the link's zone is not part of a filter.
static int add_hosts(struct text *text)
{
	struct ifaddrs *all;
	const char *joint = "";
	char name[INET6_ADDRSTRLEN];

	if (getifaddrs(&all) != 0)
		return -errno;
	for (const struct ifaddrs *a = all; a != NULL; a = a->ifa_next) {
		if (a->ifa_addr == NULL)
			continue;
		const void *ip = NULL;
		if (a->ifa_addr->sa_family == AF_INET)
			ip = &((struct sockaddr_in *)a->ifa_addr)->sin_addr;
		else if (a->ifa_addr->sa_family == AF_INET6)
			ip = &((struct sockaddr_in6 *)a->ifa_addr)->sin6_addr;
		if (ip == NULL || inet_ntop(a->ifa_addr->sa_family, ip, name, sizeof(name)) == NULL)
			continue;
		add(text, "%shost %s", joint, name);
		joint = " or ";
	}
	freeifaddrs(all);
	return 0;
}

int own_traffic_exclude(struct settings *settings)
{
	struct text *text = calloc(1, sizeof(*text));
	const char *brokers = settings->brokers;

	if (text == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < settings->kafka_properties.count; i++) {
		const struct setting_item *item = &settings->kafka_properties.items[i];
		if (strcmp(item->key, "bootstrap.servers") == 0 ||
			strcmp(item->key, "metadata.broker.list") == 0)
			brokers = item->value;
	}
	if (settings->filter[0] != '\0')
		add(text, "(%s) and ", settings->filter);
	add(text, "not (tcp and (");
	add_ports(text, brokers);
	add(text, ") and (");
	int err = add_hosts(text);
	add(text, "))");
	if (!err && text->used == sizeof(text->bytes) - 1)
		err = -E2BIG;
	if (!err) {
		free(settings->filter);
		settings->filter = strdup(text->bytes);
		err = settings->filter == NULL ? -ENOMEM : 0;
	}
	free(text);
	return err;
}
