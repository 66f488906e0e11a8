//! A model package as a lane has it.

use crate::avro::decoder::Decoder;
use crate::values::model::Provider;
use crate::values::settings::Thresholds;

/// A model that scores, and all that a lane needs of it. A process may hold several.
pub struct LanePackage<M> {
    pub name: String,
    pub version: String,
    /// Of the model's file, lower-case hexadecimal.
    pub sha256: String,
    /// Where the scorer runs.
    pub provider: Provider,
    pub thresholds: Thresholds,
    /// The features' names, in the order of a row.
    pub features: Vec<String>,
    /// From a record's bytes to a row.
    pub decoder: Decoder,
    /// From rows to scores, by the package's output role.
    pub scorer: M,
    /// Rows of one batch at most.
    pub batch_rows: usize,
}
