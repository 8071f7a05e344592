// Decode, first steps: from the link header to the IP header, through VLAN tags, MPLS and PPPoE.
#include "core/packet/decode_parts.h"

#include <string.h>

enum {
	VLAN_TAGS_MAX = 2, // both are kept; more than two nobody uses
	MPLS_LABELS_MAX = 16,
};

// Ethernet types (IEEE 802 numbers, RFC 9542 appendix B) that are understood, or whose content is
// of the link itself and of no flow.
enum {
	ETHER_LENGTH_MAX = 0x05ff, // up to here the field is an 802.3 length
	ETHER_WAKE_ON_LAN = 0x0842,
	ETHER_RARP = 0x8035,
	ETHER_MPLS = 0x8847,
	ETHER_MPLS_MULTICAST = 0x8848,
	ETHER_PPPOE_DISCOVERY = 0x8863,
	ETHER_PPPOE_SESSION = 0x8864,
	ETHER_BROADCOM = 0x886c, // Broadcom's link-layer events
	ETHER_REALTEK = 0x8899, // Realtek's loop detection
	ETHER_HOMEPLUG_1 = 0x887b,
	ETHER_SLOW = 0x8809, // LACP, OAM
	ETHER_EAPOL = 0x888e,
	ETHER_VLAN_SERVICE = 0x88a8, // 802.1ad
	ETHER_LLDP = 0x88cc,
	ETHER_HOMEPLUG_AV = 0x88e1,
	ETHER_MRP_MSRP = 0x22ea,
	ETHER_MVRP = 0x88f5,
	ETHER_MMRP = 0x88f6,
	ETHER_PTP = 0x88f7,
	ETHER_CFM = 0x8902,
	ETHER_MEDIAXTREAM = 0x8912, // HomePlug AV of other vendors
	ETHER_IEEE1905 = 0x893a,
	ETHER_LOOPBACK = 0x9000,
	ETHER_VLAN_OLD = 0x9100, // stacked tags before 802.1ad
};

// Link service access points (802.2) and the vendor in a SNAP header that are of the link itself.
enum { LLC_NULL = 0x00, LLC_STP = 0x42, LLC_SNAP = 0xaa, LLC_ISIS = 0xfe, SNAP_CISCO = 0x00000c };

// PPP protocol numbers (RFC 1661, IANA).
enum {
	PPP_IP4 = 0x0021,
	PPP_IP6 = 0x0057,
	PPP_MPLS = 0x0281,
	PPP_MPLS_MULTICAST = 0x0283,
	PPP_CONTROL_MIN = 0x8000, // RFC 1661 section 2: NCPs from 8***, LCP and kin from c***
};

// ARP hardware types in a cooked header.
enum {
	ARPHRD_ETHER = 1,
	ARPHRD_FRAD = 770,
	ARPHRD_LOOPBACK = 772,
	ARPHRD_802_11 = 801,
	ARPHRD_802_11_RADIOTAP = 803,
	ARPHRD_NETLINK = 824,
};

static enum drop_reason consumed(struct packet *p)
{
	p->fate = PACKET_CONSUMED;
	return DROP_NONE;
}

// Raw IP, and what is under an MPLS stack: the version is all there is to go by.
static enum drop_reason ip_by_version(
	struct packet *p, struct cursor *c, enum drop_reason otherwise)
{
	if (c->left == 0)
		return DROP_ip_truncated;
	switch (c->at[0] >> 4) {
	case 4:
		return decode_ip4(p, c);
	case 6:
		return decode_ip6(p, c);
	default:
		return otherwise;
	}
}

// RFC 3032 section 2.1. What the stack carries is not written anywhere: by the first nibble it is
// IP (RFC 4928 section 3), and what is not, such as an Ethernet pseudowire, is not guessed at.
static enum drop_reason mpls(struct packet *p, struct packet_extra *extra, struct cursor *c)
{
	for (unsigned labels = 0; labels < MPLS_LABELS_MAX; labels++) {
		uint32_t entry = cursor_u32(c);
		if (c->bad)
			return DROP_mpls_truncated;
		if (labels == 0)
			extra->mpls_label = entry >> 12;
		if (entry & 0x100)
			return ip_by_version(p, c, DROP_mpls_payload);
	}
	return DROP_mpls_truncated;
}

