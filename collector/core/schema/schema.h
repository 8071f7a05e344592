// THE FIELDS: every field of every record, once. Wire form, JSON, the policy's field names,
// weir.proto and docs/schema.md are all made from these lists.
//
// Numbers are for ever: never reuse one, never change its type; a later version adds at the end of
// a list. A field without data today stands here with its number and NO_DATA or NO_TEXT.
//
// F(record, id, name, type, unit, class, basic, standard, full, elsewhere, note, known, value)
// S(record, parent, id, name, type, ... the same): a sub-field of the F line before it
//   type       FIELD_TYPES of field.h
//   unit       of numbers; of ENUM and BITS the enumeration
//   class      what the field adds: NONE, LINK, PERSON, BEHAVIOUR (SCHEMA.md)
//   basic ...  what each profile lets leave (enum profile_rule)
//   elsewhere  IPFIX element id, ECS field
//   known      whether there is a value; otherwise the field is absent, which is not zero
//   value      over the names that record.c has at hand: d (the door), row, s (the segment),
//              f (the findings), c (which end of the segment is the client), e (an entry)
#pragma once

#include "core/event/event.h"
#include "core/flow/flow.h"
#include "core/schema/field.h"

#include <stdio.h>

#define NO_DATA false, 0
#define NO_TEXT false, no_text

// Enumerations, numbered from 1 in this order; X(name).
#define ENUM_END_REASON(X) X(idle) X(active) X(end) X(forced) X(resources)
#define ENUM_TUNNEL(X) \
	X(gre) X(ipip) X(6in4) X(vxlan) X(geneve) X(gtpu) X(l2tp) X(pppoe) X(teredo) X(erspan)
#define ENUM_DIRECTION(X) X(out) X(in) X(lan) X(transit)
#define ENUM_CONFIDENCE(X) X(unknown) X(port) X(ip) X(partial) X(cache) X(dpi) X(custom)
#define ENUM_DPI(X) X(verdict) X(none) X(given_up) X(not_admitted) X(excluded)
#define ENUM_NAME_SOURCE(X) X(sni) X(quic) X(http) X(dtls) X(dns_cache) X(cert)
#define ENUM_ECH(X) X(grease) X(offered)
#define ENUM_ADDRESS_SOURCE(X) X(arp) X(ndp) X(dhcp) X(traffic)
#define ENUM_CLIENT_NAME_SOURCE(X) \
	X(dhcp) \
	X(dhcp_fqdn) X(dhcpv6) X(mdns) X(llmnr) X(nbns) X(browser) X(ssdp) X(lldp) X(cdp)
#define ENUM_DEVICE_TYPE(X) \
	X(phone) \
	X(tablet) \
	X(laptop) \
	X(desktop) \
	X(tv) \
	X(printer) \
	X(nas) X(camera) X(speaker) X(console) X(iot) X(network) X(server) X(vm) X(unknown)
#define ENUM_OS_FAMILY(X) \
	X(windows) \
	X(macos) X(ios) X(android) X(linux) X(chromeos) X(bsd) X(rtos) X(other) X(unknown)
#define ENUM_CLUE(X) \
	X(dhcp_options) \
	X(dhcp_vendor_class) \
	X(tcp_syn) X(tls_hello) X(user_agent) X(service) X(mac_vendor) X(server_name) X(name)
#define ENUM_CONSENT(X) X(given) X(refused)
// A bit set: bit 0 is the first.
#define ENUM_VISIBILITY(X) \
	X(one_way) X(mid_flow) X(offload_suspected) X(snaplen_cut) X(loss_in_window)

// X(unit, enumeration's list, its name in proto)
#define ENUMERATIONS(X) \
	X(END_REASON, "EndReason") \
	X(TUNNEL, "Tunnel") \
	X(DIRECTION, "Direction") \
	X(CONFIDENCE, "Confidence") \
	X(DPI, "Dpi") \
	X(NAME_SOURCE, "NameSource") \
	X(ECH, "Ech") \
	X(ADDRESS_SOURCE, "AddressSource") \
	X(CLIENT_NAME_SOURCE, "ClientNameSource") \
	X(DEVICE_TYPE, "DeviceType") \
	X(OS_FAMILY, "OsFamily") \
	X(CLUE, "Clue") \
	X(CONSENT, "Consent") \
	X(VISIBILITY, "Visibility")

enum field_unit {
	UNIT_NONE,
	UNIT_NS,
	UNIT_US,
	UNIT_MS,
	UNIT_SEC,
	UNIT_OCTETS,
	UNIT_PACKETS,
#define X(name, proto) UNIT_##name,
	ENUMERATIONS(X)
#undef X
		UNIT_COUNT,
};

struct enumeration {
	const char *proto; // "EndReason"
	const char *prefix; // "END_REASON"
	const char *const *names; // by number; [0] is NULL: unset
	unsigned count; // of names, [0] included
};

// NULL when the unit is no enumeration.
const struct enumeration *schema_enumeration(enum field_unit unit);
const char *schema_unit_name(enum field_unit unit); // "ns"; "" for none and for enumerations

// 1-8 of every record.
#define COMMON_FIELDS(F, R) \
	F(R, 1, collector_id, BYTES, NONE, NONE, KEEP, KEEP, KEEP, "144, observer.serial_number", \
		"configured, or made once and kept", true, \
		octets(d->identity.collector_id, sizeof(d->identity.collector_id))) \
	F(R, 2, boot_id, ID64, NONE, NONE, KEEP, KEEP, KEEP, "", "random each start", true, \
		d->identity.boot_id) \
	F(R, 3, sequence, CODE64, NONE, NONE, KEEP, KEEP, KEEP, "event.id", \
		"per collector, boot and record type, no gaps but for lost rows", true, sequence) \
	F(R, 4, tenant, STRING, NONE, NONE, KEEP, KEEP, KEEP, "organization.id", "configured", \
		d->identity.tenant != NULL, text(d->identity.tenant)) \
	F(R, 5, site, STRING, NONE, NONE, KEEP, KEEP, KEEP, "149, observer.name", "configured", \
		d->identity.site != NULL, text(d->identity.site)) \
	F(R, 6, policy_fp, ID64, NONE, NONE, KEEP, KEEP, KEEP, "", \
		"first octets of the SHA-256 of the compiled policy", true, d->policy_fp) \
	F(R, 7, key_epoch, CODE32, NONE, NONE, DROP, KEEP, KEEP, "285", \
		"which key made the pseudonyms; 0: one of this run only", true, d->key_epoch) \
	F(R, 8, expires_at, TIME_S, NONE, NONE, KEEP, KEEP, KEEP, "", \
		"end of the data + retention; of a capture file start of the run + retention", \
		true, expires_at)

