// A NIC's port under DPDK (port.h).
#define ALLOW_EXPERIMENTAL_API // rte_dev_event_*: DPDK 22.11 has nothing else to hear the bus by
#include "port.h"

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/packet/capture_clock.h"
#include "nic_clock.h"

#include <errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf_dyn.h>
#include <rte_pause.h>
#include <stdatomic.h>
#include <string.h>

#define LINK_TAKES_NS (5 * (uint64_t)NS_PER_S) // to be agreed on when a port starts

enum {
	DESCRIPTORS_MAX = 4096, // 270 us of the smallest frames at 10 Gb/s
	FRAME_BITS_MIN = 84 * 8,
	MBUF_CACHE = 128, // of the pool, each polling thread's
	KEY_USUAL = 40,
	MBUF_BYTES = sizeof(struct rte_mbuf) + RTE_MBUF_DEFAULT_BUF_SIZE,
};

#define REST_MIN_NS (50 * NS_PER_US)
#define REST_MAX_NS NS_PER_MS

struct port {
	uint16_t id;
	uint16_t queues;
	uint16_t users;
	uint16_t descriptors; // of each queue
	bool hashes; // shares packets out to its queues by RSS, so:
	struct rte_eth_rss_conf hash;
	bool started;
	bool link_up;
	uint64_t link_due_ns; // until then it may still be coming up
	uint64_t times_down;
	char name[PORT_NAME_SIZE];
	char device[RTE_DEV_NAME_MAX_LEN]; // "": not watched
	struct rte_mempool *pool;
	bool stamps; // asked for
	int time_field; // where an mbuf holds the driver's time; -1: nowhere
	bool ticks; // it is of the NIC's own clock, else us since 1970
	struct nic_clock clock;
	uint64_t time_flag;
	uint64_t lost_before[NIC_LOSS_COUNT]; // of the port's life before we opened it
	uint64_t lost[NIC_LOSS_COUNT]; // as last seen, with that
	_Atomic uint64_t rest_ns; // port_check() sets it, whoever polls reads it
	atomic_bool removed; // set by DPDK's interrupt thread, or by who checks the port
};

#define KEY_4 0x6d, 0x5a, 0x6d, 0x5a
#define KEY_12 KEY_4, KEY_4, KEY_4
const uint8_t port_symmetric_key[PORT_KEY_SIZE] = {KEY_12, KEY_12, KEY_12, KEY_12, KEY_4};

static int no_such_port(const char *name, char error[CAPTURE_ERROR_SIZE])
{
	char there[256] = "";

	for (uint16_t id = 0; id < RTE_MAX_ETHPORTS; id++) {
		char one[RTE_ETH_NAME_MAX_LEN];
		size_t len = strlen(there);
		if (rte_eth_dev_is_valid_port(id) && rte_eth_dev_get_name_by_port(id, one) == 0)
			snprintf(
				there + len, sizeof(there) - len, "%s%s", len > 0 ? ", " : "", one);
	}
	if (name == NULL)
		return capture_explain(error, -EINVAL,
			"nothing to read: give a port (-i PORT); there %s%s",
			*there != '\0' ? "is: " : "is none", there);
	return capture_explain(error, -ENODEV,
		"DPDK has no port \"%s\"%s%s; if it was asked for, what DPDK said of it stands "
		"above; a NIC is named by its PCI address and must be bound to vfio-pci "
		"(dpdk-devbind.py --status)",
		name, *there != '\0' ? "; there is: " : " nor any other", there);
}

static int find(const char *name, uint16_t *ret)
{
	char whole[PORT_NAME_SIZE];

	if (name == NULL)
		return -EINVAL;
	if (rte_eth_dev_get_port_by_name(name, ret) == 0)
		return 0;
	// A PCI address without its domain, as lspci prints it.
	snprintf(whole, sizeof(whole), "0000:%s", name);
	return rte_eth_dev_get_port_by_name(whole, ret);
}

