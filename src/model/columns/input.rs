//! What one input of a model is made of.

/// Stands for each text that the feature's list has not: no training has seen it.
pub const UNKNOWN: &str = "\u{fffd}unknown";

/// One input of the model.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    pub name: String,
    /// The type of its elements.
    pub element: u64,
    /// `[N]` instead of `[N, columns]`.
    pub is_flat: bool,
    /// It takes so many rows and no others.
    pub rows: Option<usize>,
    /// The features that it is made of.
    pub columns: Vec<usize>,
    /// Of texts: by column, the text of each number.
    pub texts: Vec<Vec<String>>,
    /// Of texts: by column, whether there may be one that the list has not.
    pub others: Vec<bool>,
}

impl Input {
    /// The text that a number means in one of its columns.
    pub fn text(&self, at: usize, number: f32) -> &str {
        let place = if number >= 0.0 { number as usize } else { usize::MAX };
        self.texts[at]
            .get(place)
            .or(self.texts[at].first().filter(|_| !self.others[at]))
            .map_or(UNKNOWN, String::as_str)
    }
}
