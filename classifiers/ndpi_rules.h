// Which of libndpi's dissectors need not be shown a packet. For ndpi_dispatch.c, and made of what
// stands in the dissectors of 4.2.0.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct ndpi_flow_struct;

// What the rules below look at.
struct shown {
	const struct ndpi_flow_struct *flow;
	const uint8_t *payload;
	uint8_t head[16]; // of the payload, zeros behind its end
	uint8_t last; // octet of it
	bool ends_line; // CR LF are its last
	uint16_t len, sport, dport;
	uint8_t net[2]; // first octets of the addresses; 0: IPv6
	bool broadcast; // to 255.255.255.255
	bool tinc; // the module knows peers of TINC
};

#define BETWEEN(low, value, high) ((value) >= (low) && (value) <= (high))

#define B(i) d->head[i]
#define LEN d->len
#define PORTS(low, high) (ports && (BETWEEN(low, d->sport, high) || BETWEEN(low, d->dport, high)))
#define PORT(port) PORTS(port, port)
#define NET(octet) (d->net[0] == (octet) || d->net[1] == (octet))
#define LETTER(octet) BETWEEN('a', (octet) | 0x20, 'z')
#define SEEN d->flow->packet_counter

// X(place, protocol, condition): unless it is so, the dissector at this place of the list excludes
// itself and does nothing else. Read out of its source, the file of that name in libndpi 4.2.0,
// src/lib/protocols; held to it by tests/property/test_ndpi_dispatch.c. Ports stand where even an
// empty datagram's condition comes to them: see ports_note().
#define EXCLUDES_ITSELF_UNLESS(X) \
	X(0, STARCRAFT, PORT(1119)) \
	X(2, RTP, LEN >= 12 && (B(0) == 0x80 || B(0) == 0xa0)) \
	X(4, RDP, PORT(3389) && LEN >= 10) \
	X(8, TEREDO, PORT(3544) && LEN >= 40) \
	X(9, EDONKEY, d->flow->edonkey_stage != 0 || B(0) >= 0xc0) \
	X(10, GNUTELLA, \
		LEN < 2 || BETWEEN(32, LEN, 35) || LEN == 23 || LEN == 73 || LEN == 96 || \
			B(0) == 'G') \
	X(13, VMWARE, PORT(902) && LEN == 66) \
	X(14, SOPCAST, B(0) == 0 || B(0) == 0xff) \
	X(15, TVUPLAYER, B(0) == 0 || B(0) == 0xff) \
	X(16, PPSTREAM, (PORT(17788) || B(1) == 0x80 || B(1) == 0x84 || B(1) == 0x53) && LEN > 14) \
	X(17, IAX, PORT(4569) && LEN >= 12) \
	X(18, MGCP, LEN >= 8 && BETWEEN('A', B(0), 'R')) \
	X(19, ZATTOO, PORT(5003) && LEN > 20) \
	X(21, AYIYA, PORT(5072) && LEN > 44) \
	X(22, THUNDER, LEN > 8 && BETWEEN(0x30, B(0), 0x3f)) \
	X(23, TEAMVIEWER, LEN == 0 || NET(95) || NET(178) || (LEN > 13 && B(0) == 0)) \
	X(24, DHCP, PORTS(67, 68) && LEN >= 244) \
	X(26, HALFLIFE2, LEN >= 20 && B(0) == 0xff) \
	X(28, MINING, PORT(30303) && LEN > 98) \
	X(29, NTP, PORT(123)) \
	X(30, NFS, LEN >= 40 && B(4) == 0) \
	X(31, SSDP, LEN >= 19 && BETWEEN('H', B(0), 'N')) \
	X(32, SNMP, LEN > 32 && B(0) == 0x30) \
	X(33, KONTIKI, B(0) == 2) \
	X(34, KERBEROS, PORT(88)) \
	X(35, SYSLOG, LEN > 20 && B(0) == '<') \
	X(36, NETBIOS, PORTS(137, 138)) \
	X(37, IPP, BETWEEN('0', B(0), '9') || B(0) == 'P') \
	X(38, LDAP, LEN >= 14 && B(0) == 0x30) \
	X(39, WARCRAFT3, B(0) == 1 || B(0) == 0xf7 || B(0) == 0xff) \
	X(40, XDMCP, PORT(177)) \
	X(41, TFTP, LEN >= 4 && B(0) == 0) \
	X(42, DHCPV6, PORTS(546, 547)) \
	X(43, CPHA, LEN > 20 && B(0) == 0x1a) \
	X(44, AIMINI, B(0) == 1) \
	X(45, FLORENSIA, B(0) == 5) \
	X(46, CROSSFIRE, LEN == 25) \
	X(47, ARMAGETRON, LEN > 10 && B(0) == 0) \
	X(48, DROPBOX, PORT(17500)) \
	X(49, SPOTIFY, PORT(57621)) \
	X(51, GTP, PORT(2152) || PORT(2123) || PORT(3386)) \
	X(52, DCERPC, LEN <= 1 || (LEN >= 80 && B(0) == 4)) \
	X(53, NETFLOW, LEN >= 24 && B(0) == 0) \
	X(54, SFLOW, LEN >= 24 && B(0) == 0) \
	X(57, NOE, B(0) <= 7) \
	X(59, TEAMSPEAK, LEN >= 20 && B(0) == 'T') \
	X(61, MEGACO, B(0) == '!' || B(0) == 'M') \
	X(63, TELEGRAM, (PORTS(500, 600) && LEN >= 40) || LEN == 0) \
	X(64, QUIC, LEN >= 1200) \
	X(65, EAQ, PORT(6000) && LEN == 16) \
	X(66, KAKAOTALK_VOICE, LEN >= 4 && NET(1)) \
	X(67, MPEGTS, B(0) == 0x47) \
	X(68, UBNTAC2, PORT(10001) && LEN >= 135) \
	X(69, COAP, (PORT(5683) || PORTS(61616, 61631)) && LEN >= 4) \
	X(70, SOMEIP, LEN >= 16 && B(4) == 0 && B(5) == 0) \
	X(71, RX, LEN >= 28 && BETWEEN(1, d->payload[20], 13)) \
	X(72, HANGOUT_DUO, PORTS(19302, 19309) && LEN > 24) \
	X(73, BJNP, LEN > 4 && (B(0) == 'B' || B(0) == 'M')) \
	X(74, TINC, d->tinc) \
	X(75, NINTENDO, LEN > 48 && B(0) == 0x32) \
	X(76, CAPWAP, PORT(5246) || PORT(5247)) \
	X(77, VIBER, LEN > 5 && B(3) == 0) \
	X(80, OOKLA, PORT(8080)) \
	X(82, LISP, PORT(4341) || PORT(4342)) \
	X(83, MEMCACHED, LEN >= 8 && B(6) == 0 && B(7) == 0) \
	X(84, WIREGUARD, LEN >= 32 && B(1) == 0 && B(2) == 0 && B(3) == 0) \
	X(85, AMAZON_VIDEO, LEN > 4 && B(0) == 0xde) \
	X(86, TARGUS_GETDATA, PORT(5001) || PORT(5201)) \
	X(88, AMONG_US, B(0) == 8) \
	X(89, GENSHIN_IMPACT, LEN >= 20 && B(0) == 0) \
	X(90, AVAST_SECUREDNS, LEN >= 34 && B(14) == 9)

