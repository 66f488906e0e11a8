"""The curves of `scripts/bench growth`: points, slopes, verdicts, and what goes into table and page."""

import contextlib
import io
import unittest
from unittest import mock

import growth
import growth_curves
import growth_measure
import growth_page
import growth_table
from growth_curves import CURVES, canonical, find, fit, points


def measured(cpu=1_000.0, heap=2**20, instructions=None):
    found = {"records": 1_000, "cpu_ns": [cpu * 1.1, cpu, cpu * 1.3], "wall_ns": [],
             "heap_bytes": heap, "resident_bytes": 2**26, "open_ms": 5, "plans_ms": 1}
    return found if instructions is None else found | {"instructions": instructions + 5_000, "own": instructions}


def results(value_of):
    """Every point as `value_of(words)` says."""
    return {"started": "2026-01-01T00:00:00Z", "commit": "0123456789ab", "rounds": 3, "measured_s": 600.0,
            "machine": {"cpu": "<CPU>", "cores": 2, "kernel": "6.1"}, "left_out": [],
            "points": {words: value_of(words) | {"record_bytes": size(words, "payload", 512)} for words in points(CURVES)}}


def size(words, name, default):
    return next((int(word.split("=")[1]) for word in words.split() if word.startswith(f"{name}=")), default)


def partitions_cost(per_partition):
    return results(lambda words: measured(instructions=2_000 + per_partition * size(words, "partitions", 4)))


def line(curve, key):
    return next(line for of in CURVES if of.key == curve for line in of.lines if line.key == key)


class Points(unittest.TestCase):
    def test_forty_at_most_and_each_once(self):
        found = points(CURVES)
        self.assertLessEqual(len(found), 40)
        self.assertEqual(len(found), len(set(found)))
        self.assertEqual(found.count(""), 1, "the usual point is on nearly every curve, and measured once")

    def test_words_that_say_what_holds_anyway_are_left_out(self):
        self.assertEqual(canonical("features=30 trees=500 spread=runs"), "trees=500")
        self.assertEqual(canonical("features=300"), "features=300")

    def test_only_some_curves(self):
        self.assertEqual([curve.key for curve in growth.parse(["--only", "trees,lanes"]).curves], ["trees", "lanes"])
        with self.assertRaises(SystemExit), contextlib.redirect_stderr(io.StringIO()):
            growth.parse(["--only", "speed"])


class Slopes(unittest.TestCase):
    def test_a_straight_line_is_found(self):
        fixed, slope = fit([(10, 130.0), (100, 400.0), (1_000, 3_100.0)])
        self.assertAlmostEqual(fixed, 100.0)
        self.assertAlmostEqual(slope, 3.0)

    def test_what_should_be_flat_and_grows_is_worse(self):
        singles = line("partitions", "singles")
        flat, steep = (find(singles, "own", partitions_cost(each)["points"]) for each in (0.1, 2.0))
        self.assertTrue(flat.holds)
        self.assertFalse(steep.holds)
        self.assertAlmostEqual(steep.growth, 4_000 / 2_008)
        self.assertAlmostEqual(steep.slope, 2.0)

    def test_what_should_be_linear_may_be_straight_or_better_and_not_bend_upwards(self):
        def of(cost):
            return find(line("trees", "trees"), "own",
                        results(lambda words: measured(instructions=cost(size(words, "trees", 100))))["points"])

        self.assertTrue(of(lambda trees: 900 + 7 * trees).holds)
        self.assertTrue(of(lambda trees: 900 + 300 * trees**0.5).holds)
        self.assertFalse(of(lambda trees: 900 + 0.01 * trees**2).holds)
        self.assertTrue(of(lambda trees: 900 + (20 if trees == 2_000 else 0)).holds, "it hardly grows at all")

    def test_time_is_the_least_and_memory_has_a_slope_of_its_own(self):
        there = results(lambda words: measured(cpu=1_000, heap=2**20 + 4_096 * size(words, "schemas", 1)))["points"]
        schemas = line("schemas", "schemas")
        self.assertEqual({value for _, value in find(schemas, "cpu", there).values}, {1_000})
        heap = find(schemas, "heap", there)
        self.assertEqual(heap.expected, "linear")
        self.assertAlmostEqual(heap.slope, 4_096)

    def test_a_payload_is_as_long_as_it_was_found_to_be(self):
        found = find(line("payload", "text"), "cpu", results(lambda _: measured())["points"])
        self.assertEqual([x for x, _ in found.values], [0.5, 4.0, 16.0, 64.0])

    def test_too_little_says_nothing(self):
        there = partitions_cost(0.0)["points"]
        self.assertIsNone(find(line("lanes", "lanes"), "own", {"": there[""]}))
        nothing_counted = results(lambda _: measured())["points"]
        self.assertIsNone(find(line("trees", "trees"), "instructions", nothing_counted))


