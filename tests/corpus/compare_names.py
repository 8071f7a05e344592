# Names in DNS questions, TLS ClientHellos and HTTP Hosts, each for the client that sent it, against
# hosts.tsv. Judged where the name stands whole in one packet outside tunnels.

import re
from collections import defaultdict

from outcome import Outcome
from truth import endpoints, is_local, number, routers

# via -> the table of the messages behind it, and the column of the name.
MESSAGES = {"dns": ("dns", "qname"), "sni": ("tls", "sni_or_san"), "http": ("http", "host")}


def asked_on_port_53(capture, client, name):
    return any(
        row["client_ip"] == client
        and row["server_port"] == "53"
        and row["qr"] == "Q"
        and name in row["qname"].split(",")
        for row in capture.rows["dns"]
    )


def said_outside_tunnels(capture, row):
    """Whether one of the messages that carry the name belongs to an outermost flow."""
    table, column = MESSAGES[row["via"]]
    for said in capture.rows[table]:
        if said["client_ip"] != row["client_ip"] or row["name"] not in said[column].split(","):
            continue
        client = (said["client_ip"].lower(), number(said["client_port"]))
        server = (said["server_ip"].lower(), number(said["server_port"]))
        if any(endpoints(protocol, client, server) in capture.outer_keys for protocol in (6, 17)):
            return True
    return False


def name_rule(capture, row):
    """The rule that leaves out a name, or None."""
    client, name, via = row["client_ip"].lower(), row["name"], row["via"]
    if not name or name[0] == "<" or "\\" in name or any(not 33 <= ord(c) < 127 for c in name):
        return "no name, or bytes the truth could not print"
    if via == "dns" and not asked_on_port_53(capture, client, name):
        return "DNS elsewhere than on port 53 (DNS over HTTP, damaged ports)"
    if not said_outside_tunnels(capture, row):
        return "in a tunnel, in fragments or in an encapsulation not named in issue 3"
    facts = capture.facts
    whole = {
        "dns": facts.has_question,
        "sni": facts.has_hello,
        "http": lambda of, host: host in facts.hosts[of],
    }
    return (
        None if whole[via](client, name) else "does not stand whole in one packet outside tunnels"
    )


def without_port(host):
    """The host of a Host header (RFC 9110, section 7.2): no port, no brackets."""
    return re.sub(r":\d*$", "", host) if host[0] != "[" else host[1:].partition("]")[0]


def flow_says(row, via, name):
    if via == "dns":
        return any(entry.get("name") == name for entry in row.get("dns", []))
    accepted = (name, without_port(name)) if via == "http" else (name,)
    return row.get("server_name") in accepted and row.get("name_source") == via


def right_mac(flow_row, row, macs, on_link, behind):
    """The client's MAC is the truth's, or where that has the address under several, one of them; a
    row may lack it where the client is not local or stands behind a router, or where the link has
    none."""
    if not row["client_mac"]:
        return True
    if "client_mac" in flow_row:
        return flow_row["client_mac"] in macs[row["client_ip"]] | {row["client_mac"]}
    local = is_local(row["client_ip"]) or (row["client_mac"], row["client_ip"]) in on_link
    return not local or row["client_mac"] in behind


def names(capture, run, flows, settings):
    outcome, file = Outcome(), capture.file
    rows = [row for row in capture.rows["hosts"] if row["via"] in ("dns", "sni", "http")]
    if capture.left_out():
        outcome.left_out[capture.left_out()] += len(rows)
        return outcome
    on_link = {(r["mac"], r["ip"]) for r in capture.rows["bindings"] if r["via"] in ("arp", "ndp")}
    behind, flow_rows, macs = routers(capture), run.of("flow"), defaultdict(set)
    for row in capture.rows["clients"]:
        macs[row["ip"]].add(row["mac"])
    for row in rows:
        rule = name_rule(capture, row)
        if rule:
            outcome.left_out[rule] += 1
            continue
        said = [r for r in flow_rows if flow_says(r, row["via"], row["name"])]
        of_client = [r for r in said if r.get("client_ip", "").lower() == row["client_ip"].lower()]
        client = f"{row['client_ip']} {row['client_mac']}"
        text = f"{row['via']} {row['name']} of {client} (frame {row['first_frame']})"
        if any(right_mac(r, row, macs, on_link, behind) for r in of_client):
            outcome.ok()
        elif of_client:
            outcome.wrong(
                f"{row['via']}: wrong client_mac", file, f"{text}: {of_client[0].get('client_mac')}"
            )
        elif said:
            outcome.wrong(
                f"{row['via']}: another client", file, f"{text}: {said[0].get('client_ip')}"
            )
        else:
            outcome.wrong(f"{row['via']}: not found", file, text)
    return outcome
