"""A small reader of a pcap of Ethernet frames, independent of the collector that it judges."""

import ipaddress
import struct
from collections import defaultdict

ICMP, TCP, UDP, ICMP6 = 1, 6, 17, 58
NEIGHBOUR_DISCOVERY = range(133, 138)  # RFC 4861
IPV6_EXTENSIONS = {0, 43, 60}  # hop-by-hop, routing, destination options
IPV6_FRAGMENT = 44


class Count:
    """What one side of a flow sent: packets, octets at layer 3, octets of TCP or UDP payload."""

    def __init__(self):
        self.packets = self.octets = self.payload = 0

    def add(self, packets, octets, payload):
        self.packets += packets
        self.octets += octets
        self.payload += payload

    def __eq__(self, other):
        return isinstance(other, Count) and self.tuple() == other.tuple()

    def tuple(self):
        return self.packets, self.octets, self.payload

    def __str__(self):
        return f"{self.packets} packets, {self.octets} octets, {self.payload} of payload"


class Capture:
    """`sides`: (protocol, source, port, destination, port) -> Count; ports are 0 but for TCP and
    UDP, and for fragments after the first. `consumed`: packets that belong to no flow."""

    def __init__(self, path):
        self.packets = self.bytes = self.consumed = 0
        self.start = self.end = None
        self.sides = defaultdict(Count)
        self._sent = defaultdict(list)  # of TCP, by side: (first sequence number, octets)
        self.senders = set()  # MAC addresses
        with open(path, "rb") as f:
            data = f.read()
        little = struct.unpack("<I", data[:4])[0] in (0xA1B2C3D4, 0xA1B23C4D)
        order = "<" if little else ">"
        magic, = struct.unpack(order + "I", data[:4])
        unit = 1e-9 if magic == 0xA1B23C4D else 1e-6
        if struct.unpack(order + "I", data[20:24])[0] != 1:
            raise ValueError(f"'{path}' does not hold Ethernet frames")
        at = 24
        while at < len(data):
            seconds, fraction, kept, length = struct.unpack(order + "IIII", data[at:at + 16])
            self._frame(data[at + 16:at + 16 + kept], length)
            self.start = self.start or seconds + fraction * unit
            self.end = seconds + fraction * unit
            at += 16 + kept

    def summary(self):
        return {"packets": self.packets, "bytes": self.bytes, "start": self.start,
                "end": self.end}

    def add_segment(self, key, number, octets):
        self._sent[key].append((number, octets))

    def sent_again(self, key):
        """Octets of payload that a TCP side sent more than once, each time but the first."""
        segments = self._sent.get(key)
        if not segments:
            return 0
        origin = segments[0][0] - 2**31  # numbers wrap (RFC 9293 section 3.4)
        covered, end = 0, -1
        for first, octets in sorted(((s - origin) % 2**32, octets) for s, octets in segments):
            covered += max(first + octets - max(first, end), 0)
            end = max(end, first + octets)
        return sum(octets for _, octets in segments) - covered

    def addresses(self):
        return {ip for key in self.sides for ip in (key[1], key[3])}

    def _frame(self, frame, length):
        self.packets += 1
        self.bytes += length
        self.senders.add(frame[6:12].hex(":"))
        kind, = struct.unpack("!H", frame[12:14])
        side = {0x0800: self._ipv4, 0x86DD: self._ipv6}.get(kind, lambda _: None)(frame[14:])
        if side is None:
            self.consumed += 1
            return
        key, octets, payload = side
        self.sides[key].add(1, octets, payload)

    def _ipv4(self, ip):
        header = (ip[0] & 15) * 4
        octets, _, fragment = struct.unpack("!HHH", ip[2:8])
        source, destination = (str(ipaddress.IPv4Address(ip[at:at + 4])) for at in (12, 16))
        later = fragment & 0x1FFF != 0
        return self._side(ip[9], source, destination, ip[header:octets], octets, later)

    def _ipv6(self, ip):
        octets = 40 + struct.unpack("!H", ip[4:6])[0]
        source, destination = (str(ipaddress.IPv6Address(ip[at:at + 16])) for at in (8, 24))
        protocol, at, later = ip[6], 40, False
        while protocol in IPV6_EXTENSIONS or protocol == IPV6_FRAGMENT:
            if protocol == IPV6_FRAGMENT:
                later = later or struct.unpack("!H", ip[at + 2:at + 4])[0] >> 3 != 0
                protocol, at = ip[at], at + 8
            else:
                protocol, at = ip[at], at + 8 + ip[at + 1] * 8
        if protocol == ICMP6 and not later and ip[at] in NEIGHBOUR_DISCOVERY:
            return None
        return self._side(protocol, source, destination, ip[at:octets], octets, later)

    def _side(self, protocol, source, destination, body, octets, later):
        if later or protocol not in (TCP, UDP):
            return (protocol, source, 0, destination, 0), octets, 0
        source_port, destination_port = struct.unpack("!HH", body[:4])
        header = 8 if protocol == UDP else (body[12] >> 4) * 4
        key = (protocol, source, source_port, destination, destination_port)
        payload = len(body) - header
        if protocol == TCP and payload > 0:
            self.add_segment(key, struct.unpack("!I", body[4:8])[0], payload)
        return key, octets, payload
