//! The group of a redrive: how far one is, under a name that the same command finds again.

use sha2::{Digest, Sha256};

use super::filters::Filters;

/// Letters of the name that come of the filters.
const DIGITS: usize = 12;

/// The name that comes of the configuration's group, the topic of letters, where they go, and the filters as they were typed: the
/// same command goes on, and another one begins anew. How fast, how many and how often are no filters.
pub fn name(group: &str, topic: &str, into: &str, filters: &Filters) -> String {
    let mut reasons = filters.reasons.clone();
    reasons.sort_unstable();
    reasons.dedup();
    let Filters { model_version, schema_id, partition, from, to, .. } = filters;
    // As a program writes them: what stands in a value cannot end it.
    let said = format!("{topic:?} {into:?} {reasons:?} {model_version:?} {schema_id:?} {partition:?} {from:?} {to:?}");
    let digest = Sha256::digest(said);
    let hex: String = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(digit).take(DIGITS).collect();
    format!("{group}.redrive.{hex}")
}

fn digit(number: u8) -> char {
    char::from_digit(u32::from(number), 16).unwrap_or_default()
}

/// The name of its transactions: no lane's, and behind the prefix that lanes are granted.
pub fn transactional_id(group: &str, redrive: &str) -> String {
    format!("{group}/redrive/{redrive}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::piece::places::Place;

    #[test]
    fn the_same_filters_go_on_and_others_begin_anew() {
        let all = Filters::all();
        let named = |filters: &Filters| name("fraud", "dead", "in", filters);
        // Fixed: a new version goes on where an older one was.
        assert_eq!(named(&all), "fraud.redrive.498b920d681a");
        let reasons = |reasons: &[&str]| Filters {
            reasons: reasons.iter().map(|reason| (*reason).to_owned()).collect(),
            ..Filters::all()
        };
        assert_eq!(named(&reasons(&["a", "b"])), named(&reasons(&["b", "a", "b"])), "in any order");
        let mut others = vec![
            named(&all),
            name("fraud", "timeouts", "in", &all),
            name("fraud", "dead", "other", &all),
            name("other", "dead", "in", &all),
            named(&reasons(&["a"])),
            named(&reasons(&["a", "b"])),
            named(&reasons(&["a\", \"b"])),
            named(&Filters { model_version: Some("1".into()), ..all.clone() }),
            named(&Filters { schema_id: Some("1".into()), ..all.clone() }),
            named(&Filters { partition: Some(1), ..all.clone() }),
            named(&Filters { from: Place::Ago(1), ..all.clone() }),
            named(&Filters { to: Place::Ago(1), ..all.clone() }),
        ];
        let count = others.len();
        others.sort_unstable();
        others.dedup();
        assert_eq!(others.len(), count);
    }

    #[test]
    fn its_transactions_are_no_lane_s() {
        assert_eq!(transactional_id("fraud", "fraud.redrive.0a"), "fraud/redrive/fraud.redrive.0a");
    }
}
