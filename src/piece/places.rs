//! Where a piece of the input begins or ends, as somebody types it.

use std::collections::BTreeMap;
use std::str::FromStr;

use jiff::Timestamp;

/// A place in every partition of a topic, or in some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The first record that is kept.
    Earliest,
    /// Where the topic ends now.
    Latest,
    /// The first record at or after this time, in milliseconds since the epoch.
    At(i64),
    /// The first record of the last so many milliseconds.
    Ago(i64),
    /// Offsets of the partitions that are named.
    Offsets(BTreeMap<i32, i64>),
}

const UNITS: [(char, i64); 5] = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400), ('w', 604_800)];

impl Place {
    /// The time that is meant, if one is.
    pub fn time_ms(&self, now_ms: i64) -> Option<i64> {
        match self {
            Place::At(ms) => Some(*ms),
            Place::Ago(ms) => Some(now_ms.saturating_sub(*ms).max(0)),
            Place::Earliest | Place::Latest | Place::Offsets(_) => None,
        }
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Place, String> {
        match text {
            "earliest" => return Ok(Place::Earliest),
            "latest" => return Ok(Place::Latest),
            _ => {}
        }
        if let Some(ms) = ago(text) {
            return Ok(Place::Ago(ms));
        }
        if let Some(offsets) = offsets(text) {
            return offsets.map(Place::Offsets);
        }
        match text.parse::<Timestamp>() {
            Ok(time) => Ok(Place::At(time.as_millisecond())),
            Err(_) => Err(
                "say earliest, latest, a time such as 2026-11-30T08:00:00Z or 2026-11-30T09:00:00+01:00, how long ago \
                           such as 90m, 2h or 3d, or offsets such as 0:1500,1:0"
                    .to_owned(),
            ),
        }
    }
}

/// `2h`: a whole number and a unit.
fn ago(text: &str) -> Option<i64> {
    let (_, seconds) = UNITS.into_iter().find(|(unit, _)| text.ends_with(*unit))?;
    let number = &text[..text.len() - 1];
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| number.parse::<i64>().ok()?.checked_mul(seconds * 1_000)).flatten()
}

/// `P:OFFSET,P:OFFSET`; `None` where nothing looks like one. A time has colons too, and something else before the first.
fn offsets(text: &str) -> Option<Result<BTreeMap<i32, i64>, String>> {
    let (first, _) = text.split_once(':')?;
    if first.is_empty() || !first.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut all = BTreeMap::new();
    for pair in text.split(',') {
        let parsed = pair.split_once(':').and_then(|(partition, offset)| {
            let (partition, offset) = (partition.trim().parse::<i32>().ok()?, offset.trim().parse::<i64>().ok()?);
            (partition >= 0 && offset >= 0).then_some((partition, offset))
        });
        let Some((partition, offset)) = parsed else {
            return Some(Err(format!("`{pair}` is no PARTITION:OFFSET")));
        };
        if all.insert(partition, offset).is_some() {
            return Some(Err(format!("partition {partition} is named twice")));
        }
    }
    Some(Ok(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_times_and_offsets_are_places() {
        let place = |text: &str| text.parse::<Place>().unwrap();
        assert_eq!((place("earliest"), place("latest")), (Place::Earliest, Place::Latest));
        assert_eq!(place("1970-01-02T00:00:01Z"), Place::At(86_401_000));
        assert_eq!(place("1970-01-01T01:00:00.5+01:00"), Place::At(500));
        assert_eq!(place("90m"), Place::Ago(5_400_000));
        assert_eq!((place("3d"), place("2w")), (Place::Ago(259_200_000), Place::Ago(1_209_600_000)));
        assert_eq!(place("0:15, 12:0"), Place::Offsets(BTreeMap::from([(0, 15), (12, 0)])));
    }

    #[test]
    fn what_is_no_place_says_what_is_one() {
        for text in ["", "yesterday", "2h30m", "-2h", "h", "2026-11-30", "2026-11-30T08:00:00", "99999999999999999999d"]
        {
            assert!(text.parse::<Place>().unwrap_err().contains("how long ago"), "{text}");
        }
        assert_eq!("0:1,0:2".parse::<Place>().unwrap_err(), "partition 0 is named twice");
        for text in ["0:", "0:x", "0:1,", "0:1,1", "0:-1"] {
            assert!(text.parse::<Place>().unwrap_err().contains("PARTITION:OFFSET"), "{text}");
        }
    }

    #[test]
    fn a_time_is_counted_from_now_where_it_is_meant_so() {
        assert_eq!(Place::Ago(1_000).time_ms(5_000), Some(4_000));
        assert_eq!(Place::Ago(9_000).time_ms(5_000), Some(0));
        assert_eq!((Place::At(7).time_ms(5_000), Place::Latest.time_ms(5_000)), (Some(7), None));
    }
}
