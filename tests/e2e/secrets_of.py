"""What a capture holds that a policy may have to withhold, gathered from its bytes, and a model of
what each profile lets through. Apart from Weir: its own readers, its own rules.

MAC and IP addresses wherever frames, ARP, NDP, DHCP and DNS carry them; names: questions and
answers of DNS, mDNS and LLMNR, DHCP's host names, FQDNs, vendor classes and option lists, TLS
server names, HTTP hosts and user agents, what SSDP says of a device.
"""

import ipaddress
import re
import struct
import sys
from collections import defaultdict
from os import path

sys.path.append(path.join(path.dirname(path.abspath(__file__)), "../corpus"))

import frames

SUFFIXES = "/usr/share/publicsuffix/public_suffix_list.dat"
# Not the Internet's, or not a host's: RFC 6761, 6762, 7686, 8375, 9476, and what home gateways use.
NO_DOMAIN = {"alt", "arpa", "corp", "example", "home", "internal", "intranet", "invalid", "lan",
             "local", "localdomain", "localhost", "mail", "onion", "private", "test"}
LOCAL = [ipaddress.ip_network(net) for net in (
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10",
    "fc00::/7", "fe80::/10")]
DNS_PORTS = {53, 5353, 5355}
HEADERS = re.compile(rb"(?im)^(host|user-agent|server|location|usn|x-user-agent):[ \t]*"
                     rb"([^\r\n]+)\r?$")


class Secret:
    """One item. `ends`: who took part in each packet that showed it."""

    def __init__(self):
        self.kinds = set()
        self.ends = []


class Secrets:
    def __init__(self):
        self.macs, self.ips = defaultdict(Secret), defaultdict(Secret)
        self.names = defaultdict(Secret)  # octets as sent
        self.prefixes = set()  # that routers announce
        self.neighbours = set()  # who speaks ARP or is looked for on the link
        self.bindings = defaultdict(set)  # IP -> MACs

    def add(self, table, key, kind, ends):
        table[key].kinds.add(kind)
        table[key].ends.append(ends)

    def name(self, value, kind, ends):
        value = value.rstrip(b".").strip()
        if value:
            self.add(self.names, value, kind, ends)

    def local(self, packed):
        address = ipaddress.ip_address(packed)
        return packed in self.neighbours or any(
            address in net for net in [*LOCAL, *self.prefixes] if net.version == address.version)


def secrets_of(capture):
    out = Secrets()
    for link, _, frame in frames.read_capture(capture):
        packet(out, link, frame)
    return out


def station(octets):
    """Whether a MAC is somebody's: no group, not zero."""
    return len(octets) == 6 and not octets[0] & 1 and any(octets)


def host(packed):
    address = ipaddress.ip_address(packed)
    return not (address.is_multicast or address.is_unspecified or address.is_loopback
                or packed == b"\xff\xff\xff\xff" or packed[0] == 0 and len(packed) == 4)


def packet(out, link, frame):
    macs = [frame[0:6], frame[6:12]] if link == frames.ETHERNET else []
    kind, at = frames.network_layer(link, frame)
    body = frame[at:]
    ends = set(mac for mac in macs if station(mac))
    ips = []
    if kind == 0x0800 and len(body) >= 20 and body[0] >> 4 == 4:
        ips = [body[12:16], body[16:20]]
    elif kind == 0x86DD and len(body) >= 40 and body[0] >> 4 == 6:
        ips = [body[8:24], body[24:40]]
    ends |= {ip for ip in ips if host(ip)}
    if kind == 0x0806 and body[:6] == b"\0\x01\x08\0\x06\x04" and len(body) >= 28:
        ends |= arp(out, body, ends)
    for mac in macs:
        if station(mac):
            out.add(out.macs, mac, "frame", ends)
    for ip in ips:
        if host(ip):
            out.add(out.ips, ip, "header", ends)
    if len(ips) == 2:
        protocol, segment = upper(body, len(ips[0]))
        if protocol == 58:
            neighbour(out, segment, ends, macs)
        elif protocol in (6, 17):
            payload(out, protocol, segment, ends)


def arp(out, body, ends):
    found = {body[8:14], body[14:18], body[18:24], body[24:28]}
    found = {x for x in found if (station(x) if len(x) == 6 else host(x))}
    for item in found:
        out.add(out.macs if len(item) == 6 else out.ips, item, "arp", ends | found)
    for mac, ip in ((body[8:14], body[14:18]), (body[18:24], body[24:28])):
        if host(ip):
            out.neighbours.add(ip)
            if station(mac):
                out.bindings[ip].add(mac)
    return found


def upper(body, size):
    """Protocol and octets behind the IP headers; (0, b"") of a later fragment."""
    if size == 4:
        if int.from_bytes(body[6:8], "big") & 0x1FFF:
            return 0, b""
        total = int.from_bytes(body[2:4], "big") or len(body)
        return body[9], body[(body[0] & 15) * 4:total]
    protocol, at = body[6], 40
    while protocol in (0, 43, 60, 44) and at + 8 <= len(body):
        if protocol == 44 and int.from_bytes(body[at + 2:at + 4], "big") >> 3:
            return 0, b""
        step = 8 if protocol == 44 else 8 + body[at + 1] * 8
        protocol, at = body[at], at + step
    return protocol, body[at:40 + int.from_bytes(body[4:6], "big")]


