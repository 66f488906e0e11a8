//! The columns of the model, each with the field that feeds it, as far as that can be inferred.

use crate::avro::feature::{Feature, Missing, Transform};
use crate::avro::fields::{Holds, SchemaField, Time};
use crate::error::{Fatal, exit};
use crate::model::draft::matching::{Fields, Found, How};
use crate::model::draft::names::Named;
use crate::model::model_file::ModelFile;

/// One column and what was found out about it. What is undecided has the words that a person reads instead of a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// As the contract calls it.
    pub name: String,
    pub source: Source,
    pub transform: Result<Transform, String>,
    /// `None`: its path cannot be null.
    pub missing: Option<Missing>,
    /// Why this policy.
    pub missing_why: String,
    /// Worth a look.
    pub warnings: Vec<String>,
}

/// Where a column comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    Field(SchemaField, How),
    /// Why not, and which fields are near.
    Undecided(String),
}

impl Column {
    /// The field, where one was found.
    pub fn field(&self) -> Option<&SchemaField> {
        match &self.source {
            Source::Field(field, _) => Some(field),
            Source::Undecided(_) => None,
        }
    }

    /// The contract's feature, where all of it is decided.
    pub fn feature(&self) -> Option<Feature> {
        let (path, transform) = (self.field()?.path.clone(), self.transform.clone().ok()?);
        Some(Feature {
            name: self.name.clone(),
            path,
            transform,
            then: Vec::new(),
            missing: self.missing,
            min: None,
            max: None,
        })
    }
}

/// The paths that name a transaction, each with the reason.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transaction {
    pub id: Option<(String, String)>,
    pub event_time: Option<(String, String)>,
}

/// Names that a transaction's id has, the likeliest first; then those of its time.
const ID_NAMES: [&str; 14] = [
    "transactionid",
    "txnid",
    "txid",
    "trxid",
    "paymentid",
    "authorizationid",
    "authid",
    "orderid",
    "eventid",
    "messageid",
    "requestid",
    "recordid",
    "uuid",
    "id",
];
const TIME_NAMES: [&str; 14] = [
    "eventtime",
    "eventtimestamp",
    "transactiontime",
    "transactiontimestamp",
    "txtime",
    "txndatetime",
    "transactiondatetime",
    "occurredat",
    "createdat",
    "timestamp",
    "datetime",
    "time",
    "ts",
    "at",
];

/// Which fields are the transaction's id and time, by their names and types.
pub fn transaction(fields: &[SchemaField]) -> Transaction {
    let letters = |field: &SchemaField| {
        let own = field.path.rsplit('.').next().unwrap_or_default();
        own.chars().filter(|char| char.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>()
    };
    let named = |names: &[&str], fits: &dyn Fn(&SchemaField) -> bool| {
        names.iter().find_map(|name| {
            let of_name = fields.iter().filter(|field| fits(field) && letters(field) == *name);
            // The one at the top is the transaction's; others belong to parts of it.
            of_name.min_by_key(|field| field.path.matches('.').count()).map(|field| field.path.clone())
        })
    };
    // `merchant.id` is the merchant's.
    let is_transactions = |field: &SchemaField| match field.path.rsplit_once('.') {
        Some((around, "id" | "uuid" | "Id" | "ID")) => {
            let around = around.to_lowercase();
            ["transaction", "txn", "payment", "event", "header"].iter().any(|name| around.ends_with(name))
        }
        _ => true,
    };
    let id = named(&ID_NAMES, &|field| field.is_id && is_transactions(field));
    let is_stamp = |field: &SchemaField| field.time == Time::Timestamp;
    let stamps: Vec<&SchemaField> = fields.iter().filter(|field| is_stamp(field)).collect();
    let of_stamps = named(&TIME_NAMES, &is_stamp).map(|path| (path, "a timestamp by its type, and by its name"));
    let event_time = of_stamps
        .or_else(|| match stamps[..] {
            [only] => Some((only.path.clone(), "the only timestamp")),
            _ => None,
        })
        .or_else(|| {
            let path = named(&TIME_NAMES, &|field| field.time == Time::PlainLong)?;
            Some((path, "by its name; it says no unit and is read as milliseconds"))
        });
    Transaction {
        id: id.map(|path| (path, "by its name".to_owned())),
        event_time: event_time.map(|(path, why)| (path, why.to_owned())),
    }
}

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
        Some(named) => by_name(&named.names, fields),
        None => by_place(model, width, fields, transaction)?,
    };
    for (index, column) in columns.iter_mut().enumerate() {
        decide_transform(column);
        decide_missing(column, model, index);
    }
    Ok(columns)
}

