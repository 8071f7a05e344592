# What TCP repeated, what came late and closed windows, against tcp.tsv: by 5-tuple, over all its
# streams and all of Weir's flows. Where both sides count none there is nothing to compare.

from collections import Counter, defaultdict

from compare_rtt import stream_rule
from outcome import Outcome, text_of
from truth import endpoints, number, row_ends, row_key

# of tcp.tsv (with _ab, _ba) -> of Weir's (with _up, _down)
BY_END = {
    "rtx_seq": "retransmissions",
    "ooo_seq": "out_of_order",
    "ts_zerowin": "zero_window",
}
OF_BOTH = {"syn_rtx": "syn_retransmissions", "fin_rtx": "fin_retransmissions"}


def expected_counts(streams, first):
    """{(column, whether the first end sent): count}"""
    counts = Counter()
    for row in streams:
        turned = row_ends(row)[0] != first
        for name in (*BY_END, *OF_BOTH):
            counts[name, not turned] += number(row[name + "_ab"])
            counts[name, turned] += number(row[name + "_ba"])
    return counts


def found_counts(flows, first):
    counts = Counter()
    for flow in flows:
        for name, field in BY_END.items():
            counts[name, flow.client == first] += flow.total(field + "_up")
            counts[name, flow.client != first] += flow.total(field + "_down")
        for name, field in OF_BOTH.items():
            counts[name, True] += flow.total(field)
    return counts


def tcp_counts(capture, run, flows, settings):
    outcome, file = Outcome(), capture.file
    if capture.left_out():
        outcome.left_out[capture.left_out()] += len(capture.rows["tcp"])
        return outcome
    outer = {
        row_key(r): r for r in capture.rows["flows"] if r["depth"] == "0" and r["proto"] == "6"
    }
    streams = defaultdict(list)
    for row in capture.rows["tcp"]:
        streams[endpoints(6, *row_ends(row))].append(row)
    for key, same in streams.items():
        rule = stream_rule(capture, key, outer)
        if rule:
            outcome.left_out[rule] += 1
            continue
        first = row_ends(same[0])[0]
        expected = expected_counts(same, first)
        found = found_counts(flows.get(key, []), first)
        for name in (*BY_END, *OF_BOTH):
            truth = (expected[name, True], expected[name, False])
            told = (found[name, True], found[name, False])
            if name in OF_BOTH:
                truth, told = (sum(truth),), (sum(told),)
            if truth == told:
                outcome.ok(1 if any(truth) else 0)
            else:
                kind = f"{name}: {'more' if sum(told) > sum(truth) else 'less or elsewhere'}"
                outcome.wrong(kind, file, f"{text_of(key)}: {told}, truth {truth}")
    return outcome
