#!/usr/bin/env python3
"""bench/corpora: the same bytes each time, of the shape that each corpus is for, with right checksums.

    test_corpora.py PROGRAM
"""
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import captures  # noqa: E402

PROGRAM = sys.argv.pop(1)
PACKETS = 20000
TCP, UDP = 6, 17


def frames(data):
    at = 24
    while at < len(data):
        length = struct.unpack_from("<I", data, at + 8)[0]
        yield data[at + 16:at + 16 + length]
        at += 16 + length


def folded(data):
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def plain(frame):
    """Addresses, ports, protocol and whether the sums are right, of IPv4 without a tunnel or fragments."""
    ip = frame[14:]
    if frame[12:14] != b"\x08\0" or len(ip) < 28 or ip[0] != 0x45 or ip[9] not in (TCP, UDP):
        return None
    total, fragment = struct.unpack_from("!HxxH", ip, 2)
    if fragment & 0x3fff or not 28 <= total <= len(ip):
        return None
    l4 = ip[20:total]
    pseudo = ip[12:20] + struct.pack("!HH", ip[9], len(l4))
    no_sum = ip[9] == UDP and l4[6:8] == b"\0\0"
    right = folded(ip[:20]) == 0xffff and (no_sum or folded(pseudo + l4) == 0xffff)
    ends = sorted([(ip[12:16], l4[:2]), (ip[16:20], l4[2:4])])
    return (ip[9], *ends), right


class Corpora(unittest.TestCase):
    def make(self, letter, packets=PACKETS):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "a.pcap")
            captures.make_own(PROGRAM, letter, path, packets)
            self.assertEqual(captures.packets_of(path), packets)
            return path.read_bytes()

    def look(self, letter):
        data = self.make(letter)
        self.assertEqual(data, self.make(letter))
        seen = [plain(frame) for frame in frames(data)]
        known = [s for s in seen if s]
        self.assertEqual([ends for ends, right in known if not right], [])
        return data, known, len({flow for flow, _ in known})

    def test_mix(self):
        for letter in "BE":
            data, known, flows = self.look(letter)
            self.assertGreater(len(known), PACKETS / 2)
            self.assertGreater(len(known) / flows, 14)
            self.assertIn(len(data) // PACKETS, range(250, 420))

    def test_clients(self):
        """B has new ones all the time; E's four houses stay who they are."""
        macs = {letter: {frame[6:12] for frame in frames(self.make(letter))} for letter in "BE"}
        self.assertGreater(len(macs["B"]), 150)
        self.assertLess(len(macs["E"]), 100)

    def test_churn(self):
        data, known, flows = self.look("C")
        self.assertEqual(flows, PACKETS)
        self.assertEqual(len(data), 24 + PACKETS * (16 + 60))

    def test_elephants(self):
        data, known, flows = self.look("D")
        self.assertEqual(flows, 16)
        self.assertIn(len(data) // PACKETS, range(980, 1060))


if __name__ == "__main__":
    unittest.main()
