#!/usr/bin/env python3
"""What Weir makes of the golden captures, compared octet by octet with what it should.

    golden_test.py WEIR            compares
    golden_test.py WEIR --write    writes the captures and the records anew (see `update`)

Of each row only what cannot be the same in two runs is masked: programs.CLOCK_FIELDS.
"""

import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, "../e2e"))

import captures
import programs

WEIR = None
STATUS = {"damaged.pcap": 1, "cut.pcap": 1}  # 0 elsewhere


def collect(name):
    return programs.run(WEIR, "run", "-r", os.path.join(HERE, name), "--profile", "full",
                        "--format", "json", "-o", "-", "--seed", "1", cwd=HERE)


def expected(name):
    with open(os.path.join(HERE, name + ".json"), encoding="utf-8") as file:
        return file.read().splitlines()


class Golden(unittest.TestCase):
    maxDiff = None

    def test_captures_are_what_the_script_makes(self):
        for name, octets in captures.CAPTURES.items():
            with open(os.path.join(HERE, name), "rb") as file:
                self.assertEqual(file.read(), octets, name)
        lying = {name for name in os.listdir(HERE) if name.endswith((".pcap", ".pcapng"))}
        self.assertEqual(lying, set(captures.CAPTURES))

    def test_records(self):
        for name in captures.CAPTURES:
            with self.subTest(name):
                done = collect(name)
                self.assertEqual(done.status, STATUS.get(name, 0), done.said)
                self.assertEqual(programs.unaccounted(done.health()), 0)
                self.assertEqual(programs.masked(done.out), expected(name))

    def test_segments_add_up(self):
        """Whatever the expectation says: packets of the rows are those of the flows."""
        for name in captures.CAPTURES:
            rows = collect(name).rows()
            flows = [row for row in rows if row["record"] == "flow"]
            self.assertEqual(sum(row["packets_up"] + row["packets_down"] for row in flows),
                             rows[-1]["packets_in_flows"], name)


def write():
    for name, octets in captures.CAPTURES.items():
        with open(os.path.join(HERE, name), "wb") as file:
            file.write(octets)
        done = collect(name)
        if done.status != STATUS.get(name, 0):
            sys.exit(f"{name}: ended with {done.status}: {done.said}")
        with open(os.path.join(HERE, name + ".json"), "w", encoding="utf-8") as file:
            file.writelines(line + "\n" for line in programs.masked(done.out))


if __name__ == "__main__":
    WEIR = os.path.abspath(sys.argv.pop(1))
    if "--write" in sys.argv:
        write()
    else:
        unittest.main()
