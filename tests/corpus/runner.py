# Runs the program under test over one capture and keeps all that can be held against it: how it
# ended, what it printed, how much memory it held at most. Works in small processes of its own,
# forked before the truth tables are read: a child's peak memory begins with its parent's.

import json
import os
import re
import subprocess
import tempfile
import time
from dataclasses import dataclass, field

SANITIZER = re.compile(
    r"ERROR: \w*Sanitizer|WARNING: \w*Sanitizer|runtime error:|SUMMARY: \w*Sanitizer|LeakSanitizer"
)


@dataclass
class Run:
    """What one run left behind. `status` is the exit status, negative for a signal, None when it
    had to be killed because it did not end in time."""

    file: str
    status: int | None
    stderr: str
    peak_mib: float
    seconds: float
    records: list = field(default_factory=list)
    garbage: str = ""  # first line on standard output that is no JSON object with a "record"

    def of(self, record):
        return [r for r in self.records if r["record"] == record]

    @property
    def health(self):
        last = self.records[-1] if self.records else {}
        return last if last.get("record") == "health" else None


def wait(process, limit_s):
    """(exit status or None, peak MiB): like Popen.wait, with the child's resource usage."""
    pause, deadline = 0.001, time.monotonic() + limit_s
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return process.returncode, usage.ru_maxrss / 1024
        if time.monotonic() > deadline:
            process.kill()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            return None, usage.ru_maxrss / 1024
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


def parse_rows(text):
    """(records, first line that is none)."""
    records = []
    for line in text.splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            return records, line
        if not isinstance(row, dict) or "record" not in row:
            return records, line
        records.append(row)
    return records, ""


def run_one(job):
    """One capture through the program: (command, file, limit in seconds) -> Run."""
    command, file, limit_s = job
    start = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        status, peak_mib = wait(process, limit_s)
        out.seek(0)
        err.seek(0)
        records, garbage = parse_rows(out.read().decode(errors="replace"))
        stderr = err.read().decode(errors="replace")
    return Run(file, status, stderr, peak_mib, time.monotonic() - start, records, garbage)
