# What the truth tables cannot say of a capture and its bytes can: which packets are neighbour
# discovery, which names stand whole in one packet, which ARP and NDP pairs lie in no tunnel.
# A reader of pcap and pcapng and a walk down to L4, written apart from Weir's and from tshark's, so
# that the comparison does not rest on the code under test. Used by figures.py, one capture a time.

import ipaddress
import re
import struct
from collections import defaultdict

ETHERNET, NULL, LOOP, SLL, SLL2 = 1, 0, 108, 113, 276
RAW = {12, 14, 101, 228, 229}
TAGS = {0x8100, 0x88A8, 0x9100}
MPLS = {0x8847, 0x8848}
# Extension headers that are walked; AH and mobility are protocols of their own in the truth.
EXTENSIONS = {0, 43, 60}
HTTP_HEAD = re.compile(
    rb"[A-Z]+ [^\r\n]+ HTTP/1\.[01]\r\n(?:[^\r\n]+\r\n)*?[Hh][Oo][Ss][Tt]:([^\r\n]*)\r\n"
)


class Facts:
    """What one capture's bytes say."""

    def __init__(self):
        self.packets = 0
        # (source, destination) -> [packets, L3 bytes] of ICMPv6 133-137.
        self.ndp = defaultdict(lambda: [0, 0])
        # client address -> payloads to port 53: UDP, and TCP segments that hold a whole message.
        self.dns = defaultdict(list)
        # client address -> ClientHellos and Hosts that stand whole in one TCP segment.
        self.hellos = defaultdict(list)
        self.hosts = defaultdict(set)
        # (MAC, IP) as ARP senders and NDP options say outside every tunnel; (source, destination)
        # of what was sent from the port of DHCP servers.
        self.neighbours = set()
        self.dhcp = set()

    def has_question(self, client, name):
        """Whether the name's wire form stands whole in one packet of the client to a DNS server."""
        labels = name.encode().split(b".")
        if max(map(len, labels)) > 63:
            return False
        wire = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
        return any(wire in payload for payload in self.dns[client])

    def has_hello(self, client, name):
        return any(name.encode() in hello for hello in self.hellos[client])


def read_pcap(data):
    magic = data[:4]
    order = {b"\xd4\xc3\xb2\xa1": "<", b"\x4d\x3c\xb2\xa1": "<", b"\x34\xcd\xb2\xa1": "<"}.get(
        magic, ">"
    )
    header = 24 if magic in (b"\x34\xcd\xb2\xa1", b"\xa1\xb2\xcd\x34") else 16
    link = struct.unpack_from(order + "I", data, 20)[0] & 0x0FFFFFFF & 0xFFFF
    at = 24
    while at + header <= len(data):
        captured, wire = struct.unpack_from(order + "II", data, at + 8)
        at += header
        if at + captured > len(data):
            return
        yield link, wire, data[at : at + captured]
        at += captured


def read_pcapng(data):
    order, links, at = "<", [], 0
    while at + 12 <= len(data):
        if data[at : at + 4] == b"\x0a\x0d\x0d\x0a":
            order = "<" if data[at + 8 : at + 12] == b"\x4d\x3c\x2b\x1a" else ">"
            links = []
        kind, total = struct.unpack_from(order + "II", data, at)
        if total < 12 or at + total > len(data):
            return
        body = data[at + 8 : at + total - 4]
        if kind == 1 and len(body) >= 8:
            links.append(struct.unpack_from(order + "HHI", body))
        elif kind in (2, 6) and len(body) >= 20:  # packet block (obsolete), enhanced packet block
            interface = struct.unpack_from(order + ("I" if kind == 6 else "H"), body)[0]
            captured, wire = struct.unpack_from(order + "II", body, 12)
            if interface < len(links):
                yield links[interface][0], wire, body[20 : 20 + captured]
        elif kind == 3 and len(body) >= 4 and links:  # simple packet block
            wire = struct.unpack_from(order + "I", body)[0]
            yield links[0][0], wire, body[4 : 4 + min(wire, links[0][2] or wire)]
        at += total


def read_capture(path):
    """Each packet of a capture as (link type, length on the wire, captured bytes)."""
    with open(path, "rb") as file:
        data = file.read()
    if data[:4] == b"\x0a\x0d\x0d\x0a":
        yield from read_pcapng(data)
    elif len(data) >= 24:
        yield from read_pcap(data)


