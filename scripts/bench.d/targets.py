"""What the figures should reach, and whether they do: the medians over rounds decide.

The figures of one run against another are pairs of the same round. What other commands measure is named, not judged.
"""

from dataclasses import dataclass

import stats

SUBJECT = "inline"
LOOP, STREAMS, ECHO = "loop", "streams", stats.CONTROL
RIVALS = (LOOP, STREAMS)


@dataclass(frozen=True)
class Target:
    """`kind`: `value` (of the subject), `ratio` or `difference` (to `base`), `noise` (ratio to the control; the limit
    is the control's own range), `floor` (CPU over control + bare ONNX Runtime), `shares` (of two cells), `single` (a
    figure of its own). With `at_least` the limit is a lower one."""

    text: str
    cell: str
    metric: str
    kind: str
    limit: float
    base: str | None = None
    at_least: bool = False
    # Below a rival means below, not the same.
    strict: bool = False
    unit: str = ""
    subject: str = SUBJECT


@dataclass(frozen=True)
class Verdict:
    target: Target
    # None where the figures for it are missing.
    found: stats.Spread | None
    reached: bool | None
    limit: float | None


def below(cell, title, metric, rival, name):
    return Target(f"{title} below {name}", cell, metric, "ratio", 1.0, rival, strict=True, unit="x")


TARGETS = (
    Target("CPU per record at drain", "drain", "cpu_us", "value", 3.5, unit="us"),
    Target("CPU per record at drain over the Java loop", "drain", "cpu_us", "ratio", 0.25, LOOP, unit="x"),
    Target("CPU per record at drain over Kafka Streams", "drain", "cpu_us", "ratio", 0.16, STREAMS, unit="x"),
    Target("CPU per record at drain over echo + bare ONNX Runtime", "drain", "cpu_us", "floor", 1.0, unit="x"),
    Target("the same with trees by ONNX Runtime's own nodes", "drain", "cpu_us", "floor", 1.0, unit="x",
           subject="inline-ort"),
    Target("records/s at drain", "drain", "drain_per_s", "value", 280_000, at_least=True, unit="/s"),
    Target("records/s at drain over the Java loop", "drain", "drain_per_s", "ratio", 2.3, LOOP, True, unit="x"),
    Target("records/s at drain over Kafka Streams", "drain", "drain_per_s", "ratio", 3.5, STREAMS, True, unit="x"),
    Target("1,000/s: p50 minus echo's", "rate-1000", "p50_ms", "difference", 0.05, ECHO, unit="ms"),
    Target("1,000/s: p99 over echo's", "rate-1000", "p99_ms", "ratio", 1.10, ECHO, unit="x"),
    below("rate-1000", "1,000/s: p99", "p99_ms", LOOP, "the Java loop's"),
    below("rate-1000", "1,000/s: p99", "p99_ms", STREAMS, "Kafka Streams'"),
    Target("10,000/s: p50 minus echo's", "rate-10000", "p50_ms", "difference", 0.05, ECHO, unit="ms"),
    below("rate-10000", "10,000/s: p99", "p99_ms", LOOP, "the Java loop's"),
    below("rate-10000", "10,000/s: p99", "p99_ms", STREAMS, "Kafka Streams'"),
    Target("10,000/s: p99 over echo's, within echo's own range", "rate-10000", "p99_ms", "noise", 1.0, ECHO, unit="x"),
    Target("50,000/s: p99 over the Java loop's", "rate-50000", "p99_ms", "ratio", 0.8, LOOP, unit="x"),
    Target("50,000/s: p50 over the Java loop's", "rate-50000", "p50_ms", "ratio", 1.0, LOOP, unit="x"),
    Target("CPU per record at 10,000/s", "rate-10000", "cpu_us", "value", 25, unit="us"),
    Target("CPU per record at 50,000/s", "rate-50000", "cpu_us", "value", 6, unit="us"),
    Target("p99 at 80 % of maximum over p99 at 20 %", "share-80", "p99_ms", "shares", 2.0, "share-20", unit="x"),
    Target("resident memory over 10 M records", "long", "rss_growth_percent", "single", 1.0, strict=True, unit="%"),
    Target("heap allocations per record on the lane's thread, own code", "allocations", "per_record", "single", 0),
)

# Measured by commands of their own.
ELSEWHERE = (
    ("decode + batch + score over bare ONNX Runtime <= 1.10x (100 trees and more), <= 1.6x (small MLP, 64 rows)",
     "cargo bench --bench journey"),
    ("decode over serde_avro_fast <= 0.20x, over apache-avro <= 0.05x", "cargo bench --bench decode"),
)


def judge(results, target):
    """One target against the results of the first model."""
    found, limit = measured(results, target)
    if found is None or limit is None:
        return Verdict(target, None, None, None)
    if target.at_least:
        reached = found.median >= limit
    else:
        reached = found.median < limit if target.strict else found.median <= limit
    return Verdict(target, found, reached, limit)


def judge_all(results):
    return [judge(results, target) for target in TARGETS]


def measured(results, target):
    """`(spread, limit)`, either None where figures are missing."""
    runs = first_model(results)
    own = stats.figures(runs, target.cell, target.subject, target.metric)
    if target.kind == "value":
        return stats.spread(own.values()), target.limit
    if target.kind == "single":
        value = (results.get(target.cell) or {}).get(target.metric)
        return stats.spread([] if value is None else [value]), target.limit
    if target.kind == "shares":
        return stats.ratio(own, stats.figures(runs, target.base, target.subject, target.metric)), target.limit
    if target.kind == "floor":
        echo = stats.figures(runs, target.cell, ECHO, target.metric)
        bare = bare_runtime(results)
        floor = {number: value + bare[number] for number, value in echo.items() if number in bare}
        return stats.ratio(own, floor), target.limit
    base = stats.figures(runs, target.cell, target.base, target.metric)
    if target.kind == "difference":
        return stats.difference(own, base), target.limit
    limit = stats.noise_factor(runs, target.cell, target.metric) if target.kind == "noise" else target.limit
    return stats.ratio(own, base), limit


def first_model(results):
    models = results["models"]
    return [run for run in results["runs"] if models and run["model"] == models[0]["name"]]


def bare_runtime(results):
    """`{round: microseconds per row}` of ONNX Runtime alone at the batch cap, first model."""
    models = results["models"]
    return {entry["round"]: entry["row_us"] for entry in results.get("bare_runtime", ())
            if models and entry["model"] == models[0]["name"]}
