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
    /// Enums and strings: 1 when it is one of these, 0 when not.
    IsIn(Vec<String>),
    /// Enums and strings: one of as many columns as there are symbols, 1 in that of its own and 0 in the others. What is not
    /// in the list has 0 in all of them, or is rejected.
    OneHot { symbols: Vec<String>, place: usize, rejects_others: bool },
    /// 1 when there is a value, 0 when its path leads through a null. Never missing.
    IsPresent,
    /// Times: the hour, 0 to 23, in a time zone.
    Hour(String),
    /// Times: the day of the week, 0 for Monday, in a time zone.
    Weekday(String),
    /// The number divided by that at another path.
    RatioTo(String),
    /// The number less that at another path; of two times, in milliseconds.
    DifferenceFrom(String),
    /// Arrays and maps: how many items they have.
    Length,
    /// Arrays of texts: 1 when one of them is this one, 0 when not. Maps: 1 when they have this key.
    Contains(String),
    /// Maps: the value of this key, as another transform has it; missing where the map has no such key.
    Key { key: String, of: Box<Transform> },
}

/// The types that a transform is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Numbers, and enums as the number of their symbol.
    Numbers,
    /// Numbers that are measured or counted: no enums.
    Measures,
    /// Enums and strings.
    Texts,
    /// Timestamps, and longs of milliseconds.
    Times,
    /// Arrays and maps.
    Items,
    /// Arrays of texts, and maps.
    ItemsOfTexts,
    /// Maps of numbers.
    MapsOfNumbers,
    /// Maps of strings.
    MapsOfTexts,
    /// Any type, since the value itself is not looked at.
    Anything,
}

impl Transform {
    /// As they are written in `model.toml`.
    pub const SPELLINGS: [&str; 13] = [
        "\"number\"",
        "\"is_present\"",
        "\"length\"",
        "{ index = [\"A\", \"B\"] }",
        "{ one_hot = [\"A\", \"B\"] }",
        "{ equals = \"A\" }",
        "{ is_in = [\"A\", \"B\"] }",
        "{ hour = \"UTC\" }",
        "{ weekday = \"UTC\" }",
        "{ ratio_to = \"b\" }",
        "{ difference_from = \"b\" }",
        "{ contains = \"A\" }",
        "{ key = \"A\" }",
    ];

    /// Those that make a number of a text, as advice has them.
    pub const OF_TEXTS: &str = "{ index = [\"A\", \"B\"], otherwise = -1.0 }, { one_hot = [\"A\", \"B\"] }, { equals = \"A\" } \
                                or { is_in = [\"A\", \"B\"] }";

    /// Those that make a number of a time.
    pub const OF_TIMES: &str =
        "{ hour = \"Europe/Berlin\" }, { weekday = \"Europe/Berlin\" } or { difference_from = \"PATH\" }";

    /// Those that make a number of an array or a map.
    pub const OF_ITEMS: &str =
        "\"length\", { contains = \"A\" } (texts of an array, keys of a map) or { key = \"A\" } (of a map)";

    /// Those that make a number of anything, as advice has them.
    pub const OF_ANYTHING: &str = "\"is_present\"";

    pub fn takes(&self) -> Takes {
        match self {
            Transform::Number => Takes::Numbers,
            Transform::RatioTo(_) | Transform::DifferenceFrom(_) => Takes::Measures,
            Transform::Index { .. } | Transform::Equals(_) | Transform::IsIn(_) | Transform::OneHot { .. } => {
                Takes::Texts
            }
            Transform::IsPresent => Takes::Anything,
            Transform::Hour(_) | Transform::Weekday(_) => Takes::Times,
            Transform::Length => Takes::Items,
            Transform::Contains(_) => Takes::ItemsOfTexts,
            Transform::Key { of, .. } if of.takes() == Takes::Texts => Takes::MapsOfTexts,
            Transform::Key { .. } => Takes::MapsOfNumbers,
        }
    }

