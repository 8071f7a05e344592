// What libndpi knows a protocol by beside what packets say: ports and IPv4 addresses. It looks each
// up in trees, for every flow and more than once; of most it knows nothing, which a bit tells.
//
// It knows the library's inside: only where ndpi_dispatch_install() has recognised it are these
// asked.
#include "classifiers/ndpi_known.h"

#include "classifiers/ndpi_names.h"

#define NDPI_LIB_COMPILATION // shows struct ndpi_detection_module_struct
#include <ndpi/ndpi_api.h>

#include <assert.h>
#include <dlfcn.h>
#include <string.h>

// Ports that the library knows a protocol by, of TCP and of UDP; and whether its tree of addresses
// knows any that begins with these 16 bits (of 6 in 100 it does) and with these 20 (of 2 in 100).
// The same in every module.
enum { SHORT_BITS = 16, LONG_BITS = 20 };
static uint64_t known_ports[2][65536 / 64];
static uint16_t port_protocols[2][65536]; // by which protocol
static uint64_t known_short[(1 << SHORT_BITS) / 64], known_long[(1 << LONG_BITS) / 64];

static void port_note(const void *at, ndpi_VISIT, int, void *ports)
{
	const ndpi_default_ports_tree_node_t *node = *(ndpi_default_ports_tree_node_t *const *)at;
	unsigned kind = ports == known_ports[0] ? 0 : 1;

	known_ports[kind][node->default_port / 64] |= UINT64_C(1) << node->default_port % 64;
	port_protocols[kind][node->default_port] = node->proto->protoId;
}

static void beginnings_note(uint64_t *known, unsigned bits, uint32_t ip, unsigned prefix_len)
{
	uint32_t count = prefix_len < bits ? 1u << (bits - prefix_len) : 1;
	uint32_t first =
		ip >> (32 - bits) & ~(count - 1); // behind the prefix there may stand anything

	for (uint32_t i = first; i < first + count; i++)
		known[i / 64] |= UINT64_C(1) << i % 64;
}

static void addresses_note(const ndpi_patricia_node_t *node)
{
	if (node == NULL)
		return;
	if (node->prefix != NULL) {
		uint32_t ip = ntohl(node->prefix->add.sin.s_addr);
		beginnings_note(known_short, SHORT_BITS, ip, node->prefix->bitlen);
		beginnings_note(known_long, LONG_BITS, ip, node->prefix->bitlen);
	}
	addresses_note(node->l);
	addresses_note(node->r);
}

void ndpi_known_read(const struct ndpi_detection_module_struct *module)
{
	ndpi_twalk(module->tcpRoot, port_note, known_ports[0]);
	ndpi_twalk(module->udpRoot, port_note, known_ports[1]);
	addresses_note(((const ndpi_patricia_tree_t *)module->protocols_ptree)->head);
}

static bool has_bit(const uint64_t *bits, unsigned number)
{
	return (bits[number / 64] >> number % 64 & 1) != 0;
}

// The library's, in none of its headers.
u_int8_t is_udp_guessable_protocol(u_int16_t protocol);

uint16_t ndpi_known_port(
	const struct ndpi_flow_struct *flow, uint8_t ip_proto, const uint16_t port[2])
{
	unsigned kind = ip_proto == IPPROTO_TCP ? 0 : 1;
	uint16_t low = port[0] < port[1] ? port[0] : port[1];
	uint16_t high = port[0] < port[1] ? port[1] : port[0];
	uint16_t protocol;

	if (low != 0 && has_bit(known_ports[kind], low))
		protocol = port_protocols[kind][low];
	else if (low != 0 && has_bit(known_ports[kind], high))
		protocol = port_protocols[kind][high];
	else
		return NDPI_PROTOCOL_UNKNOWN;
	bool excluded = NDPI_ISSET(&flow->excluded_protocol_bitmask, protocol) != 0;
	return kind == 1 && excluded && is_udp_guessable_protocol(protocol) ? NDPI_PROTOCOL_UNKNOWN
									    : protocol;
}

// What the library looks for in its trees of ports, for a second time when it has a verdict: of
// most ports it knows nothing.
[[gnu::used]] void *ndpi_tfind(
	const void *key, void *root, int (*compare)(const void *, const void *))
{
	static void *_Atomic function; // the same, whoever finds it
	uint16_t port = ((const ndpi_default_ports_tree_node_t *)key)->default_port;

	if (ndpi_names_now != NULL && !has_bit(known_ports[0], port) &&
		!has_bit(known_ports[1], port))
		return NULL;
	if (function == NULL)
		function = dlsym(RTLD_NEXT, "ndpi_tfind");
	return ((typeof(ndpi_tfind) *)function)(key, root, compare);
}

// What the tree knows of an address, from the cache or into it.
static const struct ndpi_host *host_find(
	struct ndpi_detection_module_struct *module, struct ndpi_hosts *hosts, struct in_addr ip)
{
	ndpi_patricia_tree_t *tree = module->protocols_ptree;
	struct ndpi_host *host = &hosts->slots[ip.s_addr * UINT32_C(0x9e3779b1) >> 22];
	ndpi_prefix_t prefix;

	static_assert(NDPI_HOSTS == 1 << (32 - 22));
	if (host->ip == ip.s_addr && host->filled)
		return host;
	ndpi_fill_prefix_v4(&prefix, &ip, 32, tree->maxbits);
	const ndpi_patricia_node_t *node = ndpi_patricia_search_best(tree, &prefix);
	*host = (struct ndpi_host){.ip = ip.s_addr, .filled = true};
	if (node != NULL) {
		host->protocol = (uint16_t)node->value.u.uv32.user_value;
		host->port = node->value.u.uv32.additional_user_value;
	}
	return host;
}

uint16_t ndpi_known_host(struct ndpi_detection_module_struct *module, struct ndpi_hosts *hosts,
	const uint8_t ip[4], uint16_t port)
{
	struct in_addr address;

	unsigned beginning = (unsigned)(ip[0] << 12 | ip[1] << 4 | ip[2] >> 4);

	if (!has_bit(known_short, beginning >> (LONG_BITS - SHORT_BITS)) ||
		!has_bit(known_long, beginning))
		return NDPI_PROTOCOL_UNKNOWN;
	memcpy(&address, ip, sizeof(address));
	const struct ndpi_host *host = host_find(module, hosts, address);
	return host->port == 0 || host->port == htons(port) ? host->protocol
							    : NDPI_PROTOCOL_UNKNOWN;
}