// The RSS hash functions that look at both ends, of those the port has.
static uint64_t hash_functions(const struct rte_eth_dev_info *info)
{
	return (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_SCTP) &
		info->flow_type_rss_offloads;
}

static bool is_af_packet(const struct rte_eth_dev_info *info)
{
	return strcmp(info->driver_name, "net_af_packet") == 0;
}

// Drivers whose queues are there from the start (--vdev "net_af_packet0,...,qpairs=2") and filled
// by somebody who keeps a flow on one: the kernel by its own symmetric hash, or whoever has the
// rings.
static bool filled_by_flow(const struct rte_eth_dev_info *info)
{
	return is_af_packet(info) || strcmp(info->driver_name, "net_ring") == 0;
}

static bool can_hash(const struct rte_eth_dev_info *info, uint16_t threads)
{
	return hash_functions(info) != 0 && info->hash_key_size <= PORT_KEY_SIZE &&
		info->max_rx_queues >= threads;
}

bool port_shares(const struct port_config *config)
{
	struct rte_eth_dev_info info;
	uint16_t id;

	if (find(config->name, &id) != 0 || rte_eth_dev_info_get(id, &info) != 0)
		return true; // port_open() says what is wrong
	if (config->threads == 1)
		return true;
	if (filled_by_flow(&info) ? info.nb_rx_queues >= config->threads
				  : can_hash(&info, config->threads))
		return true;
	log_info(
		"port \"%s\" cannot share packets out to %u queues by a symmetric hash: one thread "
		"receives and deals them out",
		config->name, config->threads);
	return false;
}

// How many queues to set up: one for each thread where the port hashes, else all that are there.
static void plan_queues(
	struct port *port, const struct port_config *config, const struct rte_eth_dev_info *info)
{
	port->hashes = config->threads > 1 && !filled_by_flow(info);
	port->queues = port->hashes ? config->threads : (uint16_t)MAX(info->nb_rx_queues, 1);
	port->hash = (struct rte_eth_rss_conf){
		.rss_key = (uint8_t *)(uintptr_t)port_symmetric_key,
		// Who does not say takes what every NIC takes.
		.rss_key_len = info->hash_key_size > 0 ? info->hash_key_size : KEY_USUAL,
		.rss_hf = hash_functions(info),
	};
}

// In DPDK 22.11 the one driver known to stamp packets with the time of day is that of pcap files.
// What NICs stamp is a counter of their own, which must be readable to be of use: where it is not,
// stamps are not asked for, as several drivers receive by a slower way then.
static bool stamps_useful(const struct port *port, const struct rte_eth_dev_info *info)
{
	uint64_t ticks;

	return !port->ticks ||
		(info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_TIMESTAMP &&
			rte_eth_read_clock(port->id, &ticks) == 0);
}

static struct rte_eth_conf conf_of(const struct port *port, const struct port_config *config,
	const struct rte_eth_dev_info *info)
{
	struct rte_eth_conf conf = {.rxmode = {.mtu = config->mtu}};

	if (port->stamps)
		conf.rxmode.offloads = RTE_ETH_RX_OFFLOAD_TIMESTAMP & info->rx_offload_capa;
	// Without it some drivers do not say that the device goes.
	conf.intr_conf.rmv = (*info->dev_flags & RTE_ETH_DEV_INTR_RMV) != 0;
	// A frame longer than one buffer comes in several.
	if (config->mtu + RTE_ETHER_HDR_LEN + 2 * RTE_VLAN_HLEN + RTE_ETHER_CRC_LEN >
		RTE_MBUF_DEFAULT_DATAROOM)
		conf.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_SCATTER & info->rx_offload_capa;
	if (port->hashes) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf = port->hash;
	}
	return conf;
}

