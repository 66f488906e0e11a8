"""The curves for a terminal, 100 columns at most."""

import growth_curves
from growth_curves import CURVES, canonical, find

# Each measure's name, and what it is divided by.
MEASURES = {"instructions": ("instructions", 1.0), "own": ("own instr.", 1.0), "cpu": ("CPU, ns", 1.0), "heap": ("memory, KiB", 1024.0)}


def number(value):
    """Three digits that mean something."""
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2
    return f"{value:,.{digits}f}"


def judged(results):
    """`(curve, line, found)` of everything that was measured, in order."""
    for curve in CURVES:
        for line in curve.lines:
            for measure in curve.measures:
                found = find(line, measure, results["points"])
                if found:
                    yield curve, line, found


WORSE = "WORSE"


def verdict(found):
    return "as it should" if found.holds else WORSE


SLOPES_HEAD = ("", "of", "should be", "first", "last", "slope", "bend", "")


def slopes(results):
    """A row for each line and measure."""
    for curve, line, found in judged(results):
        name, unit = MEASURES[found.measure]
        what = curve.key if line.key == curve.key else f"{curve.key}, {line.key}"
        bend = f"{found.bend:.2f}x" if found.expected == "linear" and len(found.values) > 2 else ""
        first, last, slope = (number(value / unit) for value in (found.values[0][1], found.values[-1][1], found.slope))
        yield [what, name, found.expected, first, last, f"{slope} {curve.one}", bend, verdict(found)]


def point_rows(curve, line, points):
    for index, words in enumerate(line.words()):
        measured = points.get(canonical(words))
        if not measured:
            continue
        x = growth_curves.place(line, index, measured)
        cpu = sorted(measured["cpu_ns"])
        counted = [f"{measured[name]:,.0f}" if name in measured else "-" for name in ("instructions", "own")]
        yield [f"{x:,.0f}" if x >= 10 or x == int(x) else number(x),
               *counted,
               f"{cpu[0]:,.0f}" if cpu else "-", f"{cpu[len(cpu) // 2]:,.0f}" if cpu else "-",
               f"{measured['heap_bytes'] / 2**20:,.2f}", f"{measured['resident_bytes'] / 2**20:,.1f}",
               f"{measured['plans_ms'] + measured['open_ms']:,}"]


HEAD = ("", "instructions", "of its own", "CPU ns least", "median", "heap MiB", "resident MiB", "ready after ms")


def grid(header, rows, words=1):
    """The first `words` columns to the left, as the last one is where it has no head."""
    rows = [header, *rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    lefts = {*range(words)} | ({len(header) - 1} if not header[-1] else set())
    return ["  ".join(cell.ljust(width) if column in lefts else cell.rjust(width)
                      for column, (cell, width) in enumerate(zip(row, widths))).rstrip() for row in rows]


def render(results):
    machine = results["machine"]
    lines = [f"{machine['cpu']}, {machine['cores']} cores, commit {results['commit']}",
             f"{results['rounds']} interleaved rounds of each point. A record's cost in a lane between doors in memory;",
             "heap: what model, plans and lane hold; resident: the whole process without the records.",
             "Instructions by valgrind, with AVX2; of its own: the lane's, outside of the model's call."]
    lines += [f"*** {text}" for text in results["left_out"]]
    for curve in CURVES:
        for line in curve.lines:
            rows = list(point_rows(curve, line, results["points"]))
            if len(rows) > 1:
                lines += ["", f"== {curve.title}: {line.title}", *grid([curve.unit, *HEAD[1:]], rows)]
    lines += ["", "== slopes; bend: the last stretch, over the whole",
              *grid(SLOPES_HEAD, slopes(results), words=3)]
    return "\n".join(lines)
