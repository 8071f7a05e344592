# The corpus: which captures there are, and what the independent tools say of each. Tables are the
# tab-separated files of CORPUS/truth; `file` joins them.

import csv
import ipaddress
import os
import sys
from collections import defaultdict
from functools import cached_property

from frames import facts_of

TABLES = (
    "files",
    "libpcap",
    "flows",
    "ndpi",
    "hosts",
    "dns",
    "tls",
    "http",
    "tcp",
    "bindings",
    "dhcp",
    "clients",
)

# Link types of issue 3, by the names that capinfos gives them in files.tsv.
LINK_TYPES = {"ether", "rawip", "rawip4", "rawip6", "null", "loop", "linux-sll", "linux-sll2"}

PROTOCOLS = {"ICMP": 1, "IGMP": 2, "TCP": 6, "UDP": 17, "ICMPV6": 58, "VRRP": 112}
SCTP = 132

# DESIGN, section 5: the default of networks.local.
LOCAL = [
    ipaddress.ip_network(net)
    for net in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "fc00::/7",
        "fe80::/10",
    )
]
ROUTER_ADDRESSES = 4  # more local IPv4 addresses than this make a MAC a router


class Capture:
    """One capture with its rows of every table."""

    def __init__(self, corpus, file, rows):
        self.file = file
        self.path = os.path.join(corpus, file)
        self.rows = rows
        self.link_type = rows["files"][0]["encap"] if rows["files"] else ""
        read = (
            rows["libpcap"][0]
            if rows["libpcap"]
            else {"packets": "0", "error": "not in libpcap.tsv"}
        )
        self.packets = int(read["packets"])  # as libpcap reads them
        self.refused = read["error"]

    @cached_property
    def facts(self):
        return facts_of(self.path)

    @cached_property
    def outer_keys(self):
        """5-tuples of the outermost flows that can be compared."""
        rows = [row for row in self.rows["flows"] if row["depth"] == "0"]
        return {row_key(row) for row in rows if outer_flow_rule(row) is None}

    @cached_property
    def inner_keys(self):
        return {row_key(row) for row in self.rows["flows"] if row["depth"] != "0"}

    def left_out(self):
        """The rule that leaves the whole capture out of a comparison of contents, or None."""
        if self.refused:
            return "libpcap refuses the capture or breaks off"
        if self.link_type not in LINK_TYPES:
            return "link type not named in issue 3"
        return None


def read_table(path):
    with open(path, newline="", encoding="utf-8", errors="replace") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def read_corpus(corpus):
    """Every capture of the corpus, in the order of files.tsv."""
    by_file = defaultdict(lambda: {table: [] for table in TABLES})
    csv.field_size_limit(sys.maxsize)
    for table in TABLES:
        for row in read_table(os.path.join(corpus, "truth", table + ".tsv")):
            by_file[row["file"]][table].append(row)
    return [Capture(corpus, file, rows) for file, rows in by_file.items() if rows["files"]]


def number(text):
    """A count of the tables; an absent one is zero."""
    return int(text) if text else 0


def endpoints(protocol, a, b):
    """The key that both sides of a comparison use: one for both directions, whatever the VLAN."""
    return (protocol, *sorted((a, b)))


def row_ends(row):
    """The two ends of a row of flows.tsv or tcp.tsv."""
    a = (row["a_ip"].lower(), number(row["a_port"]))
    b = (row["b_ip"].lower(), number(row["b_port"]))
    return a, b


def row_key(row):
    return endpoints(number(row["proto"]), *row_ends(row))


def row_counts(row):
    """[packets a->b, L3 bytes a->b, packets b->a, L3 bytes b->a]"""
    return [number(row[name]) for name in ("pkts_ab", "l3_ab", "pkts_ba", "l3_ba")]


def counts_without_ndp(capture, row):
    """The row's counts less the neighbour discovery in it, which Weir consumes."""
    counts = row_counts(row)
    if number(row["proto"]) != 58:
        return counts
    (a, _), (b, _) = row_ends(row)
    there = capture.facts.ndp.get((a, b), (0, 0))
    back = capture.facts.ndp.get((b, a), (0, 0)) if a != b else (0, 0)
    return [count - ndp for count, ndp in zip(counts, (*there, *back))]


def is_named(encaps):
    """Whether every stack of encapsulations of a row is made of what issue 3 names."""
    return all(
        part.partition("=")[0]
        in ("eth", "raw", "null", "sll", "vlan", "s-vlan", "mpls", "pppoes", "ppp")
        for stack in encaps.split(" | ")
        for part in stack.split("/")
        if part
    )


def fragments(row):
    return number(row["frag_pkts_ab"]) + number(row["frag_pkts_ba"])


def outer_flow_rule(row):
    """The rule that leaves out an outermost flow of the truth, or None."""
    if not is_named(row["encaps"]):
        return "encapsulation not named in issue 3"
    if not row["a_ip"] or not row["b_ip"] or number(row["proto"]) == 0:
        return "header the truth could not read"
    if fragments(row):
        return "fragments"
    return None


def flow_rule(capture, row):
    """The same, and flows of nothing but neighbour discovery, which Weir has not."""
    rule = outer_flow_rule(row)
    if rule is None and not any(counts_without_ndp(capture, row)):
        return "neighbour discovery, consumed"
    return rule


def is_local(address):
    ip = ipaddress.ip_address(address)
    return any(ip in net for net in LOCAL if ip.version == net.version)


def routers(capture):
    """MACs behind which are more local IPv4 addresses than one host has."""
    addresses = defaultdict(set)
    for row in capture.rows["clients"]:
        if row["ip"] and ":" not in row["ip"] and is_local(row["ip"]):
            addresses[row["mac"]].add(row["ip"])
    return {mac for mac, ips in addresses.items() if len(ips) > ROUTER_ADDRESSES}