// Some drivers only say how long a frame may be; as rte_eth_dev_configure() reckons.
static uint32_t largest_mtu(const struct rte_eth_dev_info *info)
{
	const uint32_t around = RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN;

	if (info->max_mtu == UINT16_MAX && info->max_rx_pktlen > around)
		return MIN(info->max_rx_pktlen - around, (uint32_t)UINT16_MAX);
	return info->max_mtu;
}

// Without a transmit queue where the driver allows it, else with as many as it receives by, unused.
static int configure(struct port *port, const struct port_config *config,
	const struct rte_eth_dev_info *info, uint16_t *ret_tx, char error[CAPTURE_ERROR_SIZE])
{
	struct rte_eth_conf conf = conf_of(port, config, info);

	if (config->mtu < info->min_mtu || config->mtu > largest_mtu(info))
		return capture_explain(error, -EINVAL,
			"port \"%s\" takes capture.mtu from %u to %u", port->name, info->min_mtu,
			largest_mtu(info));
	*ret_tx = 0;
	int err = rte_eth_dev_configure(port->id, port->queues, 0, &conf);
	if (err != 0) {
		*ret_tx = port->queues;
		err = rte_eth_dev_configure(port->id, port->queues, port->queues, &conf);
	}
	return err == 0 ? 0
			: capture_explain(error, err, "port \"%s\" cannot be configured: %s",
				  port->name, rte_strerror(-err));
}

static int make_queues(struct port *port, const struct port_config *config, uint16_t tx_queues,
	char error[CAPTURE_ERROR_SIZE])
{
	char name[RTE_MEMPOOL_NAMESIZE];
	int socket = rte_eth_dev_socket_id(port->id);
	unsigned mbufs = (unsigned)(config->buffer_bytes / MBUF_BYTES);
	uint16_t rx = (uint16_t)MIN(
		(unsigned)DESCRIPTORS_MAX, rte_align32prevpow2(mbufs / 2 / port->queues));
	uint16_t tx = rx;

	snprintf(name, sizeof(name), "weir-port-%u", port->id);
	port->pool = rte_pktmbuf_pool_create(
		name, mbufs, MBUF_CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE, socket);
	if (port->pool == NULL)
		return capture_explain(error, -rte_errno,
			"no memory for %u packet buffers: %s; reserve more huge pages, or with "
			"--no-huge give more by -m, or lower capture.buffer",
			mbufs, rte_strerror(rte_errno));
	int err = rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &rx, &tx);
	port->descriptors = rx;
	port->rest_ns = port_rest_of(rx, RTE_ETH_SPEED_NUM_UNKNOWN);
	if (err == 0 && (unsigned)rx * port->queues >= mbufs)
		return capture_explain(error, -EINVAL,
			"capture.buffer is too small: %u packet buffers, but port \"%s\" keeps %u "
			"in "
			"each of %u queues",
			mbufs, port->name, rx, port->queues);
	for (uint16_t q = 0; q < port->queues && err == 0; q++)
		err = rte_eth_rx_queue_setup(port->id, q, rx, (unsigned)socket, NULL, port->pool);
	for (uint16_t q = 0; q < tx_queues && err == 0; q++)
		err = rte_eth_tx_queue_setup(port->id, q, tx, (unsigned)socket, NULL);
	return err == 0 ? 0
			: capture_explain(error, err,
				  "the queues of port \"%s\" cannot be set up: %s (capture.mtu %u, "
				  "%u descriptors)",
				  port->name, rte_strerror(-err), config->mtu, rx);
}

static void find_time(struct port *port)
{
	port->time_field = -1;
	if (!port->stamps)
		return;
	int flag = rte_mbuf_dynflag_lookup(RTE_MBUF_DYNFLAG_RX_TIMESTAMP_NAME, NULL);
	if (flag < 0)
		return;
	port->time_flag = RTE_BIT64(flag);
	port->time_field = rte_mbuf_dynfield_lookup(RTE_MBUF_DYNFIELD_TIMESTAMP_NAME, NULL);
	if (port->ticks && port->time_field >= 0)
		log_info("port \"%s\": the NIC's clock gives packets their times", port->name);
}