#define FLOW_ICMP_FIELDS(S) \
	S(FLOW, icmp, 1, type, CODE32, NONE, NONE, DROP, KEEP, KEEP, "176", "", true, \
		s->icmp_type) \
	S(FLOW, icmp, 2, code, CODE32, NONE, NONE, DROP, KEEP, KEEP, "177", "", true, s->icmp_code)

#define FLOW_DNS_FIELDS(S) \
	S(FLOW, dns, 1, name, NAME, NONE, BEHAVIOUR, DROP, DOMAIN, KEEP, "dns.question.name", \
		"as asked", e->name != NULL, octets(e->name, e->name_len)) \
	S(FLOW, dns, 2, type, STRING, NONE, NONE, DROP, KEEP, KEEP, "dns.question.type", \
		"A, AAAA, ... or TYPE and its number", true, dns_type(d, e->type)) \
	S(FLOW, dns, 3, rcode, CODE32, NONE, NONE, DROP, KEEP, KEEP, "dns.response_code", \
		"absent when nobody answered", e->latency_us != DNS_NOT_ANSWERED, e->rcode) \
	S(FLOW, dns, 4, latency_us, COUNT32, US, NONE, DROP, KEEP, KEEP, "", \
		"absent when nobody answered", e->latency_us != DNS_NOT_ANSWERED, e->latency_us)

