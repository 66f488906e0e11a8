"""The curves as one self-contained page, light or dark as its reader has it."""

from html import escape

import growth_curves
import growth_table
from charts import Axis, short
from growth_curves import CURVES, canonical

WIDTH, PLOT, LEFT, RIGHT, HEAD, FOOT, LEGEND = 400, 190, 66, 18, 34, 40, 18
# How a picture's measure is written, divided by so much, and the table's name of it.
PICTURES = {"instructions": ("instructions a record", 1.0),
            "own": ("instructions a record, outside of the model's call", 1.0),
            "cpu": ("CPU a record, ns", 1.0), "heap": ("memory held, MiB", 2.0**20)}

STYLE = """
:root { color-scheme: light dark; --text: #1a1a1a; --quiet: #5a5a5a; --line: #e2e2e2; --page: #ffffff; --good: #00704a;
  --bad: #b3261e; --c0: #0072b2; --c1: #c04f00; --c2: #007a5a; }
@media (prefers-color-scheme: dark) { :root { --text: #e6e6e6; --quiet: #a5a5a5; --line: #3a3d42; --page: #17191c;
  --good: #4cc38a; --bad: #ff8a80; --c0: #56b4e9; --c1: #f0964b; --c2: #4fc7a2; } }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--page); max-width: 1200px;
  margin: 2rem auto; padding: 0 1.2rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; } h2 { font-size: 1.2rem; margin: 2.6rem 0 .2rem; }
p { margin: .4rem 0; max-width: 50rem; } .note { color: var(--quiet); font-size: .92rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: .6rem 0; font-variant-numeric: tabular-nums; font-size: .92rem; }
th, td { padding: .22rem 1rem .22rem 0; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child, td.words, th.words { text-align: left; }
th { font-weight: 600; border-bottom-color: var(--quiet); }
.yes { color: var(--good); font-weight: 600; } .no { color: var(--bad); font-weight: 600; }
.alarm { border-left: 4px solid var(--bad); padding: .3rem .9rem; }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(340px, 100%), 1fr)); gap: .4rem 1.8rem; }
svg { display: block; width: 100%; height: auto; margin: .6rem 0; font: 13px system-ui, sans-serif; fill: var(--text); }
svg .title { font-weight: 600; font-size: 14px; } svg .label { text-anchor: end; fill: var(--quiet); }
svg .tick { text-anchor: middle; fill: var(--quiet); } svg .grid { stroke: var(--line); }
svg .c0 { stroke: var(--c0); fill: var(--c0); } svg .c1 { stroke: var(--c1); fill: var(--c1); }
svg .c2 { stroke: var(--c2); fill: var(--c2); }
svg polyline { fill: none !important; stroke-width: 2; } svg .should { stroke-dasharray: 3 5; stroke-width: 1.5; }
svg text.name { stroke: none; }
"""


def render(results):
    parts = [head(results)]
    parts += [section(curve, results["points"]) for curve in CURVES if measured_lines(curve, results["points"])]
    parts.append(verdicts(results))
    return ("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>scorewire bench growth</title>"
            f"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><style>{STYLE}</style></head><body>"
            + "\n".join(parts) + "</body></html>\n")


def head(results):
    machine = results["machine"]
    text = (f"<h1>How a record's cost grows</h1><p>{escape(results['started'])}, commit "
            f"<code>{escape(results['commit'])}</code>, {escape(machine['cpu'])}, {machine['cores']} cores, Linux "
            f"{escape(machine['kernel'])}</p><p class=\"note\">A lane between doors in memory: decode, batch, score, judge, "
            f"encode, hand over, acknowledge, commit. Instructions are counted by valgrind, which knows AVX2 and not AVX-512, and "
            f"repeat to a per mille; CPU time is the least of {results['rounds']} interleaved rounds of seven, with the "
            "median's line pale behind it. Dotted: what the slope should be, from the first point on where it is flat, and "
            "straight through all points where it is linear.</p>")
    return text + "".join(f"<p class=\"alarm\">{escape(left_out)}</p>" for left_out in results["left_out"])


def measured_lines(curve, points):
    return [line for line in curve.lines if growth_curves.find(line, "heap", points)]


def section(curve, points):
    pictures = [picture(curve, points, measure, *PICTURES[measure]) for measure in curve.measures]
    header = [curve.unit, *growth_table.HEAD[1:]]
    tables = []
    for line in measured_lines(curve, points):
        caption = f"<p class=\"note\">{escape(line.title)}</p>" if len(curve.lines) > 1 else ""
        tables.append(caption + table(header, growth_table.point_rows(curve, line, points)))
    return (f"<h2>{escape(curve.title)}</h2><p class=\"note\">{escape(curve.why)}</p>"
            f"<div class=\"pictures\">{''.join(pictures)}</div><details><summary>Figures</summary>{''.join(tables)}</details>")


