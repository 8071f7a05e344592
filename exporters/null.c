// The exporter to nowhere: counts what it is given. For measuring, and for a look at the summary
// without keeping anything.
#include "core/export/exporter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct exporter {
	struct export_done *done;
	uint64_t bytes;
};

static int null_open(struct exporter **ret, const struct exporter_config *config,
	char error[EXPORTER_ERROR_SIZE])
{
	struct exporter *e = calloc(1, sizeof(*e));
	if (e == NULL) {
		snprintf(error, EXPORTER_ERROR_SIZE, "no memory for the exporter");
		return -ENOMEM;
	}
	e->done = config->done;
	*ret = e;
	return 0;
}

static int null_submit(struct exporter *exporter, struct batch *batch)
{
	for (uint32_t i = 0; i < batch->count; i++)
		exporter->bytes += batch->rows[i].len;
	export_delivered(exporter->done, batch->type, batch->count);
	export_batch(exporter->done, batch);
	return 0;
}

static void null_poll(struct exporter *, int) {}

static bool null_idle(struct exporter *, bool)
{
	return true;
}

static void null_stats(struct exporter *exporter, struct exporter_stats *ret)
{
	*ret = (struct exporter_stats){.up = true, .bytes_raw = exporter->bytes};
}

static void null_close(struct exporter *exporter)
{
	free(exporter);
}

const struct exporter_ops null_exporter_ops = {
	.name = "null",
	.open = null_open,
	.submit = null_submit,
	.poll = null_poll,
	.idle = null_idle,
	.stats = null_stats,
	.close = null_close,
};
