"""Floods, as frames: what an attacker or a broken device sends to fill tables. Each is a generator
without end, and the same for one seed. Among any of them stands a household that goes on working."""

import random
import struct

import packets as f

ROUTER, ATTACKER = "02:00:5e:00:00:01", "02:00:5e:66:66:66"
VICTIM, VICTIM_MAC = "192.168.1.2", "02:00:5e:10:00:02"


class Template:
    """A frame of which some octets change. Checksums are those of the first: nobody judges them."""

    def __init__(self, frame):
        self.frame = bytearray(frame)

    def made(self, *patches):
        for at, octets in patches:
            self.frame[at:at + len(octets)] = octets
        return bytes(self.frame)


MAC_FROM, IP_FROM, IP_TO, PORT_FROM, PORT_TO = 6, 26, 30, 34, 36


def outside(rng):
    """An address that no local network has."""
    return struct.pack("!I", rng.randrange(0x0B000000, 0x64000000))


def port(rng):
    return struct.pack("!H", rng.randrange(1024, 65536))


def syn(rng):
    """SYNs from addresses all over to one server."""
    frame = Template(f.ethernet(ROUTER, VICTIM_MAC, 0x0800, f.ipv4("11.0.0.1", VICTIM, f.TCP, f.tcp(
        "11.0.0.1", 40000, VICTIM, 443, 1, 0, f.SYN))))
    while True:
        yield frame.made((IP_FROM, outside(rng)), (PORT_FROM, port(rng)))


def datagrams(rng):
    """One packet a flow, of octets that mean nothing."""
    frame = Template(f.ethernet(ROUTER, VICTIM_MAC, 0x0800, f.ipv4("11.0.0.1", VICTIM, f.UDP, f.udp(
        "11.0.0.1", 40000, VICTIM, 9, bytes(18)))))
    while True:
        yield frame.made((IP_FROM, outside(rng)), (PORT_FROM, port(rng) + port(rng)),
                         (42, rng.randbytes(18)))


def scan(rng):
    """Every port of one host after the other, each refused."""
    source, source_mac = "192.168.1.66", ATTACKER
    asked = Template(f.ethernet(source_mac, VICTIM_MAC, 0x0800, f.ipv4(source, VICTIM, f.TCP, f.tcp(
        source, 40000, VICTIM, 1, 1, 0, f.SYN))))
    refused = Template(f.ethernet(VICTIM_MAC, source_mac, 0x0800, f.ipv4(VICTIM, source, f.TCP, f.tcp(
        VICTIM, 1, source, 40000, 0, 2, f.RST | f.ACK))))
    while True:
        own = port(rng)
        for target in range(1, 65536):
            there = struct.pack("!H", target)
            yield asked.made((PORT_FROM, own + there))
            yield refused.made((PORT_FROM, there + own))


def macs(rng):
    """Every frame from a station of its own, with an address of its own."""
    frame = Template(f.ethernet(ATTACKER, ROUTER, 0x0800, f.ipv4("10.0.0.1", "198.51.100.1", f.UDP, f.udp(
        "10.0.0.1", 40000, "198.51.100.1", 9, bytes(18)))))
    while True:
        yield frame.made((MAC_FROM, b"\x00\x1b\x21" + rng.randbytes(3)),
                         (IP_FROM, b"\x0a" + rng.randbytes(3)), (PORT_FROM, port(rng)))


def names(rng):
    """Questions for names that were never asked before, each answered."""
    client, resolver, hosts = "192.168.1.66", "192.168.1.1", b"0123456789abcdef"
    name = "0" * 16 + ".example.com"
    asked = Template(f.ethernet(ATTACKER, ROUTER, 0x0800, f.ipv4(client, resolver, f.UDP, f.udp(
        client, 40000, resolver, 53, f.dns_query(1, name)))))
    answer = f.dns_answer(1, name, ["93.184.0.1"])
    answered = Template(f.ethernet(ROUTER, ATTACKER, 0x0800, f.ipv4(resolver, client, f.UDP, f.udp(
        resolver, 53, client, 40000, answer))))
    while True:
        own, ident = port(rng), rng.randbytes(2)
        label = bytes(rng.choices(hosts, k=16))
        yield asked.made((PORT_FROM, own), (42, ident), (55, label))
        yield answered.made((PORT_TO, own), (42, ident), (55, label),
                            (42 + len(answer) - 4, outside(rng)))


def leases(rng):
    """DHCP starvation: every DISCOVER from a station of its own."""
    hello = f.dhcp(1, ATTACKER, 1, [(55, b"\x01\x03\x06"), (12, b"starve")])
    frame = Template(f.ethernet(ATTACKER, "ff:ff:ff:ff:ff:ff", 0x0800, f.ipv4(
        "0.0.0.0", "255.255.255.255", f.UDP, f.udp("0.0.0.0", 68, "255.255.255.255", 67, hello))))
    while True:
        station = b"\x02" + rng.randbytes(5)
        yield frame.made((MAC_FROM, station), (42 + 4, rng.randbytes(4)), (42 + 28, station))


