"""scripts/bench trees: engines, their turns, what is told of them."""

import contextlib
import io
import json
import os
import sys
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import machine
import trees
import trees_build
import trees_measure
import trees_options
import trees_table
from errors import BenchError
from trees_engines import Engine, Model, Programs, Start, starts

FAKE = Path(__file__).with_name("fake_engine.py")
CORE = sorted(os.sched_getaffinity(0))[-1]
ABOUT = {"name": "gbdt-200", "title": "200 x 31", "trees": 200, "leaves_max": 31, "depth": 9, "features": 30,
         "rows": "../card.f32", "lightgbm": "model.txt", "bare": None}


def fake(name, kind):
    return Start(name, (sys.executable, str(FAKE), kind))


def settings(**more):
    return SimpleNamespace(**{"kinds": (), "core": CORE, "batches": [1, 16], "pairs": 5, "slice_ms": 0.1} | more)


def measured(**kinds):
    """A model's part of the results by fake engines, `name=kind`."""
    begun = [fake(name, kind) for name, kind in kinds.items()]
    with mock.patch.object(trees_measure, "starts", lambda *_: begun), contextlib.redirect_stderr(io.StringIO()):
        return trees_measure.measure(Model(Path("/none"), ABOUT), None, settings())


def results(model, instructions=("AVX2",), engines=None):
    return {"started": "2026-01-01T00:00:00Z", "commit": "0123456789ab", "left_out": [],
            "machine": {"processor": {"name": "AMD EPYC", "numbers": "family 25, model 1", "instructions": list(instructions)}},
            "settings": {"pairs": 5, "slice_ms": 20.0}, "models": [model],
            "engines": engines or {"before": "before", "auto": "auto", "onnxruntime": "onnxruntime"}}


def figures(**engines):
    """`{engine: microseconds per row}` of five rounds that are all alike."""
    return {name: [value] * 5 for name, value in engines.items()}


class Engines(unittest.TestCase):
    def test_which_there_are_for_a_model(self):
        programs = Programs(Path("/new"), {"before": Path("/old")}, ["walk", "bytes"], Path("/lib_lightgbm.so"))
        model = Model(Path("/models/a"), ABOUT, Path("/models/a/lleaves.so"))
        found = starts(model, programs, trees_options.KINDS)
        self.assertEqual([start.name for start in found],
                         ["before", "auto", "walk", "bytes", "onnxruntime", "bare", "lleaves", "lightgbm"])
        self.assertEqual(found[0].command, ("/old", "--model", "/models/a", "--engine", "auto"))
        self.assertEqual(found[3].command[-4:], ("--engine", "kernel", "--kernel", "bytes"))
        self.assertEqual(found[6].command[-2:], ("--library", "/models/a/lleaves.so"))
        self.assertEqual(found[7].command[-2:], ("--library", "/lib_lightgbm.so"))

    def test_a_model_that_is_not_lightgbms_has_neither_lleaves_nor_lightgbm(self):
        model = Model(Path("/models/a"), ABOUT | {"lightgbm": None})
        found = starts(model, Programs(Path("/new"), lightgbm=Path("/l.so")), ("auto", "lleaves", "lightgbm"))
        self.assertEqual([start.name for start in found], ["auto"])

    def test_what_one_is_asked(self):
        engine = Engine(fake("auto", "exact"), CORE)
        self.addCleanup(engine.end)
        self.assertEqual(engine.wait_ready(), "exact")
        self.assertEqual(engine.time(2, 5), (8 * 5000, 8))
        self.assertEqual(list(engine.scores(3, 1)), [0.0, 1e-4, 2e-4])
        self.assertEqual(os.sched_getaffinity(engine.process.pid), {CORE})

    def test_one_that_ends_says_why(self):
        engine = Engine(fake("walk", "broken"), CORE)
        self.addCleanup(engine.end)
        with self.assertRaisesRegex(BenchError, "walk ended: no such kernel"):
            engine.wait_ready()
        with self.assertRaisesRegex(BenchError, "walk ended"):
            engine.time(1, 1)