#define FLOW_FIELDS(F, S) \
	COMMON_FIELDS(F, FLOW) \
	F(FLOW, 9, start, TIME_NS, NONE, LINK, DROP, KEEP, KEEP, "156, event.start", \
		"time of the segment's first packet", true, wall_ns(d, s->start_ns)) \
	F(FLOW, 10, end, TIME_NS, NONE, LINK, DROP, KEEP, KEEP, "157, event.end", "of its last", \
		true, wall_ns(d, s->end_ns)) \
	F(FLOW, 11, client_key, KEY, NONE, LINK, DROP, KEEP, KEEP, "host.id", \
		"keyed; where the client is local", row->client.local && row->client.key != NULL, \
		octets(row->client.key, 16)) \
	F(FLOW, 12, server_ip, ADDRESS_END, NONE, BEHAVIOUR, DROP, CUT, KEEP, "12/28, server.ip", \
		"", row->server.ip != NULL, end_address(&row->server, s)) \
	F(FLOW, 13, server_port, CODE32, NONE, NONE, DROP, KEEP, KEEP, "11, server.port", \
		"absent where the flow has no ports", HAS_PORTS, row->server.port) \
	F(FLOW, 14, bytes_up, COUNT64, OCTETS, NONE, DROP, KEEP, KEEP, "231, client.bytes", \
		"at L3, by the IP header's total length; up is from the client", true, \
		s->bytes[c]) \
	F(FLOW, 15, bytes_down, COUNT64, OCTETS, NONE, DROP, KEEP, KEEP, "232, server.bytes", "", \
		true, s->bytes[!c]) \
	F(FLOW, 16, packets_up, COUNT64, PACKETS, NONE, DROP, KEEP, KEEP, "298, client.packets", \
		"", true, s->packets[c]) \
	F(FLOW, 17, packets_down, COUNT64, PACKETS, NONE, DROP, KEEP, KEEP, "299, server.packets", \
		"", true, s->packets[!c]) \
	F(FLOW, 18, flow_id, ID64, NONE, NONE, DROP, KEEP, KEEP, "148", \
		"keyed; the same in each segment of a flow", true, \
		policy_flow_id(d->policy, s->flow_id)) \
	F(FLOW, 19, segment, CODE32, NONE, NONE, DROP, KEEP, KEEP, "", "from 0", true, s->segment) \
	F(FLOW, 20, end_reason, ENUM, END_REASON, NONE, DROP, KEEP, KEEP, "136", "", \
		s->end_reason != END_NONE, s->end_reason) \
	F(FLOW, 21, server_key, KEY, NONE, LINK, DROP, KEEP, KEEP, "", \
		"keyed; where the server is local", row->server.local && row->server.key != NULL, \
		octets(row->server.key, 16)) \
	F(FLOW, 22, client_mac, MAC, NONE, PERSON, DROP, DROP, KEEP, "56, client.mac", \
		"where the client is local", row->client.local && row->client.mac != NULL, \
		octets(row->client.mac, 6)) \
	F(FLOW, 23, server_mac, MAC, NONE, PERSON, DROP, DROP, KEEP, "80, server.mac", \
		"where the server is local", row->server.local && row->server.mac != NULL, \
		octets(row->server.mac, 6)) \
	F(FLOW, 24, client_ip, ADDRESS_END, NONE, PERSON, DROP, CUT, KEEP, "8/27, client.ip", "", \
		row->client.ip != NULL, end_address(&row->client, s)) \
	F(FLOW, 25, client_port, CODE32, NONE, NONE, DROP, DROP, KEEP, "7, client.port", \
		"absent where the flow has no ports", HAS_PORTS, row->client.port) \
	F(FLOW, 26, ip_protocol, CODE32, NONE, NONE, DROP, KEEP, KEEP, "4, network.iana_number", \
		"", true, s->ip_proto) \
	F(FLOW, 27, icmp, MESSAGE, NONE, NONE, DROP, KEEP, KEEP, "", "of the first packet", \
		IS_ICMP, put_flow_icmp(d, at, s)) \
	FLOW_ICMP_FIELDS(S) \
	F(FLOW, 28, interface, STRING, NONE, NONE, DROP, KEEP, KEEP, "82", "its configured name", \
		row->interface != NULL, interface_label(d, row->interface)) \
	F(FLOW, 29, vlan, CODE32, NONE, NONE, DROP, KEEP, KEEP, "243, network.vlan.id", \
		"outer tag", s->event.vlan != 0, s->event.vlan) \
	F(FLOW, 30, vlan_inner, CODE32, NONE, NONE, DROP, KEEP, KEEP, \
		"245, network.inner.vlan.id", "", s->vlan_inner != 0, s->vlan_inner) \
	F(FLOW, 31, mpls_label, CODE32, NONE, NONE, DROP, DROP, KEEP, "70", "top of the stack", \
		s->mpls_label != NOT_KNOWN_32, s->mpls_label) \
	F(FLOW, 32, tunnel, ENUM, TUNNEL, NONE, DROP, KEEP, KEEP, "351", "", \
		s->tunnel != TUNNEL_NONE, s->tunnel) \
	F(FLOW, 33, tunnel_id, CODE64, NONE, NONE, DROP, KEEP, KEEP, "351", "", \
		s->tunnel != TUNNEL_NONE && s->tunnel_id != 0, s->tunnel_id) \
	F(FLOW, 34, direction, ENUM, DIRECTION, NONE, DROP, KEEP, KEEP, "239, network.direction", \
		"which ends are local: out the client, in the server, lan both, transit neither", \
		row->direction != DIRECTION_NONE, row->direction) \
	F(FLOW, 35, dscp_up, CODE32, NONE, NONE, DROP, KEEP, KEEP, "195", "of the first packet", \
		HAS_SENT(c), s->dscp[c]) \
	F(FLOW, 36, dscp_down, CODE32, NONE, NONE, DROP, KEEP, KEEP, "195", "of the first packet", \
		HAS_SENT(!c), s->dscp[!c]) \
	F(FLOW, 37, payload_up, COUNT64, OCTETS, NONE, DROP, KEEP, KEEP, "", "of L4 payload", \
		true, s->payload[c]) \
	F(FLOW, 38, payload_down, COUNT64, OCTETS, NONE, DROP, KEEP, KEEP, "", "of L4 payload", \
		true, s->payload[!c]) \
	F(FLOW, 39, tcp_flags_up, CODE32, NONE, NONE, DROP, KEEP, KEEP, "6", \
		"or of all the segment's", IS_TCP, s->tcp_flags[c]) \
	F(FLOW, 40, tcp_flags_down, CODE32, NONE, NONE, DROP, KEEP, KEEP, "6", \
		"or of all the segment's", IS_TCP, s->tcp_flags[!c]) \
	F(FLOW, 41, protocol, STRING, NONE, NONE, DROP, KEEP, KEEP, "95, network.protocol", \
		"nDPI's master protocol; its application protocol where it gives no master", \
		HAS_PROTOCOL(s->protocol), PROTOCOL(s->protocol)) \
	F(FLOW, 42, application, STRING, NONE, BEHAVIOUR, DROP, KEEP, KEEP, \
		"96, network.application", \
		"nDPI's application protocol; Unknown where it gave none", \
		HAS_PROTOCOL(s->application), PROTOCOL(s->application)) \
	F(FLOW, 43, category, STRING, NONE, BEHAVIOUR, DROP, KEEP, KEEP, "372", "nDPI's", \
		HAS_CATEGORY(s->category), CATEGORY(s->category)) \
	F(FLOW, 44, confidence, ENUM, CONFIDENCE, NONE, DROP, KEEP, KEEP, "", "of the verdict", \
		s->confidence != CONFIDENCE_UNSET, s->confidence) \
	F(FLOW, 45, risk_bits, CODE64, NONE, BEHAVIOUR, DROP, KEEP, KEEP, "", "nDPI's", \
		WAS_INSPECTED, s->risk_bits) \
	F(FLOW, 46, risk_score, CODE32, NONE, BEHAVIOUR, DROP, KEEP, KEEP, "event.risk_score", \
		"nDPI's", WAS_INSPECTED, s->risk_score) \
	F(FLOW, 47, dpi, ENUM, DPI, NONE, DROP, KEEP, KEEP, "", \
		"what became of the inspection; none: no payload", s->dpi != DPI_UNSET, s->dpi) \
	F(FLOW, 48, server_name, NAME, NONE, BEHAVIOUR, DROP, DOMAIN, KEEP, "460, server.domain", \
		"as sent, of the server that the client asked for", row->server_name != NULL, \
		octets(row->server_name, row->server_name_len)) \
	F(FLOW, 49, name_source, ENUM, NAME_SOURCE, NONE, DROP, KEEP, KEEP, "", \
		"where server_name comes from", row->name_source != NAME_NONE, row->name_source) \
	F(FLOW, 50, name_age_ms, COUNT32, MS, NONE, DROP, KEEP, KEEP, "", "for dns_cache", \
		row->name_source == NAME_DNS_CACHE && row->name_age_ms != NOT_KNOWN_32, \
		row->name_age_ms) \
	F(FLOW, 51, ech, ENUM, ECH, NONE, DROP, KEEP, KEEP, "", "encrypted ClientHello", \
		f->number[FINDING_ECH] != ECH_NONE, f->number[FINDING_ECH]) \
	F(FLOW, 52, tls_version, STRING, NONE, NONE, DROP, KEEP, KEEP, "tls.version", \
		"the highest offered", HAS_TEXT(FINDING_TLS_VERSION), FOUND(FINDING_TLS_VERSION)) \
	F(FLOW, 53, alpn, STRING, NONE, NONE, DROP, KEEP, KEEP, "tls.next_protocol", \
		"offered, comma-joined", HAS_TEXT(FINDING_ALPN), FOUND(FINDING_ALPN)) \
	F(FLOW, 54, ja3, STRING, NONE, LINK, DROP, DROP, KEEP, "tls.client.ja3", "", NO_TEXT) \
	F(FLOW, 55, ja4, STRING, NONE, LINK, DROP, DROP, KEEP, "tls.client.ja4", "", NO_TEXT) \
	F(FLOW, 56, user_agent, STRING, NONE, LINK, DROP, DROP, KEEP, "468, user_agent.original", \
		"first of the flow", HAS_TEXT(FINDING_USER_AGENT), FOUND(FINDING_USER_AGENT)) \
	F(FLOW, 57, http_method, STRING, NONE, NONE, DROP, KEEP, KEEP, "http.request.method", \
		"first of the flow", HAS_TEXT(FINDING_HTTP_METHOD), FOUND(FINDING_HTTP_METHOD)) \
	F(FLOW, 58, http_status, CODE32, NONE, NONE, DROP, KEEP, KEEP, \
		"http.response.status_code", "first of the flow", HAS_NUMBER(FINDING_HTTP_STATUS), \
		f->number[FINDING_HTTP_STATUS]) \
	F(FLOW, 59, dns, LIST, NONE, BEHAVIOUR, DROP, KEEP, KEEP, "", \
		"at most 16; answered, given up after 10 s, or at the flow's end", \
		f->dns_count > 0, put_flow_dns(d, at, f)) \
	FLOW_DNS_FIELDS(S) \
	F(FLOW, 60, dns_queries, COUNT32, NONE, NONE, DROP, KEEP, KEEP, "", "", IS_DNS, \
		s->dns_queries) \
	F(FLOW, 61, dns_answers, COUNT32, NONE, NONE, DROP, KEEP, KEEP, "", "", IS_DNS, \
		s->dns_answers) \
	F(FLOW, 62, dns_failures, COUNT32, NONE, NONE, DROP, KEEP, KEEP, "", \
		"rcode not 0, or no answer", IS_DNS, s->dns_failures) \
	F(FLOW, 63, server_country, STRING, NONE, NONE, DROP, KEEP, KEEP, \
		"server.geo.country_iso_code", "ISO 3166 alpha-2", NO_TEXT) \
	F(FLOW, 64, server_as, CODE32, NONE, NONE, DROP, KEEP, KEEP, "17, server.as.number", "", \
		NO_DATA) \
	F(FLOW, 65, server_as_org, STRING, NONE, NONE, DROP, KEEP, KEEP, \
		"server.as.organization.name", "", NO_TEXT) \
	F(FLOW, 66, rtt_client_us, COUNT32, US, NONE, DROP, KEEP, KEEP, "", \
		"SYN/ACK to the client's ACK", s->rtt_client_us != NOT_KNOWN_32, s->rtt_client_us) \
	F(FLOW, 67, rtt_server_us, COUNT32, US, NONE, DROP, KEEP, KEEP, "", "SYN to SYN/ACK", \
		s->rtt_server_us != NOT_KNOWN_32, s->rtt_server_us) \
	F(FLOW, 68, first_reply_us, COUNT32, US, NONE, DROP, KEEP, KEEP, "", \
		"first client payload to first server payload", s->first_reply_us != NOT_KNOWN_32, \
		s->first_reply_us) \
	F(FLOW, 69, retransmissions_up, COUNT32, PACKETS, NONE, DROP, KEEP, KEEP, "", \
		"packets whose whole sequence range was seen before", IS_TCP, \
		s->retransmissions[c]) \
	F(FLOW, 70, retransmissions_down, COUNT32, PACKETS, NONE, DROP, KEEP, KEEP, "", "", \
		IS_TCP, s->retransmissions[!c]) \
	F(FLOW, 71, syn_retransmissions, COUNT32, PACKETS, NONE, DROP, KEEP, KEEP, "", "", IS_TCP, \
		s->syn_retransmissions) \
	F(FLOW, 72, fin_retransmissions, COUNT32, PACKETS, NONE, DROP, KEEP, KEEP, "", "", IS_TCP, \
		s->fin_retransmissions) \
	F(FLOW, 73, out_of_order_up, COUNT32, PACKETS, NONE, DROP, KEEP, KEEP, "", "", IS_TCP, \
		s->out_of_order[c]) \
	F(FLOW, 74, out_of_order_down, COUNT32, PACKETS, NONE, DROP, KEEP, KEEP, "", "", IS_TCP, \
		s->out_of_order[!c]) \
	F(FLOW, 75, zero_window_up, COUNT32, PACKETS, NONE, DROP, KEEP, KEEP, "", "", IS_TCP, \
		s->zero_window[c]) \
	F(FLOW, 76, zero_window_down, COUNT32, PACKETS, NONE, DROP, KEEP, KEEP, "", "", IS_TCP, \
		s->zero_window[!c]) \
	F(FLOW, 77, gap_bytes_up, COUNT64, OCTETS, NONE, DROP, KEEP, KEEP, "", \
		"acknowledged but never seen", IS_TCP, s->gap_bytes[c]) \
	F(FLOW, 78, gap_bytes_down, COUNT64, OCTETS, NONE, DROP, KEEP, KEEP, "", "", IS_TCP, \
		s->gap_bytes[!c]) \
	F(FLOW, 79, quic_version, CODE32, NONE, NONE, DROP, KEEP, KEEP, "", "", NO_DATA) \
	F(FLOW, 80, quic_rtt_us, COUNT32, US, NONE, DROP, KEEP, KEEP, "", "", NO_DATA) \
	F(FLOW, 81, rtp_jitter_us, COUNT32, US, NONE, DROP, KEEP, KEEP, "386", "RFC 3550", \
		NO_DATA) \
	F(FLOW, 82, rtp_lost, COUNT32, PACKETS, NONE, DROP, KEEP, KEEP, "", "", NO_DATA) \
	F(FLOW, 83, visibility, BITS, VISIBILITY, NONE, DROP, KEEP, KEEP, "", \
		"what of the flow could not be seen", true, s->visibility)

