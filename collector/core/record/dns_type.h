// Names of DNS record types (IANA, "Resource Record (RR) TYPEs").
#pragma once

#include <stdint.h>

enum { DNS_TYPE_NAME_SIZE = 12 };

// "AAAA"; what has no name here is TYPE and its number (RFC 3597 section 5), written to `buffer`.
const char *dns_type_name(uint16_t type, char buffer[DNS_TYPE_NAME_SIZE]);
