// Everything that is counted: publishing and names.
#include "core/base/counters.h"

#include "core/base/compiler.h"

static const char *const drop_names[DROP_REASON_COUNT] = {"none",
#define X(name, text) #name,
	DROP_REASONS(X)
#undef X
};

static const char *const drop_texts[DROP_REASON_COUNT] = {"not dropped",
#define X(name, text) text,
	DROP_REASONS(X)
#undef X
};

void counters_publish(struct counters *c)
{
	for (unsigned i = 0; i < COUNTER_COUNT; i++)
		atomic_store_explicit(&c->published[i], c->value[i], memory_order_relaxed);
}

void counters_sum(const struct counters *c, uint64_t sum[COUNTER_COUNT])
{
	for (unsigned i = 0; i < COUNTER_COUNT; i++)
		sum[i] += atomic_load_explicit(&c->published[i], memory_order_relaxed);
}

const char *drop_reason_name(enum drop_reason reason)
{
	REQUIRE(reason < DROP_REASON_COUNT);
	return drop_names[reason];
}

const char *drop_reason_text(enum drop_reason reason)
{
	REQUIRE(reason < DROP_REASON_COUNT);
	return drop_texts[reason];
}
