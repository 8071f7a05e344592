"""The golden captures: small, each about one thing, made here to the last octet.

`CAPTURES` is name -> the file's octets; beside this file lie the same octets (name) and what Weir
makes of them (name.json), written by `update`, compared by golden_test.py.
"""

import os
import struct
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))

import packets as p
from packets import ACK, FIN, PSH, RST, SYN

START = 1_700_000_000_000_000_000  # 2023-11-14T22:13:20Z
MS, SECOND = 1_000_000, 1_000_000_000
ANNA, BEN, GATEWAY = "3c:22:fb:00:00:0a", "b8:27:eb:00:00:0b", "e8:df:70:00:00:01"
RANDOM = "da:a1:19:00:00:0c"
A4, B4, G4 = "192.168.1.10", "192.168.1.11", "192.168.1.1"
SERVER, OTHER, DNS = "203.0.113.5", "198.51.100.7", "192.0.2.53"
A6, B6, G6, SERVER6 = "2001:db8:1::a", "2001:db8:1::b", "fe80::1", "2001:db8:ffff::5"
IP4, IP6, ARP = 0x0800, 0x86DD, 0x0806
CAPTURES = {}


def golden(name):
    """Decorates a function that gives the octets of a capture file."""
    def take(make):
        CAPTURES[name] = make()
        return make
    return take


def out(packet, mac=ANNA):
    """A frame of a client to the gateway."""
    return p.ethernet(mac, GATEWAY, IP6 if packet[0] >> 4 == 6 else IP4, packet)


def back(packet, mac=ANNA):
    return p.ethernet(GATEWAY, mac, IP6 if packet[0] >> 4 == 6 else IP4, packet)


def either(packet, client=A4, mac=ANNA):
    """out() or back(), by the packet's source."""
    source = packet[8:24] if packet[0] >> 4 == 6 else packet[12:16]
    return (out if source == p.ip(client) else back)(packet, mac)


def spaced(frames, step=MS, start=START):
    return [(start + i * step, frame) for i, frame in enumerate(frames)]


def datagram(source, sport, target, dport, payload=b"hello, weir", **more):
    make = p.ipv6 if ":" in source else p.ipv4
    return make(source, target, p.UDP, p.udp(source, sport, target, dport, payload), **more)


@golden("http.pcap")
def http():
    """One request, from SYN to FIN: handshake RTT 10 ms to the server and 2 ms to the client."""
    t = p.Talk(A4, 50000, SERVER, 80)
    request = b"GET /index.html HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: golden/1.0\r\n\r\n"
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n\r\nhello"
    syn, synack, ack = t.handshake()
    rest = [t.send(0, ACK | PSH, request), t.send(1, ACK), t.send(1, ACK | PSH, answer),
            t.send(0, ACK), *t.goodbye()]
    times = [0, 10, 12, 13, 23, 33, 35, 40, 50, 52]
    return p.pcap([(START + at * MS, either(x)) for at, x in zip(times, [syn, synack, ack, *rest])])


@golden("dns.pcap")
def dns():
    """An answer, a name that does not exist, a question that nobody answers; then a connection to
    the address that was answered, which has that name; and one to an address that was not."""
    def ask(ident, name, kind=1):
        return out(datagram(A4, 40000 + ident, DNS, 53, p.dns_query(ident, name, kind)))

    def say(ident, name, addresses, kind=1, rcode=0):
        return back(datagram(DNS, 53, A4, 40000 + ident,
                             p.dns_answer(ident, name, addresses, kind, rcode)))

    to_known = p.Talk(A4, 50001, SERVER, 8443).handshake()
    to_unknown = p.Talk(A4, 50002, OTHER, 8443).handshake()
    return p.pcap([
        (START, ask(1, "www.example.org")),
        (START + 7 * MS, say(1, "www.example.org", [SERVER])),
        (START + 8 * MS, ask(2, "www.example.org", 28)),
        (START + 19 * MS, say(2, "www.example.org", [SERVER6], 28)),
        (START + 20 * MS, ask(3, "nowhere.example.org")),
        (START + 29 * MS, say(3, "nowhere.example.org", [], rcode=3)),
        (START + 30 * MS, ask(4, "silent.example.org")),
        *spaced([either(x) for x in to_known], MS, START + 507 * MS),
        *spaced([either(x) for x in to_unknown], MS, START + 600 * MS),
    ])


