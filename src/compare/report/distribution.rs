//! Both score distributions in as many steps as an eye takes in, over a scale that is wide at both ends.

use serde::Serialize;

use crate::compare::scores::ScoreHistogram;

/// Cells of the histogram in a step: a quarter of an octave.
const CELLS_PER_STEP: usize = 8;
/// The cells below the lowest octave, one at either end, are steps of their own.
const STEPS: usize = (ScoreHistogram::CELLS - 2) / CELLS_PER_STEP + 2;

/// From the first step in which either side has scores to the last.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Distribution {
    pub steps: Vec<Step>,
}

/// Scores from one edge up to another.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Step {
    pub from: f64,
    pub to: f64,
    pub before: u64,
    pub after: u64,
}

impl Distribution {
    pub fn of(before: &ScoreHistogram, after: &ScoreHistogram) -> Distribution {
        let sum =
            |histogram: &ScoreHistogram, step| histogram.counts()[first_cell(step)..first_cell(step + 1)].iter().sum();
        let steps: Vec<Step> = (0..STEPS)
            .map(|step| Step {
                from: ScoreHistogram::edge(first_cell(step)),
                to: ScoreHistogram::edge(first_cell(step + 1)),
                before: sum(before, step),
                after: sum(after, step),
            })
            .collect();
        let is_filled = |step: &Step| step.before + step.after > 0;
        let first = steps.iter().position(is_filled).unwrap_or(0);
        let last = steps.iter().rposition(is_filled).map_or(first, |last| last + 1);
        Distribution { steps: steps[first..last].to_vec() }
    }

    /// The largest count of a step.
    pub fn highest(&self) -> u64 {
        self.steps.iter().map(|step| step.before.max(step.after)).max().unwrap_or(0)
    }
}

fn first_cell(step: usize) -> usize {
    match step {
        0 => 0,
        step => (1 + (step - 1) * CELLS_PER_STEP).min(ScoreHistogram::CELLS - usize::from(step < STEPS)),
    }
}

/// Where a score lies on the scale, in steps from zero: log-odds, but for the straight line within an octave.
pub fn place(score: f64) -> f64 {
    let cell = ScoreHistogram::cell_of(score);
    let (from, to) = (ScoreHistogram::edge(cell), ScoreHistogram::edge(cell + 1));
    let within = ((score - from) / (to - from)).clamp(0.0, 1.0);
    let steps = |cells: f64| 1.0 + (cells - 1.0) / CELLS_PER_STEP as f64;
    match cell {
        0 => within,
        cell if cell == ScoreHistogram::CELLS - 1 => (STEPS - 1) as f64 + within,
        cell => steps(cell as f64 + within),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_hold_every_score_once() {
        let mut before = ScoreHistogram::new();
        let mut after = ScoreHistogram::new();
        (0..=1_000).for_each(|n| before.add(f64::from(n) / 1_000.0));
        [0.3, 0.3, 1e-9].iter().for_each(|score| after.add(*score));
        let steps = Distribution::of(&before, &after).steps;
        assert_eq!((steps.len(), steps[0].from, steps[STEPS - 1].to), (STEPS, 0.0, 1.0));
        assert_eq!(steps.iter().map(|step| step.before).sum::<u64>(), 1_001);
        assert!(steps.windows(2).all(|pair| pair[0].to == pair[1].from));
        let held = steps.iter().find(|step| step.from <= 0.3 && 0.3 < step.to);
        assert_eq!((held.map(|step| step.after), steps[0].after), (Some(2), 1));
    }

    #[test]
    fn what_is_empty_on_both_sides_is_cut_off() {
        let mut one = ScoreHistogram::new();
        one.add(0.3);
        let mut other = ScoreHistogram::new();
        other.add(0.4);
        let steps = Distribution::of(&one, &other).steps;
        assert!(steps.first().is_some_and(|step| step.before == 1) && steps.last().is_some_and(|step| step.after == 1));
        assert_eq!(Distribution::of(&ScoreHistogram::new(), &ScoreHistogram::new()).steps, []);
    }

    #[test]
    fn places_follow_the_steps() {
        assert_eq!([0.0, 0.5, 1.0].map(place), [0.0, (STEPS / 2) as f64, STEPS as f64]);
        for step in 0..=STEPS {
            let edge = ScoreHistogram::edge(first_cell(step));
            assert!((place(edge) - step as f64).abs() < 1e-9, "{step} {edge} {}", place(edge));
        }
    }
}
