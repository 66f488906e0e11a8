"""scripts/bench outage: see --help."""

import argparse
import json
import os
import subprocess
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import build
import generator
import machine
import switches
from broker import Broker
from errors import BenchError, ended, exit_on_signals
from kafka import Kafka
from options import GATHER_MS, ROOT, positive
from systems import Job, Programs, Running, System
from table import grid

DESCRIPTION = """What becomes of a steady stream while the model fails for a while and heals, with each end of the fallback: one run for
each on a real Kafka, with its broker warmed up. The scoring process is a test build, whose model misbehaves while a file is there."""

EPILOG = """examples:
  scripts/bench outage                              60 s without a model at 10,000/s, each step of the fallback: sixteen minutes
  scripts/bench outage --steps pause,retry_later --outage 10

Writes target/bench/outage.json."""

LOOK_EVERY_S = 0.1
# Records that may be under way when all is well: a tenth of a second of the stream.
USUAL_SHARE = 0.1
# What a supervisor waits before it starts a process again that has ended.
RESTART_S = 1.0
SETTLE_S = 120.0
RETRY_DELAY_MS = 1_000
# Simulated transactions have event times of their own; the letters' time is when they were sent.
EXPIRES_MS = 3_600_000
PACKAGE_DIR = ROOT / "models" / "card-fraud-gbdt"
SMALLER = ROOT / "models" / "card-fraud-mlp"


@dataclass(frozen=True)
class Step:
    """`trouble`: what the model does meanwhile."""

    name: str
    title: str
    trouble: str
    settings: tuple


ON_FAILED = ("fallback.on=failed",)
PACKAGE = f"fallback.then=package:{SMALLER},score:0.5"
TIMED = ("lanes.layout=dedicated", "model.timeout_ms=20")
STEPS = [
    Step("stop", "no fallback: a dead letter each, 16 in a row end the process", "fails", ()),
    Step("package", "another package", "fails", (*ON_FAILED, PACKAGE)),
    Step("score", "a fixed score", "fails", (*ON_FAILED, "fallback.then=score:0.5")),
    Step("retry_later", "a letter, scored again later", "fails",
         (*ON_FAILED, "fallback.then=retry_later", f"retry_later.delay_ms={RETRY_DELAY_MS}",
          f"retry_later.expires_after_ms={EXPIRES_MS}")),
    Step("pause", "the lane stands still", "fails", (*ON_FAILED, "fallback.then=pause")),
    Step("timeouts", "calls of 200 ms, 20 ms allowed: to the topic of time-outs", "takes 200",
         (*TIMED, "fallback.on=timed_out", "fallback.then=timeouts")),
    Step("package_late", "calls of 200 ms, 20 ms allowed: another package", "takes 200",
         (*TIMED, "fallback.on=timed_out", PACKAGE)),
]
OUTCOMES = ("outputs", "dead_letters", "timeouts", "retry_later")


