"""What is said of measurements: medians with their spread, ratios only where the spread allows one, tables."""
import os
import pathlib
import re
import statistics


def median(values):
    return statistics.median(values)


def spread(values):
    return max(values) - min(values)


def cell(values, digits=0):
    return f"{median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def ratio(peer, ours):
    """Peer's over ours, or why not: the spread of the two hides the difference, or is not known."""
    if min(len(peer), len(ours)) < 2:
        return "- (one round)"
    if max(spread(peer), spread(ours)) > abs(median(peer) - median(ours)):
        return "- (spread)"
    return f"{median(peer) / median(ours):.2f}"


def stage_cost(before, values):
    """What a level costs beyond the one before it, from pairs of one round."""
    costs = [v - b for v, b in zip(values, before)]
    if len(costs) < 2:
        return f"{costs[0]:.0f}?"
    if spread(costs) > abs(median(costs)):
        return f"within {spread(costs):.0f}"
    return f"{median(costs):.0f}"


def table(head, rows):
    """Markdown."""
    lines = [head, ["---"] + ["--:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines) + "\n"


def machine():
    info = pathlib.Path("/proc/cpuinfo").read_text()
    name = re.search(r"model name\s*:\s*(.*)", info)
    memory = int(re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())[1])
    load = os.getloadavg()[0]
    return (f"{os.cpu_count()} x {name[1] if name else 'unknown CPU'}, {memory >> 20} GiB, "
            f"Linux {os.uname().release}; load {load:.1f} at the start")