def network_layer(link, frame):
    """(EtherType, offset) below the tags, labels and sessions that issue 3 names, or (None, 0)."""
    if link == ETHERNET:
        kind, at = int.from_bytes(frame[12:14], "big"), 14
    elif link in RAW:
        kind, at = None, 0
    elif link in (NULL, LOOP):
        kind, at = None, 4
    elif link == SLL:
        kind, at = int.from_bytes(frame[14:16], "big"), 16
    elif link == SLL2:
        kind, at = int.from_bytes(frame[0:2], "big"), 20
    else:
        return None, 0
    while at < len(frame):
        if kind in TAGS:
            kind, at = int.from_bytes(frame[at + 2 : at + 4], "big"), at + 4
        elif kind in MPLS:
            bottom = frame[at + 2 : at + 3] + b"\1"
            kind, at = (None if bottom[0] & 1 else kind), at + 4
        elif kind == 0x8864:
            # The protocol field of PPP may be one byte (RFC 1661, section 6.5).
            size = 1 if frame[at + 6 : at + 7] and frame[at + 6] & 1 else 2
            ppp = int.from_bytes(frame[at + 6 : at + 6 + size], "big")
            kind, at = {0x21: 0x0800, 0x57: 0x86DD, 0x281: 0x8847}.get(ppp, 0), at + 6 + size
        elif kind is None:
            return {4: 0x0800, 6: 0x86DD}.get(frame[at] >> 4), at
        else:
            return kind, at
    return None, 0


def ipv4(facts, frame, at):
    header = (frame[at] & 15) * 4
    if header < 20 or at + 20 > len(frame):
        return
    total = int.from_bytes(frame[at + 2 : at + 4], "big")
    if int.from_bytes(frame[at + 6 : at + 8], "big") & 0x1FFF:
        return
    source, target = (str(ipaddress.IPv4Address(frame[p : p + 4])) for p in (at + 12, at + 16))
    end = at + total if total else len(frame)
    transport(facts, frame[9 + at], frame[at + header : end], source, target)


def ipv6(facts, frame, at):
    if at + 40 > len(frame):
        return
    total = 40 + int.from_bytes(frame[at + 4 : at + 6], "big")
    source, target = (str(ipaddress.IPv6Address(frame[p : p + 16])) for p in (at + 8, at + 24))
    protocol, end = frame[at + 6], at + total
    at += 40
    while protocol in EXTENSIONS or protocol == 44:
        if at + 8 > len(frame):
            return
        if protocol == 44:
            if int.from_bytes(frame[at + 2 : at + 4], "big") >> 3:
                return
            protocol, at = frame[at], at + 8
        else:
            protocol, at = frame[at], at + 8 + frame[at + 1] * 8
    if protocol != 58:
        transport(facts, protocol, frame[at:end], source, target)
    elif at < len(frame) and 133 <= frame[at] <= 137:
        count = facts.ndp[source, target]
        count[0] += 1
        count[1] += total
        neighbour_options(facts, frame[at:end], source)


def neighbour_options(facts, message, source):
    kind = message[0]
    at = {133: 8, 134: 16, 135: 24, 136: 24}.get(kind, len(message))
    while at + 8 <= len(message) and message[at + 1]:
        mac = message[at + 2 : at + 8].hex(":")
        if message[at] == 1:
            facts.neighbours.add((mac, source))
        elif message[at] == 2 and kind == 136:
            facts.neighbours.add((mac, str(ipaddress.IPv6Address(message[8:24]))))
        at += message[at + 1] * 8


def transport(facts, protocol, segment, source, target):
    if protocol == 17 and len(segment) > 8:
        if segment[2:4] == b"\0\x35":
            facts.dns[source].append(segment[8:])
        elif segment[:2] == b"\0\x43":
            facts.dhcp.add((source, target))
    elif protocol == 6 and len(segment) >= 20:
        payload = segment[(segment[12] >> 4) * 4 :]
        if segment[2:4] == b"\0\x35" and len(payload) > 2:
            if int.from_bytes(payload[:2], "big") <= len(payload) - 2:
                facts.dns[source].append(payload[2:])
        elif payload[:2] == b"\x16\x03" and payload[5:6] == b"\x01":
            size = int.from_bytes(payload[6:9], "big")
            if int.from_bytes(payload[3:5], "big") >= size + 4 and len(payload) >= size + 9:
                facts.hellos[source].append(payload[9 : size + 9])
        else:
            head = HTTP_HEAD.match(payload)
            if head:
                facts.hosts[source].add(head.group(1).strip().decode(errors="replace"))


def arp(facts, frame, at):
    if frame[at : at + 6] == b"\0\x01\x08\0\x06\x04" and len(frame) >= at + 28:
        address = str(ipaddress.IPv4Address(frame[at + 14 : at + 18]))
        facts.neighbours.add((frame[at + 8 : at + 14].hex(":"), address))


def facts_of(path):
    """Reads one capture whole."""
    facts = Facts()
    for link, _, frame in read_capture(path):
        facts.packets += 1
        kind, at = network_layer(link, frame)
        if kind == 0x0800 and at < len(frame) and frame[at] >> 4 == 4:
            ipv4(facts, frame, at)
        elif kind == 0x86DD and at < len(frame) and frame[at] >> 4 == 6:
            ipv6(facts, frame, at)
        elif kind == 0x0806:
            arp(facts, frame, at)
    return facts
