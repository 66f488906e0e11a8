//! The functions of the client that have ours before them by the linker's doing (`scripts/build.rs`), and whether they have.
//! Where the linker leaves the client as it is, nobody says so; but settings rely on ours, and so does what is believed of a
//! transaction's end.

pub mod batch_hand_over;
#[cfg(wrapped_client)]
mod fetch_all_partitions;
#[cfg(wrapped_client)]
mod producer_without_spin;
#[cfg(wrapped_client)]
mod rebootstrap;
pub(super) mod request_retries;
pub(super) mod review_linger;

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use crate::error::{Fatal, exit};

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Wrapped {
    ConsumerTopparServe,
    FetchToppars,
    BufRetry,
    AllowWakeupAt,
    ParseMetadata,
    RebootstrapStop,
    IoServe,
}

impl Wrapped {
    pub const ALL: [Wrapped; 7] = [
        Wrapped::ConsumerTopparServe,
        Wrapped::FetchToppars,
        Wrapped::BufRetry,
        Wrapped::AllowWakeupAt,
        Wrapped::ParseMetadata,
        Wrapped::RebootstrapStop,
        Wrapped::IoServe,
    ];

    /// The client's own name for it.
    pub fn name(self) -> &'static str {
        match self {
            Wrapped::ConsumerTopparServe => "rd_kafka_broker_consumer_toppar_serve",
            Wrapped::FetchToppars => "rd_kafka_broker_fetch_toppars",
            Wrapped::BufRetry => "rd_kafka_buf_retry",
            Wrapped::AllowWakeupAt => "rd_kafka_msgq_allow_wakeup_at",
            Wrapped::ParseMetadata => "rd_kafka_parse_Metadata",
            Wrapped::RebootstrapStop => "rd_kafka_rebootstrap_tmr_stop",
            Wrapped::IoServe => "rd_kafka_transport_io_serve",
        }
    }

    /// Called by ours, whenever the client calls it.
    #[cfg(wrapped_client)]
    pub(in crate::kafka) fn enter(self) {
        // Written once: the client's threads share it.
        if !self.was_entered() {
            ENTERED.fetch_or(1 << self as u8, Relaxed);
        }
    }

    /// Whether the client has called ours since the process began.
    pub fn was_entered(self) -> bool {
        ENTERED.load(Relaxed) & 1 << self as u8 != 0
    }
}

/// A bit for each.
static ENTERED: AtomicU8 = AtomicU8::new(0);

/// Asked when a client has heard of its brokers and topics: by then it has called these two.
///
/// # Errors
/// [`exit::INTERNAL`]: this program was linked otherwise than it was built for.
pub fn check() -> Result<(), Fatal> {
    let missing = [Wrapped::ParseMetadata, Wrapped::IoServe].into_iter().find(|wrapped| !wrapped.was_entered());
    match missing {
        Some(wrapped) if cfg!(wrapped_client) => Err(Fatal::new(
            exit::INTERNAL,
            format!("the Kafka client calls its own {}, which this program was to stand before", wrapped.name()),
            "link with GNU ld, gold, lld or mold, which know --wrap, and without LTO across the client",
        )),
        _ => Ok(()),
    }
}