// The same, but the dissector does nothing at all unless it is so, and waits for another packet.
// (DTLS excludes TLS over TCP, which nobody asks here.)
#define WAITS_UNLESS(X) \
	X(1, DTLS, LEN >= 14 && (B(0) == 0x16 || B(0) == 0x14)) \
	X(6, SIP, SEEN > 5 || (LEN >= 14 && (LETTER(B(0)) || LETTER(B(4))))) \
	X(7, IMO, \
		LEN == 1 || LEN == 10 || LEN == 11 || LEN == 1099 || \
			d->flow->num_processed_pkts > 5 || d->flow->l4.udp.imo_last_one_byte_pkt) \
	X(11, JABBER, SEEN >= 3 || B(0) == '<') \
	X(12, DNS, SEEN > 3 || PORT(53) || PORT(5353) || PORT(5355)) \
	X(20, QQ, d->flow->num_processed_pkts > 4 || B(0) == 2 || B(0) == 0x28) \
	X(25, STEAM, \
		SEEN > 5 || d->flow->steam_stage1 || d->flow->steam_stage2 || \
			d->flow->steam_stage3 || B(0) == 'V' || B(0) == 1 || B(0) == 0x31 || \
			B(0) == 0xff || B(0) == 0x39) \
	X(27, XBOX, PORT(3074) || (LEN > 12 && B(5) == 0x58)) \
	X(50, RADIUS, PORT(1812) || PORT(1813) || PORT(18013)) \
	X(55, H323, SEEN > 5 || PORT(1719) || (LEN >= 6 && B(0) == 0x80)) \
	X(58, CISCOVPN, d->flow->num_processed_pkts > 5 || PORT(443) || PORT(10000)) \
	X(62, VHUA, SEEN > 3 || LEN < 9 || B(0) == 5) \
	X(81, CSGO, \
		SEEN > 5 || d->broadcast || B(0) == 0xff || B(0) == 0x3a || B(0) == 0x39 || \
			B(0) == 0x56 || B(0) <= 2 || B(0) == 0x0d) \
	X(87, DNSCRYPT, \
		SEEN >= 10 || \
			(d->flow->packet_direction_counter[0] > 0 && \
				d->flow->packet_direction_counter[1] > 0) || \
			B(0) == 'r' || B(13) == '2')

