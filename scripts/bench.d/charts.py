"""Inline SVG: medians with ranges, and percentile curves. No script, no font, nothing fetched."""

import math
from html import escape

# Okabe and Ito's palette, told apart by colour-blind readers too; the control stays grey on every page.
COLOURS = {"echo-a": "#777777", "echo-b": "#999999", "inline": "#0072b2", "dedicated": "#56b4e9", "loop": "#d55e00",
           "streams": "#e69f00"}
FURTHER = ("#009e73", "#cc79a7", "#000000", "#a6761d")
WIDTH, LABEL, ROW, HEAD, FOOT, RIGHT = 560, 150, 26, 30, 26, 70


def colours(systems):
    names = [system["name"] for system in systems]
    further = [name for name in names if name not in COLOURS]
    return {name: COLOURS.get(name) or FURTHER[further.index(name) % len(FURTHER)] for name in names}


def short(value):
    """A number as an axis or a label shows it: three digits."""
    if value == 0:
        return "0"
    if abs(value) >= 1_000:
        return f"{value:,.0f}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


class Axis:
    """Maps values to pixels, linearly from 0 or by their logarithm."""

    def __init__(self, values, start, end, log):
        self.start, self.end, self.log = start, end, log
        positive = [value for value in values if value > 0] or [1.0]
        if log:
            self.low, self.high = math.log10(min(positive)) - 0.05, math.log10(max(positive)) + 0.05
        else:
            self.low, self.high = 0.0, max(positive) * 1.02

    def at(self, value):
        scaled = math.log10(max(value, 1e-9)) if self.log else value
        share = (scaled - self.low) / (self.high - self.low)
        return round(self.start + max(0.0, min(share, 1.0)) * (self.end - self.start), 1)

    def ticks(self):
        if not self.log:
            return linear_ticks(0.0, self.high)
        if self.high - self.low < 1.0:
            # Powers of ten would leave one number or none.
            return linear_ticks(10.0**self.low, 10.0**self.high)
        decades = range(math.floor(self.low) - 1, math.ceil(self.high) + 1)
        steps = (1, 2, 5) if self.high - self.low < 2.5 else (1,)
        every = [step * 10.0**decade for decade in decades for step in steps]
        return [value for value in every if self.low <= math.log10(value) <= self.high]


def linear_ticks(low, high):
    """Round numbers from `low` to `high`, about five."""
    rough = (high - low) / 5
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough)
    return [index * step for index in range(math.ceil(low / step), math.floor(high / step) + 1)]


def svg(width, height, parts, title):
    return (f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
            f'aria-label="{escape(title)}"><text x="0" y="14" class="title">{escape(title)}</text>'
            + "".join(parts) + "</svg>")


def upright(axis, top, bottom):
    """The axis' lines and numbers, below the rows."""
    parts = []
    for value in axis.ticks():
        x = axis.at(value)
        parts.append(f'<line x1="{x}" y1="{top}" x2="{x}" y2="{bottom}" class="grid"/>')
        parts.append(f'<text x="{x}" y="{bottom + 16}" class="tick">{short(value)}</text>')
    return parts


def ranges(title, rows, log=True):
    """`rows` are `(label, values over rounds, colour)`: a dot for each round, a line from the lowest to the highest, a
    bar at the median. Empty where there is nothing to show."""
    rows = [(label, sorted(values), colour) for label, values, colour in rows if values]
    if not rows:
        return ""
    axis = Axis([value for _, values, _ in rows for value in values], LABEL, WIDTH - RIGHT, log)
    bottom = HEAD + ROW * len(rows)
    parts = upright(axis, HEAD, bottom)
    for index, (label, values, colour) in enumerate(rows):
        parts += row_of(label, values, colour, axis, HEAD + ROW * index + ROW // 2)
    return svg(WIDTH, bottom + FOOT, parts, title)


def row_of(label, values, colour, axis, y):
    middle = median(values)
    parts = [f'<text x="{LABEL - 10}" y="{y + 4}" class="label">{escape(label)}</text>',
             f'<line x1="{axis.at(values[0])}" y1="{y}" x2="{axis.at(values[-1])}" y2="{y}" stroke="{colour}" '
             'stroke-width="3" stroke-opacity="0.45"/>']
    parts += [f'<circle cx="{axis.at(value)}" cy="{y}" r="3.5" fill="{colour}" fill-opacity="0.6"/>'
              for value in values]
    x = axis.at(middle)
    parts.append(f'<line x1="{x}" y1="{y - 9}" x2="{x}" y2="{y + 9}" stroke="{colour}" stroke-width="3"/>')
    parts.append(f'<text x="{WIDTH - RIGHT + 10}" y="{y + 4}" class="value">{short(middle)}</text>')
    return parts


def median(values):
    half = len(values) // 2
    return values[half] if len(values) % 2 else (values[half - 1] + values[half]) / 2


# Percentiles on a logarithmic axis of what lies beyond them, as the load tools draw them.
PERCENTILES = (("p50_ms", "50 %", 0.5), ("p95_ms", "95 %", 0.05), ("p99_ms", "99 %", 0.01),
               ("p99_9_ms", "99.9 %", 0.001))
CURVE_HEIGHT = 260


def curves(title, rows):
    """`rows` are `(label, {metric: value}, colour)`."""
    rows = [(label, points, colour) for label, points, colour in rows if points]
    if not rows:
        return ""
    height = HEAD + CURVE_HEIGHT
    across = {metric: 60 + index * (WIDTH - 210) / (len(PERCENTILES) - 1)
              for index, (metric, _, _) in enumerate(PERCENTILES)}
    axis = Axis([value for _, points, _ in rows for value in points.values()], height, HEAD, log=True)
    end = across[PERCENTILES[-1][0]]
    parts = []
    for value in axis.ticks():
        y = axis.at(value)
        parts.append(f'<line x1="60" y1="{y}" x2="{end}" y2="{y}" class="grid"/>')
        parts.append(f'<text x="52" y="{y + 4}" class="label">{short(value)}</text>')
    for metric, name, _ in PERCENTILES:
        parts.append(f'<text x="{across[metric]}" y="{height + 16}" class="tick">{name}</text>')
    labels = spread_out([axis.at(last(points)) for _, points, _ in rows])
    for (label, points, colour), y in zip(rows, labels):
        line = " ".join(f"{across[metric]},{axis.at(points[metric])}" for metric, _, _ in PERCENTILES
                        if metric in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{end + 10}" y="{y + 4}" fill="{colour}" class="value">{escape(label)}</text>')
    return svg(WIDTH, height + FOOT, parts, title)


def last(points):
    return [points[metric] for metric, _, _ in PERCENTILES if metric in points][-1]


def spread_out(heights, gap=15):
    """The same heights, moved apart so that labels do not cover each other; in the given order."""
    placed = [0.0] * len(heights)
    floor = float("-inf")
    for index in sorted(range(len(heights)), key=heights.__getitem__):
        floor = max(heights[index], floor + gap)
        placed[index] = floor
    return placed
