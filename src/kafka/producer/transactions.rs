//! The lane's producer in transactions: outcomes and offsets of the group become visible together, or not at all.
//!
//! Errors come with flags; without one, the producer is not to be trusted any more. The reasons for each step's form
//! (drained first, purged first, fresh group metadata) are measured: an end that waits for messages in flight waits in
//! slices of 100 ms, and one that fails half way is only ever finished by a new producer.
#![allow(unsafe_code, reason = "librdkafka's C interface; each block says why it holds")]

use std::ffi::{CStr, c_int};
use std::time::Duration;

use rdkafka::bindings as rd;
use rdkafka::types::RDKafkaRespErr as Err;

use super::sink::KafkaSink;
use crate::doors::{Progress, Sink, TransactionError, Transactional};
use crate::error::{Fatal, exit};
use crate::failpoint::{Bug, planted};
use crate::kafka::client::{Client, PartitionList, c_string, describe, timeout_ms};
use crate::kafka::consumer::KafkaSource;
use crate::kafka::failures::retriable::{self, SinceStart};
use crate::kafka::failures::rights;
use crate::kafka::settings::DOUBT_AFTER;
use crate::kafka::wrapped::request_retries;

/// How long a process that ends by an error waits for its open transaction to be aborted. Otherwise readers would wait
/// for the transaction's time-out.
const LEAVING_MAX: Duration = Duration::from_secs(1);

/// An error of the client that says that a request may have been lost on its way.
pub(in crate::kafka) fn is_trouble(code: c_int) -> bool {
    let trouble = [
        Err::RD_KAFKA_RESP_ERR__TRANSPORT,
        Err::RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN,
        Err::RD_KAFKA_RESP_ERR__TIMED_OUT,
        Err::RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE,
        Err::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
    ];
    trouble.iter().any(|err| *err as c_int == code)
}

/// Another producer has the name.
fn is_fenced(code: i32) -> bool {
    let fenced = [
        Err::RD_KAFKA_RESP_ERR__FENCED,
        Err::RD_KAFKA_RESP_ERR_PRODUCER_FENCED,
        Err::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH,
    ];
    fenced.iter().any(|err| *err as i32 == code)
}

/// Takes what a call returned, and frees it.
///
/// # Safety
/// `error` is null, or came from `client` just now and is handed over.
unsafe fn told(client: &Client, error: *mut rd::rd_kafka_error_t) -> Result<(), TransactionError> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: by the contract above; freed once, after everything was read.
    let (code, text, retriable, abortable, fatal) = unsafe {
        let code = rd::rd_kafka_error_code(error) as i32;
        let text = CStr::from_ptr(rd::rd_kafka_error_string(error)).to_string_lossy().into_owned();
        let retriable = rd::rd_kafka_error_is_retriable(error) == 1;
        let abortable = rd::rd_kafka_error_txn_requires_abort(error) == 1;
        let fatal = rd::rd_kafka_error_is_fatal(error) == 1;
        rd::rd_kafka_error_destroy(error);
        (code, text, retriable, abortable, fatal)
    };
    let text = format!("{} ({text})", describe(code));
    let root = client.fatal_error().map_or(code, |(root, _)| root);
    Result::Err(match () {
        () if fatal && (is_fenced(code) || is_fenced(root)) => TransactionError::Fenced(text),
        () if fatal => TransactionError::Renew(text),
        () if abortable => TransactionError::Abort(text),
        () if retriable => TransactionError::Retry(text),
        () => TransactionError::Renew(text),
    })
}

/// Who commits, for the broker to fence; null for no member. Asked for each time: the broker refuses a generation that
/// is over, and accepts a member that never was. The caller frees it.
fn member_of(source: &KafkaSource) -> *mut rd::rd_kafka_consumer_group_metadata_t {
    if planted(Bug::StaleGroupMetadata)
        && let Ok(group) = c_string(&source.group)
    {
        // SAFETY: a string that lives during the call; it is copied.
        return unsafe { rd::rd_kafka_consumer_group_metadata_new(group.as_ptr()) };
    }
    // SAFETY: the client is alive.
    unsafe { rd::rd_kafka_consumer_group_metadata(source.client.as_ptr()) }
}

impl KafkaSink {
    pub(in crate::kafka) fn take_name_over(&mut self, id: &str, timeout: Duration) -> Result<(), Fatal> {
        let passing = |error: &TransactionError| match error {
            TransactionError::Retry(why) => Some(why.clone()),
            _ => None,
        };
        let what = format!("start transactions as {id}");
        retriable::ask_until(&SinceStart::now(), timeout, passing, &what, |left| self.renew(left)).map_err(|error| {
            use TransactionError::{Abort, Fenced, Renew, Retry};
            let (Retry(why) | Abort(why) | Renew(why) | Fenced(why)) = error;
            if rights::says_transactional(&why) {
                let prefix = id.rsplit_once('/').map_or(id, |(prefix, _)| prefix);
                return rights::denied_transactions(prefix, self.user());
            }
            Fatal::new(
                exit::UNAVAILABLE,
                format!("the cluster does not start transactions as {id}: {why}"),
                "check the brokers, the access rights to the transactional id, and limits.commit_timeout_ms against \
                 the brokers' transaction.max.timeout.ms",
            )
        })
    }

