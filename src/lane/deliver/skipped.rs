//! The dead letter of offsets that an operator passes over: a stub, since no record of them may be at hand.

use std::io::Write as _;

use super::dead_letter::DeadLetterHeaders;
use super::emit::{Emit, kept_partition};
use crate::doors::{Destination, Outgoing, Part, SendError, Sink, SourceRecord};
use crate::error::Reject;
use crate::observe::stats::LaneStats;
use crate::values::record::{Position, Tag};

/// Offsets of one partition that are passed over, and the place in the ledger that stands for them.
#[derive(Clone, Copy, Debug)]
pub(in crate::lane) struct Skipped {
    pub(in crate::lane) tag: Tag,
    pub(in crate::lane) first: Position,
    pub(in crate::lane) last: i64,
}

impl Emit {
    /// Hands over one dead letter for all of them. `now_ms`: wall clock.
    pub(super) fn skipped<R: SourceRecord, K: Sink<R>>(
        &mut self,
        Skipped { tag, first, last }: Skipped,
        sink: &mut K,
        stats: &LaneStats,
        now_ms: i64,
    ) -> Result<(), SendError> {
        let headers: &mut DeadLetterHeaders = &mut self.settings.headers;
        headers.fill(None::<&R>, Reject::Skipped, None, (first, tag.assignment()), now_ms);
        if stats.reject_examples.wants(Reject::Skipped) {
            stats.reject_examples.keep(Reject::Skipped, headers.example());
        }
        headers.write_position(first, &mut self.id);
        let mut last_text = Vec::with_capacity(20);
        // Writing to memory cannot fail.
        let _ = write!(last_text, "{last}");
        let headers = headers.list_up_to(&last_text);
        let destination = Destination::of(Reject::Skipped);
        let partition = kept_partition::<R, K>(self.settings.input_partitions, sink, destination, first.partition);
        let stub = Outgoing {
            destination,
            tag,
            partition,
            // A compacted topic takes nothing without key, and forgets what has no value.
            key: Part::Own(&self.id),
            value: Part::Own(&[]),
            timestamp_ms: Some(now_ms),
            headers: &headers,
            forward: false,
        };
        sink.send(&stub, None)
    }
}
