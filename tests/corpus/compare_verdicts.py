# nDPI's verdict on each flow, against ndpi.tsv: ndpiReader of the same version, without guessing.

from collections import Counter, defaultdict

from outcome import Outcome, text_of
from truth import PROTOCOLS, SCTP, endpoints, flow_rule, number, row_key


def reader_key(row):
    """ndpiReader gives SCTP no ports; so neither side has any here."""
    protocol = PROTOCOLS.get(row["l4"]) or number(row["l4"])
    return fold_sctp(
        endpoints(
            protocol,
            (row["src_ip"], number(row["src_port"])),
            (row["dst_ip"], number(row["dst_port"])),
        )
    )


def fold_sctp(key):
    if key[0] != SCTP:
        return key
    return endpoints(SCTP, (key[1][0], 0), (key[2][0], 0))


def verdict_rule(capture, key, outer):
    """The rule that leaves out a row of ndpiReader's, or None."""
    if not outer:
        return "keyed otherwise by ndpiReader (inner flow, fragment, extension header)"
    for row in outer:
        rule = flow_rule(capture, row)
        if rule:
            return rule
    return None


def verdicts(capture, run, flows, settings):
    outcome, file = Outcome(), capture.file
    rows = capture.rows["ndpi"]
    if capture.left_out():
        outcome.left_out[capture.left_out()] += len(rows)
        return outcome
    outer, folded, tagged = defaultdict(list), defaultdict(list), Counter()
    for row in capture.rows["flows"]:
        if row["depth"] == "0":
            outer[fold_sctp(row_key(row))].append(row)
    for key, same in flows.items():
        folded[fold_sctp(key)] += same
    for row in rows:
        tagged[reader_key(row)] += 1
    for row in rows:
        key = reader_key(row)
        rule = verdict_rule(capture, key, outer.get(key))
        if rule:
            outcome.left_out[rule] += 1
            continue
        same = sorted(folded[key], key=lambda f: f.start_ns)
        if tagged[key] > 1:  # ndpiReader's flows are apart by VLAN, and this 5-tuple has several
            same = [
                f for f in same if (number(row["vlan"]) in f.vlans if row["vlan"] else not f.vlans)
            ]
        compare_verdict(outcome, file, key, row["proto_noguess"], same)
    return outcome


def compare_verdict(outcome, file, key, expected, same):
    """ndpiReader keeps one flow a 5-tuple for the whole capture and names it by its first packets:
    so must Weir's first flow of it be named. Where timeouts cut it before the packets that told,
    a later piece may carry the name."""
    if not same:
        outcome.wrong("flow is missing", file, f"{text_of(key)}: truth {expected}")
    elif same[0].verdict == expected:
        outcome.ok()
    elif any(flow.verdict == expected for flow in same):
        outcome.ok()
        outcome.notes["named by a later piece of a 5-tuple that Weir's timeouts cut"] += 1
    else:
        kind = f"{expected} -> {same[0].verdict}"
        outcome.wrong(
            kind, file, f"{text_of(key)}: {same[0].verdict}, truth {expected} ({len(same)} flows)"
        )
