// The policy: compiled from a profile and the operator's rules, then only read.
#include "core/privacy/policy_parts.h"

#include "core/base/compiler.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <string.h>

static const struct policy_rule withhold;

// What a profile says of a field.
static struct policy_rule profile_rule(
	const struct field_info *field, enum setting_profile profile, bool local)
{
	switch ((enum profile_rule)field->leaves[profile]) {
	case LEAVES_KEEP:
		return (struct policy_rule){.action = POLICY_KEEP};
	case LEAVES_DOMAIN:
		return (struct policy_rule){.action = POLICY_DOMAIN};
	case LEAVES_CUT:
		if (local)
			return withhold;
		return (struct policy_rule){.action = POLICY_TRUNCATE, .bits4 = 24, .bits6 = 48};
	case LEAVES_HOUR:
		return (struct policy_rule){.action = POLICY_BUCKET, .bucket = 3600 * NS_PER_S};
	case LEAVES_MINUTE:
		return (struct policy_rule){.action = POLICY_BUCKET, .bucket = 60};
	case LEAVES_DROP:
		break;
	}
	return withhold;
}

// Lists leave when something in them does; records when something of their own does.
static void settle(struct policy *policy, enum record_type type)
{
	const struct record_schema *schema = record_schema(type);

	for (unsigned i = 0; i < schema->count; i++) {
		const struct field_info *field = &schema->fields[i];
		if (field->type == TYPE_LIST || field->type == TYPE_MESSAGE)
			policy->rules[type][i][0] = policy->rules[type][i][1] = withhold;
	}
	for (unsigned i = 0; i < schema->count; i++) {
		const struct field_info *field = &schema->fields[i];
		for (unsigned local = 0; local < 2; local++) {
			if (policy->rules[type][i][local].action == POLICY_DROP)
				continue;
			if (field->parent >= 0)
				policy->rules[type][field->parent][local].action = POLICY_KEEP;
			if (field->id > 8 || field->parent >= 0)
				policy->writes[type] = true;
		}
	}
}

static void start_from_profile(struct policy *policy, enum setting_profile profile)
{
	for (enum record_type type = RECORD_FLOW; type < RECORD_TYPE_COUNT; type++) {
		const struct record_schema *schema = record_schema(type);
		for (unsigned i = 0; i < schema->count; i++)
			for (unsigned local = 0; local < 2; local++)
				policy->rules[type][i][local] =
					profile_rule(&schema->fields[i], profile, local);
	}
}

// The whole of what was compiled, as text. Whom the policy excludes stands there keyed: otherwise
// the fingerprint in every row would let anybody try out addresses.
static void print_canonical(const struct policy *policy, FILE *out)
{
	uint8_t keyed[32];
	char path[FIELD_PATH_SIZE], text[RULE_TEXT_SIZE];

	for (enum record_type type = RECORD_FLOW; type < RECORD_TYPE_COUNT; type++) {
		const struct record_schema *schema = record_schema(type);
		for (unsigned i = 0; i < schema->count; i++) {
			const struct field_info *field = &schema->fields[i];
			for (unsigned local = 0; local < (field_has_ends(field) ? 2 : 1); local++) {
				policy_field_path(type, i, local, path);
				policy_rule_print(&policy->rules[type][i][local], field, text);
				fprintf(out, "%s=%s\n", path, text);
			}
		}
	}
	for (size_t i = 0; i < policy->excluded.mac_count; i++) {
		pseudonym_make(policy->pseudonym, PSEUDONYM_EXCLUDED, policy->macs[i], 6, keyed);
		fwrite(keyed, 1, sizeof(keyed), out);
	}
	for (size_t i = 0; i < policy->excluded.subnet_count; i++) {
		const struct excluded_subnet *subnet = &policy->subnets[i];
		uint8_t whole[18] = {subnet->ip6, subnet->prefix_len};
		memcpy(whole + 2, subnet->ip, 16);
		pseudonym_make(policy->pseudonym, PSEUDONYM_EXCLUDED, whole, sizeof(whole), keyed);
		fwrite(keyed, 1, sizeof(keyed), out);
	}
	fprintf(out, "retention=%" PRIu64 "\n", policy->retention_ns);
}

static int take_fingerprint(struct policy *policy)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		return -ENOMEM;
	print_canonical(policy, out);
	if (fclose(out) != 0) {
		free(text);
		return -ENOMEM;
	}
	int made = EVP_Digest(text, len, policy->sha256, NULL, EVP_sha256(), NULL);
	free(text);
	return made == 1 ? 0 : -EIO;
}

