// The privacy policy, compiled: what may leave the process, field by field, and in what form.
//
// Zero means withhold: a field that no rule names, a field added tomorrow and a policy that failed
// to load all export nothing. Made by main before threads start; read-only from then on: any
// thread.
#pragma once

#include "core/flow/excluded.h"
#include "core/schema/field.h"
#include "core/settings/settings.h"

#include <stdbool.h>
#include <stdint.h>

enum policy_action {
	POLICY_DROP = 0,
	POLICY_KEEP,
	POLICY_PSEUDONYM, // keyed, 32 hex digits; strings and ids
	POLICY_TRUNCATE, // prefix bits: v4 / v6, or OUI for MACs
	POLICY_DOMAIN, // registrable domain; names
	POLICY_BUCKET, // rounded down to a multiple: times and counts
};

struct policy_rule {
	uint8_t action; // enum policy_action
	uint8_t bits4, bits6; // TRUNCATE
	bool own; // the operator's, not the profile's
	unsigned line; // of the policy; 0: the profile's, or the command line's
	uint64_t bucket; // BUCKET, in the field's unit
};

struct domain_list;
struct policy;
struct pseudonym;

// Compiles profile and overrides. All that is wrong goes to `problems`; then returns -EINVAL with
// *ret untouched. The key file is read here too (mode checked: nobody but its owner may read it);
// without one a random key is made, `*ret_random_key` is set, and main says so. A fixed `seed` (not
// 0) makes a fixed key and is refused together with a key file.
int policy_new(struct policy **ret, const struct settings *settings, struct problems *problems,
	bool *ret_random_key);
void policy_free(struct policy *policy); // wipes keys; accepts NULL

// The rule of field `field` (enum flow_field, ... in schema.h) of a record type. `local`: for
// addresses, the rule of a local end; else of a remote one. A list or message: whether any of its
// sub-fields leaves.
struct policy_rule policy_rule(
	const struct policy *policy, enum record_type type, unsigned field, bool local);

// The policy's name of a field, "flow.dns.name", "flow.client_ip.local"; and a rule in its own
// words, "truncate: 24/48".
enum { FIELD_PATH_SIZE = 96, RULE_TEXT_SIZE = 64 };
void policy_field_path(
	enum record_type type, unsigned field, bool local, char path[FIELD_PATH_SIZE]);
void policy_rule_print(
	const struct policy_rule *rule, const struct field_info *field, char text[RULE_TEXT_SIZE]);

// Whether a record type leaves at all: whether any field of its own does (in `basic` none of flows
// and clients).
bool policy_writes(const struct policy *policy, enum record_type type);

// Whether usage has a row for each client and application, or for each category only (`basic`, and
// wherever usage.client_key does not leave), and the window that goes with it.
bool policy_usage_by_client(const struct policy *policy);

// Those of whom nothing may be learned.
const struct excluded *policy_excluded(const struct policy *policy);

// First octets of the SHA-256 of the compiled policy, and the whole of it.
uint64_t policy_fingerprint(const struct policy *policy);
const uint8_t *policy_sha256(const struct policy *policy);

// What the policy is called, as configured.
const char *policy_id(const struct policy *policy);
const char *policy_version(const struct policy *policy);

// client_key = HMAC-SHA-256 of (epoch, tenant, site, VLAN, kind, value), cut to 16 octets.
enum client_kind { CLIENT_KIND_MAC = 1, CLIENT_KIND_IP4 = 4, CLIENT_KIND_IP6 = 6 };
void policy_client_key(const struct policy *policy, enum client_kind kind, uint16_t vlan,
	const uint8_t *value, uint8_t ret_key[16]);
// The keys of several: cheaper than one by one.
struct policy_client {
	const uint8_t *value;
	uint8_t *ret_key; // 16 octets
	uint16_t vlan;
	uint8_t kind; // enum client_kind
};
void policy_client_keys(
	const struct policy *policy, const struct policy_client *clients, size_t count);
// Which key that was: 1 from a key file or a seed, 0 when it is one of this run only.
uint32_t policy_key_epoch(const struct policy *policy);

// What POLICY_PSEUDONYM makes of a string or a keyed id: the first 16 octets of an HMAC-SHA-256.
void policy_pseudonym(const struct policy *policy, enum record_type type, unsigned field,
	const uint8_t *value, size_t len, uint8_t ret[16]);

// The public suffixes that POLICY_DOMAIN goes by.
const struct domain_list *policy_domains(const struct policy *policy);

// A keyed id that says nothing of what it is made from: flow ids.
uint64_t policy_flow_id(const struct policy *policy, uint64_t id);

// What leaves, field by field, in what form, by which line: weir explain.
void policy_explain(const struct policy *policy, const struct settings *settings, FILE *out);
