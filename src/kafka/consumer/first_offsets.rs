//! Where a partition begins: the group's committed offset, or the first record. Where the whole group begins is fixed
//! before any lane is there (`kafka::cluster::starting_offsets`).

use super::source::KafkaSource;
use crate::doors::Progress;
use crate::error::Fatal;
use crate::kafka::cluster::offsets::FIRST;
use crate::kafka::failures::rights::GroupAndTopic;

impl KafkaSource {
    pub(super) fn named(&self) -> GroupAndTopic<'_> {
        GroupAndTopic { topic: self.member.topic(), group: &self.group, user: self.user.as_deref() }
    }

    /// Committed offsets; negative where there is none. While a transaction with offsets of these partitions is ending,
    /// the answer waits for its end ([`crate::values::limits::OFFSETS_HELD_MORE`]).
    pub(in crate::kafka) fn committed_offsets(&self, partitions: &[i32]) -> Result<Vec<Progress>, Fatal> {
        self.named().committed(self.member.client(), partitions, self.offsets_timeout)
    }

    /// Committed offsets. A partition without one was added after the group had begun: it begins at its first record,
    /// whatever `kafka.start_at` says, as a real offset, so that a crash before the first commit cannot move it.
    pub(super) fn first_offsets(&self, partitions: &[i32]) -> Result<Vec<Progress>, Fatal> {
        if partitions.is_empty() {
            // A round of a rebalance that only takes from others.
            return Ok(Vec::new());
        }
        let mut first = self.committed_offsets(partitions)?;
        let added: Vec<i32> = first.iter().filter(|at| at.offset < 0).map(|at| at.partition).collect();
        let begin = self.named().bounds(self.member.client(), &added, FIRST)?;
        for at in first.iter_mut().filter(|at| at.offset < 0) {
            let found = begin.iter().find(|begin| begin.partition == at.partition);
            at.offset = found.ok_or_else(|| self.failure("read a partition's first offset", "no answer"))?.offset;
            tracing::info!(
                partition = at.partition,
                offset = at.offset,
                "the partition is new to the group: it begins at its first record"
            );
        }
        Ok(first)
    }
}