def parse(arguments):
    parser = argparse.ArgumentParser("scripts/bench outage", description=DESCRIPTION, epilog=EPILOG,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    names = [step.name for step in STEPS]
    add("--steps", default=",".join(names), metavar="LIST", help=f"which (default: {','.join(names)})")
    add("--rate", type=positive(float), default=10_000.0, metavar="N", help="records/s (default: 10000)")
    add("--outage", type=positive(float), default=60.0, metavar="S", help="how long the model fails (default: 60)")
    add("--before", type=positive(float), default=15.0, metavar="S", help="how long all is well before it (default: 15)")
    add("--after", type=positive(float), default=20.0, metavar="S", help="and behind it (default: 20)")
    add("--broker-warmup", type=positive(float), dest="broker_warmup_s", default=60.0, metavar="S",
        help="load on the fresh broker before anything is measured (default: 60)")
    add("--scorewire", type=Path, metavar="FILE", help="a test build that is there already")
    add("--out", type=Path, default=ROOT / "target" / "bench", metavar="DIR", help="results (default: target/bench)")
    told = parser.parse_args(arguments)
    wanted = told.steps.split(",")
    unknown = [name for name in wanted if name not in names]
    if unknown:
        parser.error(f"no such step: {', '.join(unknown)}; there are {', '.join(names)}")
    told.steps = [step for step in STEPS if step.name in wanted]
    # What the load generator's command line is made of.
    told.gather_ms, told.key_field, told.partitions, told.records_from = GATHER_MS, None, 4, None
    return told


def main(arguments):
    told = parse(arguments)
    exit_on_signals()
    return ended(run, told)


def run(told):
    (told.out / "logs").mkdir(parents=True, exist_ok=True)
    program = (told.scorewire or built(told.out)).absolute()
    switches.refuse_without(program)
    programs = Programs(scorewire=program, echo=program, java="java", rivals=program)
    results = {"started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "commit": build.commit(),
               "machine": machine.describe(), "rate": told.rate, "outage_s": told.outage, "steps": []}
    with Kafka() as kafka:
        warm_broker(told, programs, kafka)
        for step in told.steps:
            machine.wait_until_quiet(20.0)
            found = one_step(told, programs, kafka, step)
            print(f"bench: {json.dumps(found)}", flush=True)
            results["steps"].append(found)
            (told.out / "outage.json").write_text(json.dumps(results, indent=1) + "\n")
    print(table(results))
    return 0


def warm_broker(told, programs, kafka):
    """The first step would be measured on a broker that is still compiling itself."""
    job, log = OutageJob(kafka.bootstrap, "outage-warm", "outage-warm", PACKAGE_DIR, told.partitions), told.out / "logs" / "outage-warm"
    system = System("warm", "scorewire", "scorewire", ())
    with ExitStack() as stack:
        kafka.create(job)
        stack.callback(kafka.delete, job)
        running = stack.enter_context(Running(system, programs, job, log))
        words = generator.arguments(told, programs, job, system, 1)
        words += generator.steady(told, 2 * told.rate, told.broker_warmup_s, 0, running.pid)
        generator.run(words, told.broker_warmup_s, Path(f"{log}-load"))


def built(out):
    """A test build, beside the one that is measured elsewhere."""
    build.run("cargo", "build", "--release", "--locked", "--features", "test-faults", "--bin", "scorewire")
    made = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "scorewire"
    kept = out / "scorewire-test-faults"
    kept.unlink(missing_ok=True)
    made.rename(kept)
    return kept


class OutageJob(Job):
    @property
    def topics(self):
        return super().topics | {"retry_later": f"{self.prefix}-retry_later"}


def one_step(told, programs, kafka, step):
    prefix = f"outage-{step.name}"
    job = OutageJob(kafka.bootstrap, prefix, prefix, PACKAGE_DIR, told.partitions)
    log = told.out / "logs" / prefix
    trouble = Trouble(told.out / f"{prefix}.trouble", step.trouble)
    system = System(step.name, "scorewire", step.title, step.settings)
    seconds = told.before + told.outage + told.after
    words = [*generator.arguments(told, programs, job, system, 1), "--gather", f"{told.gather_ms:g}", "--rate", f"{told.rate:g}",
             "--seconds", f"{seconds:g}", "--warmup", "0"]
    words += [word for key in step.settings for word in ("--set", key)]
    with ExitStack() as stack:
        kafka.create(job)
        stack.callback(kafka.delete, job)
        stack.callback(trouble.end)
        node = stack.enter_context(Supervised(system, programs, job, log))
        watch = Watch(told, job, node, trouble)
        with watch:
            summary = load(words, seconds, Path(f"{log}-load"), watch)
        found = {"step": step.name, "title": step.title} | watch.found() | latencies(watch, summary) | fates(summary)
        if step.name == "retry_later":
            found |= scored_again(programs, job, step, Path(f"{log}-retry"), found["put_off"])
        return found


class Trouble:
    """The model misbehaves while the file is there."""

    def __init__(self, file, what):
        self.file, self.what = file, what
        os.environ["SCOREWIRE_TEST_MODEL"] = str(file)
        self.end()

    def begin(self):
        # Whole or not at all: the model reads it with each call.
        whole = self.file.with_suffix(".new")
        whole.write_text(self.what)
        whole.rename(self.file)

    def end(self):
        self.file.unlink(missing_ok=True)


class Supervised:
    """The scoring process, started again when it has ended, as a service manager does."""

    def __init__(self, system, programs, job, log):
        self.make = lambda number: Running(system, programs, job, f"{log}-{number}" if number else log)
        self.starts, self.exits, self.ended_at = 0, [], None

    def __enter__(self):
        self.running = self.make(0)
        self.running.__enter__()
        self.starts = 1
        return self

    def __exit__(self, *failure):
        if self.running.process.poll() is None:
            self.running.__exit__(*failure)
        else:
            self.running.scratch.cleanup()

    def look(self):
        """Starts it again where it is time."""
        code = self.running.process.poll()
        if code is None:
            return
        now = time.monotonic()
        if self.ended_at is None:
            self.ended_at = now
            self.exits.append(code)
        if now - self.ended_at < RESTART_S:
            return
        self.running.scratch.cleanup()
        self.running = self.make(self.starts)
        self.starts += 1
        self.ended_at = None
        with open(self.running.log, "wb") as log:
            self.running.process = subprocess.Popen(self.running.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                    start_new_session=True)


class Watch(threading.Thread):
    """Makes the outage, and looks at the topics' ends and at /status all the while."""

    def __init__(self, told, job, node, trouble):
        super().__init__(daemon=True)
        self.told, self.job, self.node, self.trouble = told, job, node, trouble
        self.broker, self.over, self.failure = Broker(job.bootstrap), threading.Event(), None
        self.start_at = self.begun_at = self.healed_at = None
        self.samples = []

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_failure):
        self.over.set()
        self.join()
        self.broker.close()

    def run(self):
        try:
            while not self.over.wait(LOOK_EVERY_S):
                self.look()
        except Exception as error:  # Told by whoever waits for the load generator.
            self.failure = error

    def look(self):
        self.node.look()
        now, ends = time.monotonic(), self.ends()
        if ends is None:
            return
        status = self.node.running.status()
        lane = status["lanes"][0] if status and status["lanes"] else None
        self.samples.append({"at": now, **ends, "fallbacks": dict(lane["fallbacks"]) if lane else None,
                             "is_well": bool(lane) and not lane["fallback_seconds"] and not lane["model_paused_seconds"]})
        if self.start_at is None and ends["input"] > 0:
            self.start_at = now
        if self.start_at is None:
            return
        if self.begun_at is None and now >= self.start_at + self.told.before:
            self.trouble.begin()
            self.begun_at = time.monotonic()
        elif self.begun_at is not None and self.healed_at is None and now >= self.begun_at + self.told.outage:
            self.trouble.end()
            self.healed_at = time.monotonic()

    def ends(self):
        found = {name: self.broker.end_offsets(self.job.topics[name], self.job.partitions) for name in ("input", *OUTCOMES)}
        return None if None in found.values() else {name: sum(ends) for name, ends in found.items()}

    def at(self, when):
        """The first sample from then on."""
        return next(sample for sample in self.samples if sample["at"] >= when)

    def found(self):
        if self.healed_at is None:
            raise BenchError("the model did not heal while records were sent")
        begun, healed, last = self.at(self.begun_at), self.at(self.healed_at), self.samples[-1]
        took = healed["at"] - begun["at"]
        went = {name: healed[name] - begun[name] for name in OUTCOMES}
        behind = [sample["input"] - sum(sample[name] for name in OUTCOMES) for sample in self.samples]
        flagged = [sum(sample["fallbacks"].values()) if sample["fallbacks"] else 0 for sample in self.samples]
        return {"decisions_per_s": round(went["outputs"] / took), "outcomes_per_s": round(sum(went.values()) / took),
                "in_the_outage": went, "at_the_end": {name: last[name] for name in OUTCOMES}, "flagged": max(flagged),
                "behind_max": max(behind), "back_after_s": self.back_after(), "starts": self.node.starts,
                "exits": self.node.exits}

    def back_after(self):
        """From the model's recovery until all that came has its outcome but for what is usually under way, and the model decides."""
        usual, back = self.told.rate * USUAL_SHARE, None
        for sample in self.samples:
            if sample["at"] < self.healed_at:
                continue
            is_usual = sample["is_well"] and sample["input"] - sum(sample[name] for name in OUTCOMES) <= usual
            if is_usual and back is None:
                back = sample["at"]
            elif not is_usual and sample["at"] < self.start_at + self.told.before + self.told.outage + self.told.after:
                back = None
        return None if back is None else round(back - self.healed_at, 2)


