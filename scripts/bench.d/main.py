"""scripts/bench: see --help."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

import build
import growth
import machine
import options
import outage
import page
import replay
import rounds
import table
import targets
from errors import BenchError, ended, exit_on_signals
from kafka import Kafka

LONG_RECORDS, LONG_RATE = 10_000_000, 40_000.0
# What a long run leaves in the two topics, with room.
LONG_DISK_BYTES = 12 * 2**30
SUITE_DISK_BYTES = 5 * 2**30


def main(arguments):
    if arguments[:1] == ["growth"]:
        return growth.main(arguments[1:])
    if arguments[:1] == ["outage"]:
        return outage.main(arguments[1:])
    if arguments[:1] == ["replay"]:
        return replay.main(arguments[1:])
    settings = options.parse(arguments)
    if settings.render:
        results = json.loads(settings.render.read_text())
        (settings.render.parent / "report.html").write_text(page.render(results))
        return show(results, settings.render.parent)
    exit_on_signals()
    return ended(bench, settings)


def bench(settings):
    left_out = []
    prepare_folder(settings)
    programs = build.programs(settings, left_out)
    results = blank(settings, programs, left_out)
    for text in left_out:
        print(f"bench: *** LEFT OUT: {text}", file=sys.stderr)
    started = time.monotonic()
    with Kafka() as kafka:
        run = rounds.Bench(settings, programs, kafka, results)
        try:
            carry_out(run)
        except BaseException as error:
            results["failure"] = f"{type(error).__name__}: {error}"
            raise
        finally:
            results["measured_s"] = round(time.monotonic() - started, 1)
            run.save()
    if settings.allocations:
        results["allocations"] = count_allocations()
    results["targets"] = verdicts(results)
    run.save()
    return show(results, settings.out)


def carry_out(run):
    settings, results = run.settings, run.results
    rounds.warm_broker(run, settings.models[0])
    for number, package in enumerate(settings.models):
        cells = settings.further_cells if number else settings.cells
        if any(cell.share for cell in cells):
            results["maximum"] = results["maximum"] or rounds.find_maximum(run, package)
            if not results["maximum"]["rate"]:
                raise BenchError("scorewire inline keeps no rate at all on this machine")
            cells = [cell.at(results["maximum"]["rate"]) for cell in cells]
            settings.cells = [cell.at(results["maximum"]["rate"]) for cell in settings.cells]
            results["cells"] = [vars(cell) for cell in settings.cells]
        rounds.run_model(run, package, cells, settings.systems_of(number))
    if settings.long:
        results["long"] = rounds.run_long(run, settings.models[0], LONG_RECORDS, LONG_RATE)


def prepare_folder(settings):
    shutil.rmtree(settings.out / "logs", ignore_errors=True)
    (settings.out / "logs").mkdir(parents=True)
    needed = LONG_DISK_BYTES if settings.long else SUITE_DISK_BYTES
    free = shutil.disk_usage(settings.out).free
    if free < needed:
        raise BenchError(f"{free / 2**30:.1f} GiB free for target/, {needed / 2**30:.0f} needed")


def blank(settings, programs, left_out):
    """The results before the first run. Cells that this load generator cannot run are left out here."""
    can_drain = build.load_knows(programs.scorewire, "--drain")
    if not can_drain:
        left_out.append("drain: this scorewire's load generator has no --drain")
        settings.cells = [cell for cell in settings.cells if not cell.is_drain]
        settings.further_cells = [cell for cell in settings.further_cells if not cell.is_drain]
    has_echo = any(system.kind == "echo" for system in settings.systems)
    if has_echo and not build.load_knows(programs.scorewire, "--check"):
        left_out.append("echo: this scorewire's load generator has no --check")
        settings.systems = [system for system in settings.systems if system.kind != "echo"]
    return {
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "command": ["scripts/bench", *settings.command],
        "commit": build.commit(), "machine": machine.describe(), "versions": build.versions(programs),
        "settings": settings.shown(), "can_drain": can_drain,
        "models": [{"name": folder.name, "path": str(folder)} for folder in settings.models],
        "systems": [{"name": system.name, "title": system.title} for system in settings.systems],
        "cells": [vars(cell) for cell in settings.cells],
        "left_out": left_out, "maximum": None, "bare_runtime": [], "runs": [], "repeated": [], "long": None,
        "allocations": None,
    }


def count_allocations():
    """The test that counts the heap allocations of a lane between doors that make none; it asserts none at all."""
    command = ["cargo", "test", "--locked", "--test", "lane_allocations"]
    print(f"bench: {' '.join(command)}", file=sys.stderr, flush=True)
    passed = subprocess.run(command, cwd=options.ROOT, stdout=sys.stderr).returncode == 0
    return {"command": " ".join(command), "passed": passed, "per_record": 0 if passed else None}


def verdicts(results):
    return [{"target": verdict.target.text, "limit": verdict.limit, "reached": verdict.reached,
             "median": verdict.found and verdict.found.median, "low": verdict.found and verdict.found.low,
             "high": verdict.found and verdict.found.high} for verdict in targets.judge_all(results)]


def show(results, folder):
    print(table.render(results))
    print(f"\nraw figures: {shown_path(folder / 'results.json')}   page: {shown_path(folder / 'report.html')}")
    return 0


def shown_path(path):
    return os.path.relpath(path) if path.is_relative_to(options.ROOT) else str(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