def table(header, rows):
    lines = ["<tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in header) + "</tr>"]
    lines += ["<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows]
    return f"<div class=\"scroll\"><table>{''.join(lines)}</table></div>"


def verdicts(results):
    header = "".join(f"<th class=\"words\">{word}</th>" for word in growth_table.SLOPES_HEAD)
    rows = ""
    for cells in growth_table.slopes(results):
        mark = "no" if cells[-1] == growth_table.WORSE else "yes"
        rows += "<tr>" + "".join(f"<td class=\"words\">{escape(cell)}</td>" for cell in cells[:-1])
        rows += f"<td class=\"words {mark}\">{cells[-1]}</td></tr>"
    return (f"<h2>Slopes</h2><p class=\"note\">Bend: the last stretch's slope over that of the whole.</p>"
            f"<div class=\"scroll\"><table><tr>{header}</tr>{rows}</table></div>")


def picture(curve, points, measure, title, unit):
    """A line for each of the curve's, and what it should be."""
    found = [(index, line, growth_curves.find(line, measure, points)) for index, line in enumerate(curve.lines)]
    found = [(index, line, of) for index, line, of in found if of]
    if not found:
        return ""
    xs = [x for _, _, of in found for x, _ in of.values]
    top = HEAD + LEGEND * (len(found) if len(curve.lines) > 1 else 0)
    across = Axis(xs, LEFT, WIDTH - RIGHT, curve.log)
    down = Axis([value / unit for _, _, of in found for _, value in of.values] + [1e-9], top + PLOT, top, False)
    parts = axes(across, down, top, curve.unit)
    for row, (index, line, of) in enumerate(found):
        if len(curve.lines) > 1:
            y = HEAD + LEGEND * row
            parts.append(f'<line x1="{LEFT}" y1="{y}" x2="{LEFT + 22}" y2="{y}" class="c{index}" stroke-width="3"/>'
                         f'<text x="{LEFT + 30}" y="{y + 4}">{escape(line.title)}</text>')
        if measure == "cpu":
            parts.append(medians(line, points, across, down, index))
        parts += drawn(of, across, down, unit, index)
    height = top + PLOT + FOOT
    return (f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(f"{curve.title}: {title}")}">'
            f'<text x="0" y="15" class="title">{escape(title)}</text>{"".join(parts)}</svg>')


def axes(across, down, top, unit):
    parts = []
    for value in down.ticks():
        y = down.at(value)
        parts.append(f'<line x1="{LEFT}" y1="{y}" x2="{WIDTH - RIGHT}" y2="{y}" class="grid"/>'
                     f'<text x="{LEFT - 8}" y="{y + 4}" class="label">{short(value)}</text>')
    bottom = top + PLOT
    for value in across.ticks():
        x = across.at(value)
        parts.append(f'<line x1="{x}" y1="{bottom}" x2="{x}" y2="{bottom + 5}" class="grid"/>'
                     f'<text x="{x}" y="{bottom + 19}" class="tick">{short(value)}</text>')
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{bottom + 35}" class="label">{escape(unit)}</text>')
    return parts


def drawn(found, across, down, unit, index):
    where = [(across.at(x), down.at(value / unit)) for x, value in found.values]
    low, high = found.values[0][0], found.values[-1][0]
    if found.expected == "flat":
        should = [(x, found.values[0][1]) for x in (low, high)]
    else:
        # Straight on a linear axis, and bent on a logarithmic one.
        steps = [low * (high / low) ** (step / 24) for step in range(25)]
        should = [(x, found.fixed + found.slope * x) for x in steps]
    line = " ".join(f"{x},{y}" for x, y in where)
    expected = " ".join(f"{across.at(x)},{down.at(max(value, 0) / unit)}" for x, value in should)
    return ([f'<polyline points="{expected}" class="c{index} should"/>', f'<polyline points="{line}" class="c{index}"/>']
            + [f'<circle cx="{x}" cy="{y}" r="3.5" class="c{index}"/>' for x, y in where])


def medians(line, points, across, down, index):
    """Between the least and the median time of each point: how noisy it was."""
    there = []
    for number, words in enumerate(line.words()):
        measured = points.get(canonical(words))
        if measured and measured["cpu_ns"]:
            times = sorted(measured["cpu_ns"])
            there.append((across.at(growth_curves.place(line, number, measured)), down.at(times[len(times) // 2])))
    text = " ".join(f"{x},{y}" for x, y in there)
    return f'<polyline points="{text}" class="c{index}" stroke-opacity="0.35"/>'
