// How the collector itself is: the fields of a health row. All of class none; written for the door.
#include "core/record/health.h"

// Each `entry` of a list is a message of its own while the row has room.
#define ROOM_FOR_ENTRY (at < d->row + ROW_SIZE_MAX - ROW_SIZE_SPARE)
#define PUT_ENTRY(id, FIELDS) \
	do { \
		uint8_t *body = message_open(at, id); \
		at = body; \
		FIELDS(PUT_SUB) \
		at = message_close(body, at); \
	} while (0)

static uint8_t *put_health_policy(struct record *d, uint8_t *at, const struct health_row *)
{
	PUT_ENTRY(12, HEALTH_POLICY_FIELDS);
	return at;
}

static uint8_t *put_health_interfaces(struct record *d, uint8_t *at, const struct health_row *row)
{
	for (uint32_t i = 0; i < row->interface_count && ROOM_FOR_ENTRY; i++) {
		const struct health_interface *e = &row->interfaces[i];
		PUT_ENTRY(13, HEALTH_INTERFACES_FIELDS);
	}
	return at;
}

static uint8_t *put_health_drops(struct record *d, uint8_t *at, const struct health_row *row)
{
	struct drop_entry {
		enum drop_reason reason;
		uint64_t packets;
	} entry, *e = &entry;

	for (unsigned reason = DROP_NONE + 1; reason < DROP_REASON_COUNT; reason++) {
		entry = (struct drop_entry){reason, row->counters[COUNTER_DROPS + reason]};
		if (entry.packets > 0)
			PUT_ENTRY(17, HEALTH_DROPS_FIELDS);
	}
	return at;
}

static uint8_t *put_health_flows(struct record *d, uint8_t *at, const struct health_row *row)
{
	PUT_ENTRY(18, HEALTH_FLOWS_FIELDS);
	return at;
}

static uint8_t *put_health_dpi(struct record *d, uint8_t *at, const struct health_row *row)
{
	PUT_ENTRY(19, HEALTH_DPI_FIELDS);
	return at;
}

static uint8_t *put_health_clients(struct record *d, uint8_t *at, const struct health_row *row)
{
	PUT_ENTRY(20, HEALTH_CLIENTS_FIELDS);
	return at;
}

// Rows that did not arrive: what export lost, what the door could not hand over, and segments that
// never reached the ledger.
static uint64_t lost_rows(const struct record *d, const struct health_row *row,
	enum record_type type, enum lost_cause cause)
{
	uint64_t rows = row->lost[type][cause];

	if (cause == LOST_NO_BATCH)
		rows += d->stats.no_batch[type];
	if (cause == LOST_TOO_LARGE)
		rows += d->stats.too_large[type];
	if (cause == LOST_EVENT_RING && type == RECORD_FLOW)
		rows += row->counters[COUNTER_event_lost_segment];
	return rows;
}

static uint8_t *put_health_records(struct record *d, uint8_t *at, const struct health_row *row)
{
	struct records_entry {
		enum record_type type;
		uint64_t made, delivered, lost;
	} entry, *e = &entry;

	for (unsigned type = RECORD_FLOW; type < RECORD_TYPE_COUNT; type++) {
		entry = (struct records_entry){
			.type = type,
			.made = d->stats.made[type],
			.delivered = row->delivered[type],
		};
		for (unsigned cause = 0; cause < LOST_CAUSE_COUNT; cause++)
			entry.lost += lost_rows(d, row, type, cause);
		if (entry.made > 0 || entry.lost > 0)
			PUT_ENTRY(21, HEALTH_RECORDS_FIELDS);
	}
	return at;
}

static uint8_t *put_health_lost(struct record *d, uint8_t *at, const struct health_row *row)
{
	struct lost_entry {
		enum record_type type;
		enum lost_cause cause;
		uint64_t rows;
	} entry, *e = &entry;

	for (unsigned type = RECORD_FLOW; type < RECORD_TYPE_COUNT; type++) {
		for (unsigned cause = 0; cause < LOST_CAUSE_COUNT; cause++) {
			entry = (struct lost_entry){type, cause, lost_rows(d, row, type, cause)};
			if (entry.rows > 0)
				PUT_ENTRY(22, HEALTH_LOST_FIELDS);
		}
	}
	return at;
}

