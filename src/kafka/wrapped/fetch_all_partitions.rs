//! Lets each request for records ask for all partitions of its broker, so that a quiet one never holds up a busy one.
//!
//! librdkafka 2.12 looks at one partition after the other before a request for records, and leaves out those that it
//! sees while `queued.min.messages` records wait to be taken, for `fetch.queue.backoff.ms`. When the lane takes them in
//! the middle of that, the request goes out for the rest. Only one is under way to a broker, and is answered when one of
//! the partitions asked for has something, or after `fetch.wait.max.ms`: a busy partition that was left out waits for
//! quiet ones. At 10,000 records/s into one of four partitions, half of them waited longer than 0.1 s.
//!
//! Here the thread, which has nothing else to do then, sleeps until those left out may be asked for again and looks once
//! more: the lane has taken the records by then, and the request is for all. Requests of a busy time are as far apart as
//! before. When a lane takes longer than [`PATIENCE_US`], its broker is asked for the rest.
//!
//! Two functions of the client have ours before them by the linker's doing (`scripts/build.rs`).
//!
//! Unnecessary when the client, before a request, looks again at partitions that it left out a moment ago for a full queue
//! (`rd_kafka_broker_consumer_toppar_serve` before `rd_kafka_broker_fetch_toppars`), or may have a second request under way
//! to a broker for them. `fetch.queue.backoff.ms` came of <https://github.com/confluentinc/librdkafka/issues/2879> and only
//! shortens how long they are left out.
#![allow(unsafe_code, reason = "stands before functions of the C client; each block says why it holds")]

use std::cell::RefCell;
use std::ffi::{c_int, c_void};
use std::time::Duration;

use super::Wrapped;
use super::review_linger::clock_us;

/// How long a request waits for partitions at most. The thread does nothing else meanwhile, such as leaving one.
const PATIENCE_US: i64 = 20_000;

/// A moment farther away has another reason: an error, and its `fetch.error.backoff.ms`.
const SOON_US: i64 = 5_000;

/// The client's `rd_ts_t` for a partition that waits for nothing: it is paused, or not ours.
const NEVER: i64 = i64::MAX;

/// A partition of the client that was left out, by address.
type Partition = *mut c_void;

/// What one of the client's threads was told in its look at all partitions before a request. Microseconds of the
/// client's clock throughout.
struct LeftOut {
    partition: Partition,
    until: i64,
    seen: i64,
}

thread_local! {
    /// A thread of the client has one broker.
    static LEFT_OUT: RefCell<Vec<LeftOut>> = const { RefCell::new(Vec::new()) };
}

fn waits(until: i64) -> bool {
    until > 0 && until < NEVER
}

/// Keeps what was seen since `start`: an earlier look may name partitions that are gone. Then waits, in steps, until
/// none is left out that soon may be asked for; `look` says until when one is left out now.
fn gather(
    left_out: &mut Vec<LeftOut>,
    start: i64,
    clock: impl Fn() -> i64,
    sleep: impl Fn(i64),
    look: impl Fn(Partition) -> i64,
) {
    left_out.retain(|one| one.seen >= start);
    loop {
        let now = clock();
        let soon = left_out.iter().map(|one| one.until).filter(|until| *until <= now + SOON_US).max();
        let Some(until) = soon.filter(|_| now < start + PATIENCE_US) else { break };
        sleep((until - now).max(0));
        left_out.retain_mut(|one| {
            one.until = look(one.partition);
            waits(one.until)
        });
    }
    left_out.clear();
}

unsafe extern "C" {
    fn __real_rd_kafka_broker_consumer_toppar_serve(broker: *mut c_void, partition: Partition) -> i64;
    fn __real_rd_kafka_broker_fetch_toppars(broker: *mut c_void, now: i64) -> c_int;
}

