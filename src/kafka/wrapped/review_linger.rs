//! Lets copies for review wait for each other, so that they do not cost a request each.
//!
//! One outcome in eighty goes to people as well, and a request carries what one partition has: at 10,000 records/s nearly
//! each copy had a request of its own, which took one of the two places under way from outcomes that somebody waits for.
//! Without them the broker took 2.6 us less of CPU for a record, we 1.5, and the median outcome came 0.1 ms sooner.
//!
//! A person does not see a tenth of a second, but a commit waits for each copy below it. So they leave together, shortly
//! before the next commit is due ([`KafkaSink::hold_copies`](crate::kafka::producer::KafkaSink)), and at once where anybody waits
//! for them. The client's thread is told so where it asks how long records may linger ([`super::producer_without_spin`]).
#![allow(unsafe_code, reason = "librdkafka's C interface; each block says why it holds")]

use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicPtr, Ordering};
use std::time::Duration;

use rdkafka::bindings as rd;

/// Between a lane and the threads of its producer.
#[derive(Debug, Default)]
pub struct ReviewLinger {
    /// The topic of the copies; null before it is known.
    topic: AtomicPtr<rd::rd_kafka_topic_t>,
    /// Microseconds of the client's clock.
    until: AtomicI64,
    /// A thread has looked since they were let go.
    looked: AtomicBool,
}

impl ReviewLinger {
    /// Copies are what goes to `topic`, a handle that lives as long as the producer.
    pub fn know(&self, topic: *mut rd::rd_kafka_topic_t) {
        self.topic.store(topic, Ordering::Release);
    }

    /// From `now` on they wait for so long; not where no thread has found them free since the last time, which it would
    /// never do if it were late each time. For no longer than now where `wait` is zero. Says whether they were waiting.
    pub fn hold(&self, wait: Duration, now: i64) -> bool {
        let waited = self.until.load(Ordering::Relaxed) > now;
        if wait.is_zero() {
            self.until.store(0, Ordering::Relaxed);
        } else if self.looked.swap(false, Ordering::Relaxed) {
            self.until.store(now.saturating_add(i64::try_from(wait.as_micros()).unwrap_or(0)), Ordering::Relaxed);
        }
        waited
    }

    /// Until when the records of a queue wait, if they do at `now`.
    ///
    /// # Safety
    /// `queue` is a queue of messages of a producer, which nobody else changes meanwhile.
    pub unsafe fn until(&self, queue: *const c_void, now: i64) -> Option<i64> {
        let until = self.until.load(Ordering::Relaxed);
        if until <= now {
            self.looked.store(true, Ordering::Relaxed);
            return None;
        }
        // SAFETY: a queue begins with the address of its first message, null when there is none, and a message with its
        // public part; see the test that this is the client that was read.
        let first = unsafe { queue.cast::<*const rd::rd_kafka_message_t>().read().as_ref() }?;
        let topic = self.topic.load(Ordering::Acquire);
        (ptr::eq(first.rkt, topic) && !topic.is_null()).then_some(until)
    }
}

/// `rd_clock()` of the client.
#[expect(clippy::disallowed_methods, reason = "the client's own time, on its threads")]
pub fn clock_us() -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is valid; the clock is there on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec * 1_000_000 + time.tv_nsec / 1_000
}

#[cfg(test)]
mod tests {
    use std::ffi::c_int;
    use std::time::Instant;

    use rdkafka::mocking::MockCluster;
    use rdkafka::types::RDKafkaType;

    use super::*;
    use crate::kafka::client::{CallbackState, Conf};
    use crate::kafka::wrapped::batch_hand_over::Handover;

    unsafe extern "C" fn on_delivery(
        _: *mut rd::rd_kafka_t,
        message: *const rd::rd_kafka_message_t,
        acked: *mut c_void,
    ) {
        // SAFETY: the client's message, valid during the call; the box outlives the client.
        unsafe { (*acked.cast::<Vec<usize>>()).push((*message)._private.addr()) };
    }

