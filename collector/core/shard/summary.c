// What the summary remembers of rows as they leave.
#include "core/shard/summary_parts.h"

#include "core/schema/schema.h"

#include <errno.h>
#include <string.h>

enum {
	SLOT_INDEX = (1 << 15) - 1, // of a slot; above it stands some of the key
};

void summary_text(char out[TEXT_SIZE], const struct read_value *value)
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
			summary_text(client->name, &value);
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
			summary_text(client->vendor, &value);
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
