# What a measure finds: how many items there were, how many agree, what differs, and what was left
# out by which named rule. Used by every compare_*.py; added up and printed by figures.py.

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Outcome:
    """What one measure found, over one capture or over all."""

    items: int = 0
    equal: int = 0
    left_out: Counter = field(default_factory=Counter)
    notes: Counter = field(default_factory=Counter)
    differences: list = field(default_factory=list)  # (kind, file, text)

    def ok(self, count=1):
        self.items += count
        self.equal += count

    def wrong(self, kind, file, text):
        self.items += 1
        self.differences.append((kind, file, text))

    def add(self, other):
        self.items += other.items
        self.equal += other.equal
        self.left_out.update(other.left_out)
        self.notes.update(other.notes)
        self.differences += other.differences


def text_of(key):
    """A 5-tuple as a person reads it."""
    protocol, (a_ip, a_port), (b_ip, b_port) = key
    return f"proto {protocol} {a_ip}|{a_port} {b_ip}|{b_port}"
