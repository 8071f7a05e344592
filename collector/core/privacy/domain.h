// The registrable domain of a host name: what is left of "a.b.example.co.uk" is "example.co.uk".
//
// By the Public Suffix List's ICANN rules: no private section, and no default rule for what is not
// listed. Names that say who somebody is rather than where they went give nothing: single labels,
// special-use names (RFC 6761, RFC 7686, RFC 8375), reverse names, unknown top-level domains.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct domain_list; // of public suffixes; read-only: any thread

enum { DOMAIN_SIZE_MAX = 255 };

// The newer of the system's list and libpsl's own. Returns 0 or -ENOENT.
int domain_list_new(struct domain_list **ret);
void domain_list_free(struct domain_list *list); // accepts NULL

// Writes the registrable domain of `name` (raw octets as sent: any case, perhaps with a final dot
// or a port) in lower case and returns its length, or 0: none.
size_t domain_registrable(const struct domain_list *list, const uint8_t *name, size_t name_len,
	char ret[DOMAIN_SIZE_MAX]);

// Whether `name` is the literal of an IP address, perhaps in brackets, perhaps with a port:
// 4 or 16 with the address, else 0.
unsigned domain_ip_literal(const uint8_t *name, size_t name_len, uint8_t ret_ip[16]);

// Remembers what names led to; the same few are asked for again and again. One thread.
struct domain_cache;
int domain_cache_new(struct domain_cache **ret, const struct domain_list *list); // 0 or -ENOMEM
void domain_cache_free(struct domain_cache *cache); // accepts NULL
// `hash`: what domain_cache_fetch() returned for the name, 0: not asked.
size_t domain_cached(struct domain_cache *cache, uint64_t hash, const uint8_t *name,
	size_t name_len, char ret[DOMAIN_SIZE_MAX]);
// Hint: the name will be asked for soon.
uint64_t domain_cache_fetch(const struct domain_cache *cache, const uint8_t *name, size_t name_len);
