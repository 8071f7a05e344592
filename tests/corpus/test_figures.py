#!/usr/bin/env python3
"""The comparison itself, tested: on a small corpus made here every measure passes what is right,
and fails, alone, on each kind of thing that can be wrong. Needs neither Weir nor the corpus."""

import copy
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from frames import facts_of  # noqa: E402
from runner import parse_rows  # noqa: E402

CLIENT, GATEWAY, SERVER, WEB = "192.168.1.10", "192.168.1.1", "192.0.2.5", "192.0.2.6"
CLIENT_MAC, GATEWAY_MAC = "00:11:22:33:44:0a", "00:11:22:33:44:01"
LINK_A, LINK_B = "fe80::10", "fe80::1"
HEADERS = {
    "files": "file encap frag_pkts",
    "libpcap": "file packets error",
    "flows": "file depth encaps proto a_ip a_port b_ip b_port pkts_ab l3_ab pkts_ba l3_ba"
    " frag_pkts_ab frag_pkts_ba",
    "ndpi": "file l4 src_ip src_port dst_ip dst_port vlan proto_noguess",
    "hosts": "file client_mac client_ip name via first_frame",
    "dns": "file qr client_ip client_port server_ip server_port qname",
    "tls": "file client_ip client_port server_ip server_port sni_or_san",
    "http": "file client_ip client_port server_ip server_port host",
    "tcp": "file a_ip a_port b_ip b_port syn synack handshake irtt rtt_synack rtt_ack"
    " rtx_seq_ab rtx_seq_ba ooo_seq_ab ooo_seq_ba ts_zerowin_ab ts_zerowin_ba"
    " syn_rtx_ab syn_rtx_ba fin_rtx_ab fin_rtx_ba",
    "bindings": "file mac ip via",
    "dhcp": "file msg client_mac client_ip ip_src ip_dst",
    "clients": "file mac ip",
}


def mac_bytes(mac):
    return bytes.fromhex(mac.replace(":", ""))


def ethernet(kind, payload, source=CLIENT_MAC):
    target = GATEWAY_MAC if source == CLIENT_MAC else CLIENT_MAC
    return mac_bytes(target) + mac_bytes(source) + struct.pack(">H", kind) + payload


def ipv4(protocol, source, target, payload, fragment=0):
    addresses = b"".join(bytes(int(n) for n in ip.split(".")) for ip in (source, target))
    return (
        struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 1, fragment, 64, protocol, 0)
        + addresses
        + payload
    )


def udp(sport, dport, payload):
    return struct.pack(">HHHH", sport, dport, 8 + len(payload), 0) + payload


def tcp(sport, dport, flags, payload=b""):
    return struct.pack(">HHIIBBHHH", sport, dport, 1, 1, 0x50, flags, 8192, 0, 0) + payload


def ipv6(source, target, payload):
    # Addresses fe80::N only.
    ends = b"".join(
        b"\xfe\x80" + bytes(12) + struct.pack(">H", int(ip[6:], 16)) for ip in (source, target)
    )
    return struct.pack(">IHBB", 0x60000000, len(payload), 58, 255) + ends + payload


def dns_question(name):
    wire = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
    return struct.pack(">6H", 1, 0x100, 1, 0, 0, 0) + wire + b"\0\1\0\1"


def client_hello(name):
    entry = b"\0" + struct.pack(">H", len(name)) + name.encode()
    extension = struct.pack(">HHH", 0, len(entry) + 2, len(entry)) + entry
    body = (
        b"\x03\x03"
        + bytes(32)
        + b"\0"
        + b"\0\2\x13\x01"
        + b"\1\0"
        + struct.pack(">H", len(extension))
        + extension
    )
    return (
        b"\x16\x03\x01"
        + struct.pack(">H", len(body) + 4)
        + b"\x01\0"
        + struct.pack(">H", len(body))
        + body
    )


