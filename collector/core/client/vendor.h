// Vendor of a MAC address, by the IEEE's registries as Debian's ieee-data has them at build time.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Whose block the MAC is from: the longest of MA-S (36 bits), MA-M (28) and MA-L (24) that holds
// it, or NULL. The text lives as long as the process. Locally administered addresses have none.
const char *vendor_of(const uint8_t mac[6]);

// The generated table (make_vendors.py): sorted by prefix within each length.
struct vendor_block {
	uint64_t prefix : 40; // the leading bits, right-aligned
	uint64_t name : 24; // offset in vendor_names; 0: the block is split into smaller ones
};
struct vendor_registry {
	const struct vendor_block *blocks;
	size_t count;
	unsigned bits;
};
extern const struct vendor_registry vendor_registries[3]; // longest first
extern const char vendor_names[];
