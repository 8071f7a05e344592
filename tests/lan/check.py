"""What Weir said of a capture (`--profile full --format json`) against the truth of the house.

Each function compares one thing and returns what differs, in sentences for a person to read.
Field names are those of the record schema.
"""

import ipaddress
import json
from collections import Counter, defaultdict
from datetime import datetime

from capture import ICMP, ICMP6, TCP, UDP, Capture, Count

MDNS_PORT = 5353
RST = 4


class Rows:
    """The records of a run, by type."""

    def __init__(self, path):
        self.differences = []
        self.of = defaultdict(list)
        with open(path) as f:
            for number, line in enumerate(f, 1):
                try:
                    row = json.loads(line)
                    self.of[row["record"]].append(row)
                except (ValueError, KeyError, TypeError):
                    self.differences.append(f"line {number} of the output is no record: "
                                            f"{line.strip()[:100]}")

    def __getitem__(self, record):
        return self.of[record]


def check_files(rows_path, truth_path, pcap_path):
    """The differences, and in a few words what was compared."""
    rows = Rows(rows_path)
    with open(truth_path) as f:
        truth = json.load(f)
    capture = Capture(pcap_path)
    summary = (f"{capture.packets} packets, {capture.bytes} bytes, {len(capture.sides)} flow sides, "
               f"{len(rows['flow'])} flow and {len(rows['client'])} client records")
    differences = rows.differences + check_sequence(rows)
    differences += check_packets(rows["health"], capture)
    differences += check_flows(rows["flow"], capture)
    differences += check_owners(rows["flow"], truth)
    differences += check_clients(rows["client"], truth)
    inside = {a["ip"] for c in truth["clients"] if c["behind"] for a in c["addresses"]}
    for client in truth["clients"]:
        flows = flows_of(client, rows["flow"], inside)
        differences += check_visits(client, flows)
        differences += check_lookups(client, flows)
        differences += check_transfers(client, flows, capture)
        differences += check_refused(client, flows)
        differences += check_pings(client, flows)
    differences += check_names(rows["flow"], truth)
    differences += check_usage(rows["usage"], rows["flow"])
    return differences, summary


def strangers(truth, capture):
    """MAC and IP addresses in a capture that are nobody's in the house; and who should have been
    seen and was not. Used on a fresh recording."""
    macs = {c["mac"]: c["seen"] for c in truth["clients"] if c["behind"] is None}
    macs[truth["gateway"]["mac"]] = True
    found = [f"MAC {mac}" for mac in capture.senders if not macs.get(mac)]
    found += [f"silence of {mac}" for mac, seen in macs.items()
              if seen and mac not in capture.senders]
    nets = [ipaddress.ip_network(n) for n in truth["local"] + truth["sites"]]
    for ip in map(ipaddress.ip_address, capture.addresses()):
        ours = any(ip.version == net.version and ip in net for net in nets)
        nobody = ip.is_multicast or ip.is_unspecified or str(ip) == "255.255.255.255"
        if not ours and not nobody:
            found.append(f"address {ip}")
    return found


def check_sequence(rows):
    """Every record type counts its rows without gaps."""
    out = []
    for record, of in rows.of.items():
        numbers = sorted(row.get("sequence", -1) for row in of)
        if numbers != list(range(numbers[0], numbers[0] + len(of))):
            out.append(f"{record} records: their sequence has gaps or repeats")
    return out


def check_packets(health, capture):
    """The last health row: seen is what tcpdump saw, and it all ended somewhere."""
    if not health:
        return ["no health record"]
    last = max(health, key=lambda row: row["sequence"])
    interfaces = last.get("interfaces", [])
    drops = {d["reason"]: d["packets"] for d in last.get("drops", []) if d["packets"]}
    seen = {
        "packets": (last.get("packets"), capture.packets),
        "interfaces' packets": (sum(i.get("packets", 0) for i in interfaces), capture.packets),
        "interfaces' bytes": (sum(i.get("bytes", 0) for i in interfaces), capture.bytes),
        "packets in flows": (last.get("packets_in_flows"), capture.packets - capture.consumed),
        "packets consumed": (last.get("packets_consumed"), capture.consumed),
        "packets lost in the kernel": (sum(i.get("dropped_kernel", 0) for i in interfaces), 0),
    }
    out = [f"health: {what}: {is_}, should be {should}" for what, (is_, should) in seen.items()
           if is_ != should]
    if drops:
        out.append(f"health: packets were dropped that are all in order: {drops}")
    lost = {(x.get("type"), x.get("cause")): x["rows"] for x in last.get("lost", []) if x["rows"]}
    if lost:
        out.append(f"health: rows were lost: {lost}")
    return out


