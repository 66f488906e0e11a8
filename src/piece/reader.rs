//! Reads ranges of a topic to their ends.

use std::time::Duration;

use super::ranges::Range;
use crate::doors::{Clock, Progress, Source, SourceEvent, SourceRecord};
use crate::error::{Fatal, exit};
use crate::kafka::consumer::RangeSource;

/// How long brokers may send neither a record nor the end of a partition.
pub const SILENCE_MAX: Duration = Duration::from_secs(30);

/// How long one wait for records may take: whoever is told to stop looks as often.
pub const POLL: Duration = Duration::from_millis(100);

pub type Record = <RangeSource as Source>::Record;

/// Ranges of a topic on their way, each of another partition.
pub struct Reader<C> {
    // Field order: records are let go before the client that they came from.
    records: Vec<Record>,
    /// Fetched behind the end of a range that may be extended.
    ahead: Vec<Record>,
    source: RangeSource,
    topic: String,
    open: Vec<Range>,
    /// Where partitions end, of those that were read so far.
    ends: Vec<Progress>,
    clock: C,
    /// For so long nothing has come, of the time that was spent waiting.
    silent_ns: u64,
}

impl<C: Clock> Reader<C> {
    /// Reads nothing yet. `topic` is that of `source`.
    pub fn new(source: RangeSource, topic: &str, clock: C) -> Reader<C> {
        Reader {
            records: Vec::new(),
            ahead: Vec::new(),
            source,
            topic: topic.to_owned(),
            open: Vec::new(),
            ends: Vec::new(),
            clock,
            silent_ns: 0,
        }
    }

    /// Reads this range as well. No other one of its partition is open.
    ///
    /// # Errors
    /// Those of [`RangeSource::begin`].
    pub fn begin(&mut self, range: Range) -> Result<(), Fatal> {
        self.silent_ns = 0;
        self.source.begin(Progress { partition: range.partition, offset: range.from })?;
        self.open.push(range);
        Ok(())
    }

    /// A range that is open ends here instead.
    pub fn extend(&mut self, to: Range) {
        self.open.iter_mut().filter(|range| range.partition == to.partition).for_each(|range| range.until = to.until);
    }

    /// Reads a partition no further.
    ///
    /// # Errors
    /// Those of [`RangeSource::end`].
    pub fn end(&mut self, partition: i32) -> Result<(), Fatal> {
        self.open.retain(|range| range.partition != partition);
        self.ends.retain(|end| end.partition != partition);
        self.ahead.retain(|record| record.position().partition != partition);
        self.source.end(partition)
    }

    /// Waits a moment for records, and returns those of the ranges, `room` at most, and ranges that have ended with them. Those
    /// stay open until they are extended or ended, which comes before the next call: what was fetched behind their ends waits.
    ///
    /// # Errors
    /// [`exit::UNAVAILABLE`] when the topic cannot be read on.
    pub fn poll(&mut self, room: usize, ended: &mut Vec<Range>) -> Result<&[Record], Fatal> {
        self.records.clear();
        ended.clear();
        let begun_ns = self.clock.now_ns();
        if self.ahead.is_empty() {
            self.source.poll(POLL, room, &mut self.ahead)?;
            while let Some(event) = self.source.next_event() {
                let SourceEvent::EndReached { partition, offset } = event else { continue };
                self.ends.retain(|end| end.partition != partition);
                self.ends.push(Progress { partition, offset });
            }
        }
        for record in std::mem::take(&mut self.ahead) {
            let at = record.position();
            let Some(range) = self.open.iter().find(|range| range.partition == at.partition) else { continue };
            // Markers or compaction may have taken the range's last offsets.
            if at.offset >= range.until - 1 && !ended.contains(range) {
                ended.push(*range);
            }
            if range.contains(at.offset) {
                self.records.push(record);
            } else if at.offset >= range.until {
                self.ahead.push(record);
            }
        }
        for range in &self.open {
            let is_over = |end: &Progress| end.partition == range.partition && end.offset >= range.until;
            if self.ends.iter().any(is_over) && !ended.contains(range) {
                ended.push(*range);
            }
        }
        let waited_ns = self.clock.now_ns().saturating_sub(begun_ns);
        let is_heard = !ended.is_empty() || !self.records.is_empty();
        self.silent_ns = if is_heard { 0 } else { self.silent_ns.saturating_add(waited_ns) };
        if self.silent_ns > SILENCE_MAX.as_nanos() as u64 { Err(self.silence()) } else { Ok(&self.records) }
    }

    /// What the last [`Reader::poll`] has returned, for whoever keeps records longer.
    pub fn take(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.records)
    }

    fn silence(&self) -> Fatal {
        let partitions = self.open.iter().map(|range| range.partition.to_string()).collect::<Vec<_>>().join(", ");
        let seconds = SILENCE_MAX.as_secs();
        let why = self.source.complaint().text().map_or(String::new(), |why| format!(": {why}"));
        let what = format!("the brokers sent nothing of {} (partitions {partitions}) for {seconds} s{why}", self.topic);
        Fatal::new(exit::UNAVAILABLE, what, "check that the brokers are reachable, and that partitions have leaders")
    }
}
