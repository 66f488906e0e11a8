//! The records that letters are of, read where they stood: each by its position, and in the order in which they lie.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::INSPECT_TIMEOUT;
use crate::doors::{Clock, Progress, Source as _, SourceEvent, SourceRecord};
use crate::error::{Fatal, exit};
use crate::kafka::cluster;
use crate::kafka::cluster::starting_offsets::{self, Kept};
use crate::kafka::consumer::RangeSource;
use crate::kafka::settings::KafkaSettings;
use crate::lane::clock::SystemClock;
use crate::piece::reader::{POLL, Record, SILENCE_MAX};
use crate::values::record::Position;

/// Records that are read in vain rather than asking for a place behind them anew.
const GAP_MAX: i64 = 200;

/// Records taken at once.
const ROOM: usize = 256;

/// Records by where they stood; those that are gone are not among them.
pub type Found = HashMap<(String, Position), Record>;

/// Reads records of any topics.
pub struct Originals<'a> {
    settings: &'a KafkaSettings,
    /// `None` where there is no such topic any more.
    topics: BTreeMap<String, Option<Topic>>,
}

struct Topic {
    name: String,
    source: RangeSource,
    kept: Vec<Kept>,
    clock: SystemClock,
}

impl<'a> Originals<'a> {
    pub fn new(settings: &'a KafkaSettings) -> Originals<'a> {
        Originals { settings, topics: BTreeMap::new() }
    }

    /// Reads these, in any order.
    ///
    /// # Errors
    /// [`exit::UNAVAILABLE`] when a topic may not be read, or the brokers do not answer.
    pub fn fetch<'s>(&mut self, wanted: impl Iterator<Item = (&'s str, Position)>) -> Result<Found, Fatal> {
        let mut by_topic: BTreeMap<&str, Vec<Position>> = BTreeMap::new();
        wanted.for_each(|(topic, at)| by_topic.entry(topic).or_default().push(at));
        let mut found = Found::new();
        for (name, mut positions) in by_topic {
            positions.sort_unstable();
            positions.dedup();
            if !self.topics.contains_key(name) {
                self.topics.insert(name.to_owned(), Topic::open(self.settings, name)?);
            }
            if let Some(Some(topic)) = self.topics.get_mut(name) {
                topic.fetch(&positions, &mut found)?;
            }
        }
        Ok(found)
    }

    /// Whether the brokers keep this position of a topic that was asked for: a record may stand there, or none may ever have.
    pub fn is_kept(&self, topic: &str, at: Position) -> bool {
        self.topics.get(topic).and_then(Option::as_ref).is_some_and(|topic| topic.keeps(at))
    }
}

impl Topic {
    fn keeps(&self, at: Position) -> bool {
        let kept = usize::try_from(at.partition).ok().and_then(|partition| self.kept.get(partition));
        kept.is_some_and(|kept| (kept.first..kept.end).contains(&at.offset))
    }

    fn open(settings: &KafkaSettings, name: &str) -> Result<Option<Topic>, Fatal> {
        let Some(partitions) = cluster::partitions_if_there(settings, name, INSPECT_TIMEOUT)? else { return Ok(None) };
        let kept = starting_offsets::kept(settings, name, partitions)?;
        let source = RangeSource::open_for_few(settings, name)?;
        Ok(Some(Topic { name: name.to_owned(), source, kept, clock: SystemClock::new() }))
    }

    fn fetch(&mut self, positions: &[Position], found: &mut Found) -> Result<(), Fatal> {
        let mut left: BTreeMap<i32, VecDeque<i64>> = BTreeMap::new();
        for at in positions {
            if self.keeps(*at) {
                left.entry(at.partition).or_default().push_back(at.offset);
            }
        }
        for (&partition, offsets) in &left {
            self.source.begin(Progress { partition, offset: offsets[0] })?;
        }
        let (mut records, mut silent_ns) = (Vec::new(), 0);
        while !left.is_empty() {
            let begun_ns = self.clock.now_ns();
            self.source.poll(POLL, ROOM, &mut records)?;
            let is_heard = !records.is_empty();
            for record in records.drain(..) {
                self.keep(record, &mut left, found)?;
            }
            while let Some(event) = self.source.next_event() {
                let SourceEvent::EndReached { partition, .. } = event else { continue };
                // The end was behind all of them when that was asked: what has not come is gone.
                if left.remove(&partition).is_some() {
                    self.source.end(partition)?;
                }
            }
            let waited_ns = self.clock.now_ns().saturating_sub(begun_ns);
            silent_ns = if is_heard { 0 } else { silent_ns + waited_ns };
            if silent_ns > SILENCE_MAX.as_nanos() as u64 {
                return Err(self.silence());
            }
        }
        Ok(())
    }

    fn keep(
        &mut self,
        record: Record,
        left: &mut BTreeMap<i32, VecDeque<i64>>,
        found: &mut Found,
    ) -> Result<(), Fatal> {
        let at = record.position();
        let Some(offsets) = left.get_mut(&at.partition) else { return Ok(()) };
        let before = offsets.len();
        // What lies before a record that has come, and has not come itself, is gone.
        while offsets.front().is_some_and(|offset| *offset < at.offset) {
            offsets.pop_front();
        }
        if offsets.front() == Some(&at.offset) {
            offsets.pop_front();
            found.insert((self.name.clone(), at), record);
        }
        match offsets.front().copied() {
            None => {
                left.remove(&at.partition);
                self.source.end(at.partition)
            }
            Some(next) if next - at.offset > GAP_MAX && offsets.len() < before => {
                self.source.end(at.partition)?;
                self.source.begin(Progress { partition: at.partition, offset: next })
            }
            Some(_) => Ok(()),
        }
    }

    fn silence(&self) -> Fatal {
        let why = self.source.complaint().text().map_or(String::new(), |why| format!(": {why}"));
        let what = format!("the brokers sent nothing of {} for {} s{why}", self.name, SILENCE_MAX.as_secs());
        Fatal::new(exit::UNAVAILABLE, what, "check that the brokers are reachable, and that partitions have leaders")
    }
}
