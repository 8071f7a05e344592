#!/usr/bin/python3
"""Shows that the check of the house passes records that are right, and names each kind of wrong one.

The right records are made here from the committed capture and its truth, and then spoiled one by one.
"""

import copy
import json
import os
import struct
import sys
import tempfile
import unittest
from datetime import datetime, timezone

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import check
from capture import Capture, TCP

PCAP, TRUTH = os.path.join(HERE, "house.pcap"), os.path.join(HERE, "truth.json")
PHONE, LAPTOP, THERMOSTAT = "3e:8b:5f:21:c4:07", "ac:ed:5c:38:0b:71", "ec:e5:12:0c:aa:4f"


def when(seconds):
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


def flow_rows(capture, of):
    """The capture's flows; whoever sent first is the client."""
    rows, seen = [], set()
    for key, up in list(capture.sides.items()):
        protocol, source, source_port, destination, destination_port = key
        back = (protocol, destination, destination_port, source, source_port)
        if back in seen:
            continue
        seen.add(key)
        down = capture.sides.get(back)
        row = {"record": "flow", "ip_protocol": protocol, "client_ip": source,
               "client_port": source_port, "server_ip": destination,
               "server_port": destination_port}
        for direction, count in (("up", up), ("down", down)):
            if count:
                row.update({f"packets_{direction}": count.packets,
                            f"bytes_{direction}": count.octets,
                            f"payload_{direction}": count.payload})
        for side, ip in (("client", source), ("server", destination)):
            if ip in of:
                row[side + "_mac"], row[side + "_key"] = of[ip], of[ip]
        row["direction"] = "lan" if destination in of else "out"
        rows.append(row)
    return rows


def name_flows(client, rows):
    """What the client's flows say besides numbers, as the truth has it."""
    for row in rows:
        for visit in client["visits"]:
            if (row["server_ip"], row["server_port"]) == (visit["ip"], visit["port"]):
                row["server_name"] = visit["name"]
                row["name_source"] = {"tls": "sni", "http": "http"}[visit["how"]]
        for t in client["transfers"]:
            if (row["client_port"], row["server_ip"]) == (t["client_port"], t["ip"]):
                row["http_method"] = "GET" if t["direction"] == "down" else "POST"
                row["http_status"] = 200
        for refused in client["refused"]:
            if (row["server_ip"], row["server_port"]) == (refused["ip"], refused["port"]):
                row["tcp_flags_down"] = check.RST
    answers = [{"name": name, "rcode": 0} for name in client["lookups"]]
    answers += client["failed_lookups"]
    if answers:
        next(row for row in rows if row["server_port"] == 53)["dns"] = copy.deepcopy(answers)


def client_rows(truth):
    rows = [{"record": "client", "mac": truth["gateway"]["mac"],
             "client_key": truth["gateway"]["mac"]}]
    for c in truth["clients"]:
        if not c["seen"] or c["behind"]:
            continue
        row = {"record": "client", "mac": c["mac"], "client_key": c["mac"],
               "mac_random": c["random"]}
        row["addresses"] = [{"ip": a["ip"], "from": when(a["from"])} for a in c["addresses"]]
        row["names"] = [{"name": c[field], "source": source}
                        for field, source in (("name", "dhcp"), ("fqdn", "dhcp_fqdn")) if c[field]]
        for field, value in (("mac_vendor", c["vendor"]),
                             ("dhcp_vendor_class", c["vendor_class"])):
            if value:
                row[field] = value
        rows.append(row)
    return rows


def right_rows(pcap=PCAP):
    with open(TRUTH) as f:
        truth = json.load(f)
    capture = Capture(pcap)
    flows = flow_rows(capture, check.owners(truth))
    inside = {a["ip"] for c in truth["clients"] if c["behind"] for a in c["addresses"]}
    for client in truth["clients"]:
        name_flows(client, check.flows_of(client, flows, inside))
    usage = []
    for row in flows:  # a row for every delta: they only have to add up
        for key, up, down in ((row.get("client_key"), "up", "down"),
                              (row.get("server_key"), "down", "up"), ("", "up", "down")):
            if key is not None:
                usage.append({"record": "usage", **({"client_key": key} if key else {}),
                              **{f"{what}_{to}": row.get(f"{what}_{side}", 0)
                                 for what in ("bytes", "packets")
                                 for to, side in (("up", up), ("down", down))}})
    health = {"record": "health", "packets": capture.packets,
              "packets_in_flows": capture.packets - capture.consumed,
              "packets_consumed": capture.consumed, "drops": [],
              "interfaces": [{"name": "lan0", "packets": capture.packets,
                              "bytes": capture.bytes, "dropped_kernel": 0}]}
    rows = {"flow": flows, "client": client_rows(truth), "usage": usage, "health": [health]}
    for of in rows.values():
        for number, row in enumerate(of):
            row["sequence"] = number
    return rows