// The driver says that its device is going, or somebody took the port away.
static int on_removal(uint16_t, enum rte_eth_event_type, void *arg, void *)
{
	struct port *port = arg;

	atomic_store_explicit(&port->removed, true, memory_order_relaxed);
	return 0;
}

// The bus says so: vfio when the kernel wants the device back.
static void on_device(const char *, enum rte_dev_event_type event, void *arg)
{
	struct port *port = arg;

	if (event == RTE_DEV_EVENT_REMOVE)
		atomic_store_explicit(&port->removed, true, memory_order_relaxed);
}

static void watch(struct port *port, const struct rte_eth_dev_info *info)
{
	snprintf(port->device, sizeof(port->device), "%s", rte_dev_name(info->device));
	rte_eth_dev_callback_register(port->id, RTE_ETH_EVENT_INTR_RMV, on_removal, port);
	rte_eth_dev_callback_register(port->id, RTE_ETH_EVENT_DESTROY, on_removal, port);
	rte_dev_event_callback_register(port->device, on_device, port);
}

// -EAGAIN: the callback is being run, by EAL's own thread, and the port is its argument.
static void unwatch(struct port *port)
{
	while (rte_eth_dev_callback_unregister(
		       port->id, RTE_ETH_EVENT_INTR_RMV, on_removal, port) == -EAGAIN)
		rte_pause();
	while (rte_eth_dev_callback_unregister(port->id, RTE_ETH_EVENT_DESTROY, on_removal, port) ==
		-EAGAIN)
		rte_pause();
	while (port->device[0] != '\0' &&
		rte_dev_event_callback_unregister(port->device, on_device, port) == -EAGAIN)
		rte_pause();
}

static void see_losses(struct port *port)
{
	struct rte_eth_stats stats;

	if (port_removed(port) || rte_eth_stats_get(port->id, &stats) != 0)
		return;
	port->lost[NIC_MISSED] = stats.imissed;
	port->lost[NIC_ERRORS] = stats.ierrors;
	port->lost[NIC_NO_BUFFER] = stats.rx_nombuf;
}

// Whether the driver says of its key that it is another. What it does not fill in is left as it is.
static bool hashes_otherwise(const struct port *port)
{
	uint8_t key[PORT_KEY_SIZE];
	struct rte_eth_rss_conf conf = {.rss_key = key, .rss_key_len = sizeof(key)};

	memcpy(key, port_symmetric_key, sizeof(key));
	return rte_eth_dev_rss_hash_conf_get(port->id, &conf) == 0 &&
		memcmp(key, port_symmetric_key, sizeof(key)) != 0;
}

// Some drivers take no key with the configuration, but one that is set afterwards.
static void check_key(struct port *port)
{
	if (!port->hashes || !hashes_otherwise(port))
		return;
	rte_eth_dev_rss_hash_update(port->id, &port->hash);
	if (hashes_otherwise(port))
		log_warning("port \"%s\" hashes by a key of its own: the two directions of a flow "
			    "may meet on different shards",
			port->name);
}

// What a driver cannot do it does not do either. Some refuse, with the mode, what else they are
// told where it is not what they have: so that is read first.
static void stop_pauses(struct port *port)
{
	struct rte_eth_fc_conf pauses = {.mode = RTE_ETH_FC_FULL};

	int err = rte_eth_dev_flow_ctrl_get(port->id, &pauses);
	bool already = err == 0 && pauses.mode == RTE_ETH_FC_NONE; // though perhaps not for long
	pauses.mode = RTE_ETH_FC_NONE;
	err = rte_eth_dev_flow_ctrl_set(port->id, &pauses);
	if (err != 0 && err != -ENOTSUP && !already)
		log_warning("port \"%s\" may send pause frames when it is overrun: they cannot be "
			    "switched off: %s",
			port->name, rte_strerror(-err));
}

