#!/usr/bin/env python3
"""skipped.py is tested: a test that was left out, or a case in one that passed, never goes unseen."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

SKIPPED = pathlib.Path(__file__).resolve().parent / "skipped.py"
PASSED = {"name": "weir:unit / good", "result": "OK", "stdout": "[       OK ] test_a\n"}
CASE = {"name": "weir:unit / capture", "result": "OK",
        "stdout": "[ RUN      ] test_live\n[  SKIPPED ] test_live\n[       OK ] test_b\n"
                  "[  SKIPPED ] 1 test(s), listed below:\n"}
CASES = {"name": "weir:kafka / kafka_broker", "result": "OK", "stderr": "\nOK (skipped=1)\n"}
CORPUS = ({"name": "weir:property / plain", "result": "OK", "stdout": "[  SKIPPED ] test_corpus\n"},
          {"name": "weir:property / corpus-shards", "result": "SKIP"})
WHOLE = {"name": "weir:lan / house_live", "result": "SKIP"}


class Skipped(unittest.TestCase):
    def run_it(self, tests, strict, program=SKIPPED):
        with tempfile.TemporaryDirectory() as folder:
            log = pathlib.Path(folder, "meson-logs/testlog.json")
            log.parent.mkdir()
            log.write_text("".join(json.dumps(test) + "\n" for test in tests))
            environment = {**os.environ, "WEIR_NO_SKIPS": "1" if strict else "0"}
            done = subprocess.run([sys.executable, program, folder], env=environment, text=True,
                                  capture_output=True, check=False)
        return done.returncode, done.stdout

    def test_nothing_skipped(self):
        for strict in (False, True):
            self.assertEqual(self.run_it([PASSED], strict),
                             (0, "1 passed, 0 failed, 0 skipped\n"))

    def test_skipped(self):
        for test, named in ((WHOLE, "house_live"), (CASE, "capture, test_live"),
                            (CASES, "kafka_broker, skipped=1")):
            with self.subTest(named):
                status, said = self.run_it([PASSED, test], False)
                self.assertEqual(status, 0)
                self.assertIn(named, said)
                self.assertIn("1 skipped", said)
                self.assertEqual(self.run_it([PASSED, test], True)[0], 1)

    def test_corpus(self):
        """What needs it may be left out where it is not, and there only."""
        with tempfile.TemporaryDirectory() as folder:
            program = pathlib.Path(folder, "weir/tests/skipped.py")
            program.parent.mkdir(parents=True)
            shutil.copy(SKIPPED, program)
            for there in (False, True):
                for test in CORPUS:
                    with self.subTest(test["name"], there=there):
                        self.assertEqual(self.run_it([PASSED, test], True, program)[0], there)
                manifest = pathlib.Path(folder, "shared/corpus/MANIFEST.tsv")
                manifest.parent.mkdir(parents=True, exist_ok=True)
                manifest.touch()

    def test_failed_or_nothing_run(self):
        for tests in ([PASSED, {"name": "x", "result": "FAIL"}], []):
            self.assertEqual(self.run_it(tests, False)[0], 1)


if __name__ == "__main__":
    unittest.main()
