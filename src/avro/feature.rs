//! What a decode plan is asked to extract: the features of a contract, and the fields that name a transaction.

pub use super::transform::Transform;

/// What happens when a feature has no value: its path leads through a null.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Missing {
    /// The record is a dead letter.
    Reject,
    /// The model receives NaN and was trained for it.
    Nan,
    Constant(f32),
}

/// One column of the row.
#[derive(Clone, Debug, PartialEq)]
pub struct Feature {
    pub name: String,
    /// Field names from the top of the reader's schema, as written: `customer.avg_amount_7d`.
    pub path: String,
    pub transform: Transform,
    /// `None` where the path cannot be null.
    pub missing: Option<Missing>,
    /// Values outside are rejected.
    pub min: Option<f64>,
    pub max: Option<f64>,
}

/// Everything a plan extracts.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Wanted {
    /// In column order.
    pub features: Vec<Feature>,
    /// Path of the transaction's id: an int, long, string or uuid, possibly nullable.
    pub transaction_id: Option<String>,
    /// Path of the event's time: a timestamp (any unit) or a plain long of milliseconds, possibly nullable.
    pub event_time: Option<String>,
}
