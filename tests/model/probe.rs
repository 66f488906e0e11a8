//! The batch cap: the cheapest size per row that keeps the lane responsive, from a curve that the tests make up.

use std::time::Duration;

use crate::model_support::{Draft, SteppingClock, settings};
use ndarray::array;
use scorewire::error::exit;
use scorewire::model::{CurvePoint, ModelSettings, ProbeSettings, TreeNode, choose_cap, prepare, varied_rows};
use scorewire::values::model::Trees;

fn curve(points: &[(usize, u64)]) -> Vec<CurvePoint> {
    points.iter().map(|&(rows, us)| CurvePoint { rows, call_ns: us * 1_000 }).collect()
}

fn limits() -> ProbeSettings {
    ProbeSettings { rows_max: 512, slice: Duration::from_micros(250), latency_max: Duration::from_millis(5) }
}

#[test]
fn the_cheapest_size_within_the_slice_wins() {
    // 128 rows are cheaper still, and take too long.
    let points = curve(&[(1, 5), (16, 50), (64, 180), (128, 330)]);
    assert_eq!(choose_cap(&points, &limits()), (64, None));
    // A model that grows dearer with the batch, as some versions' trees do.
    let points = curve(&[(1, 5), (16, 32), (64, 200), (128, 240)]);
    assert_eq!(choose_cap(&points, &limits()), (128, None));
    let points = curve(&[(1, 5), (16, 32), (64, 240), (128, 600)]);
    assert_eq!(choose_cap(&points, &limits()), (16, None));
    // As cheap as makes no difference: the larger, whose outcomes share more requests.
    let points = curve(&[(32, 64), (64, 130), (96, 196), (112, 236)]);
    assert_eq!(choose_cap(&points, &limits()), (96, None));
    // Exactly the slice still fits.
    assert_eq!(choose_cap(&curve(&[(1, 240), (2, 250), (3, 251)]), &limits()), (2, None));
}

#[test]
fn a_model_that_never_fits_gets_the_cheapest_size_within_the_latency_limit_and_a_warning() {
    let (rows, warning) = choose_cap(&curve(&[(1, 400), (8, 1_600), (64, 4_800), (128, 9_000)]), &limits());
    assert_eq!(rows, 64);
    assert!(warning.unwrap().contains("batches of 64 rows stay within 5ms"));
    let (rows, warning) = choose_cap(&curve(&[(1, 9_000), (2, 12_000)]), &limits());
    assert_eq!(rows, 1);
    assert!(warning.unwrap().contains("one by one"));
}

/// An isolation forest of thousands of graph nodes: a call costs a millisecond, whether it has one row or eight. One row
/// fitted the slice, so each batch had one row: 1,008 rows/s, and 27,600 are possible.
#[test]
fn a_call_beyond_the_slice_is_chosen_where_it_spares_half_of_what_its_rows_cost() {
    let limits = ProbeSettings { slice: Duration::from_millis(1), ..limits() };
    let isolation = [
        (1, 992),
        (2, 1_055),
        (4, 1_095),
        (8, 1_167),
        (16, 1_514),
        (32, 1_683),
        (64, 2_317),
        (96, 4_866),
        (128, 5_931),
    ];
    let (rows, warning) = choose_cap(&curve(&isolation), &limits);
    assert_eq!(rows, 64);
    let warning = warning.unwrap();
    for piece in ["batches of 64 rows, which take 2.3 ms, cost 36.2 us a row", "cost 992.0", "batch_latency_us_max"] {
        assert!(warning.contains(piece), "{piece:?} is missing in: {warning}");
    }
    // No longer than it needs to be: 192 rows cost a sixth less each, and take twice as long.
    let longer = [(1, 961), (32, 1_585), (64, 2_126), (80, 2_378), (96, 2_749), (128, 3_617), (192, 4_800)];
    assert_eq!(choose_cap(&curve(&longer), &limits).0, 80);
    // Trees that are walked: rows cost a third less in large batches, and that is not worth the longer call.
    let walked = [(1, 199), (4, 670), (8, 1_258), (16, 2_213), (64, 6_977)];
    assert_eq!(choose_cap(&curve(&walked), &limits), (4, None));
    // Half is enough.
    assert_eq!(choose_cap(&curve(&[(1, 900), (10, 4_500)]), &limits).0, 10);
    assert_eq!(choose_cap(&curve(&[(1, 900), (10, 4_501)]), &limits).0, 1);
    // Nothing beyond the limit, however cheap.
    assert_eq!(choose_cap(&curve(&[(1, 900), (500, 5_001)]), &limits).0, 1);
}

/// Scored one by one, its records waited longer than in any batch.
#[test]
fn a_model_beyond_every_limit_gets_batches_that_take_no_more_than_twice_its_smallest_call() {
    let slow = [(1, 9_000), (8, 9_500), (64, 13_000), (128, 18_000), (512, 46_000)];
    let (rows, warning) = choose_cap(&curve(&slow), &limits());
    assert_eq!(rows, 128);
    assert!(warning.unwrap().contains("batches of 128 rows take 18 ms, the smallest call 9"));
    // A fixed batch costs the same whatever it is filled with.
    assert_eq!(choose_cap(&curve(&[(32, 9_000)]), &limits()).0, 32);
}