def load(words, seconds, log, watch):
    """The generator's summary, whatever promises it finds broken: they are what is looked at here."""
    def look(_now):
        if watch.failure:
            raise BenchError(f"the watch ended: {watch.failure}") from watch.failure
    try:
        generator.run(words, seconds + SETTLE_S, log, look)
    except BenchError:
        if watch.failure:
            raise
    answer = Path(f"{log}.json").read_text()
    try:
        return json.loads(answer)
    except ValueError:
        raise BenchError(f"the load generator has no result: see {log}") from None


def latencies(watch, summary):
    """The median over the seconds of each part of the run of its 50th and 99th percentile."""
    begun, healed = watch.begun_at - watch.start_at, watch.healed_at - watch.start_at
    parts = {"before": (2, begun - 1), "outage": (begun + 2, healed - 1)}
    found = {}
    for name, (first, last) in parts.items():
        seconds = [second for second in summary["series"] if first <= second["second"] < last and second["outcomes"]]
        found[f"{name}_ms"] = {quantile: median([second["latency_ms"][quantile] for second in seconds])
                               for quantile in ("p50", "p99")} if seconds else None
    return found


def median(numbers):
    return sorted(numbers)[len(numbers) // 2]


def fates(summary):
    names = ("sent", "scored", "fallback", "dead_lettered", "timed_out", "put_off", "lost", "duplicated", "out_of_order", "misplaced",
             "malformed", "wrong_scores")
    return {name: summary[name] for name in names}


def scored_again(programs, job, step, log, letters):
    """`scorewire retry` works the letters off."""
    flags = [word for key in step.settings for word in ("--set", key)]
    words = [str(programs.scorewire), "retry", "--until-end", "--bootstrap", job.bootstrap, "--group", job.group, "--start-at",
             "earliest", "--package", str(job.package), "--listen", "off", "--log-level", "warn", *job.topic_flags(), *flags]
    broker = Broker(job.bootstrap)
    before, begun = sum(broker.end_offsets(job.topics["outputs"], job.partitions)), time.monotonic()
    with open(log, "wb") as out:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, timeout=SETTLE_S)
    took = time.monotonic() - begun
    amended = sum(broker.end_offsets(job.topics["outputs"], job.partitions)) - before
    broker.close()
    if done.returncode != 0:
        raise BenchError(f"scorewire retry ended with {done.returncode}: see {log}")
    return {"letters": letters, "amended": amended, "retry_s": round(took, 1)}


