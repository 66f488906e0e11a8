//! Injects faults into outcomes, between the consumer and the accounting, behind the pipeline's back.
//!
//! A verifier that always says "nothing lost" is worth nothing. The hidden option `--spoil` proves of a real run, with
//! the real binary, that one suppressed, doubled, swapped or wrongly scored outcome is found, counted and fails the run.

use std::fmt;
use std::str::FromStr;

use crate::load::verify::outcome::{Fate, Outcome};

/// What to do to the outcome of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Suppress,
    Double,
    /// Hold it back until the next one of its partition has passed.
    Swap,
    /// Give it another score.
    Alter,
}

/// `suppress@SEQUENCE`, `double@SEQUENCE`, `swap@SEQUENCE` or `alter@SEQUENCE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Injection {
    pub action: Action,
    pub sequence: u64,
}

impl FromStr for Injection {
    type Err = String;

    fn from_str(text: &str) -> Result<Injection, String> {
        let parsed = text.split_once('@').and_then(|(action, sequence)| {
            let action = match action {
                "suppress" => Action::Suppress,
                "double" => Action::Double,
                "swap" => Action::Swap,
                "alter" => Action::Alter,
                _ => return None,
            };
            Some(Injection { action, sequence: sequence.parse().ok()? })
        });
        parsed.ok_or_else(|| "expected suppress@N, double@N, swap@N or alter@N".to_owned())
    }
}

impl fmt::Display for Injection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let action = match self.action {
            Action::Suppress => "suppress",
            Action::Double => "double",
            Action::Swap => "swap",
            Action::Alter => "alter",
        };
        write!(f, "{action}@{}", self.sequence)
    }
}

/// Stands between the consumer and the accounting.
pub trait Tap: Send {
    /// Passes on the outcome that was read: once, never, twice or later.
    fn on_output(&mut self, outcome: Outcome, pass: &mut dyn FnMut(Outcome));
}

/// Passes everything on.
pub struct Clean;

impl Tap for Clean {
    fn on_output(&mut self, outcome: Outcome, pass: &mut dyn FnMut(Outcome)) {
        pass(outcome);
    }
}

/// Carries out a list of [`Injection`]s, each once.
pub struct Injector {
    left: Vec<Injection>,
    held: Vec<Outcome>,
}

impl Injector {
    pub fn new(injections: &[Injection]) -> Injector {
        Injector { left: injections.to_vec(), held: Vec::new() }
    }

    /// The outcome, and those that were held back for it.
    fn pass_on(&mut self, outcome: Outcome, pass: &mut dyn FnMut(Outcome)) {
        pass(outcome);
        self.held.retain(|held| {
            let stays = !held.same_order(&outcome);
            if !stays {
                pass(*held);
            }
            stays
        });
    }

    fn take(&mut self, sequence: u64) -> Option<Action> {
        let index = self.left.iter().position(|injection| injection.sequence == sequence)?;
        Some(self.left.swap_remove(index).action)
    }
}

/// Another probability, a hundredth away: nothing that would show without knowing the right one.
fn altered(mut outcome: Outcome) -> Outcome {
    if let Fate::Scored { score, .. } = &mut outcome.fate {
        *score += if *score < 0.5 { 0.01 } else { -0.01 };
    }
    outcome
}

impl Tap for Injector {
    fn on_output(&mut self, outcome: Outcome, pass: &mut dyn FnMut(Outcome)) {
        // A fault in what is extra, as review copies are, would prove nothing.
        let action = if outcome.fate.is_extra() { None } else { self.take(outcome.marker.sequence) };
        match action {
            Some(Action::Suppress) => {}
            Some(Action::Double) => {
                pass(outcome);
                pass(outcome);
            }
            Some(Action::Swap) => self.held.push(outcome),
            Some(Action::Alter) => self.pass_on(altered(outcome), pass),
            None => self.pass_on(outcome, pass),
        }
    }
}
