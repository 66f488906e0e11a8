"""The command line, as checked settings."""

import argparse
import os
from dataclasses import dataclass, field
from pathlib import Path

import suite
from systems import catalogue, variant

ROOT = Path(__file__).resolve().parents[2]

DESCRIPTION = """Latency, throughput and CPU time of scorewire beside an echo control and what a Java engineer
would run, against a real Kafka on this machine, in interleaved rounds: ratios are medians of the rounds' pairs, with
their range."""

EPILOG = """examples:
  scripts/bench --quick                                 the control, scorewire and the Java loop; under ten minutes
  scripts/bench --rates 10000,drain --systems echo,inline --variant "linger kafka.producer.properties.linger.ms=1"
  scripts/bench --quick --variant "before binary=/tmp/scorewire-before"
  scripts/bench --package DIR --from FILE.avro          another model package, with records of a file
  scripts/bench --render target/bench/results.json      the table and the page again, without measuring
  scripts/bench growth --help                           how a record's cost grows: in the process, without Kafka"""

# Trees of another size, which scripts/train makes for the suite; card-fraud-gbdt has 100.
MADE_MODELS = [Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "bench" / "models" / "card-fraud-gbdt-500"]

# Generator, verifier and broker share the machine with the system under test. A request for each record or two would
# leave it nothing, and its latency would tell how busy they are. Two milliseconds make them a third less busy.
GATHER_MS = 2.0

# A JVM's CPU time per record falls until about a million have passed: plain loop 18, 10, 8, 5.5 us and Kafka Streams 26, 17,
# 7.3, 7 us after 0, 150,000, 600,000 and a million records. A process that runs for days is warm, so that is measured.
JVM_WARM_RECORDS = 1_000_000

# The broker is such a process too: at 10,000/s it takes 90 us of CPU a record after 20 s of load, 73 after 100, 65 after 200,
# 61 from then on, and while its compiler has a core, whoever uses more CPU falls behind: p50 less the echo's was 0.3 ms in
# the first three rounds and 0.0 to 0.1 in later ones. Seconds at 20,000/s; a quick run has less time.
BROKER_WARMUP_S, BROKER_WARMUP_QUICK_S = 240.0, 90.0

FULL_RATES = "1000,10000,50000,20%,50%,80%,drain"
QUICK_RATES = "10000,drain"
# What the models after the first one are measured at, and beside what.
FURTHER_RATES = "10000,drain"
FURTHER_SYSTEMS = ("echo-a", "echo-b", "inline", "inline-ort", "loop")
FULL_SYSTEMS = "echo,inline,inline-ort,dedicated,loop,streams"
QUICK_SYSTEMS = "echo,inline,inline-ort,loop"


@dataclass
class Settings:
    rounds: int
    cells: list
    further_cells: list
    systems: list
    # Names of those that the models after the first one are measured with.
    further_names: tuple
    models: list
    records_from: Path | None
    key_field: str | None
    out: Path
    seconds: float
    warmup_s: float
    drain_records: int
    warm_records: int
    broker_warmup_s: float
    quiet_limit_s: float
    seed: int
    gather_ms: float
    quick: bool
    long: bool
    allocations: bool
    scorewire: Path | None
    build: bool
    render: Path | None
    command: list = field(default_factory=list)
    partitions: int = 4

    def systems_of(self, model_number):
        """The first model, 0, is measured with all systems."""
        return [one for one in self.systems if model_number == 0 or one.name in self.further_names]

    def shown(self):
        """The settings as they go into the results."""
        names = ("rounds", "seconds", "warmup_s", "drain_records", "warm_records",
                 "broker_warmup_s", "quiet_limit_s", "seed", "gather_ms", "partitions", "quick")
        shown = {name: getattr(self, name) for name in names}
        shown["jvm_warm_records"] = JVM_WARM_RECORDS
        shown["cells_per_start"] = suite.CELLS_PER_START
        shown["systems"] = {system.name: system.shown() for system in self.systems}
        shown["from"] = str(self.records_from) if self.records_from else "the simulator"
        return shown


