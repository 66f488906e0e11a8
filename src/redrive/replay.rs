//! Letters brought back: each record, taken where it stood, is written to the input again.
//!
//! Invariant: the group's offset of a partition is behind a letter only when its record is acknowledged, or when its fate was
//! told. With `delivery = "exactly_once"` both are one transaction; else a crash repeats one [`CHUNK_RECORDS`] or [`CHUNK_AGE`]
//! at most, also in the middle of a letter that stands for many records.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::CString;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::chunk::{Chunk, Part, next_in_letter};
use super::letter::{Letter, Source, is_of_letters};
use super::letters::Letters;
use super::originals::{Found, Originals};
use super::tally::{Fate, Original, Rules, Tally};
use super::turn::Turn;
use super::{INSPECT_TIMEOUT, ROOM, group};
use crate::config::{Config, DeliveryMode};
use crate::doors::{Clock, SourceRecord};
use crate::error::Fatal;
use crate::failpoint::{Point, pass};
use crate::kafka::client::NotedOffset;
use crate::kafka::cluster::{self, GroupProgress};
use crate::kafka::producer::{RecordSink, Transactions, Written};
use crate::kafka::settings::KafkaSettings;
use crate::lane::clock::SystemClock;
use crate::piece::progress::Progress as Bar;
use crate::piece::ranges::Range;
use crate::piece::reader::Record;
use crate::values::letters::REDRIVEN;

/// Records that are written between two commits, at most.
pub const CHUNK_RECORDS: usize = 250;

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
    /// Records brought back, at most.
    pub max: Option<u64>,
    /// Records in a second.
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

