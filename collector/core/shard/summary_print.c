// The summary, printed: who was there, what they used, and what of it left.
#include "core/shard/process.h"
#include "core/shard/summary_parts.h"

#include <inttypes.h>
#include <string.h>

enum { TOP_CLIENTS = 20, TOP_APPLICATIONS = 10 };

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
		summary_text(
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