/// Until when the partition is left out, or 0; called by the thread of its broker, for all of them in each pass.
///
/// # Safety
/// As the client's own function.
// SAFETY: the name is the one that the linker was told to look for, and nobody else's.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_rd_kafka_broker_consumer_toppar_serve(broker: *mut c_void, partition: Partition) -> i64 {
    Wrapped::ConsumerTopparServe.enter();
    // SAFETY: the caller's promises, passed on.
    let until = unsafe { __real_rd_kafka_broker_consumer_toppar_serve(broker, partition) };
    LEFT_OUT.with_borrow_mut(|left_out| {
        left_out.retain(|one| one.partition != partition);
        if waits(until) {
            left_out.push(LeftOut { partition, until, seen: clock_us() });
        }
    });
    until
}

/// Sends one request for the partitions that are not left out, and says how many; called in the same pass, with the
/// time at which it began.
///
/// # Safety
/// As the client's own function.
// SAFETY: the name is the one that the linker was told to look for, and nobody else's.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_rd_kafka_broker_fetch_toppars(broker: *mut c_void, now: i64) -> c_int {
    Wrapped::FetchToppars.enter();
    LEFT_OUT.with_borrow_mut(|left_out| {
        #[expect(clippy::disallowed_methods, reason = "the client's thread, which has nothing else to do")]
        let sleep = |us: i64| std::thread::sleep(Duration::from_micros(us.unsigned_abs()));
        // SAFETY: seen in this pass, on this thread, which alone takes partitions out of its broker's list and does so
        // between passes.
        let look = |partition| unsafe { __real_rd_kafka_broker_consumer_toppar_serve(broker, partition) };
        gather(left_out, now, clock_us, sleep, look);
    });
    // SAFETY: the caller's promises, passed on.
    unsafe { __real_rd_kafka_broker_fetch_toppars(broker, now) }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn name(number: usize) -> Partition {
        std::ptr::without_provenance_mut(number)
    }

    fn left_out(number: usize, until: i64, seen: i64) -> LeftOut {
        LeftOut { partition: name(number), until, seen }
    }

    /// Runs `gather` in a pass that began at 100, with a clock that only sleeping moves and partitions that are taken
    /// in turn by what `answers` says of each look. Says which were looked at, in order, and the time at the end.
    fn looks_of(mut list: Vec<LeftOut>, answers: impl Fn(usize, i64) -> i64) -> (Vec<usize>, i64) {
        let (time, looked) = (Cell::new(100), RefCell::new(Vec::new()));
        let look = |partition: Partition| {
            looked.borrow_mut().push(partition.addr());
            answers(partition.addr(), time.get())
        };
        gather(&mut list, 100, || time.get(), |us| time.set(time.get() + us), look);
        assert!(list.is_empty());
        (looked.into_inner(), time.get())
    }

    #[test]
    fn a_request_waits_for_the_partitions_that_can_be_asked_for_soon() {
        // Both moments are over after one sleep, and both can be asked for.
        assert_eq!(looks_of(vec![left_out(1, 1_100, 100), left_out(2, 1_105, 101)], |_, _| 0), (vec![1, 2], 1_105));
        // The lane needs three looks for one of them.
        let slow = |number: usize, now: i64| if number == 2 && now < 3_000 { now + 1_000 } else { 0 };
        assert_eq!(looks_of(vec![left_out(1, 1_100, 100), left_out(2, 1_100, 101)], slow), (vec![1, 2, 2, 2], 3_100));
        // A look may say that it is no longer to be asked for.
        assert_eq!(looks_of(vec![left_out(1, 1_100, 100)], |_, _| NEVER), (vec![1], 1_100));
    }

    #[test]
    fn a_request_waits_for_neither_an_error_nor_a_slow_lane_nor_a_partition_of_an_earlier_pass() {
        assert_eq!(looks_of(vec![left_out(1, 50_100, 100)], |_, _| 0), (vec![], 100));
        assert_eq!(looks_of(vec![left_out(1, 1_100, 99)], |_, _| 0), (vec![], 100));
        let (looked, end) = looks_of(vec![left_out(1, 1_100, 100)], |_, now| now + 1_000);
        assert_eq!((looked.len(), end), (20, 100 + PATIENCE_US));
    }
}
