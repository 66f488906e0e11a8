//! A value that is never shown.

use std::fmt;
use std::path::PathBuf;

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

    /// What a file holds, without the newline that editors leave behind it.
    pub fn of_file(text: &str) -> Secret {
        Secret(text.trim_end_matches(['\n', '\r']).to_owned())
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

/// Where a secret comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretFrom {
    Given(Secret),
    /// Read again each time, so that it can be replaced while the process runs.
    File(PathBuf),
}