def fragments(rng):
    """Later fragments of datagrams of which no first one ever comes."""
    frame = Template(f.ethernet(ROUTER, VICTIM_MAC, 0x0800, f.ipv4(
        "11.0.0.1", VICTIM, f.UDP, bytes(64), fragment=0x2000 | 185)))
    while True:
        yield frame.made((18, rng.randbytes(2)), (IP_FROM, outside(rng)))


def hellos(rng):
    """TLS hellos that never complete: each connection is opened, says the first octets of a long
    one, and is left."""
    begun = b"\x16\x03\x01\x0f\xa0\x01\x00\x0f\x9c\x03\x03" + bytes(range(89))
    talk = f.Talk("11.0.0.1", 40000, VICTIM, 443)
    opened = [talk.send(0, f.SYN), talk.send(1, f.SYN | f.ACK), talk.send(0, f.ACK),
              talk.send(0, f.ACK | f.PSH, begun)]
    ends = [(ROUTER, VICTIM_MAC), (VICTIM_MAC, ROUTER)]
    frames = [Template(f.ethernet(*ends[i == 1], 0x0800, packet)) for i, packet in enumerate(opened)]
    while True:
        address, own = outside(rng), port(rng)
        for i, frame in enumerate(frames):
            yield frame.made((IP_TO, address), (PORT_TO, own)) if i == 1 else \
                frame.made((IP_FROM, address), (PORT_FROM, own))


FLOODS = {"syn": syn, "datagrams": datagrams, "scan": scan, "macs": macs, "names": names,
          "leases": leases, "fragments": fragments, "hellos": hellos}


class Household:
    """Conversations that last to the end of the flood: of 14 that were there before it, and 6 that come
    while it goes on. The first 7 say who they are by ARP, the others are known only by their flow.
    `truth`: by their ends, packets and octets of IP each way."""

    COUNT, EARLY, ANNOUNCED = 20, 14, 7
    LATE = 100  # frames of those who were there, before the others come

    def __init__(self):
        self.talks, self.turn, self.truth, self.begun, self.coming = [], 0, {}, 0, None
        for i in range(self.COUNT):
            client, server = f"192.168.1.{100 + i}", f"198.51.100.{1 + i}"
            self.talks.append((i, f.Talk(client, 50000 + i, server, 443)))
            self.truth[client, 50000 + i, server, 443] = [0, 0, 0, 0]

    def _frame(self, i, talk, side, packet):
        counts = self.truth[(*talk.ends[0], *talk.ends[1])]
        counts[side] += 1
        counts[2 + side] += len(packet)
        ends = [f"02:00:5e:20:00:{i:02x}", ROUTER]
        return f.ethernet(ends[side], ends[not side], 0x0800, packet)

    def _begin(self, talks):
        """Each opens its connection and says hello."""
        for i, talk in talks:
            if i < self.ANNOUNCED:
                own, address = f"02:00:5e:20:00:{i:02x}", talk.ends[0][0]
                yield f.ethernet(own, "ff:ff:ff:ff:ff:ff", 0x0806, f.arp(
                    1, own, address, "00:00:00:00:00:00", address))
            for side, packet in zip((0, 1, 0), talk.handshake()):
                yield self._frame(i, talk, side, packet)
            yield self._frame(i, talk, 0, talk.send(0, f.ACK | f.PSH, f.client_hello(
                f"www{i}.example.org")))

    def begin(self):
        """Of those who are there before the flood."""
        for frame in self._begin(self.talks[:self.EARLY]):
            self.begun += 1
            yield frame

    def next(self):
        """One packet more: of each conversation in turn, or of one that begins."""
        self.turn += 1
        if self.turn == self.LATE:
            self.coming = self._begin(self.talks[self.EARLY:])
        if self.coming is not None:
            frame = next(self.coming, None)
            if frame is not None:
                return frame
            self.coming = None
        count = self.COUNT if self.turn > self.LATE else self.EARLY
        i, talk = self.talks[self.turn % count]
        side = self.turn // count % 2
        return self._frame(i, talk, side, talk.send(side, f.ACK, bytes(self.turn % 500)))


def write(path, floods, count, rate=200_000, seed=1):
    """A capture of `count` frames of each flood, one after another, `rate` a second, in which the
    household has every fiftieth packet. Returns the household."""
    household, when, step = Household(), 1_700_000_000_000_000, 1_000_000 / rate
    clock = 0.0

    def record(frame):
        at = when + int(clock)
        out.write(struct.pack("<IIII", at // 10**6, at % 10**6, len(frame), len(frame)) + frame)

    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
        for frame in household.begin():
            clock += step
            record(frame)
        for name in floods:
            frames = FLOODS[name](random.Random(seed))
            for i in range(count):
                clock += step
                record(household.next() if i % 50 == 0 else next(frames))
    return household