static int make_key(struct policy *policy, const struct settings *settings,
	struct problems *problems, bool *ret_random_key)
{
	if (settings->key_file != NULL && settings->seed != 0) {
		settings_complain(settings, "privacy.key_file", problems,
			"is refused together with --seed, which makes a key that everybody knows");
		return -EINVAL;
	}
	struct problems found = {0};
	int err = pseudonym_new(&policy->pseudonym, settings->key_file, settings->seed, &found);
	for (size_t i = 0; i < found.count; i++)
		settings_complain(settings, "privacy.key_file", problems, "%s", found.lines[i]);
	problems_fini(&found);
	if (err)
		return err;
	*ret_random_key = settings->key_file == NULL && settings->seed == 0;
	policy->key_epoch = *ret_random_key ? 0 : 1;
	return 0;
}

static void copy_text(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from != NULL ? from : "");
}

int policy_new(struct policy **ret, const struct settings *settings, struct problems *problems,
	bool *ret_random_key)
{
	size_t problems_before = problems->count;
	bool random_key = false;
	struct policy *policy = calloc(1, sizeof(*policy));

	if (policy == NULL)
		return -ENOMEM;
	copy_text(policy->id, sizeof(policy->id), settings->policy_id);
	copy_text(policy->version, sizeof(policy->version), settings->policy_version);
	copy_text(policy->tenant, sizeof(policy->tenant), settings->tenant);
	copy_text(policy->site, sizeof(policy->site), settings->site);
	policy->retention_ns = settings->retention;

	start_from_profile(policy, settings->profile);
	rules_apply(policy, settings, problems);
	for (enum record_type type = RECORD_FLOW; type < RECORD_TYPE_COUNT; type++)
		settle(policy, type);
	int err = excluded_parse(policy, settings, problems);
	if (err)
		goto fail;
	if (domain_list_new(&policy->domains) < 0)
		problems_add(problems, NULL, 0,
			"there is no list of public suffixes: install the package publicsuffix");
	err = make_key(policy, settings, problems, &random_key);
	client_head_make(policy);
	if (err == 0)
		err = take_fingerprint(policy);
	if (problems->count > problems_before)
		err = -EINVAL;
	if (err)
		goto fail;
	*ret_random_key = random_key;
	*ret = policy;
	return 0;
fail:
	policy_free(policy);
	return err;
}

void policy_free(struct policy *policy)
{
	if (policy == NULL)
		return;
	pseudonym_free(policy->pseudonym);
	domain_list_free(policy->domains);
	free(policy->macs);
	free(policy->subnets);
	free(policy);
}

struct policy_rule policy_rule(
	const struct policy *policy, enum record_type type, unsigned field, bool local)
{
	if (type >= RECORD_TYPE_COUNT || field >= SCHEMA_FIELDS_MAX)
		return withhold;
	return policy->rules[type][field][local];
}

bool policy_writes(const struct policy *policy, enum record_type type)
{
	return type < RECORD_TYPE_COUNT && policy->writes[type];
}

bool policy_usage_by_client(const struct policy *policy)
{
	return policy->rules[RECORD_USAGE][USAGE_client_key][1].action != POLICY_DROP;
}

const struct excluded *policy_excluded(const struct policy *policy)
{
	return &policy->excluded;
}

const uint8_t *policy_sha256(const struct policy *policy)
{
	return policy->sha256;
}

uint64_t policy_fingerprint(const struct policy *policy)
{
	uint64_t first = 0;

	// As the eight octets read from left to right, so that it is the SHA-256's beginning in
	// hex.
	for (unsigned i = 0; i < 8; i++)
		first = first << 8 | policy->sha256[i];
	return first;
}

const char *policy_id(const struct policy *policy)
{
	return policy->id;
}

const char *policy_version(const struct policy *policy)
{
	return policy->version;
}

uint32_t policy_key_epoch(const struct policy *policy)
{
	return policy->key_epoch;
}

const struct domain_list *policy_domains(const struct policy *policy)
{
	return policy->domains;
}

uint64_t policy_flow_id(const struct policy *policy, uint64_t id)
{
	return pseudonym_word(policy->pseudonym, id);
}

void policy_pseudonym(const struct policy *policy, enum record_type type, unsigned field,
	const uint8_t *value, size_t len, uint8_t ret[16])
{
	bool key = record_schema(type)->fields[field].type == TYPE_KEY;
	uint8_t made[32];

	pseudonym_make(policy->pseudonym, key ? PSEUDONYM_ID : PSEUDONYM_TEXT, value, len, made);
	memcpy(ret, made, 16);
}
