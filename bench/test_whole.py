#!/usr/bin/env python3
"""bench/run, whole, over small corpora: its tables and its picture; and that all programs come to their end.

    test_whole.py BUILD
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import captures  # noqa: E402

BUILD = pathlib.Path(sys.argv.pop(1))
# C: more flows than the order of several shards' events has room for.
PACKETS = {"B": 3000, "C": 50000, "D": 3000, "E": 3000}
# These two sleep a second or three, whatever they read.
WITHOUT = "pmacctd,argus"


class Whole(unittest.TestCase):
    def test_run(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            for letter, packets in PACKETS.items():
                captures.make_own(BUILD / "bench/corpora", letter, folder / f"{letter}.pcap", packets)
            done = subprocess.run(
                [captures.ROOT / "bench/run", "--built", "--build", BUILD, "--corpora", folder, "--rounds", "2",
                 "--without", WITHOUT, "--svg", folder / "x.svg", "--json", folder / "x.json"],
                capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("Packets: B 3000, C 50000, D 3000, E 3000; 2 rounds", done.stdout)
            for words in ("CPU ns a packet", "Times less CPU", "Peak memory", "Wall time", "Records", "By stage"):
                self.assertIn(words, done.stdout)
            picture = xml.etree.ElementTree.parse(folder / "x.svg").getroot()
            runs = json.loads((folder / "x.json").read_text())["runs"]
        texts = [element.text for element in picture.iter("{http://www.w3.org/2000/svg}text")]
        for letter, programs in runs.items():
            self.assertEqual("weir, admission limited" in programs, letter == "C")
            self.assertEqual(len(programs["weir"]), 2)
            for name in ("weir", "weir, nDPI off", "weir, two shards"):
                self.assertIn(name, texts)
                self.assertGreater(programs[name][0]["cpu_ns"], 0)
                # Not the size of who started it.
                self.assertGreater(programs[name][0]["kib"], 1000)
        # A flow a packet, and every one has its record.
        for name in ("weir", "weir, two shards", "weir, admission limited"):
            self.assertGreaterEqual(runs["C"][name][0]["records"], 50000)
            self.assertEqual(runs["C"][name][0]["loss"], 0)


if __name__ == "__main__":
    unittest.main()
