//! Every limit of the pipeline, named, with its unit.

use std::time::Duration;

/// A span on the clock that the lane counts with; one too long for it never ends.
pub fn nanoseconds(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Offsets that a killed process left in an open transaction are held back until the broker aborts that: after the
/// transaction's time-out ([`Limits::commit_timeout`]) and up to 10 s more. Whoever reads them waits so much longer.
pub const OFFSETS_HELD_MORE: Duration = Duration::from_secs(20);

/// How often a lane keeps its source awake: a rebalance waits for whoever hears of it last.
pub const KEEP_AWAKE_EVERY: Duration = Duration::from_millis(50);

/// How long a held lane waits for acknowledgements at a time.
pub const SINK_WAIT: Duration = Duration::from_millis(1);

/// Copies for review leave so long before the next commit, which waits for their acknowledgements.
pub const COPIES_LEAVE_BEFORE: Duration = Duration::from_millis(10);

/// And wait no longer than that, however rare commits are.
pub const COPIES_WAIT_MAX: Duration = Duration::from_millis(90);

/// How long a partition flows on while the answer for its schema is on its way: a pause throws away what the client has
/// fetched ahead, and most answers take less than a millisecond. What comes meanwhile counts as in flight.
pub const SCHEMA_MOMENT: Duration = Duration::from_millis(20);

/// Schemas of a registry that are kept on disk for an outage, at most. Far more than an input's producers have: what is
/// beyond was left behind by years of new versions.
pub const KEPT_SCHEMAS_MAX: usize = 10_000;

/// How long a sampled record waits for others before its challenger gets them: so much rarer is its thread woken.
pub const CHALLENGE_LINGER: Duration = Duration::from_millis(5);

/// How long a model that has failed too often in a row rests before it is tried again, where somebody else decides
/// meanwhile: so long at first, twice as long after each try that fails, up to the other.
pub const MODEL_REST_MIN: Duration = Duration::from_millis(10);
pub const MODEL_REST_MAX: Duration = Duration::from_secs(1);

/// A model that fails on and on is told of so often in the log.
pub const MODEL_FAILURES_TOLD_EVERY: Duration = Duration::from_secs(1);

/// How often a lane that stands still since its model gives no scores asks it again.
pub const HOLD_ASKS_EVERY: Duration = Duration::from_millis(10);

/// A challenger that is at one block of records for so long is shown as hanging.
pub const CHALLENGER_HANGS: Duration = Duration::from_secs(5);

/// At the end of a process a challenger that does not get on is waited for so long, and left.
pub const CHALLENGER_LEAVE: Duration = Duration::from_secs(2);

/// How often a lane shows its state to readers.
pub const PUBLISH_EVERY: Duration = Duration::from_millis(250);

/// A lane that was not seen for so long may have lost its partitions unawares. Shorter than any session: brokers allow none
/// below six seconds unless told to.
pub const STOOD_STILL: Duration = Duration::from_secs(5);

/// How soon after that its client has heard so: more than two heartbeats.
pub const HEARD_OF_LOSS: Duration = Duration::from_millis(500);

/// Bounds that one lane keeps. [`Default`] is what the configuration reference documents.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Rows of one model call at most. The probe may choose fewer, never more.
    pub batch_rows_max: usize,
    /// Records received whose outcomes are not all acknowledged; those that wait for a schema too.
    pub in_flight_records_max: usize,
    /// Their keys and values, and 64 bytes for each (`SourceRecord::size`); headers do not count. The record that
    /// reaches it is taken in.
    pub in_flight_bytes_max: usize,
    /// A record's value that is larger is a dead letter, unread.
    pub payload_bytes_max: usize,
    /// An outcome whose key and value are larger, a dead letter's headers counted too, is not handed to the producer: what goes
    /// out instead is a dead letter without payload.
    pub outcome_bytes_max: usize,
    /// How often progress is committed.
    pub commit_interval: Duration,
    /// How long a commit may take before the process ends.
    pub commit_timeout: Duration,
    /// How long partitions that the group wants back may drain before they are released all the same.
    pub revoke_timeout: Duration,
    /// How long a stop may drain.
    pub drain_timeout: Duration,
    /// How long intake may be blocked before partitions are paused, so that the group membership stays alive.
    pub pause_after: Duration,
    /// Longest wait for input when there is nothing else to do.
    pub idle_wait: Duration,
    /// So many model calls that fail in a row end the process.
    pub model_failures_max: u32,
    /// So many deaths of the process at one record, and nothing else, make a dead letter of it.
    pub crashes_max: u32,
    /// Deliveries of one partition that may fail in a row, without progress between: one more ends the process.
    pub delivery_failures_max: u32,
    /// How often a partition that waits for a schema asks again, and schemas that nobody knew are asked for.
    pub schema_retry: Duration,
    /// A duty cycle that takes longer ends the process, or a batch at the model's own thread: the lane hangs in the client or
    /// the model.
    pub watchdog_timeout: Duration,
    /// How long outcomes may wait for acknowledgement before the process reports itself not ready.
    pub sink_stall_unready: Duration,
}

impl Limits {
    /// How long the group's committed offsets may take to be read.
    pub fn offsets_timeout(&self) -> Duration {
        self.commit_timeout.saturating_add(OFFSETS_HELD_MORE)
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            batch_rows_max: 512,
            in_flight_records_max: 100_000,
            in_flight_bytes_max: 256 << 20,
            payload_bytes_max: 1 << 20,
            outcome_bytes_max: 1_000_000,
            commit_interval: Duration::from_millis(100),
            commit_timeout: Duration::from_secs(30),
            revoke_timeout: Duration::from_secs(20),
            drain_timeout: Duration::from_secs(25),
            pause_after: Duration::from_secs(1),
            idle_wait: Duration::from_millis(10),
            model_failures_max: 16,
            crashes_max: 3,
            delivery_failures_max: 8,
            schema_retry: Duration::from_secs(1),
            watchdog_timeout: Duration::from_secs(60),
            sink_stall_unready: Duration::from_secs(10),
        }
    }
}
