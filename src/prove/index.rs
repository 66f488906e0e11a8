//! What was recorded, by source position: two dense arrays for each range, 12 bytes an offset, and the fingerprints beside
//! them where there are any, 16 bytes more.

use crate::avro::output::{Answerer, Output};
use crate::piece::ranges::Range;
use crate::values::fingerprint::Fingerprint;
use crate::values::record::{Decision, Position};

/// Bytes of an offset of a range, without and with fingerprints.
pub const OFFSET_BYTES: u64 = 8 + 4;
pub const FINGERPRINT_BYTES: u64 = 16;

/// Distinct answerers that are told apart. A topic has one, and one more for each change of model or thresholds.
const ANSWERERS_MAX: usize = u16::MAX as usize;

/// What a recorded output says of one offset, in 32 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Note(u32);

impl Note {
    const DECISION: u32 = 0b11;
    const IS_THERE: u32 = 1 << 2;
    const HAS_FINGERPRINT: u32 = 1 << 3;
    const ANSWERER_SHIFT: u32 = 16;

    fn new(decision: Decision, answerer: usize, has_fingerprint: bool) -> Note {
        let fingerprint = if has_fingerprint { Note::HAS_FINGERPRINT } else { 0 };
        Note(decision.index() as u32 | Note::IS_THERE | fingerprint | (answerer as u32) << Note::ANSWERER_SHIFT)
    }

    fn is_there(self) -> bool {
        self.0 & Note::IS_THERE != 0
    }

    fn decision(self) -> Decision {
        // Three of four values are ever written.
        Decision::ALL[((self.0 & Note::DECISION) as usize).min(Decision::ALL.len() - 1)]
    }

    fn has_fingerprint(self) -> bool {
        self.0 & Note::HAS_FINGERPRINT != 0
    }

    fn answerer(self) -> usize {
        (self.0 >> Note::ANSWERER_SHIFT) as usize
    }
}

/// A range's outputs.
#[derive(Debug)]
struct Slots {
    range: Range,
    scores: Box<[f64]>,
    notes: Box<[Note]>,
    /// Empty until the first one comes.
    fingerprints: Vec<Fingerprint>,
    /// The smallest source offset that any output of this partition names, in the range or not.
    lowest: Option<i64>,
}

/// Who answered, as owned text.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedBy {
    pub name: String,
    pub version: String,
    pub sha256: String,
    pub review: f64,
    pub decline: f64,
    pub thresholds_version: String,
    pub fallback: bool,
    pub is_challenger: bool,
    /// Outputs of the ranges that it wrote, doubles not counted.
    pub outputs: u64,
}

impl RecordedBy {
    fn of(by: &Answerer<'_>) -> RecordedBy {
        // The reader has checked that they are UTF-8.
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        RecordedBy {
            name: text(by.name),
            version: text(by.version),
            sha256: text(by.sha256),
            review: by.review,
            decline: by.decline,
            thresholds_version: text(by.thresholds_version),
            fallback: by.fallback,
            is_challenger: by.is_challenger,
            outputs: 0,
        }
    }

    fn is(&self, by: &Answerer<'_>) -> bool {
        self.sha256.as_bytes() == by.sha256
            && self.thresholds_version.as_bytes() == by.thresholds_version
            && (self.review.to_bits(), self.decline.to_bits()) == (by.review.to_bits(), by.decline.to_bits())
            && (self.fallback, self.is_challenger) == (by.fallback, by.is_challenger)
            && (self.name.as_bytes(), self.version.as_bytes()) == (by.name, by.version)
    }

    /// Whether the score is the model's answer, on which the decision was made.
    pub fn is_a_models_answer(&self) -> bool {
        !self.fallback && !self.is_challenger
    }
}

/// What came of the outputs that were read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputCounts {
    pub read: u64,
    /// No outputs of ours, to the last byte.
    pub foreign: u64,
    /// Outputs of records of another topic.
    pub other_topic: u64,
    /// Outputs of records outside of the ranges.
    pub outside: u64,
    /// Positions in the ranges with an output: the first one counts.
    pub recorded: u64,
    /// Further outputs of positions that had one.
    pub doubled: u64,
    /// Those of them whose score has other bits than the first.
    pub doubled_otherwise: u64,
}

/// A position with two outputs whose scores differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DoubledOtherwise {
    pub at: Position,
    pub first_bits: u64,
    pub later_bits: u64,
}

/// One recorded output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recorded {
    pub score: f64,
    pub decision: Decision,
    /// Its place in [`Index::answerers`].
    pub by: usize,
    pub fingerprint: Option<Fingerprint>,
}

/// Why an output has no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoom {
    /// More than 65,535 models and thresholds have written to the topic.
    Answerers,
    /// With fingerprints the ranges take so many bytes, and may not.
    Fingerprints(u64),
}

fn offsets_of(ranges: &[Range]) -> u64 {
    ranges.iter().map(Range::offsets).sum()
}

/// The recorded outputs of some ranges of the input.
#[derive(Debug)]
pub struct Index {
    topic: Vec<u8>,
    /// What all of it may take.
    bytes_max: u64,
    bytes_with_fingerprints: u64,
    /// By partition of the input.
    slots: Vec<Option<Slots>>,
    answerers: Vec<RecordedBy>,
    /// The answerer of the last output: mostly that of the next one.
    last: usize,
    counts: OutputCounts,
    doubled_otherwise: Option<DoubledOtherwise>,
}

impl Index {
    /// Bytes that so many offsets take, without fingerprints.
    pub fn bytes(ranges: &[Range]) -> u64 {
        offsets_of(ranges) * OFFSET_BYTES
    }

