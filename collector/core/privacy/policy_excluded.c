// Whom the operator excludes: privacy.exclude.
#include "core/privacy/policy_parts.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

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
	if (!policy_read_number(&text, &bits) || *text != '\0' || bits > most)
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
