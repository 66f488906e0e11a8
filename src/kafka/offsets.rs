//! Where a partition begins: the group's committed offset, or the configured start.

use std::time::{Duration, Instant};

use rdkafka::bindings as rd;

use super::consumer::KafkaSource;
use super::native::{PartitionList, describe, is_moving_coordinator, timeout_ms};
use super::settings::StartAt;
use crate::edge::Progress;
use crate::error::{Fatal, exit};

/// How long a question that cannot wait for an answer later may take.
pub(super) const QUERY_TIMEOUT: Duration = Duration::from_secs(30);

/// A group's coordinator that moves or loads answers again after this long.
const COMMITTED_RETRY: Duration = Duration::from_millis(100);

impl KafkaSource {
    /// Committed offsets; negative where there is none. While a transaction with offsets of these partitions is ending,
    /// the answer waits for its end ([`crate::pipeline::limits::OFFSETS_HELD_MORE`]).
    pub(super) fn committed_offsets(&self, partitions: &[i32]) -> Result<Vec<Progress>, Fatal> {
        let list = PartitionList::of(&self.topic, partitions);
        let deadline = Instant::now() + self.offsets_timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            // SAFETY: client and list are alive; the call fills in the list's offsets.
            let err = unsafe { rd::rd_kafka_committed(self.client.as_ptr(), list.as_ptr(), timeout_ms(left)) };
            if left.is_zero() || !is_moving_coordinator(err) {
                self.check(err, "read the group's committed offsets")?;
                break;
            }
            std::thread::sleep(COMMITTED_RETRY);
        }
        let read = list.entries().into_iter().map(|(at, result)| {
            result.map(|()| at).map_err(|code| self.failure("read a committed offset", &describe(code)))
        });
        read.collect()
    }

    /// Committed offsets; where there are none, the configured start as a real offset, so that a crash before the
    /// first commit cannot move it.
    pub(super) fn first_offsets(&self, partitions: &[i32]) -> Result<Vec<Progress>, Fatal> {
        if partitions.is_empty() {
            // A round of a rebalance that only takes from others.
            return Ok(Vec::new());
        }
        let mut first = self.committed_offsets(partitions)?;
        for at in first.iter_mut().filter(|at| at.offset < 0) {
            at.offset = self.start_offset(at.partition)?;
        }
        Ok(first)
    }

    fn start_offset(&self, partition: i32) -> Result<i64, Fatal> {
        let Some(start_at) = self.start_at else {
            return Result::Err(Fatal::new(
                exit::CONFIG,
                format!(
                    "group {} has no committed offset for partition {partition}, and kafka.start_at is not set",
                    self.group
                ),
                "set kafka.start_at = \"earliest\" (score everything kept) or \"latest\" (only what is new)",
            ));
        };
        let (mut low, mut high) = (0, 0);
        // SAFETY: client and name are alive; both numbers are written on success.
        let err = unsafe {
            rd::rd_kafka_query_watermark_offsets(
                self.client.as_ptr(),
                self.topic.as_ptr(),
                partition,
                &mut low,
                &mut high,
                timeout_ms(QUERY_TIMEOUT),
            )
        };
        self.check(err, "read a partition's first and last offset")?;
        Ok(match start_at {
            StartAt::Earliest => low,
            StartAt::Latest => high,
        })
    }
}
