//! A value that is never shown.

use std::fmt;

/// What stands in the place of a secret wherever it would be shown.
pub const MASK: &str = "***";

/// Holds a password or a key. `Debug` and `Display` print [`MASK`]; the value itself leaves through
/// [`Secret::expose`] only, so that a search for that word finds every use.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: String) -> Secret {
        Secret(value)
    }

    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}
