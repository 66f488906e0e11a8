//! Partitions that cannot be read on: they stop with an alarm, or go on behind records that were removed unread, where the
//! configuration says so. Nothing else is ever passed over.

use std::sync::Arc;

use crate::edge::{Clock, Delivery, Progress, Scorer, Sink, Source, Stop, Why};
use crate::error::Fatal;
use crate::observe::held_up::{HeldUp, StoppedPartition, WaitingPartition, one_line};
use crate::pipeline::lane::Lane;
use crate::pipeline::settings::OutOfRange;
use crate::pipeline::slots::{Phase, Waiting};
use crate::record::Position;

/// Offsets of a partition that were counted as lost. A partition that goes back to before them comes to them again.
#[derive(Debug, Default)]
pub struct Lost(Vec<(i32, i64, i64)>);

impl Lost {
    /// Notes `from..to` of a partition. Returns how many of them were not counted before.
    fn note(&mut self, partition: i32, from: i64, to: i64) -> u64 {
        let Some((_, known_from, known_to)) = self.0.iter_mut().find(|known| known.0 == partition) else {
            self.0.push((partition, from, to));
            return u64::try_from(to - from).unwrap_or(0);
        };
        let counted = (to.min(*known_to) - from.max(*known_from)).max(0);
        (*known_from, *known_to) = (from, to);
        u64::try_from(to - from - counted).unwrap_or(0)
    }
}

impl<S, M, K, D, C> Lane<S, M, K, D, C>
where
    S: Source,
    M: Scorer,
    K: Sink<S::Record>,
    D: Delivery<S, K>,
    C: Clock,
{
    /// The source cannot read a partition on.
    pub(super) fn cannot_read_on(&mut self, partition: i32, stop: Stop) -> Result<(), Fatal> {
        // One that is leaving, or has stopped already, says nothing new.
        if self.slots.by_partition(partition).is_none_or(|slot| slot.phase != Phase::Flowing) {
            return Ok(());
        }
        if let Some(first) = stop.first_kept() {
            let lost = self.lost.note(partition, stop.next, first);
            self.stats.records_lost.add(lost);
            if self.out_of_range == OutOfRange::Earliest {
                return self.pass_over(partition, &stop, first);
            }
        }
        self.stop_partition(partition, stop)
    }

    /// A jump of positions alone: what was taken in before is finished and committed as ever, and progress moves to `first`
    /// behind it.
    fn pass_over(&mut self, partition: i32, stop: &Stop, first: i64) -> Result<(), Fatal> {
        let (from, lost) = (stop.next, stop.lost());
        tracing::error!(
            partition,
            from,
            to = first,
            lost,
            "{}. The partition goes on at the first one kept: kafka.on_offset_out_of_range = \"earliest\"",
            stop.words
        );
        self.source.seek(Progress { partition, offset: first })?;
        if let Some(slot) = self.slots.by_partition(partition) {
            slot.goes_on_at = first;
            // The end that was told before is not where the source stands now.
            slot.end_reached = None;
        }
        Ok(())
    }

    /// Stops a partition with an alarm; it stays stopped until it is assigned anew.
    fn stop_partition(&mut self, partition: i32, stop: Stop) -> Result<(), Fatal> {
        let since_us = self.clock.wall_us();
        let Some(slot) = self.slots.by_partition(partition).filter(|slot| slot.phase == Phase::Flowing) else {
            return Ok(());
        };
        tracing::error!(
            partition,
            why = stop.why.name(),
            next = stop.next,
            lost = stop.lost(),
            "the partition is stopped, and the others go on: {stop}"
        );
        slot.phase = Phase::Failed;
        slot.stop = Some((Arc::new(stop), since_us));
        self.source.pause(&[partition])
    }

    /// The broker takes nothing of a record, whatever is tried.
    pub(super) fn stop_before(&mut self, at: Position) -> Result<(), Fatal> {
        let Position { partition, offset } = at;
        let stop = Stop {
            why: Why::OutcomeRefused,
            next: offset,
            kept: None,
            words: format!(
                "the brokers take nothing of the record at offset {offset} of partition {partition}: no output, no dead \
                 letter, no stub of one"
            ),
            fix: "the log's lines on this offset say what they refuse. Mend the dead-letter topic (max.message.bytes, \
                  message.timestamp.after.max.ms, cleanup.policy, the right Write), then restart this process: it goes on \
                  before this record"
                .to_owned(),
        };
        self.stop_partition(partition, stop)
    }

    /// What is held up, for readers. Nothing is made where nothing is.
    pub(super) fn show_held_up(&self) {
        let Ok(mut shown) = self.stats.held_up.try_lock() else { return };
        let HeldUp { stopped, waiting } = &mut *shown;
        stopped.clear();
        waiting.clear();
        for slot in self.slots.iter() {
            let partition = slot.partition;
            if let (Phase::Failed, Some((stop, since_us))) = (slot.phase, &slot.stop) {
                stopped.push(StoppedPartition { partition, since_ms: since_us / 1_000, stop: Arc::clone(stop) });
            } else if slot.waiting == Waiting::Paused
                && let Some((schema, _)) = self.intake.waits_for(slot.id)
            {
                let why = one_line(&self.intake.why_waiting(schema));
                let since_ms = slot.waits_since_us / 1_000;
                waiting.push(WaitingPartition { partition, since_ms, schema: schema.to_string(), why });
            }
        }
        stopped.sort_unstable_by_key(|of| of.partition);
        waiting.sort_unstable_by_key(|of| of.partition);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_that_was_counted_as_lost_is_not_counted_again() {
        let mut lost = Lost::default();
        assert_eq!(lost.note(0, 10, 15), 5);
        assert_eq!(lost.note(1, 10, 15), 5, "another partition");
        assert_eq!(lost.note(0, 7, 15), 3, "back to before them: what was taken in and not finished is lost as well");
        assert_eq!(lost.note(0, 7, 18), 3, "and more was removed meanwhile");
        assert_eq!(lost.note(0, 30, 32), 2);
    }
}
