#!/usr/bin/env python3
"""What bench/run and bench/check say of figures: when a ratio is refused, what a stage costs, when it has grown."""
import importlib.machinery
import importlib.util
import pathlib
import struct
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.dont_write_bytecode = True


def load(name):
    loader = importlib.machinery.SourceFileLoader(name, str(HERE / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


run, check = load("run"), load("check")
captures, programs, plot, figures = run.captures, run.programs, run.plot, sys.modules["figures"]


def capture(path, lengths):
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for length in lengths:
            f.write(struct.pack("<IIII", 1, 2, length, length) + bytes(length))


class Run(unittest.TestCase):
    def test_ratio(self):
        self.assertEqual(figures.ratio([400, 420, 410], [100, 102, 101]), "4.06")
        self.assertEqual(figures.ratio([100, 102, 101], [400, 420, 410]), "0.25")
        self.assertEqual(figures.ratio([400], [100]), "- (one round)")
        # Either side's spread hides the difference.
        self.assertEqual(figures.ratio([110, 111, 112], [100, 140, 101]), "- (spread)")
        self.assertEqual(figures.ratio([100, 140, 101], [110, 111, 112]), "- (spread)")

    def test_stage_cost(self):
        # Of pairs of one round: that all rounds are slower together does not matter.
        self.assertEqual(figures.stage_cost([100, 200, 300], [150, 250, 351]), "50")
        self.assertEqual(figures.stage_cost([100], [150]), "50?")
        self.assertEqual(figures.stage_cost([100, 100, 100], [101, 99, 105]), "within 6")

    def test_captures(self):
        with tempfile.TemporaryDirectory() as folder:
            whole, head = pathlib.Path(folder, "whole"), pathlib.Path(folder, "head")
            capture(whole, range(60, 160))
            self.assertEqual(captures.packets_of(whole), 100)
            self.assertEqual(captures.packets_of(captures.head_of(whole, head, 7)), 7)
            self.assertEqual(captures.packets_of(captures.head_of(whole, head, 1000)), 100)
            self.assertEqual(head.read_bytes(), whole.read_bytes())
            self.assertEqual(captures.packets_of(captures.head_of(whole, head, 0)), 0)

    def test_rows(self):
        runs = {"B": {"weir": [programs.Run(500, 1, 1, 1, 0)] * 2, "read": [programs.Run(100, None, 1, None, None)]},
                "C": {"weir": [programs.Run(700, 1, 1, 1, 0)] * 2}}
        found = run.Found({"B": 10, "C": 7}, runs)
        self.assertEqual(found.names(), ["weir"])
        self.assertEqual(found.names(levels=True), ["read"])
        self.assertEqual(found.table(lambda c, n, r: figures.cell(found.ns(c, n))),
                         "|  | B | C |\n| --- | --: | --: |\n| weir | 50 (50-50) | 100 (100-100) |\n")

    def test_said(self):
        """What each program says of its records and its loss."""
        weir = ("packets: 165895 (61.7 MB) in 0.32 s: 165679 in flows, 213 consumed, 3 dropped\n"
                "records: flow 12493 client 145 usage 2015 health 1\n  withheld of flow: 0 rows, 59041 values\n")
        self.assertEqual(programs.weir_said(weir, None), (12493 + 145 + 2015 + 1, 3))
        softflowd = ("Ignored packets: 208 (208 non-IP, 0 too short)\n"
                     "Flows exported: 11620 (19087 records) in 630 packets (0 failures)\n")
        self.assertEqual(programs.softflowd_said(softflowd, None), (19087, 208))
        record = bytes([0x10, 0, 0, 2]) + bytes(4)
        self.assertEqual(programs.argus_records(record + bytes([0x80, 0, 0, 1]) + record), 2)
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "rows.csv").write_text("SRC_IP,PACKETS,BYTES\n10.0.0.1,7,70\n10.0.0.2,5,50\n")
            self.assertEqual(programs.pmacctd_said("", pathlib.Path(folder)), (2, -12))

    def test_picture(self):
        self.assertEqual([plot.tick_step(most) for most in (1, 8, 9, 400, 14000)], [0.2, 1, 2, 100, 2000])
        picture = plot.svg({"B: <all>": {"weir": [10, 12, 11], "other": [40]}}, "ns")
        self.assertIn(">B: &lt;all&gt;<", picture)
        self.assertIn(">11<", picture)

    def test_readme(self):
        readme = run.readme
        begin, end = readme.markers("run")
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "README.md")
            path.write_text(f"above\n{begin}\nold\n{end}\nbelow {end}\n")
            readme.write("run", "new \\1\n", path)
            self.assertEqual(path.read_text(), f"above\n{begin}\n\nnew \\1\n\n{end}\nbelow {end}\n")
        for program in ("run", "run --instructions", "micro/run"):
            self.assertEqual(readme.PATH.read_text().count(readme.markers(program)[0]), 1)

    def test_growth(self):
        def grown(now, was):
            return check.compare({"B": {"flows": now}}, {"B": {"flows": was}})[1]

        self.assertEqual(grown(1100, 1000), [])
        self.assertEqual(grown(1101, 1000), ["B flows"])
        self.assertEqual(grown(10, 1000), [])
        # A stage of nearly nothing; one that the record does not have.
        self.assertEqual(grown(8, 4), [])
        self.assertEqual(grown(10, 4), ["B flows"])
        self.assertEqual(check.compare({"B": {"new": 6}}, {})[1], ["B new"])

    def test_stages_of(self):
        # What comes once does not count, and a stage is what it adds to the one before.
        part = {level: (10, 9999 + 100 * (i + 1)) for i, level in enumerate(check.LEVELS)}
        whole = {level: (30, 9999 + 300 * (i + 1)) for i, level in enumerate(check.LEVELS)}
        self.assertEqual(check.stages_of(whole, part), {level: 10.0 for level in check.LEVELS})


if __name__ == "__main__":
    unittest.main()
