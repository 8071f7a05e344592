// A NIC's port under DPDK: found, configured, started, watched, closed. It receives; it never
// transmits, pause frames included.
//
// Opened, shared and closed by one thread; port_check() belongs to the first of those that poll.
#pragma once

#include "core/packet/capture.h"

#include <rte_mbuf.h>

enum { PORT_KEY_SIZE = 52, PORT_NAME_SIZE = 64 };

// Toeplitz key under which both directions of a flow have one hash: every 16 bits alike, so that
// exchanging addresses, and ports, changes nothing. As long as any NIC takes.
extern const uint8_t port_symmetric_key[PORT_KEY_SIZE];

struct port; // opaque: DPDK's number of it, its buffers, what was last seen of it

struct port_config {
	const char *name; // as DPDK calls it: a PCI address, or the name given with --vdev
	uint16_t threads; // that poll it: each all queues, or all of its own
	uint16_t mtu;
	bool promiscuous;
	uint64_t buffer_bytes; // for packets between NIC and release(), of all queues together
};

// Whether it can be opened for config->threads that poll it, each flow for one of them; says so
// where not. A port that is not there can.
bool port_shares(const struct port_config *config);

// Returns 0, or -errno with *ret untouched and one sentence for the operator in `error`.
int port_open(struct port **ret, const struct port_config *config, char error[CAPTURE_ERROR_SIZE]);

// One more user: each closes it, and the last one's is the end of it.
struct port *port_share(struct port *port);
void port_close(struct port *port); // accepts NULL; says what the NIC counted as lost or broken

// Thread `n` of the port's threads polls queues n, n + threads, ... below this.
uint16_t port_queues(const struct port *port);

// Says so when the core that polls a queue is on another NUMA node than the port and its buffers.
void port_check_node(const struct port *port, uint16_t queue, unsigned node);

bool port_removed(const struct port *port); // any thread

// Up to `max` packets of a queue, which are the caller's until it frees them.
uint16_t port_receive(struct port *port, uint16_t queue, struct rte_mbuf **ret, uint16_t max);

// How long a queue may be left alone when nothing comes, ns: a quarter of what it takes to fill
// `descriptors` with the smallest frames (84 octets on the wire, IEEE 802.3) at `mbps`, but 50 us
// to 1 ms. RTE_ETH_SPEED_NUM_UNKNOWN counts as 10 Gb/s.
uint64_t port_rest_of(uint16_t descriptors, uint32_t mbps);
// That of the port's queues, by its link as last seen; any thread.
uint64_t port_rest_ns(const struct port *port);

// The driver's own time of a packet, ns since 1970, or CAPTURE_NO_TIME where it gives none.
uint64_t port_time(const struct port *port, const struct rte_mbuf *packet);
bool port_stamps(const struct port *port); // whether it ever gives one

// Looks, every tenth of a second or so, what the NIC's clock says, whether the link is up (a change
// is logged and is no error: a mirror's cable may be pulled) and the device there. Returns 0, or
// -ENODEV: it was removed.
int port_check(struct port *port);

// Packets that the NIC or its driver lost since port_open(), by cause; of a port that was removed,
// what was known last. The thread of port_check(), or main while that does not run.
void port_lost(struct port *port, uint64_t ret[NIC_LOSS_COUNT]);

// How often its link went down, or it away. The same threads.
uint64_t port_times_down(const struct port *port);