def the(rows, **fields):
    """The first row with these values."""
    return next(row for row in rows if all(row.get(k) == v for k, v in fields.items()))


# What is spoiled -> what the check must say.
WRONGS = {
    "a packet too many": (lambda r: r["health"][0].update(packets=1), "health: packets: 1,"),
    "a byte too few on the interface": (
        lambda r: r["health"][0]["interfaces"][0].update(bytes=1), "interfaces' bytes: 1,"),
    "a loss in the kernel": (
        lambda r: r["health"][0]["interfaces"][0].update(dropped_kernel=3), "kernel: 3,"),
    "consumed what is a flow's": (
        lambda r: r["health"][0].update(packets_consumed=9), "packets consumed: 9,"),
    "a drop": (lambda r: r["health"][0].update(drops=[{"reason": "short", "packets": 1}]),
               "dropped that are all in order"),
    "rows lost": (lambda r: r["health"][0].update(lost=[{"cause": "queue_full", "rows": 1}]),
                  "rows were lost"),
    "no health": (lambda r: r["health"].clear(), "no health record"),
    "a byte of a flow": (lambda r: r["flow"][40].update(bytes_up=1), "flow side"),
    "a packet of a flow": (lambda r: r["flow"][41].update(packets_up=1000), "flow side"),
    "a flow missing": (lambda r: r["flow"].pop(), "flow side"),
    "a flow twice": (lambda r: r["flow"].append({**r["flow"][3], "sequence": len(r["flow"])}),
                     "flow side"),
    "sides turned": (lambda r: swap(the(r["flow"], server_name="www.netflix.com")), "flow side"),
    "a gap": (lambda r: r["usage"][5].update(sequence=10**6), "gaps or repeats"),
    "a client missing": (lambda r: r["client"].remove(the(r["client"], mac=PHONE)),
                         "no client record of 'iphone'"),
    "a client too many": (lambda r: r["client"].append(
        {"record": "client", "mac": "60:8b:0e:44:f2:18", "sequence": len(r["client"])}),
        "not in the house: MAC 60:8b:0e:44:f2:18"),
    "no gateway": (lambda r: r["client"].pop(0), "no client record of the gateway"),
    "another's name": (lambda r: the(r["client"], mac=PHONE).update(
        names=[{"name": "nas", "source": "dhcp"}]), "its name 'Annas-iPhone' (dhcp) is missing"),
    "no random flag": (lambda r: the(r["client"], mac=PHONE).pop("mac_random"), "mac_random is"),
    "another vendor": (lambda r: the(r["client"], mac=LAPTOP).update(mac_vendor="HP Inc."),
                       "mac_vendor is"),
    "no vendor class": (lambda r: the(r["client"], mac=THERMOSTAT).pop("dhcp_vendor_class"),
                        "dhcp_vendor_class is"),
    "two keys of a client": (lambda r: r["client"].append(
        {**the(r["client"], mac=LAPTOP), "client_key": "x", "sequence": len(r["client"])}),
        "it has 2 client keys"),
    "the second address": (lambda r: the(r["client"], mac=THERMOSTAT)["addresses"].pop(),
                           "dhcp address 192.168.77.177 is missing"),
    "an address too early": (lambda r: the(r["client"], mac=THERMOSTAT)["addresses"][1].update(
        {"from": the(r["client"], mac=THERMOSTAT)["addresses"][0]["from"]}),
        "its address 192.168.77.177 is said to be"),
    "another's address": (lambda r: the(r["client"], mac=LAPTOP)["addresses"].append(
        {"ip": "192.168.77.5", "from": when(0)}), "has the address 192.168.77.5 of"),
    "another's flow": (lambda r: the(r["flow"], client_mac=PHONE, name_source="sni").update(
        client_mac=LAPTOP), "its client_mac is"),
    "a flow without a key": (lambda r: the(r["flow"], client_mac=PHONE).pop("client_key"),
                             "no client_key"),
    "a flow's direction": (lambda r: the(r["flow"], server_name="nas.home.arpa").update(
        direction="out"), "direction out, should be lan"),
    "a site missing": (lambda r: the(r["flow"], server_name="mail.example.net",
                                     client_mac=PHONE).pop("server_name"),
                       "'iphone' visited mail.example.net"),
    "a name from elsewhere": (lambda r: the(r["flow"], server_name="shop.example.co.uk").update(
        name_source="dns_cache"), "visited shop.example.co.uk"),
    "a name never asked for": (lambda r: the(r["flow"], client_mac=LAPTOP, server_port=81).update(
        server_name="www.netflix.com"), "for which it never asked"),
    "a look-up missing": (lambda r: the(r["flow"], client_mac=PHONE, server_port=53)["dns"].pop(),
                          "'iphone' looked up"),
    "a failed look-up that succeeds": (lambda r: answer(r, "wpad.example.org", 0),
                                       "looked up wpad.example.org: no answer 3"),
    "no status": (lambda r: [row.pop("http_status", 0) for row in r["flow"]], "with status 200"),
    "no reset": (lambda r: the(r["flow"], server_port=81).pop("tcp_flags_down"), "was refused at"),
    "usage of nobody": (lambda r: r["usage"].append(
        {"record": "usage", "client_key": "z", "bytes_up": 1, "sequence": len(r["usage"])}),
        "usage of z"),
    "the total": (lambda r: next(row for row in r["usage"] if "client_key" not in row).update(
        bytes_up=10**9), "usage of all"),
    "text between the records": (lambda r: r["flow"].append("12 packets"), "is no record"),
}


