#!/usr/bin/env python3
"""Adds up what meson ran in the build folders given, and says loudly which tests were skipped.

Prints one closing line. With WEIR_NO_SKIPS=1 a skipped test is a failure, but for tests and cases
called after the corpus where ../shared/corpus is absent, and for bench/check where compiler, libraries
or CPU are not those of its record."""
import json
import os
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parent.parent
strict = os.environ.get("WEIR_NO_SKIPS") == "1"
has_corpus = (root / "../shared/corpus/MANIFEST.tsv").exists()

passed = failed = skipped = 0
forbidden = []

# What one program of many cases says of cases that it left out: cmocka, unittest. To meson it passed.
INSIDE = re.compile(r"^\[  SKIPPED \] (?!\d+ test)(\w+)|^OK \((skipped=\d+)\)", re.M)

for folder in sys.argv[1:]:
    log = pathlib.Path(folder) / "meson-logs/testlog.json"
    for line in log.read_text().splitlines():
        test = json.loads(line)
        if test["result"] in ("OK", "EXPECTEDFAIL"):
            passed += 1
            said = test.get("stdout", "") + test.get("stderr", "")
            for case, count in sorted(set(INSIDE.findall(said))):
                skipped += 1
                print(f"SKIPPED in {folder}: {test['name']}, {case or count}")
                if has_corpus or "corpus" not in case:
                    forbidden.append(test["name"])
        elif test["result"] == "SKIP":
            skipped += 1
            print(f"SKIPPED in {folder}: {test['name']}")
            name = test["name"].rpartition(" / ")[2]
            if name != "instructions" and (has_corpus or "corpus" not in name):
                forbidden.append(test["name"])
        else:
            failed += 1

if strict and forbidden:
    failed += len(forbidden)
    skipped -= len(forbidden)
    print("skipped tests are failures here:", ", ".join(sorted(set(forbidden))))
print(f"{passed} passed, {failed} failed, {skipped} skipped")
sys.exit(1 if failed or passed == 0 else 0)