def neighbour(out, message, ends, macs):
    if not message or not 133 <= message[0] <= 137:
        return
    at = {133: 8, 134: 16, 135: 24, 136: 24, 137: 40}[message[0]]
    if message[0] in (135, 136) and len(message) >= 24 and host(message[8:24]):
        target = message[8:24]
        ends.add(target)
        out.neighbours.add(target)
        out.add(out.ips, target, "ndp", ends)
        if message[0] == 136 and len(macs) == 2 and station(macs[1]):
            out.bindings[target].add(macs[1])
    while at + 8 <= len(message) and message[at + 1]:
        option = message[at:at + message[at + 1] * 8]
        if option[0] in (1, 2) and station(option[2:8]):
            out.add(out.macs, option[2:8], "ndp", ends)
        if option[0] == 3 and len(option) == 32:
            out.prefixes.add(ipaddress.ip_network((option[16:32], option[2]), strict=False))
        at += len(option)


def payload(out, protocol, segment, ends):
    if len(segment) < 8:
        return
    ports = set(struct.unpack("!HH", segment[:4]))
    if protocol == 17:
        data = segment[8:]
    else:
        data = segment[(segment[12] >> 4) * 4:] if len(segment) >= 20 else b""
    if ports & DNS_PORTS:
        dns(out, data if protocol == 17 else data[2:], ends)
    elif protocol == 17 and ports & {67, 68}:
        dhcp(out, data, ends)
    elif data[:2] == b"\x16\x03" and data[5:6] == b"\x01":
        server_name(out, data, ends)
    else:
        for header, value in HEADERS.findall(data[:4096]):
            kind = "host" if header.lower() == b"host" else "agent"
            out.name(re.sub(rb":\d+$", b"", value) if kind == "host" else value, kind, ends)


def dns_name(data, at):
    """(name, offset behind it), or (None, 0)."""
    labels, after = [], None
    for _ in range(64):
        if at >= len(data):
            return None, 0
        size = data[at]
        if size == 0:
            return b".".join(labels), after or at + 1
        if size >= 0xC0:
            after = after or at + 2
            at = int.from_bytes(data[at:at + 2], "big") & 0x3FFF
        elif size < 64:
            labels.append(data[at + 1:at + 1 + size])
            at += 1 + size
        else:
            return None, 0
    return None, 0


def dns(out, data, ends):
    if len(data) < 12:
        return
    questions, *records = struct.unpack("!HHHH", data[4:12])
    at = 12
    for number in range(min(questions + sum(records), 256)):
        name, at = dns_name(data, at)
        if name is None:
            return
        out.name(name, "host", ends)
        at += 4
        if number < questions:
            continue
        kind, size = int.from_bytes(data[at - 4:at - 2], "big"), data[at + 4:at + 6]
        at, size = at + 6, int.from_bytes(size, "big")
        value = data[at:at + size]
        if kind in (1, 28) and len(value) in (4, 16) and host(value):
            out.add(out.ips, value, "answer", ends)
        elif kind in (2, 5, 12):
            target, _ = dns_name(data, at)
            if target:
                out.name(target, "host", ends)
        at += size


def dhcp(out, data, ends):
    if len(data) < 240 or data[236:240] != b"\x63\x82\x53\x63":
        return
    fields = [data[12:16], data[16:20], data[20:24], data[24:28]]
    options, at = [], 240
    while at + 2 <= len(data) and data[at] != 255:
        if data[at] == 0:
            at += 1
            continue
        options.append((data[at], data[at + 2:at + 2 + data[at + 1]]))
        at += 2 + data[at + 1]
    mac = data[28:34]
    if station(mac) and data[2] == 6:
        ends.add(mac)
        out.add(out.macs, mac, "dhcp", ends)
    fields += [value for number, value in options if number in (50, 54) and len(value) == 4]
    for ip in fields:
        if host(ip):
            out.add(out.ips, ip, "dhcp", ends)
    if host(data[16:20]):
        ends.add(data[16:20])
        out.bindings[data[16:20]].add(mac)
    for number, value in options:
        if number == 12:
            out.name(value, "device", ends)
        elif number == 81:
            # RFC 4702: flag E says that the name stands as in DNS.
            wired = len(value) > 3 and value[0] & 4
            out.name((dns_name(value + b"\0", 3)[0] if wired else value[3:]) or b"", "device", ends)
        elif number == 60:
            out.name(value, "vendor_class", ends)
        elif number == 55 and len(value) >= 5:
            out.name(",".join(map(str, value)).encode(), "options", ends)


def server_name(out, data, ends):
    at = 9 + 2 + 32
    try:
        at += 1 + data[at]
        at += 2 + int.from_bytes(data[at:at + 2], "big")
        at += 1 + data[at] + 2
    except IndexError:
        return
    while at + 4 <= len(data):
        kind, size = struct.unpack("!HH", data[at:at + 4])
        if kind == 0 and size > 5:
            out.name(data[at + 9:at + 4 + size], "host", ends)
            return
        at += 4 + size


class Domains:
    """Registrable domains by the list's ICANN section, without the rule `*` for the unknown."""

    def __init__(self):
        self.rules = set()
        with open(SUFFIXES, encoding="utf-8") as file:
            for line in file:
                if "END ICANN DOMAINS" in line:
                    break
                rule = line.split("//")[0].strip()
                if rule:
                    self.rules.add(rule.encode("idna").decode() if not rule.isascii()
                                   and rule[0] not in "*!" else rule)

    def is_suffix(self, labels):
        name = ".".join(labels)
        if "!" + name in self.rules:
            return False
        return name in self.rules or len(labels) > 1 and ".".join(["*", *labels[1:]]) in self.rules

    def registrable(self, name):
        """The registrable domain of octets, as text, or None."""
        text = name.decode("ascii", "replace").lower()
        labels = text.split(".")
        if labels[-1] in NO_DOMAIN or not re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)+", text):
            return None
        for begin in range(len(labels)):
            if self.is_suffix(labels[begin:]):
                return ".".join(labels[begin - 1:]) if begin > 0 else None
        return None
