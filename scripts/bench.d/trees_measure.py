"""One model by all engines, in turn."""

import sys

from errors import BenchError
from suite import order
from trees_engines import Engine, starts

CHECKED_ROWS = 4096
# Others sum in doubles and round no threshold to float32: a value between the two goes another way, and few do.
ALIKE, APART_MAX = 1e-6, 0.02
# These have the reference's very bits.
OTHERS = ("lleaves", "lightgbm")


def measure(model, programs, settings):
    """The model's part of the results. An engine that cannot score it is left out, and said so."""
    engines, result = open_all(model, programs, settings)
    try:
        result["agreement"] = agreement(engines)
        for batch in settings.batches:
            result["figures"][str(batch)] = measure_batch(list(engines.values()), batch, settings)
            print(f"bench: {model.name}, {batch} rows a call", file=sys.stderr, flush=True)
    finally:
        for engine in engines.values():
            engine.end()
    return result


def open_all(model, programs, settings):
    engines, says, left_out = {}, {}, {}
    # All of them prepare their models at once: that takes seconds.
    for start in starts(model, programs, settings.kinds):
        engines[start.name] = Engine(start, settings.core)
    for name, engine in list(engines.items()):
        try:
            says[name] = engine.wait_ready()
        except BenchError as error:
            left_out[name] = str(error)
            engines.pop(name).end()
    return engines, {"about": model.about, "says": says, "left_out": left_out, "figures": {}}


def agreement(engines):
    """How each engine's scores differ from those of ONNX Runtime's nodes. Nobody is timed who scores something else."""
    reference = engines.get("onnxruntime") or next(iter(engines.values()))
    expected = reference.scores(CHECKED_ROWS, 256)
    found = {}
    for name, engine in engines.items():
        for batch in (1, 16):
            scores = engine.scores(CHECKED_ROWS, batch)
            found[name] = compare(expected, scores)
            if name in OTHERS:
                if found[name]["apart"] > APART_MAX:
                    raise BenchError(f"{name} scores something else: {found[name]}")
            elif scores.tobytes() != expected.tobytes():
                raise BenchError(f"{name} has other bits than {reference.name} at {batch} rows a call: {found[name]}")
    return found


def compare(expected, scores):
    """The median and largest difference, and the share of scores that are not alike."""
    if len(expected) != len(scores):
        raise BenchError(f"{len(scores)} scores instead of {len(expected)}")
    # What is not a number is not alike.
    differences = sorted(abs(one - other) if one == one and other == other else float("inf")
                         for one, other in zip(expected, scores))
    apart = sum(difference > ALIKE for difference in differences)
    return {"median": differences[len(differences) // 2], "max": differences[-1], "apart": apart / len(differences)}


def measure_batch(engines, batch, settings):
    """`{engine: [microseconds per row of each round]}`; neighbours in a round are pairs."""
    slice_ns = settings.slice_ms * 1e6
    calls = {engine.name: calibrate(engine, batch, slice_ns) for engine in engines}
    figures = {engine.name: [] for engine in engines}
    for number in range(settings.pairs):
        for engine in order(engines, number):
            ns, made = engine.time(batch, calls[engine.name])
            figures[engine.name].append(ns / made / batch / 1e3)
    return figures


def calibrate(engine, batch, slice_ns):
    """How many calls take a slice."""
    calls = 1
    while True:
        ns, made = engine.time(batch, calls)
        if ns >= slice_ns / 8:
            return max(round(made * slice_ns / ns), 1)
        calls = made * 4
