"""scripts/stalls: how long outputs stand still when members of the group come and go."""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path[:0] = [str(Path(__file__).resolve().parents[1] / folder) for folder in ("faults.d", "lib")]

from checker.read import Avro  # noqa: E402 (the path comes first)
from checker.reference import Package  # noqa: E402
from cluster import ROOT, SCRIPT, Cluster  # noqa: E402
from feed import Pool  # noqa: E402
from rig import EVENTS, GROUP_TOOL, WAYS, Rig  # noqa: E402

OUT = ROOT / "target" / "stalls"
POOL_RECORDS = 5_000


class Groups(Cluster):
    """A Kafka whose groups may have settings of their own."""

    def __init__(self):
        super().__init__()
        self.name = f"stalls-{os.getpid()}"
        self.folder = ROOT / "target" / "kafka" / self.name

    def set_group(self, group, settings):
        pairs = ",".join(f"{key}={value}" for key, value in settings.items())
        subprocess.run([SCRIPT, "tool", GROUP_TOOL, "--bootstrap-server", self.bootstrap, "--alter", "--entity-type", "groups",
                        "--entity-name", group, "--add-config", pairs], check=True, stdout=subprocess.DEVNULL)


class Suite:
    """What all rounds share."""

    def __init__(self, options, program):
        self.delivery, self.session_ms = options.delivery, options.session_ms
        self.work = OUT / f"work-{os.getpid()}"
        self.work.mkdir(parents=True)
        self.package = ROOT / "models" / "card-fraud-gbdt"
        schemas = ROOT / "src" / "avro" / "schemas"
        self.avro = Avro(schemas / "model_output.avsc")
        pool = self.work / "pool.avro"
        subprocess.run([program, "load", "--export", pool, "--count", str(POOL_RECORDS), "--seed", "1"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.pool = Pool(pool, Package(self.package).writer)


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/stalls", description=__doc__)
    parser.add_argument("--list", action="store_true", help="the kinds of membership and the events")
    parser.add_argument("--only", action="append", choices=list(WAYS), metavar="KIND", help="this kind of membership; may be repeated")
    parser.add_argument("--event", action="append", choices=list(EVENTS), metavar="EVENT",
                        help="this event (a join always comes first); may be repeated")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--program", action="append", metavar="LABEL=PATH", help="a build to measure; may be repeated")
    parser.add_argument("--delivery", default="at_least_once", choices=("at_least_once", "exactly_once"))
    parser.add_argument("--partitions", type=int, default=6)
    parser.add_argument("--rate", type=int, default=1_200, help="records a second, over all partitions")
    parser.add_argument("--session-ms", type=int, default=6_000, help="session timeout; the group's own with KIP-848")
    return parser.parse_args()


def programs(options):
    """`{label: path}`"""
    given = options.program or [f"={os.environ['SCOREWIRE_BIN']}"]
    pairs = (text.partition("=")[::2] for text in given)
    return {label: str(Path(path).resolve()) for label, path in pairs}


def spread(values):
    """Median and highest."""
    return f"{statistics.median(values):.0f} / {max(values):.0f}" if values else "-"


def table(results):
    """A line for each build, kind and event: of each event the partition that stood still longest counts."""
    lines = [["membership", "event", "times", "kept, ms", "moved, ms", "refused starts"]]
    for label, kind in dict.fromkeys((result["program"], result["membership"]) for result in results):
        for event in EVENTS:
            found = [result for result in results
                     if (result["program"], result["membership"], result["event"]) == (label, kind, event)]
            if found:
                worst = {of: [max(result[of]) for result in found if result[of]] for of in ("kept_ms", "moved_ms")}
                lines.append([f"{label} {kind}".strip(), event, str(len(found)), spread(worst["kept_ms"]),
                              spread(worst["moved_ms"]), str(sum(result["refused"] for result in found) or "-")])
    widths = [max(len(line[index]) for line in lines) for index in range(len(lines[0]))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |" for line in lines]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def say(words):
    print(f"stalls: {words}", file=sys.stderr, flush=True)


def measure(options, suite, builds):
    results, wanted = [], set(options.event or EVENTS)
    with Groups() as cluster:
        for number in range(1, options.rounds + 1):
            for kind in options.only or WAYS:
                for label, program in builds.items():
                    say(f"round {number} of {options.rounds}, {label} {kind}".replace(",  ", ", "))
                    with Rig(suite, cluster, program, WAYS[kind], options.partitions, options.rate) as rig:
                        found = rig.round(wanted)
                    results += [{"program": label, "membership": kind, "round": number, **result} for result in found]
    return results


def main():
    options = arguments()
    if options.list:
        for name, way in WAYS.items():
            print(f"{name:<16} {way.words}")
        print()
        for name, words in EVENTS.items():
            print(f"{name:<16} {words}")
        return 0
    builds = programs(options)
    suite = Suite(options, next(iter(builds.values())))
    results = measure(options, suite, builds)
    shutil.rmtree(suite.work)
    file = OUT / f"stalls-{time.strftime('%Y%m%d-%H%M%S')}.json"
    facts = {"options": vars(options), "load": os.getloadavg(), "cores": os.cpu_count(), "results": results}
    file.write_text(json.dumps(facts, indent=1))
    print(table(results))
    say(f"raw figures: {file.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
