"""Carries a suite out: rounds of blocks of systems, each process started, warmed, measured and stopped."""

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace

import generator
import machine
import maximum
import measure
import page
import suite
from errors import BenchError, BrokenPromise
from systems import Job, Running, System

# The search for the maximum: short runs, scorewire inline.
PROBE_SECONDS, PROBE_WARMUP_S, PROBE_ATTEMPTS = 5.0, 2.0, 2
BLOCK_ATTEMPTS = 3


class Bench:
    """What all runs of a bench share."""

    def __init__(self, settings, programs, kafka, results):
        self.settings, self.programs, self.kafka, self.results = settings, programs, kafka, results
        self.broker, self.broker_pid = kafka.broker, kafka.pid
        self.can_drain = results["can_drain"]
        self.started = 0
        self.begun = time.monotonic()

    def log(self, name):
        return self.settings.out / "logs" / name

    def say(self, text):
        print(f"bench: {time.monotonic() - self.begun:5.0f} s  {text}", file=sys.stderr, flush=True)

    def save(self):
        """After every round, so that an interrupted bench leaves what it had, and a running one can be looked at."""
        for name, text in (("results.json", json.dumps(self.results, indent=1)),
                           ("report.html", page.render(self.results))):
            fresh = self.settings.out / f"{name}.new"
            fresh.write_text(text)
            fresh.rename(self.settings.out / name)

    @contextmanager
    def running(self, system, package):
        """A system on topics and a group of its own, which are gone afterwards."""
        self.started += 1
        prefix = f"b{self.started}-{system.name}"
        job = Job(self.kafka.bootstrap, prefix, prefix, package, self.settings.partitions, system.is_challenged)
        self.kafka.create(job)
        with Running(system, self.programs, job, self.log(prefix)) as running:
            yield running
        self.kafka.delete(job)


def warm_broker(bench, package):
    """A fresh broker's first minute has tails of another world: nobody measures it."""
    settings = bench.settings
    bench.say(f"warming the broker for {settings.broker_warmup_s:.0f} s")
    with bench.running(subject(settings), package) as running:
        words = generator.arguments(settings, bench.programs, running.job, running.system, settings.seed)
        words += generator.steady(settings, 20_000, settings.broker_warmup_s, 0, running.pid)
        generator.run(words, settings.broker_warmup_s, bench.log("broker-warm-load"))
        measure.warm(bench, running, settings.seed)


def subject(settings):
    """scorewire inline, whether it is among the measured systems or not."""
    inline = [system for system in settings.systems if system.name == "inline"]
    return inline[0] if inline else System("inline", "scorewire", "scorewire inline", ("lanes.layout=inline",))


def find_maximum(bench, package):
    """The highest rate that scorewire inline keeps, each probe with a process of its own. What a shared machine did
    not let it keep it may try once more."""
    probes = []

    def keeps(rate):
        return any(probe(bench, package, rate, probes) for _ in range(PROBE_ATTEMPTS))

    return {"rate": maximum.search(keeps), "probes": probes}


def probe(bench, package, rate, probes):
    """Whether scorewire inline keeps a rate; what was seen goes to `probes`."""
    shorter = replace(bench.settings, seconds=PROBE_SECONDS, warmup_s=PROBE_WARMUP_S)
    with bench.running(subject(bench.settings), package) as running:
        cell = suite.Cell("probe", "probe", rate=rate)
        run = measure.run(bench, running, cell, -1, shorter.seed + len(probes), shorter)
    seen = ("achieved_per_s", "backlog_growth_per_s", "generator_delay_p99_ms")
    probes.append({"rate": rate, "kept": run["sustained"], **{name: run["figures"][name] for name in seen}})
    bench.say(f"maximum: {rate:,.0f}/s {'kept' if run['sustained'] else 'not kept'}, "
              f"achieved {run['figures']['achieved_per_s']:,.0f}/s")
    return run["sustained"]


def run_model(bench, package, cells, systems):
    """All rounds of one model."""
    settings = bench.settings
    for number in range(settings.rounds):
        measure_bare_runtime(bench, package, number)
        for block in suite.blocks(cells):
            order = suite.order(systems, number)
            for system in order:
                before = len(bench.results["runs"])
                run_block_or_again(bench, package, system, number, [(cells.index(cell), cell) for cell in block])
                for run in bench.results["runs"][before:]:
                    run["order"] = [system.name for system in order]
            bench.save()


