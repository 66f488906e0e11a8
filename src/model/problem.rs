//! Everything that is wrong with a package, told at once.

use std::fmt::Write as _;
use std::path::Path;

use crate::error::{Fatal, exit};

/// One thing that does not hold: where it stands, what is wrong, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub place: String,
    pub what: String,
    pub fix: String,
}

/// Problems in the order found.
#[derive(Debug, Default)]
pub struct Problems(Vec<Problem>);

impl Problems {
    pub fn add(&mut self, place: impl Into<String>, what: impl Into<String>, fix: impl Into<String>) {
        self.0.push(Problem { place: place.into(), what: what.into(), fix: fix.into() });
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }

    pub fn into_all(self) -> Vec<Problem> {
        self.0
    }

    /// `Err` with all of them when there are some.
    pub fn check(self, package: &Path) -> Result<(), Fatal> {
        match &self.0[..] {
            [] => Ok(()),
            [Problem { place, what, fix }] => Err(Fatal::new(
                exit::MODEL,
                format!("model package {}: {place}: {what}", package.display()),
                fix.clone(),
            )),
            many => {
                let mut what = format!("model package {} has {} problems:", package.display(), many.len());
                for problem in many {
                    // Writing to a String cannot fail.
                    let _ = write!(what, "\n  {}: {}\n    fix: {}", problem.place, problem.what, problem.fix);
                }
                // Each has its own fix.
                Err(Fatal::new(exit::MODEL, what, ""))
            }
        }
    }
}

/// Names in a row, the first twelve of them.
pub fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const SHOWN: usize = 12;
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    match names.len() {
        0..=SHOWN => names.join(", "),
        many => format!("{} and {} more", names[..SHOWN].join(", "), many - SHOWN),
    }
}
