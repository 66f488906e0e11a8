//! What adds up answers must not allocate for each of them: a challenger's thread does so beside the lane, and a replay for
//! every record of a month.

use ndarray::Array2;

use crate::counting;
use scorewire::compare::{Answer, Comparison, FeatureDrift, Inputs, Pair, ScoreHistogram};
use scorewire::values::record::{Decision, Position};

fn pair(offset: i64) -> Pair<'static> {
    let score = |salt: i64| ((offset * 7_919 + salt) % 1_000) as f64 / 1_000.0;
    let answer = |score: f64| Answer { score, decision: Decision::ALL[usize::from(score > 0.5)] };
    let at = Position { partition: 0, offset };
    // Those after the first thousand differ less than any of the twenty that differ most.
    let (before, after) = (score(0), if offset < 1_000 { score(400) } else { score(0) + 0.000_1 });
    Pair { at, id: Some(b"tx-1"), before: answer(before), after: answer(after), inputs: Inputs::Same }
}

fn allocations(work: impl FnOnce()) -> u64 {
    let before = counting::allocations();
    work();
    counting::allocations() - before
}

#[test]
fn a_pair_allocates_nothing_but_among_the_worst() {
    let mut comparison = Comparison::new();
    let first = allocations(|| (0..1_000).for_each(|offset| comparison.add(&pair(offset))));
    assert!(first > 0, "nothing is counted: is the allocator the counting one?");
    assert_eq!(allocations(|| (1_000..50_000).for_each(|offset| comparison.add(&pair(offset)))), 0);
    assert_eq!((comparison.compared(), comparison.worst().len()), (50_000, 20));
}

#[test]
fn scores_and_rows_are_counted_without_allocating() {
    let names = ["a", "b", "c"].map(str::to_owned);
    let rows =
        Array2::from_shape_fn((512, 3), |(row, column)| if row % 9 == 0 { f32::NAN } else { (row * column) as f32 });
    let mut drift = FeatureDrift::new(&names, rows.view());
    let mut histogram = ScoreHistogram::new();
    let of_rows = allocations(|| (0..100).for_each(|_| drift.add_rows(rows.view())));
    let of_scores = allocations(|| (0..10_000).for_each(|n| histogram.add(f64::from(n) / 10_000.0)));
    assert_eq!((of_rows, of_scores), (0, 0));
    assert_eq!((drift.rows(), histogram.count()), (51_200, 10_000));
}
