// Rules and fields in words: what a field is called, and a rule of it, read and printed.
#include "core/privacy/policy_parts.h"

#include "core/base/compiler.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

bool field_has_ends(const struct field_info *field)
{
	return field->type == TYPE_ADDRESS_END;
}

void policy_field_path(
	enum record_type type, unsigned field, bool local, char path[FIELD_PATH_SIZE])
{
	const struct record_schema *schema = record_schema(type);
	const struct field_info *info = &schema->fields[field];
	bool nested = info->parent >= 0;

	snprintf(path, FIELD_PATH_SIZE, "%s.%s%s%s%s", schema->name,
		nested ? schema->fields[info->parent].name : "", nested ? "." : "", info->name,
		!field_has_ends(info) ? ""
			: local       ? ".local"
				      : ".remote");
}

static const struct {
	const char *suffix;
	uint64_t ns;
} durations[] = {{"ns", 1}, {"us", NS_PER_US}, {"ms", NS_PER_MS}, {"s", NS_PER_S},
	{"m", 60 * NS_PER_S}, {"h", 3600 * NS_PER_S}, {"d", 86400 * NS_PER_S}};

// How long one of the field's unit is, or 0: it counts something else than time.
static uint64_t unit_ns(const struct field_info *field)
{
	if (field->type == TYPE_TIME_NS || field->unit == UNIT_NS)
		return 1;
	if (field->type == TYPE_TIME_S || field->unit == UNIT_SEC)
		return NS_PER_S;
	if (field->unit == UNIT_US)
		return NS_PER_US;
	return field->unit == UNIT_MS ? NS_PER_MS : 0;
}

static bool takes_bucket(const struct field_info *field)
{
	return field->type == TYPE_TIME_NS || field->type == TYPE_TIME_S ||
		field->type == TYPE_COUNT32 || field->type == TYPE_COUNT64;
}

static bool takes_truncate(const struct field_info *field)
{
	return field->type == TYPE_MAC || field->type == TYPE_ADDRESS ||
		field->type == TYPE_ADDRESS_END;
}

static bool takes_pseudonym(const struct field_info *field)
{
	return field->type == TYPE_STRING || field->type == TYPE_NAME || field->type == TYPE_KEY;
}

static const char *allowed(const struct field_info *field)
{
	if (takes_bucket(field))
		return unit_ns(field) > 0 ? "keep, drop, bucket: TIME (as 60s, 1h)"
					  : "keep, drop, bucket: N";
	if (field->type == TYPE_MAC)
		return "keep, drop, truncate: 24 (the vendor's part)";
	if (takes_truncate(field))
		return "keep, drop, truncate: V4/V6 (prefix bits, as 24/48)";
	if (field->type == TYPE_NAME)
		return "keep, drop, pseudonym, domain";
	return takes_pseudonym(field) ? "keep, drop, pseudonym" : "keep, drop";
}

bool policy_read_number(const char **at, uint64_t *ret)
{
	char *end;

	if (!isdigit((unsigned char)**at))
		return false;
	errno = 0;
	uint64_t number = strtoull(*at, &end, 10);
	if (errno != 0)
		return false;
	*at = end;
	*ret = number;
	return true;
}

static bool read_bucket(const char *at, const struct field_info *field, struct policy_rule *rule)
{
	uint64_t unit = unit_ns(field);

	if (!policy_read_number(&at, &rule->bucket) || rule->bucket == 0)
		return false;
	if (*at == '\0')
		return true;
	for (size_t i = 0; unit > 0 && i < ARRAY_COUNT(durations); i++) {
		uint64_t ns;
		if (strcmp(at, durations[i].suffix) != 0 ||
			__builtin_mul_overflow(rule->bucket, durations[i].ns, &ns))
			continue;
		rule->bucket = ns / unit;
		return ns % unit == 0 && rule->bucket > 0;
	}
	return false;
}

static bool read_truncate(const char *at, const struct field_info *field, struct policy_rule *rule)
{
	uint64_t bits4, bits6;

	if (!policy_read_number(&at, &bits4))
		return false;
	if (field->type == TYPE_MAC) {
		rule->bits4 = rule->bits6 = 24;
		return bits4 == 24 && *at == '\0';
	}
	if (bits4 > 32 || *at++ != '/' || !policy_read_number(&at, &bits6) || bits6 > 128 ||
		*at != '\0')
		return false;
	rule->bits4 = (uint8_t)bits4;
	rule->bits6 = (uint8_t)bits6;
	return true;
}

// The argument after "word:" or "word ", or NULL when the value is another word.
static const char *argument(const char *value, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(value, word, len) != 0 || (value[len] != ':' && value[len] != ' '))
		return NULL;
	value += len;
	while (*value == ' ' || *value == ':')
		value++;
	return value;
}

const char *rule_parse(const char *value, const struct field_info *field, struct policy_rule *ret)
{
	struct policy_rule rule = {.own = true};
	const char *at;
	bool fits = true;

	if (strcmp(value, "keep") == 0) {
		rule.action = POLICY_KEEP;
	} else if (strcmp(value, "drop") == 0) {
		rule.action = POLICY_DROP;
	} else if (strcmp(value, "pseudonym") == 0) {
		rule.action = POLICY_PSEUDONYM;
		fits = takes_pseudonym(field);
	} else if (strcmp(value, "domain") == 0) {
		rule.action = POLICY_DOMAIN;
		fits = field->type == TYPE_NAME;
	} else if ((at = argument(value, "truncate")) != NULL) {
		rule.action = POLICY_TRUNCATE;
		fits = takes_truncate(field) && read_truncate(at, field, &rule);
	} else if ((at = argument(value, "bucket")) != NULL) {
		rule.action = POLICY_BUCKET;
		fits = takes_bucket(field) && read_bucket(at, field, &rule);
	} else {
		fits = false;
	}
	if (!fits)
		return allowed(field);
	*ret = rule;
	return NULL;
}

static void print_duration(uint64_t ns, char text[RULE_TEXT_SIZE])
{
	for (size_t i = ARRAY_COUNT(durations); i-- > 0;) {
		if (ns % durations[i].ns != 0)
			continue;
		snprintf(text, RULE_TEXT_SIZE, "bucket: %" PRIu64 "%s", ns / durations[i].ns,
			durations[i].suffix);
		return;
	}
}

void policy_rule_print(
	const struct policy_rule *rule, const struct field_info *field, char text[RULE_TEXT_SIZE])
{
	static const char *const words[] = {[POLICY_DROP] = "drop",
		[POLICY_KEEP] = "keep",
		[POLICY_PSEUDONYM] = "pseudonym",
		[POLICY_DOMAIN] = "domain"};

	if (rule->action == POLICY_TRUNCATE && field->type == TYPE_MAC)
		snprintf(text, RULE_TEXT_SIZE, "truncate: %u", rule->bits4);
	else if (rule->action == POLICY_TRUNCATE)
		snprintf(text, RULE_TEXT_SIZE, "truncate: %u/%u", rule->bits4, rule->bits6);
	else if (rule->action == POLICY_BUCKET && unit_ns(field) > 0)
		print_duration(rule->bucket * unit_ns(field), text);
	else if (rule->action == POLICY_BUCKET)
		snprintf(text, RULE_TEXT_SIZE, "bucket: %" PRIu64, rule->bucket);
	else
		snprintf(text, RULE_TEXT_SIZE, "%s", words[rule->action]);
}