def house_frames():
    """Thirteen: ARP, NDP, an echo beside it, DNS, DHCP, a handshake and TLS, HTTP, fragments."""
    arp = (
        b"\0\1\x08\0\6\4\0\1"
        + mac_bytes(CLIENT_MAC)
        + bytes([192, 168, 1, 10])
        + bytes(6)
        + bytes([192, 168, 1, 1])
    )
    option = b"\1\1" + mac_bytes(CLIENT_MAC)
    solicitation = b"\x87" + bytes(7) + b"\xfe\x80" + bytes(13) + b"\1" + option
    hello = tcp(40000, 443, 0x18, client_hello("www.example.com"))
    request = tcp(40001, 80, 0x18, b"GET / HTTP/1.1\r\nHost: Shop.example:8080\r\n\r\n")
    return [
        ethernet(0x0806, arp),
        ethernet(0x86DD, ipv6(LINK_A, LINK_B, solicitation)),
        ethernet(0x86DD, ipv6(LINK_A, LINK_B, b"\x80" + bytes(7))),
        ethernet(0x0800, ipv4(17, CLIENT, GATEWAY, udp(5000, 53, dns_question("Example.com")))),
        ethernet(
            0x0800,
            ipv4(17, GATEWAY, CLIENT, udp(53, 5000, dns_question("Example.com"))),
            GATEWAY_MAC,
        ),
        ethernet(0x0800, ipv4(17, GATEWAY, CLIENT, udp(67, 68, bytes(240))), GATEWAY_MAC),
        ethernet(0x0800, ipv4(6, CLIENT, SERVER, tcp(40000, 443, 2))),
        ethernet(0x0800, ipv4(6, SERVER, CLIENT, tcp(443, 40000, 18)), GATEWAY_MAC),
        ethernet(0x0800, ipv4(6, CLIENT, SERVER, tcp(40000, 443, 16))),
        ethernet(0x0800, ipv4(6, CLIENT, SERVER, hello)),
        ethernet(0x0800, ipv4(6, CLIENT, WEB, request)),
        ethernet(0x0800, ipv4(17, CLIENT, SERVER, udp(7000, 7001, bytes(32)), 0x2000)),
        ethernet(0x0800, ipv4(17, CLIENT, SERVER, bytes(32), 5)),
    ]


def pcap(frames, link=1):
    data = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, link)
    return data + b"".join(
        struct.pack("<IIII", n, 0, len(f), len(f)) + f for n, f in enumerate(frames)
    )


def pcapng(frames, link=1):
    def block(kind, body):
        body += bytes(-len(body) % 4)
        return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)

    data = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)) + block(
        1, struct.pack("<HHI", link, 0, 0)
    )
    return data + b"".join(
        block(6, struct.pack("<IIIII", 0, 0, 0, len(f), len(f)) + f) for f in frames
    )


HOUSE, CUT, PPP = "lan/house.pcap", "malformed/cut.pcap", "linktype/ppp.pcap"