// The same of TCP, of those asked behind HTTP and TLS, who know most flows at once. (Aimini looks
// at what HTTP has recognised, and nobody asks the list about that.)
#define SEGMENT_EXCLUDES_ITSELF_UNLESS(X) \
	X(4, RDP, LEN > 10 && B(5) == 0xe0) \
	X(5, SIP, LEN == 4 || LEN == 8 || (LEN >= 14 && (LETTER(B(0)) || LETTER(B(4))))) \
	X(6, EDONKEY, d->flow->edonkey_stage != 0 || B(0) >= 0xc0) \
	X(7, FASTTRACK, LEN > 6 && B(0) == 'G') \
	X(8, GNUTELLA, \
		LEN < 2 || (d->sport >= 1024 && d->dport >= 1024) || B(0) == 'G' || B(0) == 'H' || \
			B(0) == 'P' || B(0) == 0x80 || B(0) == 0x16) \
	X(9, DIRECTCONNECT, \
		d->flow->directconnect_stage != 0 || B(0) == '$' || B(0) == 'H' || B(0) == 'C') \
	X(10, NATS, LEN <= 4 || B(0) == '+' || B(0) == '-' || BETWEEN('C', B(0), 'U')) \
	X(11, APPLEJUICE, LEN > 7 && B(0) == 'a') \
	X(15, MAIL_POP, \
		d->ends_line || B(0) == '+' || B(0) == '-' || LETTER(B(0)) || \
			d->flow->l4.tcp.pop_command_bitmask != 0 || \
			d->flow->l4.tcp.mail_pop_stage != 0) \
	X(16, MAIL_IMAP, \
		d->ends_line || d->last == ' ' || d->flow->l4.tcp.mail_imap_starttls == 2) \
	X(17, MAIL_SMTP, \
		d->ends_line || B(0) == '2' || B(0) == 'E' || d->flow->check_extra_packets) \
	X(18, USENET, B(0) == '2' || d->flow->l4.tcp.usenet_stage != 0) \
	X(20, SOPCAST, LEN == 54) \
	X(21, TVUPLAYER, LEN >= 50 || LEN == 36 || LEN == 24) \
	X(23, ZATTOO, \
		LEN > 50 && \
			(B(0) == 'G' || B(0) == 'P' || B(0) == 3 || d->flow->zattoo_stage != 0)) \
	X(24, SSH, B(0) == 'S' || d->flow->l4.tcp.ssh_stage != 0) \
	X(25, THUNDER, BETWEEN('0', B(0), '?') || B(0) == 'G' || B(0) == 'P') \
	X(26, VNC, LEN == 12 && B(0) == 'R') \
	X(32, NFS, LEN >= 44 && B(0) == 0x80) \
	X(34, POSTGRES, \
		(LEN > 7 && (B(4) == 0 || B(4) == 4)) || d->flow->l4.tcp.postgres_stage != 0) \
	X(35, MYSQL, LEN > 38 && B(6) == '.') \
	X(36, BGP, PORT(179)) \
	X(38, SHOUTCAST, \
		B(0) == '1' || B(0) == 'I' || B(0) == 'O' || B(0) == 'i' || B(0) == '\r' || \
			d->flow->l4.tcp.shoutcast_stage != 0) \
	X(39, KERBEROS, PORT(88)) \
	X(40, OPENFT, B(0) == 'G') \
	X(41, SYSLOG, LEN > 20 && B(0) == '<') \
	X(42, DIRECT_DOWNLOAD_LINK, LEN >= 100 && (B(0) == 'G' || B(0) == 'P')) \
	X(43, NETBIOS, PORT(139)) \
	X(44, IPP, BETWEEN('0', B(0), '9') || B(0) == 'P') \
	X(45, LDAP, LEN >= 14 && B(0) == 0x30) \
	X(46, WARCRAFT3, B(0) == 1 || B(0) == 0xf7 || B(0) == 0xff) \
	X(47, XDMCP, PORTS(6000, 6005)) \
	X(48, MSSQL_TDS, LEN >= 8 && BETWEEN(1, B(0), 18)) \
	X(49, PPTP, LEN >= 10 && B(2) == 0 && B(3) == 1) \
	X(50, STEALTHNET, LEN > 40 && B(0) == 'L') \
	X(51, AFP, LEN > 128 || (LEN >= 16 && B(0) <= 1)) \
	X(52, CHECKMK, LEN > 128 || (LEN >= 15 && B(0) == '<')) \
	X(53, AIMINI, false) \
	X(54, FLORENSIA, (B(0) | B(1) << 8) == LEN || d->flow->florensia_stage != 0) \
	X(55, MAPLESTORY, LEN == 16 || B(0) == 'G') \
	X(56, DOFUS, LEN == 13 || d->last == 0 || B(0) <= 1 || d->flow->l4.tcp.dofus_stage != 0) \
	X(57, WORLD_OF_KUNG_FU, LEN == 16) \
	X(58, FIESTA, LEN == 5 || d->flow->l4.tcp.fiesta_stage != 0) \
	X(59, CROSSFIRE, B(0) == 'G') \
	X(60, GUILDWARS, LEN == 64 || LEN == 16 || LEN == 21) \
	X(61, SPOTIFY, (LEN >= 9 && B(0) == 0 && B(1) == 4) || NET(78) || NET(193) || NET(194)) \
	X(64, DCERPC, LEN <= 1 || (LEN >= 64 && B(0) == 5)) \
	X(68, TEAMSPEAK, LEN >= 20 && B(0) == 0xf4) \
	X(72, WHOIS_DAS, PORT(43) || PORT(4343)) \
	X(75, RTMP, B(0) == 3 || B(0) == 6 || d->flow->rtmp_stage != 0) \
	X(77, FTP_DATA, \
		(PORT(20) || LEN >= 256 || B(0) == '-' || B(0) == 'd') && \
			d->flow->l4.tcp.seen_syn) \
	X(80, TELEGRAM, LEN > 56 && B(0) == 0xef) \
	X(81, DIAMETER, B(0) == 1) \
	X(82, APPLE_PUSH, PORT(5223) || PORT(2197)) \
	X(83, MQTT, BETWEEN(0x10, B(0), 0xef) && (B(1) >= 0x80 || LEN == 2 + B(1))) \
	X(85, GIT, PORT(9418)) \
	X(86, HANGOUT_DUO, PORTS(19305, 19309) && LEN > 24) \
	X(87, DRDA, LEN >= 10 && B(2) == 0xd0) \
	X(88, SMPP, LEN >= 16) \
	X(89, TINC, B(0) == '0' || B(0) == '1') \
	X(90, FIX, LEN > 5 && B(0) == '8') \
	X(91, MODBUS, PORT(502)) \
	X(92, ZABBIX, LEN > 4 && B(0) == 'Z') \
	X(95, WHATSAPP, B(0) == 0x45 || B(0) == 0x57 || d->flow->l4.tcp.wa_matched_so_far != 0) \
	X(96, OOKLA, PORT(8080)) \
	X(98, AJP, B(0) == 0x12 || B(0) == 0x41) \
	X(100, NEST_LOG_SINK, PORT(11095)) \
	X(101, AMAZON_VIDEO, LEN > 4 && B(0) == 0xfe) \
	X(102, TARGUS_GETDATA, PORT(5001) || PORT(5201)) \
	X(103, S7COMM, PORT(102)) \
	X(104, IEC60870, B(0) == 0x68) \
	X(105, DNP3, LEN >= 10 && B(0) == 5) \
	X(106, WEBSOCKET, LEN == 2 + (B(1) & 0x7f)) \
	X(109, MONGODB, LEN > 16 && B(3) == 0 && B(15) == 0) \
	X(110, HPVIRTGRP, B(0) == 0x16) \
	X(111, Z3950, LEN >= 6) \
	X(112, CASSANDRA, LEN >= 9 && (B(0) & 0x7f) <= 5)