    /// How many numbers it is computed of when the whole record was read; 0 where the value goes straight into its column.
    pub fn operands(&self) -> usize {
        match self {
            Transform::Number
            | Transform::Index { .. }
            | Transform::Equals(_)
            | Transform::IsIn(_)
            | Transform::OneHot { .. }
            | Transform::IsPresent => 0,
            Transform::Hour(_)
            | Transform::Weekday(_)
            | Transform::Length
            | Transform::Contains(_)
            | Transform::Key { .. } => 1,
            Transform::RatioTo(_) | Transform::DifferenceFrom(_) => 2,
        }
    }

    /// The other path that it needs.
    pub fn other_path(&self) -> Option<&str> {
        match self {
            Transform::RatioTo(path) | Transform::DifferenceFrom(path) => Some(path),
            _ => None,
        }
    }

    /// What is made of the value itself: of a map's key, what is made of the key's value.
    pub fn inner(&self) -> &Transform {
        match self {
            Transform::Key { of, .. } => of,
            other => other,
        }
    }

    /// Whether steps may follow: it gives a number that is measured or counted.
    pub fn gives_measure(&self) -> bool {
        let gives_code = matches!(self.inner().takes(), Takes::Texts | Takes::Anything);
        !gives_code && !matches!(self, Transform::Contains(_))
    }

    /// What a value's being there means by itself, where that is all that is asked; such a feature is never missing.
    pub fn of_presence(&self, is_there: bool) -> Option<f32> {
        match self {
            Transform::IsPresent => Some(if is_there { 1.0 } else { 0.0 }),
            _ => None,
        }
    }

    /// The texts that the contract names; a reader's enum has all of them.
    pub fn listed(&self) -> &[String] {
        match self {
            Transform::Index { symbols, .. } | Transform::IsIn(symbols) | Transform::OneHot { symbols, .. } => symbols,
            Transform::Equals(wanted) | Transform::Contains(wanted) => std::slice::from_ref(wanted),
            Transform::Key { of, .. } => of.listed(),
            _ => &[],
        }
    }

    /// What a symbol or a text means; `known` are the symbols of the reader's enum, in its order. `None`: it is rejected.
    pub fn of_text(&self, text: &str, known: &[String]) -> Option<f32> {
        let place = |symbols: &[String]| symbols.iter().position(|of| of == text);
        let number = |place: Option<usize>| place.map(|place| place as f32);
        let truth = |holds: bool| Some(if holds { 1.0 } else { 0.0 });
        match self {
            Transform::Index { symbols, otherwise } => number(place(symbols)).or(*otherwise),
            Transform::Equals(wanted) | Transform::Contains(wanted) => truth(wanted == text),
            Transform::IsIn(symbols) => truth(place(symbols).is_some()),
            Transform::OneHot { symbols, place: own, rejects_others } => match place(symbols) {
                None if *rejects_others => None,
                found => truth(found == Some(*own)),
            },
            Transform::IsPresent => Some(1.0),
            Transform::Key { of, .. } => of.of_text(text, known),
            _ => number(place(known)),
        }
    }

    /// What the contract says of every text that it does not name, where it does.
    pub fn of_others(&self) -> Option<f32> {
        match self {
            Transform::Index { otherwise, .. } => *otherwise,
            Transform::Equals(_) | Transform::IsIn(_) | Transform::Contains(_) => Some(0.0),
            Transform::OneHot { rejects_others, .. } => (!rejects_others).then_some(0.0),
            Transform::IsPresent => Some(1.0),
            Transform::Key { of, .. } => of.of_others(),
            _ => None,
        }
    }

    /// Each number that records should show to prove the contract, and how a person calls it; none where any two will do.
    pub fn answers(&self) -> Vec<(f32, String)> {
        match self {
            Transform::Index { symbols, .. } => {
                symbols.iter().enumerate().map(|(place, symbol)| (place as f32, symbol.clone())).collect()
            }
            Transform::Equals(_)
            | Transform::IsIn(_)
            | Transform::OneHot { .. }
            | Transform::IsPresent
            | Transform::Contains(_) => [0.0, 1.0].map(|answer| (answer, format!("the answer {answer}"))).into(),
            Transform::Key { of, .. } => of.answers(),
            Transform::Number
            | Transform::Hour(_)
            | Transform::Weekday(_)
            | Transform::RatioTo(_)
            | Transform::DifferenceFrom(_)
            | Transform::Length => Vec::new(),
        }
    }

