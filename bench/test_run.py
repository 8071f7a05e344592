#!/usr/bin/env python3
"""What bench/run says of figures: when it refuses a ratio, what a stage costs, what it counts."""
import importlib.machinery
import importlib.util
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

RUN = pathlib.Path(__file__).resolve().parent / "run"
sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("run", str(RUN))
run = importlib.util.module_from_spec(importlib.util.spec_from_loader("run", loader))
loader.exec_module(run)


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
            self.assertEqual(run.packets_of(whole), 100)
            self.assertEqual(run.packets_of(run.head_of(whole, head, 7)), 7)
            self.assertEqual(run.packets_of(run.head_of(whole, head, 1000)), 100)
            self.assertEqual(head.read_bytes(), whole.read_bytes())
            self.assertEqual(run.packets_of(run.head_of(whole, head, 0)), 0)

    def test_without_corpora(self):
        with tempfile.TemporaryDirectory() as folder:
            # Alone in a folder, it finds no ../shared.
            alone = pathlib.Path(folder, "a", "bench", "run")
            alone.parent.mkdir(parents=True)
            alone.write_bytes(RUN.read_bytes())
            done = subprocess.run([sys.executable, alone, "--corpora", pathlib.Path(folder, "none")],
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, run.CANNOT)
            self.assertIn("lacks B, C, D, E", done.stderr)


if __name__ == "__main__":
    unittest.main()
