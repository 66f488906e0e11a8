"""scripts/bench trees: see --help."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

import build
import machine
import trees_build
import trees_measure
import trees_options
import trees_table
from errors import BenchError, ended, exit_on_signals


def main(arguments):
    settings = trees_options.parse(arguments)
    if settings.render:
        return show(settings, json.loads(settings.render.read_text()))
    exit_on_signals()
    return ended(bench, settings)


def bench(settings):
    programs = trees_build.programs(settings)
    models = trees_build.models(settings)
    if settings.bits:
        return bits(models, programs, settings)
    results = blank(settings, programs)
    for model in models:
        for kind, there in (("lleaves", model.lleaves), ("lightgbm", programs.lightgbm)):
            if kind in settings.kinds and model.about["lightgbm"] and not there:
                results["left_out"].append(f"{kind} for {model.name}: not there")
        results["models"].append(trees_measure.measure(model, programs, settings))
        save(settings, results)
    return show(settings, results)


def blank(settings, programs):
    kinds = {name: "before" for name in programs.before} | {name: "kernel" for name in programs.kernels}
    kinds |= {kind: kind for kind in settings.kinds if kind not in ("before", "kernels") and not trees_options.is_kernel(kind)}
    processor = machine.processor(Path("/proc/cpuinfo").read_text())
    left_out = [] if settings.before or "before" not in settings.kinds else ["the release before: no --before"]
    return {
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "command": ["scripts/bench", "trees", *settings.command],
        "commit": build.commit(), "machine": machine.describe() | {"processor": processor},
        "versions": trees_build.versions(),
        "settings": {"pairs": settings.pairs, "slice_ms": settings.slice_ms, "batches": settings.batches, "core": settings.core,
                     "before": {one.name: one.source for one in settings.before}},
        "engines": kinds, "left_out": left_out, "models": [],
    }


def save(settings, results):
    settings.out.mkdir(parents=True, exist_ok=True)
    (settings.out / "trees.json").write_text(json.dumps(results, indent=1) + "\n")


def show(settings, results):
    print(trees_table.markdown(results) if settings.markdown else trees_table.render(results))
    return 0 if all(verdict.reached for verdict in trees_table.judge(results)) else 2


def bits(models, programs, settings):
    """Each model's comparison says how many scores differ, a line for each engine and batch size."""
    failed = False
    for model in models:
        print(f"{trees_table.shape(model.about)}", flush=True)
        pin = lambda: os.sched_setaffinity(0, {settings.core})
        command = [programs.binary, "--model", model.folder, "--bits", str(settings.bits)]
        run = subprocess.run(command, stdout=subprocess.PIPE, text=True, preexec_fn=pin)
        lines = [line.split() for line in run.stdout.splitlines() if line.startswith("bits ")]
        if run.returncode not in (0, 1) or not lines:
            raise BenchError(f"the comparison of {model.name} ended with {run.returncode}")
        without = [f"  {line}" for line in run.stdout.splitlines() if line.startswith("without ")]
        print("\n".join(trees_table.bits_lines(lines) + without), flush=True)
        failed |= run.returncode != 0
    print("*** BITS DIFFER" if failed else "no bit differs")
    return 2 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