// RFC 2516 section 4 and RFC 1661 section 2.
static enum drop_reason pppoe_session(
	struct packet *p, struct packet_extra *extra, struct cursor *c)
{
	uint8_t version_type = cursor_u8(c);
	uint8_t code = cursor_u8(c);
	uint16_t session = cursor_u16(c);
	cursor_skip(c, 2); // length: the IP header's counts
	uint16_t protocol = cursor_u8(c);
	if ((protocol & 1) == 0) // an odd first octet is all of a compressed one (section 6.5)
		protocol = (uint16_t)(protocol << 8 | cursor_u8(c));
	if (c->bad || version_type != 0x11 || code != 0)
		return DROP_pppoe_malformed;

	extra->tunnel = TUNNEL_PPPOE;
	extra->tunnel_id = session;
	switch (protocol) {
	case PPP_IP4:
		return decode_ip4(p, c);
	case PPP_IP6:
		return decode_ip6(p, c);
	case PPP_MPLS:
	case PPP_MPLS_MULTICAST:
		return mpls(p, extra, c);
	default:
		return protocol >= PPP_CONTROL_MIN ? consumed(p) : DROP_not_ip;
	}
}

// 802.2 under an 802.3 length, or as a cooked protocol. IP in SNAP over Ethernet (RFC 1042) is not
// taken for IP: no host on an Ethernet sends it.
static enum drop_reason llc(struct packet *p, struct cursor *c)
{
	uint8_t service = cursor_u8(c);
	cursor_skip(c, 2); // source service, control
	if (c->bad)
		return DROP_link_truncated;
	// The null service answers tests of the link (XID, TEST).
	if (service == LLC_STP || service == LLC_ISIS || service == LLC_NULL)
		return consumed(p);
	if (service == LLC_SNAP && cursor_u24(c) == SNAP_CISCO) // CDP, VTP, DTP, PVST
		return consumed(p);
	return DROP_not_ip;
}

static bool is_tag(uint16_t type)
{
	return type == ETHER_VLAN || type == ETHER_VLAN_SERVICE || type == ETHER_VLAN_OLD;
}

static enum drop_reason vlan_tags(struct packet *p, struct cursor *c, uint16_t *type)
{
	for (unsigned tags = 0; is_tag(*type); tags++) {
		if (tags == VLAN_TAGS_MAX)
			return DROP_vlan_depth;
		uint16_t id = cursor_u16(c) & 0x0fff;
		*type = cursor_u16(c);
		if (c->bad)
			return DROP_link_truncated;
		if (tags == 0)
			p->vlan = id;
		else
			p->vlan_inner = id;
	}
	return DROP_NONE;
}

static enum drop_reason by_ether_type(
	struct packet *p, struct packet_extra *extra, struct cursor *c, uint16_t type)
{
	enum drop_reason drop = vlan_tags(p, c, &type);
	if (drop != DROP_NONE)
		return drop;
	if (type <= ETHER_LENGTH_MAX)
		return llc(p, c);

	switch (type) {
	case ETHER_IP4:
		return decode_ip4(p, c);
	case ETHER_IP6:
		return decode_ip6(p, c);
	case ETHER_ARP:
		p->l3_offset = (uint16_t)(c->at - p->data);
		p->fate = PACKET_ARP;
		return DROP_NONE;
	case ETHER_MPLS:
	case ETHER_MPLS_MULTICAST:
		return mpls(p, extra, c);
	case ETHER_PPPOE_SESSION:
		return pppoe_session(p, extra, c);
	case ETHER_BROADCOM:
	case ETHER_CFM:
	case ETHER_EAPOL:
	case ETHER_HOMEPLUG_1:
	case ETHER_HOMEPLUG_AV:
	case ETHER_IEEE1905:
	case ETHER_LLDP:
	case ETHER_LOOPBACK:
	case ETHER_MEDIAXTREAM:
	case ETHER_MMRP:
	case ETHER_MRP_MSRP:
	case ETHER_MVRP:
	case ETHER_PPPOE_DISCOVERY:
	case ETHER_PTP:
	case ETHER_RARP:
	case ETHER_REALTEK:
	case ETHER_SLOW:
	case ETHER_WAKE_ON_LAN:
		return consumed(p);
	default:
		return DROP_not_ip;
	}
}