#define CLIENT_ADDRESSES_FIELDS(S) \
	S(CLIENT, addresses, 1, ip, ADDRESS, NONE, PERSON, DROP, DROP, KEEP, "host.ip", "", true, \
		octets(e->ip, e->ip_version == 6 ? 16 : 4)) \
	S(CLIENT, addresses, 2, from, TIME_NS, NONE, LINK, DROP, DROP, KEEP, "", "first seen", \
		true, wall_ns(d, e->from_ns)) \
	S(CLIENT, addresses, 3, to, TIME_NS, NONE, LINK, DROP, DROP, KEEP, "", "last seen", true, \
		wall_ns(d, e->to_ns)) \
	S(CLIENT, addresses, 4, source, ENUM, ADDRESS_SOURCE, NONE, DROP, DROP, KEEP, "", "", \
		e->source != ADDRESS_NONE, e->source)

#define CLIENT_NAMES_FIELDS(S) \
	S(CLIENT, names, 1, name, STRING, NONE, PERSON, DROP, DROP, KEEP, "host.hostname", \
		"as sent", true, octets(e->text, e->len)) \
	S(CLIENT, names, 2, source, ENUM, CLIENT_NAME_SOURCE, NONE, DROP, DROP, KEEP, "", "", \
		e->source != CLIENT_NAME_NONE, e->source) \
	S(CLIENT, names, 3, time, TIME_NS, NONE, LINK, DROP, DROP, KEEP, "", "when it was said", \
		true, wall_ns(d, e->time_ns))

