//! A package's first draft, from an ONNX file and a schema: what can be inferred is written down with the reason, and what
//! cannot is marked, with the nearest candidates, so that a check fails until a person has decided.
//!
//! [`names`] finds out what the columns of the model are called, [`matching`] which field is meant by a name, [`columns`]
//! ties the two together, [`output`] finds the score, [`seen`] looks at records, and [`manifest`] writes `model.toml`.

mod columns;
mod golden;
mod manifest;
mod matching;
mod names;
mod output;
mod readme;
mod seen;

pub use columns::{Column, Source, Transaction, columns, transaction};
pub use golden::{Drawn, RowsFrom, draw, golden_csv, golden_rows};
pub use manifest::{Manifest, Thresholding};
pub use matching::How;
pub use names::{Named, names, split_names};
pub use output::{Score, Scored, score};
pub use readme::readme;
pub use seen::{Range, Seen};
