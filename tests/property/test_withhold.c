// Whatever a row holds, nothing that the policy withholds stands in the batch: neither as text nor
// as octets, in no row, no key, no index. Random rows, every secret a word of its own, each profile
// and random rules on top.
#include "../unit/sample.h"

#include "core/base/compiler.h"
#include "core/base/hash.h"
#include "core/privacy/domain.h"
#include "core/privacy/policy_parts.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { ROUNDS = 300, SECRETS_MAX = 128 };

static uint64_t state;

static uint64_t next_random(void)
{
	struct hash_key key = {0x7765, 0x6972};

	state++;
	return hash_words(&key, &state, 1);
}

// Something that must not be found unless one of the fields that it stands in is kept.
struct secret {
	uint8_t bytes[64];
	size_t len;
	bool allowed;
};

static struct secret secrets[SECRETS_MAX];
static size_t secret_count;

static void add_secret(const void *bytes, size_t len, bool allowed)
{
	assert_true(secret_count < SECRETS_MAX && len <= sizeof(secrets[0].bytes));
	struct secret *secret = &secrets[secret_count++];
	memcpy(secret->bytes, bytes, len);
	secret->len = len;
	secret->allowed = allowed;
}

static void add_text_secret(const char *text, bool allowed)
{
	add_secret(text, strlen(text), allowed);
}

static void random_bytes(uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)next_random();
}

// A word that is in no other secret and in no field's name.
static void random_word(char *word, const char *kind)
{
	snprintf(word, 48, "%s-%016llx", kind, (unsigned long long)next_random());
}

static bool kept(const struct policy *policy, enum record_type type, unsigned field, bool local)
{
	return policy_writes(policy, type) &&
		policy_rule(policy, type, field, local).action == POLICY_KEEP;
}

// As octets and as text, in every usual form.
static void add_mac_secret(const uint8_t mac[6], bool allowed)
{
	static const char *const forms[] = {"%02x:%02x:%02x:%02x:%02x:%02x",
		"%02x-%02x-%02x-%02x-%02x-%02x", "%02x%02x%02x%02x%02x%02x",
		"%02X:%02X:%02X:%02X:%02X:%02X"};
	char text[32];

	add_secret(mac, 6, allowed);
	add_secret(mac + 3, 3, allowed); // the device's own part
	for (size_t i = 0; i < ARRAY_COUNT(forms); i++) {
		snprintf(text, sizeof(text), forms[i], mac[0], mac[1], mac[2], mac[3], mac[4],
			mac[5]);
		add_text_secret(text, allowed);
	}
}

static void add_ip_secret(const uint8_t *ip, bool ip6, bool allowed)
{
	char text[INET6_ADDRSTRLEN];

	add_secret(ip, ip6 ? 16 : 4, allowed);
	if (ip6)
		add_secret(ip + 8, 8, allowed); // the interface's own part
	inet_ntop(ip6 ? AF_INET6 : AF_INET, ip, text, sizeof(text));
	add_text_secret(text, allowed);
}

struct words {
	char server_name[128], question[128], agent[64], name[64], class[64], options[64];
	uint8_t ip[2][16], mac[2][6], key[2][16];
};

static void make_random(struct words *w, bool ip6)
{
	char word[48];

	random_bytes((uint8_t *)w->ip, sizeof(w->ip));
	random_bytes((uint8_t *)w->mac, sizeof(w->mac));
	random_bytes((uint8_t *)w->key, sizeof(w->key));
	// No zeros, which are everywhere.
	for (unsigned i = 0; i < 16; i++) {
		w->ip[0][i] |= 1;
		w->ip[1][i] |= 1;
	}
	random_word(word, "host");
	snprintf(w->server_name, sizeof(w->server_name), "%s.Example.co.uk", word);
	if (next_random() % 3 == 0)
		inet_ntop(
			ip6 ? AF_INET6 : AF_INET, w->ip[1], w->server_name, sizeof(w->server_name));
	random_word(word, "asked");
	snprintf(w->question, sizeof(w->question), "%s.local", word);
	random_word(w->agent, "agent");
	random_word(w->name, "Alices");
	random_word(w->class, "class");
	random_word(w->options, "55");
}