def endpoint(row, side):
    """Address and port of one side of a flow row, as `Capture` writes them."""
    if row.get("ip_protocol") not in (TCP, UDP):
        return row.get(side + "_ip"), 0
    return row.get(side + "_ip"), row.get(side + "_port", 0)


def check_flows(flows, capture):
    """Packets, octets and payload of each side of each flow, summed over the flow's records."""
    sides = defaultdict(Count)
    for row in flows:
        ends = endpoint(row, "client"), endpoint(row, "server")
        for direction, (a, b) in (("up", ends), ("down", ends[::-1])):
            count = [row.get(f"{what}_{direction}", 0) for what in ("packets", "bytes", "payload")]
            if row.get("ip_protocol") not in (TCP, UDP):
                count[2] = 0  # what of ICMP is payload is a matter of taste
            if count[0]:
                sides[(row.get("ip_protocol"), *a, *b)].add(*count)
    out = []
    for key in sorted(sides.keys() | capture.sides.keys(), key=str):
        is_, should = sides.get(key), capture.sides.get(key)
        if is_ != should:
            protocol, source, source_port, destination, destination_port = key
            out.append(f"flow side {protocol} {source} {source_port} -> {destination} "
                       f"{destination_port}: {is_ or 'none'}; should be {should or 'none'}")
    return out


def owners(truth):
    """Which MAC address stands for an IP address of the house."""
    of = {a["ip"]: c["mac"] for c in truth["clients"] for a in c["addresses"]}
    of.update({ip: truth["gateway"]["mac"] for ip in truth["gateway"]["addresses"]})
    return of


def check_owners(flows, truth):
    """Every local end of a flow has its MAC address, and the direction follows from the ends."""
    of = owners(truth)
    wrong = Counter()
    for row in flows:
        local = {}
        for side in ("client", "server"):
            ip, mac = row.get(side + "_ip"), row.get(side + "_mac")
            local[side] = ip in of
            if ip in of and mac != of[ip]:
                wrong[f"flows of {ip}: its {side}_mac is {mac}, should be {of[ip]}"] += 1
            if ip in of and not row.get(side + "_key"):
                wrong[f"flows of {ip}: no {side}_key"] += 1
        server = ipaddress.ip_address(row.get("server_ip", "255.255.255.255"))
        if server.is_multicast or str(server) == "255.255.255.255" or not local["client"]:
            continue
        should = "lan" if local["server"] else "out"
        if row.get("direction") != should:
            wrong[f"flows {row['client_ip']} -> {server}: direction {row.get('direction')}, "
                  f"should be {should}"] += 1
    return [f"{count} {what}" for what, count in wrong.items()]


