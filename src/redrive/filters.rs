//! Which letters are meant.

use super::letter::Letter;
use crate::piece::places::Place;

/// What the command line asks for. Everything that is said must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filters {
    /// One of these; all where there is none.
    pub reasons: Vec<String>,
    pub model_version: Option<String>,
    pub schema_id: Option<String>,
    /// Of the topic of letters.
    pub partition: Option<i32>,
    pub from: Place,
    pub to: Place,
}

impl Filters {
    /// Every letter that there is.
    pub fn all() -> Filters {
        Filters {
            reasons: Vec::new(),
            model_version: None,
            schema_id: None,
            partition: None,
            from: Place::Earliest,
            to: Place::Latest,
        }
    }

    /// Whether a letter is meant, as far as its headers say; the piece says the rest.
    pub fn match_headers(&self, letter: &Letter) -> bool {
        let is_asked = |asked: &Option<String>, said: &Option<String>| asked.is_none() || asked == said;
        (self.reasons.is_empty() || self.reasons.contains(&letter.reason))
            && is_asked(&self.model_version, &letter.model_version)
            && is_asked(&self.schema_id, &letter.schema_id)
    }
}

#[cfg(test)]
mod tests {
    use super::super::letter::tests::letter;
    use super::*;

    #[test]
    fn everything_that_is_said_must_hold() {
        let read = letter(&[
            ("__scorewire.errors.reason", "truncated"),
            ("__scorewire.errors.model_version", "1.4.0"),
            ("__scorewire.errors.schema_id", "17"),
        ]);
        let text = |text: &str| Some(text.to_owned());
        let reasons = |reasons: &[&str]| reasons.iter().map(|reason| (*reason).to_owned()).collect();
        let all = Filters::all();
        let cases = [
            (all.clone(), true),
            (Filters { reasons: reasons(&["oversized", "truncated"]), ..all.clone() }, true),
            (Filters { reasons: reasons(&["oversized"]), ..all.clone() }, false),
            (Filters { model_version: text("1.4.0"), schema_id: text("17"), ..all.clone() }, true),
            (Filters { model_version: text("1.4"), ..all.clone() }, false),
            (Filters { reasons: reasons(&["truncated"]), schema_id: text("18"), ..all.clone() }, false),
        ];
        for (filters, expected) in cases {
            assert_eq!(filters.match_headers(&read), expected, "{filters:?}");
        }
        let nothing = letter(&[]);
        assert!(Filters { reasons: reasons(&["unknown"]), ..all.clone() }.match_headers(&nothing));
        assert!(
            !Filters { schema_id: text("17"), ..all }.match_headers(&nothing),
            "what it does not say is not asked for"
        );
    }
}
