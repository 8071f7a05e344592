#!/usr/bin/env python3
"""What an operator and his scripts rely on: exit statuses, messages, what stands on which output,
signals, privileges. Called with the path of weir; the live half needs root and namespaces."""

import gzip
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import packets as f
import programs
from programs import HOUSE, NOBODY, Network, run, unaccounted, wait_until

WEIR = None
FULL = ("--profile", "full", "--format", "json", "-o", "-")
NEAR, FAR = "02:00:5e:10:00:01", "02:00:5e:10:00:02"


def datagrams(count, payload=b"x" * 20):
    """UDP packets of one flow from a local client to a server, a millisecond apart."""
    packet = f.ethernet(NEAR, FAR, 0x0800, f.ipv4("192.168.1.10", "198.51.100.7", f.UDP, f.udp(
        "192.168.1.10", 40000, "198.51.100.7", 9999, payload)))
    return [(1_700_000_000_000_000_000 + i * 1_000_000, packet) for i in range(count)]


class Scratch(unittest.TestCase):
    """Each test has a directory of its own that nobody else may read; weir may write in `out`."""

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="weir-e2e-")
        self.addCleanup(shutil.rmtree, self.dir, True)
        os.chmod(self.dir, 0o755)

    def path(self, name, content=None):
        path = os.path.join(self.dir, name)
        if content is not None:
            with open(path, "wb") as file:
                file.write(content if isinstance(content, bytes) else content.encode())
        return path

    def weir(self, *words, **more):
        return run(WEIR, *words, cwd=self.dir, **more)

    def refused(self, done, *sentences):
        """Ended with 2 before it wrote a row, and said each sentence."""
        self.assertEqual(done.status, 2, done.said)
        self.assertEqual(done.out, b"")
        for sentence in sentences:
            self.assertIn(sentence, done.said)