@golden("tls.pcap")
def tls():
    """A ClientHello with name and ALPN in one segment; and one in two, of which neither says a name
    by itself: such ones are not joined yet."""
    whole, parted = p.Talk(A4, 50003, SERVER, 443), p.Talk(A6, 50004, SERVER6, 443)
    hello = p.client_hello("shop.example.co.uk")
    frames = [either(x) for x in [*whole.handshake(), whole.send(0, ACK | PSH, hello),
                                  whole.send(1, ACK)]]
    frames += [either(x, A6) for x in [*parted.handshake(), parted.send(0, ACK, hello[:40]),
                                       parted.send(0, ACK | PSH, hello[40:]), parted.send(1, ACK)]]
    return p.pcap(spaced(frames))


@golden("vlan.pcap")
def vlan():
    """The same addresses and ports in VLAN 10, in VLAN 20, in 20 inside of 100, and in none: four
    flows, of which VLAN 10 has an answer. Priority bits are no part of a tag's number."""
    packet, answer = datagram(A4, 1000, SERVER, 2000), datagram(SERVER, 2000, A4, 1000)
    q = 0x8100
    return p.pcap(spaced([
        p.ethernet(ANNA, GATEWAY, q, p.tag(10, IP4, packet)),
        p.ethernet(GATEWAY, ANNA, q, p.tag(10, IP4, answer, priority=5)),
        p.ethernet(ANNA, GATEWAY, q, p.tag(20, IP4, packet)),
        p.ethernet(ANNA, GATEWAY, 0x88A8, p.tag(100, q, p.tag(20, IP4, packet))),
        out(packet),
    ]))


@golden("mpls_pppoe.pcap")
def mpls_pppoe():
    """Under two MPLS labels, and in PPPoE sessions over IPv4 and IPv6; PPP's own talk and PPPoE
    discovery are of no flow."""
    packet = datagram(A4, 1000, SERVER, 2000)
    packet6 = datagram(A6, 1000, SERVER6, 2000)
    return p.pcap(spaced([
        p.ethernet(ANNA, GATEWAY, 0x8847, p.mpls(1001, p.mpls(2002, packet), bottom=False)),
        p.ethernet(ANNA, GATEWAY, 0x8864, p.pppoe(0x77, 0x0021, datagram(A4, 1001, SERVER, 2000))),
        p.ethernet(ANNA, GATEWAY, 0x8864, p.pppoe(0x77, 0x0057, packet6)),
        p.ethernet(ANNA, GATEWAY, 0x8864, p.pppoe(0x77, 0xC021, b"\x09\x01\x00\x08\0\0\0\0")),
        p.ethernet(ANNA, GATEWAY, 0x8863, b"\x11\x09\0\0\0\x04\x01\x01\0\0"),
    ]))


@golden("fragments.pcap")
def fragments():
    """A datagram of 2000 octets in two fragments, in order and turned round, and in IPv6: each
    first one is of the flow with ports, each later one of the flow without."""
    def cut4(ident):
        whole = p.udp(A4, 1000, SERVER, 2000, b"x" * 2000)
        return [out(p.ipv4(A4, SERVER, p.UDP, whole[:1480], ident, 0x2000)),
                out(p.ipv4(A4, SERVER, p.UDP, whole[1480:], ident, 185))]

    whole6 = p.udp(A6, 1000, SERVER6, 2000, b"x" * 2000)
    cut6 = [out(p.ipv6(A6, SERVER6, 44, struct.pack("!BBHI", p.UDP, 0, offset | more, 9) + part))
            for offset, more, part in ((0, 1, whole6[:1448]), (1448, 0, whole6[1448:]))]
    return p.pcap(spaced([*cut4(1), *reversed(cut4(2)), *cut6]))


@golden("ipv6_chain.pcap")
def ipv6_chain():
    """Hop-by-hop, routing and destination options before UDP; a chain longer than anybody sends."""
    datagram6 = p.udp(A6, 1000, SERVER6, 2000, b"behind three headers")
    chain = p.extension(43) + p.extension(60, bytes(6)) + p.extension(p.UDP) + datagram6
    endless = b"".join(p.extension(60) for _ in range(40)) + p.extension(p.UDP) + datagram6
    return p.pcap(spaced([out(p.ipv6(A6, SERVER6, 0, chain)), out(p.ipv6(A6, SERVER6, 60, endless))]))