def swap(row):
    for what in ("packets", "bytes", "payload"):
        row[what + "_up"], row[what + "_down"] = row[what + "_down"], row[what + "_up"]


def answer(rows, name, rcode):
    for row in rows["flow"]:
        for entry in row.get("dns", []):
            if entry["name"] == name:
                entry["rcode"] = rcode


def write_with_repeats(path):
    """The day, but each frame of a full TCP segment came twice."""
    with open(PCAP, "rb") as f:
        day = f.read()
    with open(path, "wb") as f:
        f.write(day[:24])
        at = 24
        while at < len(day):
            length, = struct.unpack_from("<I", day, at + 8)
            record = day[at:at + 16 + length]
            full = length > 1400 and record[28:30] == b"\x08\x00" and record[39] == TCP
            f.write(record * (2 if full else 1))
            at += len(record)


class CheckTest(unittest.TestCase):
    def differences(self, rows, pcap=PCAP):
        with tempfile.NamedTemporaryFile("w") as f:
            for of in rows.values():
                f.writelines(json.dumps(row) + "\n" for row in of)
            f.flush()
            return check.check_files(f.name, TRUTH, pcap)[0]

    def test_right_records_pass(self):
        self.assertEqual(self.differences(right_rows()), [])

    def test_each_wrong_is_named(self):
        right = right_rows()
        for name, (spoil, said) in WRONGS.items():
            with self.subTest(name):
                rows = copy.deepcopy(right)
                spoil(rows)
                found = self.differences(rows)
                self.assertTrue(any(said in line for line in found), f"not said: {found}")

    def test_pings_are_counted(self):
        rows = right_rows()
        ping = the(rows["flow"], client_mac=LAPTOP, ip_protocol=1)
        ping["packets_up"] += 1
        self.assertTrue(any("'laptop' pinged" in line for line in self.differences(rows)))

    def test_transfers_are_measured(self):
        rows = right_rows()
        the(rows["flow"], client_mac=LAPTOP, server_name="github.com")["payload_down"] = 1000
        self.assertTrue(any("'laptop' moved 90000 bytes down at github.com" in line
                            for line in self.differences(rows)))

    def test_what_tcp_sent_again_is_no_transfer(self):
        with tempfile.NamedTemporaryFile() as f:
            write_with_repeats(f.name)
            twice, once = Capture(f.name), Capture(PCAP)
            more = {key: count.payload - once.sides[key].payload
                    for key, count in twice.sides.items() if key[0] == TCP}
            self.assertGreater(sum(more.values()), 10**6)
            for key, octets in more.items():
                self.assertEqual(twice.sent_again(key), octets)
            moved = [line for line in self.differences(right_rows(f.name), f.name)
                     if "moved" in line]
            self.assertEqual(moved, [])

    def test_sequence_numbers_wrap(self):
        capture, key = Capture(PCAP), (TCP, "192.168.77.5", 1, "192.168.77.6", 2)
        segments = [(2**32 - 100, 100), (100, 50), (0, 100), (2**32 - 50, 100), (300, 10)]
        for number, octets in segments:
            capture.add_segment(key, number, octets)
        self.assertEqual(capture.sent_again(key), 100)

    def test_strangers_in_a_recording(self):
        capture = Capture(PCAP)
        with open(TRUTH) as f:
            truth = json.load(f)
        self.assertEqual(check.strangers(truth, capture), [])
        capture.sides[(TCP, "192.168.77.5", 1, "8.8.8.8", 443)].add(1, 40, 0)
        capture.senders |= {"02:fc:00:00:00:01"}
        capture.senders -= {PHONE}
        self.assertEqual(sorted(check.strangers(truth, capture)),
                         ["MAC 02:fc:00:00:00:01", "address 8.8.8.8", f"silence of {PHONE}"])


if __name__ == "__main__":
    unittest.main()