struct withheld_entry {
	const char *rule, *reason;
	uint64_t rows, values;
};

static uint8_t *put_withheld(struct record *d, uint8_t *at, const struct withheld_entry *e)
{
	if ((e->rows > 0 || e->values > 0) && ROOM_FOR_ENTRY)
		PUT_ENTRY(23, HEALTH_WITHHELD_FIELDS);
	return at;
}

static uint8_t *put_health_withheld(struct record *d, uint8_t *at, const struct health_row *)
{
	char path[FIELD_PATH_SIZE], words[RULE_TEXT_SIZE];

	for (unsigned type = RECORD_FLOW; type < RECORD_TYPE_COUNT; type++) {
		const struct record_schema *schema = record_schema(type);
		uint64_t excluded = d->excluded_rows[type];
		uint64_t by_policy = d->stats.withheld_rows[type] - excluded;
		at = put_withheld(
			d, at, &(struct withheld_entry){schema->name, "policy", by_policy, 0});
		at = put_withheld(
			d, at, &(struct withheld_entry){schema->name, "excluded", excluded, 0});
		for (unsigned i = 0; i < 2 * schema->count; i++) {
			const struct field_info *field = &schema->fields[i / 2];
			bool local = i % 2 != 0;
			struct policy_rule rule = policy_rule(d->policy, type, i / 2, local);
			policy_field_path(type, i / 2, local, path);
			policy_rule_print(&rule, field, words);
			at = put_withheld(d, at,
				&(struct withheld_entry){
					path, words, 0, d->withheld[type][i / 2][local]});
		}
	}
	return at;
}

static uint8_t *put_health_exporter(struct record *d, uint8_t *at, const struct health_row *row)
{
	PUT_ENTRY(25, HEALTH_EXPORTER_FIELDS);
	return at;
}

static uint8_t *put_health_memory(struct record *d, uint8_t *at, const struct health_row *row)
{
	for (uint32_t i = 0; i < row->memory_count && ROOM_FOR_ENTRY; i++) {
		const struct memory_pool *e = &row->memory[i];
		PUT_ENTRY(27, HEALTH_MEMORY_FIELDS);
	}
	return at;
}

static uint8_t *put_health_visibility(struct record *d, uint8_t *at, const struct health_row *row)
{
	PUT_ENTRY(28, HEALTH_VISIBILITY_FIELDS);
	return at;
}

const struct limit_met limits_met[] = {
	{"flows", COUNTER_flows_resources},
	{"DPI admission", COUNTER_dpi_not_admitted},
	{"DPI states", COUNTER_dpi_states_lost},
	{"DPI memory", COUNTER_dpi_memory_lost},
	{"names of flows", COUNTER_findings_lost},
	{"states of our parsers", COUNTER_states_lost},
	{"clients", COUNTER_clients_refused},
	{"bindings", COUNTER_bindings_refused},
	{"answers", COUNTER_answers_evicted},
	{"usage", COUNTER_usage_folded},
	{"events, facts", COUNTER_event_lost_fact}, // segments are rows, and stand in `lost`
	{"events, answers", COUNTER_event_lost_answer},
	{"reordering", COUNTER_events_late},
	{NULL, COUNTER_COUNT},
};

static uint8_t *put_health_limits(struct record *d, uint8_t *at, const struct health_row *row)
{
	for (const struct limit_met *e = limits_met; e->limit != NULL && ROOM_FOR_ENTRY; e++)
		if (row->counters[e->counter] > 0)
			PUT_ENTRY(31, HEALTH_LIMITS_FIELDS);
	return at;
}

uint8_t *encode_health(struct record *d, uint8_t *at, const struct health_row *row,
	uint64_t sequence, uint64_t expires_at)
{
	HEALTH_FIELDS(PUT, PUT_NONE)
	return at;
}
