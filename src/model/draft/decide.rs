//! How a field becomes the number that the model takes, and what a missing value means, as far as that can be inferred.

use crate::avro::feature::{Missing, Transform};
use crate::avro::fields::{Holds, Time};
use crate::model::draft::column::{Column, Source};
use crate::model::draft::matching::How;
use crate::model::model_file::ModelFile;

/// Of an input of numbers. A text is no number, and what number the training gave it is known there alone.
pub fn decide_transform(column: &mut Column) {
    let Source::Field(field, how) = &column.source else { return };
    let quoted = |symbols: &[String]| symbols.iter().map(|text| format!("{text:?}")).collect::<Vec<_>>().join(", ");
    column.transform = match (&field.holds, how) {
        (Holds::Enum(_), How::Symbol(symbol)) => Ok(Transform::Equals(symbol.clone())),
        (Holds::Number | Holds::Boolean, _) => Ok(Transform::Number),
        (Holds::Enum(symbols), _) => Err(format!(
            "the model takes a number for each symbol: write {{ index = [{}] }} with the symbols in the order of the training's \
             encoder (this is the schema's), otherwise = -1.0 beside it for others, or {{ equals = \"...\" }}",
            quoted(symbols)
        )),
        (Holds::Text, _) => {
            Err("the model takes a number for each text: write { index = [\"...\", \"...\"], otherwise = -1.0 } \
                                 with the texts in the order of the training's encoder, or { equals = \"...\" }"
                .to_owned())
        }
        (Holds::Other, _) => {
            Err("nothing makes a number of this type but is_present: write that, or another path".to_owned())
        }
    };
    if field.time == Time::Timestamp {
        let warning = "a point in time as a 32-bit float moves in steps of two minutes: let producers send an hour, an age or a \
                       difference";
        column.warnings.push(warning.to_owned());
    }
    let has_decimals = ["float", "double"].contains(&field.type_name.as_str()) || field.type_name.contains("decimal");
    if column.takes.is_whole() && has_decimals {
        let kind = column.takes.kind();
        column.warnings.push(format!("the model takes {kind} here, and the field has decimals, which are cut off"));
    }
}

/// What a null on the field's path means.
pub fn decide_missing(column: &mut Column, model: &ModelFile) {
    let Source::Field(field, how) = &column.source else { return };
    if !field.is_nullable {
        return;
    }
    let (trees, place) = (&model.trees, column.takes.place);
    let fills = model.origins.filled_by(place);
    let (missing, why) = if column.takes.is_text() {
        (Missing::Reject, missing_text(column))
    } else if matches!(how, How::Symbol(_)) {
        (Missing::Constant(0.0), "a one-hot encoding has 0 where nothing is".to_owned())
    } else if column.takes.is_whole() {
        (Missing::Reject, format!("the model takes {} here, and whole numbers have no NaN", column.takes.kind()))
    } else if trees.tracked.contains(&place) {
        (Missing::Nan, "the trees say where a missing value goes".to_owned())
    } else if let Some(fills) = fills {
        (Missing::Nan, format!("the model fills missing values in ({fills})"))
    } else if let Some(fills) = model.origins.filled_somewhere().filter(|_| !trees.columns.contains(&place)) {
        let why = "fills missing values in, and of which columns could not be followed: write \"nan\" where this is one of them";
        (Missing::Reject, format!("the model's {fills} {why}"))
    } else if trees.columns.is_empty() {
        (Missing::Reject, "the model is not known to take missing values".to_owned())
    } else if !trees.columns.contains(&place) {
        (Missing::Nan, "no split of the trees looks at it".to_owned())
    } else if !trees.tracked.is_empty() {
        (Missing::Nan, "the trees say of other columns where a missing value goes; here to the false side".to_owned())
    } else {
        let warning = "the field can be null, and no split of the model's trees says where a missing value goes: some exporters \
                       lose that. If the training saw missing values, compare scores of rows that have them, then write \
                       missing = \"nan\"; otherwise a constant or \"reject\"";
        column.warnings.push(warning.to_owned());
        (Missing::Reject, "no split of the trees says where a missing value goes".to_owned())
    };
    column.missing = Some(missing);
    column.missing_why = why;
}

/// Texts that imputers put where nothing is, in lower case.
const OF_NOTHING: [&str; 10] = ["", "missing", "missing_value", "nan", "none", "null", "na", "n/a", "unknown", "<na>"];

fn missing_text(column: &Column) -> String {
    let start = "what the training had in the place of a missing text is known there alone";
    let Ok(Transform::Index { symbols, otherwise }) = &column.transform else { return start.to_owned() };
    let of_nothing = symbols.iter().position(|text| OF_NOTHING.contains(&text.to_lowercase().as_str()));
    match (of_nothing, otherwise) {
        (Some(place), _) => {
            format!("{start}; if it was {:?}, write {{ constant = {place}.0 }}, its place in the list", symbols[place])
        }
        (None, Some(_)) => format!("{start}; {{ constant = -1.0 }} is a text that it has not seen"),
        (None, None) => format!("{start}; a constant is the place of a text in the list"),
    }
}
