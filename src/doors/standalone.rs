//! A source without a group: it reads the partitions it is told to, from where it is told to, and keeps no progress. For
//! input that is read once, up to an end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::{Complaint, Group, PartitionLag, Progress, Source, SourceEvent, Waker};
use crate::error::Fatal;

/// Stands for the group of a source that has none: all partitions come at once, none is ever asked back or lost, and every
/// commit is confirmed, since nobody reads on after it.
#[derive(Debug)]
pub struct Standalone<S> {
    source: S,
    from: Vec<Progress>,
    events: VecDeque<SourceEvent>,
}

impl<S: Source> Standalone<S> {
    /// Reads these partitions from these offsets; `source` stands there already.
    pub fn new(source: S, from: Vec<Progress>) -> Standalone<S> {
        let partitions = from.iter().map(|first| first.partition).collect();
        Standalone { source, from, events: VecDeque::from([SourceEvent::Assigned(partitions)]) }
    }
}

impl<S: Source> Source for Standalone<S> {
    type Record = S::Record;

    fn poll(&mut self, wait: Duration, room: usize, out: &mut Vec<S::Record>) -> Result<(), Fatal> {
        self.source.poll(wait, room, out)
    }

    fn waker(&self) -> Waker {
        self.source.waker()
    }

    fn next_event(&mut self) -> Option<SourceEvent> {
        self.events.pop_front().or_else(|| self.source.next_event())
    }

    fn pause(&mut self, partitions: &[i32]) -> Result<(), Fatal> {
        self.source.pause(partitions)
    }

    fn resume(&mut self, partitions: &[i32]) -> Result<(), Fatal> {
        self.source.resume(partitions)
    }

    fn seek(&mut self, to: Progress) -> Result<(), Fatal> {
        self.source.seek(to)
    }

    fn position(&mut self, partition: i32) -> Option<i64> {
        self.source.position(partition)
    }

    fn lag(&mut self, partition: i32) -> PartitionLag {
        self.source.lag(partition)
    }

    fn complaint(&self) -> Arc<Complaint> {
        self.source.complaint()
    }
}

impl<S: Source> Group for Standalone<S> {
    fn assign(&mut self, partitions: &[i32]) -> Result<Vec<Progress>, Fatal> {
        Ok(self.from.iter().filter(|first| partitions.contains(&first.partition)).copied().collect())
    }

    fn release(&mut self, _: &[i32]) -> Result<(), Fatal> {
        Ok(())
    }

    fn commit(&mut self, progress: &[Progress]) -> Result<(), Fatal> {
        self.events.push_back(SourceEvent::Committed { progress: progress.to_vec(), result: Ok(()) });
        Ok(())
    }

    fn close(&mut self, _: Duration) -> bool {
        true
    }
}
