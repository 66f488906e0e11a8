//! Which field of a schema a column's name means.

use std::collections::BTreeSet;
use std::fmt;

use crate::avro::fields::{Holds, SchemaField};

/// Candidates that are told where no field fits.
const NEAREST_MAX: usize = 3;
/// How alike two names must be to be told as near.
const ALIKE_MIN: f64 = 0.75;

/// Why a field is taken to be a column's, the surest first.
#[derive(Clone, Debug, PartialEq)]
pub enum How {
    /// The name is the field's path.
    SamePath,
    /// The same letters and digits: case, underscores and dots aside.
    SameLetters,
    /// The name is that of the field alone, or of it and some of the records around it, and of no other field.
    SameField,
    /// The name is the field's and one of its symbols': a yes or no to this one.
    Symbol(String),
    /// The same words in another order.
    SameWords,
    /// The column's place is the field's among those that hold numbers.
    Place,
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            How::SamePath => f.write_str("the same name"),
            How::SameLetters => f.write_str("the same name but for case, dots and underscores"),
            How::SameField => f.write_str("the only field of this name"),
            How::Symbol(symbol) => write!(f, "the field's name and its symbol {symbol}"),
            How::SameWords => f.write_str("the same words in another order"),
            How::Place => f.write_str("by its place among the schema's numbers"),
        }
    }
}

/// What is known of a name.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// The field's index.
    Field(usize, How),
    /// Several fit as well: their indices.
    Several(Vec<usize>),
    /// None fits: the nearest, if any is near.
    None(Vec<usize>),
}

