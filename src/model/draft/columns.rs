//! The columns of the model, each with the field that feeds it, as far as that can be inferred.

use crate::avro::fields::{Holds, SchemaField, Time};
use crate::error::{Fatal, exit};
use crate::model::columns::plain;
use crate::model::draft::column::{Column, Source};
use crate::model::draft::decide::{decide_missing, decide_transform};
use crate::model::draft::hints::hint;
use crate::model::draft::matching::{Fields, Found, How};
use crate::model::draft::names::Named;
use crate::model::draft::texts;
use crate::model::draft::transaction::Transaction;
use crate::model::fields::element;
use crate::model::model_file::ModelFile;
use crate::model::problem::Problem;

/// The model's columns. `width`: how many there are, where that is known.
///
/// # Errors
/// [`exit::USAGE`] where nothing says what the columns are.
pub fn columns(
    model: &ModelFile,
    (named, width): (Option<&Named>, Option<usize>),
    fields: &[SchemaField],
    transaction: &Transaction,
) -> Result<Vec<Column>, Fatal> {
    let mut columns = match named {
        Some(named) => by_name(&named.names, fields, transaction),
        None => by_place(model, width, fields, transaction)?,
    };
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let takes = model.takes(&names).map_err(|Problem { what, fix, .. }| Fatal::new(exit::USAGE, what, fix))?;
    for (column, takes) in columns.iter_mut().zip(takes) {
        column.takes = takes;
        match column.takes.is_text() {
            true => texts::decide(column, model),
            false => decide_transform(column),
        }
        decide_missing(column, model);
    }
    Ok(columns)
}

fn by_name(names: &[String], fields: &[SchemaField], transaction: &Transaction) -> Vec<Column> {
    let matcher = Fields::new(fields);
    let mut columns: Vec<Column> = names
        .iter()
        .map(|name| {
            let several =
                |indices: &[usize]| indices.iter().map(|&index| told(&fields[index])).collect::<Vec<_>>().join(", ");
            let hint = || hint(name, fields, &matcher, transaction).map(|hint| format!("; {hint}")).unwrap_or_default();
            let source = match matcher.find(name) {
                Found::Field(index, how) => Source::Field(fields[index].clone(), how),
                Found::Several(indices) => {
                    Source::Undecided(format!("several fields fit the name {name:?}: {}{}", several(&indices), hint()))
                }
                Found::None(near) if near.is_empty() => {
                    Source::Undecided(format!("no field is named like {name:?}, and none is near{}", hint()))
                }
                Found::None(near) => {
                    Source::Undecided(format!("no field is named {name:?}; the nearest: {}{}", several(&near), hint()))
                }
            };
            Column::new(identifier(name), source)
        })
        .collect();
    make_unique(&mut columns);
    refuse_doubles(&mut columns);
    columns
}

fn told(field: &SchemaField) -> String {
    format!("{} ({})", field.path, field.type_name)
}

/// A name that may stand in a contract.
fn identifier(name: &str) -> String {
    if name.is_empty() { "_".to_owned() } else { plain(name) }
}

fn make_unique(columns: &mut [Column]) {
    let mut seen = std::collections::BTreeSet::new();
    for column in columns {
        let base = column.name.clone();
        for number in 2.. {
            if seen.insert(column.name.clone()) {
                break;
            }
            column.name = format!("{base}_{number}");
        }
    }
}

/// One field is one column, unless it is asked for different symbols: where two names led to it, at most the surer one did
/// so for a good reason.
fn refuse_doubles(columns: &mut [Column]) {
    for index in 0..columns.len() {
        let Source::Field(field, how) = &columns[index].source else { continue };
        if matches!(how, How::Symbol(_)) {
            continue;
        }
        let rank = |how: &How| match how {
            How::SamePath => 0,
            How::SameLetters => 1,
            How::SameField => 2,
            How::Symbol(_) | How::SameWords | How::Place => 3,
        };
        let surer = columns.iter().enumerate().find(|(other, column)| match &column.source {
            Source::Field(of_other, how_other) => {
                let is_surer = rank(how_other) < rank(how) || (rank(how_other) == rank(how) && *other < index);
                *other != index && of_other.path == field.path && !matches!(how_other, How::Symbol(_)) && is_surer
            }
            Source::Undecided(_) => false,
        });
        if let Some((_, other)) = surer {
            let why = format!("the name fits {}, which is column `{}` already", told(field), other.name);
            columns[index].source = Source::Undecided(why);
        }
    }
}

/// Nothing names the columns: the schema's numbers in their order, where there are just as many.
fn by_place(
    model: &ModelFile,
    width: Option<usize>,
    fields: &[SchemaField],
    transaction: &Transaction,
) -> Result<Vec<Column>, Fatal> {
    let is_of_transaction = |field: &&SchemaField| {
        [&transaction.id, &transaction.event_time].into_iter().flatten().any(|(path, _)| *path == field.path)
    };
    let is_number = |field: &&SchemaField| {
        matches!(field.holds, Holds::Number | Holds::Boolean)
            && field.time != Time::Timestamp
            && !is_of_transaction(field)
    };
    let numbers: Vec<&SchemaField> = fields.iter().filter(is_number).collect();
    let needed = width.or_else(|| model.trees.columns.last().map(|column| column + 1));
    let takes_texts = model.facts.inputs.iter().any(|input| input.element() == Some(element::STRING));
    if needed != Some(numbers.len()) || takes_texts {
        let needed = needed.map_or("a number that its file does not say".to_owned(), |needed| needed.to_string());
        let texts = if takes_texts { ", some of them texts" } else { "" };
        let what = format!(
            "nothing in the model's file names its columns: it takes {needed}{texts}, and the schema has {} fields that are \
             numbers",
            numbers.len()
        );
        let fix = "name the columns in the training's order: --features amount,card_age,... or a file with one name in each line \
                   (in Python: feature_name_ of LightGBM, feature_names_in_ of scikit-learn and XGBoost, \
                   feature_names_ of CatBoost)";
        return Err(Fatal::new(exit::USAGE, what, fix));
    }
    let mut columns: Vec<Column> = numbers
        .into_iter()
        .map(|field| Column::new(identifier(&field.path.replace('.', "_")), Source::Field(field.clone(), How::Place)))
        .collect();
    make_unique(&mut columns);
    Ok(columns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::draft::fields_of as fields;

    #[test]
    fn two_names_do_not_share_a_field_unless_they_ask_for_symbols() {
        let fields = fields(
            r#"{"name": "amount", "type": "double"},
               {"name": "channel", "type": {"type": "enum", "name": "C", "symbols": ["POS", "ATM"]}}"#,
        );
        let names = ["Amount", "amount", "channel_POS", "channel_ATM", "a b"].map(str::to_owned);
        let columns = by_name(&names, &fields, &Transaction::default());
        assert!(
            matches!(&columns[0].source, Source::Undecided(why) if why.contains("`amount` already")),
            "{columns:?}"
        );
        assert!(matches!(&columns[1].source, Source::Field(_, How::SamePath)));
        let symbols: Vec<_> = columns[2..4].iter().map(|column| column.field().unwrap().path.as_str()).collect();
        assert_eq!(symbols, ["channel", "channel"]);
        assert_eq!(columns[4].name, "a_b");
    }
}
