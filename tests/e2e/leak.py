#!/usr/bin/env python3
"""Nothing leaves that the policy withholds: no MAC, address, host or device name of a capture, as
text or octets, in standard output and error, segments (opened), summary, logs, state.

    leak.py WEIR            the house's capture, every profile and exclusions, also live and to
                            brokers that are away; and planted leaks
    leak.py WEIR --corpus   of ../shared/corpus the captures of local networks, basic and standard;
                            with LEAK_ALL=1 all captures, in about three minutes

What a capture holds and what a profile lets through is judged by secrets_of.py, how it is looked
for by finder.py; neither asks Weir.
"""

import csv
import json
import os
import shutil
import socket
import sys
import tempfile
import time
import unittest
from collections import defaultdict

import packets
import programs
import secrets_of
from finder import Finder, pack, unpack, vocabulary

HERE = os.path.dirname(os.path.abspath(__file__))
CORPUS = os.path.join(HERE, "../../../shared/corpus")
HOUSE, TRUTH = os.path.join(HERE, "../lan/house.pcap"), os.path.join(HERE, "../lan/truth.json")
WEIR, ALL = None, os.environ.get("LEAK_ALL") == "1"
DOMAINS = PUBLIC = None

# SCHEMA.md's columns: what `standard` withholds, and all that `basic` has.
STANDARD_WITHHOLDS = {
    "flow": {"client_mac", "server_mac", "client_port", "mpls_label", "ja3", "ja4", "user_agent"},
    "client": {"mac", "addresses", "names", "dhcp_options", "dhcp_vendor_class", "services",
               "user_name"},
}
COMMON = {"record", "collector_id", "boot_id", "sequence", "tenant", "site", "policy_fp",
          "expires_at"}
BASIC_HAS = {"usage": COMMON | {
    "window_start", "window_s", "category", "bytes_up", "bytes_down", "packets_up", "packets_down",
    "flows", "flows_failed", "active_s", "rtt_sketch", "dns_sketch", "retransmissions", "members"}}


def finder(secrets, macs, ips, names, allowed=()):
    return Finder(macs, ips, names, allowed, PUBLIC)


def all_names(secrets):
    """Names, and of a device's or a host's own name also the first label."""
    names = set(secrets.names)
    for name, secret in secrets.names.items():
        first = name.split(b".")[0]
        if "device" in secret.kinds or name.lower().endswith((b".local", b".home.arpa", b".lan")):
            names.add(first)
    return names


def domains_of(secrets):
    """Registrable domains of the servers that were asked for."""
    found = {DOMAINS.registrable(name) for name, secret in secrets.names.items()
             if "host" in secret.kinds}
    return found - {None}


def withheld_by_basic(secrets):
    names = all_names(secrets) | {domain.encode() for domain in domains_of(secrets)}
    return finder(secrets, secrets.macs, secrets.ips, names)


def withheld_by_standard(secrets):
    """MACs, local addresses whole and cut, remote ones whole, names but registrable domains."""
    cut = {truncated(ip) for ip in secrets.ips if not secrets.local(ip)}
    local_cut = {truncated(ip) for ip in secrets.ips if secrets.local(ip) and len(ip) == 4}
    return finder(secrets, secrets.macs, (set(secrets.ips) | local_cut) - cut, all_names(secrets),
                  domains_of(secrets))


def truncated(ip):
    return ip[:3] + b"\0" if len(ip) == 4 else ip[:6] + bytes(10)


def withheld_by_exclusion(secrets, excluded):
    """`excluded`: MACs and addresses. What only their packets showed, and they themselves."""
    everything = set(excluded)
    for _ in range(2):  # who holds an excluded address is excluded, with all that is his
        for ip, macs in secrets.bindings.items():
            if ip in everything and secrets.local(ip):
                everything |= macs
            if macs & everything:
                everything.add(ip)

    def only_theirs(table):
        return {key for key, secret in table.items() if key in everything
                or all(ends & everything for ends in secret.ends)}

    names = only_theirs(secrets.names)
    others = {domain for name, secret in secrets.names.items() if name not in names
              for domain in [name.decode("ascii", "replace").lower()]}
    return finder(secrets, only_theirs(secrets.macs), only_theirs(secrets.ips), names, others)


