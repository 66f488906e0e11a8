//! Letters brought back: each record, taken where it stood, is written to the input again.
//!
//! Invariant: the group's offset of a partition is behind a letter only when its record is acknowledged, or when its fate was
//! told. With `delivery = "exactly_once"` both are one transaction; else a crash repeats one [`CHUNK_LETTERS`] or [`CHUNK_AGE`]
//! at most.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::CString;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::letter::{Letter, is_of_letters};
use super::letters::Letters;
use super::originals::Originals;
use super::tally::{Fate, Rules, Tally, bring};
use super::turn::Turn;
use super::{INSPECT_TIMEOUT, ROOM, group};
use crate::config::{Config, DeliveryMode};
use crate::doors::{Clock, Progress, SourceRecord};
use crate::error::Fatal;
use crate::failpoint::{Point, pass};
use crate::kafka::cluster::{self, GroupProgress};
use crate::kafka::producer::{RecordSink, Transactions, Written};
use crate::kafka::settings::KafkaSettings;
use crate::lane::clock::SystemClock;
use crate::piece::progress::Progress as Bar;
use crate::piece::ranges::Range;
use crate::piece::reader::Record;
use crate::values::letters::REDRIVEN;
use crate::values::record::Position;

/// Records that are written between two commits, at most.
pub const CHUNK_LETTERS: usize = 250;

/// Bytes of letters that wait for a commit, at most but for the last one.
const CHUNK_BYTES: usize = 8 * 1024 * 1024;

/// How long a letter waits for its commit, but for the time that brokers take.
pub const CHUNK_AGE: Duration = Duration::from_secs(1);

/// How long the brokers may take to acknowledge a chunk: longer than a failover.
const DRAIN: Duration = Duration::from_secs(120);

/// How often a wait for the next letter's turn looks at acknowledgements, and whether to stop.
const TURN: Duration = Duration::from_millis(50);

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// The topic of letters.
    pub topic: String,
    /// Where records go; by default they go back to the input, and those of other topics nowhere.
    pub into: Option<String>,
    pub rules: Rules,
    /// Letters brought back, at most.
    pub max: Option<u64>,
    /// Letters in a second.
    pub rate: Option<f64>,
    /// Everything but writing and committing.
    pub is_dry: bool,
    /// By default the name comes of the configuration's group and the filters.
    pub group: Option<String>,
}

/// How a replay ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    pub tally: Tally,
    /// It was told to stop, or has brought back as many as it may: letters are left.
    pub is_early: bool,
}

/// A replay that is about to begin.
pub struct Replay<'a> {
    config: &'a Config,
    options: &'a Options,
    group: String,
    into: String,
}

/// Told of each letter but those that are passed over, once its offset is committed.
pub type Tell<'t> = &'t mut dyn FnMut(&Letter, Fate) -> Result<(), Fatal>;

impl<'a> Replay<'a> {
    pub fn new(config: &'a Config, options: &'a Options) -> Replay<'a> {
        let into = options.into.clone().unwrap_or_else(|| config.topics.input().to_owned());
        let named = || group::name(&config.kafka.group, &options.topic, &into, &options.rules.filters);
        Replay { group: options.group.clone().unwrap_or_else(named), config, options, into }
    }

    /// The group that keeps how far it is.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// Where records go.
    pub fn into(&self) -> &str {
        &self.into
    }

    /// Brings letters back, up to where the topic ended at the start.
    ///
    /// # Errors
    /// [`crate::error::exit::UNAVAILABLE`] when the cluster does not answer, a topic is not there or a right is missing;
    /// [`crate::error::exit::DELIVERY`] when a record is not taken; [`crate::error::exit::USAGE`] where a place cannot be meant.
    pub fn run(&self, stop: &AtomicBool, tell: Tell<'_>) -> Result<Ended, Fatal> {
        let settings = &self.config.kafka;
        let letters = Letters::find(settings, &self.options.topic)?;
        let into_partitions = cluster::partitions_to_write(settings, &self.into, INSPECT_TIMEOUT)?;
        let piece = letters.piece(&self.options.rules.filters)?;
        let of_group = KafkaSettings { group: self.group.clone(), ..settings.clone() };
        // In this order: whoever had the transactions' name can move no offset once it is ours.
        let sink = if self.options.is_dry { None } else { Some(self.sink()?) };
        let group = GroupProgress::open(of_group, &self.options.topic)?;
        let ranges = left(piece, &group)?;
        let clock = SystemClock::new();
        let mut run = Run {
            replay: self,
            sink,
            group,
            originals: Originals::new(settings),
            into_partitions,
            clock,
            turn: Turn::new(self.options.rate, CHUNK_LETTERS, clock.now_ns()),
            chunk: Chunk::default(),
            tally: Tally::default(),
            asked: 0,
            stop,
        };
        let is_early = run.all(&letters, &ranges, tell)?;
        Ok(Ended { tally: run.tally, is_early })
    }

    fn sink(&self) -> Result<RecordSink, Fatal> {
        let transactions = (self.config.delivery == DeliveryMode::ExactlyOnce).then(|| Transactions {
            id: group::transactional_id(&self.config.kafka.group, &self.group),
            group: self.group.clone(),
            timeout: self.config.limits.commit_timeout,
        });
        RecordSink::open(&self.config.kafka, &self.into, transactions)
    }
}

