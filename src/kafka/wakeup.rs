//! Ends the lane's wait at its consumer's queue from another thread.
#![allow(unsafe_code, reason = "librdkafka's C interface; each block says why it holds")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::bindings as rd;

use crate::doors::Waker;

/// What wakers share with the consumer whose queue they wake.
///
/// The client's own signal is not enough: it is used up by whichever look at the queue comes next, also by one that
/// would not have waited. So each wake first leaves its mark here, which the consumer takes after it found the queue
/// empty and before it waits. A mark left later has its signal still to come, and that ends the wait.
#[derive(Debug)]
pub(super) struct Wakeup {
    woken: AtomicBool,
    /// `None` once the consumer is gone, which wakers may outlive.
    queue: Mutex<Option<Queue>>,
}

#[derive(Debug)]
struct Queue(*mut rd::rd_kafka_queue_t);

// SAFETY: a handle that any thread may use while it is alive; librdkafka locks.
unsafe impl Send for Queue {}

impl Wakeup {
    /// # Safety
    /// `queue` stays alive until [`Wakeup::detach`].
    pub(super) unsafe fn of(queue: *mut rd::rd_kafka_queue_t) -> Arc<Wakeup> {
        Arc::new(Wakeup { woken: AtomicBool::new(false), queue: Mutex::new(Some(Queue(queue))) })
    }

    pub(super) fn waker(wakeup: &Arc<Wakeup>) -> Waker {
        let wakeup = Arc::clone(wakeup);
        Waker::new(move || wakeup.wake())
    }

    fn wake(&self) {
        self.woken.store(true, Ordering::Release);
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Queue(queue)) = &*queue {
            // SAFETY: alive, because `detach` waits for this lock.
            unsafe { rd::rd_kafka_queue_yield(*queue) };
        }
    }

    /// Whether somebody has woken the consumer since the last time it asked.
    pub(super) fn take(&self) -> bool {
        self.woken.swap(false, Ordering::Acquire)
    }

    /// Wakers do nothing any more.
    pub(super) fn detach(&self) {
        *self.queue.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use crate::doors::Source;
    use crate::kafka::consumer::KafkaSource;
    use crate::kafka::settings::KafkaSettings;
    use std::time::Duration;

    /// Nobody listens there.
    fn source() -> KafkaSource {
        let settings = KafkaSettings {
            bootstrap: "127.0.0.1:1".into(),
            group: "g".into(),
            node: "n".into(),
            start_at: None,
            without_offsets: Default::default(),
            group_protocol: Default::default(),
            membership: Default::default(),
            properties: Default::default(),
            consumer_properties: Default::default(),
            producer_properties: Default::default(),
            password_files: Default::default(),
        };
        KafkaSource::subscribe(&settings, 0, "t", false, FOR_EVER).unwrap()
    }

    const FOR_EVER: Duration = Duration::from_secs(3_600);

    /// Without the wake this test would not end.
    #[test]
    fn a_wake_before_the_wait_is_not_missed() {
        let (mut source, mut out) = (source(), Vec::new());
        source.waker().wake();
        // Uses up the client's signal.
        source.poll(Duration::ZERO, 1, &mut out).unwrap();
        source.poll(FOR_EVER, 1, &mut out).unwrap();
        source.waker().wake();
        source.poll(FOR_EVER, 1, &mut out).unwrap();
        assert!(out.is_empty());
    }

    #[test]
    fn a_wake_from_another_thread_ends_the_wait() {
        let (mut source, mut out) = (source(), Vec::new());
        for _ in 0..200 {
            let waker = source.waker();
            let other = std::thread::spawn(move || waker.wake());
            source.poll(FOR_EVER, 1, &mut out).unwrap();
            other.join().unwrap();
            // What the thread woke too early would end the next wait.
            source.poll(Duration::ZERO, 1, &mut out).unwrap();
            source.wakeup.take();
        }
        assert!(out.is_empty());
    }

    #[test]
    fn a_waker_may_outlive_its_consumer() {
        let source = source();
        let waker = source.waker();
        drop(source);
        waker.wake();
    }
}
