# Weir's flow rows of one capture, gathered as the comparison needs them: segments to flows by
# flow_id, flows to 5-tuples whatever the VLAN and whichever end Weir took for the client.

import re
from collections import defaultdict

from truth import endpoints


class Flow:
    """All segments of one flow of Weir's."""

    def __init__(self, segments):
        self.segments = sorted(segments, key=lambda r: r.get("segment", 0))
        first, last = self.segments[0], self.segments[-1]
        self.start_ns = nanoseconds(first.get("start", ""))
        self.client = (first.get("client_ip", "").lower(), first.get("client_port", 0))
        self.server = (first.get("server_ip", "").lower(), first.get("server_port", 0))
        self.key = endpoints(first.get("ip_protocol", 0), self.client, self.server)
        self.vlans = {r[tag] for r in self.segments for tag in ("vlan", "vlan_inner") if tag in r}
        self.verdict = verdict_name(last)

    def total(self, field):
        return sum(r.get(field, 0) for r in self.segments)

    def value(self, field):
        """The first value that a segment gives, or None."""
        return next((r[field] for r in self.segments if field in r), None)


def nanoseconds(text):
    """RFC 3339 with up to nine decimals, as an integer that sorts; 0 for none. Days are counted
    with months of 31, which is enough to sort by."""
    parts = re.match(r"(\d+)-(\d+)-(\d+)T(\d+):(\d+):(\d+)(?:\.(\d+))?", text)
    if not parts:
        return 0
    year, month, day, hour, minute, second = (int(p) for p in parts.groups()[:6])
    days = (year * 12 + month) * 31 + day
    return (((days * 24 + hour) * 60 + minute) * 60 + second) * 10**9 + int(
        (parts[7] or "").ljust(9, "0")
    )


def verdict_name(row):
    """ndpiReader's way to write master and application: `TLS.Facebook`, `DNS`, `Unknown`."""
    protocol, application = row.get("protocol", "(none)"), row.get("application", "(none)")
    if application in (protocol, "Unknown"):
        return protocol
    return f"{protocol}.{application}"


def flows_by_key(run):
    """5-tuple -> its flows, in the order of their first packets."""
    segments = defaultdict(list)
    for row in run.of("flow"):
        segments[row.get("flow_id")].append(row)
    flows = defaultdict(list)
    for rows in segments.values():
        flow = Flow(rows)
        flows[flow.key].append(flow)
    for same in flows.values():
        same.sort(key=lambda f: f.start_ns)
    return flows
