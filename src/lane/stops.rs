//! Partitions that cannot be read on: they stop with an alarm, or go on behind records that were removed unread, where the
//! configuration says so. Nothing else is ever passed over.

use crate::doors::{Clock, Progress, Source, Stop, Why};
use crate::error::Fatal;
use crate::lane::drive::Lane;
use crate::lane::types::LaneTypes;
use crate::values::record::Position;
use crate::values::settings::OutOfRange;

impl<T: LaneTypes> Lane<T> {
    /// The source cannot read a partition on.
    pub(super) fn cannot_read_on(&mut self, partition: i32, stop: Stop) -> Result<(), Fatal> {
        // One that is leaving, or has stopped already, says nothing new.
        if self.ledger.of_partition(partition).is_none_or(|assignment| !assignment.flow().is_open()) {
            return Ok(());
        }
        let lost = self.ledger.count_removed(partition, &stop);
        self.telemetry.stats.records_lost.add(lost);
        match stop.first_kept() {
            Some(first) if self.group.out_of_range() == OutOfRange::Earliest => self.pass_over(partition, &stop, first),
            _ => self.stop_partition(partition, stop),
        }
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
        if let Some(mut assignment) = self.ledger.of_partition(partition) {
            assignment.jump(first);
        }
        Ok(())
    }

    /// Stops a partition with an alarm; it stays stopped until it is assigned anew, or an operator moves it.
    fn stop_partition(&mut self, partition: i32, stop: Stop) -> Result<(), Fatal> {
        let since_us = self.clock.wall_us();
        let found = self.ledger.of_partition(partition).filter(|assignment| assignment.flow().is_open());
        let Some(mut assignment) = found else { return Ok(()) };
        tracing::error!(
            partition,
            why = stop.why.name(),
            next = stop.next,
            lost = stop.lost(),
            "the partition is stopped, and the others go on: {stop}"
        );
        assignment.stop(stop, since_us);
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
            fix: format!(
                "the log's lines on this offset say what they refuse. Mend the dead-letter topic (max.message.bytes, \
                 message.timestamp.after.max.ms, cleanup.policy, the right Write), then let the record be tried again: \
                 `scorewire seek TOPIC:{partition}:{offset}`, or restart this process. To pass it over: `scorewire skip \
                 TOPIC:{partition}:{offset}`. Both are commands for this node, with node.state_directory"
            ),
        };
        self.stop_partition(partition, stop)
    }
}
