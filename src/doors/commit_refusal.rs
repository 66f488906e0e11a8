//! Why a commit failed, in words.

use std::fmt;

/// A commit that failed, in words: what the client calls the error, and what that means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitRefusal {
    pub code: i32,
    /// The error's name, as the client and Kafka's documentation spell it.
    pub name: &'static str,
    pub text: &'static str,
    /// What it means for this process, and what to do where it does not pass.
    pub meaning: &'static str,
}

impl fmt::Display for CommitRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, code {}): {}", self.text, self.name, self.code, self.meaning)
    }
}