fn by_name(names: &[String], fields: &[SchemaField]) -> Vec<Column> {
    let matcher = Fields::new(fields);
    let mut columns: Vec<Column> = names
        .iter()
        .map(|name| {
            let several =
                |indices: &[usize]| indices.iter().map(|&index| told(&fields[index])).collect::<Vec<_>>().join(", ");
            let source = match matcher.find(name) {
                Found::Field(index, how) => Source::Field(fields[index].clone(), how),
                Found::Several(indices) => {
                    Source::Undecided(format!("several fields fit the name {name:?}: {}", several(&indices)))
                }
                Found::None(near) if near.is_empty() => {
                    Source::Undecided(format!("no field is named like {name:?}, and none is near"))
                }
                Found::None(near) => {
                    Source::Undecided(format!("no field is named {name:?}; the nearest: {}", several(&near)))
                }
            };
            column(identifier(name), source)
        })
        .collect();
    make_unique(&mut columns);
    refuse_doubles(&mut columns);
    columns
}

fn column(name: String, source: Source) -> Column {
    let (transform, missing_why) = (Ok(Transform::Number), String::new());
    Column { name, source, transform, missing: None, missing_why, warnings: Vec::new() }
}

fn told(field: &SchemaField) -> String {
    format!("{} ({})", field.path, field.type_name)
}

/// A name that may stand in a contract.
fn identifier(name: &str) -> String {
    let plain = |char: char| if char.is_ascii_alphanumeric() || "._-".contains(char) { char } else { '_' };
    match name.chars().map(plain).collect::<String>() {
        empty if empty.is_empty() => "_".to_owned(),
        name => name,
    }
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
    if needed != Some(numbers.len()) {
        let needed = needed.map_or("a number that its file does not say".to_owned(), |needed| needed.to_string());
        let what = format!(
            "nothing in the model's file names its columns: it takes {needed}, and the schema has {} fields that are numbers",
            numbers.len()
        );
        let fix = "name the columns in the training's order: --features amount,card_age,... or a file with one name in each line \
                   (in Python: feature_name_ of LightGBM, feature_names_in_ of scikit-learn and XGBoost, \
                   feature_names_ of CatBoost)";
        return Err(Fatal::new(exit::USAGE, what, fix));
    }
    let mut columns: Vec<Column> = numbers
        .into_iter()
        .map(|field| column(identifier(&field.path.replace('.', "_")), Source::Field(field.clone(), How::Place)))
        .collect();
    make_unique(&mut columns);
    Ok(columns)
}

/// A text is no number, and what number the training gave it is known there alone.
fn decide_transform(column: &mut Column) {
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
}

fn decide_missing(column: &mut Column, model: &ModelFile, index: usize) {
    let Source::Field(field, how) = &column.source else { return };
    if !field.is_nullable {
        return;
    }
    let trees = &model.trees;
    let fills = ["Imputer", "IsNaN"].into_iter().find(|name| model.facts.has_operator(name));
    let (missing, why) = if matches!(how, How::Symbol(_)) {
        (Missing::Constant(0.0), "a one-hot encoding has 0 where nothing is".to_owned())
    } else if trees.tracked.contains(&index) {
        (Missing::Nan, "the trees say where a missing value goes".to_owned())
    } else if let Some(fills) = fills {
        (Missing::Nan, format!("the model fills missing values in ({fills})"))
    } else if trees.columns.is_empty() {
        (Missing::Reject, "the model is not known to take missing values".to_owned())
    } else if !trees.columns.contains(&index) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::avro::schemas::AvroSchema;

    fn fields(text: &str) -> Vec<SchemaField> {
        let schema = format!(r#"{{"type": "record", "name": "T", "fields": [{text}]}}"#);
        AvroSchema::parse(&schema, "test").unwrap().fields()
    }

    #[test]
    fn id_and_time_are_found_by_name_and_type() {
        let found = transaction(&fields(
            r#"{"name": "merchant", "type": {"type": "record", "name": "M", "fields": [{"name": "id", "type": "string"}]}},
               {"name": "txnId", "type": ["null", "string"]},
               {"name": "bookedAt", "type": {"type": "long", "logicalType": "timestamp-micros"}},
               {"name": "time", "type": "long"}"#,
        ));
        assert_eq!(found.id.unwrap().0, "txnId");
        let (path, why) = found.event_time.unwrap();
        assert_eq!((&*path, &*why), ("bookedAt", "the only timestamp"));

        let found = transaction(&fields(
            r#"{"name": "id", "type": "long"}, {"name": "time", "type": "long"}, {"name": "x", "type": "double"}"#,
        ));
        assert_eq!(found.id.unwrap().0, "id");
        assert!(found.event_time.unwrap().1.contains("milliseconds"));
        assert_eq!(transaction(&fields(r#"{"name": "x", "type": "double"}"#)), Transaction::default());
    }

    #[test]
    fn two_names_do_not_share_a_field_unless_they_ask_for_symbols() {
        let fields = fields(
            r#"{"name": "amount", "type": "double"},
               {"name": "channel", "type": {"type": "enum", "name": "C", "symbols": ["POS", "ATM"]}}"#,
        );
        let names = ["Amount", "amount", "channel_POS", "channel_ATM", "a b"].map(str::to_owned);
        let columns = by_name(&names, &fields);
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
