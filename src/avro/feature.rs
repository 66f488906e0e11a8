//! What a decode plan is asked to extract: the features of a contract, and the fields that name a transaction.

pub use super::step::Step;
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
    /// What is done to the number then, in order. A missing value's constant is the column's: no step is applied to it.
    pub then: Vec<Step>,
    /// `None` where the path cannot be null.
    pub missing: Option<Missing>,
    /// Values outside are rejected; of the number that the steps leave.
    pub min: Option<f64>,
    pub max: Option<f64>,
}

impl Feature {
    /// How many numbers of a record it is computed of, when the whole record was read; 0 where its value goes straight into
    /// its column.
    pub fn operands(&self) -> usize {
        match self.transform.operands() {
            0 => usize::from(!self.then.is_empty()),
            operands => operands,
        }
    }

    /// The value may be missing whatever the path's types say.
    pub fn can_always_miss(&self) -> bool {
        matches!(self.transform, Transform::RatioTo(_) | Transform::Key { .. })
    }
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

impl Wanted {
    /// For each feature that is computed, the first place of the numbers that it is computed of; then how many places there
    /// are in all.
    pub(super) fn places(&self) -> (Vec<Option<u16>>, usize) {
        let mut taken = 0;
        let place = |feature: &Feature| {
            let first = taken;
            taken += feature.operands();
            (taken > first).then_some(first as u16)
        };
        (self.features.iter().map(place).collect(), taken)
    }
}
