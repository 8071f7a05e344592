#!/usr/bin/env python3
"""One shard, two and four make the same flows, counters, clients and usage of a capture.

    shards.py WEIR                 house.pcap, the golden captures, and a flood of forged MACs against
                                   small tables of clients and usage
    shards.py WEIR --corpus N      N captures of ../shared/corpus, chosen by a fixed seed; 0: all
    shards.py WEIR FILE...         these

Each alone, and all of them merged in order of time. Rows are compared as sets, without their
sequence numbers. A verdict may differ where nDPI's own caches, which cross flows and of which each
shard has one, decided it in either run; those flows are listed. Then usage is compared over all applications of a client."""

import argparse
import collections
import json
import os
import random
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, "../e2e"))

import floods
import programs

CORPUS = os.path.join(HERE, "../../../shared/corpus")
SKIPPED = 77
SEED = 1
CAPTURE = (".pcap", ".pcapng", ".cap")
# What a verdict is made of, in a flow row.
VERDICT = ("protocol", "application", "category", "confidence", "risk_bits", "risk_score", "dpi")
# Health that counts, and that does not depend on when somebody looked.
COUNTED = ("packets", "packets_in_flows", "packets_consumed", "drops", "flows", "clients",
           "limits", "visibility")
USED = ("bytes_up", "bytes_down", "packets_up", "packets_down", "retransmissions")


def own_captures():
    golden = os.path.join(HERE, "../golden")
    return [programs.HOUSE] + sorted(os.path.join(golden, name) for name in os.listdir(golden)
                                     if name.endswith(CAPTURE))


def corpus_captures(count):
    files = sorted(os.path.join(folder, name) for folder, _, names in os.walk(CORPUS)
                   for name in names if name.endswith(CAPTURE))
    return files if count == 0 else sorted(random.Random(SEED).sample(files, min(count, len(files))))


def key_of(row, without=()):
    return json.dumps({name: value for name, value in row.items()
                       if name not in ("sequence", "expires_at", *without)}, sort_keys=True)


FLOOD = ("--set", "clients.max=256", "--set", "clients.random_max=128", "--set", "usage.max=1024")


def read(weir, files, shards, *words):
    given = [word for file in files for word in ("-r", file)] + list(words)
    return Run(programs.run(weir, "run", *given, "--profile", "full", "--format", "json", "-o", "-",
                            "--seed", SEED, "--shards", shards, timeout=120))


class Run:
    def __init__(self, done):
        self.status = done.status
        self.rows = collections.defaultdict(list)
        for row in done.rows():
            self.rows[row["record"]].append(row)
        self.said = done.said if done.status not in (0, 1, 2) else ""

    def keys(self, record, without=()):
        return collections.Counter(key_of(row, without) for row in self.rows[record])

    def verdicts(self):
        """Segment of a flow -> its verdict."""
        return {(row["flow_id"], row["segment"], row["start"]): {name: row.get(name)
                                                                for name in VERDICT}
                for row in self.rows["flow"]}

    def health(self):
        last = self.rows["health"][-1] if self.rows["health"] else {}
        return {name: last.get(name) for name in COUNTED}

    def usage(self):
        """(window, client) -> what was used, over all applications."""
        used = collections.defaultdict(collections.Counter)
        for row in self.rows["usage"]:
            used[row["window_start"], row.get("client_key")].update(
                {name: row.get(name, 0) for name in USED})
        return used


def deciding_cache(verdict, other):
    """The cache of nDPI's that made two verdicts of one flow differ, or None. What its STUN cache
    tells, of the calls that a server of STUN has heard, nDPI calls a finding of its own."""
    if verdict["protocol"] == other["protocol"] == "STUN":
        return "STUN"
    if "cache" in (verdict["confidence"], other["confidence"]):
        return "peers"
    return None


def differing_verdicts(one, many):
    """(flows that a cache decided, flows without such an excuse)."""
    cached, wrong = [], []
    others = many.verdicts()
    for flow, verdict in one.verdicts().items():
        other = others.get(flow, verdict)
        if other == verdict:
            continue
        cache = deciding_cache(verdict, other)
        line = f"flow {flow[0]}: {verdict} with one shard, {other}"
        if cache is None:
            wrong.append(line)
        else:
            cached.append(f"{cache}: {line}")
    return cached, wrong


def compare(one, many):
    """Of two runs: (flows compared, flows that a cache decided otherwise, what is wrong)."""
    wrong = [run.said for run in (one, many) if run.said]
    if one.status != many.status:
        wrong.append(f"status {one.status} with one shard, {many.status} with several")
    cached, unexcused = differing_verdicts(one, many)
    wrong += unexcused
    for record, without in (("flow", VERDICT), ("client", ())):
        a, b = one.keys(record, without), many.keys(record, without)
        wrong += [f"only with one shard: {key}" for key in a - b]
        wrong += [f"only with several: {key}" for key in b - a]
    if not cached and one.keys("usage") != many.keys("usage"):
        wrong.append("usage rows differ")
    if one.usage() != many.usage():
        wrong.append("sums of usage differ")
    if one.health() != many.health():
        wrong.append(f"counters differ: {one.health()} and {many.health()}")
    return len(one.rows["flow"]), cached, wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weir")
    parser.add_argument("files", nargs="*")
    parser.add_argument("--corpus", type=int)
    given = parser.parse_args()
    if given.corpus is not None and not os.path.isdir(CORPUS):
        print("SKIPPED: there is no ../shared/corpus")
        return SKIPPED
    files = given.files or (own_captures() if given.corpus is None
                            else corpus_captures(given.corpus))
    flows = bad = 0
    by_cache = []
    cases = {file: ([file], ()) for file in files}
    if len(files) > 1:
        cases["all of them"] = files, ()
    scratch = tempfile.TemporaryDirectory(prefix="weir-shards-")
    if files == own_captures():
        flood = os.path.join(scratch.name, "flood.pcap")
        floods.write(flood, ["macs"], 40000, 100)
        cases["forged MACs"] = [flood], FLOOD
    for file, (together, words) in cases.items():
        one = read(given.weir, together, 1, *words)
        # Two are turned by other threads than more are.
        for shards in (2, 4):
            count, cached, wrong = compare(one, read(given.weir, together, shards, *words))
            flows += count
            bad += bool(wrong)
            by_cache += [f"{file}, {shards} shards: {line}" for line in cached]
            for line in wrong[:6]:
                print(f"WRONG {file}, {shards} shards: {line[:1000]}")
    for line in by_cache:
        print(f"by nDPI's caches: {line}")
    print(f"{2 * len(cases)} runs of {len(files)} captures, {flows} flow rows: {bad} runs differ, "
          f"{len(by_cache)} verdicts by nDPI's caches do")
    return 1 if bad or not flows else 0


if __name__ == "__main__":
    sys.exit(main())
