//! The configuration as typed: all sources laid over each other, with the place of every value.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use super::problem::Origin;
use super::secret::{MASK, Secret};

/// A value as written. `Debug` masks secrets, and what stands before the host of a URL.
#[derive(Clone, PartialEq)]
pub enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Bool(bool),
    List(Vec<Value>),
    /// Any client property: which of them are secret is known only after their names were checked.
    Property(Secret),
}

impl Value {
    /// The word for its type in messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Text(_) | Value::Property(_) => "a string",
            Value::Integer(_) => "an integer",
            Value::Float(_) => "a float",
            Value::Bool(_) => "a boolean",
            Value::List(_) => "a list",
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => match text.split_once("://").zip(text.rsplit_once('@')) {
                Some(((scheme, _), (_, host))) => write!(f, "\"{scheme}://{MASK}@{host}\""),
                None => write!(f, "{text:?}"),
            },
            Value::Integer(number) => write!(f, "{number}"),
            Value::Float(number) => write!(f, "{number}"),
            Value::Bool(flag) => write!(f, "{flag}"),
            Value::List(items) => f.debug_list().entries(items).finish(),
            Value::Property(secret) => write!(f, "{secret:?}"),
        }
    }
}

/// A value and where it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    pub value: Value,
    pub origin: Origin,
}

/// All sources laid over each other: the strongest value of each key.
#[derive(Clone, Debug, Default)]
pub struct RawConfig {
    settings: BTreeMap<String, Setting>,
    /// Directory of the file: relative paths in it start there.
    pub file_directory: Option<PathBuf>,
    pub file: Option<PathBuf>,
}

impl RawConfig {
    pub fn get(&self, key: &str) -> Option<&Setting> {
        self.settings.get(key)
    }

    /// Where the value of `key` comes from.
    pub fn origin(&self, key: &str) -> Origin {
        self.get(key).map_or(Origin::Default, |setting| setting.origin.clone())
    }

    /// Settings of one property section: property name and setting.
    pub fn properties<'a>(&'a self, section: &str) -> impl Iterator<Item = (&'a str, &'a Setting)> {
        let prefix = format!("{section}.");
        self.settings.iter().filter_map(move |(key, setting)| {
            let start = key.starts_with(&prefix).then_some(prefix.len())?;
            Some((&key[start..], setting))
        })
    }

    /// The numbers of what a list section holds, in order.
    pub fn items(&self, section: &str) -> Vec<u32> {
        let number = |(key, _): (&str, &Setting)| key.split('.').next()?.parse().ok();
        let numbers: BTreeSet<u32> = self.properties(section).filter_map(number).collect();
        numbers.into_iter().collect()
    }

    /// Lays a value over the one that is there.
    pub(super) fn insert(&mut self, path: String, value: Value, origin: Origin) {
        self.settings.insert(path, Setting { value, origin });
    }
}

/// The text of a list's item; `None` for lists within lists.
pub fn list_item(item: &Value) -> Option<String> {
    match item {
        Value::Text(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::List(_) | Value::Property(_) => None,
    }
}
