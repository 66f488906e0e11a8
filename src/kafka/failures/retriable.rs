//! Errors that pass by themselves, and the loop that asks again until they have passed. Brokers give them while a leader, a
//! coordinator or a controller moves or loads, and while they start; whoever ended by one would only be started again.
#![expect(clippy::disallowed_methods, reason = "asks again where no record waits")]

use std::time::{Duration, Instant};

use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaRespErr as Err;

use crate::kafka::client::describe;

/// What moves, loads or starts is asked again after this long.
const RETRY: Duration = Duration::from_millis(100);

/// As brokers call retriable what concerns these questions, and what the client says of connections that come back.
const RETRIABLE: [Err; 29] = [
    // A leader that moves, or of a partition that was just made: it may have one on paper only.
    Err::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
    Err::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
    Err::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
    Err::RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE,
    Err::RD_KAFKA_RESP_ERR_PREFERRED_LEADER_NOT_AVAILABLE,
    Err::RD_KAFKA_RESP_ERR_LISTENER_NOT_FOUND,
    Err::RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR,
    Err::RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH,
    Err::RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH,
    Err::RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE,
    Err::RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION,
    Err::RD_KAFKA_RESP_ERR__WAIT_CACHE,
    // A coordinator that moves or loads, or a transaction that is ending.
    Err::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
    Err::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
    Err::RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
    Err::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS,
    Err::RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT,
    Err::RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS,
    Err::RD_KAFKA_RESP_ERR__WAIT_COORD,
    // A controller that moves, and a broker that starts, stops or has too much to do.
    Err::RD_KAFKA_RESP_ERR_NOT_CONTROLLER,
    Err::RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE,
    Err::RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION,
    Err::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
    Err::RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED,
    // Connections, which the client makes again.
    Err::RD_KAFKA_RESP_ERR__TRANSPORT,
    Err::RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN,
    Err::RD_KAFKA_RESP_ERR__RESOLVE,
    Err::RD_KAFKA_RESP_ERR__TIMED_OUT,
    Err::RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE,
];

/// Whether asking again may be answered otherwise.
pub fn is_retriable(code: i32) -> bool {
    RETRIABLE.iter().any(|passing| *passing as i32 == code)
}

/// What is_retriable, in words.
pub fn words(code: i32) -> Option<String> {
    is_retriable(code).then(|| describe(code))
}

/// The code of an error; `__FAIL` for one without.
pub fn code_of(error: &KafkaError) -> i32 {
    error.rdkafka_error_code().map_or(Err::RD_KAFKA_RESP_ERR__FAIL as i32, |code| code as i32)
}

/// Time, for tests to make.
pub trait Time {
    /// Since a moment of its own.
    fn now(&self) -> Duration;
    fn wait(&self, span: Duration);
}

/// The real one.
pub struct SinceStart(Instant);

impl SinceStart {
    pub fn now() -> SinceStart {
        SinceStart(Instant::now())
    }
}

impl Time for SinceStart {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn wait(&self, span: Duration) {
        std::thread::sleep(span);
    }
}

/// Asks until the answer is no error that is_retriable, for so long at most. `ask` is told how long it has left.
///
/// # Errors
/// The first that does not pass, at once; the last one that does when the time is over.
pub fn ask<T>(limit: Duration, what: &str, ask: impl FnMut(Duration) -> Result<T, i32>) -> Result<T, i32> {
    ask_until(&SinceStart::now(), limit, |code| words(*code), what, ask)
}

/// The same with errors of another type: `passing` says those that pass, in words.
pub fn ask_until<T, E>(
    time: &impl Time,
    limit: Duration,
    passing: impl Fn(&E) -> Option<String>,
    what: &str,
    mut ask: impl FnMut(Duration) -> Result<T, E>,
) -> Result<T, E> {
    let deadline = time.now() + limit;
    let mut told = String::new();
    loop {
        let error = match ask(deadline.saturating_sub(time.now())) {
            Ok(answer) => return Ok(answer),
            Result::Err(error) => error,
        };
        let Some(why) = passing(&error) else { return Result::Err(error) };
        let left = deadline.saturating_sub(time.now());
        if why != told {
            tracing::warn!(target: "kafka", "cannot {what} yet: {why}; it is asked again for {} ms", left.as_millis());
            told = why;
        }
        time.wait(RETRY.min(left));
        if time.now() >= deadline {
            return Result::Err(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Passes by waiting alone.
    #[derive(Default)]
    struct HandTime(Cell<Duration>);

    impl Time for HandTime {
        fn now(&self) -> Duration {
            self.0.get()
        }

        fn wait(&self, span: Duration) {
            self.0.set(self.0.get() + span);
        }
    }

    const LOADS: i32 = Err::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS as i32;
    const MOVES: i32 = Err::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION as i32;
    const REFUSED: i32 = Err::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED as i32;

    /// Asks for ten seconds; the answers come in this order, the last one for good. Returns the end and how often was asked.
    fn asked(time: &HandTime, answers: &[Result<u8, i32>]) -> (Result<u8, i32>, usize) {
        let mut times = 0;
        let limit = Duration::from_secs(10);
        let end = ask_until(
            time,
            limit,
            |code| words(*code),
            "read",
            |left| {
                assert_eq!(left, limit.saturating_sub(time.now()), "each question knows what is left");
                times += 1;
                answers[(times - 1).min(answers.len() - 1)]
            },
        );
        (end, times)
    }

    #[test]
    fn what_passes_is_asked_again_until_it_has_passed() {
        let time = HandTime::default();
        assert_eq!(asked(&time, &[Result::Err(LOADS), Result::Err(MOVES), Ok(7)]), (Ok(7), 3));
        assert_eq!(time.now(), 2 * RETRY, "and not without a pause");
    }

    #[test]
    fn what_does_not_pass_is_told_at_once() {
        let time = HandTime::default();
        assert_eq!(asked(&time, &[Result::Err(REFUSED), Ok(7)]), (Result::Err(REFUSED), 1));
        assert_eq!(asked(&time, &[Result::Err(LOADS), Result::Err(REFUSED), Ok(7)]), (Result::Err(REFUSED), 2));
        assert_eq!(time.now(), RETRY);
    }

    #[test]
    fn what_goes_on_is_told_when_the_time_is_over() {
        let time = HandTime::default();
        let (end, times) = asked(&time, &[Result::Err(LOADS)]);
        assert_eq!((end, time.now()), (Result::Err(LOADS), Duration::from_secs(10)));
        assert_eq!(times, 100, "and not again when nothing is left");
    }

    #[test]
    fn moves_loads_and_restarts_pass_and_refusals_do_not() {
        // NOT_LEADER_OR_FOLLOWER, LEADER_NOT_AVAILABLE, COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE,
        // NOT_COORDINATOR, NOT_CONTROLLER, REQUEST_TIMED_OUT, by Kafka's numbers.
        for code in [6, 5, 14, 15, 16, 41, 7] {
            assert!(is_retriable(code), "{}", describe(code));
        }
        // TOPIC_, GROUP_, CLUSTER_, TRANSACTIONAL_ID_AUTHORIZATION_FAILED, SASL_AUTHENTICATION_FAILED, INVALID_GROUP_ID,
        // INVALID_TRANSACTION_TIMEOUT, UNSUPPORTED_VERSION, INVALID_TOPIC_EXCEPTION, PRODUCER_FENCED; no error; unknown.
        for code in [29, 30, 31, 53, 58, 24, 50, 35, 17, 90, 0, -1, -12_345] {
            assert!(!is_retriable(code), "{}", describe(code));
        }
    }
}
