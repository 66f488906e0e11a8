"""scripts/bench growth: see --help."""

import argparse
import json
import time
from pathlib import Path

import build
import growth_measure
import growth_page
import growth_table
import machine
from errors import ended
from growth_curves import CURVES, points
from options import ROOT, positive

DESCRIPTION = """How CPU time, instructions and memory of a record grow with features, trees, payload, partitions, schemas and
lanes. One lane, or two, between doors in memory: no Kafka. Says of each curve what its slope should be and what it is."""

EPILOG = """examples:
  scripts/bench growth                               all curves, 3 rounds, instructions counted: about 20 minutes
  scripts/bench growth --only partitions,schemas     some of them; the curves: {curves}
  scripts/bench growth --rounds 1 --no-count         times alone, in about three minutes
  scripts/bench growth --render target/bench/growth.json     table and page of earlier figures

Writes target/bench/growth.json and target/bench/growth.html. Instructions need valgrind (Debian package valgrind)."""

# Half an hour, with room for the point that is under way.
DEADLINE_S = 27 * 60.0


def parse(arguments):
    names = [curve.key for curve in CURVES]
    parser = argparse.ArgumentParser("scripts/bench growth", description=DESCRIPTION,
                                     epilog=EPILOG.format(curves=", ".join(names)),
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--rounds", type=positive(int), default=3, metavar="N", help="interleaved rounds of all points (default: 3)")
    add("--only", metavar="LIST", help="some of the curves")
    add("--no-count", dest="counts", action="store_false", help="do not count instructions")
    add("--bench", type=Path, metavar="FILE", help="a build of the bench `growth`, instead of this checkout's")
    add("--out", type=Path, default=ROOT / "target" / "bench", metavar="DIR", help="results (default: target/bench)")
    add("--render", type=Path, metavar="FILE.json", help="show earlier results again")
    told = parser.parse_args(arguments)
    chosen = told.only.split(",") if told.only else names
    unknown = [name for name in chosen if name not in names]
    if unknown:
        parser.error(f"no such curve: {', '.join(unknown)}; there are {', '.join(names)}")
    told.curves = [curve for curve in CURVES if curve.key in chosen]
    return told


def main(arguments):
    return ended(run, parse(arguments))


def run(told):
    if told.render:
        return show(json.loads(told.render.read_text()), told.render.parent)
    told.out.mkdir(parents=True, exist_ok=True)
    results = bench(told)
    (told.out / "growth.json").write_text(json.dumps(results, indent=1) + "\n")
    return show(results, told.out)


def bench(told):
    left_out = []
    counts = told.counts and growth_measure.has_valgrind()
    if told.counts and not counts:
        left_out.append("instructions are not counted: valgrind is not there (Debian package valgrind)")
    binary = (told.bench or growth_measure.build()).absolute()
    wanted = points(told.curves)
    results = {"started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "command": ["scripts/bench", "growth"],
               "commit": build.commit(), "machine": machine.describe(), "rounds": told.rounds, "left_out": left_out}
    started = time.monotonic()
    results["points"] = growth_measure.measure(binary, wanted, told.rounds, counts, DEADLINE_S)
    results["measured_s"] = round(time.monotonic() - started, 1)
    if counts and any("instructions" not in point for point in results["points"].values()):
        left_out.append("time was over before every point's instructions were counted")
    return results


def show(results, folder):
    page = folder / "growth.html"
    page.write_text(growth_page.render(results))
    print(growth_table.render(results))
    print(f"\n{len(results['points'])} points in {results['measured_s'] / 60:.0f} min. Page: {page}")
    return 0