def seconds(text):
    """RFC 3339 with nine decimals, as seconds since 1970."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(whole + "+00:00").timestamp() + float("0." + (fraction or "0"))


def check_clients(clients, truth):
    """Every client by its MAC with its name, its vendor and its addresses; and nobody else."""
    by_mac = defaultdict(list)
    for row in clients:
        by_mac[row.get("mac")].append(row)
    should = {c["mac"]: c for c in truth["clients"] if c["seen"] and c["behind"] is None}
    gateway = truth["gateway"]
    inside = {a["ip"] for c in truth["clients"] if c["behind"] for a in c["addresses"]}
    out = []
    for mac in by_mac.keys() - should.keys() - {gateway["mac"]}:
        ips = {a["ip"] for row in by_mac[mac] for a in row.get("addresses", [])}
        if mac is not None or not ips or not ips <= inside:
            out.append(f"a client that is not in the house: MAC {mac}, addresses {sorted(ips)}")
    if gateway["mac"] not in by_mac:
        out.append(f"no client record of the gateway, MAC {gateway['mac']}")
    of = owners(truth)
    for mac, client in should.items():
        rows = by_mac.get(mac)
        if not rows:
            out.append(f"no client record of '{client['id']}', MAC {mac}")
            continue
        out += [f"'{client['id']}', MAC {mac}: {what}" for what in
                client_facts(client, rows) + client_addresses(client, rows, of)]
    return out


def client_facts(client, rows):
    out = []
    names = {(n["name"].rstrip("."), n["source"]) for row in rows for n in row.get("names", [])}
    for name, source in ((client["name"], "dhcp"), (client["fqdn"], "dhcp_fqdn")):
        if name and (name, source) not in names:
            out.append(f"its name '{name}' ({source}) is missing; found {sorted(names)}")
    if client["name"] is None and names:
        out.append(f"it never said a name, yet has {sorted(names)}")
    last = rows[-1]
    for field, should in (("mac_random", client["random"]), ("mac_vendor", client["vendor"]),
                          ("dhcp_vendor_class", client["vendor_class"])):
        if last.get(field) != should and not (should is False and field not in last):
            out.append(f"{field} is {last.get(field)!r}, should be {should!r}")
    keys = {row.get("client_key") for row in rows}
    if len(keys) != 1 or None in keys:
        out.append(f"it has {len(keys)} client keys")
    return out


def client_addresses(client, rows, of):
    """Each address it had, from the time on at which it got it (to within the time that its
    program needed to ask and to tell us)."""
    since = {}
    for row in rows:
        for a in row.get("addresses", []):
            since[a["ip"]] = min(since.get(a["ip"], a["from"]), a["from"])
    out = [f"has the address {ip} of {of[ip]}" for ip in since
           if ip in of and of[ip] != client["mac"]]
    for a in client["addresses"]:
        if a["ip"] not in since:
            out.append(f"its {a['how']} address {a['ip']} is missing; found {sorted(since)}")
        elif not a["asked"] - 0.5 <= seconds(since[a["ip"]]) <= a["from"] + 3:
            out.append(f"its address {a['ip']} is said to be its own from {since[a['ip']]}, "
                       f"but it was from {datetime.utcfromtimestamp(a['from']).isoformat()}")
    return out


def flows_of(client, flows, inside):
    """A client's flows. One behind a router of its own (its address is one of `inside`) shows
    that router's MAC address."""
    if client["behind"]:
        ips = {a["ip"] for a in client["addresses"]}
        return [row for row in flows if row.get("client_ip") in ips]
    return [row for row in flows
            if row.get("client_mac") == client["mac"] and row.get("client_ip") not in inside]


def plain(name, port):
    """A server's name without the port with which it may stand in HTTP's Host."""
    return name.removesuffix(f":{port}") if name else name


def check_visits(client, flows):
    """Every site by the name the client asked for."""
    found = {(plain(row.get("server_name"), row.get("server_port")), row.get("name_source"),
              row.get("server_ip"), row.get("server_port")) for row in flows}
    out = []
    for visit in client["visits"]:
        source = {"tls": "sni", "http": "http"}[visit["how"]]
        if (visit["name"], source, visit["ip"], visit["port"]) not in found:
            near = sorted({str(f[:2]) for f in found if f[2:] == (visit["ip"], visit["port"])})
            out.append(f"'{client['id']}' visited {visit['name']} ({visit['how']}, {visit['ip']} "
                       f"port {visit['port']}): no such flow; found there: {near}")
    return out


def check_lookups(client, flows):
    """Names looked up and answered, names that do not exist, and no others."""
    found = {(entry.get("name"), entry.get("rcode")) for row in flows
             if row.get("server_port") != MDNS_PORT for entry in row.get("dns", [])}
    should = {(name, 0) for name in client["lookups"]}
    should |= {(failed["name"], failed["rcode"]) for failed in client["failed_lookups"]}
    out = [f"'{client['id']}' looked up {name}: no answer {rcode} in its flows"
           for name, rcode in sorted(should - found)]
    out += [f"'{client['id']}' did not look up {name} with answer {rcode}, its flows say so"
            for name, rcode in sorted(found - should, key=str)]
    return out