def table(results):
    def quantiles(found):
        return "-" if found is None else f"{found['p50']:.1f} / {found['p99']:.1f}"

    def row(found):
        went = ", ".join(f"{count:,} {name}" for name, count in found["in_the_outage"].items() if count) or "nothing"
        back = "not within the run" if found["back_after_s"] is None else f"{found['back_after_s']:.1f} s"
        wrong = sum(found[name] for name in ("lost", "out_of_order", "misplaced", "malformed", "wrong_scores"))
        return [found["step"], f"{found['decisions_per_s']:,}", f"{found['flagged']:,}", went, quantiles(found["before_ms"]),
                quantiles(found["outage_ms"]), f"{found['behind_max']:,}", back, f"{found['starts']}",
                f"{wrong} / {found['duplicated']}"]

    described = results["machine"]
    head = ["then", "decisions/s", "flagged", "went where", "p50 / p99 ms before", "p50 / p99 ms meanwhile", "behind, at most",
            "back to normal after", "starts", "lost or wrong / doubled"]
    lines = [f"{described['cpu']}, {described['cores']} cores, commit {results['commit']}; {results['rate']:,.0f} records/s, "
             f"{results['outage_s']:g} s without a model; decisions, and where outcomes went, are those of that time", "", grid(head, [row(found) for found in results["steps"]])]
    lines += [f"{found['step']}: {found['amended']:,} of {found['letters']:,} letters scored again in {found['retry_s']} s, "
              "the start of the process included" for found in results["steps"] if "amended" in found]
    return "\n".join(lines)
