"""Runs the points of `scripts/bench growth`: interleaved rounds, and a counted run of each under valgrind."""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import callgrind
from errors import BenchError
from options import ROOT

# Records of a counted run: two commits at the 100,000 records a second by which its clock moves.
COUNTED_RECORDS = 20_480
POINT_LIMIT_S = 300
FUNCTION = "*growth::lanes::counted*"


def build():
    """The bench as cargo builds it; answers where it lies."""
    command = ["cargo", "bench", "--locked", "--bench", "growth", "--no-run", "--message-format=json-render-diagnostics"]
    print(f"bench: {' '.join(command)}", file=sys.stderr, flush=True)
    built = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if built.returncode != 0:
        raise BenchError("cargo bench failed: see above")
    found = [message["executable"] for message in map(json.loads, built.stdout.splitlines())
             if message.get("target", {}).get("name") == "growth" and message.get("executable")]
    if not found:
        raise BenchError("cargo did not say where the bench lies")
    return Path(found[-1])


def arguments(words):
    """Without any the bench only shows that it is alive."""
    return words.split() or ["features=30"]


def run_point(binary, words):
    done = subprocess.run([binary, *arguments(words)], cwd=ROOT, capture_output=True, text=True, timeout=POINT_LIMIT_S)
    if done.returncode != 0:
        raise BenchError(f"growth {words}: exit {done.returncode}\n{done.stderr[-3000:]}")
    return json.loads(done.stdout)


def has_valgrind():
    return all(shutil.which(program) for program in ("valgrind", "callgrind_control"))


def count_point(binary, words):
    """Instructions of a record and those of them outside of the model's call, by callgrind: however busy the machine is."""
    with tempfile.TemporaryDirectory() as folder:
        profile = Path(folder, "profile")
        command = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--toggle-collect={FUNCTION}",
                   f"--callgrind-out-file={profile}", binary, *arguments(words), f"count={COUNTED_RECORDS}", "pause=yes"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, cwd=ROOT, **pipes) as process:
            try:
                told = wait_until_ready(process)
                # Opening a model takes longer than all that is counted, and valgrind is quick while it looks at nothing.
                subprocess.run(["callgrind_control", "--instr=on", str(process.pid)], check=True, capture_output=True)
                answer, rest = process.communicate("go\n", timeout=POINT_LIMIT_S)
            except (subprocess.SubprocessError, OSError) as error:
                process.kill()
                raise BenchError(f"growth {words} under valgrind: {error}") from error
        if process.returncode != 0:
            raise BenchError(f"growth {words} under valgrind: exit {process.returncode}\n{(told + rest)[-3000:]}")
        return per_record(profile.read_text(), json.loads(answer)["records"])


def wait_until_ready(process):
    told = ""
    for line in process.stderr:
        told += line
        if "growth: ready" in line:
            break
    return told


def per_record(profile, records):
    total = callgrind.total(profile)
    if not total:
        raise BenchError("valgrind counted nothing")
    _, model = callgrind.called(profile, r"Session as .*Scorer>::score$")
    return {"instructions": total / records, "own": (total - model) / records}


def measure(binary, points, rounds, counts, deadline_s):
    """What was found, by point. Rounds are interleaved, so that a slow hour of the machine hits all; what does not fit into
    the time is left out, the last rounds first."""
    started, results = time.monotonic(), {}
    for number in range(rounds):
        for words in points:
            if number and time.monotonic() - started > deadline_s:
                say(f"time is over: round {number + 1} of {rounds} is not complete")
                break
            found = run_point(binary, words)
            kept = results.setdefault(words, {**found, "cpu_ns": [], "wall_ns": []})
            kept["cpu_ns"] += found["cpu_ns"]
            kept["wall_ns"] += found["wall_ns"]
            say(f"round {number + 1}: {words or '(all sizes as usual)'}: {min(found['cpu_ns']):,.0f} ns")
    for words in points if counts else ():
        if time.monotonic() - started > deadline_s:
            say("time is over: the rest is not counted")
            break
        results[words] |= count_point(binary, words)
        say(f"counted: {words or '(all sizes as usual)'}: {results[words]['instructions']:,.0f} instructions")
    return results


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)