/// Told of each letter but those that are passed over, once its offset is committed: what became of how many records. One of many
/// records is told several times.
pub type Tell<'t> = &'t mut dyn FnMut(&Letter, Fate, u64) -> Result<(), Fatal>;

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
        let (ranges, begun) = left(piece, &group)?;
        let clock = SystemClock::new();
        let mut run = Run {
            replay: self,
            sink,
            group,
            originals: Originals::new(settings),
            into_partitions,
            clock,
            turn: Turn::new(self.options.rate, CHUNK_RECORDS, clock.now_ns()),
            chunk: Chunk::default(),
            tally: Tally::default(),
            asked: 0,
            begun,
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

/// By partition the letter that an earlier run has begun: its offset, and that of the record that comes next in its source.
type Begun = BTreeMap<i32, (i64, i64)>;

/// What the group has not finished of a piece.
fn left(piece: Vec<Range>, group: &GroupProgress) -> Result<(Vec<Range>, Begun), Fatal> {
    let partitions: Vec<i32> = piece.iter().map(|range| range.partition).collect();
    let committed = group.committed(&partitions)?;
    let begun = committed.iter().flatten();
    let begun =
        begun.filter_map(|noted| Some((noted.at.partition, (noted.at.offset, next_in_letter(noted)?)))).collect();
    let rest = |(range, committed): (Range, Option<NotedOffset>)| Range {
        from: committed.map_or(range.from, |committed| range.from.max(committed.at.offset)),
        ..range
    };
    let ranges = piece.into_iter().zip(committed).map(rest).filter(|range| range.from < range.until).collect();
    Ok((ranges, begun))
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
    /// Records brought back or about to be.
    asked: u64,
    begun: Begun,
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
                self.finish(&mut bar, tell)?;
                return Ok(true);
            }
            reader.poll(ROOM, &mut ended)?;
            queue.extend(reader.take());
            while let Some(record) = queue.pop_front() {
                if self.stop.load(Ordering::Relaxed) || !self.take(record, &mut bar, tell)? {
                    self.finish(&mut bar, tell)?;
                    return Ok(true);
                }
            }
            for range in &ended {
                reader.end(range.partition)?;
                open -= 1;
                self.chunk.end(range.partition, range.until);
            }
            if self.chunk.is_due(self.turn.records_max(), self.clock.now_ns()) {
                self.finish(&mut bar, tell)?;
            }
            bar.show(self.tally.letters(), self.clock.now_ns());
        }
        self.finish(&mut bar, tell)?;
        bar.finish();
        Ok(false)
    }

    /// Takes a letter, chunk after chunk where it stands for many records; `false` where it would be one too many.
    fn take(&mut self, record: Record, bar: &mut Bar, tell: Tell<'_>) -> Result<bool, Fatal> {
        let letter = Letter::read(&record);
        let fate = self.replay.options.rules.refuse(&letter);
        if fate == Some(Fate::NotMatched) {
            self.chunk.pass_over(letter.at, self.clock.now_ns());
            return Ok(true);
        }
        let (record, mut offsets) = (Rc::new(record), self.offsets_left(&letter));
        loop {
            let max = self.replay.options.max.map_or(u64::MAX, |max| max.saturating_sub(self.asked));
            if fate.is_none() && max == 0 {
                return Ok(false);
            }
            let room = self.chunk.room(self.turn.records_max()).max(1) as u64;
            let until = offsets.end.min(offsets.start.saturating_add_unsigned(room.min(max)));
            let is_last = fate.is_some() || until == offsets.end;
            let (letter, record) = (letter.clone(), record.clone());
            self.asked += if fate.is_none() { (until - offsets.start).max(1) as u64 } else { 0 };
            self.chunk.add(Part { letter, record, fate, offsets: offsets.start..until, is_last }, self.clock.now_ns());
            offsets.start = until;
            if self.chunk.is_due(self.turn.records_max(), self.clock.now_ns()) {
                self.finish(bar, tell)?;
            }
            if is_last || self.stop.load(Ordering::Relaxed) {
                return Ok(is_last);
            }
        }
    }

    /// Where the records of a letter stood that an earlier run has not brought back.
    fn offsets_left(&mut self, letter: &Letter) -> std::ops::Range<i64> {
        let Some(source) = &letter.source else { return 0..0 };
        let begun = self.begun.remove(&letter.at.partition).filter(|(offset, _)| *offset == letter.at.offset);
        let next = begun.map(|(_, next)| next).filter(|next| (source.at.offset..=source.last).contains(next));
        next.unwrap_or(source.at.offset)..source.last + 1
    }

    /// Writes the records of the chunk, and commits it.
    fn finish(&mut self, bar: &mut Bar, tell: Tell<'_>) -> Result<(), Fatal> {
        let chunk = std::mem::take(&mut self.chunk);
        let offsets = chunk.offsets();
        if offsets.is_empty() {
            return Ok(());
        }
        let asked = chunk.parts.iter().filter(|part| part.fate.is_none());
        let found = self.originals.fetch(asked.flat_map(Part::positions))?;
        pass(Point::ReplayAfterRead);
        if chunk.asks() {
            // Before the transaction begins, which may not wait for long.
            self.wait_for_turn()?;
        }
        if let Some(sink) = &mut self.sink {
            sink.begin()?;
        }
        let mut fates = Vec::with_capacity(chunk.parts.len());
        for part in &chunk.parts {
            fates.push(self.bring(part, &found)?);
        }
        self.commit(&offsets)?;
        for (part, fates) in chunk.parts.iter().zip(fates) {
            for (fate, records) in fates {
                self.tally.add(fate, records);
                bar.aside(|| tell(&part.letter, fate, records))?;
            }
            self.tally.finish_letters(u64::from(part.is_last));
        }
        self.tally.add(Fate::NotMatched, chunk.passed_over);
        self.tally.finish_letters(chunk.passed_over);
        bar.show(self.tally.letters(), self.clock.now_ns());
        Ok(())
    }

    /// Hands over what is to be brought back of a part. Returns the fates of its records, with how many had each.
    fn bring(&mut self, part: &Part, found: &Found) -> Result<Vec<(Fate, u64)>, Fatal> {
        if let Some(fate) = part.fate {
            return Ok(vec![(fate, 1)]);
        }
        let (mut fates, mut places) = (BTreeMap::new(), part.positions().peekable());
        if places.peek().is_none() {
            return Ok(vec![(self.bring_one(part, None)?, 1)]);
        }
        let is_range = part.letter.source.as_ref().is_some_and(Source::is_range);
        for (topic, at) in places {
            let original = found.get(&(topic.to_owned(), at));
            if is_range && original.is_none() && self.originals.is_kept(topic, at) {
                // A marker of a transaction, say: nobody has asked for it, and it is none of those that are brought back.
                self.asked -= 1;
                continue;
            }
            *fates.entry(self.bring_one(part, original)?).or_insert(0) += 1;
        }
        Ok(fates.into_iter().collect())
    }

    fn bring_one(&mut self, part: &Part, original: Option<&Record>) -> Result<Fate, Fatal> {
        let stands = original.map(Original::of);
        let fate = self.replay.options.rules.bring(&part.letter, stands);
        if fate.is_replayed() {
            let attempt = part.letter.attempt_with(stands);
            self.write(part, original.filter(|_| fate == Fate::FromSource), attempt)?;
            pass(Point::ReplayInProduce);
        }
        Ok(fate)
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
    fn write(&mut self, part: &Part, original: Option<&Record>, attempt: u32) -> Result<(), Fatal> {
        self.wait_for_turn()?;
        self.turn.take(self.clock.now_ns());
        let Some(sink) = &mut self.sink else { return Ok(()) };
        let letter = &part.letter;
        let record = original.unwrap_or(&part.record);
        let timestamp_ms = match original {
            Some(original) => original.timestamp_ms(),
            None => letter.source_ms.unwrap_or(letter.timestamp_ms),
        };
        let source = letter.source.as_ref().filter(|source| source.topic == self.replay.into);
        let partition = source.map(|source| source.at.partition).filter(|partition| *partition < self.into_partitions);
        let (name, attempt) = (header_name(), attempt.to_string());
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

    fn commit(&mut self, progress: &[NotedOffset]) -> Result<(), Fatal> {
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