#define CLIENT_CLUES_FIELDS(S) \
	S(CLIENT, clues, 1, kind, ENUM, CLUE, LINK, DROP, KEEP, KEEP, "", "", NO_DATA) \
	S(CLIENT, clues, 2, weight, CODE32, NONE, LINK, DROP, KEEP, KEEP, "", "", NO_DATA) \
	S(CLIENT, clues, 3, value, STRING, NONE, LINK, DROP, DROP, KEEP, "", "", NO_TEXT)

#define CLIENT_FIELDS(F, S) \
	COMMON_FIELDS(F, CLIENT) \
	F(CLIENT, 9, client_key, KEY, NONE, LINK, DROP, KEEP, KEEP, "host.id", "keyed", \
		row->key != NULL, octets(row->key, 16)) \
	F(CLIENT, 10, first_seen, TIME_NS, NONE, LINK, DROP, HOUR, KEEP, "event.start", "", true, \
		wall_ns(d, row->first_seen_ns)) \
	F(CLIENT, 11, last_seen, TIME_NS, NONE, LINK, DROP, HOUR, KEEP, "event.end", "", true, \
		wall_ns(d, row->last_seen_ns)) \
	F(CLIENT, 12, mac, MAC, NONE, PERSON, DROP, DROP, KEEP, "365, host.mac", "", \
		row->mac != NULL, octets(row->mac, 6)) \
	F(CLIENT, 13, mac_vendor, STRING, NONE, NONE, DROP, KEEP, KEEP, "device.manufacturer", \
		"by the IEEE registry", row->mac_vendor != NULL, text(row->mac_vendor)) \
	F(CLIENT, 14, mac_random, BOOL, NONE, NONE, DROP, KEEP, KEEP, "", "locally administered", \
		row->mac != NULL, row->mac_random) \
	F(CLIENT, 15, vlan, CODE32, NONE, NONE, DROP, KEEP, KEEP, "243", "", row->vlan != 0, \
		row->vlan) \
	F(CLIENT, 16, addresses, LIST, NONE, PERSON, DROP, DROP, KEEP, "366", "at most 16", \
		row->address_count > 0, put_client_addresses(d, at, row)) \
	CLIENT_ADDRESSES_FIELDS(S) \
	F(CLIENT, 17, names, LIST, NONE, PERSON, DROP, DROP, KEEP, "", "at most 8", \
		row->name_count > 0, put_client_names(d, at, row)) \
	CLIENT_NAMES_FIELDS(S) \
	F(CLIENT, 18, device_type, ENUM, DEVICE_TYPE, NONE, DROP, KEEP, KEEP, "host.type", "", \
		NO_DATA) \
	F(CLIENT, 19, device_model, STRING, NONE, LINK, DROP, KEEP, KEEP, "device.model.name", "", \
		NO_TEXT) \
	F(CLIENT, 20, os_family, ENUM, OS_FAMILY, NONE, DROP, KEEP, KEEP, "host.os.family", "", \
		NO_DATA) \
	F(CLIENT, 21, os_version, STRING, NONE, NONE, DROP, KEEP, KEEP, "host.os.version", \
		"major version", NO_TEXT) \
	F(CLIENT, 22, score, CODE32, NONE, NONE, DROP, KEEP, KEEP, "", "0-100, of the verdict", \
		NO_DATA) \
	F(CLIENT, 23, clues, LIST, NONE, LINK, DROP, KEEP, KEEP, "", "what the verdict rests on", \
		NO_DATA) \
	CLIENT_CLUES_FIELDS(S) \
	F(CLIENT, 24, dhcp_options, STRING, NONE, LINK, DROP, DROP, KEEP, "", \
		"option 55 in the order sent", row->dhcp_options != NULL, text(row->dhcp_options)) \
	F(CLIENT, 25, dhcp_vendor_class, STRING, NONE, LINK, DROP, DROP, KEEP, "", "option 60", \
		row->dhcp_vendor_class != NULL, \
		octets(row->dhcp_vendor_class, row->dhcp_vendor_class_len)) \
	F(CLIENT, 26, services, STRINGS, NONE, LINK, DROP, DROP, KEEP, "", \
		"mDNS and SSDP service types", NO_TEXT) \
	F(CLIENT, 27, consent, ENUM, CONSENT, LINK, DROP, KEEP, KEEP, "", "", NO_DATA) \
	F(CLIENT, 28, user_name, STRING, NONE, PERSON, DROP, DROP, DROP, "user.name", \
		"802.1X, portal; not collected", NO_TEXT)

