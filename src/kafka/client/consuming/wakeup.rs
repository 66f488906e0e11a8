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
pub struct Wakeup {
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
    pub unsafe fn of(queue: *mut rd::rd_kafka_queue_t) -> Arc<Wakeup> {
        Arc::new(Wakeup { woken: AtomicBool::new(false), queue: Mutex::new(Some(Queue(queue))) })
    }

    pub fn waker(wakeup: &Arc<Wakeup>) -> Waker {
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
    pub fn take(&self) -> bool {
        self.woken.swap(false, Ordering::Acquire)
    }

    /// Wakers do nothing any more.
    pub fn detach(&self) {
        *self.queue.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