static enum drop_reason ethernet(struct packet *p, struct packet_extra *extra, struct cursor *c)
{
	cursor_skip(c, 12);
	uint16_t type = cursor_u16(c);
	if (c->bad)
		return DROP_link_truncated;
	p->bits |= PACKET_HAS_MAC;
	return by_ether_type(p, extra, c, type);
}

// What both cooked headers hold, in different order.
struct cooked {
	uint16_t protocol, hardware, address_len;
	const uint8_t *address; // eight octets
};

static enum drop_reason cooked(
	struct packet *p, struct packet_extra *extra, struct cursor *c, const struct cooked *cooked)
{
	static const uint8_t no_mac[6];

	if (c->bad)
		return DROP_link_truncated;
	if (cooked->address_len == 6 && cooked->hardware != ARPHRD_LOOPBACK &&
		memcmp(cooked->address, no_mac, 6) != 0) {
		memcpy(extra->cooked_mac, cooked->address, 6);
		p->bits |= PACKET_COOKED_MAC;
	}
	// Of these hardware types the protocol field is something else, or nothing.
	if (cooked->hardware == ARPHRD_NETLINK || cooked->hardware == ARPHRD_FRAD ||
		(cooked->hardware >= ARPHRD_802_11 && cooked->hardware <= ARPHRD_802_11_RADIOTAP))
		return DROP_link_unknown;
	if (cooked->protocol == 0x0004) // 802.2, without a length
		return llc(p, c);
	if (cooked->protocol <= ETHER_LENGTH_MAX)
		return DROP_link_unknown;
	return by_ether_type(p, extra, c, cooked->protocol);
}

// LINKTYPE_LINUX_SLL, tcpdump.org.
static enum drop_reason cooked_1(struct packet *p, struct packet_extra *extra, struct cursor *c)
{
	struct cooked head = {0};

	cursor_skip(c, 2); // packet type
	head.hardware = cursor_u16(c);
	head.address_len = cursor_u16(c);
	head.address = cursor_take(c, 8);
	head.protocol = cursor_u16(c);
	return cooked(p, extra, c, &head);
}

// LINKTYPE_LINUX_SLL2, tcpdump.org.
static enum drop_reason cooked_2(struct packet *p, struct packet_extra *extra, struct cursor *c)
{
	struct cooked head = {0};

	head.protocol = cursor_u16(c);
	cursor_skip(c, 2 + 4); // reserved, interface index
	head.hardware = cursor_u16(c);
	cursor_skip(c, 1); // packet type
	head.address_len = cursor_u8(c);
	head.address = cursor_take(c, 8);
	return cooked(p, extra, c, &head);
}

// LINKTYPE_NULL has the address family in the byte order of whoever wrote the file, LINKTYPE_LOOP
// in network order; files of either kind have been seen both ways. The number for IPv6 depends on
// the system, too.
static enum drop_reason loopback(struct packet *p, struct cursor *c)
{
	uint32_t family = cursor_u32(c);

	if (c->bad)
		return DROP_link_truncated;
	if (family > 0xffff)
		family = __builtin_bswap32(family);
	switch (family) {
	case 2:
		return decode_ip4(p, c);
	case 10: // Linux
	case 24: // NetBSD, OpenBSD
	case 28: // FreeBSD
	case 30: // macOS
		return decode_ip6(p, c);
	default:
		return DROP_not_ip;
	}
}

enum drop_reason decode_link(struct packet *p, struct packet_extra *extra, enum link_type link)
{
	struct cursor c = cursor_of(p->data, p->cap_len);

	switch (link) {
	case LINK_ETHERNET:
		return ethernet(p, extra, &c);
	case LINK_RAW_IP:
		return ip_by_version(p, &c, DROP_ip_version);
	case LINK_COOKED_1:
		return cooked_1(p, extra, &c);
	case LINK_COOKED_2:
		return cooked_2(p, extra, &c);
	case LINK_NULL:
	case LINK_LOOP:
		return loopback(p, &c);
	case LINK_OTHER:
		break;
	}
	return DROP_link_unknown;
}
