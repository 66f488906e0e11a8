"""One run of one system in one cell, and what it cost the machine."""

import time

import generator
import machine
import options
import stats

# A system keeps a rate when it answers this share of what is offered and its backlog does not grow by more than the
# rest.
ACHIEVED_MIN, GROWTH_MAX = 0.99, 0.01
# The last outcomes come after the last record was due: this long is latency, and not a rate that was missed.
TAIL_S = 0.2
# How often the broker is asked for the backlog.
BACKLOG_EVERY_S = 0.5


class Backlog:
    """Samples of records without an outcome, while a run lasts."""

    def __init__(self, broker, job):
        self.broker, self.job = broker, job
        self.samples = []

    def look(self, at_s):
        if self.samples and at_s - self.samples[-1][0] < BACKLOG_EVERY_S:
            return
        topics = self.job.topics
        found = self.broker.backlog(topics["input"], topics["outputs"], self.job.partitions)
        if found is not None:
            self.samples.append((at_s, max(found, 0)))

    def between(self, start_s, end_s):
        return [(at, value) for at, value in self.samples if start_s <= at <= end_s]


def warm(bench, running, seed):
    """Records that nobody measures, so that a JVM has compiled and every queue has been used."""
    settings = bench.settings
    records = options.JVM_WARM_RECORDS if running.system.kind == "java" else settings.warm_records
    words = generator.arguments(settings, bench.programs, running.job, running.system, seed)
    if bench.can_drain:
        tail = generator.drain(records, running.pid)
    else:
        tail = generator.steady(settings, 20_000, 4.0, 1.0, running.pid)
    generator.run(words + tail, 10.0, bench.log(f"{running.job.prefix}-warm-load"))


def run(bench, running, cell, round_number, seed, settings=None):
    """Measures, and answers the run as it goes into the results; `settings` are the bench's unless others are given."""
    settings, job = settings or bench.settings, running.job
    before_run = machine.wait_until_quiet(settings.quiet_limit_s)
    words = generator.arguments(settings, bench.programs, job, running.system, seed)
    words += generator.drain(settings.drain_records, running.pid) if cell.is_drain else \
        generator.steady(settings, cell.rate, settings.seconds, settings.warmup_s, running.pid)
    backlog = Backlog(bench.broker, job)
    pids = {"system": running.pid, "broker": bench.broker_pid}
    resident = running.resident_bytes()
    times, cpu, start = machine.times(), generator.sampled_cpu(pids), time.monotonic()
    lanes, challengers = running.lanes_cpu_seconds(), running.challengers()
    limit_s = 0.0 if cell.is_drain else settings.seconds + settings.warmup_s
    summary, generator_cpu_s = generator.run(words, limit_s, bench.log(f"{job.prefix}-{cell.key}-load"),
                                             None if cell.is_drain else backlog.look)
    running.check()
    spent = {name: after - cpu[name] for name, after in generator.sampled_cpu(pids).items()}
    spent["generator"] = generator_cpu_s
    idle, steal, busy_s = machine.shares(times, machine.times())
    seconds = time.monotonic() - start
    figures = figures_of(summary, spent, cell)
    if lanes is not None and (after := running.lanes_cpu_seconds()) is not None:
        figures["lane_cpu_us"] = per_record(after - lanes, figures["records"] or 0)
    if challengers:
        figures["challengers"] = since(challengers, running.challengers())
    figures |= {"rss_before": resident, "rss_after": running.resident_bytes()}
    if not cell.is_drain:
        figures |= backlog_figures(backlog, seconds, settings)
    others = max(busy_s - sum(spent.values()), 0.0) / seconds
    return {
        "model": job.package.name, "cell": cell.key, "rate": cell.rate, "system": running.system.name,
        "round": round_number, "seed": seed, "figures": figures, "sustained": cell.is_drain or sustained(figures),
        "machine": {"before": before_run, "idle": round(idle, 3), "steal": round(steal, 3),
                    "cores_used_by_others": round(others, 3)},
        "load": summary,
    }


def figures_of(summary, spent, cell):
    """The run's figures by name; what the generator does not tell is None."""
    records = summary.get("sent") or 0
    latency = summary.get("latency_ms") or {}
    figures = {
        "cpu_us": summary.get("cpu_us_per_record"),
        # The whole run's, warm-up and preparation included.
        "broker_cpu_us": per_record(spent["broker"], records),
        "generator_cpu_us": per_record(spent["generator"], records),
        "records": records,
    }
    if cell.is_drain:
        # Also without the ramp at its start, where the generator tells it.
        steady = summary.get("drain") or {}
        return figures | {"drain_per_s": summary.get("drain_records_per_s"),
                          "steady_per_s": steady.get("steady_records_per_s"),
                          "steady_cpu_us": steady.get("steady_cpu_us_per_record")}
    for name in ("p50", "p95", "p99", "p99_9", "max"):
        figures[f"{name}_ms"] = latency.get(name)
    figures |= {"offered_per_s": summary.get("offered_per_s"), "achieved_per_s": summary.get("achieved_per_s")}
    figures["seconds"] = summary.get("seconds")
    figures["generator_delay_p99_ms"] = (summary.get("generator_delay_ms") or {}).get("p99")
    return figures


def since(before, after):
    """What each challenger was asked, compared and left out in the run, by name."""
    earlier = {of["name"]: of for of in before}
    return {of["name"]: {name: of[name] - earlier[of["name"]][name] for name in of if name != "name"} for of in after}


def per_record(seconds, records):
    return round(seconds * 1e6 / records, 3) if records else None


def backlog_figures(backlog, seconds, settings):
    """Largest backlog and its growth per second, of the measured part: the last seconds before the run's end."""
    measured = backlog.between(seconds - settings.seconds - 1.0, seconds - 1.0)
    return {"backlog_max": max((value for _, value in measured), default=None),
            "backlog_growth_per_s": round(stats.slope_per_s(measured), 1)}


def sustained(figures):
    """Whether the offered rate was kept."""
    offered, achieved = figures["offered_per_s"] or 0.0, figures["achieved_per_s"] or 0.0
    if not offered or not achieved:
        return False
    seconds = figures["seconds"]
    tail_s = seconds * (offered / achieved - 1)
    kept = offered * seconds / (seconds + max(tail_s - TAIL_S, 0.0))
    return kept >= ACHIEVED_MIN * offered and figures["backlog_growth_per_s"] <= GROWTH_MAX * offered
