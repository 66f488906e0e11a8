//! How a value becomes a number: each transform, and its answer to all that the program asks of one. `model.toml` spells them
//! (`src/model/transform.rs`), and docs/model-package.md tells of them; nothing else knows which there are, but for the oracles,
//! which share nothing with what they judge.

/// How a value becomes a number.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Transform {
    /// Numbers as they are (decimals scaled, timestamps and dates in their own unit), booleans 0 or 1, enums their
    /// symbol's index in the reader's schema.
    Number,
    /// Enums and strings: the position in the list, or `otherwise`; `None` rejects what is not in the list.
    Index { symbols: Vec<String>, otherwise: Option<f32> },
    /// Enums and strings: 1 when equal, 0 when not.
    Equals(String),
    /// 1 when there is a value, 0 when its path leads through a null. Never missing.
    IsPresent,
}

/// The types that a transform is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Numbers, and enums as the number of their symbol.
    Numbers,
    /// Enums and strings.
    Texts,
    /// Any type, since the value itself is not looked at.
    Anything,
}

impl Transform {
    /// As they are written in `model.toml`.
    pub const SPELLINGS: [&str; 4] =
        ["\"number\"", "\"is_present\"", "{ index = [\"A\", \"B\"] }", "{ equals = \"A\" }"];

    /// Those that make a number of a text, as advice has them.
    pub const OF_TEXTS: &str = "{ index = [\"A\", \"B\"], otherwise = -1.0 } or { equals = \"A\" }";

    /// Those that make a number of anything, as advice has them.
    pub const OF_ANYTHING: &str = "\"is_present\"";

    pub fn takes(&self) -> Takes {
        match self {
            Transform::Number => Takes::Numbers,
            Transform::Index { .. } | Transform::Equals(_) => Takes::Texts,
            Transform::IsPresent => Takes::Anything,
        }
    }

    /// What a value's being there means by itself, where that is all that is asked; such a feature is never missing.
    pub fn of_presence(&self, is_there: bool) -> Option<f32> {
        match self {
            Transform::Number | Transform::Index { .. } | Transform::Equals(_) => None,
            Transform::IsPresent => Some(if is_there { 1.0 } else { 0.0 }),
        }
    }

    /// The texts that the contract names; a reader's enum has all of them.
    pub fn listed(&self) -> &[String] {
        match self {
            Transform::Index { symbols, .. } => symbols,
            Transform::Equals(wanted) => std::slice::from_ref(wanted),
            Transform::Number | Transform::IsPresent => &[],
        }
    }

    /// What a symbol or a text means; `known` are the symbols of the reader's enum, in its order. `None`: it is rejected.
    pub fn of_text(&self, text: &str, known: &[String]) -> Option<f32> {
        let place = |symbols: &[String]| symbols.iter().position(|of| of == text).map(|place| place as f32);
        match self {
            Transform::Number => place(known),
            Transform::Index { symbols, otherwise } => place(symbols).or(*otherwise),
            Transform::Equals(wanted) => Some(if wanted == text { 1.0 } else { 0.0 }),
            Transform::IsPresent => Some(1.0),
        }
    }

    /// What the contract says of every text that it does not name, where it does.
    pub fn of_others(&self) -> Option<f32> {
        match self {
            Transform::Number => None,
            Transform::Index { otherwise, .. } => *otherwise,
            Transform::Equals(_) => Some(0.0),
            Transform::IsPresent => Some(1.0),
        }
    }

    /// Each number that records should show to prove the contract, and how a person calls it; none where any two will do.
    pub fn answers(&self) -> Vec<(f32, String)> {
        match self {
            Transform::Number => Vec::new(),
            Transform::Index { symbols, .. } => {
                symbols.iter().enumerate().map(|(place, symbol)| (place as f32, symbol.clone())).collect()
            }
            Transform::Equals(_) | Transform::IsPresent => {
                [0.0, 1.0].map(|answer| (answer, format!("the answer {answer}"))).into()
            }
        }
    }

    /// What of it to look at where the training side has another number.
    pub fn look_at(&self) -> &'static str {
        match self {
            Transform::Number => "its transform (number: its unit and scale)",
            Transform::Index { .. } => "the order of symbols in its transform's index (and otherwise)",
            Transform::Equals(_) => "the text of its transform's equals",
            Transform::IsPresent => "its transform (is_present)",
        }
    }

    /// What of it to look at where it rejects a text for which the training side has a number.
    pub fn look_at_on_reject(&self) -> Option<&'static str> {
        match self {
            Transform::Index { .. } => Some("its transform's index and otherwise"),
            Transform::Number | Transform::Equals(_) | Transform::IsPresent => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn a_number_takes_an_enum_by_the_readers_order_and_has_nothing_for_what_it_lacks() {
        let number = Transform::Number;
        assert_eq!((number.takes(), number.of_presence(true), number.of_others()), (Takes::Numbers, None, None));
        assert_eq!((number.of_text("B", &texts(&["A", "B"])), number.of_text("C", &texts(&["A"]))), (Some(1.0), None));
        assert_eq!((number.listed(), number.answers()), (&[][..], Vec::new()));
    }

    #[test]
    fn an_index_is_the_place_in_its_own_list_or_what_the_contract_says_of_others() {
        let index = |otherwise| Transform::Index { symbols: texts(&["B", "A"]), otherwise };
        assert_eq!((index(None).takes(), index(None).of_presence(false)), (Takes::Texts, None));
        assert_eq!(index(None).of_text("A", &texts(&["A", "B", "C"])), Some(1.0));
        assert_eq!((index(None).of_text("C", &[]), index(Some(-1.0)).of_text("C", &[])), (None, Some(-1.0)));
        assert_eq!((index(None).of_others(), index(Some(-1.0)).of_others()), (None, Some(-1.0)));
        assert_eq!(index(None).listed(), texts(&["B", "A"]));
        assert_eq!(index(None).answers(), [(0.0, "B".to_owned()), (1.0, "A".to_owned())]);
    }

    #[test]
    fn equals_answers_yes_or_no_to_every_text() {
        let equals = Transform::Equals("A".to_owned());
        assert_eq!((equals.takes(), equals.of_presence(true), equals.of_others()), (Takes::Texts, None, Some(0.0)));
        assert_eq!((equals.of_text("A", &[]), equals.of_text("B", &[])), (Some(1.0), Some(0.0)));
        assert_eq!((equals.listed(), equals.answers().len()), (&texts(&["A"])[..], 2));
    }

    #[test]
    fn presence_looks_at_no_value() {
        let is_present = Transform::IsPresent;
        assert_eq!((is_present.takes(), is_present.listed()), (Takes::Anything, &[][..]));
        assert_eq!((is_present.of_presence(true), is_present.of_presence(false)), (Some(1.0), Some(0.0)));
        assert_eq!((is_present.of_text("A", &[]), is_present.of_others()), (Some(1.0), Some(1.0)));
        assert_eq!(is_present.answers(), [(0.0, "the answer 0".to_owned()), (1.0, "the answer 1".to_owned())]);
    }
}
