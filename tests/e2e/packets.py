"""Frames and captures for tests, made by hand with struct: small enough to check by eye."""

import ipaddress
import struct

TCP, UDP, ICMP, ICMP6 = 6, 17, 1, 58
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def ip(text):
    return ipaddress.ip_address(text).packed


def checksum(octets):
    octets += b"\0" * (len(octets) % 2)
    total = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ethernet(source, target, kind, payload):
    return mac(target) + mac(source) + struct.pack("!H", kind) + payload


def tag(vlan, kind, payload, priority=0):
    """What follows an EtherType of 0x8100 or 0x88a8."""
    return struct.pack("!HH", priority << 13 | vlan, kind) + payload


def mpls(label, payload, bottom=True):
    return struct.pack("!I", label << 12 | bottom << 8 | 64) + payload


def pppoe(session, protocol, payload):
    return struct.pack("!BBHHH", 0x11, 0, session, len(payload) + 2, protocol) + payload


def ipv4(source, target, protocol, payload, ident=1, fragment=0, options=b"", tos=0):
    """fragment: the whole 16 bits, flags and offset."""
    words = 5 + len(options) // 4
    head = struct.pack("!BBHHHBBH", 0x40 | words, tos, words * 4 + len(payload), ident, fragment,
                       64, protocol, 0) + ip(source) + ip(target) + options
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def ipv6(source, target, protocol, payload):
    return struct.pack("!IHBB", 0x60000000, len(payload), protocol, 64) + ip(source) + \
        ip(target) + payload


def extension(following, body=b"\x01\x04\0\0\0\0"):
    """One IPv6 extension header of eight octets."""
    return struct.pack("!BB", following, 0) + body


def pseudo(source, target, protocol, length):
    return ip(source) + ip(target) + struct.pack("!II", length, protocol)


def udp(source, sport, target, dport, payload):
    head = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0)
    total = checksum(pseudo(source, target, UDP, len(head + payload)) + head + payload) or 0xFFFF
    return head[:6] + struct.pack("!H", total) + payload


def tcp(source, sport, target, dport, seq, ack, flags, payload=b"", window=64240):
    head = struct.pack("!HHIIBBHHH", sport, dport, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 5 << 4,
                       flags, window, 0, 0)
    total = checksum(pseudo(source, target, TCP, len(head + payload)) + head + payload)
    return head[:16] + struct.pack("!HH", total, 0) + payload


def icmp(kind, code, rest):
    head = struct.pack("!BBH", kind, code, 0)
    return struct.pack("!BBH", kind, code, checksum(head + rest)) + rest


def icmp6(source, target, kind, code, rest):
    head = struct.pack("!BBH", kind, code, 0)
    total = checksum(pseudo(source, target, ICMP6, 4 + len(rest)) + head + rest)
    return struct.pack("!BBH", kind, code, total) + rest


def arp(operation, sender_mac, sender, target_mac, target):
    return struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation) + mac(sender_mac) + ip(sender) + \
        mac(target_mac) + ip(target)


def dns_name(name):
    return b"".join(bytes([len(x)]) + x.encode() for x in name.split(".")) + b"\0"


def dns_query(ident, name, kind=1):
    return struct.pack("!HHHHHH", ident, 0x0100, 1, 0, 0, 0) + dns_name(name) + \
        struct.pack("!HH", kind, 1)


def dns_answer(ident, name, addresses, kind=1, rcode=0):
    out = struct.pack("!HHHHHH", ident, 0x8180 | rcode, 1, len(addresses), 0, 0) + \
        dns_name(name) + struct.pack("!HH", kind, 1)
    for address in addresses:
        packed = ip(address)
        out += struct.pack("!HHHIH", 0xC00C, 1 if len(packed) == 4 else 28, 1, 300, len(packed))
        out += packed
    return out