@golden("cooked.pcap")
def cooked():
    """Linux cooked capture, as `tcpdump -i any` writes it: received, sent, and ARP."""
    def sll(kind, way, source, body):
        return struct.pack("!HHH", way, 1, 6) + p.mac(source) + bytes(2) + struct.pack("!H", kind) \
            + body

    return p.pcap(spaced([
        sll(ARP, 1, ANNA, p.arp(1, ANNA, A4, "00:00:00:00:00:00", G4)),
        sll(IP4, 0, ANNA, datagram(A4, 1000, SERVER, 2000)),
        sll(IP4, 4, GATEWAY, datagram(SERVER, 2000, A4, 1000)),
    ]), link=113)


@golden("cooked2.pcap")
def cooked2():
    """The same in version 2."""
    def sll2(kind, way, source, body):
        return struct.pack("!HHIHBB", kind, 0, 3, 1, way, 6) + p.mac(source) + bytes(2) + body

    return p.pcap(spaced([
        sll2(ARP, 1, ANNA, p.arp(1, ANNA, A4, "00:00:00:00:00:00", G4)),
        sll2(IP4, 0, ANNA, datagram(A4, 1000, SERVER, 2000)),
        sll2(IP4, 4, GATEWAY, datagram(SERVER, 2000, A4, 1000)),
    ]), link=276)


@golden("raw.pcap")
def raw():
    """IP without a link layer: no MAC, the client is known by its address."""
    return p.pcap(spaced([datagram(A4, 1000, SERVER, 2000), datagram(SERVER6, 2000, A6, 1000)]),
                  link=101)


@golden("loopback.pcap")
def loopback():
    """BSD loopback (NULL), family in the machine's order: IPv4, and IPv6 as FreeBSD numbers it."""
    return p.pcap(spaced([struct.pack("<I", 2) + datagram(A4, 1000, SERVER, 2000),
                          struct.pack("<I", 28) + datagram(A6, 1000, SERVER6, 2000)]), link=0)


@golden("nanoseconds.pcapng")
def nanoseconds():
    """pcapng with nine digits: a handshake of which the client's half took 1.000000 ms and the
    server's 250.999 us, which is rounded to 251."""
    syn, synack, ack = p.Talk(A4, 50005, SERVER, 9999).handshake()
    return p.pcapng([(START + 123_456_789, either(syn)),
                     (START + 123_456_789 + 250_999, either(synack)),
                     (START + 123_456_789 + 1_250_999, either(ack))])


@golden("big_endian.pcap")
def big_endian():
    """Nanoseconds in a file that a big-endian machine wrote, frames cut at 60 octets: lengths are
    those of the IP header."""
    packet = datagram(A4, 1000, SERVER, 2000, b"y" * 900)
    return p.pcap(spaced([out(packet)], start=START + 1), nanoseconds=True, snaplen=60,
                  big_endian=True)


@golden("retransmissions.pcap")
def retransmissions():
    """A lost SYN, a segment sent twice, one out of order, a window of zero and its probe, a
    keep-alive, and 100 octets that were acknowledged but never seen."""
    t = p.Talk(A4, 50006, SERVER, 9999)
    syn = t.send(0, SYN)
    frames = [syn, syn, t.send(1, SYN | ACK), t.send(0, ACK)]
    one, two, three = (t.send(0, ACK | PSH, bytes([c]) * 100) for c in b"abc")
    frames += [one, t.send(1, ACK, ack=1101), one]  # twice
    frames += [three, two, t.send(1, ACK, ack=1301)]  # in the wrong order
    frames += [t.send(1, ACK, ack=1301, window=0), t.send(0, ACK, b"d"),  # the probe
               t.send(1, ACK, ack=1301, window=0), t.send(1, ACK, ack=1302)]
    frames += [t.send(0, ACK, b"\0", seq=1301), t.send(1, ACK, ack=1302)]  # keep-alive
    frames += [t.send(1, ACK, ack=1402)]  # acknowledges what was not seen
    t.next[0] = 1402
    frames += [*t.goodbye(), t.send(0, FIN | ACK, seq=1402)]
    return p.pcap(spaced([either(x) for x in frames], 10 * MS))


@golden("ended.pcap")
def ended():
    """One pair of ports three times: closed and begun again at once; reset; silent for longer than
    the idle time. And a refused connection."""
    def connection(start, end):
        t = p.Talk(A4, 50007, SERVER, 9999, seq=start, ack=start + 7)
        return [*t.handshake(), t.send(0, ACK | PSH, b"data"), *end(t)]

    def reset(t):
        return [t.send(1, RST | ACK)]

    first = connection(1000, p.Talk.goodbye) + connection(90000, reset)
    late = [datagram(A4, 1000, SERVER, 2000)] * 2
    refused = p.Talk(A4, 50008, SERVER, 22)
    return p.pcap([*spaced([either(x) for x in first]),
                   (START + SECOND, out(late[0])),
                   (START + 40 * SECOND, out(late[1])),
                   (START + 41 * SECOND, either(refused.send(0, SYN))),
                   (START + 41 * SECOND + MS, either(refused.send(1, RST | ACK)))])


