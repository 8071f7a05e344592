// Capture source over DPDK: a port's receive queues, or those of them that are one shard's. The
// bytes stay in the NIC's buffers until release(). The port's name stands in
// capture_config.interface; EAL must be up.
//
// Time: the driver's where it gives the time of day, else one reading of the clock a batch.
#pragma once

#include "core/packet/capture.h"

extern const struct capture_ops dpdk_capture_ops;