class Left:
    """All that a run left: where it stands, and what was found there."""

    def __init__(self, capture, *words):
        self.dir = tempfile.mkdtemp(prefix="weir-leak-")
        try:
            self.done = self.run(capture, ("--seed", "5", "--set", "state_dir=state", *words))
            self.files = {}
            for folder, _, names in os.walk(self.dir):
                for name in names:
                    with open(os.path.join(folder, name), "rb") as file:
                        self.files[name] = file.read()
            self.segments = [name for name in self.files if name.endswith(".wseg")]
            if self.segments:
                read = programs.run(WEIR, "read", "out", cwd=self.dir)
                assert read.status == 0, read.said
                self.rows_text = read.out
                self.read_said = read.said
        finally:
            shutil.rmtree(self.dir)

    def run(self, capture, words):
        return programs.run(WEIR, "run", "-r", capture, *words, cwd=self.dir)

    def leaks(self, finder, rows=True):
        """rows False: only in what has no policy (logs, state, a segment's head)."""
        found = [("standard error", x) for x in finder.in_log(self.done.said)]
        json_out = self.done.out.startswith(b'{"record"')
        for name, content in self.files.items():
            if name.endswith(".wseg"):
                look = finder.in_segment(content) if rows else finder.in_octets(
                    unpack(content)[1], v4=True)
            else:
                look = finder.in_text(content.decode("latin-1"))
            found += [(name, x) for x in look]
        if self.segments and rows:
            found += [("weir read", x) for x in finder.in_json(self.rows_text.decode())]
            found += [("weir read, error", x) for x in finder.in_log(self.read_said)]
        if rows and json_out:
            found += [("standard output", x) for x in finder.in_json(self.done.out.decode())]
        elif rows:
            found += [("summary", x) for x in finder.in_text(self.done.out.decode())]
        return found

    def rows(self):
        out = self.rows_text if self.segments else self.done.out
        return [json.loads(line) for line in out.splitlines()]


OUTPUTS = {
    "segments": ("-o", "out"),
    "segments of JSON": ("-o", "out", "--format", "json"),
    "JSON": ("-o", "-", "--format", "json"),
    "null": ("--exporter", "null"),
}


class LiveLeft(Left):
    """What a run leaves that hears the capture's frames on an interface, which then goes down and is
    made anew."""

    def run(self, capture, words):
        os.chmod(self.dir, 0o755)  # weir becomes nobody
        net = programs.Network()
        frames = [frame for _, _, frame in secrets_of.frames.read_capture(capture)]
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = net.start(WEIR, "run", "-i", "near", *words, cwd=self.dir, stdout=out,
                                stderr=err)

            def said():
                return os.pread(err.fileno(), 1 << 24, 0)
            try:
                programs.wait_until("the start", 20,
                                    lambda: b"applications are recognised" in said())
                net.send(frames)
                time.sleep(0.5)  # the kernel hands packets over every capture.poll
                net.call("ip", "link", "delete", "near")
                programs.wait_until("weir to tell", 20, lambda: b'interface "near"' in said())
                process.terminate()
                status = process.wait(30)
            finally:
                process.kill()
                process.wait()
                net.close()
            return programs.Done(status, os.pread(out.fileno(), 1 << 24, 0), said(), 0)