/// What the group has not finished of a piece.
fn left(piece: Vec<Range>, group: &GroupProgress) -> Result<Vec<Range>, Fatal> {
    let partitions: Vec<i32> = piece.iter().map(|range| range.partition).collect();
    let committed = group.committed(&partitions)?;
    let rest = |(range, committed): (Range, Option<i64>)| Range {
        from: range.from.max(committed.unwrap_or(range.from)),
        ..range
    };
    Ok(piece.into_iter().zip(committed).map(rest).filter(|range| range.from < range.until).collect())
}

/// A letter on its way, with its fate where that is known before its record was looked for.
struct Pending {
    letter: Letter,
    record: Record,
    fate: Option<Fate>,
}

/// What becomes durable together.
#[derive(Default)]
struct Chunk {
    pending: Vec<Pending>,
    /// Letters to be brought back.
    asked: usize,
    bytes: usize,
    /// The next offset of each partition.
    progress: BTreeMap<i32, i64>,
    begun_ns: Option<u64>,
    passed_over: u64,
}

impl Chunk {
    fn progress(&self) -> Vec<Progress> {
        self.progress.iter().map(|(&partition, &offset)| Progress { partition, offset }).collect()
    }

    fn is_due(&self, letters_max: usize, now_ns: u64) -> bool {
        let age_ns = self.begun_ns.map_or(0, |begun_ns| now_ns.saturating_sub(begun_ns));
        self.asked >= letters_max || self.bytes >= CHUNK_BYTES || u128::from(age_ns) >= CHUNK_AGE.as_nanos()
    }
}

struct Run<'a> {
    replay: &'a Replay<'a>,
    /// Without one everything is done but writing and committing.
    sink: Option<RecordSink>,
    group: GroupProgress,
    originals: Originals<'a>,
    into_partitions: i32,
    clock: SystemClock,
    turn: Turn,
    chunk: Chunk,
    tally: Tally,
    /// Letters brought back or about to be.
    asked: u64,
    stop: &'a AtomicBool,
}

