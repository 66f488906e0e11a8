"""scripts/faults: scenarios against a real Kafka, each judged by the independent checker."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "lib")]

from confluent_kafka import KafkaException  # noqa: E402 (the path comes first)

import planted  # noqa: E402
import switches  # noqa: E402
import table  # noqa: E402 (the path comes first)
from checker.read import Avro  # noqa: E402
from checker.reference import Package  # noqa: E402
from cluster import ROOT, Cluster  # noqa: E402
from feed import Pool  # noqa: E402
from scenarios import CATALOGUE, Run  # noqa: E402
from waits import FaultError, Miss  # noqa: E402

OUT = ROOT / "target" / "faults"
POOL_RECORDS = 5_000
MISSES_MAX = 3
# From a fault to its end; far above what the product takes.
SETTLE_S = 120.0
SCHEMAS = ROOT / "src" / "avro" / "schemas"


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/faults", description=__doc__)
    parser.add_argument("--list", action="store_true", help="the scenarios, and how many faults each has")
    parser.add_argument("--quick", action="store_true", help="a few faults of the main scenarios: a few minutes")
    parser.add_argument("--whole", action="store_true", help="as many faults as tests/FAULTS.md promises: hours")
    parser.add_argument("--only", action="append", metavar="NAME", help="these scenarios (with --planted: mistakes) alone; may be repeated")
    parser.add_argument("--seed", type=int, default=1, help="moments, input and sample follow from it")
    parser.add_argument("--rounds", type=int, metavar="N", help="faults per scenario")
    parser.add_argument("--delivery", default="at_least_once", choices=("at_least_once", "exactly_once"),
                        help="which promise is tested; planted mistakes have their own")
    parser.add_argument("--planted", action="store_true",
                        help="mistakes planted in the program must be found, each at three seeds from --seed on")
    parser.add_argument("--table", nargs="+", type=Path, metavar="JSON",
                        help="prints the raw figures of earlier calls as the table of tests/FAULTS.md, and no Kafka")
    parser.add_argument("--self-test", action="store_true", help="the checker against planted histories, and no Kafka")
    return parser.parse_args()


class Suite:
    """What all runs share."""

    def __init__(self, options):
        self.delivery, self.program = options.delivery, Path(os.environ["SCOREWIRE_BIN"]).resolve()
        switches.refuse_without(self.program)
        self.work = OUT / f"work-{os.getpid()}"
        self.work.mkdir(parents=True)
        self.environment, self.settle_s = {}, SETTLE_S
        self.package_folder = ROOT / "models" / "card-fraud-gbdt"
        self.packages = {}
        self.avro = Avro(SCHEMAS / "model_output.avsc", SCHEMAS / "human_review.avsc")
        self.pool = Pool(self.export(options.seed), self.package_of(self.package_folder).writer)

    def package_of(self, folder):
        if folder not in self.packages:
            self.packages[folder] = Package(folder)
        return self.packages[folder]

    def export(self, seed):
        file = OUT / f"transactions-{seed}.avro"
        if not file.exists():
            subprocess.run([self.program, "load", "--export", self.work / "pool.avro", "--count", str(POOL_RECORDS),
                            "--seed", str(seed)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            (self.work / "pool.avro").rename(file)
        return file

    def close(self, keep):
        if not keep:
            shutil.rmtree(self.work)


def carry_out(suite, cluster, scenario, seed, rounds):
    """One scenario, repeated where its fault struck nothing; answers its line of the results."""
    started = time.monotonic()
    result = {"scenario": scenario.name, "delivery": suite.delivery, "seed": seed, "faults": rounds,
              "misses": 0, "figures": {}, "findings": [], "in_flight": [], "recoveries_s": [], "peak_bytes": 0}
    for attempt in range(1, MISSES_MAX + 1):
        run = Run(suite, cluster, scenario.name, seed, rounds)
        try:
            scenario.carry_out(run)
        except Miss as miss:
            say(f"{scenario.name}: {miss}; again ({attempt} of {MISSES_MAX})")
            result |= {"misses": attempt, "verdict": "MISSED"}
            continue
        except (FaultError, TimeoutError, KafkaException) as error:
            say(f"{scenario.name}: {error}")
            result["error"] = str(error)
            run.judge_what_is_there()
        result |= {"missed_rounds": run.misses, "figures": run.figures, "findings": [finding.shown() for finding in run.findings],
                   "in_flight": run.in_flight, "recoveries_s": run.recoveries, "peak_bytes": run.peak_bytes,
                   "notes": run.notes,
                   "verdict": "FAILED" if run.findings else "BROKEN" if "error" in result else "ok"}
        break
    if result["verdict"] != "ok":
        cluster.keep_logs(run.last_job.folder if run.last_job else suite.work)
    result["seconds"] = round(time.monotonic() - started, 1)
    return result


def say(words):
    print(f"faults: {words}", file=sys.stderr, flush=True)


def chosen(options):
    """`(scenario, rounds)` of this call, those that share a cluster beside each other."""
    names = options.only or [name for name in CATALOGUE if not options.quick or CATALOGUE[name].quick]
    unknown = [name for name in names if name not in CATALOGUE]
    if unknown:
        raise SystemExit(f"faults: no scenario {', '.join(unknown)}; scripts/faults --list names them")
    found = []
    for scenario in (CATALOGUE[name] for name in names):
        if options.delivery not in scenario.modes:
            say(f"*** LEFT OUT: {scenario.name}: it has a meaning in {', '.join(scenario.modes)} only")
            continue
        rounds = scenario.quick if options.quick else scenario.whole if options.whole else scenario.usual
        found.append((scenario, options.rounds or rounds or scenario.usual))
    if not found:
        raise SystemExit("faults: nothing is left to be done")
    return sorted(found, key=lambda pair: (pair[0].brokers, pair[0].proxied, pair[0].guarded))


class Clusters:
    """A context: one cluster at a time, of the kind that the scenario at hand needs."""

    def __init__(self):
        self.cluster = None

    def __enter__(self):
        return self

    def __exit__(self, *_failure):
        if self.cluster:
            self.cluster.__exit__()
            self.cluster = None

    def of(self, scenario):
        kind = (scenario.brokers, scenario.proxied, scenario.guarded)
        cluster = self.cluster
        if cluster is None or (cluster.brokers, cluster.proxied, cluster.guarded) != kind:
            self.__exit__()
            self.cluster = Cluster(*kind).__enter__()
        return self.cluster


def run_all(suite, options):
    results = []
    with Clusters() as clusters:
        for scenario, rounds in chosen(options):
            cluster = clusters.of(scenario)
            say(f"{scenario.name}: {rounds} faults, seed {options.seed}, {suite.delivery}")
            results.append(carry_out(suite, cluster, scenario, options.seed, rounds))
            for finding in results[-1]["findings"]:
                say(f"  FOUND {finding['count']} x {finding['name']}: {finding['what']}; {finding['examples'][0]}")
            say(f"  {results[-1]['verdict']} after {results[-1]['seconds']} s")
    return results


def run_planted(suite, options):
    with Clusters() as clusters:
        def one(name, seed, rounds):
            return carry_out(suite, clusters.of(CATALOGUE[name]), CATALOGUE[name], seed, rounds)
        return planted.run_planted(suite, options.seed, options.only, one, say)


def self_test():
    tests = unittest.defaultTestLoader.discover(str(Path(__file__).parent / "tests"), top_level_dir=str(Path(__file__).parent))
    return 0 if unittest.TextTestRunner(verbosity=1).run(tests).wasSuccessful() else 1


def main():
    options = arguments()
    if options.self_test:
        return self_test()
    if options.list:
        for name, scenario in CATALOGUE.items():
            words = " ".join(scenario.carry_out.__doc__.split())
            print(f"{name:<24} quick {scenario.quick or '-'}, usual {scenario.usual}, whole {scenario.whole}: {words}"
                  + ("" if len(scenario.modes) > 1 else f" ({scenario.modes[0]} only)"))
        return 0
    if options.table:
        results = [result for file in options.table for result in json.loads(file.read_text())]
        print(table.side_by_side(results, list(CATALOGUE)))
        return 0
    suite = Suite(options)
    results = []
    try:
        results = run_planted(suite, options) if options.planted else run_all(suite, options)
    finally:
        clean = bool(results) and all(result.get("ok", result.get("verdict") == "ok") for result in results)
        suite.close(keep=not clean)
    kind = "planted" if options.planted else "results"
    file = OUT / f"{kind}-{options.seed}-{options.delivery}-{time.strftime('%Y%m%d-%H%M%S')}.json"
    file.write_text(json.dumps(results, indent=1))
    print(planted.text(results) if options.planted else table.text(results))
    say(f"raw figures: {file.relative_to(ROOT)}" + ("" if clean else f"; logs: {suite.work.relative_to(ROOT)}"))
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