def check_transfers(client, flows, capture):
    """Downloads and uploads of known size: on the wire it is that, the overhead of TLS and HTTP, and
    what TCP sent again."""
    out = []
    for t in client["transfers"]:
        rows = [row for row in flows
                if (row.get("client_ip"), row.get("client_port")) == (t["client_ip"],
                                                                      t["client_port"])
                and (row.get("server_ip"), row.get("server_port")) == (t["ip"], t["port"])]
        ends = (t["ip"], t["port"]), (t["client_ip"], t["client_port"])
        source, destination = ends if t["direction"] == "down" else ends[::-1]
        moved = sum(row.get("payload_" + t["direction"], 0) for row in rows)
        moved -= capture.sent_again((TCP, *source, *destination))
        what = (f"'{client['id']}' moved {t['bytes']} bytes {t['direction']} at {t['name']} port "
                f"{t['port']}")
        if not t["bytes"] <= moved <= t["bytes"] * 1.05 + 4096:
            out.append(f"{what}: {len(rows)} records with {moved} bytes of payload")
        for row in rows:
            if plain(row.get("server_name"), t["port"]) != t["name"]:
                out.append(f"{what}: the server's name is {row.get('server_name')}")
        if t["how"] == "http" and rows:
            method = "GET" if t["direction"] == "down" else "POST"
            said = {(row.get("http_method"), row.get("http_status")) for row in rows}
            if (method, 200) not in said:
                out.append(f"{what}: by {method} with status 200, not {said}")
    return out


def check_refused(client, flows):
    out = []
    for refused in client["refused"]:
        rows = [row for row in flows if row.get("server_ip") == refused["ip"]
                and row.get("server_port") == refused["port"]
                and row.get("ip_protocol") == TCP]
        if not any(row.get("tcp_flags_down", 0) & RST for row in rows):
            out.append(f"'{client['id']}' was refused at {refused['ip']} port {refused['port']}: "
                       f"{len(rows)} records, none with the server's reset")
    return out


def check_pings(client, flows):
    out = []
    for ping in client["pings"]:
        protocol = ICMP6 if ":" in ping["ip"] else ICMP
        rows = [row for row in flows if row.get("server_ip") == ping["ip"]
                and row.get("ip_protocol") == protocol]
        each = -(-(ping["size"] + 8) // 1480)  # packets, when it is fragmented
        counts = tuple(sum(row.get(f"packets_{d}", 0) for row in rows) for d in ("up", "down"))
        should = (ping["sent"] * each, ping["received"] * each)
        if counts != should:
            out.append(f"'{client['id']}' pinged {ping['ip']}: {counts} packets up and down, "
                       f"should be {should}")
    return out


def check_names(flows, truth):
    """No flow carries a name for which that client never asked."""
    asked = defaultdict(set)
    for client in truth["clients"]:
        asked[client["mac"]] |= set(client["lookups"])
    wrong = Counter((row.get("client_mac"), row["server_name"]) for row in flows
                    if "server_name" in row and plain(row["server_name"], row.get("server_port"))
                    not in asked[row.get("client_mac")])
    return [f"{count} flows of {mac} bear the name {name}, for which it never asked"
            for (mac, name), count in wrong.items()]


def check_usage(usage, flows):
    """Usage rows add up to the flows: for each client, and in all."""
    booked, moved = defaultdict(Counter), defaultdict(Counter)
    for row in usage:
        if "client_key" not in row and ("application" in row or "category" in row):
            continue  # folded rows of few clients
        for d in ("up", "down"):
            booked[row.get("client_key", "all")].update(
                {f"{what}_{d}": row.get(f"{what}_{d}", 0) for what in ("bytes", "packets")})
    for row in flows:
        for key, up, down in ((row.get("client_key"), "up", "down"),
                              (row.get("server_key"), "down", "up"), ("all", "up", "down")):
            for what in ("bytes", "packets"):
                if key:
                    moved[key].update({f"{what}_up": row.get(f"{what}_{up}", 0),
                                       f"{what}_down": row.get(f"{what}_{down}", 0)})
    return [f"usage of {key}: {dict(booked[key])}, its flows say {dict(moved[key])}"
            for key in sorted(booked.keys() | moved.keys()) if booked[key] != moved[key]]
