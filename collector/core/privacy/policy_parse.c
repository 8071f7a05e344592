// The operator's own words: rules of fields, and who is excluded.
#include "core/privacy/policy_rules.h"

#include "core/base/compiler.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

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

// A whole number at *at, which moves past it.
static bool read_number(const char **at, uint64_t *ret)
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

	if (!read_number(&at, &rule->bucket) || rule->bucket == 0)
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

	if (!read_number(&at, &bits4))
		return false;
	if (field->type == TYPE_MAC) {
		rule->bits4 = rule->bits6 = 24;
		return bits4 == 24 && *at == '\0';
	}
	if (bits4 > 32 || *at++ != '/' || !read_number(&at, &bits6) || bits6 > 128 || *at != '\0')
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

// How special a rule is: the more special wins, whatever the order in the file.
enum {
	SPECIAL_TYPE = 1, // flow.server_name over server_name
	SPECIAL_END = 2, // client_ip.local over client_ip
	SPECIAL_SUB = 4, // dns.name over dns
	SPECIAL_MAX = 7,
};

// Whether `key` speaks of a field (or of the list it stands in) for ends that are local or not;
// returns how special it is, or -1.
static int key_matches(const char *key, enum record_type type, unsigned index, bool local)
{
	const struct record_schema *schema = record_schema(type);
	const struct field_info *field = &schema->fields[index];
	size_t name_len = strlen(schema->name);
	char path[FIELD_PATH_SIZE];
	int special = 0;

	policy_field_path(type, index, local, path);
	const char *rest = path + name_len + 1; // without the record type
	if (strncmp(key, path, name_len + 1) == 0) {
		special = SPECIAL_TYPE;
		key += name_len + 1;
	}
	if (strcmp(key, rest) == 0)
		return special | (field->parent >= 0 ? SPECIAL_SUB : 0) |
			(field_has_ends(field) ? SPECIAL_END : 0);
	if (field->parent >= 0)
		return strcmp(key, schema->fields[field->parent].name) == 0 ? special : -1;
	return field_has_ends(field) && strcmp(key, field->name) == 0 ? special : -1;
}

// One rule on its way through the fields that it speaks of.
struct rule_walk {
	struct policy *policy;
	const struct setting_item *item;
	struct problems *problems;
	const char *file;
	int special; // apply it where it is exactly so special
	unsigned found; // fields it speaks of
	bool refused;
};

// Tells the first field that the rule does not fit.
static void check_target(
	struct rule_walk *walk, enum record_type type, unsigned index, bool local, int)
{
	const struct setting_item *item = walk->item;
	char path[FIELD_PATH_SIZE];
	struct policy_rule rule;
	const char *wrong = rule_parse(item->value, &record_schema(type)->fields[index], &rule);

	walk->found++;
	if (wrong == NULL || walk->refused)
		return;
	walk->refused = true;
	policy_field_path(type, index, local, path);
	problems_add(walk->problems, walk->file, item->line,
		"privacy.fields: %s: \"%s\" does not fit %s; allowed: %s", item->key, item->value,
		path, wrong);
}

static void apply_target(
	struct rule_walk *walk, enum record_type type, unsigned index, bool local, int special)
{
	struct policy_rule rule;

	if (special != walk->special ||
		rule_parse(walk->item->value, &record_schema(type)->fields[index], &rule) != NULL)
		return;
	rule.line = walk->item->line;
	walk->policy->rules[type][index][local] = rule;
}

static void walk_targets(struct rule_walk *walk,
	void (*visit)(
		struct rule_walk *, enum record_type, unsigned index, bool local, int special))
{
	for (enum record_type type = RECORD_FLOW; type < RECORD_TYPE_COUNT; type++) {
		const struct record_schema *schema = record_schema(type);
		for (unsigned i = 0; i < 2 * schema->count; i++) {
			unsigned kind = schema->fields[i / 2].type;
			if (kind == TYPE_LIST || kind == TYPE_MESSAGE)
				continue;
			int special = key_matches(walk->item->key, type, i / 2, i % 2 != 0);
			if (special >= 0)
				visit(walk, type, i / 2, i % 2 != 0, special);
		}
	}
}

