//! The packages of `models/`, each opened as `run` opens it. The story: a package trained again with another contract
//! than the simulator's, or a network that answers "not fraud" where it should not have been asked.

use crate::model_support::{SteppingClock, settings};
use crate::packages;
use ndarray::{Array2, s};
use scorewire::avro::feature::Missing;
use scorewire::doors::Scorer;
use scorewire::load::simulate::transaction::{FEATURES, SCHEMA};
use scorewire::model::{Model, Package, prepare};

/// All of them, verified, warmed and probed.
fn models() -> Vec<Model> {
    let open =
        |folder| prepare(folder, &settings(), &SteppingClock::new(1_000)).unwrap_or_else(|fatal| panic!("{fatal}"));
    packages::all().iter().map(|folder| open(folder)).collect()
}

/// What may be missing as NaN, by the contract.
fn may_be_nan(package: &Package, feature: usize) -> bool {
    package.wanted.features[feature].missing == Some(Missing::Nan)
}

#[test]
fn each_holds_without_a_warning_and_no_score_depends_on_its_batch() {
    for model in models() {
        let (package, report) = (&model.package, &model.report);
        assert_eq!(package.name, packages::name(&package.dir));
        assert_eq!(report.warnings, Vec::<String>::new(), "{}", package.name);
        assert!(report.batch_invariant, "{}", package.name);
        assert!(
            report.golden_difference_max <= package.golden.tolerance,
            "{}: {}",
            package.name,
            report.golden_difference_max
        );
    }
}

#[test]
fn all_take_the_simulators_transactions() {
    for folder in packages::all() {
        let package = Package::load(&folder).unwrap();
        assert_eq!(package.reader.text(), SCHEMA, "{}", package.name);
        let names: Vec<&str> = package.wanted.features.iter().map(|feature| feature.name.as_str()).collect();
        assert_eq!(names, FEATURES, "{}", package.name);
        let example = Package::load(&packages::all()[0]).unwrap();
        assert_eq!(package.wanted, example.wanted, "{}: one contract serves all", package.name);
    }
}

#[test]
fn golden_rows_cover_every_decision_and_lack_only_what_the_contract_lets_be_missing() {
    for folder in packages::all() {
        let package = Package::load(&folder).unwrap();
        let (name, golden, thresholds) = (&package.name, &package.golden, &package.thresholds);
        let count = |from: f64, to: f64| golden.scores.iter().filter(|score| (from..to).contains(*score)).count();
        assert!(count(0.0, thresholds.review) >= 8, "{name}: approved");
        assert!(count(thresholds.review, thresholds.decline) >= 1, "{name}: reviewed");
        assert!(count(thresholds.decline, 2.0) >= 8, "{name}: declined");
        for (index, column) in golden.rows.columns().into_iter().enumerate() {
            let missing = column.iter().any(|value| value.is_nan());
            assert!(!missing || may_be_nan(&package, index), "{name}: {} is never missing", FEATURES[index]);
        }
        assert!(golden.rows.iter().filter(|value| value.is_nan()).count() > 100, "{name}: hardly anything is missing");
    }
}

#[test]
fn what_the_contract_lets_be_missing_is_scored() {
    for model in models() {
        let mut session = model.session().unwrap();
        let mut rows = model.package.golden.rows.slice(s![..32, ..]).to_owned();
        for feature in (0..FEATURES.len()).filter(|feature| may_be_nan(&model.package, *feature)) {
            // One more each time: the last round lacks all of them.
            rows.column_mut(feature).fill(f32::NAN);
            let mut scores = [f64::NAN; 32];
            session.score(rows.view(), &mut scores).unwrap();
            let fine = scores.iter().all(|score| (0.0..=1.0).contains(score));
            assert!(fine, "{} without {}: {scores:?}", model.package.name, FEATURES[feature]);
        }
    }
}

#[test]
fn the_network_never_makes_a_score_of_a_value_that_is_no_number() {
    let models = models();
    let model = models.iter().find(|model| model.package.name == "card-fraud-mlp").unwrap();
    let mut session = model.session().unwrap();
    let golden = model.package.golden.rows.slice(s![..9, ..]);
    for (feature, name) in FEATURES.iter().enumerate() {
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            if value.is_nan() && may_be_nan(&model.package, feature) {
                continue;
            }
            // In batches of one and of more: they take different kernels.
            for count in [1, 9] {
                let mut rows: Array2<f32> = golden.slice(s![..count, ..]).to_owned();
                rows[[count / 2, feature]] = value;
                let mut scores = vec![0.0; count];
                session.score(rows.view(), &mut scores).unwrap();
                for (row, score) in scores.iter().enumerate() {
                    let spoiled = row == count / 2;
                    assert_eq!(score.is_nan(), spoiled, "{name} = {value}, row {row} of {count}: {score}");
                }
            }
        }
    }
}

#[test]
fn a_value_larger_than_any_seen_counts_as_a_large_one() {
    let models = models();
    let model = models.iter().find(|model| model.package.name == "card-fraud-mlp").unwrap();
    let mut session = model.session().unwrap();
    let largest = model.package.wanted.features[0].max.expect("amounts have a bound") as f32;
    let mut rows = Array2::from_elem((2, FEATURES.len()), 0.0);
    for row in 0..2 {
        rows.row_mut(row).assign(&model.package.golden.rows.row(0));
    }
    (rows[[0, 0]], rows[[1, 0]]) = (5_000.0, largest);
    let mut scores = [f64::NAN; 2];
    session.score(rows.view(), &mut scores).unwrap();
    assert_eq!(scores[0].to_bits(), scores[1].to_bits(), "{scores:?}");
}
