//! Where configuration is typed: a TOML file, the environment, flags. Names are checked here, values in
//! [`super::table`].

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::keys::{self, Named, SECRET_KEYS};
use super::problem::{Origin, Problem};
use super::raw::{RawConfig, Value, list_item};
use super::secret::Secret;
use crate::kafka::settings::is_secret;

/// Prefix of the environment variables that configure: `SCOREWIRE__SECTION__KEY`.
pub const ENV_PREFIX: &str = "SCOREWIRE__";

/// One override from the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlagValue {
    /// The flag as the user knows it, for messages.
    pub flag: String,
    pub key: String,
    pub value: String,
}

/// Where configuration comes from, weakest first.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    pub file: Option<PathBuf>,
    /// Environment variables; those without [`ENV_PREFIX`] are ignored.
    pub env: Vec<(OsString, OsString)>,
    pub flags: Vec<FlagValue>,
}

impl RawConfig {
    /// Reads every source; what cannot be understood goes to `problems`.
    pub fn read(sources: &Sources, problems: &mut Vec<Problem>) -> RawConfig {
        let mut raw = RawConfig::default();
        if let Some(path) = &sources.file {
            raw.read_file(path, problems);
        }
        raw.read_env(&sources.env, problems);
        raw.read_flags(&sources.flags, problems);
        raw
    }

    fn read_file(&mut self, path: &Path, problems: &mut Vec<Problem>) {
        self.file_directory = path.parent().map(Path::to_path_buf);
        self.file = Some(path.to_path_buf());
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                problems.push(Problem {
                    origin: Origin::Flag("--config".to_owned()),
                    key: String::new(),
                    what: format!("cannot read {}: {error}", path.display()),
                    fix: "give the path of a TOML file; `scorewire config init` writes one".to_owned(),
                });
                return;
            }
        };
        self.read_text(&text, path, problems);
    }

    /// Reads TOML; `path` is for messages.
    pub fn read_text(&mut self, text: &str, path: &Path, problems: &mut Vec<Problem>) {
        let (table, errors) = DeTable::parse_recoverable(text);
        let file = Lines { text, path };
        for error in errors {
            // The message alone: the error's Display quotes the line, which may hold a secret.
            let start = error.span().map_or(0, |span| span.start);
            problems.push(Problem {
                origin: file.origin(start),
                key: String::new(),
                what: format!("not TOML: {}", error.message().lines().next().unwrap_or_default()),
                fix: "mend the syntax; text stands in double quotes".to_owned(),
            });
        }
        self.read_table("", table.get_ref(), &file, problems);
    }

    fn read_table(&mut self, prefix: &str, table: &DeTable<'_>, file: &Lines<'_>, problems: &mut Vec<Problem>) {
        for (key, value) in table {
            let path =
                if prefix.is_empty() { key.get_ref().to_string() } else { format!("{prefix}.{}", key.get_ref()) };
            let origin = file.origin(key.span().start);
            match (keys::name(&path), value.get_ref()) {
                (Named::Section | Named::Property(..), DeValue::Table(inner)) => {
                    self.read_table(&path, inner, file, problems);
                }
                (Named::List, DeValue::Array(items)) => {
                    for (number, item) in items.iter().enumerate() {
                        match item.get_ref() {
                            DeValue::Table(inner) => {
                                self.read_table(&format!("{path}.{number}"), inner, file, problems);
                            }
                            _ => problems.push(no_list(path.clone(), file.origin(item.span().start))),
                        }
                    }
                }
                (Named::List, _) => problems.push(no_list(path, origin)),
                (Named::Section, _) => problems.push(Problem {
                    origin,
                    what: "a section, not a key".to_owned(),
                    fix: format!("write [{path}] and its keys below"),
                    key: path,
                }),
                (Named::Unknown, _) => problems.push(unknown(path, origin)),
                (named, leaf) => match file_value(leaf) {
                    Some(value) => {
                        let value = named_value(named, &path, value);
                        self.insert(path, value, origin);
                    }
                    None => problems.push(Problem {
                        origin,
                        key: path,
                        what: format!("{} cannot stand here", leaf.type_str()),
                        fix: "give a string, a number, a boolean or a list, as the reference shows".to_owned(),
                    }),
                },
            }
        }
    }

    fn read_env(&mut self, env: &[(OsString, OsString)], problems: &mut Vec<Problem>) {
        for (name, value) in env {
            let name = name.to_string_lossy().into_owned();
            let Some(rest) = name.strip_prefix(ENV_PREFIX) else { continue };
            let path = rest.to_ascii_lowercase().replace("__", ".");
            let origin = Origin::Env(name.clone());
            match value.to_str() {
                Some(text) => self.insert_text(path, text, origin, problems),
                None => problems.push(Problem {
                    origin,
                    key: path,
                    what: "the value is not UTF-8".to_owned(),
                    fix: "set it to UTF-8 text".to_owned(),
                }),
            }
        }
    }

    fn read_flags(&mut self, flags: &[FlagValue], problems: &mut Vec<Problem>) {
        for FlagValue { flag, key, value } in flags {
            let origin = Origin::Flag(flag.clone());
            match keys::name(key) {
                Named::Property(_, property) if is_secret(property) => problems.push(on_command_line(key, origin)),
                Named::Key if SECRET_KEYS.contains(&key.as_str()) => problems.push(on_command_line(key, origin)),
                _ => self.insert_text(key.clone(), value, origin, problems),
            }
        }
    }

    fn insert_text(&mut self, path: String, text: &str, origin: Origin, problems: &mut Vec<Problem>) {
        match keys::name(&path) {
            named @ (Named::Key | Named::Property(..)) => {
                let value = named_value(named, &path, Value::Text(text.to_owned()));
                self.insert(path, value, origin);
            }
            Named::Section | Named::List | Named::Unknown => problems.push(unknown(path, origin)),
        }
    }
}

