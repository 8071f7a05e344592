# The round-trip times of TCP handshakes, against tcp.tsv, within one microsecond.

from outcome import Outcome, text_of
from truth import endpoints, outer_flow_rule, row_ends, row_key

RTT_TOLERANCE_US = 1.001


def stream_rule(capture, key, outer):
    """The rule that leaves out the streams of a 5-tuple, or None."""
    flow = outer.get(key)
    if flow is None:
        return "in a tunnel"
    if " | " in flow["encaps"]:
        return "seen in several encapsulations: the truth has one stream of them"
    if key in capture.inner_keys:
        return "both in a tunnel and outside: the truth has one stream of the two"
    return outer_flow_rule(flow)


def rtt_rule(capture, row, outer):
    both = row["rtt_synack"] and row["rtt_ack"]
    if row["handshake"] != "complete" or not both:
        return "handshake not complete"
    rule = stream_rule(capture, endpoints(6, *row_ends(row)), outer)
    if rule:
        return rule
    if (
        row["irtt"]
        and abs(float(row["irtt"]) - float(row["rtt_synack"]) - float(row["rtt_ack"])) > 1.5e-6
    ):
        return "truth contradicts itself (repeated SYN or SYN/ACK)"
    return None


def within(found, truth_s):
    return found is not None and abs(found - float(truth_s) * 1e6) <= RTT_TOLERANCE_US


def rtt(capture, run, flows, settings):
    outcome, file = Outcome(), capture.file
    rows = capture.rows["tcp"]
    if capture.left_out():
        outcome.left_out[capture.left_out()] += len(rows)
        return outcome
    outer = {
        row_key(r): r for r in capture.rows["flows"] if r["depth"] == "0" and r["proto"] == "6"
    }
    for row in rows:
        rule = rtt_rule(capture, row, outer)
        if rule:
            outcome.left_out[rule] += 1
            continue
        key = endpoints(6, *row_ends(row))
        found = [(f.value("rtt_server_us"), f.value("rtt_client_us")) for f in flows.get(key, [])]
        if any(
            within(server, row["rtt_synack"]) and within(client, row["rtt_ack"])
            for server, client in found
        ):
            outcome.ok()
            continue
        kind = (
            "flow is missing"
            if not found
            else "RTT is missing"
            if all(None in pair for pair in found)
            else "another value"
        )
        truth = f"({float(row['rtt_synack']) * 1e6:.3f}, {float(row['rtt_ack']) * 1e6:.3f})"
        repeats = (
            ""
            if row["syn"] == row["synack"] == "1"
            else f", {row['syn']} SYN, {row['synack']} SYN/ACK"
        )
        outcome.wrong(
            kind, file, f"{text_of(key)}: (server, client) {found} us, truth {truth}{repeats}"
        )
    return outcome
