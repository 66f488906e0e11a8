//! What is wrong with a configuration: all of it at once, each with its place and its fix.

use std::fmt;
use std::path::PathBuf;

use crate::error::{Fatal, exit};
use crate::observe::log::LogFormat;

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Default,
    /// The line counts from 1.
    File {
        path: PathBuf,
        line: usize,
    },
    /// Name of the environment variable.
    Env(String),
    /// The flag as written: `--lanes`, `--set`.
    Flag(String),
}

impl Origin {
    /// Whether values arrive as bare text, so that `"3"` may be meant as a number.
    pub fn is_text(&self) -> bool {
        matches!(self, Origin::Env(_) | Origin::Flag(_))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { path, line } => write!(f, "{}:{line}", path.display()),
            Origin::Env(name) => f.write_str(name),
            Origin::Flag(flag) => f.write_str(flag),
        }
    }
}

/// One thing to mend. Never carries the value of a secret or of a key that is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub origin: Origin,
    /// The key in question, dotted; empty when the problem is about a file.
    pub key: String,
    pub what: String,
    pub fix: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.origin, self.key.as_str()) {
            (Origin::Default, key) => write!(f, "{key}: {}", self.what)?,
            (origin, "") => write!(f, "{origin}: {}", self.what)?,
            (origin, key) => write!(f, "{origin}: {key}: {}", self.what)?,
        }
        if !self.fix.is_empty() {
            write!(f, "\n     fix: {}", self.fix)?;
        }
        Ok(())
    }
}

/// Every problem of one configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Never empty.
    pub problems: Vec<Problem>,
    /// The form in which they are told, as far as it is known.
    pub log_format: LogFormat,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.len() {
            1 => f.write_str("the configuration has a problem")?,
            count => write!(f, "the configuration has {count} problems")?,
        }
        for (index, problem) in self.problems.iter().enumerate() {
            write!(f, "\n  {}. {problem}", index + 1)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

impl From<ConfigError> for Fatal {
    fn from(error: ConfigError) -> Fatal {
        Fatal::new(exit::CONFIG, error.to_string(), "")
    }
}
