//! Named types that files of a folder define, for other files that only name them.

use std::collections::HashMap;

use serde_json::Value as Json;

/// By full name.
#[derive(Debug, Default)]
pub(super) struct Types(HashMap<String, Vec<Definition>>);

#[derive(Debug)]
struct Definition {
    file: String,
    /// Of its JSON, which takes many times as much memory.
    text: String,
}

impl Definition {
    /// It was JSON before.
    fn json(&self) -> Option<Json> {
        serde_json::from_str(&self.text).ok()
    }
}

impl Types {
    /// Remembers what a file defines at its top.
    pub fn learn(&mut self, json: &Json, file: &str) {
        let tops = json.as_array().map_or(std::slice::from_ref(json), Vec::as_slice);
        for top in tops {
            let Some(name) = full_name(top) else { continue };
            let definitions = self.0.entry(name).or_default();
            definitions.retain(|of| of.file != file);
            definitions.push(Definition { file: file.to_owned(), text: top.to_string() });
        }
    }

    /// The definition of a type.
    ///
    /// # Errors
    /// When files define it differently.
    pub fn find(&self, name: &str) -> Result<Option<Json>, String> {
        let Some([first, others @ ..]) = self.0.get(name).map(Vec::as_slice) else { return Ok(None) };
        let json = first.json();
        match others.iter().find(|other| other.json() != json) {
            None => Ok(json),
            Some(other) => Err(format!("type {name} is defined differently in {} and {}", first.file, other.file)),
        }
    }
}

fn full_name(json: &Json) -> Option<String> {
    let name = json.get("name")?.as_str()?;
    match json.get("namespace").and_then(Json::as_str) {
        Some(space) if !space.is_empty() && !name.contains('.') => Some(format!("{space}.{name}")),
        _ => Some(name.to_owned()),
    }
}