#define USAGE_FIELDS(F, S) \
	COMMON_FIELDS(F, USAGE) \
	F(USAGE, 9, window_start, TIME_S, NONE, NONE, KEEP, KEEP, KEEP, "", "", true, \
		wall_window_s(d, row)) \
	F(USAGE, 10, window_s, CODE32, SEC, NONE, KEEP, KEEP, KEEP, "", "length of the window", \
		true, row->window_s) \
	F(USAGE, 11, client_key, KEY, NONE, LINK, DROP, KEEP, KEEP, "host.id", "keyed", \
		row->key != NULL, octets(row->key, 16)) \
	F(USAGE, 12, application, STRING, NONE, BEHAVIOUR, DROP, KEEP, KEEP, \
		"network.application", "nDPI's", \
		!row->total && row->has_application && HAS_PROTOCOL(row->application), \
		PROTOCOL(row->application)) \
	F(USAGE, 13, category, STRING, NONE, BEHAVIOUR, KEEP, KEEP, KEEP, "", "nDPI's", \
		!row->total && HAS_CATEGORY(row->category), CATEGORY(row->category)) \
	F(USAGE, 14, bytes_up, COUNT64, OCTETS, NONE, KEEP, KEEP, KEEP, "231", \
		"what the client sent", true, row->bytes_up) \
	F(USAGE, 15, bytes_down, COUNT64, OCTETS, NONE, KEEP, KEEP, KEEP, "232", "", true, \
		row->bytes_down) \
	F(USAGE, 16, device_type, ENUM, DEVICE_TYPE, NONE, DROP, KEEP, KEEP, "host.type", "", \
		NO_DATA) \
	F(USAGE, 17, packets_up, COUNT64, PACKETS, NONE, KEEP, KEEP, KEEP, "298", "", true, \
		row->packets_up) \
	F(USAGE, 18, packets_down, COUNT64, PACKETS, NONE, KEEP, KEEP, KEEP, "299", "", true, \
		row->packets_down) \
	F(USAGE, 19, flows, COUNT32, NONE, NONE, KEEP, KEEP, KEEP, "3", \
		"whose first segment is booked here", true, row->flows) \
	F(USAGE, 20, flows_failed, COUNT32, NONE, NONE, KEEP, KEEP, KEEP, "", \
		"no answer, or reset at once; the answer to what was asked of a group or by " \
		"broadcast (DHCP, mDNS, SSDP) is none of them", \
		true, row->flows_failed) \
	F(USAGE, 21, active_s, COUNT32, SEC, NONE, MINUTE, MINUTE, KEEP, "", \
		"seconds of the window that its flows cover", true, row->active_s) \
	F(USAGE, 22, rtt_sketch, BYTES, NONE, NONE, KEEP, KEEP, KEEP, "", \
		"mergeable quantile sketch of rtt_server_us", NO_TEXT) \
	F(USAGE, 23, dns_sketch, BYTES, NONE, NONE, KEEP, KEEP, KEEP, "", \
		"the same of DNS latency", NO_TEXT) \
	F(USAGE, 24, retransmissions, COUNT64, PACKETS, NONE, KEEP, KEEP, KEEP, "", "", true, \
		row->retransmissions) \
	F(USAGE, 25, members, COUNT32, NONE, NONE, KEEP, KEEP, KEEP, "", \
		"clients folded into this row; who was refused for want of room is none of them", \
		true, row->members)

// Health: all of class none and kept in every profile.
#define H(F, id, name, type, unit, elsewhere, note, ...) \
	F(HEALTH, id, name, type, unit, NONE, KEEP, KEEP, KEEP, elsewhere, note, __VA_ARGS__)
// A count or a state says whether it is as of now or summed since the start (of `boot_id`).
#define HS(S, parent, id, name, type, unit, note, ...) \
	S(HEALTH, parent, id, name, type, unit, NONE, KEEP, KEEP, KEEP, "", note, __VA_ARGS__)

#define HEALTH_POLICY_FIELDS(S) \
	HS(S, policy, 1, id, STRING, NONE, "", true, text(policy_id(d->policy))) \
	HS(S, policy, 2, version, STRING, NONE, "", true, text(policy_version(d->policy))) \
	HS(S, policy, 3, sha256, BYTES, NONE, "", true, octets(policy_sha256(d->policy), 32)) \
	HS(S, policy, 4, loaded_at, TIME_NS, NONE, "", true, d->identity.run_start_ns)
#define HEALTH_INTERFACES_FIELDS(S) \
	HS(S, interfaces, 1, name, STRING, NONE, "", e->name != NULL, text(e->name)) \
	HS(S, interfaces, 2, queue, CODE32, NONE, "from 0", true, e->queue) \
	HS(S, interfaces, 3, packets, COUNT64, PACKETS, "since the start", true, e->packets) \
	HS(S, interfaces, 4, bytes, COUNT64, OCTETS, "since the start", true, e->bytes) \
	HS(S, interfaces, 5, dropped_kernel, COUNT64, PACKETS, \
		"since the start; by the kernel, for want of room", true, e->dropped_kernel) \
	HS(S, interfaces, 6, dropped_nic, COUNT64, PACKETS, \
		"since the start; by the NIC or its driver", true, e->dropped_nic) \
	HS(S, interfaces, 7, nic_missed, COUNT64, PACKETS, \
		"since the start, of dropped_nic: its queue was full", \
		e->nic_lost[NIC_MISSED] > 0, e->nic_lost[NIC_MISSED]) \
	HS(S, interfaces, 8, nic_errors, COUNT64, PACKETS, \
		"since the start, of dropped_nic: damaged on the wire, most of them", \
		e->nic_lost[NIC_ERRORS] > 0, e->nic_lost[NIC_ERRORS]) \
	HS(S, interfaces, 9, nic_no_buffer, COUNT64, PACKETS, \
		"since the start, of dropped_nic: its driver found no memory", \
		e->nic_lost[NIC_NO_BUFFER] > 0, e->nic_lost[NIC_NO_BUFFER]) \
	HS(S, interfaces, 10, times_down, COUNT64, NONE, \
		"since the start: how often it went down or away", e->times_down > 0, \
		e->times_down)
#define HEALTH_DROPS_FIELDS(S) \
	HS(S, drops, 1, reason, STRING, NONE, "", true, text(drop_reason_name(e->reason))) \
	HS(S, drops, 2, packets, COUNT64, PACKETS, "since the start", true, e->packets)
#define HEALTH_FLOWS_FIELDS(S) \
	HS(S, flows, 1, active, COUNT64, NONE, "now: flows in the tables", true, \
		row->flows_active_now) \
	HS(S, flows, 2, created, COUNT64, NONE, "since the start", true, \
		row->counters[COUNTER_flows_created]) \
	HS(S, flows, 3, idle, COUNT64, NONE, \
		"since the start: segments that ended so, like those that follow", true, \
		row->counters[COUNTER_flows_idle]) \
	HS(S, flows, 4, active_timeout, COUNT64, NONE, "since the start", true, \
		row->counters[COUNTER_flows_active]) \
	HS(S, flows, 5, end, COUNT64, NONE, "since the start", true, \
		row->counters[COUNTER_flows_end]) \
	HS(S, flows, 6, forced, COUNT64, NONE, "since the start", true, \
		row->counters[COUNTER_flows_forced]) \
	HS(S, flows, 7, resources, COUNT64, NONE, "since the start", true, \
		row->counters[COUNTER_flows_resources])