def run_block_or_again(bench, package, system, number, numbered_cells):
    """One hiccup of a shared machine should not cost a suite of hours: what could not be carried out is done again, and
    told in the results. A broken promise is not, and ends the bench."""
    runs = bench.results["runs"]
    before = len(runs)
    for attempt in range(1, BLOCK_ATTEMPTS + 1):
        try:
            run_block(bench, package, system, number, numbered_cells)
            return
        except BrokenPromise:
            raise
        except BenchError as error:
            if attempt == BLOCK_ATTEMPTS:
                raise
            del runs[before:]
            bench.results["repeated"].append({"system": system.name, "round": number, "why": str(error)})
            bench.say(f"*** once more, because of this: {error}")


def run_block(bench, package, system, number, numbered_cells):
    """A few cells of one system in one process, warmed first."""
    base = bench.settings.seed
    with bench.running(system, package) as running:
        measure.warm(bench, running, base)
        for cell_number, cell in numbered_cells:
            run = measure.run(bench, running, cell, number, suite.seed(base, number, cell_number))
            run["start_s"] = round(running.start_s, 2)
            bench.results["runs"].append(run)
            bench.say(line_of(bench.settings, package, system, number, cell, run))


def line_of(settings, package, system, number, cell, run):
    figures = run["figures"]
    told = f"{figures['drain_per_s']:,.0f} records/s" if cell.is_drain else \
        f"p50 {figures['p50_ms']:.2f}  p99 {figures['p99_ms']:.2f} ms"
    cpu = f"{figures['cpu_us']:.2f}" if figures["cpu_us"] is not None else "?"
    kept = "" if run["sustained"] else "  RATE NOT KEPT"
    noisy = "" if run["machine"]["before"]["quiet"] else "  (machine not quiet)"
    return (f"{package.name} round {number + 1}/{settings.rounds}  {system.title:<20} {cell.title:<16} {told}  "
            f"CPU {cpu} us/record{kept}{noisy}")


def measure_bare_runtime(bench, package, number):
    """ONNX Runtime alone on this model, with its own tree nodes, at the batch size that scorewire would then take."""
    words = [bench.programs.scorewire, "model", "check", package, "--trees-by-onnxruntime", "--json"]
    told = subprocess.run(words, capture_output=True, text=True)
    if told.returncode != 0:
        bench.say(f"model check of {package.name} failed: {told.stderr.strip()[-300:]}")
        return
    checked = json.loads(told.stdout)
    for entry in checked["curve"]:
        if entry["rows"] == checked["batch_rows"]:
            bench.results["bare_runtime"].append({"model": package.name, "round": number, "rows": entry["rows"],
                                                  "row_us": entry["row_us"]})


def run_long(bench, package, records, rate):
    """scorewire's resident memory while `records` pass, sampled every second; growth is told between the mean of the
    second twentieth and that of the last. A drain goes before: as many records are in memory at once as will ever be,
    so that what is left to grow grows with the records that have passed."""
    settings = bench.settings
    seconds = records / rate
    bench.say(f"long: {records:,} records at {rate:,.0f}/s, {seconds:.0f} s")
    samples = []
    with bench.running(subject(settings), package) as running:
        measure.warm(bench, running, settings.seed)

        def look(at_s):
            if not samples or at_s - samples[-1][0] >= 1.0:
                samples.append((round(at_s, 1), machine.resident_bytes(running.pid)))

        words = generator.arguments(settings, bench.programs, running.job, running.system, settings.seed)
        words += generator.steady(settings, rate, seconds, 0, running.pid)
        summary, _cpu = generator.run(words, seconds, bench.log("long-load"), look)
    return long_result(summary["sent"], rate, [(at, value) for at, value in samples if value])


def long_result(records, rate, samples):
    part = max(len(samples) // 20, 1)
    first, last = samples[part : 2 * part] or samples[:1], samples[-part:]
    start, end = (sum(value for _, value in part) / len(part) for part in (first, last))
    return {"records": records, "rate": rate, "rss_start": start, "rss_end": end,
            "rss_growth_percent": round(100 * (end / start - 1), 3), "samples": samples}
