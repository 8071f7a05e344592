// The summary at the end of a run, made from rows as they left and from counters.
#include "core/shard/summary.h"

#include "core/flow/flow.h"
#include "core/record/read.h"
#include "core/schema/schema.h"
#include "core/shard/process.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum {
	CLIENTS_MAX = 24576, // what comes beyond is only counted
	CLIENTS_SLOTS = 1 << 16, // power of two
	SLOT_INDEX = (1 << 15) - 1, // of a slot; above it stands some of the key
	APPLICATIONS_MAX = 512,
	TEXT_SIZE = 48,
	APPLICATIONS_SLOTS = 2048, // power of two
	TOP_CLIENTS = 20,
	TOP_APPLICATIONS = 10,
};

struct seen_client {
	uint8_t key[16];
	uint64_t bytes_up, bytes_down, flows;
	char name[TEXT_SIZE], vendor[TEXT_SIZE];
	uint8_t mac[6];
	bool has_mac;
};

struct seen_application {
	uint8_t name[TEXT_SIZE]; // as it stands in the row, its first octets
	size_t len; // in the row
	uint64_t bytes, flows;
};

struct summary {
	struct seen_client *clients; // CLIENTS_MAX
	uint32_t *slots; // 1 + index of a client below some of its key, or 0
	uint32_t client_count;
	uint64_t clients_more; // rows of clients for which there was no place
	struct seen_application applications[APPLICATIONS_MAX];
	uint16_t application_slots[APPLICATIONS_SLOTS]; // 1 + index of one, or 0
	uint32_t application_count;
	struct read_wanted of_client, of_usage;
};
static_assert((int)APPLICATIONS_MAX < (int)APPLICATIONS_SLOTS);

// Names come from the network: nothing that a terminal would obey. Rows are UTF-8: C1 controls are
// two octets there, C2 80 to C2 9F, and what is too long is cut between characters.
static void copy_text(char out[TEXT_SIZE], const struct read_value *value)
{
	size_t len = MIN(value->len, (size_t)TEXT_SIZE - 1);

	while (len > 0 && len < value->len && (value->bytes[len] & 0xc0) == 0x80)
		len--;
	for (size_t i = 0; i < len; i++) {
		uint8_t c = value->bytes[i];
		bool c1 = c == 0xc2 && i + 1 < len && value->bytes[i + 1] < 0xa0;
		out[i] = (char)(c < 0x20 || c == 0x7f || c1 ? '?' : c);
		if (c1)
			out[++i] = '?';
	}
	out[len] = '\0';
}

// Its place, or NULL when there is none. Keys are outputs of a keyed hash, so their own first
// octets spread them.
static struct seen_client *client_of(struct summary *s, const struct read_value *key)
{
	uint32_t words[2];

	if (key->len != 16)
		return NULL;
	memcpy(words, key->bytes, sizeof(words));
	uint32_t at = words[0], tag = words[1] & ~(uint32_t)SLOT_INDEX;
	uint32_t *slot = &s->slots[at & (CLIENTS_SLOTS - 1)];
	while (*slot != 0) {
		struct seen_client *client = &s->clients[(*slot & SLOT_INDEX) - 1];
		if ((*slot & ~(uint32_t)SLOT_INDEX) == tag &&
			memcmp(client->key, key->bytes, 16) == 0)
			return client;
		slot = &s->slots[++at & (CLIENTS_SLOTS - 1)];
	}
	if (s->client_count == CLIENTS_MAX) {
		s->clients_more++;
		return NULL;
	}
	struct seen_client *client = &s->clients[s->client_count++];
	*slot = tag | s->client_count;
	memcpy(client->key, key->bytes, 16);
	return client;
}
static_assert((int)CLIENTS_MAX <= (int)SLOT_INDEX && (int)CLIENTS_MAX < (int)CLIENTS_SLOTS);

static void take_name(
	struct seen_client *client, const struct read_row *row, const struct read_value *entry)
{
	struct read_row inner = read_row_in(row, entry);
	struct read_value value;

	while (client->name[0] == '\0' && read_row_next(&inner, &value) > 0)
		if (value.index == CLIENT_names__name)
			copy_text(client->name, &value);
}