@golden("long.pcap")
def long():
    """A flow of eleven minutes, a packet every twenty seconds: three segments that add up."""
    return p.pcap(spaced([out(datagram(A4, 1000, SERVER, 2000)) for _ in range(34)], 20 * SECOND))


@golden("long_tcp.pcap")
def long_tcp():
    """A connection of seven minutes: what was sent twice, the flags, a window of zero and what was
    never seen stand in the segment in which they happened, and not in the next."""
    t = p.Talk(A4, 50010, SERVER, 9999)
    frames = [*t.handshake()]
    sent = t.send(0, ACK | PSH, b"a" * 100)
    frames += [sent, t.send(1, ACK, ack=1101), sent, t.send(1, ACK, ack=1101, window=0),
               t.send(1, ACK, ack=1201)]  # acknowledges what was not seen
    t.next[0] = 1201
    for _ in range(16):
        frames.append(t.send(0, ACK | PSH, b"b" * 10))
    frames += t.goodbye()
    return p.pcap(spaced([either(x) for x in frames], 20 * SECOND))


@golden("joined.pcap")
def joined():
    """Joined in the middle: the local end is the client, whoever is seen first; of two that are not
    local it is the one with the higher port."""
    def data(source, sport, target, dport):
        return p.ipv4(source, target, p.TCP, p.tcp(source, sport, target, dport, 1, 1, ACK | PSH,
                                                   b"data"))

    return p.pcap(spaced([back(data(SERVER, 9999, A4, 50009)), out(data(A4, 50009, SERVER, 9999)),
                          back(data(SERVER, 7000, OTHER, 8000))]))


@golden("clients.pcap")
def clients():
    """Who is there: DHCP with name, vendor class and options, its lease, ARP, a router's
    advertisement, neighbour discovery, a random MAC that speaks only ARP."""
    everyone = "ff:ff:ff:ff:ff:ff"
    says = [(12, b"annas-laptop"), (60, b"MSFT 5.0"), (55, bytes([1, 3, 6, 15, 31, 33, 43]))]

    def dhcp(source, target, sport, dport, body, mac, to):
        return p.ethernet(mac, to, IP4, datagram(source, sport, target, dport, body))

    discover = p.dhcp(1, ANNA, 1, says)
    offer = p.dhcp(2, ANNA, 2, [(54, p.ip(G4)), (51, b"\0\0\x0e\x10")], yours=A4)
    request = p.dhcp(1, ANNA, 3, [(50, p.ip(A4)), (54, p.ip(G4)), *says])
    ack = p.dhcp(2, ANNA, 5, [(54, p.ip(G4)), (51, b"\0\0\x0e\x10")], yours=A4)
    prefix = struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 86400, 14400, 0) + p.ip("2001:db8:1::")
    advert = struct.pack("!BBHII", 64, 0, 1800, 0, 0) + b"\x01\x01" + p.mac(GATEWAY) + prefix

    def icmp6(source, target, mac, kind, rest):
        body = p.icmp6(source, target, kind, 0, rest)
        packet = p.ipv6(source, target, p.ICMP6, body)
        return p.ethernet(mac, "33:33:00:00:00:01", IP6, packet[:7] + b"\xff" + packet[8:])

    def neighbour_advert(mac, ip):
        return icmp6(ip, "ff02::1", mac, 136, b"\x20\0\0\0" + p.ip(ip) + b"\x02\x01" + p.mac(mac))

    return p.pcap(spaced([
        dhcp("0.0.0.0", "255.255.255.255", 68, 67, discover, ANNA, everyone),
        dhcp(G4, A4, 67, 68, offer, GATEWAY, ANNA),
        dhcp("0.0.0.0", "255.255.255.255", 68, 67, request, ANNA, everyone),
        dhcp(G4, A4, 67, 68, ack, GATEWAY, ANNA),
        p.ethernet(ANNA, everyone, ARP, p.arp(1, ANNA, A4, "00:00:00:00:00:00", G4)),
        p.ethernet(GATEWAY, ANNA, ARP, p.arp(2, GATEWAY, G4, ANNA, A4)),
        icmp6(G6, "ff02::1", GATEWAY, 134, advert),
        neighbour_advert(BEN, B6),
        p.ethernet(RANDOM, everyone, ARP, p.arp(1, RANDOM, "192.168.1.12", RANDOM, "192.168.1.12")),
        out(datagram(B6, 1000, SERVER6, 2000), BEN),
    ], 100 * MS))