class Reports(unittest.TestCase):
    def test_the_table_fits_a_hundred_columns_and_names_what_is_worse(self):
        text = growth_table.render(partitions_cost(2.0))
        self.assertLessEqual(max(map(len, text.splitlines())), 100)
        verdicts = [row for row in text.splitlines() if row.startswith("partitions, ")]
        self.assertEqual([row.endswith("WORSE") for row in verdicts if " own instr. " in row], [True] * 3)
        self.assertTrue(all(row.endswith("as it should") for row in verdicts if " CPU, ns " in row))

    def test_the_page_is_self_contained(self):
        there = partitions_cost(0.0)
        there["left_out"] = ["a <b>"]
        text = growth_page.render(there)
        self.assertIn("&lt;CPU&gt;", text)
        self.assertIn("a &lt;b&gt;", text)
        self.assertEqual(text.count("<svg"), 3 * len(CURVES))
        for fetched in ("<script", "src=", "href=", "@import", "url("):
            self.assertNotIn(fetched, text)

    def test_without_counts_there_are_times_and_memory(self):
        there = results(lambda _: measured())
        self.assertEqual(growth_page.render(there).count("<svg"), 2 * len(CURVES))
        self.assertNotIn("instructions", growth_table.render(there).split("== slopes")[1])


class Runs(unittest.TestCase):
    def test_what_the_model_takes_is_not_the_lanes_own(self):
        profile = ("fn=(1) growth::lanes::counted\n10 5\ncfn=(2) <scorewire::model::session::Session as x::Scorer>::score\n"
                   "calls=4 0\n12 600\ncfn=(3) other\ncalls=1 0\n13 100\ntotals: 1000\n")
        self.assertEqual(growth_measure.per_record(profile, 10), {"instructions": 100.0, "own": 40.0})
        with self.assertRaises(growth_measure.BenchError):
            growth_measure.per_record("totals: 0\n", 10)

    def run_with(self, deadline_s, now):
        ran = []
        with mock.patch.object(growth_measure, "run_point", lambda _binary, words: ran.append(words) or measured()), \
                mock.patch.object(growth_measure, "count_point", lambda _binary, words: {"instructions": 5.0, "own": 3.0}), \
                mock.patch.object(growth_measure.time, "monotonic", lambda: next(now)), \
                contextlib.redirect_stderr(io.StringIO()):
            return ran, growth_measure.measure("bench", ["a=1", "b=1"], 3, True, deadline_s)

    def test_rounds_are_interleaved_and_their_times_kept(self):
        ran, found = self.run_with(100.0, iter(range(100)))
        self.assertEqual(ran, ["a=1", "b=1"] * 3)
        self.assertEqual(len(found["a=1"]["cpu_ns"]), 9)
        self.assertEqual((found["b=1"]["instructions"], found["b=1"]["own"]), (5.0, 3.0))

    def test_when_time_is_over_every_point_has_one_round_all_the_same(self):
        ran, found = self.run_with(10.0, iter([0] + [50] * 100))
        self.assertEqual(ran, ["a=1", "b=1"])
        self.assertNotIn("instructions", found["a=1"])
