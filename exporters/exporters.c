// THE LIST of exporters.
#include "core/export/exporter.h"

extern const struct exporter_ops file_exporter_ops, kafka_exporter_ops, null_exporter_ops;

const struct exporter_ops *const exporters[] = {
	&file_exporter_ops,
#ifdef WEIR_KAFKA
	&kafka_exporter_ops,
#endif
	&null_exporter_ops,
	NULL,
};
