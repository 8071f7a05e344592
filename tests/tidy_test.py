#!/usr/bin/env python3
"""tidy.py itself is tested: in a copy of the tree, each rule is broken once, and it must say so."""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent

# File, what is appended to it, and a word of the complaint.
BREACHES = [
    # 1. Includes run one way.
    ("collector/core/flow/flow_wheel.c", '#include "core/ledger/ledger.h"', "comes later"),
    ("collector/core/schema/schema.c", '#include "core/privacy/policy.h"', "comes later"),
    ("classifiers/dns.c", '#include "core/flow/flow.h"', "may not see"),
    ("exporters/file.c", '#include "core/record/record.h"', "may not see"),
    ("exporters/null.c", '#include "core/client/client.h"', "may not see"),
    # 2. One outside library, one place.
    ("collector/core/flow/flow_wheel.c", "#include <pcap/pcap.h>", "frame_filter.c alone"),
    ("collector/core/flow/flow_wheel.c", "#include <rte_mbuf.h>", "dpdk-app/ alone"),
    ("classifiers/dns.c", "#include <ndpi/ndpi_api.h>", "classifiers/ndpi_ or classifiers/ndpi.c alone"),
    ("exporters/file.c", "#include <librdkafka/rdkafka.h>", "kafka.c alone"),
    ("collector/read.c", "#include <zstd.h>", "alone"),
    ("collector/main.c", "#include <yaml.h>", "settings/ alone"),
    ("collector/core/client/usage.c", "#include <libpsl.h>", "domain.c alone"),
    ("collector/core/client/usage.c", "#include <openssl/evp.h>", "privacy/ alone"),
    ("collector/core/packet/decode.c", "#if defined(WITH_DPDK)", "not for this place"),
    # 3. One door out.
    ("exporters/null.c", "void x(void) { batch_pool_seal(0, 0); }", "not for this place"),
    ("collector/core/flow/flow_wheel.c", 'void x(void) { log_info("x"); }', "not for this place"),
    ("collector/core/ledger/ledger.c", 'void x(void) { printf("%d", 1); }', "not for this place"),
    ("collector/core/ledger/ledger.c", 'void x(void) { fputs("x", stderr); }', "not for this place"),
    ("classifiers/http.c", 'void x(void) { write(2, "x", 1); }', "not for this place"),
    ("collector/core/shard/summary.c", '#include "core/client/client_table.h"', "after the door"),
    ("collector/read.c", '#include "core/ledger/ledger.h"', "after the door"),
]


class Tidy(unittest.TestCase):
    def setUp(self):
        self.tree = pathlib.Path(tempfile.mkdtemp(prefix="weir-tidy-"))
        self.addCleanup(shutil.rmtree, self.tree)
        for folder in ("collector", "classifiers", "exporters"):
            shutil.copytree(ROOT / folder, self.tree / folder)
        (self.tree / "tests").mkdir()
        shutil.copy(ROOT / "tests/tidy.py", self.tree / "tests")

    def tidy(self):
        done = subprocess.run([sys.executable, self.tree / "tests/tidy.py"], capture_output=True,
                              text=True, check=False)
        return done.returncode, done.stdout

    def test_the_tree(self):
        status, said = self.tidy()
        self.assertEqual(status, 0, said)

    def test_every_breach_is_found(self):
        for name, line, word in BREACHES:
            with self.subTest(f"{name}: {line}"):
                path = self.tree / name
                kept = path.read_text()
                path.write_text(kept + line + "\n")
                status, said = self.tidy()
                path.write_text(kept)
                self.assertEqual(status, 1, said)
                complaint = said.splitlines()[0]
                self.assertIn(name, complaint)
                self.assertIn(word, complaint)


if __name__ == "__main__":
    unittest.main()