impl Run<'_> {
    /// Returns whether letters are left that were asked for.
    fn all(&mut self, letters: &Letters<'_>, ranges: &[Range], tell: Tell<'_>) -> Result<bool, Fatal> {
        let total = ranges.iter().map(Range::offsets).sum();
        let mut bar = Bar::start("bringing dead letters back", total, self.clock.now_ns());
        let mut reader = letters.reader(ranges)?;
        let (mut open, mut ended, mut queue) = (ranges.len(), Vec::new(), VecDeque::new());
        while open > 0 {
            if self.stop.load(Ordering::Relaxed) {
                self.finish(&bar, tell)?;
                return Ok(true);
            }
            reader.poll(ROOM, &mut ended)?;
            queue.extend(reader.take());
            while let Some(record) = queue.pop_front() {
                if self.stop.load(Ordering::Relaxed) || !self.add(record) {
                    self.finish(&bar, tell)?;
                    return Ok(true);
                }
                if self.chunk.is_due(self.turn.letters_max(), self.clock.now_ns()) {
                    self.finish(&bar, tell)?;
                    bar.show(self.tally.letters(), self.clock.now_ns());
                }
            }
            for range in &ended {
                reader.end(range.partition)?;
                open -= 1;
                // Markers of transactions behind the last letter are finished too.
                self.chunk.progress.insert(range.partition, range.until);
            }
            if self.chunk.is_due(self.turn.letters_max(), self.clock.now_ns()) {
                self.finish(&bar, tell)?;
            }
            bar.show(self.tally.letters(), self.clock.now_ns());
        }
        self.finish(&bar, tell)?;
        bar.finish();
        Ok(false)
    }

    /// Takes a letter; `false` where it would be one too many.
    fn add(&mut self, record: Record) -> bool {
        let letter = Letter::read(&record);
        let fate = self.replay.options.rules.refuse(&letter);
        if fate.is_none() {
            if self.replay.options.max.is_some_and(|max| self.asked >= max) {
                return false;
            }
            self.asked += 1;
            self.chunk.asked += 1;
        }
        let Position { partition, offset } = letter.at;
        self.chunk.begun_ns.get_or_insert(self.clock.now_ns());
        self.chunk.progress.insert(partition, offset + 1);
        if fate == Some(Fate::NotMatched) {
            self.chunk.passed_over += 1;
            return true;
        }
        self.chunk.bytes += record.size();
        self.chunk.pending.push(Pending { letter, record, fate });
        true
    }

    /// Writes the records of the chunk, and commits it.
    fn finish(&mut self, bar: &Bar, tell: Tell<'_>) -> Result<(), Fatal> {
        let chunk = std::mem::take(&mut self.chunk);
        if chunk.progress.is_empty() {
            return Ok(());
        }
        let asked = chunk.pending.iter().filter(|pending| pending.fate.is_none());
        let found = self.originals.fetch(asked.filter_map(|pending| pending.letter.source.as_ref()))?;
        pass(Point::ReplayAfterRead);
        if chunk.asked > 0 {
            // Before the transaction begins, which may not wait for long.
            self.wait_for_turn()?;
        }
        if let Some(sink) = &mut self.sink {
            sink.begin()?;
        }
        let mut fates = Vec::with_capacity(chunk.pending.len());
        for pending in &chunk.pending {
            let original = pending.letter.source.as_ref().and_then(|of| found.get(&(of.topic.clone(), of.at)));
            let fate = pending.fate.unwrap_or_else(|| bring(&pending.letter, original.map(Record::timestamp_ms)));
            if fate.is_replayed() {
                self.write(pending, original.filter(|_| fate == Fate::FromSource))?;
                pass(Point::ReplayInProduce);
            }
            fates.push(fate);
        }
        self.commit(&chunk.progress())?;
        for (pending, fate) in chunk.pending.iter().zip(fates) {
            self.tally.add(fate);
            bar.aside(|| tell(&pending.letter, fate))?;
        }
        (0..chunk.passed_over).for_each(|_| self.tally.add(Fate::NotMatched));
        Ok(())
    }

    fn wait_for_turn(&mut self) -> Result<(), Fatal> {
        let Some(sink) = &mut self.sink else { return Ok(()) };
        loop {
            let left = Duration::from_nanos(self.turn.next_ns().saturating_sub(self.clock.now_ns()));
            if left.is_zero() || self.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            sink.serve(left.min(TURN))?;
        }
    }

    /// Hands over the record as it stood in the source, or as the letter has it.
    fn write(&mut self, pending: &Pending, original: Option<&Record>) -> Result<(), Fatal> {
        self.wait_for_turn()?;
        self.turn.take(self.clock.now_ns());
        let Some(sink) = &mut self.sink else { return Ok(()) };
        let letter = &pending.letter;
        let record = original.unwrap_or(&pending.record);
        let timestamp_ms = match original {
            Some(original) => original.timestamp_ms(),
            None => letter.source_ms.unwrap_or(letter.timestamp_ms),
        };
        let source = letter.source.as_ref().filter(|source| source.topic == self.replay.into);
        let partition = source.map(|source| source.at.partition).filter(|partition| *partition < self.into_partitions);
        let (name, attempt) = (header_name(), letter.attempt.to_string());
        let written = Written {
            partition,
            timestamp_ms: (timestamp_ms >= 0).then_some(timestamp_ms),
            header: (&name, attempt.as_bytes()),
        };
        let is_original = original.is_some();
        sink.send(record, &written, |name| {
            // The source's own headers may be anybody's; the letter's are about the letter.
            if is_original { name != REDRIVEN.as_bytes() } else { !is_of_letters(name) }
        })
    }

    fn commit(&mut self, progress: &[Progress]) -> Result<(), Fatal> {
        let Some(sink) = &mut self.sink else { return Ok(()) };
        sink.drain(DRAIN, &self.clock)?;
        pass(Point::ReplayAfterProduce);
        if self.replay.config.delivery == DeliveryMode::ExactlyOnce {
            sink.send_offsets(&self.replay.options.topic, progress)?;
            pass(Point::ReplayBeforeCommit);
            sink.commit(&self.clock)?;
        } else {
            pass(Point::ReplayBeforeCommit);
            self.group.commit(progress)?;
        }
        pass(Point::ReplayAfterCommit);
        Ok(())
    }
}

fn header_name() -> CString {
    CString::new(REDRIVEN).expect("a constant name holds no NUL")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_due_by_letters_by_bytes_or_by_age() {
        let chunk = |asked, bytes, begun_ns| Chunk { asked, bytes, begun_ns, ..Chunk::default() };
        let second_ns = CHUNK_AGE.as_nanos() as u64;
        assert!(!chunk(9, 9, Some(5)).is_due(10, 5 + second_ns - 1));
        assert!(chunk(10, 9, Some(5)).is_due(10, 5) && chunk(9, CHUNK_BYTES, Some(5)).is_due(10, 5));
        assert!(chunk(0, 0, Some(5)).is_due(10, 5 + second_ns) && !chunk(0, 0, None).is_due(10, second_ns * 9));
    }
}
