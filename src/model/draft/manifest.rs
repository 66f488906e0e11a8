//! `model.toml` as a draft: each line with the reason why it says so, and a text that begins with `?` wherever a person has to
//! decide.

use std::fmt::Write as _;

use crate::avro::feature::{Missing, Transform};
use crate::avro::fields::Holds;
use crate::model::classes::Class;
use crate::model::draft::column::{Column, Source};
use crate::model::draft::output::Score;
use crate::model::draft::seen::Seen;
use crate::model::draft::transaction::Transaction;
use crate::model::model_file::ModelFile;
use crate::model::output_role::ScoreColumn;
use crate::model::problem::{Problem, Problems};
use crate::model::undecided;

/// Columns of a comment's line.
const WIDTH: usize = 120;

/// Everything that a draft says.
#[derive(Debug)]
pub struct Manifest<'a> {
    pub name: &'a str,
    pub version: &'a str,
    pub model: &'a ModelFile,
    /// The files as they were given.
    pub origins: [&'a str; 2],
    /// In words that follow "named by"; `None` where the columns stand in the schema's order.
    pub named_by: Option<&'a str>,
    pub columns: &'a [Column],
    /// The columns' order is a guess that somebody has to confirm.
    pub confirm: Option<&'a str>,
    pub transaction: &'a Transaction,
    pub score: &'a Score,
    pub seen: Option<&'a Seen>,
    pub thresholds: Thresholding,
    /// Who made the golden rows.
    pub rows_made_by: &'a str,
}

/// Proposed thresholds.
#[derive(Clone, Debug, PartialEq)]
pub struct Thresholding {
    pub review: f64,
    pub decline: f64,
    pub why: String,
}

impl Thresholding {
    /// One record in a hundred is reviewed and one in a thousand declined, where scores of records are known.
    pub fn of(scores: Option<&[f64]>) -> Thresholding {
        let mut sorted: Vec<f64> =
            scores.unwrap_or_default().iter().copied().filter(|score| score.is_finite()).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| sorted.get((sorted.len() as f64 * share) as usize).copied().unwrap_or(1.0);
        // Rounded up, so that what is equal to the quantile by many records is not declined.
        let rounded = |score: f64| (score * 1e4).ceil().clamp(0.0, 1e4) / 1e4;
        if sorted.len() < 1_000 {
            let why = "placeholders: nothing is known of the scores".to_owned();
            return Thresholding { review: 0.5, decline: 0.9, why };
        }
        let why = format!(
            "of {} records one in a hundred is at or above review, and one in a thousand at decline",
            sorted.len()
        );
        let (review, decline) = (rounded(at(0.99)), rounded(at(0.999)));
        Thresholding { review, decline: decline.max(review), why }
    }
}