#define HEALTH_DPI_FIELDS(S) \
	HS(S, dpi, 1, states, COUNT64, NONE, "now: flows under inspection", true, \
		row->counters[COUNTER_dpi_states] - row->counters[COUNTER_dpi_states_back]) \
	HS(S, dpi, 2, verdicts, COUNT64, NONE, "since the start", true, \
		row->counters[COUNTER_dpi_verdicts]) \
	HS(S, dpi, 3, given_up, COUNT64, NONE, \
		"since the start: no state, no memory, or no verdict in all packets that may be " \
		"shown", \
		true, row->counters[COUNTER_dpi_given_up]) \
	HS(S, dpi, 4, not_admitted, COUNT64, NONE, \
		"since the start: flows past the limit on new ones", true, \
		row->counters[COUNTER_dpi_not_admitted]) \
	HS(S, dpi, 5, memory, COUNT64, OCTETS, "now: what the library holds", true, \
		row->counters[COUNTER_dpi_memory])
#define HEALTH_CLIENTS_FIELDS(S) \
	HS(S, clients, 1, active, COUNT64, NONE, "now: clients in the table", true, \
		row->clients_now) \
	HS(S, clients, 2, random, COUNT64, NONE, \
		"since the start: clients with random MACs that were met; one that was evicted " \
		"and comes again counts again", \
		true, row->counters[COUNTER_clients_random]) \
	HS(S, clients, 3, evicted, COUNT64, NONE, "since the start", true, \
		row->counters[COUNTER_clients_evicted]) \
	HS(S, clients, 4, refused, COUNT64, NONE, \
		"since the start: how often one found no room; the same client counts each time", \
		true, row->counters[COUNTER_clients_refused])
#define HEALTH_RECORDS_FIELDS(S) \
	HS(S, records, 1, type, STRING, NONE, "", true, text(record_type_name(e->type))) \
	HS(S, records, 2, made, COUNT64, NONE, "since the start", true, e->made) \
	HS(S, records, 3, delivered, COUNT64, NONE, "since the start", true, e->delivered) \
	HS(S, records, 4, lost, COUNT64, NONE, "since the start", true, e->lost)
#define HEALTH_LOST_FIELDS(S) \
	HS(S, lost, 1, type, STRING, NONE, "", true, text(record_type_name(e->type))) \
	HS(S, lost, 2, cause, STRING, NONE, "", true, text(lost_cause_name(e->cause))) \
	HS(S, lost, 3, rows, COUNT64, NONE, "since the start", true, e->rows)
#define HEALTH_WITHHELD_FIELDS(S) \
	HS(S, withheld, 1, rule, STRING, NONE, "", true, text(e->rule)) \
	HS(S, withheld, 2, reason, STRING, NONE, "", true, text(e->reason)) \
	HS(S, withheld, 3, rows, COUNT64, NONE, "since the start", true, e->rows) \
	HS(S, withheld, 4, values, COUNT64, NONE, "since the start", true, e->values)
#define HEALTH_SPOOL_FIELDS(S) \
	HS(S, spool, 1, bytes, COUNT64, OCTETS, "now", NO_DATA) \
	HS(S, spool, 2, segments, COUNT64, NONE, "now", NO_DATA) \
	HS(S, spool, 3, oldest_s, COUNT64, SEC, "now: age of the oldest segment", NO_DATA)
#define HEALTH_EXPORTER_FIELDS(S) \
	HS(S, exporter, 1, name, STRING, NONE, "", true, text(row->exporter)) \
	HS(S, exporter, 2, up, BOOL, NONE, "now", true, row->exporter_up) \
	HS(S, exporter, 3, in_flight, COUNT64, NONE, \
		"now: rows taken and neither delivered nor lost", true, row->in_flight) \
	HS(S, exporter, 4, last_error, STRING, NONE, "as long as it lasts", \
		row->last_error != NULL, text(row->last_error)) \
	HS(S, exporter, 5, bytes_raw, COUNT64, OCTETS, "since the start", true, row->bytes_raw) \
	HS(S, exporter, 6, bytes_sent, COUNT64, OCTETS, "since the start, compressed as they are", \
		true, row->bytes_sent)
#define HEALTH_CPU_FIELDS(S) \
	HS(S, cpu, 1, stage, STRING, NONE, "", NO_TEXT) \
	HS(S, cpu, 2, ns, COUNT64, NS, "since the start", NO_DATA)
#define HEALTH_MEMORY_FIELDS(S) \
	HS(S, memory, 1, pool, STRING, NONE, "", true, text(e->name)) \
	HS(S, memory, 2, used, COUNT64, OCTETS, "now; absent where nobody counts", \
		e->used != MEMORY_UNKNOWN, e->used) \
	HS(S, memory, 3, size, COUNT64, OCTETS, "now: reserved, the most it may take", true, \
		e->size)
#define HEALTH_VISIBILITY_FIELDS(S) \
	HS(S, visibility, 1, one_way_ratio, DOUBLE, NONE, \
		"since the start: of the TCP flows in which something was acknowledged, those of " \
		"which only one direction was seen", \
		row->tcp_flows > 0, (double)row->one_way_flows / (double)row->tcp_flows) \
	HS(S, visibility, 2, gap_ratio, DOUBLE, NONE, "since the start", NO_DATA) \
	HS(S, visibility, 3, offload_suspected, BOOL, NONE, "since the start", NO_DATA)
#define HEALTH_ERASURES_FIELDS(S) \
	HS(S, erasures, 1, received, COUNT64, NONE, "since the start", NO_DATA) \
	HS(S, erasures, 2, done, COUNT64, NONE, "since the start", NO_DATA)
