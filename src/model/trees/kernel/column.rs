//! Features as splits ask for them.

/// A feature, free of NaN: a comparison with one would always send a row left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    pub feature: usize,
    pub missing: Missing,
}

/// What a missing value becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Below every threshold: left.
    Low,
    /// Above every finite threshold: right.
    High,
    /// Of splits at infinity, where nothing but a missing value goes right: above, and all else below.
    Only,
}

impl Column {
    /// The column that a split asks, and the threshold it then has.
    pub fn of(feature: u32, threshold: f32, nan_left: bool) -> (Column, f32) {
        let (missing, threshold) = match nan_left {
            true => (Missing::Low, threshold),
            false if threshold == f32::INFINITY => (Missing::Only, 0.0),
            false => (Missing::High, threshold),
        };
        (Column { feature: feature as usize, missing }, threshold)
    }

    /// What stands in this column for a given value.
    #[inline(always)]
    pub fn value(self, given: f32) -> f32 {
        let (low, high) = (f32::NEG_INFINITY, f32::INFINITY);
        match self.missing {
            Missing::Low => [given, low][usize::from(given.is_nan())],
            Missing::High => [given, high][usize::from(given.is_nan())],
            Missing::Only => [low, high][usize::from(given.is_nan())],
        }
    }

    /// Takes this column out of at most `values.len()` rows.
    #[inline(always)]
    pub fn gather(self, rows: &[f32], width: usize, values: &mut [f32]) {
        let given = values.iter_mut().zip(rows[self.feature..].iter().step_by(width));
        let (low, high) = (f32::NEG_INFINITY, f32::INFINITY);
        match self.missing {
            Missing::Low => given.for_each(|(value, given)| *value = if given.is_nan() { low } else { *given }),
            Missing::High => given.for_each(|(value, given)| *value = if given.is_nan() { high } else { *given }),
            Missing::Only => given.for_each(|(value, given)| *value = if given.is_nan() { high } else { low }),
        }
    }
}

/// The columns of an ensemble, each once.
#[derive(Clone, Debug, Default)]
pub struct Columns(Vec<Column>);

impl Columns {
    /// Where `wanted` stands. A few hundred at most: looked for one by one.
    pub fn place(&mut self, wanted: Column) -> u32 {
        let found = self.0.iter().position(|column| *column == wanted);
        let at = found.unwrap_or_else(|| {
            self.0.push(wanted);
            self.0.len() - 1
        });
        at as u32
    }

    pub fn list(&self) -> &[Column] {
        &self.0
    }
}
