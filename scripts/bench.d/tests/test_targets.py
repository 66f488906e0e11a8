"""Which target is reached, by which figures."""

import unittest

import targets
from targets import Target
from tests.sample import results, run


def drains(inline, loop, echo_a=1.0, echo_b=1.0, metric="cpu_us"):
    """Three rounds of the same figures, but the second one, in which all are ten times as high."""
    runs = []
    for number, factor in ((0, 1), (1, 10), (2, 1)):
        values = {"inline": inline, "loop": loop, "echo-a": echo_a, "echo-b": echo_b}
        runs += [run(system, number, **{metric: value * factor}) for system, value in values.items()]
    return results(runs)


class Judging(unittest.TestCase):
    def test_a_ratio_to_a_rival(self):
        target = Target("", "drain", "cpu_us", "ratio", 0.25, "loop")
        self.assertTrue(targets.judge(drains(4.0, 16.0), target).reached)
        self.assertFalse(targets.judge(drains(4.1, 16.0), target).reached)

    def test_a_lower_limit(self):
        target = Target("", "drain", "drain_per_s", "ratio", 2.3, "loop", at_least=True)
        self.assertTrue(targets.judge(drains(230.0, 100.0, metric="drain_per_s"), target).reached)
        self.assertFalse(targets.judge(drains(229.0, 100.0, metric="drain_per_s"), target).reached)

    def test_below_is_not_the_same(self):
        target = targets.below("drain", "", "cpu_us", "loop", "")
        self.assertFalse(targets.judge(drains(4.0, 4.0), target).reached)
        self.assertTrue(targets.judge(drains(3.9, 4.0), target).reached)

    def test_a_value_and_a_difference_take_medians(self):
        self.assertEqual(targets.judge(drains(4.0, 1.0), Target("", "drain", "cpu_us", "value", 4.0)).found.median, 4.0)
        difference = Target("", "drain", "cpu_us", "difference", 3.0, "echo")
        self.assertTrue(targets.judge(drains(4.0, 1.0), difference).reached)
        self.assertFalse(targets.judge(drains(4.1, 1.0), difference).reached)

    def test_the_control_sets_the_limit_of_noise(self):
        target = Target("", "drain", "cpu_us", "noise", 1.0, "echo")
        verdict = targets.judge(drains(1.6, 9.0, echo_a=1.0, echo_b=2.0), target)
        self.assertEqual((verdict.limit, verdict.reached), (2.0, True))
        self.assertFalse(targets.judge(drains(1.6, 9.0, echo_a=1.0, echo_b=1.0), target).reached)

    def test_the_floor_is_the_control_and_the_bare_runtime(self):
        told = drains(4.0, 9.0)
        target = Target("", "drain", "cpu_us", "floor", 1.0)
        self.assertIsNone(targets.judge(told, target).reached)
        told["bare_runtime"] = [{"model": "trees", "round": number, "rows": 64, "row_us": 3.0} for number in (0, 2)]
        self.assertEqual(targets.judge(told, target).found.median, 1.0)
        told["bare_runtime"][0]["model"] = "another"
        self.assertEqual(targets.judge(told, target).found.rounds, 1)

    def test_two_cells_of_one_system(self):
        runs = [run("inline", 0, "share-80", p99_ms=4.0), run("inline", 0, "share-20", p99_ms=2.0)]
        target = Target("", "share-80", "p99_ms", "shares", 2.0, "share-20")
        self.assertEqual(targets.judge(results(runs), target).found.median, 2.0)

    def test_figures_of_their_own(self):
        told = results([])
        growth = next(target for target in targets.TARGETS if target.cell == "long")
        self.assertIsNone(targets.judge(told, growth).reached)
        told["long"] = {"rss_growth_percent": 0.99}
        self.assertTrue(targets.judge(told, growth).reached)
        told["long"] = {"rss_growth_percent": 1.0}
        self.assertFalse(targets.judge(told, growth).reached)

    def test_what_is_not_measured_is_neither_reached_nor_missed(self):
        verdicts = targets.judge_all(results([]))
        self.assertEqual(len(verdicts), len(targets.TARGETS))
        self.assertEqual({verdict.reached for verdict in verdicts}, {None})

    def test_further_models_are_not_judged(self):
        told = drains(4.0, 16.0)
        for entry in told["runs"]:
            entry["model"] = "another"
        self.assertEqual({verdict.reached for verdict in targets.judge_all(told)}, {None})
