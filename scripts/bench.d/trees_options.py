"""The command line of `scripts/bench trees`, as checked settings."""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

from options import ROOT, positive

DESCRIPTION = """What a row costs in tree ensembles of many shapes: this tree's choice, the release before, ONNX Runtime's own
nodes, lleaves and LightGBM, in one interleaved run with fresh rows on one core. CPU time of the thread; every ratio is
the median of neighbouring pairs."""

EPILOG = """examples:
  scripts/bench trees --before HEAD~1                     everything; the release before is built from its commit
  scripts/bench trees --before out=FILE --before good=FILE  two builds of it, as `cargo bench --bench trees --no-run` makes
  scripts/bench trees --models gbdt-200 --batches 1,16    a single model
  scripts/bench trees --bits 1000000                      no times: bits against ONNX Runtime's nodes, 0 may differ
  scripts/bench trees --render target/bench/trees.json --markdown"""

BATCHES = (1, 2, 4, 8, 16, 64, 256)
MODELS = ("gbdt-100", "gbdt-200", "gbdt-500", "gbdt-1000", "deep-200", "forest-double", "forest", "wide-500", "catboost-200")
KINDS = ("before", "auto", "kernels", "onnxruntime", "bare", "lleaves", "lightgbm")
PAIRS_MIN = 5


@dataclass(frozen=True)
class Before:
    """A release before: its bench binary, or the commit to build it from."""

    name: str
    source: str


@dataclass
class Settings:
    before: list
    binary: Path | None
    models: list
    batches: list
    kinds: tuple
    pairs: int
    slice_ms: float
    core: int
    bits: int | None
    out: Path
    markdown: bool
    render: Path | None
    command: list


def parser():
    parse = argparse.ArgumentParser("scripts/bench trees", description=DESCRIPTION, epilog=EPILOG,
                                    formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parse.add_argument
    add("--before", action="append", default=[], metavar="[NAME=]FILE|COMMIT",
        help="the release before: its bench binary, or a commit to build it from; may be repeated")
    add("--binary", type=Path, metavar="FILE", help="this tree's bench binary, built already")
    add("--models", default=",".join(MODELS), metavar="LIST", help="names, or folders of packages (default: all nine)")
    add("--batches", default=",".join(map(str, BATCHES)), metavar="LIST", help="rows of a call (default: %(default)s)")
    add("--engines", default=",".join(KINDS), metavar="LIST", help="(default: %(default)s); kernels too, by name, such as avx2 or avx2-prefix")
    add("--pairs", type=positive(int), default=9, metavar="N", help=f"rounds, at least {PAIRS_MIN} (default: 9)")
    add("--slice", type=positive(float), default=20.0, dest="slice_ms", metavar="MS",
        help="CPU time of an engine in a round (default: 20)")
    add("--core", type=int, metavar="N", help="where all of them run (default: the last one)")
    add("--bits", type=positive(int), metavar="ROWS", help="compare bits instead of times")
    add("--out", type=Path, default=ROOT / "target" / "bench", metavar="DIR", help="results (default: target/bench)")
    add("--markdown", action="store_true", help="print the table for benches/TREES.md")
    add("--render", type=Path, metavar="FILE.json", help="show earlier results again")
    return parse


def is_kernel(kind):
    """A kernel is called by its instructions; whether there is one by this name, the program says."""
    return kind.split("-")[0] in ("avx512", "avx2", "baseline")


def parse(arguments):
    parse = parser()
    args = parse.parse_args(arguments)
    kinds = words(args.engines)
    unknown = [kind for kind in kinds if kind not in KINDS and not is_kernel(kind)]
    if unknown:
        parse.error(f"no such engine: {', '.join(unknown)}; there are {', '.join(KINDS)}")
    if args.pairs < PAIRS_MIN:
        parse.error(f"--pairs: fewer than {PAIRS_MIN} say nothing")
    try:
        batches = [positive(int)(word) for word in words(args.batches)]
    except ValueError:
        parse.error(f"--batches: numbers of rows, not {args.batches!r}")
    before = [read_before(text) for text in args.before] if "before" in kinds else []
    names = [one.name for one in before]
    taken = [name for name in names if names.count(name) > 1 or name in KINDS[1:]]
    if taken:
        parse.error(f"--before: give each a name of its own, NAME=..., not {taken[0]}")
    cores = sorted(os.sched_getaffinity(0))
    if args.core is not None and args.core not in cores:
        parse.error(f"--core: one of {', '.join(map(str, cores))}")
    return Settings(before=before, binary=args.binary and args.binary.absolute(), models=words(args.models), batches=batches,
                    kinds=tuple(kinds), pairs=args.pairs, slice_ms=args.slice_ms,
                    core=cores[-1] if args.core is None else args.core, bits=args.bits, out=args.out.absolute(),
                    markdown=args.markdown, render=args.render, command=list(arguments))


def words(text):
    return [word.strip() for word in text.split(",") if word.strip()]


def read_before(text):
    name, equals, source = text.partition("=")
    return Before(name, source) if equals else Before("before", text)