    /// The client's own thread leaves copies lying and sends what comes after them, until nobody holds them any more.
    #[cfg(wrapped_client)]
    #[test]
    fn the_producer_sends_other_outcomes_first_and_copies_when_they_are_let_go() {
        const COPIES: [usize; 2] = [1, 2];
        const FIRST: usize = 3;
        const OUTCOME: usize = 4;
        let cluster = MockCluster::new(1).unwrap();
        let settings = [("bootstrap.servers", cluster.bootstrap_servers()), ("linger.ms", "0".into())];
        let conf = Conf::new(&settings.map(|(name, value)| (name.to_owned(), value))).unwrap();
        let (handover, mut acked) = (Handover::new(), CallbackState::new(Vec::<usize>::new()));
        // SAFETY: the configuration was made just now, and what it points to outlives the client.
        unsafe {
            handover.join(conf.as_ptr());
            rd::rd_kafka_conf_set_opaque(conf.as_ptr(), acked.opaque());
            rd::rd_kafka_conf_set_dr_msg_cb(conf.as_ptr(), Some(on_delivery));
        }
        let mut client = conf.create(RDKafkaType::RD_KAFKA_PRODUCER).unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        // SAFETY: client and topics are alive, the payload is copied; all are freed once, at the end.
        unsafe {
            let topics = [c"copies", c"outputs"];
            let topics = topics.map(|name| rd::rd_kafka_topic_new(client.as_ptr(), name.as_ptr(), ptr::null_mut()));
            let send = |topic, number: usize| {
                let (payload, copy) = (c"x".as_ptr().cast_mut().cast(), rd::RD_KAFKA_MSG_F_COPY as c_int);
                let opaque = ptr::without_provenance_mut(number);
                assert_eq!(rd::rd_kafka_produce(topic, 0, copy, payload, 1, ptr::null(), 0, opaque), 0);
            };
            let wait_for = |acked: &mut CallbackState<Vec<usize>>, number: usize| {
                while !acked.get().contains(&number) {
                    assert!(Instant::now() < deadline, "{number} was never acknowledged");
                    rd::rd_kafka_poll(client.as_ptr(), 10);
                }
            };
            handover.review.know(topics[0]);
            send(topics[1], FIRST);
            wait_for(&mut acked, FIRST);
            handover.review.hold(Duration::from_secs(3_600), clock_us());
            COPIES.iter().for_each(|number| send(topics[0], *number));
            send(topics[1], OUTCOME);
            wait_for(&mut acked, OUTCOME);
            assert_eq!(*acked.get(), [FIRST, OUTCOME], "the copies were handed over first, and wait");
            assert!(handover.review.hold(Duration::ZERO, clock_us()));
            rd::rd_kafka_flush(client.as_ptr(), 0);
            COPIES.iter().for_each(|number| wait_for(&mut acked, *number));
            topics.iter().for_each(|topic| rd::rd_kafka_topic_destroy(*topic));
        }
        client.destroy();
    }

    /// What the client's queues begin with.
    fn queue_of(first: Option<&rd::rd_kafka_message_t>) -> [*const rd::rd_kafka_message_t; 2] {
        [first.map_or(ptr::null(), ptr::from_ref), ptr::null()]
    }

    #[test]
    fn copies_wait_until_the_time_given_and_others_never() {
        // SAFETY: a C struct of numbers and pointers, of which zero is a value.
        let (mut copy, other): (rd::rd_kafka_message_t, rd::rd_kafka_message_t) = unsafe { std::mem::zeroed() };
        let topic = ptr::without_provenance_mut(64);
        copy.rkt = topic;
        let held = ReviewLinger::default();
        // SAFETY: made here, and begins as the client's queues do.
        let until = |held: &ReviewLinger, first, now| unsafe { held.until(queue_of(first).as_ptr().cast(), now) };
        assert_eq!(until(&held, Some(&copy), 900), None, "nobody holds anything");
        assert!(!held.hold(Duration::from_millis(90), 1_000));
        assert_eq!(until(&held, Some(&copy), 1_000), None, "nothing is known to be a copy yet");
        held.know(topic);
        assert_eq!(until(&held, Some(&copy), 1_000), Some(91_000));
        assert_eq!(until(&held, Some(&copy), 91_000), None, "its time is over");
        assert_eq!(until(&held, Some(&other), 1_000), None);
        assert_eq!(until(&held, None, 1_000), None);
        held.hold(Duration::from_millis(90), 100_000);
        assert_eq!(until(&held, Some(&copy), 100_000), Some(190_000));
        held.hold(Duration::from_millis(90), 200_000);
        assert_eq!(until(&held, Some(&copy), 200_000), None, "no thread came while they were free: it does now");
        held.hold(Duration::from_millis(90), 200_000);
        assert!(held.hold(Duration::ZERO, 200_000), "they were waiting");
        assert_eq!(until(&held, Some(&copy), 200_000), None);
        assert!(!held.hold(Duration::ZERO, 200_000));
    }
}