#[test]
fn varied_rows_are_all_different_repeatable_and_keep_what_is_missing() {
    let golden = array![[1.0f32, -20.0, f32::NAN], [2.0, 30.0, f32::NAN]];
    let rows = varied_rows(&golden, 10_000);
    let distinct: std::collections::BTreeSet<(u32, u32)> =
        rows.rows().into_iter().map(|row| (row[0].to_bits(), row[1].to_bits())).collect();
    assert!(distinct.len() > 9_990, "{}", distinct.len());
    assert!(rows.column(2).iter().all(|value| value.is_nan()), "a value is never made up for one that is missing");
    assert!(rows.column(0).iter().all(|value| (0.9..=2.2).contains(value)));
    assert!(
        rows.slice(ndarray::s![.., ..2]).iter().eq(varied_rows(&golden, 10_000).slice(ndarray::s![.., ..2]).iter())
    );
}

#[test]
fn the_probe_measures_with_the_clock_it_is_given_and_the_configuration_may_override() {
    // Each look at the clock takes 1 us, so each call does: the largest batch is the cheapest per row.
    let model = Draft::new("trees", "probabilities", Some(1)).prepare(&settings()).unwrap();
    assert_eq!(model.report.batch_rows_cap, 40);
    assert_eq!(model.report.curve.first().map(|point| point.rows), Some(1));
    assert!(model.report.curve.iter().all(|point| point.call_ns == 1_000));

    let chosen = ModelSettings { batch_rows: Some(7), ..settings() };
    let model = Draft::new("trees", "probabilities", Some(1)).prepare(&chosen).unwrap();
    assert_eq!(model.report.batch_rows_cap, 7);

    // Each call seems to take a second, slower than any limit, whatever its rows.
    let draft = Draft::new("trees", "probabilities", Some(1)).write();
    let model = prepare(draft.path(), &settings(), &SteppingClock::new(1_000_000_000)).unwrap();
    assert_eq!(model.report.batch_rows_cap, 40);
    let told = "nor than 10ms: batches of 40 rows take 1000 ms, the smallest call 1000";
    assert!(model.report.warnings[0].contains(told), "{:?}", model.report.warnings);
}

/// Ten trees of a tenth each: 1.0000001 where all of them vote for fraud. Such golden rows were refused, and such
/// records became dead letters.
#[test]
fn answers_a_hair_above_one_are_scores_of_one_whoever_adds_the_trees_up() {
    for trees in [Trees::Auto, Trees::OnnxRuntime] {
        let chosen = ModelSettings { trees, ..settings() };
        let model = Draft::new("forest", "probabilities", Some(1)).prepare(&chosen).unwrap();
        assert_eq!(matches!(model.graph.nodes[..], [TreeNode::Kernel { trees: 10, .. }]), trees == Trees::Auto);
        assert_eq!(model.package.golden.scores, [1.0, 0.0, 1.0]);
        assert_eq!(model.report.golden_difference_max, 0.0);
        let range = model.report.range;
        assert_eq!((range.rows, range.outside, range.not_finite), (8_192, 0, 0));
        assert_eq!((range.smallest, range.largest), (0.0, f64::from(1.000_000_1_f32)));
        // Two of the three golden rows, that the others are made of.
        assert!((5_000..6_000).contains(&range.clamped), "{range:?}");
    }
}

#[test]
fn a_model_that_answers_no_probabilities_is_refused_with_what_its_numbers_look_like() {
    // Its golden rows hold: all of them happen to lie within 0 to 1.
    let fatal = Draft::new("logits", "z", None).refused();
    assert_eq!(fatal.code, exit::MODEL);
    for piece in ["`z` does not answer probabilities", "of 8192 (", "smallest -4.", "largest 5.", "raw scores (logits)"]
    {
        assert!(fatal.what.contains(piece), "{piece:?} is missing in: {fatal}");
    }
    assert!(fatal.fix.contains("sigmoid"), "{fatal}");
}

/// Scores were wrong by up to 0.79 where an exporter had lost the way of missing values.
#[test]
fn trees_that_say_nothing_about_missing_values_are_warned_of_by_feature() {
    let told = |draft: Draft| -> Vec<String> {
        let warnings = draft.prepare(&settings()).unwrap().report.warnings;
        warnings.into_iter().filter(|warning| !warning.contains("golden records")).collect()
    };
    let forest = || Draft::new("forest", "probabilities", Some(1));
    // All four features may be NaN, and the trees ask for the first.
    let warnings = told(forest());
    assert!(matches!(&warnings[..], [one] if one.contains("a missing value of `a` goes")), "{warnings:?}");
    let rejected = told(forest().replace("missing = \"nan\"", "missing = \"reject\""));
    assert_eq!(rejected, Vec::<String>::new());
    for (name, output, column) in [("trees", "probabilities", Some(1)), ("mlp", "p", None)] {
        assert_eq!(told(Draft::new(name, output, column)), Vec::<String>::new(), "{name}");
    }
}