// The row by its address: copied it would wait for every store before it.
static void take_client(struct summary *s, struct read_row *row)
{
	struct seen_client *client = NULL;
	struct read_value value;

	while (read_row_next_wanted(row, &s->of_client, &value) > 0) {
		// The key has the lowest number: it comes first, and again with each later row.
		if (value.index == CLIENT_client_key) {
			client = client_of(s, &value);
			if (client == NULL)
				return;
			client->name[0] = '\0';
		}
		if (client == NULL)
			continue;
		if (value.index == CLIENT_mac) {
			memcpy(client->mac, value.bytes, sizeof(client->mac));
			client->has_mac = true;
		} else if (value.index == CLIENT_mac_vendor) {
			copy_text(client->vendor, &value);
		} else if (value.index == CLIENT_names) {
			take_name(client, row, &value);
		}
	}
}

// Names are those of our own lists: no stranger chooses them to fill one slot.
static uint32_t name_slot(const uint8_t *name, size_t len)
{
	uint32_t hash = (uint32_t)len;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ name[i]) * 0x01000193u;
	return hash ^ hash >> 16;
}

static void book_application(
	struct summary *s, const struct read_value *name, uint64_t bytes, uint64_t flows)
{
	size_t len = MIN(name->len, sizeof(s->applications->name));
	uint32_t at = name_slot(name->bytes, len);
	struct seen_application *seen;

	for (;; at++) {
		uint16_t *slot = &s->application_slots[at & (APPLICATIONS_SLOTS - 1)];
		if (*slot == 0 && s->application_count == APPLICATIONS_MAX)
			return;
		if (*slot == 0) {
			seen = &s->applications[s->application_count++];
			*slot = (uint16_t)s->application_count;
			memcpy(seen->name, name->bytes, len);
			seen->len = name->len;
			break;
		}
		seen = &s->applications[*slot - 1];
		if (seen->len == name->len && memcmp(seen->name, name->bytes, len) == 0)
			break;
	}
	seen->bytes += bytes;
	seen->flows += flows;
}

static void take_usage(struct summary *s, struct read_row *row)
{
	struct read_value value, label = {0};
	struct seen_client *client = NULL;
	uint64_t up = 0, down = 0, flows = 0;

	while (read_row_next_wanted(row, &s->of_usage, &value) > 0) {
		if (value.index == USAGE_client_key)
			client = client_of(s, &value);
		// The application where it leaves, else the category.
		else if (value.index == USAGE_application ||
			(value.index == USAGE_category && label.len == 0))
			label = value;
		else if (value.index == USAGE_bytes_up)
			up = value.number;
		else if (value.index == USAGE_bytes_down)
			down = value.number;
		else if (value.index == USAGE_flows)
			flows = value.number;
	}
	if (label.len > 0)
		book_application(s, &label, up + down, flows);
	if (client != NULL) {
		client->bytes_up += up;
		client->bytes_down += down;
		client->flows += flows;
	}
}

static void take(void *arg, enum record_type type, const uint8_t *bytes, size_t len)
{
	if (type != RECORD_CLIENT && type != RECORD_USAGE)
		return;
	struct read_row row = read_row_of(type, bytes, len);
	if (type == RECORD_CLIENT)
		take_client(arg, &row);
	else
		take_usage(arg, &row);
}

static void want(struct summary *s)
{
	static const unsigned of_client[] = {
		CLIENT_client_key, CLIENT_mac, CLIENT_mac_vendor, CLIENT_names};
	static const unsigned of_usage[] = {USAGE_client_key, USAGE_application, USAGE_category,
		USAGE_bytes_up, USAGE_bytes_down, USAGE_flows};

	for (unsigned i = 0; i < ARRAY_COUNT(of_client); i++)
		read_want(&s->of_client, RECORD_CLIENT, of_client[i]);
	for (unsigned i = 0; i < ARRAY_COUNT(of_usage); i++)
		read_want(&s->of_usage, RECORD_USAGE, of_usage[i]);
}

int summary_new(struct summary **ret, struct record *record)
{
	struct summary *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return -ENOMEM;
	s->clients = calloc(CLIENTS_MAX, sizeof(*s->clients));
	s->slots = calloc(CLIENTS_SLOTS, sizeof(*s->slots));
	if (s->clients == NULL || s->slots == NULL) {
		summary_free(s);
		return -ENOMEM;
	}
	want(s);
	record_listen(record, take, s);
	*ret = s;
	return 0;
}

void summary_free(struct summary *s)
{
	if (s == NULL)
		return;
	free(s->clients);
	free(s->slots);
	free(s);
}

