//! The kernels that can be asked for by name, for a model where `auto` would take another one. What a release has of them
//! is said here and nowhere else in this bench; this one has a single kernel, which `auto` takes.

use scorewire::model::Session;

use crate::package::Bench;

/// Of this build, on this processor.
pub fn names() -> Vec<String> {
    Vec::new()
}

/// Scores the model with one of [`names`]; or says why that one cannot.
pub fn open(_bench: &Bench, name: &str) -> Result<Session, String> {
    Err(format!("this build has no kernel `{name}`"))
}
