// The keys of clients: what a record calls somebody by, and nobody can turn back.
#include "core/privacy/policy_parts.h"

#include "core/base/compiler.h"

#include <string.h>

enum {
	VLAN_AT = 5, // in the message that is hashed, and the next
	KIND_AT = 7,
	VALUE_MAX = 16,
	HEAD_MAX = 16 + sizeof(((struct policy *)0)->tenant) + sizeof(((struct policy *)0)->site),
	CLIENTS_TOGETHER = 16,
};

// One part of what a key is made of, with its length before it, so that no two mixtures are alike.
static size_t add_part(uint8_t *message, size_t at, const void *part, size_t len)
{
	message[at] = (uint8_t)len;
	memcpy(message + at + 1, part, len);
	return at + 1 + len;
}

// All before the client's value but its VLAN and kind.
static size_t add_head(const struct policy *policy, uint8_t message[HEAD_MAX])
{
	uint32_t epoch = policy->key_epoch;
	uint8_t head[KIND_AT] = {(uint8_t)(epoch >> 24), (uint8_t)(epoch >> 16),
		(uint8_t)(epoch >> 8), (uint8_t)epoch};

	size_t len = add_part(message, 0, head, sizeof(head));
	len = add_part(message, len, policy->tenant, strlen(policy->tenant));
	return add_part(message, len, policy->site, strlen(policy->site));
}

void client_head_make(struct policy *policy)
{
	uint8_t message[HEAD_MAX];
	size_t len = add_head(policy, message);

	if (len + 1 + VALUE_MAX > PSEUDONYM_SHORT_MAX)
		return;
	memcpy(policy->client_head, message, len);
	policy->client_head_len = len;
}

static size_t value_len(unsigned kind)
{
	return kind == CLIENT_KIND_MAC ? 6 : kind == CLIENT_KIND_IP4 ? 4 : VALUE_MAX;
}

// `message`: the head, already there.
static size_t add_client(uint8_t *message, size_t head_len, const struct policy_client *client)
{
	message[VLAN_AT] = (uint8_t)(client->vlan >> 8);
	message[VLAN_AT + 1] = (uint8_t)client->vlan;
	message[KIND_AT] = client->kind;
	return add_part(message, head_len, client->value, value_len(client->kind));
}

static void make_long_key(const struct policy *policy, const struct policy_client *client)
{
	uint8_t message[HEAD_MAX + 1 + VALUE_MAX], made[32];
	size_t len = add_client(message, add_head(policy, message), client);

	pseudonym_make(policy->pseudonym, PSEUDONYM_CLIENT, message, len, made);
	memcpy(client->ret_key, made, 16);
}

static void make_keys(
	const struct policy *policy, const struct policy_client *clients, size_t count)
{
	struct pseudonym_short messages[CLIENTS_TOGETHER];

	for (size_t i = 0; i < count; i++) {
		memcpy(messages[i].block, policy->client_head, PSEUDONYM_BLOCK);
		messages[i].len =
			add_client(messages[i].block, policy->client_head_len, &clients[i]);
	}
	pseudonym_make_short(policy->pseudonym, PSEUDONYM_CLIENT, messages, count);
	for (size_t i = 0; i < count; i++)
		memcpy(clients[i].ret_key, messages[i].block, 16);
}

void policy_client_keys(
	const struct policy *policy, const struct policy_client *clients, size_t count)
{
	if (policy->client_head_len == 0) {
		for (size_t i = 0; i < count; i++)
			make_long_key(policy, &clients[i]);
		return;
	}
	for (size_t i = 0; i < count; i += CLIENTS_TOGETHER)
		make_keys(policy, &clients[i], MIN(count - i, (size_t)CLIENTS_TOGETHER));
}

void policy_client_key(const struct policy *policy, enum client_kind kind, uint16_t vlan,
	const uint8_t *value, uint8_t ret_key[16])
{
	const struct policy_client client = {
		.value = value, .ret_key = ret_key, .vlan = vlan, .kind = (uint8_t)kind};

	policy_client_keys(policy, &client, 1);
}
