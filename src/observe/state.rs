//! What the endpoints show, as whoever runs the process puts it together.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Serialize;

use super::cells::Mark;
use super::challengers::ShownChallenger;
use super::crashes::CrashStatus;
use super::dead_letter_share::SharedShare;
use super::registry::RegistryStatus;
use super::stats::LaneStats;
use crate::doors::Clock;
use crate::memory;
use crate::values::limits::Limits;
use crate::values::topics::Topics;

/// How much longer than a session the group may be silent: a rebalance waits for a member that is gone as long as that one's
/// session.
pub const CONTACT_GRACE: Duration = Duration::from_secs(2);

/// The model that scores, as it was verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModelInfo {
    pub name: String,
    pub version: String,
    pub sha256: String,
    /// The provider really used: `CPU` or `CUDA`.
    pub provider: String,
    /// Who scores each of its tree ensembles.
    pub trees: Vec<String>,
    /// How much the heap grew when the sessions of all lanes were loaded.
    pub native_bytes: u64,
}

/// Where the process is in its life; set by whoever runs it.
#[derive(Debug, Default)]
pub struct Phase {
    /// The model is verified and warm.
    warm: AtomicBool,
    stopping: AtomicBool,
}

impl Phase {
    pub fn set_warm(&self) {
        self.warm.store(true, Ordering::Release);
    }

    pub fn is_warm(&self) -> bool {
        self.warm.load(Ordering::Acquire)
    }

    /// From here on the process drains and is not ready.
    pub fn set_stopping(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }
}

/// Everything that the endpoints show.
pub struct AdminState {
    pub node: String,
    pub group: String,
    pub topics: Topics,
    pub lanes: Vec<Arc<LaneStats>>,
    pub model: ModelInfo,
    pub limits: Limits,
    /// How long the group may be silent before the process is not ready.
    pub contact_timeout: Duration,
    /// The limits by their configuration names, for `/status`.
    pub limits_shown: serde_json::Value,
    pub phase: Arc<Phase>,
    /// The share of dead letters, as whoever conducts the lanes counts it.
    pub dead_letter_share: SharedShare,
    pub challengers: Vec<ShownChallenger>,
    /// Where a schema registry is configured.
    pub registry: Option<Arc<RegistryStatus>>,
    /// Where the node has a state directory.
    pub crashes: Option<Arc<CrashStatus>>,
    /// The clock that the lanes stamp their cycles with.
    pub clock: Arc<dyn Clock + Send + Sync>,
    /// The clock's time at start, nanoseconds.
    pub started_ns: u64,
}

impl fmt::Debug for AdminState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminState").field("node", &self.node).field("lanes", &self.lanes.len()).finish_non_exhaustive()
    }
}

impl AdminState {
    /// What the heap holds apart from the models: the Kafka clients' queues, buffers and TLS, and a few megabytes of the
    /// lanes and this page.
    pub fn client_native_bytes(&self) -> u64 {
        let challengers: u64 = self.challengers.iter().map(|of| of.package.native_bytes).sum();
        memory::heap_bytes().saturating_sub(self.model.native_bytes + challengers)
    }

    pub fn uptime(&self) -> Duration {
        Duration::from_nanos(self.clock.now_ns().saturating_sub(self.started_ns))
    }

    /// How long something has lasted whose begin stands in a mark of wall-clock milliseconds; nothing where that is 0.
    pub fn lasts(&self, mark: &Mark) -> Duration {
        match mark.get() {
            0 => Duration::ZERO,
            since => {
                let now_ms = u64::try_from(self.wall_ms()).unwrap_or(0);
                Duration::from_millis(now_ms.saturating_sub(since))
            }
        }
    }

    /// Wall clock, milliseconds since the epoch.
    pub fn wall_ms(&self) -> i64 {
        self.clock.wall_us() / 1_000
    }

    pub fn now_ms(&self) -> u64 {
        self.clock.now_ns() / 1_000_000
    }

    /// How long ago it was what stands in a mark of monotonic milliseconds; `None` where it never was.
    pub fn since(&self, mark: &Mark) -> Option<Duration> {
        let at_ms = mark.get();
        (at_ms > 0).then(|| Duration::from_millis(self.now_ms().saturating_sub(at_ms)))
    }
}
