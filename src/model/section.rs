//! Reading TOML tables key by key, so that every problem is found in one go and an unknown key is told with the
//! nearest one that exists.

use toml::{Table, Value};

use crate::model::problem::Problems;

/// One table of the manifest.
pub struct Section<'a> {
    table: &'a Table,
    /// As a reader of the file would call it: `features[2]`.
    place: String,
    asked: Vec<&'static str>,
}

impl<'a> Section<'a> {
    pub fn new(table: &'a Table, place: impl Into<String>) -> Section<'a> {
        Section { table, place: place.into(), asked: Vec::new() }
    }

    /// Where a key stands, for a problem.
    pub fn place(&self, key: &str) -> String {
        if self.place.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place) }
    }

    pub fn get(&mut self, key: &'static str) -> Option<&'a Value> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        self.table.get(key)
    }

    /// Counts a key as one that may stand here, whether it does or not.
    pub fn ask(&mut self, key: &'static str) {
        self.get(key);
    }

    fn wrong(&self, key: &str, value: &Value, expected: &str, problems: &mut Problems) {
        problems.add(self.place(key), format!("is {}, not {expected}", describe(value)), format!("write {expected}"));
    }

    fn missing(&self, key: &str, expected: &str, problems: &mut Problems) {
        problems.add(self.place(key), "is missing", format!("add {expected}"));
    }

    /// A text that is not empty.
    pub fn text(&mut self, key: &'static str, expected: &str, problems: &mut Problems) -> Option<String> {
        match self.get(key) {
            Some(Value::String(text)) if !text.trim().is_empty() => Some(text.clone()),
            Some(other) => {
                self.wrong(key, other, expected, problems);
                None
            }
            None => {
                self.missing(key, expected, problems);
                None
            }
        }
    }

    pub fn optional_text(&mut self, key: &'static str, expected: &str, problems: &mut Problems) -> Option<String> {
        if self.table.contains_key(key) {
            return self.text(key, expected, problems);
        }
        self.get(key);
        None
    }

    /// A finite number, written as an integer or not.
    pub fn number(&mut self, key: &'static str, expected: &str, problems: &mut Problems) -> Option<f64> {
        match self.get(key) {
            Some(value) => {
                let number = finite(value);
                if number.is_none() {
                    self.wrong(key, value, expected, problems);
                }
                number
            }
            None => {
                self.missing(key, expected, problems);
                None
            }
        }
    }

    pub fn optional_number(&mut self, key: &'static str, expected: &str, problems: &mut Problems) -> Option<f64> {
        if self.table.contains_key(key) {
            return self.number(key, expected, problems);
        }
        self.get(key);
        None
    }

    /// A finite number that the model's tensor can hold.
    pub fn single(&mut self, key: &'static str, problems: &mut Problems) -> Option<f32> {
        let number = self.number(key, "a number", problems)?;
        let single = number as f32;
        if single.is_finite() {
            return Some(single);
        }
        problems.add(self.place(key), "is outside what a 32-bit float holds", "use a smaller number");
        None
    }

    /// A required table.
    pub fn table(&mut self, key: &'static str, problems: &mut Problems) -> Option<Section<'a>> {
        match self.get(key) {
            Some(Value::Table(table)) => Some(Section::new(table, self.place(key))),
            Some(other) => {
                self.wrong(key, other, "a table", problems);
                None
            }
            None => {
                problems.add(self.place(key), "is missing", format!("add a table [{}]", self.place(key)));
                None
            }
        }
    }

    /// Tells every key nobody asked for. Call it when all keys have been asked.
    pub fn finish(self, problems: &mut Problems) {
        for key in self.table.keys().filter(|key| !self.asked.contains(&key.as_str())) {
            let nearest = self.asked.iter().min_by_key(|known| strsim::damerau_levenshtein(key, known));
            let fix = match nearest {
                Some(known) if strsim::damerau_levenshtein(key, known) <= 1 + known.len() / 3 => {
                    format!("did you mean `{known}`?")
                }
                _ => format!("known keys here: {}", self.asked.join(", ")),
            };
            problems.add(self.place(key), "is an unknown key", fix);
        }
    }
}

fn finite(value: &Value) -> Option<f64> {
    match value {
        Value::Float(number) if number.is_finite() => Some(*number),
        Value::Integer(number) => Some(*number as f64),
        _ => None,
    }
}

fn describe(value: &Value) -> String {
    match value {
        Value::String(text) if text.trim().is_empty() => "empty".to_owned(),
        Value::String(text) => format!("{text:?}"),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => value.to_string(),
        Value::Datetime(_) => "a date".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Table(_) => "a table".to_owned(),
    }
}