impl Manifest<'_> {
    /// The file's text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let [onnx, schema] = self.origins;
        comment(
            &mut text,
            &format!(
                "Drafted by scorewire model init from {onnx} and {schema}. A text that begins with ? is undecided: \
                 `scorewire model check` fails until a person has written what is right."
            ),
        );
        text.push_str("format = 1\n");
        if let Some(confirm) = self.confirm {
            line(&mut text, "confirm", &undecided::marked(confirm));
        }
        self.model_section(&mut text);
        self.output_section(&mut text);
        self.transaction_section(&mut text);
        text.push_str("\n[thresholds]\n");
        comment(&mut text, &format!("Proposed, {}: set your own, and with them the version.", self.thresholds.why));
        line(&mut text, "version", "proposed");
        let _ = writeln!(text, "review = {:?}\ndecline = {:?}", self.thresholds.review, self.thresholds.decline);
        text.push_str("\n[golden]\n");
        comment(&mut text, "scorewire model update takes the rows and records that the training side made.");
        text.push_str("file = \"golden.csv\"\ntolerance = 1e-6\n");
        line(&mut text, "rows_made_by", self.rows_made_by);
        for (index, column) in self.columns.iter().enumerate() {
            self.feature(&mut text, index, column);
        }
        text
    }

    /// What a person has to decide before the package can hold.
    pub fn undecided(&self) -> Vec<Problem> {
        let mut problems = Problems::default();
        match self.text().parse() {
            Ok(table) => {
                undecided::tell(&table, &mut problems);
            }
            Err(error) => problems.add("model.toml", format!("is not TOML: {error}"), "report this"),
        }
        problems.into_all()
    }

    fn model_section(&self, text: &mut String) {
        text.push_str("\n[model]\n");
        line(text, "name", self.name);
        line(text, "version", self.version);
        line(text, "file", "model.onnx");
        line(text, "sha256", &self.model.sha256);
        match &self.model.facts.inputs[..] {
            [input] => {
                text.push_str("\n[input]\n");
                comment(text, &format!("{}, the model's only input.", input.describe()));
                line(text, "tensor", &input.name);
            }
            several => {
                text.push('\n');
                let what =
                    "each is made of the features of its name, or of as many as it has columns, in the order below";
                comment(text, &format!("The model has {} inputs: {what}.", several.len()));
            }
        }
    }

    fn output_section(&self, text: &mut String) {
        text.push_str("\n[output]\n");
        let Score { tensor, tensor_why, column, column_why, lacking, .. } = self.score;
        because(text, tensor_why);
        line(text, "tensor", &decided(tensor));
        because(text, column_why);
        match column {
            Ok(ScoreColumn::Unsaid) => {}
            Ok(ScoreColumn::Index(index)) => {
                let _ = writeln!(text, "column = {index}");
            }
            Ok(ScoreColumn::Class(Class::Number(number))) => {
                let _ = writeln!(text, "class = {number}");
            }
            Ok(ScoreColumn::Class(Class::Text(name))) => line(text, "class", name),
            Err(why) if why.starts_with("which of the model's classes") => line(text, "class", &undecided::marked(why)),
            Err(why) => line(text, "column", &undecided::marked(why)),
        }
        if let Some((key, why)) = lacking {
            line(text, key, &undecided::marked(why));
        }
    }

    fn transaction_section(&self, text: &mut String) {
        text.push_str("\n[transaction]\nschema = \"transaction.avsc\"\n");
        let Transaction { id, event_time } = self.transaction;
        for (key, found, nothing) in [
            ("id", id, "No field looks like the transaction's id; it keys outputs and chooses samples for review."),
            ("event_time", event_time, "No field looks like the event's time."),
        ] {
            match found {
                Some((path, why)) => {
                    because(text, why);
                    line(text, key, path);
                }
                None => {
                    comment(text, nothing);
                    let _ = writeln!(text, "# {key} = \"...\"");
                }
            }
        }
    }

    fn feature(&self, text: &mut String, index: usize, column: &Column) {
        text.push('\n');
        let mut reason = format!("Column {index}");
        if let Source::Field(field, how) = &column.source {
            let _ = write!(reason, ": {}, {how}", field.type_name);
        }
        if self.model.facts.inputs.len() > 1 {
            let _ = write!(reason, "; {} of the model's input `{}`", column.takes.kind(), column.takes.input);
        }
        let range = self.seen.and_then(|seen| Some((seen.ranges.get(index).copied().flatten()?, seen.records)));
        if let Some((range, records)) = range.filter(|(range, _)| range.smallest <= range.largest) {
            let _ = write!(reason, "; in {records} records {}", range.values(column));
            if range.missing > 0 {
                let _ = write!(reason, ", missing in {}", range.missing);
            }
        }
        comment(text, &format!("{reason}."));
        column.warnings.iter().for_each(|warning| comment(text, &format!("Look: {warning}.")));
        text.push_str("[[features]]\n");
        line(text, "name", &column.name);
        match &column.source {
            Source::Field(field, _) => line(text, "path", &field.path),
            Source::Undecided(why) => line(text, "path", &undecided::marked(why)),
        }
        because(text, &column.transform_why);
        match &column.transform {
            Ok(Transform::Equals(symbol)) => {
                let _ = writeln!(text, "transform = {{ equals = {} }}", quoted(symbol));
            }
            Ok(Transform::Index { symbols, otherwise }) => {
                let otherwise = otherwise.map(|number| format!(", otherwise = {number:?}")).unwrap_or_default();
                let _ = writeln!(text, "transform = {{ index = [{}]{otherwise} }}", listed(symbols));
            }
            Err(why) => line(text, "transform", &undecided::marked(why)),
            // A number, which is what stands for nothing.
            Ok(_) => {}
        }
        if column.missing.is_some() {
            because(text, &column.missing_why);
        }
        match column.missing {
            None => {}
            Some(Missing::Nan) => line(text, "missing", "nan"),
            Some(Missing::Reject) => line(text, "missing", "reject"),
            Some(Missing::Constant(value)) => {
                let _ = writeln!(text, "missing = {{ constant = {value:?} }}");
            }
        }
        // A range of what was seen would make dead letters of what is merely new: a person decides.
        if let Some((range, _)) = range.filter(|(range, _)| range.smallest <= range.largest)
            && column.transform == Ok(Transform::Number)
            && column.field().is_some_and(|field| field.holds == Holds::Number)
        {
            let _ = writeln!(text, "# min = {:?}\n# max = {:?}", range.smallest, range.largest);
        }
    }
}

fn decided(value: &Result<String, String>) -> String {
    match value {
        Ok(value) => value.clone(),
        Err(why) => undecided::marked(why),
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn line(text: &mut String, key: &str, value: &str) {
    let _ = writeln!(text, "{key} = {}", quoted(value));
}

/// Texts of a list, broken between them where they do not fit a line.
fn listed(texts: &[String]) -> String {
    let (mut list, mut column) = (String::new(), "transform = { index = [".len());
    for (at, text) in texts.iter().enumerate() {
        let text = quoted(text);
        let comma = if at == 0 { "" } else { ", " };
        let len = text.chars().count();
        // Room for `otherwise` behind the last one.
        if at > 0 && column + len > WIDTH - 24 {
            list.push_str(",\n    ");
            column = 4 + len;
        } else {
            list.push_str(comma);
            column += comma.len() + len;
        }
        list.push_str(&text);
    }
    list
}

/// A reason as a sentence.
fn because(text: &mut String, why: &str) {
    let mut chars = why.chars();
    if let Some(first) = chars.next() {
        comment(text, &format!("{}{}.", first.to_uppercase(), chars.as_str()));
    }
}

/// A comment, broken between words.
fn comment(text: &mut String, words: &str) {
    let mut column = 0;
    for word in words.split_whitespace() {
        let len = word.chars().count();
        if column == 0 || column + 1 + len > WIDTH {
            text.push_str(if column == 0 { "# " } else { "\n# " });
            column = 2 + len;
        } else {
            text.push(' ');
            column += 1 + len;
        }
        text.push_str(word);
    }
    text.push('\n');
}