// ---- printing

static int by_use(const void *a, const void *b)
{
	const struct seen_client *x = a, *y = b;
	uint64_t use_x = x->bytes_up + x->bytes_down, use_y = y->bytes_up + y->bytes_down;

	if (use_x != use_y)
		return use_x > use_y ? -1 : 1;
	return memcmp(x->key, y->key, sizeof(x->key));
}

static int by_bytes(const void *a, const void *b)
{
	const struct seen_application *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	return memcmp(x->name, y->name, sizeof(x->name));
}

static const char *size_text(uint64_t bytes, char out[16])
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
	double value = (double)bytes;
	size_t unit = 0;

	for (; value >= 1000 && unit + 1 < ARRAY_COUNT(units); unit++)
		value /= 1000;
	snprintf(out, 16, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
	return out;
}

// As the policy lets a client be named: its name, its MAC, or the start of its keyed id.
static void print_client(const struct seen_client *client, FILE *out)
{
	char id[TEXT_SIZE], up[16], down[16];

	snprintf(id, sizeof(id), "client %02x%02x%02x%02x", client->key[0], client->key[1],
		client->key[2], client->key[3]);
	if (client->has_mac)
		snprintf(id, sizeof(id), "%02x:%02x:%02x:%02x:%02x:%02x", client->mac[0],
			client->mac[1], client->mac[2], client->mac[3], client->mac[4],
			client->mac[5]);
	if (client->name[0] != '\0')
		snprintf(id, sizeof(id), "%s", client->name);
	fprintf(out, "  %-28.28s %-26.26s %10s up %10s down %7" PRIu64 " flows\n", id,
		client->vendor[0] != '\0' ? client->vendor : "-", size_text(client->bytes_up, up),
		size_text(client->bytes_down, down), client->flows);
}

static void print_clients(const struct summary *s, FILE *out)
{
	struct seen_client *sorted = calloc(s->client_count + 1, sizeof(*sorted));
	uint32_t count = s->client_count;

	if (count == 0 || sorted == NULL) {
		fprintf(out, "clients: none that may be told apart\n");
		free(sorted);
		return;
	}
	memcpy(sorted, s->clients, count * sizeof(*sorted));
	qsort(sorted, count, sizeof(*sorted), by_use);
	fprintf(out, "clients: %s%u\n", s->clients_more > 0 ? "more than " : "", count);
	for (uint32_t i = 0; i < count && i < TOP_CLIENTS; i++)
		print_client(&sorted[i], out);
	if (count > TOP_CLIENTS)
		fprintf(out, "  ... and %u more\n", count - TOP_CLIENTS);
	free(sorted);
}

static void print_applications(const struct summary *s, FILE *out)
{
	struct seen_application *sorted = calloc(s->application_count + 1, sizeof(*sorted));
	char name[TEXT_SIZE], size[16];

	if (s->application_count == 0 || sorted == NULL) {
		free(sorted);
		return;
	}
	memcpy(sorted, s->applications, s->application_count * sizeof(*sorted));
	qsort(sorted, s->application_count, sizeof(*sorted), by_bytes);
	fprintf(out, "top applications, over all clients:\n");
	for (uint32_t i = 0; i < s->application_count && i < TOP_APPLICATIONS; i++) {
		copy_text(
			name, &(struct read_value){.bytes = sorted[i].name, .len = sorted[i].len});
		fprintf(out, "  %-28s %10s in %" PRIu64 " flows\n", name,
			size_text(sorted[i].bytes, size), sorted[i].flows);
	}
	free(sorted);
}

// By cause, where the source can tell.
static void print_nic(const struct capture_stats *capture, FILE *out)
{
	static const char *const causes[NIC_LOSS_COUNT] = {
		[NIC_MISSED] = "its queue was full",
		[NIC_ERRORS] = "errors by its driver's count",
		[NIC_NO_BUFFER] = "no buffer was free (capture.buffer)",
	};

	for (unsigned i = 0; i < NIC_LOSS_COUNT; i++)
		if (capture->nic_lost[i] > 0)
			fprintf(out, "    in the NIC, %s: %" PRIu64 "\n", causes[i],
				capture->nic_lost[i]);
}

