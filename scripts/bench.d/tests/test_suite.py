"""Cells, order, seeds, the search for the maximum, and what goes into the reports."""

import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import charts
import generator
import maximum
import measure
import page
import rounds
import suite
import table
from broker import Broker
from errors import BenchError, BrokenPromise
from options import parse, parser
from tests.sample import results, run


class Cells(unittest.TestCase):
    def test_words(self):
        cells = suite.parse_cells("1000, 50_000,20%,drain,1000")
        self.assertEqual([cell.key for cell in cells], ["rate-1000", "rate-50000", "share-20", "drain"])
        self.assertEqual(cells[2].at(123_456).rate, 24_700)
        self.assertEqual(cells[0].at(5), cells[0])
        for word in ("fast", "-1", "0%", "200%"):
            with self.assertRaises(ValueError):
                suite.parse_cells(word)

    def test_blocks_keep_the_order(self):
        self.assertEqual(suite.blocks([1, 2, 3, 4, 5], 2), [[1, 2], [3, 4], [5]])

    def test_each_system_comes_first_and_neighbours_change(self):
        systems = ["a", "b", "c"]
        orders = [suite.order(systems, number) for number in range(6)]
        self.assertEqual(orders[:3], [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"]])
        self.assertEqual(orders[3], ["c", "b", "a"])
        self.assertTrue(all(sorted(order) == systems for order in orders))
        self.assertEqual({order[0] for order in orders}, set(systems))

    def test_seeds_differ_by_round_and_cell_only(self):
        seeds = {suite.seed(1, number, cell) for number in range(20) for cell in range(20)}
        self.assertEqual(len(seeds), 400)


class Options(unittest.TestCase):
    def test_the_control_runs_twice_and_apart(self):
        names = [system.name for system in parse([]).systems]
        self.assertEqual(names, ["echo-a", "inline", "inline-ort", "echo-b", "dedicated", "loop", "streams"])
        quick = [system.name for system in parse(["--quick"]).systems]
        self.assertEqual(quick, ["echo-a", "inline", "echo-b", "inline-ort", "loop"])

    def test_further_models_are_measured_beside_fewer_systems_unless_they_are_named(self):
        told = parse(["--variant", "old lanes.count=2"])
        self.assertEqual([system.name for system in told.systems_of(0)], [system.name for system in told.systems])
        self.assertEqual([system.name for system in told.systems_of(1)],
                         ["echo-a", "inline", "inline-ort", "echo-b", "loop", "old"])
        self.assertEqual([system.name for system in parse(["--systems", "dedicated"]).systems_of(2)], ["dedicated"])

    def test_help_tells_the_defaults(self):
        self.assertIn("1000,10000,50000,20%,50%,80%,drain", parser().format_help())

    def test_a_variant(self):
        told = parse(["--systems", "inline", "--variant", "old binary=/x lanes.count=2"]).systems[-1]
        self.assertEqual((told.name, told.binary, told.settings), ("old", "/x", ("lanes.count=2",)))


class Maximum(unittest.TestCase):
    def test_lies_between_a_rate_kept_and_one_not_kept(self):
        for truth in (7_300.0, 48_000.0, 51_000.0, 333_000.0, 900_000.0):
            asked = []
            found = maximum.search(lambda rate: asked.append(rate) or rate <= truth)
            self.assertTrue(truth / (maximum.CLOSE + 0.08) <= found <= truth, (truth, found))
            self.assertLessEqual(len(asked), maximum.PROBES_MAX)

    def test_none_is_kept(self):
        self.assertIsNone(maximum.search(lambda _rate: False))


class Runs(unittest.TestCase):
    def test_a_rate_is_kept_when_it_is_answered_and_nothing_piles_up(self):
        def figures(achieved, growth):
            return {"offered_per_s": 1_000.0, "achieved_per_s": achieved, "backlog_growth_per_s": growth,
                    "seconds": 10.0}

        # 10,000 records in 10 s; the last ones came 0.29 s or 0.31 s after they were due, 0.2 s of which are latency.
        self.assertTrue(measure.sustained(figures(10_000 / 10.29, 10.0)))
        self.assertFalse(measure.sustained(figures(10_000 / 10.31, 0.0)))
        self.assertFalse(measure.sustained(figures(1_000.0, 11.0)))
        self.assertFalse(measure.sustained(figures(0.0, 0.0)))

    def test_growth_of_memory_leaves_the_start_out(self):
        samples = [(second, 50.0 if second < 10 else 100.0 + second / 200) for second in range(200)]
        found = rounds.long_result(1_000, 10.0, samples)
        self.assertAlmostEqual(found["rss_growth_percent"], 0.9, delta=0.1)

    def test_a_broken_promise_is_told_from_a_failed_run(self):
        with tempfile.TemporaryDirectory() as folder:
            log, answer = Path(folder, "log"), Path(folder, "answer")
            log.write_text("no broker there")

            def judge(code, text):
                answer.write_text(text)
                return generator.judge(code, answer, log)

            self.assertEqual(judge(0, '{"sent": 1}'), {"sent": 1})
            with self.assertRaisesRegex(BrokenPromise, '{"sent": 9, "lost": 3}'):
                judge(1, '{"sent": 9, "lost": 3, "duplicated": 0, "verified": true}')
            for code, text in ((1, ""), (69, ""), (0, "oops")):
                with self.assertRaisesRegex(BenchError, "no broker there") as caught:
                    judge(code, text)
                self.assertNotIsInstance(caught.exception, BrokenPromise)

    def test_a_hiccup_is_repeated_and_a_broken_promise_is_not(self):
        bench = SimpleNamespace(results={"runs": ["earlier"], "repeated": []}, say=lambda _text: None)
        failures = []

        def run_block(bench, *_where):
            bench.results["runs"].append("this")
            if failures:
                raise failures.pop()

        def carry_out():
            with mock.patch.object(rounds, "run_block", run_block):
                rounds.run_block_or_again(bench, None, SimpleNamespace(name="loop"), 4, [])

        failures += [BenchError("slow"), BenchError("slower")]
        carry_out()
        self.assertEqual(bench.results["runs"], ["earlier", "this"])
        self.assertEqual([entry["why"] for entry in bench.results["repeated"]], ["slower", "slow"])
        for others in ([BrokenPromise("lost")], [BenchError("never")] * rounds.BLOCK_ATTEMPTS):
            failures += others
            with self.assertRaises(BenchError):
                carry_out()
            self.assertEqual(failures, [])

    def test_a_brokers_answer(self):
        answer = b"\0\0\0\0" + b"\0\0\0\2" + b"\0\1a\0\0" + b"\xff\xff" + b"\0\2bc\0\x24" + b"\0\1x"
        self.assertEqual(Broker.codes(answer, with_message=True), [("a", 0), ("bc", 36)])


class Reports(unittest.TestCase):
    def setUp(self):
        runs = []
        for number in range(3):
            for index, system in enumerate(("echo-a", "inline", "echo-b", "loop")):
                rate = 100_000.0 * (4 - index) + number
                runs.append(run(system, number, drain_per_s=rate, cpu_us=1.0 + index, rss_before=2**20,
                                rss_after=2**21))
                runs.append(run(system, number, "rate-10000", p50_ms=0.5 + index, p95_ms=2.0, p99_ms=3.0 + number,
                                p99_9_ms=9.0, cpu_us=20.0))
        self.results = results(runs)

    def test_the_table_has_figures_ratios_noise_and_targets(self):
        text = table.render(self.results)
        for words in ("300,001 [300,000..300,002]", "rec/s over loop", "3.00 [3.00..3.00]", "echo B over echo A",
                      "records/s at drain over the Java loop", "== trees, 10,000/s"):
            self.assertIn(words, text)
        verdict = next(line for line in text.splitlines() if "records/s at drain over the Java loop" in line)
        self.assertTrue(verdict.endswith("reached") and "NOT" not in verdict, verdict)

    def test_a_rate_that_was_not_kept_is_marked(self):
        next(entry for entry in self.results["runs"] if entry["cell"] == "rate-10000")["sustained"] = False
        self.assertIn("(rate not kept in 1 of 3)", table.render(self.results))

    def test_the_page_is_self_contained(self):
        self.results["left_out"] = ["a <b>"]
        text = page.render(self.results)
        self.assertIn("<svg", text)
        self.assertIn("a &lt;b&gt;", text)
        self.assertIn("&lt;CPU&gt;", text)
        for fetched in ("<script", "src=", "href=", "@import", "url("):
            self.assertNotIn(fetched, text)

    def test_a_bench_without_runs_still_shows(self):
        empty = results([])
        self.assertIn("not measured", table.render(empty))
        self.assertIn("Conditions", page.render(empty))

    def test_axes(self):
        self.assertEqual(charts.linear_ticks(0.0, 10.0), [0, 2, 4, 6, 8, 10])
        self.assertEqual(charts.Axis([1.1, 3.9], 0, 100, log=True).ticks(), [1.0, 2.0, 3.0, 4.0])
        axis = charts.Axis([1.0, 100.0], 0, 100, log=True)
        self.assertEqual(axis.at(10.0), 50.0)
        self.assertEqual([charts.short(value) for value in (0.0123, 1.5, 12.0, 123.4, 280_000)],
                         ["0.0123", "1.5", "12", "123", "280,000"])
        self.assertEqual(charts.spread_out([10.0, 12.0, 50.0], 15), [10.0, 25.0, 50.0])
