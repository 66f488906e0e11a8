//! What values a key can have: how they are read, kept and shown.

use std::ops::RangeInclusive;
use std::path::{self, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::draft::Draft;
use crate::config::read::Reader;

pub trait Kind: Sync {
    /// Keeps the value of `key`, where it is given and right; notes what is wrong.
    fn read(&self, key: &'static str, reader: &mut Reader<'_>, draft: &mut Draft);

    /// `null` where nothing is set.
    fn show(&self, draft: &mut Draft) -> Value;
}

/// Where the plan keeps a value.
pub enum Place<T: 'static> {
    /// There always is one.
    Always(fn(&mut Draft) -> &mut T),
    Maybe(fn(&mut Draft) -> &mut Option<T>),
}

impl<T> Place<T> {
    fn set(&self, draft: &mut Draft, value: Option<T>) {
        let Some(value) = value else { return };
        match self {
            Place::Always(place) => *place(draft) = value,
            Place::Maybe(place) => *place(draft) = Some(value),
        }
    }

    fn get<'a>(&self, draft: &'a mut Draft) -> Option<&'a T> {
        match self {
            Place::Always(place) => Some(place(draft)),
            Place::Maybe(place) => place(draft).as_ref(),
        }
    }
}

/// What a configuration writes as a whole number.
pub trait Number: Copy + 'static {
    fn of(number: u64) -> Self;
    fn number(self) -> u64;
}

impl Number for u64 {
    fn of(number: u64) -> u64 {
        number
    }

    fn number(self) -> u64 {
        self
    }
}

impl Number for u32 {
    fn of(number: u64) -> u32 {
        number as u32
    }

    fn number(self) -> u64 {
        self.into()
    }
}

impl Number for usize {
    fn of(number: u64) -> usize {
        number as usize
    }

    fn number(self) -> u64 {
        self as u64
    }
}

/// In milliseconds.
impl Number for Duration {
    fn of(number: u64) -> Duration {
        Duration::from_millis(number)
    }

    fn number(self) -> u64 {
        self.as_millis() as u64
    }
}

/// Its range fits into its type.
pub struct Integer<T: 'static> {
    pub range: RangeInclusive<u64>,
    pub place: Place<T>,
}

impl<T: Number> Kind for Integer<T> {
    fn read(&self, key: &'static str, reader: &mut Reader<'_>, draft: &mut Draft) {
        self.place.set(draft, reader.integer(key, self.range.clone()).map(T::of));
    }

    fn show(&self, draft: &mut Draft) -> Value {
        self.place.get(draft).map(|number| number.number()).into()
    }
}

/// From 0 to 1.
pub struct Share(pub Place<f64>);

impl Kind for Share {
    fn read(&self, key: &'static str, reader: &mut Reader<'_>, draft: &mut Draft) {
        self.0.set(draft, reader.number(key, 0.0..=1.0));
    }

    fn show(&self, draft: &mut Draft) -> Value {
        self.0.get(draft).copied().into()
    }
}

/// True or false.
pub struct Flag(pub Place<bool>);

impl Kind for Flag {
    fn read(&self, key: &'static str, reader: &mut Reader<'_>, draft: &mut Draft) {
        self.0.set(draft, reader.flag(key));
    }

    fn show(&self, draft: &mut Draft) -> Value {
        self.0.get(draft).copied().into()
    }
}

/// One of a few words, and what each stands for.
pub type Words<T> = &'static [(&'static str, T)];

pub struct Word<T: 'static> {
    pub words: Words<T>,
    pub place: Place<T>,
}

impl<T: Copy + PartialEq + Sync> Kind for Word<T> {
    fn read(&self, key: &'static str, reader: &mut Reader<'_>, draft: &mut Draft) {
        self.place.set(draft, reader.choice(key, self.words));
    }

    fn show(&self, draft: &mut Draft) -> Value {
        self.place.get(draft).map(|value| word(self.words, *value)).into()
    }
}

/// The word that stands for `value` in a configuration.
pub fn word<T: Copy + PartialEq>(words: Words<T>, value: T) -> &'static str {
    words.iter().find(|(_, known)| *known == value).map_or("", |(word, _)| *word)
}

pub struct Text {
    pub place: Place<String>,
    /// Notes what is wrong with a text; false where it is not to be kept.
    pub check: fn(&mut Reader<'_>, &'static str, &str) -> bool,
}

impl Kind for Text {
    fn read(&self, key: &'static str, reader: &mut Reader<'_>, draft: &mut Draft) {
        let text = reader.text(key);
        let text = text.filter(|text| (self.check)(reader, key, text));
        self.place.set(draft, text);
    }

    fn show(&self, draft: &mut Draft) -> Value {
        self.place.get(draft).map(String::as_str).into()
    }
}

pub fn any_text(_: &mut Reader<'_>, _: &'static str, _: &str) -> bool {
    true
}

pub struct Path {
    pub place: Place<PathBuf>,
    /// Notes what is wrong with it; it is kept all the same.
    pub check: fn(&mut Reader<'_>, &'static str, &path::Path),
}

impl Kind for Path {
    fn read(&self, key: &'static str, reader: &mut Reader<'_>, draft: &mut Draft) {
        let path = reader.path(key);
        if let Some(path) = &path {
            (self.check)(reader, key, path);
        }
        self.place.set(draft, path);
    }

    fn show(&self, draft: &mut Draft) -> Value {
        self.place.get(draft).map(|path| path.display().to_string()).into()
    }
}

/// Looked at later, by whoever opens it.
pub fn any_path(_: &mut Reader<'_>, _: &'static str, _: &path::Path) {}

/// A kind that only one key has.
pub struct OwnKind {
    pub read: fn(&mut Reader<'_>, &'static str, &mut Draft),
    pub show: fn(&Draft) -> Value,
}

impl Kind for OwnKind {
    fn read(&self, key: &'static str, reader: &mut Reader<'_>, draft: &mut Draft) {
        (self.read)(reader, key, draft);
    }

    fn show(&self, draft: &mut Draft) -> Value {
        (self.show)(draft)
    }
}