static void print_packets(const struct summary_run *run, FILE *out)
{
	const uint64_t *c = run->counters;
	uint64_t dropped = 0, lost = run->capture->dropped_kernel + run->capture->dropped_nic;
	double seconds = (double)run->wall_ns / 1e9;
	char size[16];

	for (unsigned d = 0; d < DROP_REASON_COUNT; d++)
		dropped += c[COUNTER_DROPS + d];
	fprintf(out,
		"packets: %" PRIu64 " (%s) in %.2f s: %" PRIu64 " in flows, %" PRIu64
		" consumed, %" PRIu64 " dropped\n",
		c[COUNTER_packets], size_text(c[COUNTER_bytes], size), seconds,
		c[COUNTER_packets_in_flows], c[COUNTER_packets_consumed], dropped);
	for (unsigned d = 1; d < DROP_REASON_COUNT; d++)
		if (c[COUNTER_DROPS + d] > 0)
			fprintf(out, "  dropped, %s: %" PRIu64 " (%s)\n", drop_reason_name(d),
				c[COUNTER_DROPS + d], drop_reason_text(d));
	if (lost > 0)
		fprintf(out,
			"  lost before us: %" PRIu64 " in the kernel, %" PRIu64 " in the NIC\n",
			run->capture->dropped_kernel, run->capture->dropped_nic);
	print_nic(run->capture, out);
	fprintf(out,
		"flows: %" PRIu64 " (segments ended idle %" PRIu64 ", active %" PRIu64
		", end %" PRIu64 ", forced %" PRIu64 ", resources %" PRIu64 ")\n",
		c[COUNTER_flows_created], c[COUNTER_flows_idle], c[COUNTER_flows_active],
		c[COUNTER_flows_end], c[COUNTER_flows_forced], c[COUNTER_flows_resources]);
}

// How often each limit was met, where one was.
static void print_limits(const struct summary_run *run, FILE *out)
{
	const char *before = "limits met: ";

	for (const struct limit_met *e = limits_met; e->limit != NULL; e++) {
		uint64_t times = run->counters[e->counter];
		if (times == 0)
			continue;
		fprintf(out, "%s%s %" PRIu64 " times", before, e->limit, times);
		before = ", ";
	}
	if (before[0] == ',')
		fprintf(out, "\n");
}

static void print_records(const struct record *record, const struct summary_run *run, FILE *out)
{
	struct record_stats made;

	record_stats(record, &made);
	fprintf(out, "records:");
	for (enum record_type type = RECORD_FLOW; type < RECORD_TYPE_COUNT; type++)
		if (made.made[type] > 0)
			fprintf(out, " %s %" PRIu64, record_type_name(type),
				run->export->delivered[type]);
	fprintf(out, "\n");
	for (enum record_type type = RECORD_FLOW; type < RECORD_TYPE_COUNT; type++)
		if (made.withheld_rows[type] + made.withheld_values[type] > 0)
			fprintf(out,
				"  withheld of %s: %" PRIu64 " rows, %" PRIu64
				" values dropped or made coarser\n",
				record_type_name(type), made.withheld_rows[type],
				made.withheld_values[type]);
}

static void print_where(const struct settings *settings, FILE *out)
{
	char profile[SETTING_WORD_SIZE];
	const char *directory = settings->output != NULL ? settings->output : settings->directory;

	settings_word(settings, "privacy.profile", profile);
	fprintf(out, "policy: profile %s; weir explain says what leaves, field by field\n",
		profile);
	if (settings->exporter == EXPORTER_FILE && strcmp(directory, "-") != 0)
		fprintf(out, "segments: %s/ (weir read %s prints the records)\n", directory,
			directory);
	else if (settings->exporter == EXPORTER_KAFKA)
		fprintf(out, "topics: %sflows, %sclients, %susage, %shealth at %s\n",
			settings->topic_prefix, settings->topic_prefix, settings->topic_prefix,
			settings->topic_prefix, settings->brokers);
}

void summary_print(const struct summary *summary, const struct record *record,
	const struct summary_run *run, FILE *out)
{
	fprintf(out, "\n");
	print_clients(summary, out);
	print_applications(summary, out);
	print_packets(run, out);
	print_limits(run, out);
	print_records(record, run, out);
	fprintf(out, "cost: %.2f s of CPU, %" PRIu64 " MiB at the peak\n",
		(double)process_cpu_ns() / 1e9, process_peak_rss() >> 20);
	print_where(run->settings, out);
}
