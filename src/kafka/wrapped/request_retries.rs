//! Counts what the client sends again by itself, which it says nothing of.
//!
//! Every request that is repeated goes through one function of librdkafka 2.12, which has ours before it by the linker's
//! doing (`scripts/build.rs`). Of all clients of the process: whoever asks is told too often rather than too late.
//!
//! Unnecessary when the client speaks the second version of transactions (KIP-890: each has an epoch of its own, and an end
//! that is sent twice cannot be taken for the next one's), <https://github.com/confluentinc/librdkafka/issues/5423>; or when
//! it tells of requests that it repeats (`rd_kafka_buf_retry`).
#![allow(unsafe_code, reason = "stands before a function of the C client; each block says why it holds")]

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(wrapped_client)]
use super::Wrapped;

static RETRIES: AtomicU64 = AtomicU64::new(0);

/// Requests repeated so far. One whose answer is here was counted before that.
pub fn so_far() -> u64 {
    RETRIES.load(Ordering::SeqCst)
}

#[cfg(wrapped_client)]
unsafe extern "C" {
    fn __real_rd_kafka_buf_retry(broker: *mut c_void, request: *mut c_void) -> c_int;
}

/// Called by the client's threads when a request failed; says whether it is repeated.
///
/// # Safety
/// As the client's own function.
// SAFETY: the name is the one that the linker was told to look for, and nobody else's.
#[cfg(wrapped_client)]
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_rd_kafka_buf_retry(broker: *mut c_void, request: *mut c_void) -> c_int {
    Wrapped::BufRetry.enter();
    RETRIES.fetch_add(1, Ordering::SeqCst);
    // SAFETY: the caller's promises, passed on.
    unsafe { __real_rd_kafka_buf_retry(broker, request) }
}

#[cfg(all(test, wrapped_client))]
mod tests {
    use std::time::Duration;

    use rdkafka::ClientConfig;
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
    use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

    use super::*;

    #[test]
    fn the_end_of_a_transaction_that_is_sent_twice_is_counted() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("t", 1, 1).unwrap();
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", cluster.bootstrap_servers())
            .set("transactional.id", "a")
            .create()
            .unwrap();
        producer.init_transactions(Duration::from_secs(30)).unwrap();
        producer.begin_transaction().unwrap();
        producer.send(BaseRecord::<(), str>::to("t").payload("x")).unwrap();
        producer.flush(Duration::from_secs(30)).unwrap();
        let before = so_far();
        let busy = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS];
        cluster.request_errors(RDKafkaApiKey::EndTxn, &busy);
        producer.commit_transaction(Duration::from_secs(30)).unwrap();
        assert!(so_far() > before);
    }
}
