# MAC-IP bindings that ARP, NDP and DHCP told, against bindings.tsv and dhcp.tsv. Who speaks ARP or
# NDP is on the link and so local (DESIGN, section 5).

import ipaddress
from collections import defaultdict

from outcome import Outcome
from truth import is_local, routers

ADDRESSES_MAX = 16  # SCHEMA: client.addresses
NEIGHBOUR_SOURCES = {"arp", "ndp", "dhcp"}


def told_bindings(capture):
    """(MAC, IP) -> who told it: arp, ndp, dhcp."""
    told = defaultdict(set)
    for row in capture.rows["bindings"]:
        if row["via"] in ("arp", "ndp"):
            told[row["mac"], row["ip"]].add(row["via"])
    for row in capture.rows["dhcp"]:
        if row["msg"] == "ACK" and (row["ip_src"], row["ip_dst"]) in capture.facts.dhcp:
            told[row["client_mac"], row["client_ip"]].add("dhcp")
    return told


def binding_rule(capture, mac, ip, vias, addresses, behind):
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return "not a unicast address"
    if address.is_multicast or address.is_unspecified or len(mac) != 17:
        return "not a unicast address"
    if mac == "00:00:00:00:00:00" or int(mac[:2], 16) & 1:
        return "not a unicast address"
    if "dhcp" not in vias and (mac, ip) not in capture.facts.neighbours:
        return "in a tunnel, or RARP"
    if mac in behind:
        return "a router's MAC: more than four local IPv4 addresses"
    if len(addresses[mac]) > ADDRESSES_MAX:
        return "more addresses than a client's row lists"
    return None


def bindings(capture, run, flows, settings):
    outcome, file = Outcome(), capture.file
    told = told_bindings(capture)
    if capture.left_out():
        outcome.left_out[capture.left_out()] += len(told)
        return outcome
    addresses = defaultdict(set)
    for row in capture.rows["bindings"]:
        if row["via"] != "ipsrc" or is_local(row["ip"]):
            addresses[row["mac"]].add(row["ip"])
    found, elsewhere, behind = defaultdict(set), defaultdict(set), routers(capture)
    for row in run.of("client"):
        for entry in row.get("addresses", []):
            found[row.get("mac"), entry.get("ip")].add(entry.get("source"))
            elsewhere[entry.get("ip")].add(row.get("mac"))
    macs = {row.get("mac") for row in run.of("client")}
    for (mac, ip), vias in sorted(told.items()):
        rule = binding_rule(capture, mac, ip, vias, addresses, behind)
        text = f"{mac} {ip} told by {', '.join(sorted(vias))}"
        if rule:
            outcome.left_out[rule] += 1
        elif found[mac, ip] & NEIGHBOUR_SOURCES:
            outcome.ok()
        elif found[mac, ip]:
            outcome.wrong("known by traffic only", file, text)
        elif elsewhere[ip]:
            outcome.wrong(
                "bound to another MAC", file, f"{text}: {sorted(map(str, elsewhere[ip]))}"
            )
        else:
            outcome.wrong(
                "address not in the client's row" if mac in macs else "no client row", file, text
            )
    return outcome