fn no_list(path: String, origin: Origin) -> Problem {
    let fix = format!("write [[{path}]] and the keys of one below, as often as there are any");
    Problem { origin, what: "a list of sections".to_owned(), fix, key: path }
}

fn unknown(path: String, origin: Origin) -> Problem {
    let fix = match keys::nearest_key(&path) {
        Some(key) if key != path => format!("did you mean {key}?"),
        Some(_) => "name a key of this section".to_owned(),
        None => "remove it; `scorewire config init` writes every key that exists".to_owned(),
    };
    Problem { origin, key: path, what: "unknown key".to_owned(), fix }
}

fn on_command_line(key: &str, origin: Origin) -> Problem {
    Problem {
        origin,
        key: key.to_owned(),
        what: "a secret on the command line is seen by every user of the machine".to_owned(),
        fix: format!("give {key}_file, or set it in the environment"),
    }
}

fn named_value(named: Named<'_>, path: &str, value: Value) -> Value {
    let comma = match named {
        Named::Property(..) => ",",
        // A header's value may hold commas, and no line break.
        Named::Key if SECRET_KEYS.contains(&path) => "\n",
        _ => return value,
    };
    let text = match value {
        Value::Text(text) => text,
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        // librdkafka's lists are texts with commas.
        Value::List(items) => items.iter().filter_map(list_item).collect::<Vec<_>>().join(comma),
        Value::Property(secret) => return Value::Property(secret),
    };
    Value::Property(Secret::new(text))
}

fn file_value(value: &DeValue<'_>) -> Option<Value> {
    Some(match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => Value::Integer(i64::from_str_radix(number.as_str(), number.radix()).ok()?),
        DeValue::Float(number) => Value::Float(number.as_str().parse().ok()?),
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Array(items) => {
            Value::List(items.iter().map(|item| file_value(item.get_ref())).collect::<Option<_>>()?)
        }
        DeValue::Datetime(_) | DeValue::Table(_) => return None,
    })
}

/// Turns byte offsets of a file into places.
struct Lines<'a> {
    text: &'a str,
    path: &'a Path,
}

impl Lines<'_> {
    fn origin(&self, offset: usize) -> Origin {
        let before = &self.text.as_bytes()[..offset.min(self.text.len())];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        Origin::File { path: self.path.to_path_buf(), line }
    }
}
