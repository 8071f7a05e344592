# The measures of whole runs: how a capture ended, and whether the sums over its packets hold.

from outcome import Outcome
from runner import SANITIZER


def first_line(text, pattern=None):
    lines = [
        line for line in text.splitlines() if line.strip() and (not pattern or pattern.search(line))
    ]
    return lines[0][:200] if lines else "(nothing on standard error)"


def captures(capture, run, flows, settings):
    """Read to the end, or refused as libpcap refuses it; no crash, no report, no growth."""
    outcome, file = Outcome(), capture.file
    if run.status is None:
        outcome.wrong("did not end in time", file, f"killed after {run.seconds:.0f} s")
    elif SANITIZER.search(run.stderr):
        outcome.wrong("sanitizer report", file, first_line(run.stderr, SANITIZER))
    elif run.status < 0 or run.status >= 128:
        outcome.wrong("crash", file, f"status {run.status}: {first_line(run.stderr)}")
    elif run.garbage:
        outcome.wrong("output is not JSON records only", file, repr(run.garbage[:120]))
    elif run.peak_mib > settings.rss_mib:
        outcome.wrong("grew", file, f"{run.peak_mib:.0f} MiB held, {settings.rss_mib} allowed")
    elif capture.refused and run.status == 0:
        outcome.wrong("read what libpcap refuses", file, f"exit 0; libpcap: {capture.refused}")
    elif capture.refused and not run.stderr.strip():
        outcome.wrong("refused without a word", file, f"libpcap: {capture.refused}")
    elif not capture.refused and run.status != 0:
        outcome.wrong("not read to the end", file, f"status {run.status}: {first_line(run.stderr)}")
    else:
        outcome.ok()
    return outcome


def sums(capture, run, flows, settings):
    """Packets seen = libpcap's = in flows + consumed + dropped by name; flow rows too."""
    outcome, file, health = Outcome(), capture.file, run.health
    if health is None:
        if capture.refused and capture.packets == 0 and not run.records:
            outcome.left_out["refused before the first packet, no records"] += 1
        else:
            outcome.wrong(
                "no health record at the end",
                file,
                f"status {run.status}: {first_line(run.stderr)}",
            )
        return outcome
    seen, in_flows = health.get("packets", 0), health.get("packets_in_flows", 0)
    consumed = health.get("packets_consumed", 0)
    dropped = sum(drop.get("packets", 0) for drop in health.get("drops", []))
    rows = sum(
        flow.total("packets_up") + flow.total("packets_down")
        for same in flows.values()
        for flow in same
    )
    if seen != capture.packets:
        outcome.wrong(
            "seen is not what libpcap reads", file, f"seen {seen}, libpcap {capture.packets}"
        )
    elif seen != in_flows + consumed + dropped:
        outcome.wrong(
            "the sum is wrong",
            file,
            f"{seen} != {in_flows} in flows + {consumed} consumed + {dropped} dropped",
        )
    elif rows != in_flows:
        outcome.wrong(
            "flow rows do not add up to packets_in_flows", file, f"rows {rows}, health {in_flows}"
        )
    elif any(not drop.get("reason") for drop in health.get("drops", [])):
        outcome.wrong("a drop without a name", file, str(health["drops"]))
    else:
        outcome.ok()
    return outcome
