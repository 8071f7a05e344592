// The compiled policy from inside, for the files that make it, tell it and make keys by it.
#pragma once

#include "core/privacy/domain.h"
#include "core/privacy/policy.h"
#include "core/privacy/pseudonym.h"
#include "core/schema/schema.h"

struct policy {
	struct policy_rule rules[RECORD_TYPE_COUNT][SCHEMA_FIELDS_MAX][2]; // [1]: of a local end
	bool writes[RECORD_TYPE_COUNT];
	uint8_t sha256[32];
	uint8_t (*macs)[6];
	struct excluded_subnet *subnets;
	struct excluded excluded;
	struct pseudonym *pseudonym;
	struct domain_list *domains;
	uint64_t retention_ns;
	uint32_t key_epoch;
	char id[65], version[33], tenant[65], site[65];
	// What the message of each client's key begins with, VLAN and kind left open.
	uint8_t client_head[PSEUDONYM_BLOCK];
	size_t client_head_len; // 0: too long for a message of one block
};

// policy_rule.c: whether the field has a rule for local ends and one for remote ends.
bool field_has_ends(const struct field_info *field);

// policy_rule.c: reads "truncate: 24/48" as a rule for `field`. NULL, or what is allowed there.
const char *rule_parse(const char *value, const struct field_info *field, struct policy_rule *ret);

// policy_rule.c: a whole number at *at, which moves past it. False: there is none.
bool policy_read_number(const char **at, uint64_t *ret);

// policy_override.c: applies the operator's rules, the general before the special.
void rules_apply(struct policy *policy, const struct settings *settings, struct problems *problems);

// policy_excluded.c: privacy.exclude. Returns 0, or -ENOMEM; what is wrong goes to problems.
int excluded_parse(
	struct policy *policy, const struct settings *settings, struct problems *problems);

// client_key.c: what all clients' keys have in common, from ids and key epoch.
void client_head_make(struct policy *policy);