static int start(
	struct port *port, const struct port_config *config, char error[CAPTURE_ERROR_SIZE])
{
	int err = rte_eth_dev_start(port->id);
	if (err != 0)
		return capture_explain(error, err, "port \"%s\" does not start: %s", port->name,
			rte_strerror(-err));
	port->started = true;
	check_key(port);
	see_losses(port);
	memcpy(port->lost_before, port->lost, sizeof(port->lost));
	stop_pauses(port);
	if (config->promiscuous && rte_eth_promiscuous_enable(port->id) != 0)
		log_warning("port \"%s\" has no promiscuous mode: frames for other stations may be "
			    "missed",
			port->name);
	port->link_up = true; // said when it is not
	port->link_due_ns = clock_steady_ns() + LINK_TAKES_NS;
	return 0;
}

int port_open(struct port **ret, const struct port_config *config, char error[CAPTURE_ERROR_SIZE])
{
	struct rte_eth_dev_info info;
	uint16_t tx_queues, id;

	if (find(config->name, &id) != 0)
		return no_such_port(config->name, error);
	struct port *port = calloc(1, sizeof(*port));
	if (port == NULL)
		return capture_explain(error, -ENOMEM, "no memory to open \"%s\"", config->name);
	port->id = id;
	port->users = 1;
	snprintf(port->name, sizeof(port->name), "%s", config->name);
	int err = rte_eth_dev_info_get(id, &info);
	if (err != 0)
		capture_explain(error, err, "port \"%s\" says nothing of itself: %s", port->name,
			rte_strerror(-err));
	if (err == 0) {
		port->ticks = strcmp(info.driver_name, "net_pcap") != 0;
		port->stamps = stamps_useful(port, &info);
		plan_queues(port, config, &info);
		err = configure(port, config, &info, &tx_queues, error);
	}
	if (err == 0)
		err = make_queues(port, config, tx_queues, error);
	if (err == 0) {
		watch(port, &info);
		err = start(port, config, error);
	}
	if (err != 0) {
		port_close(port);
		return err;
	}
	// Its sockets ask for whole datagrams, and nobody asks them what they dropped.
	if (is_af_packet(&info))
		log_warning("port \"%s\": what its driver loses is not counted, and fragments come "
			    "joined; `weir run -i` does better",
			port->name);
	find_time(port);
	port_check(port);
	*ret = port;
	return 0;
}

static bool is_loss(const char *name)
{
	static const char *const words[] = {"err", "drop", "miss", "discard", "nombuf", "no_mbuf",
		"out_of_buf", "alloc_fail", "overflow", "overrun"};

	for (size_t i = 0; i < ARRAY_COUNT(words); i++)
		if (strncmp(name, "rx", 2) == 0 && strstr(name, words[i]) != NULL)
			return true;
	return false;
}

// The driver's own counts say more closely than the sum where packets went.
static void say_losses(const struct port *port)
{
	int count = rte_eth_xstats_get(port->id, NULL, 0);
	size_t room = count > 0 ? (size_t)count : 0;
	struct rte_eth_xstat_name *names = calloc(room + 1, sizeof(*names));
	struct rte_eth_xstat *values = calloc(room + 1, sizeof(*values));

	if (names != NULL && values != NULL &&
		rte_eth_xstats_get(port->id, values, (unsigned)room) == count &&
		rte_eth_xstats_get_names(port->id, names, (unsigned)room) == count)
		for (int i = 0; i < count; i++)
			if (values[i].value > 0 && is_loss(names[i].name))
				log_warning("port \"%s\": %s %llu", port->name, names[i].name,
					(unsigned long long)values[i].value);
	free(names);
	free(values);
}

struct port *port_share(struct port *port)
{
	port->users++;
	return port;
}

uint16_t port_queues(const struct port *port)
{
	return port->queues;
}

