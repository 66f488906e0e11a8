//! Reads single values out of a [`RawConfig`], noting what is wrong instead of stopping at it.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use super::machine::Machine;
use super::problem::{Origin, Problem};
use super::raw::{RawConfig, Setting, Value, list_item};
use super::secret::Secret;

/// Typed access to a configuration. Every method returns `None` for what is absent or wrong; what is wrong is noted.
pub struct Reader<'a> {
    pub raw: &'a RawConfig,
    /// Every name there is.
    pub keys: &'static [&'static str],
    /// What values are held against.
    pub machine: &'a Machine,
    pub problems: Vec<Problem>,
    /// Things that work and should still be known.
    pub warnings: Vec<String>,
}

impl<'a> Reader<'a> {
    /// Notes a problem at the place where `key` was written.
    pub fn problem(&mut self, key: &str, what: impl Into<String>, fix: impl Into<String>) {
        let origin = self.raw.origin(key);
        self.problems.push(Problem { origin, key: key.to_owned(), what: what.into(), fix: fix.into() });
    }

    pub fn setting(&self, key: &str) -> Option<&'a Setting> {
        debug_assert!(self.keys.contains(&key) || is_of_list(key), "{key} is missing from the table");
        self.raw.get(key)
    }

    /// Notes a problem unless `key` is given.
    pub fn require(&mut self, key: &str, fix: &str) {
        if self.setting(key).is_none() {
            self.problem(key, "required, and not given", fix);
        }
    }

    fn mismatch(&mut self, key: &str, wanted: &str, found: &Value) {
        self.problem(key, format!("expected {wanted}, found {}", found.kind()), format!("give {wanted}"));
    }

    /// Non-empty text without control characters.
    pub fn text(&mut self, key: &str) -> Option<String> {
        match &self.setting(key)?.value {
            Value::Text(text) if text.trim().is_empty() => {
                self.problem(key, "empty", "give a value, or remove the key");
                None
            }
            Value::Text(text) if text.chars().any(char::is_control) => {
                self.problem(key, "holds a control character", "remove it");
                None
            }
            Value::Text(text) => Some(text.clone()),
            other => {
                self.mismatch(key, "a string", other);
                None
            }
        }
    }

    /// A path; a relative one in the file starts at the file's directory, elsewhere at the working directory.
    pub fn path(&mut self, key: &str) -> Option<PathBuf> {
        let path = self.text(key)?;
        Some(self.resolved(key, &path))
    }

    /// A path of this key: in a file it starts at the file's directory.
    pub fn resolved(&self, key: &str, path: &str) -> PathBuf {
        let from_file = matches!(self.raw.origin(key), Origin::File { .. });
        match &self.raw.file_directory {
            Some(directory) if from_file => directory.join(path),
            _ => PathBuf::from(path),
        }
    }

    pub fn integer(&mut self, key: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let wanted = format!("an integer from {} to {}", range.start(), range.end());
        let setting = self.setting(key)?;
        let number = match &setting.value {
            Value::Integer(number) => u64::try_from(*number).ok(),
            Value::Text(text) if setting.origin.is_text() => text.trim().replace('_', "").parse().ok(),
            other => {
                self.mismatch(key, &wanted, other);
                return None;
            }
        };
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let found = shown(&setting.value);
            self.problem(key, format!("expected {wanted}, found {found}"), format!("give {wanted}"));
        }
        number
    }

    pub fn number(&mut self, key: &str, range: RangeInclusive<f64>) -> Option<f64> {
        let wanted = format!("a number from {} to {}", range.start(), range.end());
        let setting = self.setting(key)?;
        let number = match &setting.value {
            Value::Float(number) => Some(*number),
            Value::Integer(number) => Some(*number as f64),
            Value::Text(text) if setting.origin.is_text() => text.trim().parse().ok(),
            other => {
                self.mismatch(key, &wanted, other);
                return None;
            }
        };
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let found = shown(&setting.value);
            self.problem(key, format!("expected {wanted}, found {found}"), format!("give {wanted}"));
        }
        number
    }

    pub fn flag(&mut self, key: &str) -> Option<bool> {
        match &self.setting(key)?.value {
            Value::Bool(flag) => Some(*flag),
            Value::Text(text) if self.raw.origin(key).is_text() => {
                let flag = text.trim().parse().ok();
                if flag.is_none() {
                    self.problem(key, format!("{text:?} is neither true nor false"), "give true or false");
                }
                flag
            }
            other => {
                self.mismatch(key, "true or false", other);
                None
            }
        }
    }

    /// A secret that is given itself.
    pub fn secret(&mut self, key: &str) -> Option<Secret> {
        match &self.setting(key)?.value {
            Value::Property(secret) if secret.expose().trim().is_empty() => {
                self.problem(key, "empty", "give a value, or remove the key");
                None
            }
            Value::Property(secret) if secret.expose().chars().any(char::is_control) => {
                self.problem(key, "holds a control character", "remove it");
                None
            }
            Value::Property(secret) => Some(secret.clone()),
            other => {
                self.mismatch(key, "a string", other);
                None
            }
        }
    }

    /// A list whose items are never shown.
    pub fn secret_list(&mut self, key: &str, between: char) -> Option<Vec<String>> {
        match &self.setting(key)?.value {
            Value::Property(secret) => {
                let items = secret.expose().split(between).map(str::trim).filter(|item| !item.is_empty());
                Some(items.map(str::to_owned).collect())
            }
            other => {
                self.mismatch(key, "a list", other);
                None
            }
        }
    }

    /// One word out of a closed set.
    pub fn choice<T: Copy>(&mut self, key: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(key)?;
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let fix = format!("give {}", one_of(words));
            self.problem(key, format!("{text:?} is none of its words"), fix);
        }
        found.map(|(_, value)| *value)
    }

    /// A list; the environment and flags give it as text with commas.
    pub fn list(&mut self, key: &str) -> Option<Vec<String>> {
        let setting = self.setting(key)?;
        match &setting.value {
            Value::List(items) => {
                let texts: Option<Vec<String>> = items.iter().map(list_item).collect();
                if texts.is_none() {
                    self.problem(key, "a list within a list", "give a flat list");
                }
                texts
            }
            Value::Text(text) if setting.origin.is_text() => {
                Some(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect())
            }
            other => {
                self.mismatch(key, "a list", other);
                None
            }
        }
    }

    /// A list of one type; notes each item that is not of it.
    pub fn list_of<T: FromStr>(&mut self, key: &str, item: &str) -> Option<Vec<T>> {
        let texts = self.list(key)?;
        let parsed = texts.iter().map(|text| text.parse().map_err(|_| text.clone())).collect::<Result<Vec<T>, _>>();
        parsed.map_err(|text| self.problem(key, format!("{text:?} is not {item}"), format!("give {item}s"))).ok()
    }
}

/// Whether a path leads into a section that may be given several times, as `challengers.0.name`.
fn is_of_list(key: &str) -> bool {
    key.split('.').nth(1).is_some_and(|number| number.parse::<u32>().is_ok())
}

/// The words of a choice, for messages.
pub fn one_of<T>(words: &[(&str, T)]) -> String {
    let words: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
    words.join(" or ")
}

fn shown(value: &Value) -> String {
    match value {
        Value::Text(text) => format!("{text:?}"),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::List(_) | Value::Property(_) => value.kind().to_owned(),
    }
}
