//! Lets a request carry all that a batch has for its partition, instead of one record first and the rest later.
//!
//! The first outcome of a batch wakes the client's thread, which sends what it finds: one record, most often, while the
//! lane still encodes the others, or is thrown off its core by that very thread. The rest needs requests of its own.
//! Here the thread, once awake, waits until the batch is handed over, at most [`PATIENCE`], and finds all of it.
//!
//! A function of the client has ours before it by the linker's doing (`scripts/build.rs`); where the linker cannot do that,
//! nobody waits.
//!
//! Unnecessary when a batch can be handed over in one call that wakes the thread at its end (it sleeps in
//! `rd_kafka_transport_io_serve`): `rd_kafka_produce_batch` is that call for one topic, but takes no headers
//! (<https://github.com/confluentinc/librdkafka/issues/5559>) and wakes at the first record.
#![allow(unsafe_code, reason = "stands before a function of the C client; each block says why it holds")]

use std::cell::Cell;
use std::ffi::CStr;
#[cfg(wrapped_client)]
use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rdkafka::bindings as rd;
use rustix::thread::futex;

#[cfg(wrapped_client)]
use super::Wrapped;
use super::review_linger::ReviewLinger;
use crate::kafka::client::threads::{self, OnThreads};

/// How long a thread of the client waits for the rest of a batch: longer than a small one takes, and shorter than what a
/// large one would gain.
const PATIENCE: Duration = Duration::from_micros(150);

/// Nothing is being handed over.
const OPEN: u32 = 0;
/// A batch is.
const CLOSED: u32 = 1;
/// A batch is, and a thread waits for its end.
const AWAITED: u32 = 2;

/// Between a lane, which hands batches over, and the threads of its producer, which send them.
#[derive(Debug, Default)]
pub struct Handover {
    state: AtomicU32,
    pub(in crate::kafka) review: ReviewLinger,
    /// Times that a thread met a batch on its way.
    #[cfg(test)]
    waits: AtomicU32,
}

thread_local! {
    /// Of the client that this thread is one of.
    static OURS: Cell<Option<&'static Handover>> = const { Cell::new(None) };
}

/// Copies of the producer that this thread belongs to.
#[cfg(wrapped_client)]
pub(in crate::kafka) fn review_linger() -> Option<&'static ReviewLinger> {
    OURS.get().map(|handover| &handover.review)
}

impl Handover {
    /// For the lifetime of the process: nobody tells when the last of a client's threads is gone.
    pub fn new() -> &'static Handover {
        Box::leak(Box::default())
    }

    /// Makes the threads of the producer that is about to be made of `conf` wait for this one's batches.
    ///
    /// # Safety
    /// `conf` is a configuration that no client has taken yet.
    pub unsafe fn join(&'static self, conf: *mut rd::rd_kafka_conf_t) {
        // SAFETY: by the contract above.
        unsafe { threads::join(conf, self) };
    }

    /// A batch begins.
    pub fn begin(&self) {
        self.state.store(CLOSED, Ordering::Relaxed);
    }

    /// The batch is handed over.
    pub fn end(&self) {
        if self.state.swap(OPEN, Ordering::Release) == AWAITED {
            let _ = futex::wake(&self.state, futex::Flags::PRIVATE, u32::MAX >> 1);
        }
    }

    /// Returns when no batch is being handed over, or after [`PATIENCE`].
    fn wait(&self) {
        if self.state.load(Ordering::Acquire) == OPEN {
            return;
        }
        let _ = self.state.compare_exchange(CLOSED, AWAITED, Ordering::Acquire, Ordering::Acquire);
        #[cfg(test)]
        self.waits.fetch_add(1, Ordering::SeqCst);
        let patience = futex::Timespec { tv_sec: 0, tv_nsec: PATIENCE.subsec_nanos().into() };
        // Woken, too late, or interrupted: each is a reason to go on.
        let _ = futex::wait(&self.state, futex::Flags::PRIVATE, AWAITED, Some(&patience));
    }
}

impl OnThreads for Handover {
    const NAME: &'static CStr = c"handover";

    fn thread_started(&'static self, _: *mut rd::rd_kafka_t, serves_broker: bool) {
        if serves_broker {
            OURS.set(Some(self));
        }
    }
}

#[cfg(wrapped_client)]
unsafe extern "C" {
    fn __real_rd_kafka_transport_io_serve(transport: *mut c_void, queue: *mut c_void, timeout_ms: c_int) -> c_int;
}

/// Sleeps until there is something to read, to write or to look at, and reads and writes; called by the client's
/// threads before each look at what is to be sent.
///
/// # Safety
/// As the client's own function.
// SAFETY: the name is the one that the linker was told to look for, and nobody else's.
#[cfg(wrapped_client)]
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_rd_kafka_transport_io_serve(
    transport: *mut c_void,
    queue: *mut c_void,
    timeout_ms: c_int,
) -> c_int {
    Wrapped::IoServe.enter();
    // SAFETY: the caller's promises, passed on.
    let served = unsafe { __real_rd_kafka_transport_io_serve(transport, queue, timeout_ms) };
    if let Some(handover) = OURS.get() {
        handover.wait();
    }
    served
}

#[cfg(test)]
mod tests {
    use std::ptr;
    use std::time::Instant;

    use rdkafka::mocking::MockCluster;
    use rdkafka::types::RDKafkaType;

    use super::*;
    use crate::kafka::client::{Conf, NO_ERROR};

    #[test]
    fn nobody_waits_without_a_batch_and_none_for_longer_than_it_takes() {
        let handover = Handover::new();
        handover.wait();
        handover.begin();
        handover.end();
        handover.wait();
        assert_eq!(handover.state.load(Ordering::SeqCst), OPEN);
        // The end of the batch never comes: patience ends.
        handover.begin();
        handover.wait();
        assert_eq!(handover.state.load(Ordering::SeqCst), AWAITED);
        handover.end();
        assert_eq!(handover.state.load(Ordering::SeqCst), OPEN);
    }

    /// The client's own thread meets the batch that its first record woke it for.
    #[cfg(wrapped_client)]
    #[test]
    fn the_producers_thread_waits_for_the_batch_and_sends_it() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("t", 1, 1).unwrap();
        let settings = [("bootstrap.servers", cluster.bootstrap_servers()), ("linger.ms", "0".into())];
        let conf = Conf::new(&settings.map(|(name, value)| (name.to_owned(), value))).unwrap();
        let handover = Handover::new();
        // SAFETY: the configuration was made just now.
        unsafe { handover.join(conf.as_ptr()) };
        let mut client = conf.create(RDKafkaType::RD_KAFKA_PRODUCER).unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        // SAFETY: client and topic are alive, the payload is copied; both are freed once, at the end.
        unsafe {
            let topic = rd::rd_kafka_topic_new(client.as_ptr(), c"t".as_ptr(), ptr::null_mut());
            while handover.waits.load(Ordering::SeqCst) == 0 {
                assert!(Instant::now() < deadline, "no thread of the client ever waited");
                handover.begin();
                let payload = c"x".as_ptr().cast_mut().cast();
                let copy = rd::RD_KAFKA_MSG_F_COPY as c_int;
                assert_eq!(rd::rd_kafka_produce(topic, 0, copy, payload, 1, ptr::null(), 0, ptr::null_mut()), 0);
                std::thread::yield_now();
                handover.end();
            }
            assert_eq!(rd::rd_kafka_flush(client.as_ptr(), 30_000), NO_ERROR);
            rd::rd_kafka_topic_destroy(topic);
        }
        client.destroy();
    }
}
