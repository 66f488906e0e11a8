"""What was measured, as a table for a terminal and for benches/TREES.md, and which target is missed."""

from dataclasses import dataclass
from statistics import median

from stats import ratio

NEW = "auto"
WIDTH = 110


@dataclass(frozen=True)
class Target:
    """The new choice over another engine, at most `limit`."""

    other: str
    limit: float
    rows_min: int = 1
    rows_max: int | None = None
    model: str | None = None

    def holds_for(self, model, batch):
        return batch >= self.rows_min and batch <= (self.rows_max or batch) and self.model in (None, model)


@dataclass(frozen=True)
class Verdict:
    model: str
    batch: int
    target: Target
    found: object  # a Spread

    @property
    def reached(self):
        return self.found.median <= self.target.limit


def targets(results):
    """Never slower than ONNX Runtime, the release before, or lleaves where rows are many; and where there is no AVX-512, what the
    release before must be beaten by."""
    before = [name for name, kind in results["engines"].items() if kind == "before"]
    found = [Target("onnxruntime", 1.03), Target("bare", 1.03), Target("lleaves", 1.0, rows_min=16)]
    found += [Target(name, 1.03) for name in before]
    if "AVX-512" not in results["machine"]["processor"]["instructions"]:
        found += [Target(name, 1 / 8, rows_max=1, model="gbdt-200") for name in before]
        found += [Target(name, 1 / 1.4, rows_min=16, model="gbdt-200") for name in before]
    return found


def judge(results):
    found = []
    for model in results["models"]:
        for batch, figures in model["figures"].items():
            for target in targets(results):
                if target.holds_for(model["about"]["name"], int(batch)):
                    spread = over(figures, NEW, target.other)
                    if spread:
                        found.append(Verdict(model["about"]["name"], int(batch), target, spread))
    return found


def over(figures, one, other):
    """The ratio of two engines: the median of pairs, and their range."""
    if one not in figures or other not in figures or one == other:
        return None
    return ratio(dict(enumerate(figures[one])), dict(enumerate(figures[other])))


def compared(figures):
    """Whom the new choice is compared with."""
    return [name for name in figures if name != NEW] if NEW in figures else []


def digits(value):
    """Three of them."""
    return f"{value:.0f}" if value >= 99.95 else f"{value:.1f}" if value >= 9.995 else f"{value:.2f}" if value >= 0.9995 \
        else f"{value:.3f}"


def title(results):
    processor = results["machine"]["processor"]
    numbers = f" ({processor['numbers']})" if processor["numbers"] else ""
    return f"{processor['name']}{numbers}: {', '.join(processor['instructions'])}"


def shape(about):
    return f"{about['title']}: {about['trees']:,} trees, up to {about['leaves_max']} leaves, depth {about['depth']}, " \
           f"{about['features']} features"


def told(results):
    settings, pairs = results["settings"], results["settings"]["pairs"]
    return [
        f"commit {results['commit']}, {results['started']}, {pairs} interleaved rounds of {settings['slice_ms']:g} ms, one core",
        "us per row, CPU time of the thread: minimum/median. Ratios: auto over the engine, median of pairs",
    ]


def render(results):
    lines = [title(results), *told(results)]
    for text in results["left_out"]:
        lines.append(f"*** LEFT OUT: {text}")
    missed = {(one.model, one.batch, one.target.other) for one in judge(results) if not one.reached}
    for model in results["models"]:
        lines += ["", *block(model, missed)]
    return "\n".join([*lines, "", *verdict_lines(results)])


def block(model, missed):
    about, figures = model["about"], model["figures"]
    batches = list(figures)
    room = (WIDTH - 18) // max(len(batches), 7)
    row = lambda name, cells: (f"{name:<18.18}" + "".join(f"{cell:>{room}}" for cell in cells)).rstrip()
    names = list(figures[batches[0]])
    lines = [shape(about), row("rows a call", batches)]
    for name in names:
        cells = [f"{digits(min(figures[batch][name]))}/{digits(median(figures[batch][name]))}" for batch in batches]
        lines.append(row(name, cells))
    for name in compared(figures[batches[0]]):
        spreads = [(batch, over(figures[batch], NEW, name)) for batch in batches]
        flag = lambda batch: "!" if (about["name"], int(batch), name) in missed else ""
        lines.append(row(f"auto / {name}", [f"{flag(batch)}{spread.median:.2f}" for batch, spread in spreads]))
    lines += [f"*** {name} left out: {why}"[:WIDTH] for name, why in model["left_out"].items()]
    return lines


def verdict_lines(results):
    verdicts = judge(results)
    missed = [one for one in verdicts if not one.reached]
    lines = [f"*** MISSED: {one.model} at {one.batch}: auto / {one.target.other} {one.found.median:.3f} "
             f"[{one.found.low:.3f}..{one.found.high:.3f}], at most {one.target.limit:.3f}" for one in missed]
    return [*lines, f"{len(verdicts) - len(missed)} of {len(verdicts)} targets reached"]


def markdown(results):
    lines = [f"## {title(results)}", "", *(f"{line}.  " for line in told(results)), ""]
    missed = {(one.model, one.batch, one.target.other) for one in judge(results) if not one.reached}
    for model in results["models"]:
        about, figures = model["about"], model["figures"]
        batches = list(figures)
        lines += [f"### {shape(about)}", "", f"| rows a call | {' | '.join(batches)} |", "|---|" + "---:|" * len(batches)]
        for name in figures[batches[0]]:
            cells = [f"{digits(min(figures[batch][name]))} / {digits(median(figures[batch][name]))}" for batch in batches]
            lines.append(f"| {name} | {' | '.join(cells)} |")
        for name in compared(figures[batches[0]]):
            cells = [f"{over(figures[batch], NEW, name).median:.2f}" for batch in batches]
            cells = [f"**{cell}**" if (about["name"], int(batch), name) in missed else cell
                     for batch, cell in zip(batches, cells)]
            lines.append(f"| auto / {name} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join([*lines, *(f"{line}  " for line in verdict_lines(results))])


def bits_lines(lines):
    """Of `bits ENGINE BATCH ROWS DIFFERING`, each with the rows of that batch size: a line for each engine."""
    engines = {}
    for _, name, batch, rows, differing in lines:
        engines.setdefault(name, []).append((batch, int(rows), differing))
    return [f"  {name:<18} {sum(rows for _, rows, _ in found):,} rows; differing at "
            + ", ".join(f"{batch}: {differing}" for batch, _, differing in found) for name, found in engines.items()]
