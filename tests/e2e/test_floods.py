#!/usr/bin/env python3
"""Floods, each a small one against small tables: memory stays where it is, nothing is lost without a
name, and the household's conversations are counted exactly. Called with the path of weir; with
SmallTables behind it where the build's own memory would drown what is measured (sanitizers)."""

import collections
import os
import re
import shutil
import sys
import tempfile
import unittest

import floods
from programs import run, unaccounted

WEIR = None
SMALL = {"flow.max": 4096, "dpi.states": 512, "dpi.findings": 16384, "clients.max": 256,
         "clients.random_max": 128, "clients.answers": 512, "usage.max": 512,
         "dpi.admission": "on", "dpi.admission_rate": 2000}
FRAMES = 40_000


def met(health):
    """How often each limit was met."""
    return {entry["limit"]: entry["times"] for entry in health.get("limits", [])}


def settings(values):
    return [word for name, value in values.items() for word in ("--set", f"{name}={value}")]


class Flood(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="weir-floods-")
        self.addCleanup(shutil.rmtree, self.dir, True)

    def flood(self, *names, frames=FRAMES, rate=200_000):
        path = os.path.join(self.dir, "flood.pcap")
        return path, floods.write(path, names, frames, rate)


class SmallTables(Flood):
    def collect(self, *names, rate=200_000, segments=1, **other):
        path, household = self.flood(*names, rate=rate)
        done = run(WEIR, "run", "-r", path, "--profile", "full", "--format", "json", "-o", "-",
                   *settings({**SMALL, **other}), timeout=300)
        self.assertEqual(done.status, 0, done.said)
        health = done.health()
        self.assertEqual(unaccounted(health), 0)
        # The summary says the same limits as the health record.
        said = re.search("(?m)^limits met: (.*)$", done.said).group(1)
        self.assertEqual(said, ", ".join(f"{limit} {times} times" for limit, times in met(health).items()))
        self.assertEqual(health["packets"], FRAMES + household.begun)
        self.household(done.rows("flow"), household.truth, segments)
        return health, done

    def household(self, rows, truth, segments):
        """Each conversation is one row, or so many where it is long, as if there were no flood, with
        every packet in it."""
        told = {}
        for row in rows:
            ends = (row.get("client_ip"), row.get("client_port"), row.get("server_ip"),
                    row.get("server_port"))
            if ends in truth:
                told.setdefault(ends, []).append(row)
        self.assertEqual(set(told), set(truth))
        for ends, of in told.items():
            self.assertEqual(len(of), segments, f"{ends}: {[row['end_reason'] for row in of]}")
            counts = [sum(row[name] for row in of)
                      for name in ("packets_up", "packets_down", "bytes_up", "bytes_down")]
            self.assertEqual(counts, truth[ends], ends)
            number = ends[1] - 50000
            self.assertEqual(of[0]["server_name"], f"www{number}.example.org")
            # Who comes in the flood may not be shown to nDPI; its name is known all the same.
            if number < floods.Household.EARLY or of[0]["dpi"] != "not_admitted":
                self.assertEqual(of[0]["protocol"], "TLS")

    # What was evicted or refused has a name, and a number that fits what was sent.

    def test_syn(self):
        health, _ = self.collect("syn")
        self.assertGreater(health["flows"]["resources"], FRAMES // 2)
        # A bare SYN takes no state of nDPI's, and so needs no admission.
        self.assertEqual(health["dpi"]["not_admitted"], 0)

    def test_datagrams(self):
        health, done = self.collect("datagrams")
        self.assertGreater(health["flows"]["resources"], FRAMES // 2)
        # Told in the flows' own rows as well. 40 000 frames at 200 000 a second are a fifth of a
        # second, with a quarter second's worth to begin with.
        refused = sum(row["dpi"] == "not_admitted" for row in done.rows("flow"))
        self.assertEqual(health["dpi"]["not_admitted"], refused)
        self.assertGreater(refused, FRAMES * 0.9)
        limits = met(health)
        # Some 900 are admitted for the 512 states, which flows hold until they are evicted: who finds
        # none is one of those that were given up.
        self.assertLess(0, limits["DPI states"])
        self.assertLess(limits.pop("DPI states"), health["dpi"]["given_up"])
        self.assertEqual(limits, {"flows": health["flows"]["resources"], "DPI admission": refused})

    def test_scan(self):
        health, done = self.collect("scan")
        scanned = [row for row in done.rows("flow") if row.get("client_ip") == "192.168.1.66"]
        sent = FRAMES - FRAMES // 50
        self.assertEqual(sum(row["packets_up"] + row["packets_down"] for row in scanned), sent)
        self.assertGreater(health["flows"]["resources"], 0)

    def test_macs(self):
        health, done = self.collect("macs")
        # All that have a place were just seen: who comes now finds none, and is counted; but who
        # converses takes that of one who was seen once.
        self.assertGreater(health["clients"]["refused"], FRAMES // 2)
        self.assertLessEqual(health["clients"]["active"], SMALL["clients.max"])
        self.assertEqual(met(health)["clients"], health["clients"]["refused"])
        self.assertGreater(health["clients"]["evicted"], 0)
        self.clients(done)

    def clients(self, done):
        """Each of the household's clients, whether it was there before the flood or came later, and
        however it is known, has a row of its own, and all its use is booked to it."""
        sent, used = collections.Counter(), collections.Counter()
        for row in done.rows("flow"):
            if row.get("server_port") == 443:
                sent[row["client_key"]] += row["bytes_up"]
        self.assertEqual(len(sent), floods.Household.COUNT)
        self.assertLessEqual(set(sent), {row["client_key"] for row in done.rows("client")})
        for row in done.rows("usage"):
            if row.get("client_key") in sent:
                used[row["client_key"]] += row["bytes_up"]
        self.assertEqual(used, sent)

    def test_macs_for_minutes(self):
        """100 a second, more than there are places: of each conversation a packet comes every 14 s or
        less often, and it is reported every 300 s."""
        health, done = self.collect("macs", rate=100, segments=2,
                                    **{"dpi.states": SMALL["flow.max"]})
        self.assertGreater(health["clients"]["refused"], FRAMES // 4)
        self.assertLessEqual(health["clients"]["active"], SMALL["clients.max"])
        self.clients(done)

    def test_names(self):
        health, done = self.collect("names", **{"dpi.states": SMALL["flow.max"]})
        # Our own parser names what nDPI is not shown.
        asked = [row for row in done.rows("flow") if row.get("server_port") == 53]
        refused = [row for row in asked if row["dpi"] == "not_admitted"]
        come = floods.Household.COUNT - floods.Household.EARLY
        self.assertIn(health["dpi"]["not_admitted"] - len(refused), range(come + 1))
        self.assertGreater(len(refused), FRAMES // 4)
        for row in refused:
            self.assertTrue(row["dns"][0]["name"].endswith(".example.com"), row)
        self.assertGreater(met(health)["answers"], FRAMES // 4)

    def test_leases(self):
        health, _ = self.collect("leases")
        self.assertGreater(health["clients"]["refused"], FRAMES // 2)
        self.assertLessEqual(health["clients"]["active"], SMALL["clients.max"])

    def test_fragments(self):
        health, done = self.collect("fragments")
        self.assertGreater(health["flows"]["resources"], FRAMES // 2)
        self.assertTrue(any("client_port" not in row for row in done.rows("flow")))

    def test_hellos(self):
        health, _ = self.collect("hellos")
        self.assertGreater(health["flows"]["resources"], 0)
        self.assertGreater(health["dpi"]["not_admitted"], 0)

    def test_sums_of_shards(self):
        """Tables are shared out among shards, and all are full: no packet or octet is lost, whoever
        counts them."""
        path, household = self.flood(*floods.FLOODS, frames=10_000)
        sums = {shards: self.sums(path, household, shards) for shards in (1, 2, 4)}
        self.assertEqual(sums[2], sums[1])
        self.assertEqual(sums[4], sums[1])

    def sums(self, path, household, shards):
        # Each shard's share of states is what one has otherwise.
        small = {**SMALL, "dpi.states": SMALL["dpi.states"] * shards}
        done = run(WEIR, "run", "-r", path, "--profile", "full", "--format", "json", "-o", "-",
                   "--shards", shards, *settings(small), timeout=300)
        self.assertEqual(done.status, 0, done.said)
        health = done.health()
        self.assertEqual(unaccounted(health), 0)
        self.assertGreater(health["flows"]["resources"], 0)
        flows, used = done.rows("flow"), done.rows("usage")
        self.household(flows, household.truth, 1)
        self.assertEqual(sum(row["packets_up"] + row["packets_down"] for row in flows),
                         health["packets_in_flows"])
        return [sum(row[name] for row in rows) for rows in (flows, used)
                for name in ("packets_up", "packets_down", "bytes_up", "bytes_down")]


class Memory(Flood):
    """Of a gateway: all floods one after another, far more than its tables hold."""

    def test_gateway(self):
        path, _ = self.flood(*floods.FLOODS, frames=150_000)
        out = os.path.join(self.dir, "out")
        os.mkdir(out)
        done = run(WEIR, "run", "-r", path, "-o", out, "--set", "user=", "--set", "limits=gateway",
                   "--set", "dpi.admission=on", "--set", "log_level=info", timeout=300)
        self.assertEqual(done.status, 0, done.said)
        self.assertIn("limits gateway", done.said)
        peak = int(re.search(rb"(\d+) MiB at the peak", done.out).group(1))
        self.assertLessEqual(peak, 128, done.said)


if __name__ == "__main__":
    WEIR = os.path.abspath(sys.argv.pop(1))
    unittest.main()
