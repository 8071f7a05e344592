// A health row's fields, through the door.
#pragma once

#include "core/record/door.h"

// Writes them at `at`, where there is room for ROW_SIZE_MAX octets. Returns the row's end.
uint8_t *encode_health(struct record *d, uint8_t *at, const struct health_row *row,
	uint64_t sequence, uint64_t expires_at);