class Measuring(unittest.TestCase):
    def test_microseconds_per_row_of_each_round(self):
        found = measured(onnxruntime="exact", auto="slow")
        self.assertEqual(found["figures"]["1"], {"onnxruntime": [3.0] * 5, "auto": [9.0] * 5})
        self.assertAlmostEqual(found["figures"]["16"]["onnxruntime"][0], 33 / 16)
        self.assertEqual(found["says"], {"onnxruntime": "exact", "auto": "slow"})

    def test_whoever_does_not_start_is_left_out_and_said_so(self):
        found = measured(onnxruntime="exact", walk="broken")
        self.assertEqual(list(found["figures"]["1"]), ["onnxruntime"])
        self.assertIn("no such kernel", found["left_out"]["walk"])

    def test_engines_take_turns_within_a_round(self):
        asked = []

        class Noted:
            def __init__(self, name):
                self.name = name

            def time(self, _rows, calls):
                asked.append(self.name)
                return calls * 20_000, calls

        trees_measure.measure_batch([Noted("a"), Noted("b")], 1, settings(pairs=4))
        # First each finds out how many calls fill a slice.
        self.assertEqual("".join(asked), "ab" + "ab" + "ba" + "ba" + "ab")

    def test_calls_fill_a_slice(self):
        engine = Engine(fake("auto", "exact"), CORE)
        self.addCleanup(engine.end)
        engine.wait_ready()
        self.assertEqual(trees_measure.calibrate(engine, 1, 300_000), 100)
        self.assertEqual(trees_measure.calibrate(engine, 256, 1), 1)

    def test_nobody_is_timed_who_scores_something_else(self):
        self.assertLess(measured(onnxruntime="exact", lleaves="near")["agreement"]["lleaves"]["max"], 1e-8)
        with self.assertRaisesRegex(BenchError, "lleaves scores something else"):
            measured(onnxruntime="exact", lleaves="other")
        with self.assertRaisesRegex(BenchError, "auto has other bits than onnxruntime"):
            measured(onnxruntime="exact", auto="near")

    def test_differences(self):
        self.assertEqual(trees_measure.compare([1.0, 2.0, 3.0], [1.0, 2.0, 3.5]), {"median": 0.0, "max": 0.5, "apart": 1 / 3})
        self.assertEqual(trees_measure.compare([1.0], [float("nan")])["apart"], 1.0)
        with self.assertRaises(BenchError):
            trees_measure.compare([1.0], [])


class Targets(unittest.TestCase):
    def model(self, **batches):
        return {"about": ABOUT, "says": {}, "left_out": {},
                "figures": {name.removeprefix("at"): found for name, found in batches.items()}}

    def missed(self, *args, **more):
        verdicts = trees_table.judge(results(*args, **more))
        return [(one.batch, one.target.other) for one in verdicts if not one.reached]

    def test_never_slower_than_onnx_runtime(self):
        model = self.model(at1=figures(auto=1.03, onnxruntime=1.0), at2=figures(auto=1.04, onnxruntime=1.0))
        self.assertEqual(self.missed(model), [(2, "onnxruntime")])

    def test_lleaves_counts_from_sixteen_rows(self):
        model = self.model(at8=figures(auto=2.0, lleaves=1.0), at16=figures(auto=1.01, lleaves=1.0))
        self.assertEqual(self.missed(model), [(16, "lleaves")])

    def test_the_gain_over_the_release_before_is_asked_for_without_avx512(self):
        model = self.model(at1=figures(auto=1.0, before=7.9), at8=figures(auto=1.0, before=1.0),
                           at16=figures(auto=1.0, before=1.39))
        self.assertEqual(self.missed(model), [(1, "before"), (16, "before")])
        self.assertEqual(self.missed(model, ("AVX2", "AVX-512")), [])

    def test_a_ratio_is_the_median_of_pairs(self):
        model = self.model(at1={"auto": [1.0, 10.0, 2.0, 1.0, 1.0], "onnxruntime": [1.0, 10.0, 1.0, 1.0, 1.0]})
        [verdict] = trees_table.judge(results(model))
        self.assertEqual((verdict.found.median, verdict.found.high), (1.0, 2.0))


class Telling(unittest.TestCase):
    batches = {str(rows): figures(before=1234.5, auto=100.25, onnxruntime=0.12345) for rows in trees_options.BATCHES}
    model = {"about": ABOUT, "says": {}, "left_out": {"walk": "no such kernel"}, "figures": batches}

    def test_the_table_fits_and_names_the_processor_and_what_is_missed(self):
        text = trees_table.render(results(self.model))
        self.assertLessEqual(max(map(len, text.splitlines())), trees_table.WIDTH)
        self.assertIn("AMD EPYC (family 25, model 1): AVX2\n", text)
        self.assertIn("*** MISSED: gbdt-200 at 256: auto / onnxruntime 812.070", text)
        self.assertIn("*** walk left out: no such kernel", text)
        self.assertIn("11 of 18 targets reached", text)

    def test_markdown_has_the_same_figures(self):
        text = trees_table.markdown(results(self.model))
        self.assertIn("## AMD EPYC (family 25, model 1): AVX2", text)
        self.assertIn("| before | " + " | ".join(["1234 / 1234"] * 7) + " |", text)
        self.assertIn("| auto / onnxruntime | " + " | ".join(["**812.07**"] * 7) + " |", text)

    def test_digits(self):
        self.assertEqual([trees_table.digits(value) for value in (0.0412, 0.99949, 0.9996, 9.994, 9.996, 99.94, 99.96, 1234)],
                         ["0.041", "0.999", "1.00", "9.99", "10.0", "99.9", "100", "1234"])

    def test_bits_are_told_by_engine(self):
        lines = [line.split() for line in ("bits auto 1 600000 0", "bits auto 16 400000 2", "bits walk 1 1000000 0")]
        self.assertEqual(trees_table.bits_lines(lines),
                         ["  auto               1,000,000 rows; differing at 1: 0, 16: 2",
                          "  walk               1,000,000 rows; differing at 1: 0"])

    def test_shown_again_from_the_file(self):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "trees.json"
            file.write_text(json.dumps(results(self.model)))
            told = io.StringIO()
            with contextlib.redirect_stdout(told):
                self.assertEqual(trees.main(["--render", str(file)]), 2, "targets are missed")
        self.assertIn("200 x 31: 200 trees", told.getvalue())


