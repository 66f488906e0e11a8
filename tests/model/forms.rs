//! The models of `scripts/train forms`, one of each form that exporters write, against Python's ONNX Runtime.

use std::path::Path;

use crate::model_support::{SteppingClock, forms, settings};
use ndarray::{Array2, s};
use scorewire::doors::Scorer;
use scorewire::model::{ModelSettings, Session, prepare};
use scorewire::values::model::Determinism;

/// As the script writes them: features, then the score.
fn rows(path: &Path) -> (Array2<f32>, Vec<f64>) {
    let text = std::fs::read_to_string(path).unwrap();
    let (mut values, mut scores, mut width) = (Vec::new(), Vec::new(), 0);
    for line in text.lines().skip(1) {
        let (row, score) = line.rsplit_once(',').unwrap();
        let before = values.len();
        values.extend(row.split(',').map(|cell| cell.parse::<f32>().unwrap()));
        width = values.len() - before;
        scores.push(score.parse().unwrap());
    }
    (Array2::from_shape_vec((scores.len(), width), values).unwrap(), scores)
}

fn scores(session: &mut Session, rows: &Array2<f32>, size: usize) -> Vec<f64> {
    let mut scores = vec![f64::NAN; rows.nrows()];
    for start in (0..rows.nrows()).step_by(size) {
        let end = (start + size).min(rows.nrows());
        session.score(rows.slice(s![start..end, ..]), &mut scores[start..end]).unwrap();
    }
    scores
}

/// Checks one package, and answers its line of the table.
fn check(folder: &Path) -> String {
    let name = folder.file_name().unwrap().to_str().unwrap();
    let about: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("form.json")).unwrap()).unwrap();
    let word = |key: &str| about[key].as_str().unwrap().to_owned();
    let model =
        prepare(folder, &settings(), &SteppingClock::new(1_000)).unwrap_or_else(|fatal| panic!("{name}: {fatal}"));
    let (rows, expected) = rows(&folder.join("rows.csv"));
    let mut session = model.session().unwrap();
    let mut difference = 0.0f64;
    for size in [rows.nrows(), 1, 7] {
        let got = scores(&mut session, &rows, size);
        difference = got.iter().zip(&expected).map(|(got, expected)| (got - expected).abs()).fold(difference, f64::max);
        assert!(difference <= 1e-6, "{name}, {size} rows a call: {difference:e}");
        // Where a row's bits do not depend on its batch, they are Python's; what is computed of them is not.
        if model.report.batch_invariant && about["plain"].as_bool().unwrap() {
            assert!(got == expected, "{name}, {size} rows a call: other bits, {difference:e}");
        }
    }
    let strict = ModelSettings { determinism: Determinism::Strict, ..settings() };
    let strict = prepare(folder, &strict, &SteppingClock::new(1_000)).unwrap_or_else(|fatal| panic!("{name}: {fatal}"));
    let mut session = strict.session().unwrap();
    let alone = scores(&mut session, &rows, 1);
    assert!([3, 40, 256].into_iter().all(|size| scores(&mut session, &rows, size) == alone), "{name}, strict");
    let invariant = if model.report.batch_invariant { "yes" } else { "no" };
    let bits = if difference == 0.0 { "same bits".to_owned() } else { format!("{difference:.0e}") };
    format!("| {name} | {} | {} | {invariant} | {bits} |", word("exporter"), word("form"))
}

#[test]
#[ignore = "needs the exporters of scripts/train forms: scripts/test --long"]
fn every_form_scores_as_pythons_onnx_runtime_does() {
    let forms = forms();
    assert!(forms.len() >= 40, "{} forms", forms.len());
    println!("| form | exporter | what | the batch changes no bit | difference from Python |\n|---|---|---|---|---|");
    forms.iter().for_each(|form| println!("{}", check(form)));
}
