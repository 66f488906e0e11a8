//! Dead letters of which only why and where is left: of what an operator passed over, and of records that no topic took whole.
//! They carry no marker, so the markers are read where they point: in the input.

use std::collections::{BTreeMap, VecDeque};
use std::str::FromStr;

use crate::error::Fatal;
use crate::kafka::load_consumer::{LoadConsumer, OutputRecord};
use crate::load::simulate::marker::{MARKER, Marker};
use crate::load::verify::faults::{INPUT_WAIT, Input};

/// How a dead letter says that it holds nothing of its record.
const STUB: &[u8] = b"stub";

/// Where one points: offsets of one partition of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub partition: i32,
    pub first: i64,
    pub last: i64,
}

impl Place {
    /// The place in the topic `input` that the headers of a stub name.
    pub fn of(record: &OutputRecord<'_>, input: &str) -> Option<Place> {
        let letter = &record.letter;
        if letter.payload != Some(STUB) || letter.topic != Some(input.as_bytes()) {
            return None;
        }
        let first = number(letter.offset)?;
        let last = if letter.last_offset.is_some() { number(letter.last_offset)? } else { first };
        Some(Place { partition: number(letter.partition)?, first, last })
    }
}

fn number<N: FromStr>(text: Option<&[u8]>) -> Option<N> {
    std::str::from_utf8(text?).ok()?.parse().ok()
}

/// Shows each record of the run at these places, with the index of the place. What is not in the input any more is left out.
///
/// # Errors
/// Those of [`LoadConsumer`].
pub(super) fn read_at(
    places: &[Place],
    input: &Input<'_>,
    run: u64,
    visit: &mut dyn FnMut(usize, Marker),
) -> Result<(), Fatal> {
    let mut by_partition: BTreeMap<i32, Vec<(usize, Place)>> = BTreeMap::new();
    for (index, place) in places.iter().enumerate() {
        by_partition.entry(place.partition).or_default().push((index, *place));
    }
    // One partition at a time: another one's records would hide that no more comes.
    for (partition, mut places) in by_partition {
        let Some(start) = usize::try_from(partition).ok().and_then(|at| input.start.get(at)) else { continue };
        places.retain(|(_, place)| place.last >= *start);
        places.sort_by_key(|(_, place)| place.first);
        let Some(last) = places.iter().map(|(_, place)| place.last).max() else { continue };
        let at = [(partition, places[0].1.first.max(*start))];
        let mut reader = LoadConsumer::read_from(input.bootstrap, input.properties, input.topic, &at, MARKER)?;
        let (mut left, mut more) = (VecDeque::from(places), true);
        // The last offset may hold no record: then the next record says so, or silence.
        while more {
            let mut is_over = false;
            more = reader.poll(INPUT_WAIT, &mut |record| {
                is_over = record.offset >= last;
                while left.front().is_some_and(|(_, place)| place.last < record.offset) {
                    left.pop_front();
                }
                let marker = record.marker.and_then(Marker::from_bytes).filter(|marker| marker.run == run);
                let Some(marker) = marker else { return };
                let begun = left.iter().take_while(|(_, place)| place.first <= record.offset);
                for (index, _) in begun.filter(|(_, place)| record.offset <= place.last) {
                    visit(*index, marker);
                }
            })? && !is_over;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::load_consumer::LetterHeaders;

    fn place(headers: &[(&str, &'static str)]) -> Option<Place> {
        let get = |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_bytes());
        let letter = LetterHeaders {
            topic: get("topic"),
            partition: get("partition"),
            offset: get("offset"),
            last_offset: get("last_offset"),
            payload: get("payload"),
            ..LetterHeaders::default()
        };
        Place::of(&OutputRecord { topic: 1, letter, ..OutputRecord::default() }, "in")
    }

    #[test]
    fn a_stub_names_one_record_or_a_stretch_of_the_input() {
        let one = [("topic", "in"), ("partition", "2"), ("offset", "41"), ("payload", "stub")];
        assert_eq!(place(&one), Some(Place { partition: 2, first: 41, last: 41 }));
        let several = [&one[..], &[("last_offset", "44")]].concat();
        assert_eq!(place(&several), Some(Place { partition: 2, first: 41, last: 44 }));
        assert_eq!(place(&[&one[1..], &[("topic", "another")]].concat()), None);
        // The dead letter of somebody else's record, whole.
        assert_eq!(place(&[&one[..3], &[("payload", "whole")]].concat()), None);
        assert_eq!(place(&one[..3]), None);
        assert_eq!(place(&[&one[..], &[("last_offset", "x")]].concat()), None);
    }
}
