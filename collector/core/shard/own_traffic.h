// What Weir itself sends to its brokers is not collected: a collector that reports its own reports
// never ends.
#pragma once

#include "core/settings/settings.h"

// Adds to the capture filter that TCP between this host's own addresses and the ports of the
// configured brokers is left out. Main, live with the Kafka exporter, before the source opens.
// Returns 0 or -errno.
int own_traffic_exclude(struct settings *settings);
