// The operator's rules, laid over the profile's.
#include "core/privacy/policy_parts.h"

#include <string.h>

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
