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
captures = run.captures


def capture(path, lengths):
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for length in lengths:
            f.write(struct.pack("<IIII", 1, 2, length, length) + bytes(length))


class Run(unittest.TestCase):
    def test_ratio(self):
        self.assertEqual(run.ratio([400, 420, 410], [100, 102, 101]), "4.06")
        self.assertEqual(run.ratio([100, 102, 101], [400, 420, 410]), "0.25")
        self.assertEqual(run.ratio([400], [100]), "- (one round)")
        # Either side's spread hides the difference.
        self.assertEqual(run.ratio([110, 111, 112], [100, 140, 101]), "- (spread)")
        self.assertEqual(run.ratio([100, 140, 101], [110, 111, 112]), "- (spread)")

    def test_stage_cost(self):
        # Of pairs of one round: that all rounds are slower together does not matter.
        self.assertEqual(run.stage_cost([100, 200, 300], [150, 250, 351]), "50")
        self.assertEqual(run.stage_cost([100], [150]), "50?")
        self.assertEqual(run.stage_cost([100, 100, 100], [101, 99, 105]), "within 6")

    def test_captures(self):
        with tempfile.TemporaryDirectory() as folder:
            whole, head = pathlib.Path(folder, "whole"), pathlib.Path(folder, "head")
            capture(whole, range(60, 160))
            self.assertEqual(captures.packets_of(whole), 100)
            self.assertEqual(captures.packets_of(captures.head_of(whole, head, 7)), 7)
            self.assertEqual(captures.packets_of(captures.head_of(whole, head, 1000)), 100)
            self.assertEqual(head.read_bytes(), whole.read_bytes())
            self.assertEqual(captures.packets_of(captures.head_of(whole, head, 0)), 0)

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
        # Beyond the empty capture's, and beyond the stage before.
        start = {level: (0, 1000) for level in check.LEVELS}
        counts = {level: (10, 1000 + 100 * (i + 1)) for i, level in enumerate(check.LEVELS)}
        self.assertEqual(check.stages_of(counts, start), {level: 10.0 for level in check.LEVELS})


if __name__ == "__main__":
    unittest.main()
