//! Columns that the model takes as texts: which texts it knows, and what becomes of others.

use std::collections::BTreeSet;
use std::path::Path;

use crate::avro::feature::{Transform, Wanted};
use crate::avro::fields::Holds;
use crate::avro::schemas::AvroSchema;
use crate::error::Fatal;
use crate::model::columns::KnownTexts;
use crate::model::draft::column::{Column, Source};
use crate::model::draft::matching::How;
use crate::model::draft::seen::Records;
use crate::model::model_file::ModelFile;
use crate::values::record::TransactionId;

/// Texts that records may show for a list: more are not chosen from a few, and the next record has others.
const FROM_ROWS_MAX: usize = 256;

/// The number that stands for a text that is not in the list.
const OTHERWISE: f32 = -1.0;

/// The transform: the texts that the graph's own encoders list, or an enum's symbols.
pub fn decide(column: &mut Column, model: &ModelFile) {
    let symbols = match &column.source {
        Source::Field(field, How::Symbol(symbol)) => {
            let path = &field.path;
            column.transform = Err(format!(
                "the model takes a text here, and the name asks for the symbol {symbol} of {path}: {WRITE}"
            ));
            return;
        }
        Source::Field(field, _) => match &field.holds {
            // One without symbols says nothing.
            Holds::Enum(symbols) => Some(symbols.clone()).filter(|symbols| !symbols.is_empty()),
            Holds::Text => None,
            Holds::Number | Holds::Boolean | Holds::Other => {
                let kind = &field.type_name;
                column.transform = Err(format!(
                    "the model takes a text here, and {} is {kind}: write another path, or export the model with a number there",
                    field.path
                ));
                return;
            }
        },
        Source::Undecided(_) => None,
    };
    match (model.texts(&column.takes), symbols) {
        (Some(known), symbols) => known_texts(column, known, symbols.as_deref()),
        (None, Some(symbols)) => {
            let why = format!("the enum's symbols: {UNFOLLOWED}; one that is not among them would be a dead letter");
            (column.transform, column.transform_why) = (Ok(Transform::Index { symbols, otherwise: None }), why);
        }
        (None, None) => column.transform = Err(format!("{UNFOLLOWED}: {WRITE}")),
    }
}

const UNFOLLOWED: &str = "which texts the model knows could not be followed through its graph";
const WRITE: &str = "write { index = [\"...\", \"...\"] } with the texts that the training has seen, and otherwise = -1.0 beside it \
                     where the graph takes others";

/// The texts of an encoder. An enum's symbols are all that can come: a text that is none of them is left out.
fn known_texts(column: &mut Column, known: &KnownTexts, symbols: Option<&[String]>) {
    let is_possible = |text: &&String| symbols.is_none_or(|symbols| symbols.contains(text));
    let (listed, never): (Vec<String>, Vec<String>) = known.texts.iter().cloned().partition(|text| is_possible(&text));
    if listed.is_empty() {
        let texts = shown(&known.texts);
        column.transform = Err(format!(
            "none of the texts that the model's {} lists ({texts}) is a symbol of the field's enum: write another path",
            known.by
        ));
        return;
    }
    let mut why = format!("{} that the model's {} lists", count(listed.len()), known.by);
    if !never.is_empty() {
        why.push_str(&format!(", without those that the enum has not ({})", shown(&never)));
    }
    let otherwise = match known.others {
        Ok(takes) => {
            why.push_str(&format!("; a text that is not among them is one that the training has not seen: {takes}"));
            Some(OTHERWISE)
        }
        Err(fails) => {
            why.push_str(&format!("; a text that is not among them makes the record a dead letter: {fails}"));
            None
        }
    };
    if let Some(symbols) = symbols {
        let unknown: Vec<String> = symbols.iter().filter(|symbol| !listed.contains(symbol)).cloned().collect();
        if !unknown.is_empty() {
            column.warnings.push(format!("the model does not know the enum's symbols {}", shown(&unknown)));
        }
    }
    (column.transform, column.transform_why) = (Ok(Transform::Index { symbols: listed, otherwise }), why);
}

fn count(texts: usize) -> String {
    if texts == 1 { "the one text".to_owned() } else { format!("the {texts} texts") }
}

/// Texts in a row, the first of them.
pub fn shown(texts: &[String]) -> String {
    const SHOWN: usize = 8;
    let quoted: Vec<String> = texts.iter().take(SHOWN).map(|text| format!("{text:?}")).collect();
    match texts.len().saturating_sub(SHOWN) {
        0 => quoted.join(", "),
        more => format!("{} and {more} more", quoted.join(", ")),
    }
}

/// Fills in the texts that records show, where nothing else says which there are.
///
/// # Errors
/// Those of [`Records`]: the file cannot be read as records of the schema.
pub fn from_rows(columns: &mut [Column], file: &Path, reader: &AvroSchema) -> Result<(), Fatal> {
    let is_open = |column: &Column| {
        let field = column.field().filter(|field| field.holds == Holds::Text && field.is_id);
        column.takes.is_text() && column.transform.is_err() && field.is_some()
    };
    let mut found = Vec::new();
    for (index, column) in columns.iter().enumerate().filter(|(_, column)| is_open(column)) {
        found.push((index, column.field().map(|field| field.path.clone()), BTreeSet::new()));
    }
    if found.is_empty() {
        return Ok(());
    }
    let records = Records::open(file)?;
    let mut plans = Vec::new();
    for (_, path, _) in &found {
        // A text that names a transaction is the one that a plan gives as it is.
        let wanted = Wanted { transaction_id: path.clone(), ..Wanted::default() };
        plans.push(records.plan(reader, &wanted)?);
    }
    let seen = records.each(|record| {
        for (plan, (_, _, texts)) in plans.iter().zip(&mut found) {
            if texts.len() > FROM_ROWS_MAX {
                continue;
            }
            if let Ok((TransactionId::Text { start, len }, _)) = plan.decode(record, 0, &mut []) {
                let text = record.get(start as usize..start as usize + len as usize).unwrap_or_default();
                texts.insert(String::from_utf8_lossy(text).into_owned());
            }
        }
    })?;
    for (index, _, texts) in found {
        let column = &mut columns[index];
        match texts.len() {
            0 => {}
            1..=FROM_ROWS_MAX => {
                column.transform_why = format!(
                    "{} that {seen} records show: {UNFOLLOWED}. Compare them with the training's; a text that is not among them \
                     makes the record a dead letter",
                    count(texts.len())
                );
                let symbols = texts.into_iter().collect();
                column.transform = Ok(Transform::Index { symbols, otherwise: None });
            }
            _ => {
                if let Err(why) = &mut column.transform {
                    why.push_str(&format!("; the records show more than {FROM_ROWS_MAX} different ones"));
                }
            }
        }
    }
    Ok(())
}