@golden("lan.pcap")
def lan():
    """Between two clients: each has its own row, what one sends up the other receives; and
    multicast, which is nobody's."""
    return p.pcap(spaced([
        p.ethernet(ANNA, BEN, IP4, datagram(A4, 1000, B4, 2000, b"a" * 100)),
        p.ethernet(BEN, ANNA, IP4, datagram(B4, 2000, A4, 1000, b"b" * 50)),
        p.ethernet(ANNA, "01:00:5e:00:00:fb", IP4, datagram(A4, 5353, "224.0.0.251", 5353, b"")),
    ]))


@golden("icmp.pcap")
def icmp():
    """Echoes over IPv4 and IPv6, and a complaint that quotes a datagram."""
    ping = b"\0\x07\0\x01" + bytes(32)
    quoted = datagram(A4, 1000, SERVER, 2000)
    return p.pcap(spaced([
        out(p.ipv4(A4, SERVER, p.ICMP, p.icmp(8, 0, ping))),
        back(p.ipv4(SERVER, A4, p.ICMP, p.icmp(0, 0, ping))),
        out(p.ipv6(A6, SERVER6, p.ICMP6, p.icmp6(A6, SERVER6, 128, 0, ping))),
        back(p.ipv6(SERVER6, A6, p.ICMP6, p.icmp6(SERVER6, A6, 129, 0, ping))),
        out(quoted),
        back(p.ipv4(SERVER, A4, p.ICMP, p.icmp(3, 3, bytes(4) + quoted[:28]))),
    ]))


@golden("drops.pcap")
def drops():
    """What is of no use, each dropped by its name: too short, no IP version, lengths that lie, link
    protocols that nobody reads."""
    whole = datagram(A4, 1000, SERVER, 2000)
    return p.pcap(spaced([
        b"\x01\x02\x03",
        p.ethernet(ANNA, GATEWAY, IP4, whole[:12]),
        p.ethernet(ANNA, GATEWAY, IP4, b"\x75" + whole[1:]),
        p.ethernet(ANNA, GATEWAY, IP4, b"\x44" + whole[1:]),
        p.ethernet(ANNA, GATEWAY, IP4, whole[:2] + b"\0\x08" + whole[4:]),
        p.ethernet(ANNA, GATEWAY, 0x6003, b"DECnet" * 8),
        p.ethernet(ANNA, "01:80:c2:00:00:00", 0x0026, b"\x42\x42\x03" + bytes(35)),
        p.ethernet(ANNA, "01:80:c2:00:00:0e", 0x88CC, b"\x02\x07\x04" + p.mac(ANNA) + bytes(30)),
        out(whole),
    ]))


@golden("strange_names.pcap")
def strange_names():
    """Names that are not UTF-8, hold quotes, backslashes and control characters. DNS writes a
    backslash within a label as two (RFC 4343), and Weir's escapes double each of them."""
    names = [b"caf\xe9.example.org", b'quote".example.org', b"back\\slash.example.org",
             "grüße.example.org".encode(), b"bell\x07.example.org"]

    def ask(ident, name):
        wire = b"".join(bytes([len(x)]) + x for x in name.split(b".")) + b"\0"
        query = struct.pack("!HHHHHH", ident, 0x0100, 1, 0, 0, 0) + wire + b"\0\x01\0\x01"
        return out(datagram(A4, 40000 + ident, DNS, 53, query))

    return p.pcap(spaced([ask(i, name) for i, name in enumerate(names)]))


@golden("damaged.pcap")
def damaged():
    """Three packets, then a packet's head that says nonsense: three are collected, status 1."""
    good = p.pcap(spaced([out(datagram(A4, 1000, SERVER, 2000))] * 3))
    return good + b"\xff" * 16 + good[24:]


@golden("cut.pcap")
def cut():
    """The file ends within its third packet: two are collected, status 1."""
    return p.pcap(spaced([out(datagram(A4, 1000, SERVER, 2000))] * 3))[:-5]


@golden("house_begin.pcap")
def house_begin():
    """The first 400 packets of the house's day (tests/lan): real programs coming up."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lan/house.pcap"),
              "rb") as file:
        data = file.read()
    at = 24
    for _ in range(400):
        at += 16 + struct.unpack("<I", data[at + 8:at + 12])[0]
    return data[:at]