class House(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.secrets = secrets_of.secrets_of(HOUSE)
        with open(TRUTH, encoding="utf-8") as file:
            cls.truth = json.load(file)

    def clean(self, left, finder, **how):
        self.assertEqual(left.done.status, 0, left.done.said)
        self.assertEqual(sorted(set(left.leaks(finder, **how))), [])

    def test_the_capture_was_understood(self):
        """The readers found what the truth says was there."""
        for client in self.truth["clients"]:
            if not client["seen"]:
                continue
            self.assertIn(packets.mac(client["mac"]), self.secrets.macs)
            for address in client["addresses"]:
                self.assertIn(packets.ip(address["ip"]), self.secrets.ips)
                self.assertTrue(self.secrets.local(packets.ip(address["ip"])), address)
            for name in [client["name"], client["fqdn"], client["vendor_class"],
                         *client["lookups"], *(f["name"] for f in client["failed_lookups"])]:
                if name:
                    self.assertIn(name.lower(), {n.decode(errors="replace").lower()
                                                 for n in self.secrets.names})
        self.assertEqual(domains_of(self.secrets) & {"github.com", "example.co.uk", "home.arpa"},
                         {"github.com", "example.co.uk"})

    def test_basic(self):
        finder = withheld_by_basic(self.secrets)
        for name, words in OUTPUTS.items():
            with self.subTest(name):
                left = Left(HOUSE, "--profile", "basic", *words)
                self.clean(left, finder)
                if name != "null":
                    for row in left.rows():
                        self.assertIn(row["record"], ("usage", "health"))
                        if row["record"] == "usage":
                            self.assertLessEqual(set(row), BASIC_HAS["usage"])

    def test_standard(self):
        finder = withheld_by_standard(self.secrets)
        for name, words in OUTPUTS.items():
            with self.subTest(name):
                left = Left(HOUSE, "--profile", "standard", *words)
                self.clean(left, finder)
                if name == "null":
                    continue
                rows = left.rows()
                self.assertGreater(len(rows), 100)
                for row in rows:
                    self.assertFalse(set(row) & STANDARD_WITHHOLDS.get(row["record"], set()))
                # And what it lets through is there: an empty output leaks nothing either.
                self.assertIn("example.co.uk", {row.get("server_name") for row in rows})
                self.assertIn("203.0.113.0", {row.get("server_ip") for row in rows})

    def test_full_leaks_into_no_log(self):
        """Rows may say it all, and so may the summary that is made of them; logs may not."""
        finder = Finder(self.secrets.macs, self.secrets.ips, all_names(self.secrets), (), PUBLIC)
        for name in ("segments", "null"):
            with self.subTest(name):
                self.clean(Left(HOUSE, "--profile", "full", *OUTPUTS[name]), finder, rows=False)

    def exclude(self, finder, *settings):
        for name, words in OUTPUTS.items():
            with self.subTest(name):
                setting = [word for s in settings for word in ("--set", s)]
                left = Left(HOUSE, "--profile", "full", *setting, *words)
                self.clean(left, finder)
                if name != "null":
                    self.assertIn("annas-laptop", json.dumps(left.rows()))

    def client(self, name):
        return next(c for c in self.truth["clients"] if c["id"] == name)

    def test_excluded_macs(self):
        """In profile full nothing tells of an excluded client, whichever end it is."""
        macs = [self.client(name)["mac"] for name in ("camera", "iphone", "nas")]
        finder = withheld_by_exclusion(self.secrets, map(packets.mac, macs))
        for word in ("garden-cam", "annas-iphone", "cam.example.com"):
            self.assertIn(word, finder.names)
        self.assertIn(packets.ip(self.client("nas")["addresses"][0]["ip"]), finder.ips)
        self.exclude(finder, f"privacy.exclude.mac={','.join(macs)}")

    def test_excluded_subnets(self):
        """The same by address; who holds an excluded address is excluded with all his others."""
        thermostat, site = self.client("thermostat"), "203.0.113.19"
        first = thermostat["addresses"][0]["ip"]
        finder = withheld_by_exclusion(self.secrets, map(packets.ip, (first, site)))
        self.assertIn("tado-bridge", finder.names)
        self.assertIn(packets.mac(thermostat["mac"]), finder.macs)
        self.assertIn(packets.ip(site), finder.ips)
        self.exclude(finder, f"privacy.exclude.subnet={first}/32,{site}/32")


# A run that meets its limits has more to say.
CROWDED = ("--set", "flow.max=1024", "--set", "clients.max=64", "--set", "clients.random_max=16",
           "--set", "clients.answers=256", "--set", "export.batches=8", "--set",
           "export.batch_bytes=16KiB", "--set", "capture.overload=drop")


class Elsewhere(unittest.TestCase):
    """Runs of which the log is most that stays: live, and to brokers that are away."""

    @classmethod
    def setUpClass(cls):
        cls.secrets = secrets_of.secrets_of(HOUSE)
        cls.everything = finder(cls.secrets, cls.secrets.macs, cls.secrets.ips,
                                all_names(cls.secrets))

    def clean(self, left, finder, status, *said, **how):
        self.assertEqual(left.done.status, status, left.done.said)
        for word in said:
            self.assertIn(word, left.done.said)
        self.assertEqual(sorted(set(left.leaks(finder, **how))), [])

    @unittest.skipUnless(os.geteuid() == 0 and programs.namespaces(), "needs root and namespaces")
    def test_live(self):
        for profile, find, rows in (("basic", withheld_by_basic(self.secrets), True),
                                    ("standard", withheld_by_standard(self.secrets), True),
                                    ("full", self.everything, False)):
            with self.subTest(profile):
                left = LiveLeft(HOUSE, "--profile", profile, "-o", "out")
                self.clean(left, find, 1, 'interface "near" went down', rows=rows)
                self.assertGreater(left.rows()[-1]["packets"], 4500)
                if profile == "full":
                    self.assertIn("annas-laptop", json.dumps(left.rows()))

    @unittest.skipUnless(os.geteuid() == 0 and programs.namespaces(), "needs root and namespaces")
    def test_live_crowded(self):
        for shards in ("1", "2"):
            left = LiveLeft(HOUSE, "--profile", "full", "-o", "out", "--shards", shards,
                            "--set", "log_level=info", *CROWDED)
            self.assertIn(left.done.status, (1, 4), left.done.said)
            self.clean(left, self.everything, left.done.status, "near", rows=False)

    def test_brokers_that_are_away(self):
        """Nothing is delivered: only the log is left, librdkafka's own with it."""
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as config, \
                socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))  # not listening: it refuses
            config.write("kafka:\n  properties: {debug: all}\n")
            config.flush()
            os.chmod(config.name, 0o644)
            words = ("--profile", "full", "--exporter", "kafka", "--set",
                     "kafka.brokers=127.0.0.1:%d" % silent.getsockname()[1], "--set",
                     "kafka.patience=1s", "--set", "export.shutdown_timeout=500ms")
            if "built without the Kafka exporter" in programs.run(WEIR, "check", *words).said:
                self.skipTest("built without Kafka")
            lost = ("start Kafka", "rows of type flow were lost")
            self.clean(Left(HOUSE, *words), self.everything, 3, *lost, rows=False)
            self.clean(Left(HOUSE, "-c", config.name, *words), self.everything, 3, "%7|", *lost,
                       rows=False)
            if os.geteuid() == 0 and programs.namespaces():
                self.clean(LiveLeft(HOUSE, *words), self.everything, 4, "went down or away", *lost,
                           rows=False)