void port_check_node(const struct port *port, uint16_t queue, unsigned node)
{
	int own = rte_eth_dev_socket_id(port->id);

	if (own >= 0 && (unsigned)own != node)
		log_warning("port \"%s\" is on NUMA node %d, the core that polls queue %u on node "
			    "%u: its packets cross over; choose other cores (-l)",
			port->name, own, queue, node);
}

bool port_removed(const struct port *port)
{
	return atomic_load_explicit(&port->removed, memory_order_relaxed);
}

void port_close(struct port *port)
{
	if (port == NULL || --port->users > 0)
		return;
	if (port->started && rte_eth_dev_is_valid_port(port->id)) {
		if (!port_removed(port))
			say_losses(port);
		rte_eth_dev_stop(port->id);
	}
	unwatch(port);
	rte_eth_dev_close(port->id);
	rte_mempool_free(port->pool);
	free(port);
}

uint16_t port_receive(struct port *port, uint16_t queue, struct rte_mbuf **ret, uint16_t max)
{
	// Its queues may be gone.
	return unlikely(port_removed(port)) ? 0 : rte_eth_rx_burst(port->id, queue, ret, max);
}

uint64_t port_time(const struct port *port, const struct rte_mbuf *packet)
{
	if (!port_stamps(port) || (packet->ol_flags & port->time_flag) == 0)
		return CAPTURE_NO_TIME;
	uint64_t time = *RTE_MBUF_DYNFIELD(packet, port->time_field, const rte_mbuf_timestamp_t *);
	return port->ticks ? nic_clock_time(&port->clock, time) : time * NS_PER_US;
}

uint64_t port_rest_of(uint16_t descriptors, uint32_t mbps)
{
	if (mbps == RTE_ETH_SPEED_NUM_UNKNOWN)
		mbps = RTE_ETH_SPEED_NUM_10G;
	if (mbps == RTE_ETH_SPEED_NUM_NONE) // no link
		return REST_MAX_NS;
	uint64_t fills_ns = (uint64_t)descriptors * FRAME_BITS_MIN * 1000 / mbps;
	return MIN(MAX(fills_ns / 4, REST_MIN_NS), REST_MAX_NS);
}

uint64_t port_rest_ns(const struct port *port)
{
	return atomic_load_explicit(&port->rest_ns, memory_order_relaxed);
}

bool port_stamps(const struct port *port)
{
	return port->time_field >= 0;
}

static void read_clocks(struct port *port)
{
	uint64_t ticks;

	if (port->ticks && port_stamps(port) && rte_eth_read_clock(port->id, &ticks) == 0)
		nic_clock_read(&port->clock, ticks, clock_steady_ns(), clock_wall_ns());
}

int port_check(struct port *port)
{
	struct rte_eth_link link = {0};

	if (port_removed(port) || rte_eth_dev_is_removed(port->id) == 1) {
		atomic_store_explicit(&port->removed, true, memory_order_relaxed);
		port->times_down += port->link_up;
		port->link_up = false;
		return -ENODEV;
	}
	read_clocks(port);
	if (rte_eth_link_get_nowait(port->id, &link) != 0)
		return 0;
	atomic_store_explicit(&port->rest_ns, port_rest_of(port->descriptors, link.link_speed),
		memory_order_relaxed);
	bool up = link.link_status == RTE_ETH_LINK_UP;
	if (!up && clock_steady_ns() < port->link_due_ns)
		return 0;
	port->link_due_ns = 0;
	if (up != port->link_up)
		log_warning("port \"%s\": the link is %s", port->name, up ? "up again" : "down");
	port->times_down += port->link_up && !up;
	port->link_up = up;
	return 0;
}

uint64_t port_times_down(const struct port *port)
{
	return port->times_down;
}

void port_lost(struct port *port, uint64_t ret[NIC_LOSS_COUNT])
{
	see_losses(port);
	for (unsigned i = 0; i < NIC_LOSS_COUNT; i++)
		ret[i] = port->lost[i] - port->lost_before[i];
}
