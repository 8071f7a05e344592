// Vendor of a MAC address.
#include "core/client/vendor.h"

static const struct vendor_block *find_block(
	const struct vendor_registry *registry, uint64_t prefix)
{
	size_t from = 0, to = registry->count;

	while (from < to) {
		size_t middle = from + (to - from) / 2;
		if (registry->blocks[middle].prefix < prefix)
			from = middle + 1;
		else
			to = middle;
	}
	if (from < registry->count && registry->blocks[from].prefix == prefix)
		return &registry->blocks[from];
	return NULL;
}

const char *vendor_of(const uint8_t mac[6])
{
	uint64_t bits = 0;

	if ((mac[0] & 0x03) != 0) // locally administered, or a group: nobody's
		return NULL;
	for (unsigned i = 0; i < 6; i++)
		bits = bits << 8 | mac[i];
	for (unsigned i = 0; i < 3; i++) {
		const struct vendor_registry *registry = &vendor_registries[i];
		const struct vendor_block *block =
			find_block(registry, bits >> (48 - registry->bits));
		if (block != NULL)
			return block->name == 0 ? NULL : vendor_names + block->name;
	}
	return NULL;
}