class Planted(unittest.TestCase):
    """The test itself is tested: what is planted is found, and only that."""

    MAC, IP4, IP6 = "ac:ed:5c:38:0b:71", "192.168.77.191", "2001:db8:77:0:aeed:5cff:fe38:b71"
    NAMES = [b"annas-laptop", b"www.wikipedia.org", b"nas", b"TP-LINK", "Jörgs-Föhn".encode()]

    @classmethod
    def setUpClass(cls):
        cls.finder = Finder([packets.mac(cls.MAC), packets.mac("98:9b:cb:10:00:01")],
                            [packets.ip(cls.IP4), packets.ip(cls.IP6)], cls.NAMES,
                            ["wikipedia.org"], PUBLIC)
        cls.left = Left(HOUSE, "--profile", "standard", "-o", "out")
        cls.name = cls.left.segments[0]

    def found(self, change=lambda row: row, text=""):
        """Leaks of a run of which one flow row of a segment, and the log, were changed."""
        left = object.__new__(Left)
        left.__dict__.update(self.left.__dict__)
        left.done = programs.Done(0, self.left.done.out, self.left.done.err + text.encode(), 0)
        packed = self.left.files[self.name]
        for block in unpack(packed)[0]:
            row = block[1 + (block[0] >> 7):][:block[0] & 127 | (block[1] << 7 if block[0] >> 7 else 0)]
            changed = change(row)
            begin = packed.find(b"\x28\xb5\x2f\xfd")
            left.files = {self.name: packed[:begin] + pack(delimited(changed) + block) +
                          packed[begin:]}
            break
        return [what for _, what in left.leaks(self.finder)]

    def test_nothing_planted(self):
        self.assertEqual(self.found(), [])

    def test_in_a_row(self):
        mac, ip4, ip6 = packets.mac(self.MAC), packets.ip(self.IP4), packets.ip(self.IP6)
        number = int.from_bytes(ip4, "big")
        for what, planted in {
                "its own field": b"\xb2\x01\x06" + mac,
                "an unknown field": b"\xfa\x7f\x06" + mac,
                "little end first": b"\xfa\x7f\x06" + mac[::-1],
                "text": b"\xfa\x7f\x11" + self.MAC.upper().encode(),
                "octets of IPv4": b"\xfa\x7f\x04" + ip4,
                "octets of IPv4 among others": b"\xfa\x7f\x09\xff\xfe" + ip4 + b"\xfd\xff\xff",
                "octets of IPv4 in a message": b"\xfa\x7f\x06\x0a\x04" + ip4,
                "IPv4 as fixed32": b"\xfd\x7f" + ip4,
                "IPv4 in a fixed64": b"\xf9\x7f" + ip4 + bytes(4),
                "IPv4 as varint": b"\xf8\x7f" + to_varint(number),
                "octets of IPv6": b"\xfa\x7f\x10" + ip6,
                "an interface identifier": b"\xfa\x7f\x08" + ip6[8:],
                "a name": b"\xfa\x7f\x0c" + b"Annas-Laptop",
                "a short name": b"\xfa\x7f\x03nas",
                "a name in DNS form": b"\xfa\x7f\x13\x03www\x09wikipedia\x03org\0",
                "a name in UTF-16": b"\xfa\x7f\x18" + "annas-laptop".encode("utf-16-le"),
        }.items():
            with self.subTest(what):
                self.assertNotEqual(self.found(lambda row: row + planted), [])

    def test_in_the_log(self):
        for planted in (
                "annas-laptop", "ANNAS-LAPTOP.local", "host www.wikipedia.org:443", "client nas:",
                "aced5c380b71", "AC-ED-5C-38-0B-71", "aced.5c38.0b71", "laptop-380b71",
                "38:0B:71", "10-00-01", "192.168.77.191", "192-168-77-191", "191.77.168.192.in-addr",
                "0xC0A84DBF", "3232255423", "2001:DB8:77:0:AEED:5CFF:FE38:B71",
                "2001:0db8:0077:0000:aeed:5cff:fe38:0b71", "fe80::aeed:5cff:fe38:b71",
                "20010db800770000aeed5cfffe380b71", "::ffff:192.168.77.191", "Jörgs-Föhn"):
            with self.subTest(planted):
                self.assertNotEqual(self.found(text=f"weir: about {planted}\n"), [])

    def test_in_json(self):
        for planted in (r"J\u00f6rgs-F\u00f6hn", r"anna\u0073-laptop", "tp-link", r"anna\\x73-laptop",
                        r"192.168.77.191"):
            with self.subTest(planted):
                line = '{"record":"flow","alpn":"' + planted + '"}'
                self.assertNotEqual(self.finder.in_json(line), [])

    def test_what_is_allowed_is_not_found(self):
        for allowed in ("wikipedia.org", "192.168.77.0", "192.168.77.19", "1192.168.77.191",
                        "2001:db8:77::", "T10:00:01.5Z", "TP-LINK TECHNOLOGIES CO.,LTD.", "nasal",
                        "a0380b710", "2026-11-23", "203.0.113.191"):
            with self.subTest(allowed):
                self.assertEqual(self.finder.in_text(allowed), [])


