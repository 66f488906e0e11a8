//! What becomes durable together: records that are written, and how far the group is then. A letter of several records may be
//! taken in parts; the offset of the group stays before it until the last one, and a note beside the offset says how far it is.

use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use super::letter::Letter;
use super::tally::Fate;
use crate::doors::{Progress, SourceRecord};
use crate::kafka::client::NotedOffset;
use crate::piece::reader::Record;
use crate::values::record::Position;

/// Bytes of letters that wait for a commit, at most but for the last one.
const BYTES_MAX: usize = 8 * 1024 * 1024;

/// How long a letter waits for its commit, but for the time that brokers take.
pub const CHUNK_AGE: Duration = Duration::from_secs(1);

/// What the note beside an offset begins with. Behind it: the offset, in the letter's source, of the record that comes next.
const NOTE: &str = "next=";

/// A letter, or some records of one that stands for several.
pub struct Part {
    pub letter: Letter,
    pub record: Rc<Record>,
    /// Known before its records were looked for.
    pub fate: Option<Fate>,
    /// Those of the source that it is about; none where the letter names no source.
    pub offsets: Range<i64>,
    pub is_last: bool,
}

impl Part {
    /// Where its records stood.
    pub fn positions(&self) -> impl Iterator<Item = (&str, Position)> {
        let source = self.letter.source.iter();
        source.flat_map(|source| {
            let partition = source.at.partition;
            self.offsets.clone().map(move |offset| (source.topic.as_str(), Position { partition, offset }))
        })
    }
}

#[derive(Default)]
pub struct Chunk {
    pub parts: Vec<Part>,
    /// Records to be brought back.
    asked: usize,
    bytes: usize,
    /// How far each partition is.
    progress: BTreeMap<i32, (i64, Option<i64>)>,
    begun_ns: Option<u64>,
    pub passed_over: u64,
}

impl Chunk {
    pub fn add(&mut self, part: Part, now_ns: u64) {
        let Position { partition, offset } = part.letter.at;
        let next = if part.is_last { (offset + 1, None) } else { (offset, Some(part.offsets.end)) };
        self.begin(partition, next, now_ns);
        if part.fate.is_none() {
            self.asked += part.records();
        }
        self.bytes += part.record.size();
        self.parts.push(part);
    }

    /// A letter that is not meant.
    pub fn pass_over(&mut self, at: Position, now_ns: u64) {
        self.begin(at.partition, (at.offset + 1, None), now_ns);
        self.passed_over += 1;
    }

    /// Markers of transactions behind the last letter are finished too.
    pub fn end(&mut self, partition: i32, until: i64) {
        self.progress.insert(partition, (until, None));
    }

    fn begin(&mut self, partition: i32, next: (i64, Option<i64>), now_ns: u64) {
        self.begun_ns.get_or_insert(now_ns);
        self.progress.insert(partition, next);
    }

    pub fn asks(&self) -> bool {
        self.asked > 0
    }

    /// How many records it still takes.
    pub fn room(&self, records_max: usize) -> usize {
        records_max.saturating_sub(self.asked)
    }

    pub fn is_due(&self, records_max: usize, now_ns: u64) -> bool {
        let age_ns = self.begun_ns.map_or(0, |begun_ns| now_ns.saturating_sub(begun_ns));
        self.asked >= records_max || self.bytes >= BYTES_MAX || u128::from(age_ns) >= CHUNK_AGE.as_nanos()
    }

    /// What the group's offsets are when it is durable.
    pub fn offsets(&self) -> Vec<NotedOffset> {
        let noted = |(&partition, &(offset, next)): (&i32, &(i64, Option<i64>))| NotedOffset {
            at: Progress { partition, offset },
            note: next.map_or_else(String::new, |next| format!("{NOTE}{next}")),
        };
        self.progress.iter().map(noted).collect()
    }
}

impl Part {
    /// Records that it may be.
    fn records(&self) -> usize {
        self.offsets.clone().count().max(1)
    }
}

/// How far into the letter at a group's offset an earlier run has come: the offset in its source that comes next.
pub fn next_in_letter(offset: &NotedOffset) -> Option<i64> {
    offset.note.strip_prefix(NOTE)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_due_by_records_by_bytes_or_by_age() {
        let chunk = |asked, bytes, begun_ns| Chunk { asked, bytes, begun_ns, ..Chunk::default() };
        let second_ns = CHUNK_AGE.as_nanos() as u64;
        assert!(!chunk(9, 9, Some(5)).is_due(10, 5 + second_ns - 1));
        assert!(chunk(10, 9, Some(5)).is_due(10, 5) && chunk(9, BYTES_MAX, Some(5)).is_due(10, 5));
        assert!(chunk(0, 0, Some(5)).is_due(10, 5 + second_ns) && !chunk(0, 0, None).is_due(10, second_ns * 9));
        assert_eq!((chunk(9, 0, None).room(10), chunk(12, 0, None).room(10)), (1, 0));
    }

    #[test]
    fn a_note_says_how_far_into_a_letter_the_group_is() {
        let mut chunk = Chunk::default();
        chunk.pass_over(Position { partition: 1, offset: 6 }, 5);
        chunk.begin(0, (41, Some(1_250)), 5);
        let offsets = chunk.offsets();
        let noted: Vec<_> = offsets.iter().map(|offset| (offset.at.offset, next_in_letter(offset))).collect();
        assert_eq!((noted, chunk.begun_ns), (vec![(41, Some(1_250)), (7, None)], Some(5)));
        let foreign = NotedOffset { note: "of somebody else".to_owned(), ..offsets[0].clone() };
        assert_eq!(next_in_letter(&foreign), None);
    }
}
