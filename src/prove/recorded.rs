//! The recorded outputs, read into the index: which part of their topic, and all of it.

use super::index::{Index, NoRoom};
use super::replay::too_large;
use crate::avro::output::OutputReader;
use crate::doors::{Clock, SourceRecord};
use crate::error::{Fatal, exit};
use crate::kafka::cluster::starting_offsets::{self, Kept};
use crate::kafka::consumer::RangeSource;
use crate::kafka::settings::KafkaSettings;
use crate::lane::clock::SystemClock;
use crate::piece::places::Place;
use crate::piece::progress::Progress;
use crate::piece::ranges::{Range, offsets};
use crate::piece::reader::Reader;

/// An output is written after its record: so much earlier than the first record's own time none of them can be, by clocks
/// that agree to the hour.
const BEFORE_MS: i64 = 3_600_000;

/// Records taken at once.
const ROOM: usize = 1_024;

/// A topic of outputs, as it stood when the replay began.
#[derive(Clone, Debug)]
pub struct Outputs<'a> {
    pub settings: &'a KafkaSettings,
    pub topic: &'a str,
    pub kept: Vec<Kept>,
    pub clock: SystemClock,
}

/// The part of it that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub ranges: Vec<Range>,
    /// Outputs were there before, which retention has taken.
    pub head_is_lost: bool,
}

impl Outputs<'_> {
    /// From where the outputs of `input` begin, up to where the topic ends; from `place` where that is said.
    ///
    /// # Errors
    /// [`exit::UNAVAILABLE`] when the cluster does not answer.
    pub fn part(&self, place: Option<&Place>, (input, ranges): (&str, &[Range])) -> Result<Part, Fatal> {
        let now_ms = self.clock.wall_us() / 1_000;
        let chosen = match place {
            Some(place) => Some(place.clone()),
            None => first_timestamp(self.settings, input, ranges, self.clock)?
                .map(|first_ms| first_ms - BEFORE_MS)
                .filter(|ms| (0..=now_ms).contains(ms))
                .map(Place::At),
        };
        let mut at_time = |ms| starting_offsets::at_time(self.settings, self.topic, self.kept.len() as i32, ms);
        let is_said = place.is_some();
        let place = chosen.unwrap_or(Place::Earliest);
        let mut firsts = offsets(&place, &self.kept, now_ms, &mut at_time)?;
        let is_none = firsts.iter().zip(&self.kept).all(|(first, kept)| first.is_none_or(|first| first >= kept.end));
        if is_none && !is_said {
            // The input's clock is ahead of the outputs'.
            firsts = offsets(&Place::Earliest, &self.kept, now_ms, &mut at_time)?;
        }
        Ok(self.from(&firsts))
    }

    fn from(&self, firsts: &[Option<i64>]) -> Part {
        let mut part = Part { ranges: Vec::new(), head_is_lost: false };
        for ((partition, kept), first) in (0..).zip(&self.kept).zip(firsts) {
            let Some(first) = *first else { continue };
            part.head_is_lost |= kept.first > 0 && first <= kept.first;
            let from = first.max(kept.first);
            if from < kept.end {
                part.ranges.push(Range { partition, from, until: kept.end });
            }
        }
        part
    }

    /// Reads that part into the index.
    ///
    /// # Errors
    /// Those of [`Reader::poll`]; [`exit::SYSTEM`] where memory does not hold it.
    pub fn read_into(&self, index: &mut Index, part: &Part, mut outputs: OutputReader) -> Result<(), Fatal> {
        let total = part.ranges.iter().map(Range::offsets).sum();
        let mut progress = Progress::start("reading outputs", total, self.clock.now_ns());
        let source = RangeSource::open(self.settings, self.topic)?;
        let mut reader = Reader::new(source, self.topic, self.clock);
        for range in &part.ranges {
            reader.begin(*range)?;
        }
        let (mut done, mut open, mut ended) = (0, part.ranges.len(), Vec::new());
        while open > 0 {
            for record in reader.poll(ROOM, &mut ended)? {
                let output = record.value().and_then(|value| outputs.read(value));
                index.add(output.as_ref()).map_err(no_room)?;
                done += 1;
            }
            for range in &ended {
                reader.end(range.partition)?;
                open -= 1;
            }
            progress.show(done, self.clock.now_ns());
        }
        progress.finish();
        Ok(())
    }
}

fn no_room(why: NoRoom) -> Fatal {
    match why {
        NoRoom::Answerers => Fatal::new(
            exit::FAILED,
            "the outputs of this range name more than 65,535 models and thresholds",
            "choose a smaller range with --from and --to",
        ),
        NoRoom::Fingerprints(bytes) => too_large(bytes, "with the fingerprints of their inputs"),
    }
}

/// The smallest timestamp of the first record of each range; `None` where one has none, and where there is no record.
fn first_timestamp(
    settings: &KafkaSettings,
    topic: &str,
    ranges: &[Range],
    clock: SystemClock,
) -> Result<Option<i64>, Fatal> {
    let mut reader = Reader::new(RangeSource::open(settings, topic)?, topic, clock);
    for range in ranges {
        reader.begin(*range)?;
    }
    let (mut open, mut first, mut is_known) = (ranges.len(), None::<i64>, true);
    let mut ended = Vec::new();
    while open > 0 {
        let mut done: Vec<i32> = Vec::new();
        for record in reader.poll(ROOM, &mut ended)? {
            let partition = record.position().partition;
            if done.contains(&partition) {
                continue;
            }
            done.push(partition);
            let timestamp_ms = record.timestamp_ms();
            is_known &= timestamp_ms >= 0;
            first = Some(first.map_or(timestamp_ms, |first| first.min(timestamp_ms)));
        }
        // One without a record.
        done.extend(ended.iter().map(|range| range.partition));
        done.sort_unstable();
        done.dedup();
        for partition in done {
            reader.end(partition)?;
            open -= 1;
        }
    }
    Ok(first.filter(|_| is_known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_begins_where_the_topic_does_may_have_lost_its_head() {
        let config = crate::config::Config::new("localhost:1", "g", "package");
        let kept = vec![Kept { first: 5, end: 9 }, Kept { first: 0, end: 0 }, Kept { first: 0, end: 4 }];
        let outputs = Outputs { settings: &config.kafka, topic: "out", kept, clock: SystemClock::new() };
        let range = |partition, from, until| Range { partition, from, until };
        let all = outputs.from(&[Some(5), Some(0), Some(0)]);
        assert_eq!(all, Part { ranges: vec![range(0, 5, 9), range(2, 0, 4)], head_is_lost: true });
        let later = outputs.from(&[Some(6), Some(0), Some(4)]);
        assert_eq!(later, Part { ranges: vec![range(0, 6, 9)], head_is_lost: false });
        let named = outputs.from(&[None, None, Some(1)]);
        assert_eq!(named, Part { ranges: vec![range(2, 1, 4)], head_is_lost: false });
    }
}
