// What is captured from, as `capture.interface` and `capture.files` name it: interfaces with their
// roles and groups, or files, which are one interface.
#pragma once

#include "core/settings/settings.h"

enum { INTERFACES_MAX = 16, INTERFACE_NAME_SIZE = 65 };

// DESIGN.md, section 5.
enum interface_role {
	ROLE_LAN, // clients are behind it, and its own prefixes are local
	ROLE_MIRROR, // it hears others: its own prefixes say nothing
	ROLE_WAN, // counted only: the same flow after NAT must not count twice
};

struct interface {
	char name[INTERFACE_NAME_SIZE];
	char title[INTERFACE_NAME_SIZE]; // what records call it
	char group_name[INTERFACE_NAME_SIZE]; // "": its own
	enum interface_role role;
	uint8_t group; // part of the flow key: the same for both halves of a tap
};

struct interfaces {
	uint32_t count; // 1 at least
	struct interface items[INTERFACES_MAX]; // [0].name is "" where nothing is named, or files
};

// Whether settings name no capture file.
static inline bool settings_live(const struct settings *settings)
{
	return settings->files.count == 0;
}

// Reads both settings. What is wrong goes to `problems`; returns 0 or -EINVAL.
int interfaces_read(
	struct interfaces *ret, const struct settings *settings, struct problems *problems);