def delimited(row):
    return to_varint(len(row)) + row


def to_varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


class Corpus(unittest.TestCase):
    """Captures of others, with the names that the truth's tables add to what our readers find."""

    @classmethod
    def setUpClass(cls):
        cls.tables = defaultdict(list)
        for table, columns in {"dhcp": ("hostname", "fqdn", "vendor_class", "opt55"),
                               "ua": ("value",), "hosts": ("name",), "http": ("user_agent",),
                               "tls": ("sni_or_san",), "dns": ("qname",)}.items():
            with open(f"{CORPUS}/truth/{table}.tsv", newline="", encoding="utf-8") as file:
                for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                    cls.tables[row["file"]] += [(table, row, column) for column in columns]

    def add_names(self, secrets, capture):
        hosts = {"dns", "sni", "quic", "gquic", "dtls", "http", "http2"}
        for table, row, column in self.tables[capture]:
            kind = "host" if table in ("dns", "tls") or row.get("via") in hosts else "device"
            if table == "tls" and row["kind"] != "CH":
                continue
            for value in row[column].split(" | "):
                secrets.name(value.encode(), kind, set())

    def test_captures(self):
        with open(f"{CORPUS}/MANIFEST.tsv", newline="", encoding="utf-8") as file:
            captures = [row["file"] for row in csv.DictReader(file, delimiter="\t")]
        folders = ("lan", "dhcp", "names", "iot", "ipv6", "arp-l2", "windows", "dns", "http", "voip")
        chosen = [name for name in captures if ALL or name.split("/")[0] in folders]
        self.assertGreater(len(chosen), 50)
        for name in chosen:
            with self.subTest(name):
                secrets = secrets_of.secrets_of(f"{CORPUS}/{name}")
                self.add_names(secrets, name)
                for profile, withheld in (("basic", withheld_by_basic),
                                          ("standard", withheld_by_standard)):
                    left = Left(f"{CORPUS}/{name}", "--profile", profile, "-o", "out")
                    if left.done.status == 2:
                        continue  # no capture for libpcap either: nothing was collected
                    self.assertEqual(sorted(set(left.leaks(withheld(secrets)))), [], profile)


if __name__ == "__main__":
    WEIR = os.path.abspath(sys.argv.pop(1))
    suite = ["House", "Elsewhere", "Planted"]
    if "--corpus" in sys.argv:
        sys.argv.remove("--corpus")
        suite = ["Corpus"]
        if not os.path.exists(f"{CORPUS}/MANIFEST.tsv"):
            print("there is no ../shared/corpus here: nothing was tested")
            sys.exit(77)
    DOMAINS, PUBLIC = secrets_of.Domains(), vocabulary()
    unittest.main(defaultTest=sys.argv[1:] or suite, argv=sys.argv[:1])
