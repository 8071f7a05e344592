// ARP for IPv4 over Ethernet (RFC 826): who says that an address is theirs. Shown ARP packets, of
// no flow; says FACT_ON_LINK and FACT_ARP of the sender, and nothing of the target, which the
// sender may know from hearsay.
#include "address.h"

#include "core/base/cursor.h"
#include "core/classify/classifier.h"

#include <string.h>

enum {
	HARDWARE_ETHERNET = 1,
	PROTOCOL_IP4 = 0x0800,
	OPERATION_REQUEST = 1,
	OPERATION_REPLY = 2,
};

static enum classify_next arp_inspect(void *, void *, const struct packet *packet,
	const struct flow_view *, struct report *report)
{
	struct cursor c = cursor_of(packet->data, packet->cap_len);

	cursor_skip(&c, packet->l3_offset);
	uint16_t hardware = cursor_u16(&c);
	uint16_t protocol = cursor_u16(&c);
	uint8_t mac_len = cursor_u8(&c);
	uint8_t ip_len = cursor_u8(&c);
	uint16_t operation = cursor_u16(&c);
	const uint8_t *mac = cursor_take(&c, 6);
	const uint8_t *ip = cursor_take(&c, 4);
	if (c.bad || hardware != HARDWARE_ETHERNET || protocol != PROTOCOL_IP4 || mac_len != 6 ||
		ip_len != 4)
		return CLASSIFY_MORE;
	if (operation != OPERATION_REQUEST && operation != OPERATION_REPLY)
		return CLASSIFY_MORE;
	// The sender hardware address, not the frame's: RFC 826 learns from it too, and a bridge or
	// an access point may have put its own into the frame.
	// A probe's sender address is 0.0.0.0 (RFC 5227 section 1.1).
	if (!mac_is_station(mac) || !ip4_is_host(ip))
		return CLASSIFY_MORE;

	struct fact fact = {.kind = FACT_ON_LINK, .ip_version = 4};
	memcpy(fact.mac, mac, 6);
	memcpy(fact.ip, ip, 4);
	report_fact(report, &fact);
	fact.kind = FACT_ARP;
	report_fact(report, &fact);
	return CLASSIFY_MORE;
}

static int arp_open(void **ret_self, const struct classifier_config *)
{
	*ret_self = NULL;
	return 0;
}

static void arp_close(void *) {}

const struct classifier_ops arp_classifier_ops = {
	.name = "arp",
	.wants = WANTS_ARP,
	.open = arp_open,
	.inspect = arp_inspect,
	.close = arp_close,
};
