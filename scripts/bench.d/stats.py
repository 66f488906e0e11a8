"""Arithmetic of interleaved rounds: medians with ranges, and ratios as medians of per-round pairs."""

from dataclasses import dataclass
from statistics import median

# The control runs twice in each round; this name stands for the mean of the two.
CONTROL = "echo"
CONTROL_RUNS = ("echo-a", "echo-b")


@dataclass(frozen=True)
class Spread:
    """Median and range of one figure over rounds."""

    median: float
    low: float
    high: float
    rounds: int


def spread(values):
    """The spread of `values`, or None where there are none."""
    values = list(values)
    if not values:
        return None
    return Spread(median(values), min(values), max(values), len(values))


def figures(runs, cell, system, metric):
    """`{round: value}` of one system's figure; runs without it are left out."""
    if system == CONTROL:
        return control(runs, cell, metric)
    found = {}
    for run in runs:
        value = run["figures"].get(metric)
        if run["cell"] == cell and run["system"] == system and value is not None:
            found[run["round"]] = value
    return found


def control(runs, cell, metric):
    """The control's figure: the mean of its runs in each round, of one where only one is there."""
    each = [figures(runs, cell, name, metric) for name in CONTROL_RUNS]
    rounds = sorted(set().union(*each))
    return {number: mean([one[number] for one in each if number in one]) for number in rounds}


def mean(values):
    return sum(values) / len(values)


def pairs(left, right):
    """`(round, left, right)` of the rounds that have both, in order."""
    return [(number, left[number], right[number]) for number in sorted(left) if number in right]


def ratio(left, right):
    """The spread of left / right over the rounds that have both."""
    return spread(a / b for _, a, b in pairs(left, right) if b != 0)


def difference(left, right):
    """The spread of left - right over the rounds that have both."""
    return spread(a - b for _, a, b in pairs(left, right))


def noise(runs, cell, metric):
    """The control against itself: B over A."""
    first, second = (figures(runs, cell, name, metric) for name in CONTROL_RUNS)
    return ratio(second, first)


def noise_factor(runs, cell, metric):
    """The largest factor between the control's two runs of one round, at least 1; None without both."""
    found = noise(runs, cell, metric)
    return found and max(found.high, 1 / found.low if found.low > 0 else float("inf"), 1.0)


def slope_per_s(samples):
    """The slope of `(seconds, value)` samples: the median of the slopes between all pairs (Theil and Sen), so that one
    spike says nothing; 0 with fewer than three."""
    if len(samples) < 3:
        return 0.0
    slopes = [(value - before) / (at - earlier) for index, (at, value) in enumerate(samples)
              for earlier, before in samples[:index] if at > earlier]
    return median(slopes) if slopes else 0.0
