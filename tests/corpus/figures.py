#!/usr/bin/env python3
"""The table of figures: runs Weir over every capture of a corpus and compares what it prints with
the corpus' tables of truth, made by independent tools.

    figures.py --weir build/collector/weir                     the table
    figures.py --weir build/collector/weir -v names            and what differs in one measure
    figures.py --weir build/collector/weir --only iot/ -v rtt  some captures only

Exit status: 0 every bar is met, 1 one is missed, 77 there is no corpus, 2 wrong use."""

import argparse
import multiprocessing
import os
import shlex
import sys
import time
from collections import Counter

from measures import MEASURES
from outcome import Outcome
from records import flows_by_key
from runner import run_one
from truth import read_corpus

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SKIPPED = 77


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--weir",
        default=os.path.join(ROOT, "build", "collector", "weir"),
        help="the program (default: %(default)s)",
    )
    parser.add_argument(
        "--corpus",
        default=os.path.normpath(os.path.join(ROOT, "..", "shared", "corpus")),
        help="captures and truth/ (default: %(default)s)",
    )
    parser.add_argument(
        "-v",
        "--verbose",
        metavar="MEASURE",
        action="append",
        default=[],
        choices=[name for name, *_ in MEASURES],
        help="list what differs: " + ", ".join(n for n, *_ in MEASURES),
    )
    parser.add_argument("--only", metavar="TEXT", help="only captures whose name contains TEXT")
    parser.add_argument(
        "--limit", type=int, default=60, help="lines a list has at most (default: %(default)s)"
    )
    parser.add_argument(
        "--jobs", type=int, default=2, help="runs side by side (default: %(default)s)"
    )
    parser.add_argument(
        "--timeout", type=float, default=60, metavar="S", help="a run's time (default: %(default)s)"
    )
    parser.add_argument(
        "--rss-mib",
        type=int,
        default=512,
        help="memory a run may hold; sanitizers need more (default: %(default)s)",
    )
    return parser.parse_args()


def command_of(settings, path):
    return [
        settings.weir,
        "run",
        "-r",
        path,
        "--profile",
        "full",
        "--format",
        "json",
        "-o",
        "-",
        "--seed",
        "1",
    ]


def list_captures(corpus, only):
    """Names alone: the processes that run Weir are forked before the tables are read."""
    with open(
        os.path.join(corpus, "truth", "files.tsv"), encoding="utf-8", errors="replace"
    ) as file:
        names = [line.split("\t", 1)[0] for line in file][1:]
    return [name for name in names if not only or only in name]


def measure_all(settings, pool, files):
    """Every measure over every capture: ({name: Outcome}, (peak MiB, its capture))."""
    totals = {name: Outcome() for name, *_ in MEASURES}
    jobs = [
        (command_of(settings, os.path.join(settings.corpus, f)), f, settings.timeout) for f in files
    ]
    runs = pool.imap_unordered(run_one, jobs, chunksize=4)
    by_name = {capture.file: capture for capture in read_corpus(settings.corpus)}
    peak = (0.0, "")
    for run in runs:
        capture, flows = by_name[run.file], flows_by_key(run)
        for name, measure, *_ in MEASURES:
            totals[name].add(measure(capture, run, flows, settings))
        peak = max(peak, (run.peak_mib, run.file))
    return totals, peak


def meets(outcome, bar):
    return outcome.items > 0 and outcome.equal >= bar * outcome.items


def print_table(totals):
    """The table; whether every bar is met."""
    print(f"{'measure':<9} {'what':<62} {'items':>6} {'equal':>6} {'figure':>8} {'bar':>7}")
    for name, _, bar, what in MEASURES:
        outcome = totals[name]
        figure = f"{100 * outcome.equal / outcome.items:.2f} %" if outcome.items else "-"
        bar_text = "all" if bar == 1 else f"{100 * bar:g} %"
        judged = "PASS" if meets(outcome, bar) else "FAIL"
        counts = f"{outcome.items:>6} {outcome.equal:>6} {figure:>8} {bar_text:>7}"
        print(f"{name:<9} {what:<62} {counts}  {judged}")
    print("\nleft out, by rule")
    for name, *_ in MEASURES:
        for rule, count in totals[name].left_out.most_common():
            if count:
                print(f"  {name:<9} {count:>5}  {rule}")
    for name, *_ in MEASURES:
        for note, count in totals[name].notes.most_common():
            print(f"counted as equal: {name}, {count} {note}")
    return all(meets(totals[name], bar) for name, _, bar, _ in MEASURES)


def print_differences(name, outcome, limit):
    """The most frequent kind first, of each the captures with most of it; kinds share the lines."""
    kinds = Counter(kind for kind, *_ in outcome.differences)
    print(f"\n{name}: {len(outcome.differences)} of {outcome.items} differ")
    for kind, count in kinds.most_common():
        print(f"  {count:>5}  {kind}")
    share = max(3, limit // max(1, len(kinds)))
    for kind, _ in kinds.most_common(limit // 3):
        of_kind = [(file, text) for k, file, text in outcome.differences if k == kind]
        files = Counter(file for file, _ in of_kind)
        of_kind.sort(key=lambda d: (-files[d[0]], d))
        print(f"\n  {kind}")
        for file, text in of_kind[:share]:
            print(f"    {file}: {text}")
        if len(of_kind) > share:
            print(f"    ... {len(of_kind) - share} more in {len(files)} captures (--limit)")


def main():
    settings = parse_arguments()
    if not os.path.exists(os.path.join(settings.corpus, "truth", "files.tsv")):
        print(f"SKIPPED: NO CORPUS at '{settings.corpus}': no figure was measured", file=sys.stderr)
        return SKIPPED
    if not os.access(settings.weir, os.X_OK):
        print(
            f"figures.py: '{settings.weir}' cannot be run; say where it is with --weir",
            file=sys.stderr,
        )
        return 2
    files = list_captures(settings.corpus, settings.only)
    start = time.monotonic()
    with multiprocessing.get_context("fork").Pool(settings.jobs) as pool:
        totals, peak = measure_all(settings, pool, files)
    print(f"{len(files)} captures of {settings.corpus} in {time.monotonic() - start:.0f} s by")
    print(f"  {shlex.join(command_of(settings, 'FILE'))}\n")
    passed = print_table(totals)
    print(f"\nlargest peak of memory: {peak[0]:.0f} MiB ({peak[1]})")
    for name in settings.verbose:
        print_differences(name, totals[name], settings.limit)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
