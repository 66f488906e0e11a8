//! Golden rows: inputs with the scores they had when the model was exported. A runtime, a machine or a file that
//! answers differently is found before the first record.

use ndarray::Array2;

use crate::avro::feature::Feature;
use crate::model::answers::AnswerRange;
use crate::model::problem::Problems;
use crate::values::record::score_of;

#[derive(Clone, Debug, PartialEq)]
pub struct Golden {
    /// `[rows, features]`; NaN where a feature is missing.
    pub rows: Array2<f32>,
    /// `[rows]`, each within 0..=1: what [`score_of`] makes of the answers in the file.
    pub scores: Vec<f64>,
    /// Largest difference allowed.
    pub tolerance: f64,
}

impl Golden {
    /// Reads `golden.csv`: a header with the features' names in order and `score`, then one row per line.
    pub fn parse(
        text: &str,
        place: &str,
        features: &[Feature],
        tolerance: f64,
        problems: &mut Problems,
    ) -> Option<Golden> {
        let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let (_, header) = lines.next().unwrap_or((0, ""));
        let expected = features.iter().map(|feature| feature.name.as_str()).chain(["score"]);
        if !header.split(',').map(str::trim).eq(expected.clone()) {
            let names: Vec<&str> = header.split(',').map(str::trim).collect();
            let expected: Vec<&str> = expected.collect();
            let column = (0..).find(|&column| names.get(column) != expected.get(column)).unwrap_or(0);
            let name = |list: &[&str]| match list.get(column) {
                None => "nothing".to_owned(),
                Some(&"") => "without a name".to_owned(),
                Some(name) => format!("`{name}`"),
            };
            let (found, wanted, column) = (name(&names), name(&expected), column + 1);
            let what = format!("is not the header of this contract: column {column} is {found}, not {wanted}");
            let commas = if header.contains(';') { "separate cells by commas, not by `;`: " } else { "" };
            let fix =
                format!("{commas}write {}, or correct [[features]]: both in the training's order", expected.join(","));
            problems.add(format!("{place} line 1"), what, fix);
            return None;
        }
        let (mut values, mut answers, mut first_outside) = (Vec::new(), Vec::new(), None);
        for (index, line) in lines {
            match read_line(line, features.len(), &mut values) {
                Ok(answer) => {
                    answers.push(answer);
                    first_outside = first_outside.or(score_of(answer).is_err().then_some(index + 1));
                }
                Err((what, fix)) => {
                    problems.add(format!("{place} line {}", index + 1), what, fix);
                    return None;
                }
            }
        }
        if answers.is_empty() {
            problems.add(place, "has no rows", "add at least one row with the score the model gave it");
            return None;
        }
        if let Some(line) = first_outside {
            let range = AnswerRange::of(&answers);
            let (kind, fix) = range.likely();
            let (share, numbers) = (range.share(range.outside), range.numbers());
            let what = format!("{share} of its scores are outside 0 to 1, the first in line {line}: {numbers}");
            let fix = format!("{fix}; then write the golden rows anew with what that model answers");
            problems.add(place, format!("{what}; they look like {kind}, not like probabilities"), fix);
            return None;
        }
        let scores: Vec<f64> = answers.iter().filter_map(|answer| score_of(*answer).ok()).collect();
        let rows = Array2::from_shape_vec((scores.len(), features.len()), values).ok()?;
        Some(Golden { rows, scores, tolerance })
    }
}

/// Whether the product itself computed it: then it proves nothing.
pub fn is_our_own(made_by: &str) -> bool {
    let word = made_by.split(|char: char| !char.is_alphanumeric()).find(|word| !word.is_empty());
    word.is_some_and(|word| word.eq_ignore_ascii_case("scorewire"))
}

/// What the start says of rows that the product scored itself.
pub fn warning(made_by: Option<&str>) -> Option<String> {
    made_by.filter(|made_by| is_our_own(made_by)).map(|made_by| {
        format!(
            "the golden rows were scored by scorewire itself (golden.rows_made_by = {made_by:?}): they show that nothing has \
             changed since, and not that the model answers as the training library did; let that score some rows, and take them \
             with scorewire model update --golden-rows"
        )
    })
}

fn read_line(line: &str, width: usize, values: &mut Vec<f32>) -> Result<f64, (String, &'static str)> {
    let cells: Vec<&str> = line.split(',').map(str::trim).collect();
    let [features @ .., score] = &cells[..] else { return Err(("is empty".into(), "remove it")) };
    if features.len() != width {
        return Err((
            format!("has {} cells, not {}", cells.len(), width + 1),
            "write one cell per feature and the score",
        ));
    }
    for (column, cell) in features.iter().enumerate() {
        let value = match *cell {
            "nan" | "NaN" => f32::NAN,
            number => number.parse().ok().filter(|value: &f32| value.is_finite()).ok_or_else(|| {
                (format!("column {} is not a number", column + 1), "write a finite number, or nan where it is missing")
            })?,
        };
        values.push(value);
    }
    let answer = score.parse().ok().filter(|answer: &f64| answer.is_finite());
    answer.ok_or_else(|| ("the score is not a finite number".into(), "write the probability of fraud the model gave"))
}
