// weir explain: what leaves this gateway, field by field, in what form, by which line.
#include "core/base/compiler.h"
#include "core/privacy/policy_parts.h"

#include <inttypes.h>

static const char *const class_names[] = {[CLASS_NONE] = "none",
	[CLASS_LINK] = "link",
	[CLASS_PERSON] = "person",
	[CLASS_BEHAVIOUR] = "behaviour"};

static void explain_field(const struct policy *policy, const struct settings *settings,
	enum record_type type, unsigned index, bool local, FILE *out)
{
	const struct field_info *field = &record_schema(type)->fields[index];
	struct policy_rule rule = policy_rule(policy, type, index, local);
	char path[FIELD_PATH_SIZE], words[RULE_TEXT_SIZE], profile[SETTING_WORD_SIZE];

	policy_field_path(type, index, local, path);
	policy_rule_print(&rule, field, words);
	fprintf(out, "  %-34s %-16s %-10s ", path, words, class_names[field->class]);
	settings_word(settings, "privacy.profile", profile);
	if (!rule.own)
		fprintf(out, "profile %s", profile);
	else if (rule.line > 0)
		fprintf(out, "%s:%u", settings->path, rule.line);
	else
		fprintf(out, "command line");
	fprintf(out, "%s\n", field->has_data ? "" : " (not collected by this version)");
}

static void explain_record(const struct policy *policy, const struct settings *settings,
	enum record_type type, FILE *out)
{
	const struct record_schema *schema = record_schema(type);

	fprintf(out, "\n%s records%s\n", schema->name,
		policy_writes(policy, type) ? ""
					    : ": none leave, since no field of their own does");
	if (!policy_writes(policy, type))
		return;
	for (unsigned i = 0; i < schema->count; i++) {
		const struct field_info *field = &schema->fields[i];
		if (field->type == TYPE_LIST || field->type == TYPE_MESSAGE)
			continue;
		for (unsigned local = field_has_ends(field) ? 0 : 1; local < 2; local++)
			explain_field(policy, settings, type, i, local != 0, out);
	}
}

static void explain_origin(
	const struct setting_item *item, const struct settings *settings, FILE *out)
{
	if (item->line > 0)
		fprintf(out, "  %-34s by %s:%u\n", item->value, settings->path, item->line);
	else
		fprintf(out, "  %-34s by the command line\n", item->value);
}

static void explain_excluded(const struct settings *settings, FILE *out)
{
	const struct setting_list *lists[] = {&settings->exclude_macs, &settings->exclude_subnets};
	size_t count = settings->exclude_macs.count + settings->exclude_subnets.count;

	fprintf(out, "\nExcluded at either end, no row leaves%s\n", count == 0 ? ": nobody" : ":");
	for (size_t i = 0; i < ARRAY_COUNT(lists); i++)
		for (size_t j = 0; j < lists[i]->count; j++)
			explain_origin(&lists[i]->items[j], settings, out);
}

void policy_explain(const struct policy *policy, const struct settings *settings, FILE *out)
{
	char profile[SETTING_WORD_SIZE];

	settings_word(settings, "privacy.profile", profile);
	fprintf(out, "Policy \"%s\" version %s, from profile %s, fingerprint %016" PRIx64 "\n",
		policy->id, policy->version, profile, policy_fingerprint(policy));
	fprintf(out,
		"A rule is \"FIELD: VALUE\" under privacy.fields. FIELD: flow.server_name, or "
		"server_name in every record\nthat has it; dns for all of a list, dns.name for one "
		"part of it; client_ip for both kinds of end,\nclient_ip.local or client_ip.remote "
		"for one. The more special rule wins. VALUE: keep, drop, pseudonym,\ndomain, "
		"truncate 24/48 (bits of IPv4/IPv6; of a MAC 24), bucket 1h (times) or bucket 1000 "
		"(counts).\n");
	for (enum record_type type = RECORD_FLOW; type < RECORD_TYPE_COUNT; type++)
		explain_record(policy, settings, type, out);
	explain_excluded(settings, out);
	fprintf(out, "\nPseudonyms: %s\n",
		settings->key_file != NULL    ? settings->key_file
			: settings->seed != 0 ? "a key that --seed fixes, for tests"
					      : "a random key for each run");
	fprintf(out, "Expires: %" PRIu64 " h after the data's end\n",
		policy->retention_ns / (3600 * NS_PER_S));
}
