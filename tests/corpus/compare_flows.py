# Packets and L3 bytes of each flow and direction, in Ethernet captures, against flows.tsv: exactly.

from outcome import Outcome, text_of
from truth import SCTP, counts_without_ndp, flow_rule, fragments, number, row_ends, row_key


def weir_counts(same, a, b):
    """[packets a->b, bytes a->b, packets b->a, bytes b->a] over all flows of one 5-tuple."""
    up, down = ("packets_up", "bytes_up"), ("packets_down", "bytes_down")
    counts = [0, 0, 0, 0]
    for flow in same:
        there, back = (up, down) if flow.client == a else (down, up)
        fields = (*there, *back)
        if a == b:
            counts[0] += flow.total("packets_up") + flow.total("packets_down")
            counts[1] += flow.total("bytes_up") + flow.total("bytes_down")
        else:
            counts = [count + flow.total(name) for count, name in zip(counts, fields)]
    return counts


def flow_difference(expected, found):
    if not any(found):
        return "flow is missing"
    if expected[0] + expected[2] != found[0] + found[2]:
        return "packets differ"
    if [expected[0], expected[2]] != [found[0], found[2]]:
        return "directions differ"
    return "bytes differ"


def flow_counts(capture, run, flows, settings):
    outcome, file = Outcome(), capture.file
    rows = [row for row in capture.rows["flows"] if row["depth"] == "0"]
    if capture.link_type != "ether" or capture.refused:
        rule = capture.left_out() or "link type other than Ethernet"
        outcome.left_out[rule] += len(rows)
        return outcome
    known = set()
    for row in rows:
        key = row_key(row)
        known.add(key)
        rule = flow_rule(capture, row)
        if rule:
            outcome.left_out[rule] += 1
            continue
        a, b = row_ends(row)
        expected = counts_without_ndp(capture, row)
        found = weir_counts(flows.get(key, []), a, b)
        if found == expected:
            outcome.ok()
        else:
            outcome.wrong(
                flow_difference(expected, found),
                file,
                f"{text_of(key)}: {found}, truth {expected} {row['encaps']}",
            )
    extra_flows(outcome, capture, flows, rows, known)
    return outcome


def extra_flows(outcome, capture, flows, rows, known):
    """Flows of Weir's that the truth does not have; later fragments are flows without ports."""
    fragmented = {
        (number(r["proto"]), frozenset((r["a_ip"].lower(), r["b_ip"].lower())))
        for r in rows
        if fragments(r)
    }
    has_fragments = number(capture.rows["files"][0]["frag_pkts"]) > 0
    for key, same in flows.items():
        if key in known:
            continue
        protocol, (a_ip, a_port), (b_ip, b_port) = key
        portless = a_port == b_port == 0
        if portless and (
            (protocol, frozenset((a_ip, b_ip))) in fragmented
            or has_fragments
            and protocol in (6, 17, SCTP)
        ):
            outcome.left_out["later fragments, a flow without ports"] += 1
        else:
            packets = sum(f.total("packets_up") + f.total("packets_down") for f in same)
            outcome.wrong(
                "a flow that the truth has not", capture.file, f"{text_of(key)}: {packets} packets"
            )