    pub fn new(topic: &str, ranges: &[Range], bytes_max: u64) -> Index {
        let partitions = ranges.iter().map(|range| range.partition as usize + 1).max().unwrap_or(0);
        let mut slots: Vec<Option<Slots>> = std::iter::repeat_with(|| None).take(partitions).collect();
        for range in ranges {
            let offsets = range.offsets() as usize;
            slots[range.partition as usize] = Some(Slots {
                range: *range,
                scores: vec![0.0; offsets].into_boxed_slice(),
                notes: vec![Note::default(); offsets].into_boxed_slice(),
                fingerprints: Vec::new(),
                lowest: None,
            });
        }
        Index {
            topic: topic.as_bytes().to_vec(),
            bytes_max,
            bytes_with_fingerprints: offsets_of(ranges) * (OFFSET_BYTES + FINGERPRINT_BYTES),
            slots,
            answerers: Vec::new(),
            last: 0,
            counts: OutputCounts::default(),
            doubled_otherwise: None,
        }
    }

    /// Takes a record of the outputs' topic in; `None` is one that is no output of ours.
    ///
    /// # Errors
    /// [`NoRoom`].
    pub fn add(&mut self, output: Option<&Output<'_>>) -> Result<(), NoRoom> {
        self.counts.read += 1;
        let Some(output) = output else {
            self.counts.foreign += 1;
            return Ok(());
        };
        if output.topic != self.topic {
            self.counts.other_topic += 1;
            return Ok(());
        }
        let by = self.answerer(&output.by)?;
        let Position { partition, offset } = output.at;
        let slots = usize::try_from(partition).ok().and_then(|partition| self.slots.get_mut(partition)?.as_mut());
        let Some(slots) = slots else {
            self.counts.outside += 1;
            return Ok(());
        };
        slots.lowest = Some(slots.lowest.map_or(offset, |lowest| lowest.min(offset)));
        if !slots.range.contains(offset) {
            self.counts.outside += 1;
            return Ok(());
        }
        if slots.notes[(offset - slots.range.from) as usize].is_there() {
            self.double(output);
            return Ok(());
        }
        self.keep(output, by)
    }

    fn double(&mut self, output: &Output<'_>) {
        let Some(first) = self.get(output.at) else { return };
        self.counts.doubled += 1;
        let (first_bits, later_bits) = (first.score.to_bits(), output.score.to_bits());
        if first_bits != later_bits {
            self.counts.doubled_otherwise += 1;
            let this = DoubledOtherwise { at: output.at, first_bits, later_bits };
            self.doubled_otherwise = self.doubled_otherwise.into_iter().chain([this]).min();
        }
    }

    fn keep(&mut self, output: &Output<'_>, by: usize) -> Result<(), NoRoom> {
        let bytes_with_fingerprints = self.bytes_with_fingerprints;
        let Some(slots) = self.slots[output.at.partition as usize].as_mut() else { return Ok(()) };
        let place = (output.at.offset - slots.range.from) as usize;
        if let Some(fingerprint) = output.fingerprint {
            if slots.fingerprints.is_empty() {
                if bytes_with_fingerprints > self.bytes_max {
                    return Err(NoRoom::Fingerprints(bytes_with_fingerprints));
                }
                slots.fingerprints = vec![Fingerprint([0; 16]); slots.notes.len()];
            }
            slots.fingerprints[place] = fingerprint;
        }
        slots.scores[place] = output.score;
        slots.notes[place] = Note::new(output.decision, by, output.fingerprint.is_some());
        self.answerers[by].outputs += 1;
        self.counts.recorded += 1;
        Ok(())
    }

    fn answerer(&mut self, by: &Answerer<'_>) -> Result<usize, NoRoom> {
        if self.answerers.get(self.last).is_some_and(|last| last.is(by)) {
            return Ok(self.last);
        }
        self.last = match self.answerers.iter().position(|known| known.is(by)) {
            Some(place) => place,
            None if self.answerers.len() == ANSWERERS_MAX => return Err(NoRoom::Answerers),
            None => {
                self.answerers.push(RecordedBy::of(by));
                self.answerers.len() - 1
            }
        };
        Ok(self.last)
    }

    /// What was recorded of a position.
    #[inline]
    pub fn get(&self, at: Position) -> Option<Recorded> {
        let slots = self.slots_of(at.partition)?;
        let place = slots.range.contains(at.offset).then(|| (at.offset - slots.range.from) as usize)?;
        let note = slots.notes[place];
        note.is_there().then(|| Recorded {
            score: slots.scores[place],
            decision: note.decision(),
            by: note.answerer(),
            fingerprint: note.has_fingerprint().then(|| slots.fingerprints[place]),
        })
    }

    /// The smallest source offset of a partition that any output named.
    pub fn lowest(&self, partition: i32) -> Option<i64> {
        self.slots_of(partition)?.lowest
    }

    fn slots_of(&self, partition: i32) -> Option<&Slots> {
        self.slots.get(usize::try_from(partition).ok()?)?.as_ref()
    }

    /// Everybody who wrote outputs of the topic, in the order they were seen.
    pub fn answerers(&self) -> &[RecordedBy] {
        &self.answerers
    }

    pub fn counts(&self) -> OutputCounts {
        self.counts
    }

    /// The smallest position with two outputs whose scores differ.
    pub fn doubled_otherwise(&self) -> Option<DoubledOtherwise> {
        self.doubled_otherwise
    }
}

#[cfg(test)]
mod tests;