void rules_apply(struct policy *policy, const struct settings *settings, struct problems *problems)
{
	struct rule_walk walk = {.policy = policy, .problems = problems, .file = settings->path};

	for (size_t i = 0; i < settings->rules.count; i++) {
		walk.item = &settings->rules.items[i];
		walk.found = 0;
		walk.refused = false;
		walk_targets(&walk, check_target);
		if (walk.found == 0)
			problems_add(problems, walk.file, walk.item->line,
				"privacy.fields: no record has a field \"%s\"; weir explain lists "
				"them",
				walk.item->key);
	}
	for (walk.special = 0; walk.special <= SPECIAL_MAX; walk.special++) {
		for (size_t i = 0; i < settings->rules.count; i++) {
			walk.item = &settings->rules.items[i];
			walk_targets(&walk, apply_target);
		}
	}
}

static bool read_mac(const char *text, uint8_t mac[6])
{
	for (unsigned i = 0; i < 6; i++) {
		if (!isxdigit((unsigned char)text[0]) || !isxdigit((unsigned char)text[1]))
			return false;
		char digits[3] = {text[0], text[1], '\0'};
		mac[i] = (uint8_t)strtoul(digits, NULL, 16);
		text += 2;
		if (i < 5 && *text != ':' && *text != '-')
			return false;
		text += i < 5;
	}
	return *text == '\0';
}

static bool read_subnet(const char *text, struct excluded_subnet *subnet)
{
	char address[INET6_ADDRSTRLEN];
	size_t len = strcspn(text, "/");
	uint64_t bits;

	if (len >= sizeof(address))
		return false;
	memcpy(address, text, len);
	address[len] = '\0';
	*subnet = (struct excluded_subnet){.ip6 = strchr(address, ':') != NULL};
	if (inet_pton(subnet->ip6 ? AF_INET6 : AF_INET, address, subnet->ip) != 1)
		return false;
	uint8_t most = subnet->ip6 ? 128 : 32;
	subnet->prefix_len = most;
	text += len;
	if (*text == '\0')
		return true;
	text++;
	if (!read_number(&text, &bits) || *text != '\0' || bits > most)
		return false;
	subnet->prefix_len = (uint8_t)bits;
	return true;
}

int excluded_parse(
	struct policy *policy, const struct settings *settings, struct problems *problems)
{
	const struct setting_list *macs = &settings->exclude_macs;
	const struct setting_list *subnets = &settings->exclude_subnets;

	policy->macs = calloc(macs->count + 1, sizeof(*policy->macs));
	policy->subnets = calloc(subnets->count + 1, sizeof(*policy->subnets));
	if (policy->macs == NULL || policy->subnets == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < macs->count; i++)
		if (!read_mac(macs->items[i].value, policy->macs[i]))
			problems_add(problems, settings->path, macs->items[i].line,
				"privacy.exclude.mac: \"%s\" is no MAC address; allowed: "
				"02:00:5e:10:00:01",
				macs->items[i].value);
	for (size_t i = 0; i < subnets->count; i++)
		if (!read_subnet(subnets->items[i].value, &policy->subnets[i]))
			problems_add(problems, settings->path, subnets->items[i].line,
				"privacy.exclude.subnet: \"%s\" is no subnet; allowed: "
				"192.0.2.0/24, 2001:db8::/32, or one address",
				subnets->items[i].value);
	policy->excluded = (struct excluded){
		.macs = (const uint8_t(*)[6])policy->macs,
		.mac_count = macs->count,
		.subnets = policy->subnets,
		.subnet_count = subnets->count,
	};
	return 0;
}
