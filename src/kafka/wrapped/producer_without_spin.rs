//! Keeps the producer's network thread from spinning while it waits for the broker.
//!
//! An idempotent producer of librdkafka 2.12 sends nothing more for a partition that has five records under way. When
//! more records wait by then and their linger time is over (0 ms here), its thread asks to be woken "now" again and
//! again: it polls its socket with a time-out of 0 until the acknowledgement comes, tens of thousands of times a
//! second, on a core that the broker or the model could use. At 10,000 records/s that was half of our CPU time.
//!
//! The moment comes from one function of the client, which the linker puts ours before (`scripts/build.rs`). What can be
//! sent is sent in the very pass that asked for the moment, whatever it is; what cannot be sent waits for an answer or
//! for room in the socket, and either ends the poll. So the moment may be later, and nothing is sent later for it.
//!
//! Unnecessary when `rd_kafka_msgq_allow_wakeup_at` asks for no wake-up while a partition has as many requests under way as
//! it may; for copies that are held ([`super::review_linger`]), when `linger.ms` can be set by topic. We know of no issue that
//! asks for either; <https://github.com/confluentinc/librdkafka/issues/3692> is an idempotent producer's thread that is busy
//! after an outage.
#![allow(unsafe_code, reason = "stands before a function of the C client; each block says why it holds")]

use std::ffi::c_void;

use super::Wrapped;
use super::batch_hand_over;

/// The linger time of a client that is being flushed, microseconds.
const FLUSHING_US: i64 = 1;

/// The linger time of records that are held: longer than any is.
const HELD_US: i64 = 60_000_000;

/// How long the thread sleeps at most before it looks again without having heard anything.
const LOOK_AGAIN_US: i64 = 1_000;

/// `asked`: when the client wants to look again. `before`: when it wanted to before it looked at this partition.
/// Microseconds of the client's clock, as `now`.
fn look_again(asked: i64, before: i64, now: i64) -> i64 {
    if asked <= now { before.min(now + LOOK_AGAIN_US) } else { asked }
}

unsafe extern "C" {
    fn __real_rd_kafka_msgq_allow_wakeup_at(
        queue: *mut c_void,
        waiting: *const c_void,
        next_wakeup: *mut i64,
        now: i64,
        linger_us: i64,
        batch_records: i32,
        batch_bytes: i64,
    ) -> Ready;
}

/// The client's `rd_bool_t`.
type Ready = u8;

/// Called by the client's threads only, for each partition that they look after.
///
/// # Safety
/// As the client's own function: `next_wakeup` is null or points to a number of the caller's.
// SAFETY: the name is the one that the linker was told to look for, and nobody else's.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_rd_kafka_msgq_allow_wakeup_at(
    queue: *mut c_void,
    waiting: *const c_void,
    next_wakeup: *mut i64,
    now: i64,
    linger_us: i64,
    batch_records: i32,
    batch_bytes: i64,
) -> Ready {
    Wrapped::AllowWakeupAt.enter();
    #[cfg(test)]
    tests::LOOKS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    // SAFETY: the caller's promises, passed on; the pointer is read and written within the call alone.
    unsafe {
        let before = next_wakeup.as_ref().copied();
        let review = batch_hand_over::review_linger().filter(|_| linger_us != FLUSHING_US);
        let held_until = review.and_then(|review| review.until(waiting, now));
        let ready = __real_rd_kafka_msgq_allow_wakeup_at(
            queue,
            waiting,
            next_wakeup,
            now,
            held_until.map_or(linger_us, |_| HELD_US),
            batch_records,
            batch_bytes,
        );
        if let (Some(before), Some(asked)) = (before, next_wakeup.as_mut()) {
            *asked = match held_until {
                Some(until) if ready == 0 => before.min(until),
                _ => look_again(*asked, before, now),
            };
        }
        ready
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::{Duration, Instant};

    use rdkafka::ClientConfig;
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

    use super::*;

    /// Calls of the wrapper in this process.
    pub(in crate::kafka) static LOOKS: AtomicU64 = AtomicU64::new(0);

    #[test]
    fn a_moment_that_is_over_becomes_the_next_look_and_all_others_stay() {
        assert_eq!(look_again(500, 9_000, 500), 1_500);
        assert_eq!(look_again(200, 9_000, 500), 1_500);
        assert_eq!(look_again(200, 700, 500), 700);
        assert_eq!(look_again(501, 9_000, 500), 501);
        assert_eq!(look_again(9_000, 9_000, 500), 9_000);
    }

    /// The version whose source the words at the top are about: with another one, read it again, or drop this file.
    #[test]
    fn the_client_is_the_one_that_was_read() {
        assert_eq!(crate::kafka::client_version(), "2.12.1");
    }

    /// Five records are under way for a quarter of a second, five more wait. Without the wrapper, or with a moment of
    /// "now", the thread would look hundreds of times a millisecond.
    #[test]
    fn a_producer_that_waits_for_its_broker_sleeps() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("t", 1, 1).unwrap();
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", cluster.bootstrap_servers())
            .set("enable.idempotence", "true")
            .set("linger.ms", "0")
            .create()
            .unwrap();
        let send = |count: usize| {
            (0..count).for_each(|_| producer.send(BaseRecord::<(), str>::to("t").partition(0).payload("x")).unwrap());
        };
        send(1);
        producer.flush(Duration::from_secs(30)).unwrap();
        cluster.broker_round_trip_time(1, Duration::from_millis(250)).unwrap();
        let (before, start) = (LOOKS.load(Ordering::Relaxed), Instant::now());
        send(5);
        producer.poll(Duration::from_millis(50));
        send(5);
        while producer.in_flight_count() > 0 {
            producer.poll(Duration::from_millis(50));
        }
        let (looks, waited_ms) = (LOOKS.load(Ordering::Relaxed) - before, start.elapsed().as_millis() as u64);
        assert!(waited_ms >= 250, "nothing waited: {waited_ms} ms");
        assert!((5..20 * waited_ms).contains(&looks), "{looks} looks in {waited_ms} ms");
    }
}