def truth_tables():
    """What the independent tools would say of the three captures."""
    tls = len(ipv4(6, CLIENT, SERVER, tcp(1, 1, 0, client_hello("www.example.com"))))
    return {
        "files": [[HOUSE, "ether", 2], [CUT, "ether", 0], [PPP, "ppp", 0]],
        "libpcap": [[HOUSE, 13, ""], [CUT, 1, "truncated dump file"], [PPP, 2, ""]],
        "flows": [
            [HOUSE, 0, "eth", 58, LINK_A, 0, LINK_B, 0, 2, 72 + 48, 0, 0, 0, 0],
            [HOUSE, 0, "eth", 17, CLIENT, 5000, GATEWAY, 53, 1, 57, 1, 57, 0, 0],
            [HOUSE, 0, "eth", 17, GATEWAY, 67, CLIENT, 68, 1, 268, 0, 0, 0, 0],
            [HOUSE, 0, "eth", 6, CLIENT, 40000, SERVER, 443, 3, 80 + tls, 1, 40, 0, 0],
            [HOUSE, 0, "eth", 6, CLIENT, 40001, WEB, 80, 1, 83, 0, 0, 0, 0],
            [HOUSE, 0, "eth", 17, CLIENT, 7000, SERVER, 7001, 2, 112, 0, 0, 1, 0],
            [HOUSE, 1, "eth/ip/gre", 6, "10.9.9.9", 1, "10.9.9.8", 2, 1, 40, 0, 0, 0, 0],
            [HOUSE, 1, "eth/ip/gre", 6, CLIENT, 40001, WEB, 80, 1, 83, 0, 0, 0, 0],
            [PPP, 0, "ppp", 6, CLIENT, 1, SERVER, 2, 2, 80, 0, 0, 0, 0],
        ],
        "ndpi": [
            [HOUSE, "TCP", SERVER, 443, CLIENT, 40000, "", "TLS.Facebook"],
            [HOUSE, "UDP", CLIENT, 5000, GATEWAY, 53, "", "DNS"],
            [HOUSE, "TCP", CLIENT, 40001, WEB, 80, "", "HTTP"],
            [HOUSE, "UDP", CLIENT, 7000, SERVER, 7001, "", "Unknown"],
            [HOUSE, "TCP", "10.9.9.9", 1, "10.9.9.8", 2, "", "SSH"],
        ],
        "hosts": [
            [HOUSE, CLIENT_MAC, CLIENT, "Example.com", "dns", 4],
            [HOUSE, CLIENT_MAC, CLIENT, "www.example.com", "sni", 10],
            [HOUSE, CLIENT_MAC, CLIENT, "Shop.example:8080", "http", 11],
            [HOUSE, CLIENT_MAC, CLIENT, "post.quantum.example", "sni", 12],
            [HOUSE, CLIENT_MAC, CLIENT, "<Root>", "dns", 12],
            [HOUSE, CLIENT_MAC, CLIENT, "printer", "dhcp", 6],
        ],
        "dns": [[HOUSE, "Q", CLIENT, 5000, GATEWAY, 53, "Example.com"]],
        "tls": [
            [HOUSE, CLIENT, 40000, SERVER, 443, "www.example.com"],
            [HOUSE, CLIENT, 40000, SERVER, 443, "post.quantum.example"],
        ],
        "http": [[HOUSE, CLIENT, 40001, WEB, 80, "Shop.example:8080"]],
        "tcp": [
            [
                HOUSE,
                CLIENT,
                40000,
                SERVER,
                443,
                1,
                1,
                "complete",
                "0.012345600",
                "0.012000100",
                "0.000345500",
                *(2, 0, 0, 1, 0, 0, 0, 0, 0, 0),
            ],
            [
                HOUSE,
                CLIENT,
                40000,
                SERVER,
                443,
                2,
                2,
                "complete",
                "0.000100000",
                "0.800000000",
                "0.100000000",
                *(1, 0, 0, 0, 0, 0, 1, 1, 0, 0),
            ],
            [HOUSE, CLIENT, 40001, WEB, 80, 0, 0, "none", "", "", "", *[0] * 10],
            [
                *(
                    HOUSE,
                    CLIENT,
                    40001,
                    WEB,
                    80,
                    1,
                    1,
                    "complete",
                    "",
                    "0.000000000",
                    "0.000000000",
                ),
                *[0] * 10,
            ],
        ],
        "bindings": [
            [HOUSE, CLIENT_MAC, CLIENT, "arp"],
            [HOUSE, CLIENT_MAC, LINK_A, "ndp"],
            [HOUSE, GATEWAY_MAC, GATEWAY, "ipsrc"],
            [HOUSE, "00:11:22:33:44:77", "10.9.9.9", "arp"],
        ],
        "dhcp": [[HOUSE, "ACK", CLIENT_MAC, "192.168.1.11", GATEWAY, CLIENT]],
        "clients": [[HOUSE, CLIENT_MAC, CLIENT], [HOUSE, GATEWAY_MAC, GATEWAY]],
    }


def flow(flow_id, ip_protocol, server, sport, dport, counts, **more):
    fields = dict(zip(("packets_up", "bytes_up", "packets_down", "bytes_down"), counts))
    return {
        "record": "flow",
        "flow_id": flow_id,
        "segment": 0,
        "start": f"2026-01-01T00:00:0{flow_id}.000000000Z",
        "client_ip": CLIENT,
        "client_mac": CLIENT_MAC,
        "client_port": sport,
        "server_ip": server,
        "server_port": dport,
        "ip_protocol": ip_protocol,
        "protocol": "Unknown",
        "application": "Unknown",
        **fields,
        **more,
    }


def health(packets, in_flows, consumed, dropped):
    drops = [{"reason": "link_type", "packets": dropped}] if dropped else []
    return {
        "record": "health",
        "packets": packets,
        "packets_in_flows": in_flows,
        "packets_consumed": consumed,
        "drops": drops,
    }


