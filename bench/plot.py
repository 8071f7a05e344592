"""A picture of CPU ns a packet: a panel a corpus, a bar a program, whiskers from the least round to the most. SVG as
text, its colours legible on light and on dark."""
import math
from xml.sax.saxutils import escape

import figures

LABEL, PLOT, ROW, PAD = 176, 520, 22, 58  # widths of names and of bars; heights
WIDTH = LABEL + PLOT + 150
STYLE = """text { font: 13px system-ui, sans-serif; fill: #6e7781 }
.title { font-size: 15px; font-weight: 600 } .tick { font-size: 11px }
.grid { stroke: #8b949e; stroke-opacity: .35 } .whisker { stroke: #6e7781; stroke-width: 1.5; fill: none }
.ours { fill: #1f7ae0 } .peer { fill: #a3abb5 }
@media (prefers-color-scheme: dark) { text { fill: #b1bac4 } .whisker { stroke: #d0d7de } .peer { fill: #6e7681 } }"""


def tick_step(most):
    """1, 2 or 5 times a power of ten, so that there are four to ten ticks."""
    power = 10 ** math.floor(math.log10(most / 4))
    return next(power * m for m in (1, 2, 5, 10) if most / (power * m) <= 8)


def text(x, y, words, kind="", anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'


def line(x1, y1, x2, y2, kind):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def axis(top, bottom, most, unit):
    out, step = [], tick_step(most)
    for i in range(math.floor(most / step) + 1):
        x = LABEL + PLOT * i * step / most
        out += [line(x, top, x, bottom, "grid"), text(x, bottom + 14, f"{i * step:,.0f}", "tick", "middle")]
    return [*out, text(LABEL + PLOT, bottom + 29, unit, "tick", "end")]


def bar(y, name, values, most):
    scale = PLOT / most
    middle, least, last = figures.median(values), min(values), max(values)
    end, centre = LABEL + middle * scale, y + ROW * 0.4
    return [text(LABEL - 8, y + ROW * 0.6, name, "", "end"),
            f'<rect x="{LABEL}" y="{y:.1f}" width="{max(middle * scale, 1):.1f}" height="{ROW * 0.8:.1f}" '
            f'class="{"ours" if name.startswith("weir") else "peer"}"/>',
            line(LABEL + least * scale, centre, LABEL + last * scale, centre, "whisker"),
            *(line(LABEL + v * scale, centre - 4, LABEL + v * scale, centre + 4, "whisker") for v in (least, last)),
            text(max(end, LABEL + last * scale) + 6, y + ROW * 0.6, f"{middle:,.0f}")]


def svg(panels, unit):
    """panels: {title: {program: [values]}}."""
    out, y = [], 0
    for title, programs in panels.items():
        most = max(max(values) for values in programs.values()) * 1.02
        out.append(text(LABEL, y + 22, title, "title"))
        top = y + 32
        bottom = top + ROW * len(programs)
        out += axis(top, bottom, most, unit)
        for i, (name, values) in enumerate(sorted(programs.items(), key=lambda p: figures.median(p[1]))):
            out += bar(top + i * ROW + ROW * 0.1, name, values, most)
        y = bottom + PAD - 16
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" viewBox="0 0 {WIDTH} {y}">\n'
            f"<style>{STYLE}</style>\n" + "\n".join(out) + "\n</svg>\n")