// A request of FTP is a word.
#define SEGMENT_WAITS_UNLESS(X) \
	X(12, SOCKS, \
		SEEN > 20 || B(0) == 4 || B(0) == 5 || d->flow->socks4_stage != 0 || \
			d->flow->socks5_stage != 0) \
	X(14, JABBER, SEEN >= 3 || B(0) == '<') \
	X(19, DNS, SEEN > 3 || PORT(53) || PORT(5353) || PORT(5355)) \
	X(31, TELNET, SEEN >= 6 || B(0) == 0xff) \
	X(51, AFP, LEN <= 128) \
	X(52, CHECKMK, LEN <= 128) \
	X(65, H323, SEEN > 5 || (LEN > 5 && B(0) == 3)) \
	X(67, CISCOVPN, \
		d->flow->num_processed_pkts > 5 || PORT(443) || PORT(8009) || PORT(8008) || \
			PORT(10000)) \
	X(69, SKINNY, PORT(2000)) \
	X(70, RTCP, PORT(554)) \
	X(71, RSYNC, LEN == 12 && B(0) == '@') \
	X(73, ORACLE, PORT(1521) || (LEN == 213 && B(0) == 0)) \
	X(74, CORBA, LEN >= 24 && B(0) == 'G') \
	X(76, FTP_CONTROL, \
		SEEN > 8 || d->flow->ftp_control_stage != 0 || PORT(25) || LETTER(B(0))) \
	X(97, AMQP, LEN > 11 && B(0) <= 3) \
	X(99, MEMCACHED, \
		SEEN > 5 || LEN < 6 || LETTER(B(0)) || d->flow->l4.tcp.memcached_matches != 0) \
	X(107, SOAP, SEEN > 3 || B(0) == '<') \
	X(108, DNSCRYPT, \
		SEEN >= 10 || \
			(d->flow->packet_direction_counter[0] > 0 && \
				d->flow->packet_direction_counter[1] > 0) || \
			B(0) == 'r' || B(13) == '2')
