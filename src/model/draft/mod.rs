//! A package's first draft, from an ONNX file and a schema: what can be inferred is written down with the reason, and what
//! cannot is marked, with the nearest candidates, so that a check fails until a person has decided.
//!
//! [`names`] finds out what the columns of the model are called, [`matching`] which field is meant by a name, [`hints`] what
//! else a name may ask for, [`columns`] ties them together, [`decide`] and [`texts`] say how a field becomes what the model
//! takes, [`output`] finds the score, [`seen`] looks at records, and [`manifest`] writes `model.toml`.

mod column;
mod columns;
mod decide;
mod golden;
mod hints;
mod manifest;
mod matching;
mod names;
mod output;
mod readme;
mod seen;
mod texts;
mod transaction;

pub use column::{Column, Source};
pub use columns::columns;
pub use golden::{Drawn, RowsFrom, draw, golden_csv, golden_rows};
pub use manifest::{Manifest, Thresholding};
pub use matching::How;
pub use names::{Named, names, split_names};
pub use output::{Asking, Score, Scored, score};
pub use readme::readme;
pub use seen::{Range, Seen};
pub use texts::{from_rows as texts_from_rows, shown as texts_shown};
pub use transaction::{Transaction, transaction};

/// The fields of a schema, for tests; `text`: as a record lists them.
#[cfg(test)]
fn fields_of(text: &str) -> Vec<crate::avro::fields::SchemaField> {
    let schema = format!(r#"{{"type": "record", "name": "T", "fields": [{text}]}}"#);
    crate::avro::schemas::AvroSchema::parse(&schema, "test").unwrap().fields()
}