class Reading(Scratch):
    def test_whole_file(self):
        done = self.weir("run", "-r", HOUSE, *FULL)
        self.assertEqual(done.status, 0, done.said)
        self.assertEqual(unaccounted(done.health()), 0)
        self.assertEqual(json.loads(done.out.splitlines()[-1])["record"], "health")
        self.assertIn("packets: 4972", done.said)
        self.assertNotIn("limits met", done.said)

    def moments(self, first_arp, sixes):
        """A client that asks for a lease by its name, speaks IPv6 at the times `sixes`, and says by
        ARP at `first_arp` that it has 192.168.1.70; others go on for ten minutes."""
        mac, start = "02:00:5e:10:00:70", 1_700_000_000_000_000_000

        def frame(kind, packet, source=mac, target=FAR):
            return f.ethernet(source, target, kind, packet)

        lease = f.dhcp(1, mac, 1, [(12, b"annas-phone")])
        sent = [(0, frame(0x0800, f.ipv4("0.0.0.0", "255.255.255.255", f.UDP, f.udp(
            "0.0.0.0", 68, "255.255.255.255", 67, lease)), target="ff:ff:ff:ff:ff:ff"))]
        sent += [(first_arp, frame(0x0806, f.arp(1, mac, "192.168.1.70", "00:00:00:00:00:00",
                                                 "192.168.1.1"), target="ff:ff:ff:ff:ff:ff"))]
        sent += [(first_arp + 1, frame(0x0800, f.ipv4("192.168.1.70", "198.51.100.7", f.UDP, f.udp(
            "192.168.1.70", 4000, "198.51.100.7", 9999, b"x"))))]
        sent += [(at, frame(0x86dd, f.ipv6("fd00::70", "2001:db8:9::1", f.UDP, f.udp(
            "fd00::70", 4000, "2001:db8:9::1", 9999, b"x")))) for at in sixes]
        sent += [(5 * i, datagrams(1)[0][1]) for i in range(120)]
        return f.pcap([(start + at * 1_000_000_000, packet)
                       for at, packet in sorted(sent, key=lambda one: one[0])])

    def test_excluded_by_subnet(self):
        """Nothing tells of who holds an excluded address once an ARP request has shown who it is, of
        what was not written by then included; excluded by MAC there is no before."""
        subnet = ("--set", "privacy.exclude.subnet=192.168.1.64/28")
        quick = self.path("quick.pcap", self.moments(1, [2, 3, 40, 80]))
        late = self.path("late.pcap", self.moments(300, [2, 40, 80, 350, 500]))
        by_mac = ("--set", "privacy.exclude.mac=02:00:5e:10:00:70")
        traces = {}
        for name, words in (("quick", (quick, *subnet)), ("late", (late, *subnet)),
                            ("MAC", (late, *by_mac)), ("nobody", (quick,))):
            done = self.weir("run", "-r", *words, *FULL)
            self.assertEqual(done.status, 0, done.said)
            traces[name] = sum(any(word in line for word in (
                b"02:00:5e:10:00:70", b"fd00::70", b"192.168.1.70", b"annas-phone"))
                for line in done.out.splitlines())
            self.assertEqual(sum(row["packets_up"] for row in done.rows("flow")
                                 if row.get("client_mac") == NEAR), 120)
        self.assertEqual((traces["quick"], traces["MAC"]), (0, 0), traces)
        # As README has it: the lease's flow and three of IPv6, which ended before, and the client.
        self.assertEqual(traces["late"], 5, traces)
        self.assertGreater(traces["nobody"], 5, traces)

    def test_leases_are_no_failures(self):
        """Of dnsmasq, dhclient, udhcpc and dhcpcd: an offer is an answer, and nobody answers that."""
        rows = [row for row in self.weir("run", "-r", HOUSE, *FULL).rows("usage")
                if row.get("application") == "DHCP"]
        self.assertGreater(sum(row["flows"] for row in rows), 10)
        self.assertEqual(sum(row["flows_failed"] for row in rows), 0)

    def test_only_rows_on_standard_output(self):
        done = self.weir("run", "-r", HOUSE, *FULL, "--set", "log_level=info")
        for line in done.out.splitlines():
            self.assertTrue(line.startswith(b'{"record":"'), line)
        self.assertTrue(done.out.endswith(b"}\n"))

    def test_standard_input(self):
        with open(HOUSE, "rb") as file:
            piped = self.weir("run", "-r", "-", *FULL, "--seed", "1", stdin=file)
        named = self.weir("run", "-r", HOUSE, *FULL, "--seed", "1")
        self.assertEqual((piped.status, named.status), (0, 0), piped.said)
        self.assertEqual(programs.masked(piped.out), programs.masked(named.out))

    def test_same_seed_same_rows(self):
        first, second = (self.weir("run", "-r", HOUSE, *FULL, "--seed", "7") for _ in range(2))
        self.assertEqual(programs.masked(first.out), programs.masked(second.out))

    def test_without_seed_other_keys(self):
        keys = [{row["client_key"] for row in self.weir("run", "-r", HOUSE, *FULL).rows("client")}
                for _ in range(2)]
        self.assertTrue(keys[0])
        self.assertFalse(keys[0] & keys[1])

    def test_rows_number_without_gaps(self):
        done = self.weir("run", "-r", HOUSE, *FULL)
        for record in ("flow", "client", "usage", "health"):
            numbers = sorted(row["sequence"] for row in done.rows(record))
            self.assertEqual(numbers, list(range(len(numbers))), record)

    def test_json_is_valid_without_a_zone_for_doubt(self):
        """Strict JSON: no NaN, no key twice."""
        def once(pairs):
            self.assertEqual(len(pairs), len(dict(pairs)), pairs)
            return dict(pairs)

        for line in self.weir("run", "-r", HOUSE, *FULL).out.splitlines():
            json.loads(line, object_pairs_hook=once, parse_constant=self.fail)

    def test_cut_file(self):
        with open(HOUSE, "rb") as file:
            whole = file.read()
        done = self.weir("run", "-r", self.path("cut.pcap", whole[:1_000_001]), *FULL)
        self.assertEqual(done.status, 1, done.said)
        health = done.health()
        self.assertGreater(health["packets"], 500)
        self.assertEqual(unaccounted(health), 0)
        self.assertIn("cut.pcap", done.said)
        self.assertRegex(done.said, rf"after packet {health['packets']}\b|"
                                    rf"packet {health['packets'] + 1}\b|"
                                    rf"\b{health['packets']} packets")

    def cut_while_shards_have_it(self):
        """Returns how many packets were dropped because they were gone. Rows nobody takes make sure
        that some wait."""
        count = 50_000
        path = self.path("cut.pcap", f.pcap([]))
        with open(path, "ab") as file:
            for i in range(count):
                source = f"192.168.{i >> 8}.{i & 255}"
                packet = f.ethernet(NEAR, FAR, 0x0800, f.ipv4(source, "198.51.100.7", f.UDP, f.udp(
                    source, 40000, "198.51.100.7", 9999, b"x" * 60)))
                file.write(f.pcap([(1_700_000_000_000_000_000 + i * 1000, packet)])[24:])
        words = ("--set", "flow.max=1024", "--set", "export.batches=8",
                 "--set", "export.batch_bytes=16KiB")
        with subprocess.Popen([WEIR, "run", "-r", path, *FULL, *words, "--shards", "2"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=self.dir) as process:
            wait_until("rows", 20, lambda: select.select([process.stdout], [], [], 0)[0])
            time.sleep(1)
            os.truncate(path, 24)
            out, err = process.communicate(timeout=60)
        done = programs.Done(process.returncode, out, err, 0)
        self.assertIn(done.status, (0, 1), done.said)
        health = json.loads(out.splitlines()[-1])
        self.assertLess(health["packets"], count)
        self.assertEqual(unaccounted(health), 0)
        for row in done.rows("flow"): # zeros that stand where frames stood are nobody's
            self.assertEqual((row["server_ip"], row["client_port"]), ("198.51.100.7", 40000))
            self.assertTrue(row["client_ip"].startswith("192.168."))
        return sum(d["packets"] for d in health.get("drops", []) if d["reason"] == "file_cut")

    def test_cut_while_shards_have_it(self):
        """A file that is cut while its packets lie before the shards ends the capture, not the
        process: they read them where they stand. What is gone is counted, and leaves no row."""
        dropped = 0
        for _ in range(10): # whether any lie before them then is chance
            dropped = self.cut_while_shards_have_it()
            if dropped > 0:
                break
        self.assertGreater(dropped, 0)

    def test_damaged_file(self):
        packets = datagrams(10)
        damaged = f.pcap(packets) + b"\xff" * 16 + f.pcap(packets)[24:]
        done = self.weir("run", "-r", self.path("damaged.pcap", damaged), *FULL)
        self.assertEqual(done.status, 1, done.said)
        self.assertEqual(done.health()["packets"], 10)
        self.assertEqual(sum(r["packets_up"] for r in done.rows("flow")), 10)
        self.assertIn("damaged.pcap", done.said)

    def test_segments_of_a_damaged_file(self):
        cut = self.path("cut.pcap", f.pcap(datagrams(10))[:-3])
        done = self.weir("run", "-r", cut, "-o", "out", "--profile", "full")
        self.assertEqual(done.status, 1, done.said)
        read = self.weir("read", "out")
        self.assertEqual(read.status, 0, read.said)
        self.assertEqual(read.health()["packets"], 9)

    def interrupted(self, name, number, count, shards=1):
        """weir run -r `name` of a stream of `count` packets that goes on, ended by a signal."""
        fifo = self.path("stream")
        os.mkfifo(fifo)
        with open(fifo, "r+b", buffering=0) as stream:
            stream.write(f.pcap(datagrams(count)))
            with subprocess.Popen([WEIR, "run", "-r", name or fifo, *FULL, "--shards",
                                   str(shards)], stdout=subprocess.PIPE,
                                  stdin=stream, stderr=subprocess.PIPE, cwd=self.dir) as process:
                wait_until("weir to take it", 20, lambda: not select.select([stream], [], [], 0)[0])
                programs.wait_until_asleep(process.pid)
                began = time.monotonic()
                process.send_signal(number)
                out, err = process.communicate(timeout=30)
        os.remove(fifo)
        return programs.Done(process.returncode, out, err, time.monotonic() - began)

    def test_signal_while_reading(self):
        """What was read until then is collected; of a file the rest is missing, and that is told."""
        for number in (signal.SIGINT, signal.SIGTERM):
            for name, status, count, shards in (("", 1, 200, 1), ("-", 0, 200, 1), ("", 1, 192, 1),
                                                ("-", 0, 192, 1), ("", 1, 200, 2), ("-", 0, 192, 2)):
                with self.subTest(f"{number.name} {name} {count} {shards}"):
                    done = self.interrupted(name, number, count, shards)
                    self.assertEqual(done.health()["packets"], count, done.said)
                    self.assertEqual(done.status, status, done.said)
                    self.assertLess(done.seconds, 3)
                    self.assertEqual(unaccounted(done.health()), 0)
                    self.assertEqual("not read to its end" in done.said, status == 1)

    def test_shards(self):
        """Several threads say what one does, also of a damaged file and of standard input."""
        with open(HOUSE, "rb") as file:
            whole = file.read()
        for name, octets, status in (("whole.pcap", whole, 0), ("cut.pcap", whole[:1_000_001], 1)):
            words = ("run", "-r", self.path(name, octets), *FULL, "--seed", "1", "--shards")
            one, many = self.weir(*words, 1), self.weir(*words, 3)
            self.assertEqual((one.status, many.status), (status, status), many.said)
            self.assertEqual(sorted(programs.masked(one.out)), sorted(programs.masked(many.out)))
            # What they hand packets over in takes memory, and is told.
            pools = [{pool["pool"] for pool in done.health()["memory"]} for done in (one, many)]
            self.assertEqual(pools[1] - pools[0], {"blocks"})
        piped = self.weir("run", "-r", "-", *FULL, "--seed", "1", "--shards", "2", stdin=whole)
        self.assertEqual(len(piped.rows("flow")), len(self.weir(
            "run", "-r", HOUSE, *FULL, "--seed", "1").rows("flow")))
        self.refused(self.weir("run", "-r", HOUSE, *FULL, "--shards", "65"), "shards", "64")

    def test_admission(self):
        """Past the limit on new DPI work flows are named and counted, and not shown to nDPI."""
        queries = []
        for i in range(300):
            client = f"10.0.{i // 200}.{i % 200 + 1}"
            query = f.udp(client, 4000, "192.0.2.53", 53, f.dns_query(i, f"n{i}.example"))
            queries.append((1_700_000_000_000_000_000 + i * 1000, f.ethernet(
                NEAR, FAR, 0x0800, f.ipv4(client, "192.0.2.53", f.UDP, query))))
        words = ("run", "-r", self.path("queries.pcap", f.pcap(queries)), *FULL)
        limit = ("--set", "dpi.admission_rate=100")

        for more in (limit, (*limit, "--set", "dpi.admission=off")):
            done = self.weir(*words, *more)  # off for files
            self.assertEqual({row["dpi"] for row in done.rows("flow")}, {"verdict"})
            self.assertEqual(done.health()["dpi"]["not_admitted"], 0)
        done = self.weir(*words, *limit, "--set", "dpi.admission=on")
        admitted = 100 // 4 + 1  # a burst of a quarter of a second
        refused = [row for row in done.rows("flow") if row["dpi"] == "not_admitted"]
        self.assertEqual(len(done.rows("flow")), 300)
        self.assertEqual(len(refused), 300 - admitted)
        self.assertEqual(done.health()["dpi"]["not_admitted"], 300 - admitted)
        self.assertEqual(done.health()["dpi"]["verdicts"], admitted)
        self.assertEqual(unaccounted(done.health()), 0)
        for row in refused:
            self.assertEqual(row["protocol"], "Unknown")
            self.assertNotIn("confidence", row)
            self.assertEqual(row["packets_up"], 1)
            self.assertRegex(row["dns"][0]["name"], r"^n\d+\.example$")

    def test_compressed(self):
        """By their content and not by their names, from standard input too; the rest of a cut one
        is told of."""
        with open(HOUSE, "rb") as file:
            plain = file.read()
        words, rows = (*FULL, "--seed", "1"), programs.masked(self.weir(
            "run", "-r", HOUSE, *FULL, "--seed", "1").out)
        packs = {"gzip": gzip.compress(plain, 1), "zstd": subprocess.run(
            ["zstd", "-qc1", HOUSE], capture_output=True, check=True).stdout}
        for name, packed in packs.items():
            for shards in (1, 2):
                with self.subTest(f"{name} {shards}"):
                    path = self.path("day", packed)
                    done = self.weir("run", "-r", path, *words, "--shards", shards)
                    self.assertEqual(done.status, 0, done.said)
                    self.assertEqual(sorted(programs.masked(done.out)), sorted(rows))
            piped = self.weir("run", "-r", "-", *words, stdin=packed)
            self.assertEqual(programs.masked(piped.out), rows)
            for cut in (packed[:len(packed) // 2], packed[:-1]):
                done = self.weir("run", "-r", self.path("cut", cut), *words)
                self.assertEqual(done.status, 1, done.said)
                self.assertGreater(done.health()["packets"], 1000)
                self.assertRegex(done.said, rf'/cut" is damaged or cut after packet '
                                 rf'{done.health()["packets"]}: the compressed data end early')
            damaged = bytearray(packed)
            damaged[len(packed) // 2] ^= 0x55
            done = self.weir("run", "-r", self.path("damaged", bytes(damaged)), *words)
            self.assertEqual(done.status, 1, done.said)
            self.assertIn('/damaged" is damaged or cut after packet', done.said)
            self.assertEqual(unaccounted(done.health()), 0)
        self.refused(self.weir("run", "-r", self.path("void", gzip.compress(b"")), *FULL), "void")

    def split(self, count):
        """The house's day dealt out to `count` files, packet by packet; one that is not later than
        all before it stays with the latest."""
        with open(HOUSE, "rb") as file:
            head, rest = file.read(24), file.read()
        parts, at, latest, which = [head] * count, 0, (0, 0), 0
        while at < len(rest):
            seconds, fraction, octets = struct.unpack_from("<III", rest, at)
            if (seconds, fraction) > latest:
                latest, which = (seconds, fraction), (which + 1) % count
            parts[which] += rest[at:at + 16 + octets]
            at += 16 + octets
        return [self.path(f"part{i}", part) for i, part in enumerate(parts)]

    def test_several_files(self):
        """Merged in order of time they make what the whole makes, however they are given."""
        words = (*FULL, "--seed", "1")
        rows = sorted(programs.masked(self.weir("run", "-r", HOUSE, *words).out))
        parts = self.split(3)
        given = [word for part in parts for word in ("-r", part)]
        for shards in (1, 3):
            done = self.weir("run", *given, *words, "--shards", shards)
            self.assertEqual(done.status, 0, done.said)
            self.assertEqual(sorted(programs.masked(done.out)), rows)
        with open(parts[1], "rb") as file:
            done = self.weir("run", "-r", parts[2], "-r", "-", "-r", parts[0], *words, stdin=file)
        self.assertEqual(sorted(programs.masked(done.out)), rows)
        settings = self.path("weir.yaml", "capture:\n  files:\n" + "".join(
            f"    - {part}\n" for part in parts))
        done = self.weir("run", "-c", settings, *words)
        self.assertEqual(sorted(programs.masked(done.out)), rows)
        self.assertIn("packets: 4972", self.weir("run", "-c", settings, "-r", HOUSE, *FULL).said)

    def test_several_files_of_other_link_types(self):
        packets = datagrams(20)
        raw = f.pcap([(stamp + 500_000, octets[14:]) for stamp, octets in packets], link=101)
        done = self.weir("run", "-r", self.path("a", f.pcap(packets)), "-r", self.path("b", raw),
                         *FULL)
        self.assertEqual(done.status, 0, done.said)
        self.assertEqual([row["packets_up"] for row in done.rows("flow")], [40])

    def test_a_file_that_breaks_does_not_end_the_others(self):
        parts = self.split(3)
        with open(parts[1], "rb") as file:
            octets = file.read()
        self.path("part1", octets[:len(octets) // 2])
        given = [word for part in parts for word in ("-r", part)]
        for shards in (1, 2):
            done = self.weir("run", *given, *FULL, "--shards", shards)
            self.assertEqual(done.status, 1, done.said)
            self.assertEqual(done.said.count("is damaged or cut after packet"), 1)
            self.assertIn('part1" is damaged or cut', done.said)
            self.assertGreater(done.health()["packets"], 4000)
            self.assertEqual(unaccounted(done.health()), 0)
        self.refused(self.weir("run", "-r", HOUSE, "-r", self.path("no.pcap"), *FULL), "no.pcap")
        self.refused(self.weir("run", "-r", "-", "-r", "-", *FULL), "once only")

    def doubled(self):
        """The house's day as a mirror port gives it that sees each frame twice."""
        with open(HOUSE, "rb") as file:
            out, rest = file.read(24), file.read()
        at = 0
        while at < len(rest):
            end = at + 16 + int.from_bytes(rest[at + 8:at + 12], "little")
            out += rest[at:end] * 2
            at = end
        return self.path("doubled.pcap", out)

    def test_copies(self):
        """capture.dedup makes of each frame and its copy what the frame alone makes."""
        doubled, words = self.doubled(), (*FULL, "--seed", "1")
        single = self.weir("run", "-r", HOUSE, *words)
        rows = sorted(row for row in programs.masked(single.out) if '"health"' not in row)
        for shards in (1, 3):
            done = self.weir("run", "-r", doubled, *words, "--shards", shards, "--set",
                             "capture.dedup=on")
            self.assertEqual(done.status, 0, done.said)
            self.assertEqual(sorted(row for row in programs.masked(done.out)
                                    if '"health"' not in row), rows)
            health, drops = done.health(), {d["reason"]: d["packets"] for d in done.health()["drops"]}
            count = single.health()["packets"]
            self.assertEqual((health["packets"], drops.pop("duplicate")), (2 * count, count))
            self.assertEqual(drops, {d["reason"]: d["packets"]
                                     for d in single.health().get("drops", [])})
            self.assertEqual(unaccounted(health), 0)
        self.assertNotIn("duplicate", self.weir("run", "-r", doubled, *words).said)

    def test_silent_standard_input(self):
        """Rows that are finished go out while the writer is silent, in the middle of a packet too."""
        packets = datagrams(70)
        later = packets[0][0] + 3600 * 10**9
        capture = f.pcap(packets + [(later, packets[0][1])])
        with subprocess.Popen([WEIR, "run", "-r", "-", *FULL], cwd=self.dir, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            process.stdin.write(capture + capture[24:50])
            process.stdin.flush()
            self.assertTrue(select.select([process.stdout], [], [], 20)[0])
            row = json.loads(process.stdout.readline())
            self.assertEqual((row["record"], row["packets_up"]), ("flow", 70))
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            process.wait(20)
            self.assertLess(time.monotonic() - began, 3)

    def test_a_signal_before_there_is_anything_to_read(self):
        """Nobody is blamed, as with one that comes later: of standard input nothing is missing, of a
        file the rest is."""
        os.mkfifo(self.path("fifo"))
        for files, begun, status in ((["-"], b"", 0), (["-"], b"\xd4\xc3\xb2", 0),
                                     ([self.path("fifo")], b"", 1), ([HOUSE, "-"], b"", 1)):
            with self.subTest(files=files, begun=begun), subprocess.Popen(
                    [WEIR, "run", *(word for name in files for word in ("-r", name)), *FULL],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                    cwd=self.dir) as process:
                process.stdin.write(begun)
                process.stdin.flush()
                programs.wait_until_asleep(process.pid)
                process.send_signal(signal.SIGINT)
                self.assertEqual(process.wait(20), status)
                said = process.stderr.read()
                self.assertIn(b"a signal came before there was anything to read", said)
                self.assertNotIn(b"error", said)

    def test_who_asks_the_dissectors(self):
        """Our loop over libndpi's dissectors and its own make the same rows: risks, categories too."""
        ours, its = (self.weir("run", "-r", HOUSE, *FULL, "--seed", "1", "--set",
                               f"dpi.plain={plain}") for plain in ("no", "yes"))
        self.assertEqual(programs.masked(ours.out), programs.masked(its.out))

    def test_no_packet_at_all(self):
        done = self.weir("run", "-r", self.path("empty.pcap", f.pcap([])), *FULL)
        self.assertEqual(done.status, 0, done.said)
        self.assertEqual([row["record"] for row in done.rows()], ["health"])

    def test_a_file_in_place_of_the_configured_interface(self):
        settings = self.path("weir.yaml", "capture:\n  interface: eth0\n")
        done = self.weir("run", "-c", settings, "-r", HOUSE, *FULL)
        self.assertEqual(done.status, 0, done.said)
        self.refused(self.weir("run", "-c", settings, "-r", HOUSE, "-i", "eth0", *FULL),
                     "exclude each other")

    def test_no_protobuf_in_one_stream(self):
        """Its rows do not say of which type they are; where they go by type they may be that."""
        for words in (("-o", "-"), (*FULL, "--format", "protobuf")):
            done = self.weir("run", "-r", HOUSE, *words)
            self.refused(done, "-o - takes JSON only", "--format json", "-o DIR")
            self.assertEqual(len(done.said.splitlines()), 1)
        self.assertEqual(self.weir("check", "-o", "-").status, 2)
        for words in (("-o", "out"), ("-o", "-", "--exporter", "null")):
            self.assertEqual(self.weir("run", "-r", HOUSE, *words).status, 0)

    def test_progress_on_a_terminal(self):
        """However short the run is, the terminal is told; a pipe is not."""
        terminal, end = pty.openpty()
        with open(end, "wb") as err:
            done = subprocess.run([WEIR, "run", "-r", HOUSE, "--exporter", "null"], stderr=err,
                                  stdout=subprocess.PIPE, timeout=60, cwd=self.dir, check=False)
        said = os.read(terminal, 4096).decode()
        os.close(terminal)
        self.assertEqual(done.returncode, 0, said)
        self.assertRegex(said, r"\d+\.\d s +\d+\.\d\d M packets .*111 flows +4\.8 MB")
        self.assertNotIn("M packets", self.weir("run", "-r", HOUSE, "--exporter", "null").said)

    def test_brokers_that_are_away(self):
        """Of a run over files, which waits for them, its operator is told at once, and how long it
        waits. Its status says that rows were lost, and whether the file was whole besides."""
        with socket.socket() as silent, open(HOUSE, "rb") as file:
            silent.bind(("127.0.0.1", 0))  # not listening: it refuses, and no one else can
            brokers = "127.0.0.1:%d" % silent.getsockname()[1]
            words = ("--exporter", "kafka", "--set", f"kafka.brokers={brokers}", "--set",
                     "kafka.patience=4s")
            if "built without the Kafka exporter" in self.weir("check", *words[:2]).said:
                self.skipTest("built without Kafka")
            cut = self.path("cut.pcap", file.read()[:1_000_001])
            for capture, status in ((HOUSE, 3), (cut, 4)):
                with subprocess.Popen([WEIR, "run", "-r", capture, *words], stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, cwd=self.dir) as process:
                    began, said = time.monotonic(), ""
                    while "the run waits up to 4 s (kafka.patience)" not in said:
                        line = process.stderr.readline().decode()
                        self.assertNotEqual(line, "", said)
                        said += line
                    self.assertIn(f'Kafka at "{brokers}": no broker answers there', said)
                    self.assertLess(time.monotonic() - began, 3.5)
                    said += process.communicate(timeout=30)[1].decode()
                self.assertEqual(process.returncode, status, said)
                self.assertGreater(time.monotonic() - began, 4)
                self.assertLess(time.monotonic() - began, 15)
                self.assertIn("took no row for 4 s (kafka.patience): the run ends", said)
                self.assertRegex(said, r"[1-9]\d* rows of type flow were lost: broker")
                self.assertEqual("damaged or cut" in said, status == 4)

    def test_refused_sources(self):
        self.refused(self.weir("run", "-r", self.path("no.pcap"), *FULL), "no.pcap", "No such file")
        self.refused(self.weir("run", "-r", self.path("text.pcap", "no capture\n" * 9), *FULL),
                     "text.pcap")
        self.refused(self.weir("run", "-r", self.path("void.pcap", ""), *FULL), "void.pcap")
        self.refused(self.weir("run", "-r", self.dir, *FULL), self.dir)
        self.refused(self.weir("run", *FULL), "-r FILE", "-i INTERFACE")
        self.refused(self.weir("run", "-r", HOUSE, "-i", "lo", *FULL), "-r and -i")

    def test_filter(self):
        done = self.weir("run", "-r", HOUSE, *FULL, "--filter", "udp port 53")
        self.assertEqual({row.get("server_port") for row in done.rows("flow")}, {53})
        self.refused(self.weir("run", "-r", HOUSE, *FULL, "--filter", "udp prot 53"), "filter")


class Settings(Scratch):
    WRONG = """tenant: home
capture:
  snaplen: 12
  fitler: udp
flow:
  max: many
privacy:
  profile: secret
  fields:
    server_nam: keep
    client_mac: domain
  exclude:
    mac: [02-00-00, "02:00:5e:10:00:01"]
"""
    SAID = {3: "12", 4: "fitler", 6: "many", 8: "secret", 10: "server_nam", 11: "client_mac",
            13: "02-00-00"}

    def test_all_that_is_wrong_is_said_with_its_line(self):
        path = self.path("wrong.yaml", self.WRONG)
        for done in (self.weir("check", "-c", path),
                     self.weir("run", "-c", path, "-r", HOUSE, *FULL),
                     self.weir("explain", "-c", path)):
            self.refused(done)
            said = {}
            for line in done.said.splitlines():
                found = re.fullmatch(rf"weir: {re.escape(path)}:(\d+): (.*)", line)
                self.assertTrue(found, line)
                said[int(found[1])] = found[2]
            self.assertEqual(sorted(said), sorted(self.SAID))
            for line, word in self.SAID.items():
                self.assertIn(word, said[line])
                self.assertRegex(said[line], "allowed|it takes|lists them")

    def test_what_only_its_user_can_judge_is_said_with_its_line(self):
        path = self.path("kafka.yaml", """privacy:
  key_file: /nowhere/key
export:
  exporter: kafka
kafka:
  brokers: 'a b'
  topic_prefix: x y
  properties:
    acks: perhaps
    group.id: mine
""")
        said = self.weir("check", "-c", path).said.splitlines()
        expected = {2: "privacy.key_file: /nowhere/key: cannot open"}
        if not any("without the Kafka exporter" in line for line in said):
            expected |= {6: 'kafka.brokers: "a b" is not', 7: 'kafka.topic_prefix: "x y" may',
                         9: "kafka.properties: acks: Invalid",
                         10: "kafka.properties: group.id: is a consumer's"}
            self.assertEqual(len(said), len(expected), said)
        for number, words in expected.items():
            self.assertTrue(any(line.startswith(f"weir: {path}:{number}: {words}")
                                for line in said), (number, said))
        path = self.path("clients.yaml", "clients:\n  max: 100\n  random_max: 101\n")
        self.assertEqual(self.weir("check", "-c", path).said,
                         f'weir: {path}:3: clients.random_max: "101" is not allowed; it is a part '
                         "of clients.max, 100 at the most\n")
        self.refused(self.weir("check", "--set", "privacy.key_file=/nowhere/key"),
                     "command line: privacy.key_file: /nowhere/key")

    def test_right_settings(self):
        done = self.weir("check", "-c", self.path("weir.yaml", "tenant: home\n"))
        self.assertEqual((done.status, done.err), (0, b""))

    def test_printed_settings_are_right(self):
        done = self.weir("check", "-c", self.path("all.yaml", self.weir("settings").out))
        self.assertEqual(done.status, 0, done.said)

    def test_interfaces_of_the_readme(self):
        with open(os.path.join(programs.HERE, "../../README.md"), encoding="utf-8") as file:
            example = next(text for text in re.findall("```yaml\n(.*?)```", file.read(), re.S)
                           if "interface:" in text)
        path = self.path("weir.yaml", example)
        self.assertEqual(self.weir("check", "-c", path).said, "")
        wrong = self.path("wrong.yaml", example.replace("role=wan", "role=dmz"))
        self.refused(self.weir("check", "-c", wrong), 'wrong.yaml:6: capture.interface: "eth0 role=')

    def test_policy_of_the_readme(self):
        """The example that the README shows is right, and its lines are named."""
        with open(os.path.join(programs.HERE, "../../README.md"), encoding="utf-8") as file:
            example = next(text for text in re.findall("```yaml\n(.*?)```", file.read(), re.S)
                           if "privacy:" in text)
        key = self.path("key", os.urandom(32))
        os.chmod(key, 0o600)
        path = self.path("weir.yaml", example.replace("/etc/weir/key", key))
        self.assertEqual(self.weir("check", "-c", path).said, "")
        explained = self.weir("explain", "-c", path).out.decode()
        for line, number in (("flow.server_name +drop", 5), ("flow.user_agent +keep", 6),
                             ("client.mac +truncate: 24", 7), ("client.last_seen +bucket: 1d", 8)):
            self.assertRegex(explained, rf"{line} .*{re.escape(path)}:{number}\n")

    def test_command_line_overrides(self):
        path = self.path("weir.yaml", "site: attic\nprivacy:\n  profile: basic\n")
        done = self.weir("run", "-r", HOUSE, "--set", "site=cellar", "-c", path, *FULL)
        self.assertEqual(done.status, 0, done.said)
        self.assertEqual({row["site"] for row in done.rows()}, {"cellar"})
        self.assertTrue(done.rows("flow"))

    def test_unknown_words(self):
        self.refused(self.weir("run", "--sede", "1"), "--sede")
        self.refused(self.weir("run", "-x"), "-x")
        self.refused(self.weir("run", "-r"), "-r")
        self.refused(self.weir("run", "-r", HOUSE, "house"), '"house"')
        self.refused(self.weir("run", "-r", HOUSE, "--set", "flow.mxa=9"), "flow.mxa")
        self.refused(self.weir("run", "-r", HOUSE, "--seed", "x"), "--seed")
        self.refused(self.weir("rnu"), "usage")
        self.refused(self.weir())
        self.refused(self.weir("schema", "xml"), "proto, json or markdown")

    def test_help(self):
        for words in (["--help"], ["help"], ["run", "--help"]):
            done = self.weir(*words)
            self.assertEqual((done.status, done.err), (0, b""), words)
            self.assertIn(b"weir" if words[0] != "run" else b"--profile", done.out)

    def test_explain_names_the_line(self):
        path = self.path("weir.yaml", "privacy:\n  profile: standard\n  fields:\n"
                                      "    flow.user_agent: keep\n    client_ip.remote: drop\n")
        done = self.weir("explain", "-c", path, "--set", "privacy.exclude.mac=02:00:5e:10:00:01")
        self.assertEqual(done.status, 0, done.said)
        text = done.out.decode()
        self.assertRegex(text, rf"flow\.user_agent +keep +link +{re.escape(path)}:4\n")
        self.assertRegex(text, rf"flow\.client_ip\.remote +drop +person +{re.escape(path)}:5\n")
        self.assertRegex(text, r"flow\.client_ip\.local +drop +person +profile standard\n")
        self.assertRegex(text, r"02:00:5e:10:00:01 +by the command line\n")

    def test_explained_is_what_leaves(self):
        """A field that explain calls dropped stands in no row."""
        for profile in ("basic", "standard"):
            dropped = re.findall(r"^  (\w+)\.(\w+)(?:\.(\w+))? +drop ", self.weir(
                "explain", "--profile", profile).out.decode(), re.M)
            kinds = set(re.findall(r"^(\w+) records$", self.weir(
                "explain", "--profile", profile).out.decode(), re.M))
            self.assertGreater(len(dropped), 5)
            done = self.weir("run", "-r", HOUSE, "--format", "json", "-o", "-", "--profile", profile)
            self.assertLessEqual({row["record"] for row in done.rows()}, kinds)
            for record, field, inner in dropped:
                for row in done.rows(record):
                    if not inner:
                        self.assertNotIn(field, row)
                    elif inner not in ("local", "remote"):
                        for entry in row.get(field, []):
                            self.assertNotIn(inner, entry)

    def test_key_file(self):
        key = self.path("key", os.urandom(32))
        words = ("run", "-r", HOUSE, *FULL, "--set", f"privacy.key_file={key}")
        os.chmod(key, 0o644)
        self.refused(self.weir(*words), "key")
        os.chmod(key, 0o600)
        first, second = self.weir(*words), self.weir(*words)
        self.assertEqual(first.status, 0, first.said)
        self.assertNotIn("for this run only", first.said)
        keys = [{row["client_key"] for row in done.rows("client")} for done in (first, second)]
        self.assertEqual(keys[0], keys[1])
        self.refused(self.weir(*words, "--seed", "1"), "--seed")
        self.assertIn("for this run only", self.weir("run", "-r", HOUSE, *FULL).said)


class Segments(Scratch):
    def test_directory_that_cannot_be_written(self):
        self.refused(self.weir("run", "-r", HOUSE, "-o", "/proc/weir"), "/proc/weir")
        self.refused(self.weir("run", "-r", HOUSE, "-o", self.path("file", "")), "file")
        if os.geteuid() == 0:  # weir writes as nobody
            os.mkdir(self.path("roots"), 0o700)
            self.refused(self.weir("run", "-r", HOUSE, "-o", "roots"), "roots")

    def test_segments_hold_what_json_says(self):
        words = ("run", "-r", HOUSE, "--profile", "full", "--seed", "3")
        direct = self.weir(*words, "--format", "json", "-o", "-")
        written = self.weir(*words, "-o", "out")
        self.assertEqual(written.status, 0, written.said)
        self.assertIn("weir read out", written.out.decode())
        read = self.weir("read", "out")
        self.assertEqual(read.status, 0, read.said)
        by_type = [sorted(line for line in programs.masked(done.out) if '"health"' not in line)
                   for done in (direct, read)]
        self.assertEqual(*by_type)

    def blocked(self, *words):
        """A run whose reader takes nothing, until all batches are full."""
        process = subprocess.Popen([WEIR, "run", "-r", HOUSE, *FULL, "--set", "export.batches=8",
                                    "--set", "export.batch_bytes=16KiB", *words], cwd=self.dir,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, pipesize=4096)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        with self.assertRaises(subprocess.TimeoutExpired):
            process.wait(1.5)
        return process

    def test_a_signal_ends_the_wait_for_a_reader(self):
        process = self.blocked("--set", "export.shutdown_timeout=1s")
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(20), 3)
        self.assertGreater(time.monotonic() - began, 0.5)
        said = process.stderr.read().decode()
        self.assertIn("rows of type flow were lost: shutdown", said)
        self.assertIn("rows of type usage were lost: no_batch", said)

    def test_a_second_signal_waits_for_nothing(self):
        process = self.blocked("--set", "export.shutdown_timeout=10m")
        process.send_signal(signal.SIGINT)
        with self.assertRaises(subprocess.TimeoutExpired):
            process.wait(1)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(20), 3)

    def test_rows_dropped_for_a_slow_reader_are_told(self):
        process = self.blocked("--set", "capture.overload=drop")
        out, said = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 3, said)
        told = sum(int(n) for n in re.findall(rb"(\d+) rows of type \w+ were lost: no_batch", said))
        health = json.loads(out.splitlines()[-1])
        self.assertGreater(told, 0)
        self.assertEqual(told, sum(lost["rows"] for lost in health["lost"]))

    def test_a_reader_that_goes_away(self):
        """weir run -o - | head -1: ends, and the status says that rows were lost."""
        with subprocess.Popen([WEIR, "run", "-r", HOUSE, *FULL], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, cwd=self.dir) as process:
            process.stdout.read(10)
            process.stdout.close()
            process.stdout = None
            _, said = process.communicate(timeout=30)
            self.assertNotIn(process.returncode, (0, -signal.SIGSEGV, -signal.SIGABRT), said)

    def test_full_disk(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full")
        with open("/dev/full", "wb") as full:
            done = subprocess.run([WEIR, "run", "-r", HOUSE, *FULL], stdout=full, cwd=self.dir,
                                  stderr=subprocess.PIPE, timeout=60, check=False)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn(b"lost", done.stderr)


class Live(Scratch):
    """On an interface of a network namespace of our own."""

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0 or not programs.namespaces():
            raise unittest.SkipTest("needs root and network namespaces")

    def setUp(self):
        super().setUp()
        self.net = Network()
        self.addCleanup(self.net.close)
        os.mkdir(self.path("out"))
        os.chown(self.path("out"), NOBODY, NOBODY)

    def start(self, *words, interface="near", before=(), **pipes):
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **pipes}
        sockets = self.sockets()
        process = self.net.start(*before, WEIR, "run", "-i", interface, "--set",
                                 "state_dir=" + self.path("state"), *words, cwd=self.dir, **pipes)
        self.addCleanup(self.end, process)
        wait_until("weir to listen and to become nobody", 20, lambda: process.poll() is not None or (
            self.sockets() > sockets and self.uid(process) == NOBODY))
        self.assertIsNone(process.poll())
        return process

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
        process.communicate()

    def sockets(self):
        """Packet sockets that receive, in this namespace."""
        with open(f"/proc/{self.net.holder.pid}/net/packet", encoding="ascii") as file:
            return sum(line.split()[5] == "1" for line in file.readlines()[1:])

    @staticmethod
    def status(process, key):
        with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
            return next(line.split()[1:] for line in file if line.startswith(key + ":"))

    def uid(self, process):
        return int(self.status(process, "Uid")[0])

    def stop(self, process, number):
        """Ends it by a signal: its rows, what it said, seconds."""
        began = time.monotonic()
        process.send_signal(number)
        out, err = process.communicate(timeout=120)
        return programs.Done(process.returncode, out or b"", err or b"",
                             time.monotonic() - began)

    def test_signals(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(number.name):
                process = self.start(*FULL)
                self.net.send([packet for _, packet in datagrams(500)])
                done = self.stop(process, number)
                self.assertEqual(done.status, 0, done.said)
                self.assertLess(done.seconds, 3)
                health = json.loads(done.out.splitlines()[-1])
                self.assertEqual(health["record"], "health")
                self.assertEqual(health["packets"] + health["interfaces"][0]["dropped_kernel"], 500)
                self.assertEqual(unaccounted(health), 0)
                self.assertEqual(sum(r["packets_up"] for r in done.rows("flow")), health["packets"])
                self.assertEqual(health["interfaces"][0]["name"], "near")

    def test_stop_with_many_open_flows(self):
        """All of them go out, though they are more than the batches of a small box hold."""
        flows, frames = 40_000, []
        for i in range(flows):
            near = f"192.168.{1 + i % 8}.{1 + i // 8 % 250}"
            frames.append(f.ethernet(NEAR, FAR, 0x0800, f.ipv4(near, "198.51.100.7", f.UDP, f.udp(
                near, 1024 + i // 2000, "198.51.100.7", 9999, b"x" * 20))))
        for by_signal, words in ((True, ()), (False, ("--exit-idle", "2s")),
                                 (False, ("--exit-idle", "2s", "--shards", "2"))):
            with self.subTest(words):
                out = tempfile.mkdtemp(dir=self.path("out"))
                os.chown(out, NOBODY, NOBODY)
                process = self.start("-o", out, "--set", "limits=gateway",
                                     "--set", "capture.buffer=32MiB", *words)
                self.net.send(frames)
                if by_signal:
                    process.send_signal(signal.SIGTERM)
                _, said = process.communicate(timeout=120)
                self.assertEqual(process.returncode, 0, said)
                rows = self.weir("read", "--type", "flow", out).out.splitlines()
                self.assertEqual(sum(json.loads(row)["packets_up"] for row in rows), flows)

    def test_nothing_is_sent(self):
        """Not even what is said where standard error is closed: the socket that captures must not take
        its number."""
        for closed in ("<&- 2>&-", ">&- 2>&-"):
            process = self.net.start("sh", "-c", f'exec "$@" {closed}', "sh", WEIR, "run", "-i", "near",
                                     "--set", "state_dir=" + self.path("state"), "-o",
                                     self.path("out"), cwd=self.dir)
            self.addCleanup(self.end, process)
            wait_until("weir to listen", 20,
                       lambda: self.sockets() > 0 and self.uid(process) == NOBODY)
            self.net.send([packet for _, packet in datagrams(50)])
            self.assertEqual(self.stop(process, signal.SIGTERM).status, 0)
        with open(f"/proc/{self.net.holder.pid}/net/dev", encoding="ascii") as file:
            near = next(line.split() for line in file if line.lstrip().startswith("near:"))
        self.assertEqual((int(near[2]), int(near[10])), (100, 0))
        flows = [json.loads(row) for row in self.weir(
            "read", "--type", "flow", self.path("out")).out.splitlines()]
        self.assertEqual([flow["packets_up"] for flow in flows], [50, 50])

    def test_privileges_and_dumps(self):
        process = self.start(*FULL)
        self.assertEqual(self.status(process, "Uid"), [str(NOBODY)] * 4)
        self.assertEqual(set(self.status(process, "Gid")), {str(NOBODY)})
        self.assertNotIn("0", self.status(process, "Groups"))
        for key in ("CapPrm", "CapEff", "CapAmb"):
            self.assertEqual(int(self.status(process, key)[0], 16), 0, key)
        for thread in os.listdir(f"/proc/{process.pid}/task"):
            with open(f"/proc/{process.pid}/task/{thread}/status", encoding="ascii") as file:
                self.assertIn("NoNewPrivs:\t1\n", file.read())
        with open(f"/proc/{process.pid}/limits", encoding="ascii") as file:
            self.assertRegex(file.read(), r"Max core file size +0 +0 ")
        # The files of a process that may not be dumped belong to root, whoever it runs as.
        self.assertEqual(os.stat(f"/proc/{process.pid}/environ").st_uid, 0)
        self.assertEqual(self.stop(process, signal.SIGTERM).status, 0)

    def test_capabilities_of_somebody_else_than_root(self):
        os.mkdir(self.path("state"))
        os.chown(self.path("state"), NOBODY, NOBODY)
        process = subprocess.Popen(
            [*self.net.enter(), "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}",
             "--clear-groups", "--inh-caps=+net_raw", "--ambient-caps=+net_raw", WEIR, "run", "-i",
             "near", "--set", "state_dir=" + self.path("state"), *FULL], cwd=self.dir,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(self.end, process)
        wait_until("weir to listen and to give up its capabilities", 20, lambda: len(
            os.listdir(f"/proc/{process.pid}/task")) > 1)
        for thread in os.listdir(f"/proc/{process.pid}/task"):
            with open(f"/proc/{process.pid}/task/{thread}/status", encoding="ascii") as file:
                for key, mask in re.findall(r"Cap(Prm|Eff|Inh|Amb):\s*(\w+)", file.read()):
                    self.assertEqual(int(mask, 16), 0, key)
        self.assertEqual(self.stop(process, signal.SIGTERM).status, 0)

    def test_unknown_user(self):
        done = run("nsenter", *self.net.enter()[1:], WEIR, "run", "-i", "near", *FULL, "--set",
                   "user=no-such-user", "--set", "state_dir=" + self.path("state"))
        self.refused(done, "no-such-user")

    def test_interfaces_that_cannot_be_heard(self):
        enter = self.net.enter()
        state = ("--set", "state_dir=" + self.path("state"))
        self.refused(run(enter[0], *enter[1:], WEIR, "run", "-i", "nowhere", *FULL, *state),
                     "nowhere")
        self.net.call("ip", "link", "set", "near", "down")
        self.refused(run(enter[0], *enter[1:], WEIR, "run", "-i", "near", *FULL, *state), "near",
                     "down")

    def told(self):
        with open(self.path("said"), encoding="utf-8") as file:
            return file.read()

    def test_interface_that_goes_away(self):
        """It may come back: an only one is waited for as one of several is, without work, and without
        stopping what is due."""
        process = self.start(*FULL, "--set", "flow.idle_udp=1s", "--set", "export.batch_age=100ms",
                             stdout=subprocess.PIPE)
        self.net.send([packet for _, packet in datagrams(50)])
        time.sleep(0.5)  # the kernel hands packets over every capture.poll
        self.net.call("ip", "link", "delete", "near")
        wait_until("the flow's row", 20, lambda: select.select([process.stdout], [], [], 0)[0])
        before = sum(map(int, programs.main_thread(process.pid)[1:]))
        time.sleep(2)
        self.assertIsNone(process.poll())
        self.assertLess(sum(map(int, programs.main_thread(process.pid)[1:])) - before, 20)
        done = self.stop(process, signal.SIGTERM)
        self.assertEqual(done.status, 1, done.said)
        self.assertEqual(done.said.count('interface "near" went down or away'), 1)
        self.assertEqual(done.rows("flow")[0]["end_reason"], "idle")
        self.assertEqual(done.health()["packets"], 50)
        self.assertEqual([i["times_down"] for i in done.health()["interfaces"]], [1])

    def test_interface_made_anew(self):
        """As a modem is that was unplugged: it is heard again, without privileges, by its name."""
        for alone, words in ((True, ()), (False, ("-i", "near")),
                             (True, ("--shards", "2", "--exit-idle", "1h"))):
            with self.subTest(words):
                self.cross("near2", "far2")
                with open(self.path("said"), "wb") as said:
                    process = self.start(*FULL, *words, interface="near2", stderr=said)
                    for count in (1, 2):
                        self.net.call("ip", "link", "delete", "near2")
                        wait_until("weir to tell", 20,
                                   lambda: self.told().count("went down or away") == count)
                        self.assertEqual(self.told().count("is up again"), count - 1)
                        self.cross("near2", "far2")
                        wait_until("weir to hear again", 20,
                                   lambda: self.told().count("is up again") == count)
                        self.net.send([packet for _, packet in datagrams(30)], 1, "far2")
                        time.sleep(0.5)
                    if not alone:
                        self.net.send([packet for _, packet in datagrams(50)])
                    with open(f"/proc/{self.net.holder.pid}/net/dev", encoding="ascii") as file:
                        self.assertIn("near2:", file.read())
                    self.assertEqual(self.promiscuity("near2"), 1)
                    done = self.stop(process, signal.SIGTERM)
                self.assertEqual(done.status, 0, self.told())
                self.assertEqual(self.told().count('interface "near2" went down or away'), 2)
                self.assertEqual(self.told().count('interface "near2" is up again'), 2)
                self.assertEqual({(i["name"], i["packets"], i.get("times_down"))
                                  for i in done.health()["interfaces"]},
                                 {("near2", 60, 2)} | ({("near", 50, None)} if not alone else set()))
                self.assertEqual(unaccounted(done.health()), 0)
                self.net.call("ip", "link", "delete", "near2")

    def promiscuity(self, interface):
        said = subprocess.run([*self.net.enter(), "ip", "-j", "-d", "link", "show", interface],
                              capture_output=True, check=True).stdout
        return json.loads(said)[0]["promiscuity"]

    def test_interface_of_another_kind(self):
        """By the same name, but frames of it would be taken for what they are not."""
        self.cross("near2", "far2")
        process = self.start(*FULL, interface="near2")
        self.net.call("ip", "link", "delete", "near2")
        self.net.call("ip", "link", "add", "near2", "type", "ifb")
        self.net.call("ip", "link", "delete", "near2")
        self.net.call("ip", "tuntap", "add", "near2", "mode", "tun")
        self.net.call("ip", "link", "set", "near2", "up")
        time.sleep(1)
        done = self.stop(process, signal.SIGTERM)
        self.assertEqual(done.status, 1, done.said)
        self.assertNotIn("is up again", done.said)

    def test_interface_that_flaps(self):
        """Down and up between two looks is no end."""
        process = self.start(*FULL)
        process.send_signal(signal.SIGSTOP)
        self.net.call("ip", "link", "set", "near", "down")
        self.net.call("ip", "link", "set", "near", "up")
        process.send_signal(signal.SIGCONT)
        time.sleep(0.5)
        self.net.send([packet for _, packet in datagrams(50)])
        done = self.stop(process, signal.SIGTERM)
        self.assertEqual(done.status, 0, done.said)
        self.assertEqual(done.health()["packets"], 50)

    def cross(self, near, far):
        """A second pair of interfaces."""
        self.net.call("ip", "link", "add", near, "arp", "off", "type", "veth", "peer", "name", far,
                      "arp", "off")
        for name in (near, far):
            self.net.call("ip", "link", "set", name, "up")

    def test_two_interfaces(self):
        """Each is counted and named, a tap's halves make one flow, and two interfaces two."""
        there, back = [], []
        for i in range(100):
            there.append(f.ethernet(NEAR, FAR, 0x0800, f.ipv4("192.168.1.10", "198.51.100.7", f.UDP,
                         f.udp("192.168.1.10", 20000 + i, "198.51.100.7", 9999, b"x" * 20))))
            back.append(f.ethernet(FAR, NEAR, 0x0800, f.ipv4("198.51.100.7", "192.168.1.10", f.UDP,
                        f.udp("198.51.100.7", 9999, "192.168.1.10", 20000 + i, b"y" * 40))))
        self.cross("near2", "far2")
        for shards in (1, 2):
            for words, flows in (((" role=mirror group=tap", " group=tap name=out"), 100),
                                 (("", ""), 200), ((" role=lan", " role=wan"), 100)):
                with self.subTest(f"{shards} {words}"):
                    process = self.start(*FULL, "--shards", str(shards), "-i", "near2" + words[1],
                                         interface="near" + words[0])
                    if shards > 1:
                        wait_until("both shards", 20,
                                   lambda: "weir-shard-1" in self.threads(process))
                    self.net.send(there, 3)
                    self.net.send(back, 2, "far2")
                    done = self.stop(process, signal.SIGTERM)
                    self.assertEqual(done.status, 0, done.said)
                    self.assertEqual(len(done.rows("flow")), flows)
                    self.assertEqual(unaccounted(done.health()), 0)
                    seen = {}
                    for i in done.health()["interfaces"]:
                        self.assertEqual(i["dropped_kernel"], 0)
                        seen[i["name"]] = seen.get(i["name"], 0) + i["packets"]
                    second = "out" if "out" in words[1] else "near2"
                    self.assertEqual(seen, {"near": 300, second: 200})
                    if "wan" in words[1]:
                        self.assertEqual(done.health()["packets_consumed"], 200)
                    if flows == 100 and "tap" in words[0]:
                        for row in done.rows("flow"):
                            self.assertEqual((row["packets_up"], row["packets_down"]), (3, 2))

    def test_one_of_two_interfaces_goes_away(self):
        """It is told when it happens, and once; the other goes on, and it is heard again when it is
        up."""
        self.cross("near2", "far2")
        for shards in (1, 2):
            with self.subTest(shards):
                with open(self.path("said"), "wb") as said:
                    process = self.start(*FULL, "--shards", str(shards), "-i", "near2", stderr=said)
                    self.net.call("ip", "link", "set", "near2", "down")

                    def told():
                        with open(self.path("said"), encoding="utf-8") as file:
                            return file.read()
                    wait_until("weir to tell", 20, lambda: "went down or away" in told())
                    self.net.send([packet for _, packet in datagrams(50)])
                    self.net.call("ip", "link", "set", "near2", "up")
                    wait_until("weir to hear again", 20, lambda: "is up again" in told())
                    self.net.send([packet for _, packet in datagrams(30)], 1, "far2")
                    time.sleep(0.5)  # the kernel hands packets over every capture.poll
                    self.net.call("ip", "link", "set", "near2", "down")
                    wait_until("weir to tell", 20, lambda: told().count("went down or away") == 2)
                    done = self.stop(process, signal.SIGTERM)
                self.assertEqual(done.status, 1, told())
                self.assertEqual(told().count('interface "near2" went down or away'), 2)
                self.assertEqual(told().count('interface "near2" is up again'), 1)
                seen = {"near": 0, "near2": 0}
                for i in done.health()["interfaces"]:
                    seen[i["name"]] += i["packets"]
                    self.assertEqual(i.get("times_down"), 2 if i["name"] == "near2" else None)
                self.assertEqual(seen, {"near": 50, "near2": 30})
                self.net.call("ip", "link", "set", "near2", "up")

    def test_kernel_drops_are_told(self):
        process = self.start(*FULL, "--set", "capture.buffer=1MiB")
        process.send_signal(signal.SIGSTOP)
        frames = [packet for _, packet in datagrams(1, b"y" * 1200)]
        self.net.send(frames, 20000)
        process.send_signal(signal.SIGCONT)
        done = self.stop(process, signal.SIGTERM)
        health = done.health()
        dropped = health["interfaces"][0]["dropped_kernel"]
        self.assertGreater(dropped, 10000)
        self.assertEqual(health["packets"] + dropped, 20000)

    def test_memory_that_is_not_there(self):
        """Limits that do not fit into the control group are warned of, with what fits, and the start is
        not ended by the kernel."""
        group = programs.MemoryGroup(300)
        if group.path is None:
            self.skipTest("no control group of memory can be made here")
        self.addCleanup(group.close)
        for limits, fits in (("default", False), ("server", False), ("gateway", True)):
            with open(self.path("said"), "wb") as said:
                process = self.start(*FULL, "--set", f"limits={limits}", before=group.enter(),
                                     stderr=said)
                wait_until("the start", 20, lambda: "applications are recognised" in self.told())
                self.net.send([packet for _, packet in datagrams(50)])
                done = self.stop(process, signal.SIGTERM)
            self.assertEqual(done.status, 0, self.told())
            self.assertEqual(done.health()["packets"], 50)
            warned = re.search(r"warning: memory: (\d+) MiB are set aside, but 300 MiB is all there "
                               rf"is \({group.limit}\): the kernel ends weir when they are used; "
                               r"limits: gateway fits, which takes 128 MiB", self.told())
            self.assertEqual(warned is None, fits, self.told())

    def test_filter(self):
        process = self.start(*FULL, "--filter", "udp port 9999")
        other = f.ethernet(NEAR, FAR, 0x0800, f.ipv4("192.168.1.10", "198.51.100.7", f.UDP, f.udp(
            "192.168.1.10", 40000, "198.51.100.7", 53, b"")))
        self.net.send([datagrams(1)[0][1], other], 20)
        self.assertEqual(self.stop(process, signal.SIGTERM).health()["packets"], 20)

    def test_two_shards(self):
        """Each packet is heard once, both directions of a flow by one thread, and no thread is
        idle."""
        flows, rounds = 200, 5
        there = [f.ethernet(NEAR, FAR, 0x0800, f.ipv4("192.168.1.10", "198.51.100.7", f.UDP, f.udp(
            "192.168.1.10", 20000 + i, "198.51.100.7", 9999, b"x" * 20))) for i in range(flows)]
        back = [f.ethernet(FAR, NEAR, 0x0800, f.ipv4("198.51.100.7", "192.168.1.10", f.UDP, f.udp(
            "198.51.100.7", 9999, "192.168.1.10", 20000 + i, b"y" * 40))) for i in range(flows)]
        process = self.start(*FULL, "--shards", "2")
        wait_until("both shards", 20, lambda: {"weir-shard-0", "weir-shard-1"} <= self.threads(
            process))
        self.net.send(there + back, rounds)
        done = self.stop(process, signal.SIGTERM)
        self.assertEqual(done.status, 0, done.said)
        self.assertLess(done.seconds, 5)
        health = done.health()
        self.assertEqual([i["queue"] for i in health["interfaces"]], [0, 1])
        self.assertEqual([i["dropped_kernel"] for i in health["interfaces"]], [0, 0])
        # A ring of the kernel's for each; that is told before there is traffic, too.
        self.assertIn({"pool": "capture", "size": 2 << 24}, health["memory"])
        self.assertIn("capture 32768", done.said)
        self.assertGreater(min(i["packets"] for i in health["interfaces"]), 0)
        self.assertEqual(health["packets"], 2 * flows * rounds)
        self.assertEqual(sum(i["packets"] for i in health["interfaces"]), health["packets"])
        self.assertEqual(unaccounted(health), 0)
        rows = done.rows("flow")
        self.assertEqual(len(rows), flows)
        for row in rows:
            self.assertEqual((row["packets_up"], row["packets_down"]), (rounds, rounds))

    def test_shards_that_open_on_a_busy_interface(self):
        """What a socket heard before the kernel shared packets out is forgotten: it may be of
        flows that another shard has."""
        flows = 300
        frames = [f.ethernet(NEAR, FAR, 0x0800, f.ipv4("192.168.1.10", "198.51.100.7", f.UDP, f.udp(
            "192.168.1.10", 1024 + i, "198.51.100.7", 9999, b""))) for i in range(flows)]
        stop = threading.Event()

        def send():
            while not stop.is_set():
                self.net.send(frames, 1000)
        sender = threading.Thread(target=send)
        sender.start()
        self.addCleanup(sender.join)
        self.addCleanup(stop.set)
        wait_until("traffic", 20, lambda: self.heard_by_near() > 0)
        process = self.start(*FULL, "--shards", "4")
        wait_until("all shards", 20, lambda: "weir-shard-3" in self.threads(process))
        stop.set()
        sender.join()
        done = self.stop(process, signal.SIGTERM)
        self.assertEqual(done.status, 0, done.said)
        self.assertEqual(sorted(row["client_port"] for row in done.rows("flow")),
                         list(range(1024, 1024 + flows)))

    def heard_by_near(self):
        with open(f"/proc/{self.net.holder.pid}/net/dev", encoding="ascii") as file:
            return next(int(line.split()[2]) for line in file if line.split()[0] == "near:")

    ENCAPSULATIONS = {
        "none": lambda kind, packet: (kind, packet),
        "vlan": lambda kind, packet: (0x8100, f.tag(7, kind, packet)),
        "service vlan": lambda kind, packet: (0x88A8, f.tag(7, 0x8100, f.tag(8, kind, packet))),
        "mpls": lambda kind, packet: (0x8847, f.mpls(77, f.mpls(78, packet), bottom=False)),
        "pppoe": lambda kind, packet: (0x8864, f.pppoe(9, 0x57 if kind == 0x86DD else 0x21, packet)),
    }

    def biflows(self, wrap, flows):
        """Both directions of TCP and UDP flows over IPv4 and IPv6; of UDP also first fragments."""
        frames = []
        for i in range(flows):
            near, far, port = (("192.168.1.10", "198.51.100.7", 20000 + i), (
                "fd00::10", "2001:db8::7", 30000 + i))[i % 2]
            kind, ip = (0x0800, f.ipv4) if i % 2 == 0 else (0x86DD, f.ipv6)
            if i % 4 < 2:
                there = f.tcp(near, port, far, 443, 1, 1, f.ACK, b"x" * 20)
                back = f.tcp(far, 443, near, port, 1, 1, f.ACK, b"y" * 40)
                packets = [(near, far, f.TCP, there), (far, near, f.TCP, back)]
            else:
                packets = [(near, far, f.UDP, f.udp(near, port, far, 9999, b"x" * 20)),
                           (far, near, f.UDP, f.udp(far, 9999, near, port, b"y" * 40))]
            more = [{}] * 2
            if i % 4 == 2:  # IPv4, the first fragment of a larger datagram
                packets.append(packets[0])
                more = [{}, {}, {"fragment": 0x2000}]
            for (source, target, protocol, payload), words in zip(packets, more):
                outer, packet = wrap(kind, ip(source, target, protocol, payload, **words))
                frames.append(f.ethernet(*((NEAR, FAR) if source == near else (FAR, NEAR)), outer,
                                         packet))
        return frames

    def test_fanout_by_flow(self):
        """By our own program every flow is whole on one of the shards, in whatever it is wrapped,
        and all of them have work."""
        flows = 200
        for name, wrap in self.ENCAPSULATIONS.items():
            with self.subTest(name):
                frames = self.biflows(wrap, flows)
                process = self.start(*FULL, "--shards", "3", "--set", "capture.fanout=flow")
                wait_until("all shards", 20, lambda: "weir-shard-2" in self.threads(process))
                self.net.send(frames)
                done = self.stop(process, signal.SIGTERM)
                health = done.health()
                self.assertEqual((done.status, health["packets"]), (0, len(frames)), done.said)
                self.assertEqual(sum(i["dropped_kernel"] for i in health["interfaces"]), 0)
                self.assertGreater(min(i["packets"] for i in health["interfaces"]), flows // 10)
                self.assertEqual(len(done.rows("flow")), flows)
                self.assertEqual(health["visibility"]["one_way_ratio"], 0)
                for row in done.rows("flow"):
                    self.assertGreater(min(row["packets_up"], row["packets_down"]), 0)

    def test_fanout_by_the_kernel(self):
        """What the kernel's own hash cannot: the reason for the other."""
        process = self.start(*FULL, "--shards", "3")
        wait_until("all shards", 20, lambda: "weir-shard-2" in self.threads(process))
        self.net.send(self.biflows(self.ENCAPSULATIONS["mpls"], 200))
        health = self.stop(process, signal.SIGTERM).health()
        self.assertEqual(sorted(i["packets"] > 0 for i in health["interfaces"]),
                         [False, False, True])

    @staticmethod
    def threads(process):
        names = set()
        for task in os.listdir(f"/proc/{process.pid}/task"):
            with open(f"/proc/{process.pid}/task/{task}/comm", encoding="ascii") as file:
                names.add(file.read().strip())
        return names

    def test_cores(self):
        """Each shard is bound to the core that `cpus` gives it, and main to none but its own."""
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 2:
            self.skipTest("one core")
        process = self.start(*FULL, "--shards", "2", "--set", f"cpus={cores[1]},{cores[0]}")
        wait_until("both shards", 20, lambda: "weir-shard-1" in self.threads(process))

        def bound():
            found = {}
            for task in os.listdir(f"/proc/{process.pid}/task"):
                with open(f"/proc/{process.pid}/task/{task}/comm", encoding="ascii") as file:
                    found[file.read().strip()] = os.sched_getaffinity(int(task))
            return found
        wait_until("the shards' cores", 20, lambda: len(bound()["weir-shard-1"]) == 1)
        wait_until("the shards' cores", 20, lambda: len(bound()["weir-shard-0"]) == 1)
        self.assertEqual(bound(), {"weir": set(cores), "weir-export": set(cores),
                                   "weir-shard-0": {cores[1]}, "weir-shard-1": {cores[0]}})
        self.assertEqual(self.stop(process, signal.SIGTERM).status, 0)
        self.refused(self.weir("run", "-r", HOUSE, *FULL, "--set", "cpus=0,1"),
                     "cpus", "names 2 cores for 1 shards")

    def test_idle(self):
        """Under 1 % of a core, whoever waits for whom."""
        for words in ((), ("--shards", "2"), ("--shards", "2", "-i", "far")):
            with self.subTest(words):
                process = self.start("--exporter", "null", *words)
                time.sleep(1.5)

                def spent():
                    total = 0
                    for task in os.listdir(f"/proc/{process.pid}/task"):
                        with open(f"/proc/{process.pid}/task/{task}/schedstat",
                                  encoding="ascii") as file:
                            total += int(file.read().split()[0])
                    return total
                before, began = spent(), time.monotonic()
                time.sleep(4)
                self.assertLess((spent() - before) / 1e9 / (time.monotonic() - began), 0.01)
                self.assertEqual(self.stop(process, signal.SIGTERM).status, 0)

    def test_two_shards_end_with_more_flows_than_the_ledger_orders(self):
        """Live shards end one after the other, and none waits for the clock of one that has."""
        frames = [f.ethernet(NEAR, FAR, 0x0800, f.ipv4("192.168.1.10", "198.51.100.7", f.UDP, f.udp(
            "192.168.1.10", 1 + i, "198.51.100.7", 9999, b""))) for i in range(60000)]
        process = self.start("--exporter", "null", "--shards", "2")
        wait_until("both shards", 20, lambda: "weir-shard-1" in self.threads(process))
        self.net.send(frames)
        self.assertEqual(self.stop(process, signal.SIGTERM).status, 0)

    def test_two_shards_when_the_interface_goes_away(self):
        process = self.start(*FULL, "--shards", "2")
        wait_until("both shards", 20, lambda: "weir-shard-1" in self.threads(process))
        self.net.call("ip", "link", "delete", "near")
        out, err = process.communicate(timeout=20)
        done = programs.Done(process.returncode, out, err, 0)
        self.assertEqual(done.status, 1, done.said)
        self.assertIn('interface "near" was removed: several shards cannot hear one', done.said)
        self.assertEqual(done.rows()[-1]["record"], "health")

    def test_two_shards_when_the_interface_is_down(self):
        """It is waited for: only one that was removed ends them."""
        with open(self.path("said"), "wb") as said:
            process = self.start(*FULL, "--shards", "2", stderr=said)
            wait_until("both shards", 20, lambda: "weir-shard-1" in self.threads(process))
            self.net.call("ip", "link", "set", "near", "down")
            wait_until("weir to tell", 20, lambda: "went down or away" in self.told())
            self.net.call("ip", "link", "set", "near", "up")
            wait_until("weir to hear again", 20, lambda: "is up again" in self.told())
            self.net.send([packet for _, packet in datagrams(50)])
            time.sleep(0.5)
            done = self.stop(process, signal.SIGTERM)
        self.assertEqual(done.status, 0, self.told())
        self.assertEqual(done.health()["packets"], 50)
        self.assertEqual([i["times_down"] for i in done.health()["interfaces"]], [1, 1])

    def test_own_export_is_not_collected(self):
        """What goes between this host and its brokers' ports is left out, and nothing else."""
        self.net.call("ip", "address", "add", "10.9.0.1/24", "dev", "near")

        def segment(source, sport, target, dport):
            return f.ethernet(NEAR, FAR, 0x0800, f.ipv4(source, target, f.TCP, f.tcp(
                source, sport, target, dport, 1, 1, f.ACK)))

        own = [segment("10.9.0.1", 50000, "10.9.0.2", 9093), segment("10.9.0.2", 9093, "10.9.0.1",
                                                                    50000)]
        others = [segment("10.9.0.7", 50000, "10.9.0.2", 9093), segment("10.9.0.1", 50000,
                                                                       "10.9.0.2", 443)]
        terminal, end = pty.openpty()
        process = self.start("--exporter", "kafka", "--set", "kafka.brokers=10.9.0.2:9093", "--set",
                             "export.shutdown_timeout=100ms", stdout=end)
        os.close(end)
        self.net.send(own, 30)
        self.net.send(others, 10)
        done = self.stop(process, signal.SIGTERM)
        summary = os.read(terminal, 65536).decode()
        os.close(terminal)
        self.assertRegex(summary, r"(?m)^packets: 20 ", done.said)
        self.assertEqual(done.status, 3, done.said)  # there is no broker
        self.assertIn("lost", done.said)

    def open_segment(self):
        names = [name for name in os.listdir(self.path("out")) if name.endswith(".open")]
        return self.path("out/" + names[0]) if names else None

    def start_writing(self):
        """A run with rows in its open segment: flows of the past are due when time goes on."""
        process = self.start("-o", "out", "--profile", "full", "--set", "flow.idle_udp=1s", "--set",
                             "export.batch_age=100ms")
        self.net.send([packet for _, packet in datagrams(40)])
        wait_until("rows in the open segment", 20, lambda: b'"record":"flow"' in self.weir(
            "read", "out").out)
        return process

    def test_segments_can_be_read_while_written(self):
        process = self.start_writing()
        self.assertIsNotNone(self.open_segment())
        read = self.weir("read", "out")
        self.assertEqual(read.status, 0, read.said)
        self.assertEqual(read.rows("flow")[0]["packets_up"], 40)
        self.assertEqual(self.stop(process, signal.SIGTERM).status, 0)
        self.assertIsNone(self.open_segment())
        self.assertEqual(self.weir("read", "out").health()["packets"], 40)

    def test_killed_without_warning(self):
        process = self.start_writing()
        process.kill()
        process.wait()
        self.assertIsNotNone(self.open_segment())
        read = self.weir("read", "out")
        self.assertEqual(read.rows("flow")[0]["packets_up"], 40)
        # The next start finishes what the crash left open.
        left = os.path.basename(self.open_segment())
        done = self.stop(self.start("-o", "out"), signal.SIGTERM)
        self.assertEqual(done.status, 0, done.said)
        self.assertIn(left.removesuffix(".open"), os.listdir(self.path("out")))
        self.assertIsNone(self.open_segment())
        self.assertEqual(len(self.weir("read", "out").rows("flow")), 1)


if __name__ == "__main__":
    WEIR = os.path.abspath(sys.argv.pop(1))
    result = unittest.main(exit=False).result
    # A test that was left out is told to meson as one (77).
    sys.exit(1 if not result.wasSuccessful() else 77 if result.skipped else 0)