    /// What of it to look at where the training side has another number.
    pub fn look_at(&self) -> &'static str {
        match self {
            Transform::Number => "its transform (number: its unit and scale)",
            Transform::Index { .. } => "the order of symbols in its transform's index (and otherwise)",
            Transform::Equals(_) => "the text of its transform's equals",
            Transform::IsIn(_) => "the texts of its transform's is_in",
            Transform::OneHot { .. } => "the order of symbols in its transform's one_hot (and handle_unknown)",
            Transform::IsPresent => "its transform (is_present)",
            Transform::Hour(_) => "the time zone of its transform's hour (0 to 23)",
            Transform::Weekday(_) => "the time zone of its transform's weekday (Monday is 0)",
            Transform::RatioTo(_) => "the path of its transform's ratio_to",
            Transform::DifferenceFrom(_) => "the path of its transform's difference_from (of two times: milliseconds)",
            Transform::Length => "its transform (length)",
            Transform::Contains(_) => "the text of its transform's contains",
            Transform::Key { .. } => "the key of its transform",
        }
    }

    /// What of it to look at where it rejects a text for which the training side has a number.
    pub fn look_at_on_reject(&self) -> Option<&'static str> {
        match self {
            Transform::Index { .. } => Some("its transform's index and otherwise"),
            Transform::OneHot { .. } => Some("its transform's one_hot and handle_unknown"),
            Transform::Key { of, .. } => of.look_at_on_reject(),
            _ => None,
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

    #[test]
    fn one_hot_answers_in_the_column_of_its_own_place() {
        let one_hot = |place, rejects_others| Transform::OneHot { symbols: texts(&["B", "A"]), place, rejects_others };
        let answers = |text: &str| [0, 1].map(|place| one_hot(place, false).of_text(text, &[]));
        assert_eq!((answers("B"), answers("A")), ([Some(1.0), Some(0.0)], [Some(0.0), Some(1.0)]));
        assert_eq!((answers("C"), one_hot(0, true).of_text("C", &[])), ([Some(0.0); 2], None));
        assert_eq!((one_hot(0, false).of_others(), one_hot(0, true).of_others()), (Some(0.0), None));
        assert_eq!((one_hot(1, true).listed(), one_hot(1, true).answers().len()), (&texts(&["B", "A"])[..], 2));
    }

    #[test]
    fn is_in_answers_whether_a_text_is_listed() {
        let is_in = Transform::IsIn(texts(&["A", "B"]));
        assert_eq!(["A", "B", "C"].map(|text| is_in.of_text(text, &[])), [Some(1.0), Some(1.0), Some(0.0)]);
        assert_eq!((is_in.takes(), is_in.of_others(), is_in.listed().len()), (Takes::Texts, Some(0.0), 2));
    }

    #[test]
    fn a_key_is_what_is_made_of_its_value() {
        let key = |of| Transform::Key { key: "k".to_owned(), of: Box::new(of) };
        let index = key(Transform::Index { symbols: texts(&["A"]), otherwise: Some(-1.0) });
        assert_eq!(
            (index.takes(), index.of_text("A", &[]), index.of_others()),
            (Takes::MapsOfTexts, Some(0.0), Some(-1.0))
        );
        assert_eq!((key(Transform::Number).takes(), key(Transform::Number).operands()), (Takes::MapsOfNumbers, 1));
    }

    #[test]
    fn steps_follow_what_is_measured_or_counted() {
        let yes = [
            Transform::Number,
            Transform::Length,
            Transform::Hour("UTC".into()),
            Transform::RatioTo("x".into()),
            Transform::Key { key: "k".into(), of: Box::new(Transform::Number) },
        ];
        assert!(yes.iter().all(Transform::gives_measure), "{yes:?}");
        let no = [
            Transform::IsPresent,
            Transform::Contains("A".into()),
            Transform::Equals("A".into()),
            Transform::Key { key: "k".into(), of: Box::new(Transform::Equals("A".into())) },
        ];
        assert!(!no.iter().any(Transform::gives_measure), "{no:?}");
    }
}