    /// A transaction that is still open when the producer goes is aborted, where that is quickly done.
    pub(in crate::kafka) fn leave_no_transaction(&mut self) {
        if self.transaction.as_ref().is_some_and(|transaction| transaction.open)
            && let Result::Err(error) = self.abort(LEAVING_MAX)
        {
            tracing::warn!(target: "kafka", ?error, "the open transaction is left to its time-out");
        }
    }

    fn set_open(&mut self, open: bool) {
        if let Some(transaction) = &mut self.transaction {
            transaction.open = open;
        }
    }

    /// Everything in flight comes back failed, and is forgotten.
    fn give_up_in_flight(&mut self, limit: Duration) -> Result<(), TransactionError> {
        const SLICE: Duration = Duration::from_millis(1);
        self.purge_all();
        let mut acks = Vec::new();
        for _ in 0..=limit.as_millis() {
            self.poll(SLICE, &mut acks).map_err(|fatal| TransactionError::Renew(fatal.what))?;
            acks.clear();
            if self.in_flight == 0 {
                return Ok(());
            }
        }
        Result::Err(TransactionError::Renew(format!("{} outcomes cannot be purged", self.in_flight)))
    }
}

impl Transactional<KafkaSource> for KafkaSink {
    fn begin(&mut self) -> Result<(), TransactionError> {
        // SAFETY: the client is alive; a local step, nothing is sent.
        let begun = unsafe { told(&self.client, rd::rd_kafka_begin_transaction(self.client.as_ptr())) };
        begun.map(|()| self.set_open(true))
    }

    fn send_offsets(
        &mut self,
        source: &KafkaSource,
        progress: &[Progress],
        limit: Duration,
    ) -> Result<(), TransactionError> {
        if progress.is_empty() {
            return Ok(());
        }
        let list = PartitionList::new(&source.topic, progress.iter().copied());
        // SAFETY: both clients, list and metadata are alive during the call, and the metadata is freed once.
        unsafe {
            let member = member_of(source);
            if member.is_null() {
                return Result::Err(TransactionError::Abort("the consumer is no member of its group".into()));
            }
            let (client, ms) = (self.client.as_ptr(), timeout_ms(limit));
            let error = rd::rd_kafka_send_offsets_to_transaction(client, list.as_ptr(), member, ms);
            rd::rd_kafka_consumer_group_metadata_destroy(member);
            told(&self.client, error)
        }
    }

    fn commit(&mut self, limit: Duration) -> Result<(), TransactionError> {
        // SAFETY: the client is alive; callbacks run inside this call only.
        let error = unsafe { rd::rd_kafka_commit_transaction(self.client.as_ptr(), timeout_ms(limit)) };
        // SAFETY: the error is this call's.
        let committed = unsafe { told(&self.client, error) };
        committed.map(|()| self.set_open(false))
    }

    fn abort(&mut self, limit: Duration) -> Result<(), TransactionError> {
        self.give_up_in_flight(limit)?;
        // SAFETY: as in `commit`.
        let error = unsafe { rd::rd_kafka_abort_transaction(self.client.as_ptr(), timeout_ms(limit)) };
        // SAFETY: the error is this call's.
        let aborted = unsafe { told(&self.client, error) };
        aborted.map(|()| self.set_open(false))
    }

    fn renew(&mut self, limit: Duration) -> Result<(), TransactionError> {
        // One that has not got the name yet goes on asking for it.
        if self.transaction.as_ref().is_some_and(|transaction| transaction.initialised) {
            self.replace_client().map_err(|fatal| TransactionError::Renew(fatal.what))?;
        }
        // SAFETY: the client is alive; callbacks run inside this call only.
        let error = unsafe { rd::rd_kafka_init_transactions(self.client.as_ptr(), timeout_ms(limit)) };
        // SAFETY: the error is this call's.
        unsafe { told(&self.client, error) }?;
        if let Some(transaction) = &mut self.transaction {
            transaction.initialised = true;
        }
        Ok(())
    }

    fn take_trouble(&mut self) -> bool {
        let retries = request_retries::so_far();
        let repeated = std::mem::replace(&mut self.retries, retries) != retries;
        std::mem::take(&mut self.reports.get().trouble) || repeated
    }

    fn doubt_after(&self) -> Duration {
        if cfg!(wrapped_client) { Duration::MAX } else { DOUBT_AFTER }
    }

    fn committed(&self, source: &KafkaSource, partitions: &[Progress]) -> Result<Vec<Progress>, Fatal> {
        let numbers: Vec<i32> = partitions.iter().map(|at| at.partition).collect();
        let known = source.committed_offsets(&numbers)?;
        let known_of = |at: &Progress| known.iter().find(|known| known.partition == at.partition && known.offset >= 0);
        Ok(partitions.iter().map(|at| known_of(at).copied().unwrap_or(*at)).collect())
    }
}
