"""Medians, pairs and ranges."""

import unittest

import stats
from stats import Spread
from tests.sample import run


class Spreads(unittest.TestCase):
    def test_median_and_range(self):
        self.assertEqual(stats.spread([3, 1, 2]), Spread(2, 1, 3, 3))
        self.assertEqual(stats.spread([4, 1, 2, 3]), Spread(2.5, 1, 4, 4))
        self.assertIsNone(stats.spread([]))

    def test_a_ratio_is_the_median_of_pairs_not_the_ratio_of_medians(self):
        # Round 2 was slow for both: pairs say 2x throughout, medians of each side would say the same only by luck.
        left, right = {0: 2.0, 1: 4.0, 2: 20.0}, {0: 1.0, 1: 2.0, 2: 10.0}
        self.assertEqual(stats.ratio(left, right), Spread(2.0, 2.0, 2.0, 3))
        self.assertEqual(stats.ratio({0: 1.0, 1: 9.0, 2: 4.0}, {0: 2.0, 1: 3.0, 2: 1.0}), Spread(3.0, 0.5, 4.0, 3))

    def test_only_rounds_that_have_both_are_compared(self):
        self.assertEqual(stats.ratio({0: 1.0, 1: 2.0}, {1: 4.0, 2: 1.0}), Spread(0.5, 0.5, 0.5, 1))
        self.assertIsNone(stats.ratio({0: 1.0}, {1: 1.0}))
        self.assertIsNone(stats.ratio({0: 1.0}, {0: 0.0}))
        self.assertEqual(stats.difference({0: 3.0, 1: 1.0}, {0: 1.0, 1: 2.0}), Spread(0.5, -1.0, 2.0, 2))


class Figures(unittest.TestCase):
    runs = [run("echo-a", 0, cpu_us=1.0), run("echo-b", 0, cpu_us=3.0), run("echo-a", 1, cpu_us=2.0),
            run("inline", 0, cpu_us=4.0), run("inline", 1, cpu_us=None), run("inline", 0, "rate-1", cpu_us=9.0)]

    def test_of_one_system_and_cell(self):
        self.assertEqual(stats.figures(self.runs, "drain", "inline", "cpu_us"), {0: 4.0})
        self.assertEqual(stats.figures(self.runs, "drain", "loop", "cpu_us"), {})

    def test_the_control_is_the_mean_of_its_runs(self):
        self.assertEqual(stats.figures(self.runs, "drain", "echo", "cpu_us"), {0: 2.0, 1: 2.0})

    def test_noise_is_the_control_against_itself(self):
        self.assertEqual(stats.noise(self.runs, "drain", "cpu_us"), Spread(3.0, 3.0, 3.0, 1))
        self.assertEqual(stats.noise_factor(self.runs, "drain", "cpu_us"), 3.0)
        faster = [run("echo-a", 0, cpu_us=4.0), run("echo-b", 0, cpu_us=1.0)]
        self.assertEqual(stats.noise_factor(faster, "drain", "cpu_us"), 4.0)
        self.assertIsNone(stats.noise_factor([], "drain", "cpu_us"))


class Slopes(unittest.TestCase):
    def test_of_a_line_and_of_too_little(self):
        self.assertAlmostEqual(stats.slope_per_s([(0, 5), (1, 7), (2, 9)]), 2.0)
        self.assertAlmostEqual(stats.slope_per_s([(0, 5), (1, 5), (2, 5)]), 0.0)
        self.assertEqual(stats.slope_per_s([(0, 5), (1, 500)]), 0.0)
        self.assertEqual(stats.slope_per_s([(1, 5), (1, 6), (1, 7)]), 0.0)

    def test_a_spike_says_nothing(self):
        samples = [(second, 5.0) for second in range(10)] + [(10, 9_000.0)]
        self.assertEqual(stats.slope_per_s(samples), 0.0)
