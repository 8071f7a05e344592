// What the operator's settings say for the stages of one of `count` shards, each with its part of a
// limit that is for all. What they borrow is the caller's to fill in.
#pragma once

#include "core/classify/classify.h"
#include "core/flow/flow_table.h"
#include "core/settings/settings.h"

struct flow_settings stage_flow_settings(
	const struct settings *settings, uint32_t count, bool live);
struct classify_settings stage_classify_settings(
	const struct settings *settings, uint32_t count, bool live);
