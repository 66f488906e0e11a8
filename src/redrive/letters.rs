//! A topic of dead letters, read from where it begins to where it ended when that was asked.

use super::filters::Filters;
use super::letter::Letter;
use super::{INSPECT_TIMEOUT, ROOM};
use crate::doors::{Clock, SourceRecord};
use crate::error::{Fatal, exit};
use crate::kafka::cluster;
use crate::kafka::cluster::starting_offsets::{self, Kept};
use crate::kafka::consumer::RangeSource;
use crate::kafka::settings::KafkaSettings;
use crate::lane::clock::SystemClock;
use crate::piece::progress::Progress;
use crate::piece::ranges::{self, Range, in_words};
use crate::piece::reader::{Reader, Record};
use crate::values::record::Position;

/// What there is of the topic, fixed before anything is read.
pub struct Letters<'a> {
    settings: &'a KafkaSettings,
    topic: String,
    kept: Vec<Kept>,
    clock: SystemClock,
    /// Whoever prints while this reads wants no bar between the lines.
    is_quiet: bool,
}

/// Called with each letter of a piece; `false` ends the reading.
pub type Visit<'v> = &'v mut dyn FnMut(Letter, &Record) -> Result<bool, Fatal>;

/// Letters that nobody sees yet: whoever believes that he has dealt with all of them is told.
fn tell_of_open(topic: &str, kept: &[Kept], ends: &[i64]) {
    for (partition, (kept, end)) in (0..).zip(kept.iter().zip(ends)).filter(|(_, (kept, end))| kept.end < **end) {
        let (partition, seen, end): (i32, i64, i64) = (partition, kept.end, *end);
        tracing::warn!(
            topic,
            partition,
            seen,
            end,
            "a transaction is open here: letters from offset {seen} to {end} are seen when it has ended; ask again then"
        );
    }
}

impl<'a> Letters<'a> {
    /// # Errors
    /// [`exit::UNAVAILABLE`] when the cluster does not answer, the topic is not there, or may not be read.
    pub fn find(settings: &'a KafkaSettings, topic: &str) -> Result<Letters<'a>, Fatal> {
        let partitions = cluster::partitions(settings, &[topic], INSPECT_TIMEOUT)?[0];
        let kept = starting_offsets::kept(settings, topic, partitions)?;
        tell_of_open(topic, &kept, &starting_offsets::ends(settings, topic, partitions)?);
        Ok(Letters { settings, topic: topic.to_owned(), kept, clock: SystemClock::new(), is_quiet: false })
    }

    /// Shows no progress.
    #[must_use]
    pub fn quiet(self, is_quiet: bool) -> Letters<'a> {
        Letters { is_quiet, ..self }
    }

    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The offsets that the filters' places mean, of the partitions that they mean. None where nothing is kept there.
    ///
    /// # Errors
    /// [`exit::USAGE`] where a place or a partition cannot be meant.
    pub fn piece(&self, filters: &Filters) -> Result<Vec<Range>, Fatal> {
        self.check_partition(filters.partition)?;
        let partitions = i32::try_from(self.kept.len()).unwrap_or(i32::MAX);
        let mut at_time = |ms| starting_offsets::at_time(self.settings, &self.topic, partitions, ms);
        let now_ms = self.clock.wall_us() / 1_000;
        let mut found = ranges::between_or_none((&filters.from, &filters.to), &self.kept, now_ms, &mut at_time)?;
        found.retain(|range| filters.partition.is_none_or(|partition| partition == range.partition));
        Ok(found)
    }

    /// All that is kept of this partition, or of all.
    ///
    /// # Errors
    /// [`exit::USAGE`] for a partition that is not there.
    pub fn all(&self, partition: Option<i32>) -> Result<Vec<Range>, Fatal> {
        self.check_partition(partition)?;
        let range = |(partition, kept): (i32, &Kept)| Range { partition, from: kept.first, until: kept.end };
        let of = |range: &Range| partition.is_none_or(|asked| asked == range.partition) && range.from < range.until;
        Ok((0..).zip(&self.kept).map(range).filter(of).collect())
    }

    fn check_partition(&self, partition: Option<i32>) -> Result<(), Fatal> {
        match partition.filter(|asked| usize::try_from(*asked).map_or(true, |asked| asked >= self.kept.len())) {
            None => Ok(()),
            Some(asked) => {
                let what = format!("topic {} has no partition {asked}: it has {}", self.topic, self.kept.len());
                Err(Fatal::new(exit::USAGE, what, "name partitions from 0 on"))
            }
        }
    }

    /// A reader of these ranges, and nothing read yet.
    ///
    /// # Errors
    /// [`exit::CONFIG`] when the client refuses its settings, [`exit::UNAVAILABLE`] when it refuses a range.
    pub fn reader(&self, ranges: &[Range]) -> Result<Reader<SystemClock>, Fatal> {
        let mut reader = Reader::new(RangeSource::open(self.settings, &self.topic)?, &self.topic, self.clock);
        for range in ranges {
            reader.begin(*range)?;
        }
        Ok(reader)
    }

    /// Shows each letter of these ranges, in order within its partition.
    ///
    /// # Errors
    /// [`exit::UNAVAILABLE`] when the topic cannot be read on; those of `visit`.
    pub fn read(&self, ranges: &[Range], visit: Visit<'_>) -> Result<(), Fatal> {
        let total = ranges.iter().map(Range::offsets).sum();
        let start = || Progress::start("reading dead letters", total, self.clock.now_ns());
        let mut progress = (!self.is_quiet).then(start);
        let (mut open, mut ended, mut read) = (ranges.len(), Vec::new(), 0);
        let mut reader = self.reader(ranges)?;
        while open > 0 {
            for record in reader.poll(ROOM, &mut ended)? {
                read += 1;
                if !visit(Letter::read(record), record)? {
                    return Ok(());
                }
            }
            for range in &ended {
                reader.end(range.partition)?;
                open -= 1;
            }
            if let Some(progress) = &mut progress {
                progress.show(read, self.clock.now_ns());
            }
        }
        if let Some(progress) = &progress {
            progress.finish();
        }
        Ok(())
    }

    /// Shows the letter of this position.
    ///
    /// # Errors
    /// [`exit::FAILED`] where none is there; those of [`Letters::read`].
    pub fn one(&self, at: Position, visit: &mut dyn FnMut(Letter, &Record)) -> Result<(), Fatal> {
        let range = Range { partition: at.partition, from: at.offset, until: at.offset + 1 };
        let is_kept = self.all(Some(at.partition))?.iter().any(|kept| kept.contains(at.offset));
        let mut is_found = false;
        if is_kept {
            self.read(&[range], &mut |letter, record| {
                is_found = record.position() == at;
                visit(letter, record);
                Ok(true)
            })?;
        }
        if is_found {
            return Ok(());
        }
        let what = format!("topic {} holds no letter at {}:{}", self.topic, at.partition, at.offset);
        Err(Fatal::new(exit::FAILED, what, format!("what is kept (partition: offsets): {}", in_words(&self.kept))))
    }
}
