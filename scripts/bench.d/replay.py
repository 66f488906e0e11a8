"""scripts/bench replay: see --help."""

import argparse
import json
import os
import re
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import build
import generator
import machine
import stats
from errors import BenchError, ended
from kafka import Kafka
from options import GATHER_MS, ROOT, positive
from systems import Job, Programs, Running, System
from table import grid, spread_text

DESCRIPTION = """How fast `scorewire replay` scores recorded transactions again, beside a lane that drains the same ones from the same
Kafka: interleaved rounds. Each replay is an audit (--bit-equal), which fails the bench where a bit differs."""

EPILOG = """examples:
  scripts/bench replay                                       a million simulated records, 3 rounds
  scripts/bench replay --package DIR --from FILE.avro        another package, records of a file

Writes target/bench/replay.json."""

INLINE = System("inline", "scorewire", "one lane drains", ("lanes.layout=inline",))
TOOK = re.compile(r"([0-9.]+) s on ([0-9]+) threads")
REPLAY_LIMIT_S = 600.0


def parse(arguments):
    parser = argparse.ArgumentParser("scripts/bench replay", description=DESCRIPTION, epilog=EPILOG,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--records", type=positive(int), default=1_000_000, metavar="N", help="records of each round (default: 1000000)")
    add("--rounds", type=positive(int), default=3, metavar="N", help="rounds (default: 3)")
    add("--package", type=Path, default=ROOT / "models" / "card-fraud-gbdt", metavar="DIR", help="the model package")
    add("--from", dest="records_from", type=Path, metavar="FILE.avro", help="records of a file, not the simulator's")
    add("--scorewire", type=Path, metavar="FILE", help="a binary that is built already")
    add("--out", type=Path, default=ROOT / "target" / "bench", metavar="DIR", help="results (default: target/bench)")
    told = parser.parse_args(arguments)
    # What the load generator's command line is made of.
    told.gather_ms, told.key_field, told.partitions = GATHER_MS, None, 4
    return told


def main(arguments):
    return ended(run, parse(arguments))


def run(told):
    (told.out / "logs").mkdir(parents=True, exist_ok=True)
    program = told.scorewire or built()
    programs = Programs(scorewire=program, echo=program, java="java", rivals=program)
    results = {"started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "commit": build.commit(),
               "machine": machine.describe(), "records": told.records, "rounds": []}
    with Kafka() as kafka:
        for number in range(1, told.rounds + 1):
            found = one_round(told, programs, kafka, number)
            print(f"bench: round {number} of {told.rounds}: {json.dumps(found)}", flush=True)
            results["rounds"].append(found)
    (told.out / "replay.json").write_text(json.dumps(results, indent=1) + "\n")
    print(table(results))
    return 0


def built():
    build.run("cargo", "build", "--release", "--locked", "--bin", "scorewire")
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "scorewire"


def one_round(told, programs, kafka, number):
    """What the lane and the replays took, in records a second."""
    prefix = f"replay-{number}"
    job = Job(kafka.bootstrap, prefix, prefix, told.package, told.partitions)
    log = told.out / "logs" / prefix
    with ExitStack() as stack:
        kafka.create(job)
        stack.callback(kafka.delete, job)
        machine.wait_until_quiet(20.0)
        with Running(INLINE, programs, job, log) as running:
            words = generator.arguments(told, programs, job, INLINE, number) + generator.drain(told.records, running.pid)
            summary, _cpu = generator.run(words, 0.0, Path(f"{log}-load"))
            running.check()
        found = {"lane": summary["drain_records_per_s"], "lane_cpu_us": summary["cpu_us_per_record"]}
        for name, threads in (("replay_1", ["--threads", "1"]), ("replay", [])):
            machine.wait_until_quiet(20.0)
            found |= replay(told, programs, job, threads, name)
    return found


def replay(told, programs, job, threads, name):
    words = [str(programs.scorewire), "replay", "--bootstrap", job.bootstrap, "--group", job.group, "--package",
             str(told.package), "--log-level", "warn", *job.topic_flags(), "--bit-equal", "--json", *threads]
    before = os.times()
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=REPLAY_LIMIT_S)
    after = os.times()
    if done.returncode != 0:
        raise BenchError(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout[:2000]}{done.stderr[-2000:]}")
    report = json.loads(done.stdout)
    counts = {count["name"]: count["number"] for count in report["counts"]}
    if counts["compared"] + counts["dead letters"] != told.records:
        raise BenchError(f"not every record was compared: {counts}")
    seconds, used = TOOK.fullmatch(report["provenance"]["took"]).groups()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return {name: told.records / float(seconds), f"{name}_threads": int(used),
            f"{name}_cpu_us": round(spent * 1e6 / told.records, 3), f"{name}_differing": report["scores"]["differing"]}


def table(results):
    rounds, described = results["rounds"], results["machine"]
    threads = rounds[0]["replay_threads"]

    def row(title, name):
        rates, cpu = [found[name] for found in rounds], [found[f"{name}_cpu_us"] for found in rounds]
        ratio = stats.spread(found[name] / found["lane"] for found in rounds)
        return [title, spread_text(stats.spread(rates), 0), spread_text(stats.spread(cpu), 2), spread_text(ratio, 2)]

    rows = [row("a lane drains", "lane"), row("replay, 1 thread", "replay_1"), row(f"replay, {threads} threads", "replay")]
    differing = sum(found["replay_differing"] + found["replay_1_differing"] for found in rounds)
    return "\n".join([
        f"{described['cpu']}, {described['cores']} cores, commit {results['commit']}; {results['records']:,} records, "
        f"medians of {len(rounds)} rounds [lowest..highest]",
        "A replay reads the recorded outputs and the input, and its rate and CPU time are of both.",
        "", grid(["", "records/s", "CPU us/record", "records/s over the lane's"], rows), "",
        f"other bits: {differing}"])