static void fill_finding(struct findings_view *view, enum finding kind, const char *word)
{
	view->text[kind] = (const uint8_t *)word;
	view->len[kind] = (uint16_t)strlen(word);
}

static void fill(struct sample *r, const struct words *w, bool ip6)
{
	bool lan = next_random() % 2 == 0;

	r->segment.ip_version = ip6 ? 6 : 4;
	r->flow.client = (struct row_end){true, w->ip[0], w->mac[0], w->key[0], 50123};
	r->flow.server = (struct row_end){lan, w->ip[1], w->mac[1], w->key[1], 443};
	r->flow.server_name = (const uint8_t *)w->server_name;
	r->flow.server_name_len = (uint16_t)strlen(w->server_name);
	fill_finding(&r->findings, FINDING_USER_AGENT, w->agent);
	r->findings.dns[0].name = (const uint8_t *)w->question;
	r->findings.dns[0].name_len = (uint16_t)strlen(w->question);
	r->findings.dns_count = 1;
	r->client.mac = w->mac[0];
	r->client.key = w->key[0];
	memcpy(r->addresses[0].ip, w->ip[0], 16);
	r->addresses[0].ip_version = ip6 ? 6 : 4;
	r->client.address_count = 1;
	r->names[0].len = (uint8_t)strlen(w->name);
	memcpy(r->names[0].text, w->name, r->names[0].len);
	r->client.name_count = 1;
	r->client.dhcp_options = w->options;
	r->client.dhcp_vendor_class = (const uint8_t *)w->class;
	r->client.dhcp_vendor_class_len = (uint16_t)strlen(w->class);
	r->usage.key = w->key[0];
}

static void list_secrets(const struct sample *r, const struct words *w, bool ip6)
{
	const struct policy *p = r->policy;
	bool lan = r->flow.server.local;
	uint8_t ip[16];
	bool literal = domain_ip_literal(r->flow.server_name, r->flow.server_name_len, ip) > 0;
	bool name = kept(p, RECORD_FLOW, FLOW_server_name, false);
	bool server_ip = kept(p, RECORD_FLOW, FLOW_server_ip, lan);

	secret_count = 0;
	// A name that is the address is let out by the name's rule, or as the address is.
	if (!literal)
		add_text_secret(w->server_name, name);
	add_ip_secret(w->ip[1], ip6, server_ip || (literal && name));
	add_ip_secret(w->ip[0], ip6,
		kept(p, RECORD_FLOW, FLOW_client_ip, true) ||
			kept(p, RECORD_CLIENT, CLIENT_addresses__ip, true));
	add_mac_secret(w->mac[0],
		kept(p, RECORD_FLOW, FLOW_client_mac, true) ||
			kept(p, RECORD_CLIENT, CLIENT_mac, true));
	add_mac_secret(w->mac[1], lan && kept(p, RECORD_FLOW, FLOW_server_mac, true));
	add_text_secret(w->question, kept(p, RECORD_FLOW, FLOW_dns__name, false));
	add_text_secret(w->agent, kept(p, RECORD_FLOW, FLOW_user_agent, false));
	add_text_secret(w->name, kept(p, RECORD_CLIENT, CLIENT_names__name, false));
	add_text_secret(w->class, kept(p, RECORD_CLIENT, CLIENT_dhcp_vendor_class, false));
	add_text_secret(w->options, kept(p, RECORD_CLIENT, CLIENT_dhcp_options, false));
	bool key = kept(p, RECORD_FLOW, FLOW_client_key, true) ||
		kept(p, RECORD_CLIENT, CLIENT_client_key, true) ||
		kept(p, RECORD_USAGE, USAGE_client_key, true);
	add_secret(w->key[0], 16, key);
	add_secret(w->key[1], 16, lan && kept(p, RECORD_FLOW, FLOW_server_key, true));
}