#define HEALTH_LIMITS_FIELDS(S) \
	HS(S, limits, 1, limit, STRING, NONE, "", true, text(e->limit)) \
	HS(S, limits, 2, times, COUNT64, NONE, "since the start", true, row->counters[e->counter])

#define HEALTH_FIELDS(F, S) \
	COMMON_FIELDS(F, HEALTH) \
	H(F, 9, time, TIME_NS, NONE, "", "", true, row->time_ns) \
	H(F, 10, uptime_s, COUNT64, SEC, "", "since the start", true, row->uptime_s) \
	H(F, 11, version, STRING, NONE, "", "the program's", row->version != NULL, \
		text(row->version)) \
	H(F, 12, policy, MESSAGE, NONE, "", "", true, put_health_policy(d, at, row)) \
	HEALTH_POLICY_FIELDS(S) \
	H(F, 13, interfaces, LIST, NONE, "86, 85, 135", "each with its queues", \
		row->interface_count > 0, put_health_interfaces(d, at, row)) \
	HEALTH_INTERFACES_FIELDS(S) \
	H(F, 14, packets, COUNT64, PACKETS, "", "since the start: seen in all", true, \
		row->counters[COUNTER_packets]) \
	H(F, 15, packets_in_flows, COUNT64, PACKETS, "", \
		"since the start: summed from ended flows; in the last row only", row->last, \
		row->counters[COUNTER_packets_in_flows]) \
	H(F, 16, packets_consumed, COUNT64, PACKETS, "", \
		"since the start: understood but of no flow: ARP, NDP, LLDP, spanning tree ...", \
		true, row->counters[COUNTER_packets_consumed]) \
	H(F, 17, drops, LIST, NONE, "164", "", true, put_health_drops(d, at, row)) \
	HEALTH_DROPS_FIELDS(S) \
	H(F, 18, flows, MESSAGE, NONE, "163", "", true, put_health_flows(d, at, row)) \
	HEALTH_FLOWS_FIELDS(S) \
	H(F, 19, dpi, MESSAGE, NONE, "", "", true, put_health_dpi(d, at, row)) \
	HEALTH_DPI_FIELDS(S) \
	H(F, 20, clients, MESSAGE, NONE, "", "", true, put_health_clients(d, at, row)) \
	HEALTH_CLIENTS_FIELDS(S) \
	H(F, 21, records, LIST, NONE, "42", "", true, put_health_records(d, at, row)) \
	HEALTH_RECORDS_FIELDS(S) \
	H(F, 22, lost, LIST, NONE, "166", \
		"cause: event_ring, no_batch, queue_full, spool_full, spool_age, too_large, " \
		"broker, " \
		"shutdown", \
		true, put_health_lost(d, at, row)) \
	HEALTH_LOST_FIELDS(S) \
	H(F, 23, withheld, LIST, NONE, "", "what the policy held back: by field, by record type", \
		true, put_health_withheld(d, at, row)) \
	HEALTH_WITHHELD_FIELDS(S) \
	H(F, 24, spool, MESSAGE, NONE, "", "", NO_DATA) \
	HEALTH_SPOOL_FIELDS(S) \
	H(F, 25, exporter, MESSAGE, NONE, "40", "", row->exporter != NULL, \
		put_health_exporter(d, at, row)) \
	HEALTH_EXPORTER_FIELDS(S) \
	H(F, 26, cpu, LIST, NONE, "", "", NO_DATA) \
	HEALTH_CPU_FIELDS(S) \
	H(F, 27, memory, LIST, NONE, "", "", row->memory_count > 0, put_health_memory(d, at, row)) \
	HEALTH_MEMORY_FIELDS(S) \
	H(F, 28, visibility, MESSAGE, NONE, "", "how much of the traffic is seen", \
		row->tcp_flows > 0, put_health_visibility(d, at, row)) \
	HEALTH_VISIBILITY_FIELDS(S) \
	H(F, 29, clock_step_ns, SINT64, NS, "", \
		"since the start: how far the wall clock was moved", true, row->clock_step_ns) \
	H(F, 30, erasures, MESSAGE, NONE, "", "", NO_DATA) \
	HEALTH_ERASURES_FIELDS(S) \
	H(F, 31, limits, LIST, NONE, "", \
		"how often each limit was met: something was evicted, refused or booked as " \
		"other", \
		true, put_health_limits(d, at, row)) \
	HEALTH_LIMITS_FIELDS(S)

#define ERASURE_FIELDS(F, S) \
	COMMON_FIELDS(F, ERASURE) \
	F(ERASURE, 9, client_key, KEY, NONE, LINK, DROP, KEEP, KEEP, "", "", NO_TEXT) \
	F(ERASURE, 10, requested_at, TIME_NS, NONE, NONE, KEEP, KEEP, KEEP, "", "", NO_DATA) \
	F(ERASURE, 11, done_at, TIME_NS, NONE, NONE, KEEP, KEEP, KEEP, "", "", NO_DATA) \
	F(ERASURE, 12, segments_rewritten, COUNT64, NONE, NONE, KEEP, KEEP, KEEP, "", "", NO_DATA) \
	F(ERASURE, 13, tombstones, COUNT64, NONE, NONE, KEEP, KEEP, KEEP, "", "", NO_DATA)

// X(record, name of the message)
#define RECORDS(X) \
	X(FLOW, flow, "Flow") \
	X(CLIENT, client, "Client") \
	X(USAGE, usage, "Usage") \
	X(HEALTH, health, "Health") \
	X(ERASURE, erasure, "Erasure")

// FLOW_server_name, FLOW_dns, FLOW_dns__name ...: the index of a field in its record's table.
#define FIELD_INDEX(R, id, name, ...) R##_##name,
#define SUB_FIELD_INDEX(R, parent, id, name, ...) R##_##parent##__##name,
#define X(R, name, message) \
	enum name##_field{R##_FIELDS(FIELD_INDEX, SUB_FIELD_INDEX) R##_FIELD_COUNT};
RECORDS(X)
#undef X

enum { SCHEMA_FIELDS_MAX = 112 }; // of one record, sub-fields included

// weir.proto, one JSON object, and docs/schema.md.
void schema_print_proto(FILE *out);
void schema_print_json(FILE *out);
void schema_print_markdown(FILE *out);