def client_hello(name):
    """A TLS 1.2 ClientHello with a server name and ALPN, in its record."""
    host = name.encode()
    sni = struct.pack("!HBH", len(host) + 3, 0, len(host)) + host
    alpn = b"\x00\x0c\x02h2\x08http/1.1"
    extensions = struct.pack("!HH", 0, len(sni)) + sni + struct.pack("!HH", 16, len(alpn)) + alpn
    body = b"\x03\x03" + bytes(range(32)) + b"\0" + b"\x00\x04\x13\x01\xc0\x2f" + b"\x01\0" + \
        struct.pack("!H", len(extensions)) + extensions
    shake = b"\x01" + struct.pack("!I", len(body))[1:] + body
    return b"\x16\x03\x01" + struct.pack("!H", len(shake)) + shake


def dhcp(operation, client_mac, message, options, yours="0.0.0.0", client="0.0.0.0"):
    out = struct.pack("!BBBBIHH", operation, 1, 6, 0, 0x1234, 0, 0) + ip(client) + ip(yours) + \
        bytes(8) + mac(client_mac) + bytes(10 + 64 + 128) + b"\x63\x82\x53\x63"
    for number, value in [(53, bytes([message])), *options]:
        out += bytes([number, len(value)]) + value
    return out + b"\xff"


class Talk:
    """A TCP conversation that writes itself: each call gives the IP packet of one segment."""

    def __init__(self, client, cport, server, sport, seq=1000, ack=5000):
        self.ends = [(client, cport), (server, sport)]
        self.next = [seq, ack]

    def send(self, side, flags, payload=b"", seq=None, ack=None, window=64240):
        (source, sport), (target, dport) = self.ends[side], self.ends[not side]
        begin = self.next[side] if seq is None else seq
        acked = self.next[not side] if ack is None else ack
        segment = tcp(source, sport, target, dport, begin, acked if flags & ACK else 0, flags,
                      payload, window)
        if seq is None:
            self.next[side] += len(payload) + bool(flags & SYN) + bool(flags & FIN)
        if ":" in source:
            return ipv6(source, target, TCP, segment)
        return ipv4(source, target, TCP, segment)

    def handshake(self):
        return [self.send(0, SYN), self.send(1, SYN | ACK), self.send(0, ACK)]

    def goodbye(self):
        return [self.send(0, FIN | ACK), self.send(1, FIN | ACK), self.send(0, ACK)]


def pcap(packets, link=1, nanoseconds=False, snaplen=262144, big_endian=False):
    """packets: (nanoseconds since 1970, frame) or (nanoseconds, frame, length on the wire)."""
    order, unit = (">" if big_endian else "<"), (1 if nanoseconds else 1000)
    magic = 0xA1B23C4D if nanoseconds else 0xA1B2C3D4
    out = bytearray(struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, snaplen, link))
    for when, frame, *wire in packets:
        kept = frame[:snaplen]
        out += struct.pack(order + "IIII", when // 10**9, when % 10**9 // unit, len(kept),
                           wire[0] if wire else len(frame)) + kept
    return bytes(out)


def pcapng_block(kind, body):
    body += b"\0" * (-len(body) % 4)
    return struct.pack("<II", kind, 12 + len(body)) + body + struct.pack("<I", 12 + len(body))


def pcapng(packets, link=1, resolution=9):
    """resolution: the digits of a second that time stamps have (if_tsresol)."""
    out = bytearray(pcapng_block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)))
    out += pcapng_block(1, struct.pack("<HHI", link, 0, 262144) +
                        struct.pack("<HHB3xHH", 9, 1, resolution, 0, 0))
    for when, frame in packets:
        stamp = when // 10 ** (9 - resolution)
        padded = frame + b"\0" * (-len(frame) % 4)
        out += pcapng_block(6, struct.pack("<IIIII", 0, stamp >> 32, stamp & 0xFFFFFFFF,
                                           len(frame), len(frame)) + padded)
    return bytes(out)