static const struct secret *find_secret(const void *bytes, size_t len)
{
	for (size_t i = 0; i < secret_count; i++)
		if (!secrets[i].allowed &&
			memmem(bytes, len, secrets[i].bytes, secrets[i].len) != NULL)
			return &secrets[i];
	return NULL;
}

// Everything that an exporter is handed.
static const struct secret *find_in_batch(const struct batch *batch)
{
	const struct secret *found = find_secret(batch->bytes, batch->size);

	for (uint32_t i = 0; i < batch->count && found == NULL; i++) {
		const struct batch_row *row = &batch->rows[i];
		found = find_secret(batch->bytes + row->key_offset, row->key_len);
		if (found == NULL)
			found = find_secret(row->client_key, sizeof(row->client_key));
	}
	return found;
}

static const char *random_rule(unsigned which)
{
	static const char *const rules[] = {"client_ip=drop", "client_mac=keep", "server_name=drop",
		"server_name=pseudonym", "dns=drop", "dns.name=keep", "client_key=drop",
		"client_key=pseudonym", "names.name=pseudonym", "mac=truncate: 24", "mac=keep",
		"client_ip.local=truncate: 16/32", "server_ip=keep", "server_ip=truncate: 8/16",
		"user_agent=pseudonym", "flow.alpn=keep", "flow.server_key=drop", "addresses=drop"};

	return rules[which % ARRAY_COUNT(rules)];
}

// Rows of random content under a profile with two random rules; returns how many secrets were in
// the rows although the policy keeps them, which shows that the search finds.
static unsigned run_round(enum setting_profile profile, bool json)
{
	const char *rules[] = {
		random_rule((unsigned)next_random()), random_rule((unsigned)next_random()), NULL};
	struct sample r;
	struct words w;
	bool ip6 = next_random() % 2 == 0;
	unsigned allowed_found = 0;

	sample_init(&r, profile, next_random() % 2 == 0 ? rules : NULL, json);
	make_random(&w, ip6);
	fill(&r, &w, ip6);
	list_secrets(&r, &w, ip6);
	record_flow(r.record, &r.flow);
	record_client(r.record, &r.client);
	r.client.tombstone = true;
	record_client(r.record, &r.client);
	record_usage(r.record, &r.usage);
	record_health(r.record, &r.health);
	record_seal(r.record, 1, 0, true);
	for (struct batch *batch; (batch = batch_pool_next(&r.batches)) != NULL;) {
		const struct secret *found = find_in_batch(batch);
		if (found != NULL)
			fail_msg("round %llu, profile %u, rules %s, %s: a secret of %zu octets, "
				 "%.20s, "
				 "left in a %s row",
				(unsigned long long)state, profile, rules[0], rules[1], found->len,
				(const char *)found->bytes, record_type_name(batch->type));
		for (size_t i = 0; i < secret_count; i++)
			allowed_found += secrets[i].allowed &&
				memmem(batch->bytes, batch->size, secrets[i].bytes,
					secrets[i].len) != NULL;
		batch_pool_done(&r.batches, batch);
	}
	sample_fini(&r);
	return allowed_found;
}

static void test_withheld(void **)
{
	unsigned found[3] = {0};

	for (unsigned i = 0; i < ROUNDS; i++)
		for (enum setting_profile profile = PROFILE_BASIC; profile <= PROFILE_FULL;
			profile++)
			found[profile] += run_round(profile, i % 3 == 0);
	// The search finds what may be found.
	assert_true(found[PROFILE_FULL] > ROUNDS * 10);
	assert_true(found[PROFILE_STANDARD] > ROUNDS);
}

// A planted leak is seen: a policy that lets the MAC out, held against one that does not.
static void test_planted(void **)
{
	struct sample r;
	struct words w;

	sample_init(&r, PROFILE_STANDARD, (const char *const[]){"client_mac=keep", NULL}, false);
	make_random(&w, false);
	fill(&r, &w, false);
	secret_count = 0;
	add_mac_secret(w.mac[0], false);
	record_flow(r.record, &r.flow);
	struct batch *batch = sample_sealed(&r);
	assert_non_null(find_in_batch(batch));
	sample_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_withheld),
		cmocka_unit_test(test_planted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