def right_runs():
    """file -> (rows, exit status, standard error) of a Weir without fault. The DHCP flow has its
    client at truth's b end, the TLS flow comes in two segments, the fragment in a flow of its own.
    """
    tls = len(ipv4(6, CLIENT, SERVER, tcp(1, 1, 0, client_hello("www.example.com"))))
    rtts = {"rtt_server_us": 12000, "rtt_client_us": 346}
    again = {"retransmissions_up": 2, "syn_retransmissions": 2, "out_of_order_down": 1}
    sni = {"server_name": "www.example.com", "name_source": "sni"}
    verdict = {"protocol": "TLS", "application": "Facebook"}
    addresses = [
        {"ip": CLIENT, "source": "arp"},
        {"ip": "192.168.1.11", "source": "dhcp"},
        {"ip": LINK_A, "source": "ndp"},
    ]
    rows = [
        flow(1, 58, LINK_B, 0, 0, (1, 48, 0, 0), client_ip=LINK_A),
        flow(
            2,
            17,
            GATEWAY,
            5000,
            53,
            (1, 57, 1, 57),
            protocol="DNS",
            application="DNS",
            dns=[{"name": "Example.com"}],
        ),
        flow(3, 17, GATEWAY, 68, 67, (0, 0, 1, 268)),
        flow(4, 6, SERVER, 40000, 443, (2, 80, 1, 40), **rtts, **again),
        flow(
            4,
            6,
            SERVER,
            40000,
            443,
            (1, tls, 0, 0),
            segment=1,
            retransmissions_up=1,
            **sni,
            **verdict,
        ),
        flow(
            5,
            6,
            WEB,
            40001,
            80,
            (1, 83, 0, 0),
            protocol="HTTP",
            application="HTTP",
            server_name="Shop.example:8080",
            name_source="http",
        ),
        flow(6, 17, SERVER, 7000, 7001, (1, 60, 0, 0)),
        flow(7, 17, SERVER, 0, 0, (1, 52, 0, 0)),
        {"record": "client", "mac": CLIENT_MAC, "addresses": addresses},
        health(13, 11, 2, 0),
    ]
    return {
        HOUSE: [rows, 0, ""],
        CUT: [[health(1, 0, 1, 0)], 1, "weir: 'cut.pcap': truncated dump file"],
        PPP: [[health(2, 0, 0, 2)], 0, ""],
    }


class FiguresTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.corpus = os.path.join(self.folder.name, "corpus")
        os.makedirs(os.path.join(self.corpus, "truth"))
        captures = {
            HOUSE: pcap(house_frames()),
            CUT: pcap(house_frames()[:1]) + b"\0\0",
            PPP: pcapng([bytes(44)] * 2, 9),
        }
        for file, data in captures.items():
            self.write(os.path.join("corpus", file), data)
        for table, rows in truth_tables().items():
            lines = [HEADERS[table].split(), *rows]
            text = "".join("\t".join(map(str, line)) + "\n" for line in lines)
            self.write(os.path.join("corpus", "truth", table + ".tsv"), text.encode())
        # The program under test: prints what the test laid down for the capture.
        self.weir = os.path.join(self.folder.name, "weir")
        self.write(
            "weir",
            f"""#!/bin/sh
run={self.folder.name}/runs/$(basename "$3")
cat "$run.out"; cat "$run.err" >&2
status=$(cat "$run.status"); [ "$status" = signal ] && kill -SEGV $$
[ "$status" = hang ] && exec sleep 30
exit "$status"
""".encode(),
        )
        os.chmod(self.weir, 0o755)

    def write(self, name, data):
        path = os.path.join(self.folder.name, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)

    def figures(self, runs, *options):
        """Over the runs laid down: (exit status, measure -> (items, equal, judged), output)."""
        for file, (rows, status, stderr) in runs.items():
            run = os.path.join("runs", os.path.basename(file))
            text = (
                rows if isinstance(rows, str) else "".join(json.dumps(row) + "\n" for row in rows)
            )
            self.write(run + ".out", text.encode())
            self.write(run + ".err", stderr.encode())
            self.write(run + ".status", str(status).encode())
        command = [
            sys.executable,
            os.path.join(HERE, "figures.py"),
            "--weir",
            self.weir,
            "--corpus",
            self.corpus,
            *options,
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        lines = re.findall(
            r"^(\w+) .* (\d+) +(\d+) +\S+(?: %)? +(?:all|\S+ %)  (PASS|FAIL)$", done.stdout, re.M
        )
        table = {name: (int(items), int(equal), judged) for name, items, equal, judged in lines}
        return done.returncode, table, done.stdout + done.stderr

    def assert_only_fails(self, measure, runs, kind, *options):
        """Exactly this measure fails, and -v says why in these words."""
        status, table, output = self.figures(runs, "-v", measure, *options)
        self.assertEqual(status, 1, output)
        failed = [name for name, (_, _, judged) in table.items() if judged == "FAIL"]
        self.assertEqual(failed, [measure], output)
        self.assertIn(kind, output)

    def rows(self):
        runs = right_runs()
        return runs, runs[HOUSE][0]

    def test_right_rows_pass_every_measure(self):
        status, table, output = self.figures(right_runs())
        self.assertEqual(status, 0, output)
        counts = {
            "captures": 3,
            "sums": 3,
            "flows": 5,
            "verdicts": 3,
            "names": 3,
            "rtt": 1,
            "tcp": 3,
            "bindings": 3,
        }
        self.assertEqual({name: items for name, (items, _, _) in table.items()}, counts, output)
        for rule in (
            r"flows +1  fragments",
            r"flows +1  later fragments, a flow without ports",
            r"flows +1  link type not named in issue 3",
            r"verdicts +1  fragments",
            r"verdicts +1  keyed otherwise by ndpiReader",
            r"names +1  does not stand whole in one packet",
            r"names +1  no name",
            r"rtt +1  truth contradicts itself",
            r"rtt +1  handshake not complete",
            r"rtt +1  both in a tunnel and outside",
            r"tcp +1  both in a tunnel and outside",
            r"bindings +1  in a tunnel",
        ):
            self.assertRegex(output, rule)

    def test_capture_not_read_to_the_end(self):
        runs = right_runs()
        runs[HOUSE][1] = 1
        self.assert_only_fails("captures", runs, "not read to the end")

    def test_refused_capture_read_as_if_whole(self):
        runs = right_runs()
        runs[CUT][1] = 0
        self.assert_only_fails("captures", runs, "read what libpcap refuses")

    def test_refusal_must_say_so(self):
        runs = right_runs()
        runs[CUT][2] = ""
        self.assert_only_fails("captures", runs, "refused without a word")

    def test_sanitizer_report(self):
        runs = right_runs()
        runs[PPP][2] = "decode.c:10:3: runtime error: shift exponent 32 is too large"
        self.assert_only_fails("captures", runs, "sanitizer report")

    def test_crash(self):
        runs = right_runs()
        runs[PPP][1] = "signal"
        self.assert_only_fails("captures", runs, "crash")

    def test_run_that_does_not_end(self):
        runs = right_runs()
        runs[PPP][1] = "hang"
        self.assert_only_fails("captures", runs, "did not end in time", "--timeout", "2")

    def test_memory_over_the_bound(self):
        self.assert_only_fails("captures", right_runs(), "MiB held, 1 allowed", "--rss-mib", "1")

    def test_other_output_than_records(self):
        runs = right_runs()
        runs[PPP][0] = "progress: 2 packets\n" + json.dumps(runs[PPP][0][0]) + "\n"
        status, table, output = self.figures(runs, "-v", "captures")
        self.assertEqual((status, table["captures"][2]), (1, "FAIL"), output)
        self.assertIn("output is not JSON records only", output)

    def test_sum_that_does_not_hold(self):
        runs, rows = self.rows()
        rows[-1]["packets_consumed"] = 1
        self.assert_only_fails("sums", runs, "the sum is wrong")

    def test_fewer_packets_than_libpcap_reads(self):
        runs = right_runs()
        runs[PPP][0] = [health(1, 0, 0, 1)]
        self.assert_only_fails("sums", runs, "seen is not what libpcap reads")

    def test_rows_that_do_not_add_up_to_health(self):
        runs, rows = self.rows()
        rows[7]["packets_up"] = 2  # of the fragments' flow, which the measure of flows leaves out
        self.assert_only_fails("sums", runs, "flow rows do not add up")

    def test_drop_without_a_name(self):
        runs = right_runs()
        runs[PPP][0][0]["drops"][0]["reason"] = ""
        self.assert_only_fails("sums", runs, "a drop without a name")

    def test_health_is_missing(self):
        runs = right_runs()
        runs[PPP][0] = []
        self.assert_only_fails("sums", runs, "no health record at the end")

    def test_bytes_of_a_flow(self):
        runs, rows = self.rows()
        rows[5]["bytes_up"] += 6  # the frame's padding, say
        self.assert_only_fails("flows", runs, "bytes differ")

    def test_directions_of_a_flow(self):
        runs, rows = self.rows()
        rows[2].update(packets_up=1, bytes_up=268, packets_down=0, bytes_down=0)
        self.assert_only_fails("flows", runs, "directions differ")

    def test_neighbour_discovery_in_a_flow(self):
        runs, rows = self.rows()
        rows[0].update(packets_up=2, bytes_up=120)
        rows[-1].update(packets_in_flows=12, packets_consumed=1)
        self.assert_only_fails("flows", runs, "packets differ")

    def test_flow_that_is_not_in_the_capture(self):
        runs, rows = self.rows()
        rows.insert(0, flow(8, 6, "192.0.2.99", 1, 2, (1, 40, 0, 0)))
        rows[-1].update(packets_in_flows=12, packets_consumed=1)
        self.assert_only_fails("flows", runs, "a flow that the truth has not")

    def test_verdict_of_the_last_segment_counts(self):
        runs, rows = self.rows()
        rows[3].update(protocol="TLS", application="Facebook")
        rows[4].update(protocol="TLS", application="TLS")
        self.assert_only_fails("verdicts", runs, "TLS.Facebook -> TLS")

    def test_unknown_must_be_said(self):
        runs, rows = self.rows()
        del rows[5]["protocol"], rows[5]["application"]
        self.assert_only_fails("verdicts", runs, "HTTP -> (none)")

    def test_verdict_of_a_later_piece_is_counted_and_said(self):
        runs, rows = self.rows()
        later = copy.deepcopy(rows[5])
        later.update(flow_id=9, start="2026-01-01T00:01:00.000000000Z", packets_up=0, bytes_up=0)
        rows.insert(6, later)
        rows[5].update(protocol="Unknown", application="Unknown")
        status, _, output = self.figures(runs)
        self.assertEqual(status, 0, output)
        self.assertRegex(output, "verdicts, 1 named by a later piece")

    def test_question_not_found(self):
        runs, rows = self.rows()
        rows[1]["dns"][0]["name"] = "example.com"  # not as sent
        self.assert_only_fails("names", runs, "dns: not found")

    def test_name_of_the_wrong_client(self):
        runs, rows = self.rows()
        ends = (
            ("client_ip", "server_ip"),
            ("client_port", "server_port"),
            ("packets_up", "packets_down"),
            ("bytes_up", "bytes_down"),
        )
        for a, b in ends:
            rows[5][a], rows[5][b] = rows[5][b], rows[5][a]
        self.assert_only_fails("names", runs, "http: another client")

    def test_name_with_the_wrong_mac(self):
        runs, rows = self.rows()
        rows[4]["client_mac"] = GATEWAY_MAC
        self.assert_only_fails("names", runs, "sni: wrong client_mac")

    def test_local_client_without_mac(self):
        runs, rows = self.rows()
        del rows[1]["client_mac"]
        self.assert_only_fails("names", runs, "dns: wrong client_mac")

    def test_name_from_another_source(self):
        runs, rows = self.rows()
        rows[4]["name_source"] = "dns_cache"
        self.assert_only_fails("names", runs, "sni: not found")

    def test_rtt_two_microseconds_off(self):
        runs, rows = self.rows()
        rows[3]["rtt_client_us"] = 348
        self.assert_only_fails("rtt", runs, "another value")

    def test_rtt_of_the_two_sides_exchanged(self):
        runs, rows = self.rows()
        rows[3].update(rtt_server_us=346, rtt_client_us=12000)
        self.assert_only_fails("rtt", runs, "another value")

    def test_retransmission_not_counted(self):
        runs, rows = self.rows()
        rows[4]["retransmissions_up"] = 0
        self.assert_only_fails("tcp", runs, "rtx_seq: less")

    def test_retransmission_of_the_other_end(self):
        runs, rows = self.rows()
        del rows[4]["retransmissions_up"]
        rows[4]["retransmissions_down"] = 1
        self.assert_only_fails("tcp", runs, "rtx_seq: less or elsewhere")

    def test_syn_counted_twice(self):
        runs, rows = self.rows()
        rows[3]["syn_retransmissions"] = 4
        self.assert_only_fails("tcp", runs, "syn_rtx: more")

    def test_rtt_is_missing(self):
        runs, rows = self.rows()
        del rows[3]["rtt_server_us"]
        self.assert_only_fails("rtt", runs, "RTT is missing")

    def test_binding_is_missing(self):
        runs, rows = self.rows()
        del rows[-2]["addresses"][2]
        self.assert_only_fails("bindings", runs, "address not in the client's row")

    def test_binding_to_another_mac(self):
        runs, rows = self.rows()
        rows[-2]["mac"] = GATEWAY_MAC
        self.assert_only_fails("bindings", runs, "bound to another MAC")

    def test_binding_known_by_traffic_only(self):
        runs, rows = self.rows()
        rows[-2]["addresses"][0]["source"] = "traffic"
        self.assert_only_fails("bindings", runs, "known by traffic only")

    def test_no_corpus_is_a_loud_skip(self):
        self.corpus = os.path.join(self.folder.name, "elsewhere")
        status, _, output = self.figures(right_runs())
        self.assertEqual(status, 77)
        self.assertIn("SKIPPED: NO CORPUS", output)


class FramesTest(unittest.TestCase):
    def facts(self, data):
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            return facts_of(file.name)

    def test_pcap_and_pcapng_say_the_same(self):
        for data in (pcap(house_frames()), pcapng(house_frames())):
            facts = self.facts(data)
            self.assertEqual(facts.packets, 13)
            self.assertEqual(dict(facts.ndp), {(LINK_A, LINK_B): [1, 72]})
            self.assertEqual(facts.neighbours, {(CLIENT_MAC, CLIENT), (CLIENT_MAC, LINK_A)})
            self.assertEqual(facts.hosts[CLIENT], {"Shop.example:8080"})
            self.assertTrue(facts.has_question(CLIENT, "Example.com"))
            self.assertFalse(facts.has_question(GATEWAY, "Example.com"))
            self.assertTrue(facts.has_hello(CLIENT, "www.example.com"))

    def test_hello_in_two_segments_does_not_stand_whole(self):
        hello = client_hello("www.example.com")
        halves = [
            ethernet(0x0800, ipv4(6, CLIENT, SERVER, tcp(1, 443, 0x18, part)))
            for part in (hello[:-1], hello[-1:])
        ]
        self.assertFalse(self.facts(pcap(halves)).has_hello(CLIENT, "www.example.com"))

    def test_tags_labels_and_sessions(self):
        packet = ipv4(17, CLIENT, GATEWAY, udp(5000, 53, dns_question("a.example")))
        stacks = {
            "802.1ad and 802.1Q": (0x88A8, b"\0\1\x81\0\0\2\x08\0"),
            "MPLS, two labels": (0x8847, b"\0\1\0\x40\0\2\1\x40"),
            "PPPoE": (0x8864, b"\x11\0\0\1\0\0\0\x21"),
            "PPPoE, protocol of one byte": (0x8864, b"\x11\0\0\1\0\0\x21"),
        }
        for name, (kind, head) in stacks.items():
            with self.subTest(name):
                self.assertTrue(
                    self.facts(pcap([ethernet(kind, head + packet)])).has_question(
                        CLIENT, "a.example"
                    )
                )

    def test_every_cut_of_every_frame_is_read(self):
        cuts = [frame[:size] for frame in house_frames() for size in range(len(frame))]
        self.assertEqual(self.facts(pcap(cuts)).packets, len(cuts))


class RunnerTest(unittest.TestCase):
    def test_rows_end_where_they_are_none(self):
        self.assertEqual(parse_rows('{"record":"flow"}\n[]\n'), ([{"record": "flow"}], "[]"))
        self.assertEqual(parse_rows('{"record":"flow"}\n{"a":'), ([{"record": "flow"}], '{"a":'))


if __name__ == "__main__":
    unittest.main()