def parser():
    parse = argparse.ArgumentParser("scripts/bench", description=DESCRIPTION, epilog=EPILOG,
                                    formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parse.add_argument
    add("--quick", action="store_true", help=f"rates {QUICK_RATES}; systems {QUICK_SYSTEMS}; one model, short runs")
    add("--rounds", type=positive(int), default=5, metavar="N", help="rounds, each with all systems (default: 5)")
    rates = FULL_RATES.replace("%", "%%")
    add("--rates", metavar="LIST", help=f"records/s, shares of the maximum, drain (default: {rates})")
    add("--systems", metavar="LIST", help=f"which to run (default: {FULL_SYSTEMS}); echo runs twice a round")
    add("--variant", action="append", default=[], metavar='"NAME KEY=VALUE ..."',
        help="one more scorewire with other settings; binary=FILE takes another binary; may be repeated")
    add("--models", metavar="LIST",
        help="package folders (default: the example models and those of scripts/train bench)")
    add("--package", type=Path, metavar="DIR", help="one package folder instead")
    add("--from", dest="records_from", type=Path, metavar="FILE.avro", help="records of a file, not the simulator's")
    add("--key-field", metavar="FIELD", help="with --from: the field that becomes the record's key")
    add("--seconds", type=positive(float), metavar="S", help="measured time of a steady run (default: 5)")
    add("--drain", type=positive(int), dest="drain_records", metavar="N",
        help="records of a drain (default: 400000; quick: 250000)")
    add("--broker-warmup", type=positive(float), dest="broker_warmup_s", metavar="S",
        help=f"load on the fresh broker before anything is measured (default: {BROKER_WARMUP_S:g}; quick: "
             f"{BROKER_WARMUP_QUICK_S:g})")
    add("--seed", type=int, default=1, metavar="N", help="first seed; the same one gives the same records")
    add("--gather", type=not_negative, default=GATHER_MS, dest="gather_ms", metavar="MS",
        help=f"the generator's shortest time between two requests to a partition, in all latencies (default: {GATHER_MS:g})")
    add("--long", action="store_true", help="also the resident memory of scorewire over 10 million records")
    add("--allocations", action="store_true",
        help="also the test that counts heap allocations (part of the full suite)")
    add("--out", type=Path, default=ROOT / "target" / "bench", metavar="DIR", help="results (default: target/bench)")
    add("--scorewire", type=Path, metavar="FILE", help="a binary that is built already")
    add("--no-build", dest="build", action="store_false", help="measure what was built before")
    add("--render", type=Path, metavar="FILE.json", help="show earlier results again")
    return parse


def positive(kind):
    def convert(word):
        number = kind(word.replace("_", ""))
        if number <= 0:
            raise ValueError
        return number

    convert.__name__ = f"positive {kind.__name__}"
    return convert


def not_negative(word):
    number = float(word)
    if number < 0:
        raise ValueError
    return number


def parse(arguments):
    parse = parser()
    args = parse.parse_args(arguments)
    quick = args.quick
    try:
        cells = suite.parse_cells(args.rates or (QUICK_RATES if quick else FULL_RATES))
        further = cells if args.rates else suite.parse_cells(FURTHER_RATES)
        systems = choose(args.systems or (QUICK_SYSTEMS if quick else FULL_SYSTEMS), args.variant)
    except ValueError as error:
        parse.error(str(error))
    if args.key_field and not args.records_from:
        parse.error("--key-field needs --from")
    return Settings(
        rounds=args.rounds, cells=cells, further_cells=further, systems=systems,
        further_names=further_names(args, systems),
        models=models(args),
        records_from=args.records_from, key_field=args.key_field, out=args.out.absolute(),
        seconds=args.seconds or 5.0, warmup_s=1.5 if quick else 2.0,
        drain_records=args.drain_records or (250_000 if quick else 400_000),
        warm_records=100_000 if quick else 200_000,
        broker_warmup_s=args.broker_warmup_s or (BROKER_WARMUP_QUICK_S if quick else BROKER_WARMUP_S),
        quiet_limit_s=2.0 if quick else 4.0, seed=args.seed, gather_ms=args.gather_ms, quick=quick, long=args.long,
        allocations=args.allocations or not (quick or args.systems or args.rates),
        scorewire=args.scorewire and args.scorewire.absolute(), build=args.build, render=args.render,
        command=list(arguments))


def further_names(args, systems):
    """All of them where the call names systems."""
    if args.systems:
        return tuple(system.name for system in systems)
    return (*FURTHER_SYSTEMS, *(text.split()[0] for text in args.variant))


def choose(names, variants):
    """The systems by name, in the order of the catalogue; the control's two runs lie apart."""
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    known = catalogue()
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise ValueError(f"no such system: {', '.join(unknown)}; there are {', '.join(known)}")
    systems = [system for name in known if name in wanted for system in known[name] if system.name != "echo-b"]
    systems += [variant(text) for text in variants]
    names = [system.name for system in systems]
    if len(set(names)) != len(names):
        raise ValueError(f"two systems of one name: {', '.join(names)}")
    if "echo" in wanted:
        systems.insert((len(systems) + 1) // 2, known["echo"][1])
    return systems


def models(args):
    if args.package:
        return [args.package]
    if args.models:
        return [Path(word.strip()) for word in args.models.split(",") if word.strip()]
    first = ROOT / "models" / "card-fraud-gbdt"
    if args.quick:
        return [first]
    # Those that scripts/train makes are looked for once it has run.
    return [first, ROOT / "models" / "card-fraud-mlp", *MADE_MODELS]