class CommandLine(unittest.TestCase):
    def refuses(self, *arguments):
        with contextlib.redirect_stderr(io.StringIO()) as told, self.assertRaises(SystemExit):
            trees_options.parse(arguments)
        return told.getvalue()

    def test_releases_before_have_names(self):
        found = trees_options.parse(["--before", "HEAD~1", "--before", "good=/tmp/trees"]).before
        self.assertEqual([(one.name, one.source) for one in found], [("before", "HEAD~1"), ("good", "/tmp/trees")])
        self.assertIn("a name of its own", self.refuses("--before", "a", "--before", "b"))
        self.assertIn("a name of its own", self.refuses("--before", "auto=a"))

    def test_what_is_refused(self):
        self.assertIn("no such engine: fast", self.refuses("--engines", "auto,fast"))
        self.assertIn("--pairs", self.refuses("--pairs", "4"))
        self.assertIn("--batches", self.refuses("--batches", "1,many"))
        self.assertIn("--core", self.refuses("--core", "100000"))

    def test_without_before_nobody_is_left_out(self):
        self.assertEqual(trees_options.parse(["--engines", "auto"]).before, [])


class Building(unittest.TestCase):
    def test_a_release_without_the_bench_gets_it_and_no_kernels(self):
        with tempfile.TemporaryDirectory() as folder:
            checkout = Path(folder)
            (checkout / "benches").mkdir()
            (checkout / "Cargo.toml").write_text("[package]\n")
            trees_build.add_bench(checkout)
            self.assertEqual((checkout / "benches/trees/kernels.rs").read_text(), trees_build.NO_KERNELS)
            self.assertIn('path = "benches/trees/main.rs"', (checkout / "Cargo.toml").read_text())
            self.assertTrue((checkout / "benches/bare.rs").exists())

    def test_a_release_with_the_bench_keeps_its_list_of_kernels(self):
        with tempfile.TemporaryDirectory() as folder:
            checkout = Path(folder)
            (checkout / "benches/trees").mkdir(parents=True)
            (checkout / "benches/trees/kernels.rs").write_text("its own")
            (checkout / "Cargo.toml").write_text('path = "benches/trees/main.rs"\n')
            trees_build.add_bench(checkout)
            self.assertEqual((checkout / "benches/trees/kernels.rs").read_text(), "its own")
            self.assertEqual((checkout / "Cargo.toml").read_text(), 'path = "benches/trees/main.rs"\n')
            self.assertTrue((checkout / "benches/trees/main.rs").exists())

    def test_a_folder_must_be_one_of_the_benchs(self):
        with tempfile.TemporaryDirectory() as folder, self.assertRaisesRegex(BenchError, "no bench.json"):
            trees_build.model(Path(folder))


class Processors(unittest.TestCase):
    def test_name_and_instructions(self):
        text = "processor: 0\ncpu family\t: 25\nmodel\t\t: 17\nmodel name\t: AMD EPYC\nstepping\t: 1\nflags\t\t: sse2 avx2 " \
               "avx512f avx512vl avx512dq avx512cd\n\nprocessor: 1\nmodel name\t: other\n"
        self.assertEqual(machine.processor(text), {"name": "AMD EPYC", "numbers": "family 25, model 17, stepping 1",
                                                   "instructions": ["AVX2", "AVX-512"]})
        self.assertEqual(machine.vector_instructions({"avx2", "avx512f"}), ["AVX2"])
        self.assertEqual(machine.vector_instructions({"sse2"}), ["baseline"])


if __name__ == "__main__":
    unittest.main()