/// Letters and digits in lower case.
fn letters(name: &str) -> String {
    name.chars().filter(|char| char.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The words of a name in snake, camel or any other case, in lower case.
pub fn words_in_order(name: &str) -> Vec<String> {
    let (mut words, mut word, mut before) = (Vec::new(), String::new(), ' ');
    for char in name.chars() {
        if !char.is_alphanumeric() || (char.is_uppercase() && before.is_lowercase()) {
            words.push(std::mem::take(&mut word));
        }
        if char.is_alphanumeric() {
            word.extend(char.to_lowercase());
        }
        before = char;
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

/// The same, each once and in no order.
fn words(name: &str) -> BTreeSet<String> {
    words_in_order(name).into_iter().collect()
}

/// Fields to match names with.
pub struct Fields<'a> {
    all: &'a [SchemaField],
    /// For each field: the letters of its path, of its path without the first record, and so on to its own name.
    endings: Vec<Vec<String>>,
}

impl<'a> Fields<'a> {
    pub fn new(all: &'a [SchemaField]) -> Fields<'a> {
        let endings = all.iter().map(|field| {
            let names: Vec<&str> = field.path.split('.').collect();
            (0..names.len()).map(|from| letters(&names[from..].concat())).collect()
        });
        Fields { all, endings: endings.collect() }
    }

    /// What a column of this name means. Names as column transformers write them (`num__amount`) are read without what stands
    /// before their two underscores.
    pub fn find(&self, name: &str) -> Found {
        let bare = name.rsplit_once("__").map(|(_, bare)| bare).filter(|bare| !bare.is_empty());
        let mut found = self.named(name);
        if let (Found::None(_), Some(bare)) = (&found, bare) {
            found = self.named(bare);
        }
        match found {
            Found::None(_) => Found::None(self.nearest(bare.unwrap_or(name))),
            found => found,
        }
    }

    fn named(&self, name: &str) -> Found {
        let wanted = letters(name);
        let all = || self.all.iter().enumerate();
        if let Some((index, _)) = all().find(|(_, field)| field.path == name) {
            return Found::Field(index, How::SamePath);
        }
        let of_path = all().filter(|(index, _)| self.endings[*index][0] == wanted).map(|(index, _)| index);
        let of_ending = all().filter(|(index, _)| self.endings[*index].contains(&wanted)).map(|(index, _)| index);
        let sought = words(name);
        let of_words = all().filter(|(_, field)| words(&field.path) == sought).map(|(index, _)| index);
        let stages: [(Vec<usize>, How); 3] = [
            (of_path.collect(), How::SameLetters),
            (of_ending.collect(), How::SameField),
            (of_words.collect(), How::SameWords),
        ];
        for (found, how) in stages {
            match &found[..] {
                [] => {}
                [only] => return Found::Field(*only, how),
                _ => return Found::Several(found),
            }
        }
        self.symbol(&wanted)
    }

    /// A field's name with one of its symbols behind it, as a one-hot encoding names its columns.
    fn symbol(&self, wanted: &str) -> Found {
        let mut found = Vec::new();
        for (index, field) in self.all.iter().enumerate() {
            let Holds::Enum(symbols) = &field.holds else { continue };
            for ending in &self.endings[index] {
                let of = |symbol: &&String| wanted.strip_prefix(ending.as_str()) == Some(letters(symbol).as_str());
                if let Some(symbol) = symbols.iter().find(of)
                    && !found.iter().any(|(known, _)| *known == index)
                {
                    found.push((index, symbol.clone()));
                }
            }
        }
        match &found[..] {
            [] => Found::None(Vec::new()),
            [(index, symbol)] => Found::Field(*index, How::Symbol(symbol.clone())),
            several => Found::Several(several.iter().map(|(index, _)| *index).collect()),
        }
    }

    /// The fields whose names are most alike, the nearest first.
    fn nearest(&self, name: &str) -> Vec<usize> {
        let (wanted, sought) = (letters(name), words(name));
        let alike = |index: usize| {
            let of_letters =
                self.endings[index].iter().map(|ending| strsim::jaro_winkler(ending, &wanted)).fold(0.0, f64::max);
            let own = words(&self.all[index].path);
            let shared = own.intersection(&sought).count() as f64 / own.len().min(sought.len()).max(1) as f64;
            of_letters.max(0.5 * of_letters + 0.5 * shared)
        };
        let mut near: Vec<(usize, f64)> = (0..self.all.len()).map(|index| (index, alike(index))).collect();
        near.retain(|(_, alike)| *alike >= ALIKE_MIN);
        near.sort_by(|one, other| other.1.total_cmp(&one.1));
        near.into_iter().take(NEAREST_MAX).map(|(index, _)| index).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::draft::fields_of;

    fn fields() -> Vec<SchemaField> {
        fields_of(
            r#"{"name": "transactionAmount", "type": "double"},
                {"name": "channel", "type": {"type": "enum", "name": "C", "symbols": ["POS", "E_COM"]}},
                {"name": "customer", "type": {"type": "record", "name": "Customer", "fields": [
                    {"name": "count_1d", "type": "int"}, {"name": "avg_amount_7d", "type": "double"}]}},
                {"name": "terminal", "type": {"type": "record", "name": "Terminal", "fields": [
                    {"name": "count_1d", "type": "int"}, {"name": "risk_7d", "type": "double"}]}}"#,
        )
    }

    fn found(name: &str) -> String {
        let fields = fields();
        let paths =
            |found: Vec<usize>| found.into_iter().map(|index| &*fields[index].path).collect::<Vec<_>>().join(", ");
        match Fields::new(&fields).find(name) {
            Found::Field(index, how) => format!("{}: {how}", fields[index].path),
            Found::Several(several) => format!("several: {}", paths(several)),
            Found::None(near) => format!("none: {}", paths(near)),
        }
    }

    #[test]
    fn names_are_matched_by_case_words_and_nesting() {
        for (name, expected) in [
            ("transactionAmount", "transactionAmount: the same name"),
            ("customer.count_1d", "customer.count_1d: the same name"),
            ("transaction_amount", "transactionAmount: the same name but for case, dots and underscores"),
            ("TRANSACTION-AMOUNT", "transactionAmount: the same name but for case, dots and underscores"),
            ("customerCount1d", "customer.count_1d: the same name but for case, dots and underscores"),
            ("num__customer_count_1d", "customer.count_1d: the same name but for case, dots and underscores"),
            ("risk_7d", "terminal.risk_7d: the only field of this name"),
            ("Risk7D", "terminal.risk_7d: the only field of this name"),
            ("amount_transaction", "transactionAmount: the same words in another order"),
            ("7d_avg_amount_customer", "customer.avg_amount_7d: the same words in another order"),
            ("channel_POS", "channel: the field's name and its symbol POS"),
            ("cat__channel_E_COM", "channel: the field's name and its symbol E_COM"),
            ("count_1d", "several: customer.count_1d, terminal.count_1d"),
            ("zzz", "none: "),
        ] {
            assert_eq!(found(name), expected, "{name}");
        }
        let near = found("customer_avg_amount");
        assert!(near.starts_with("none: customer.avg_amount_7d"), "{near}");
        assert!(found("trans_amnt").starts_with("none: transactionAmount"), "{}", found("trans_amnt"));
    }
}
