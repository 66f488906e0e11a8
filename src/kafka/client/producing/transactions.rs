//! A producer's client in transactions. Errors come with flags; without one, the producer is not to be trusted any more.
#![allow(unsafe_code, reason = "librdkafka's C interface; each block says why it holds")]

use std::ffi::CStr;
use std::time::Duration;

use rdkafka::bindings as rd;
use rdkafka::types::RDKafkaRespErr as Err;

use super::producer_client::{DeliveryReports, ProducerClient};
use crate::doors::TransactionError;
use crate::kafka::client::consuming::group_metadata::GroupMetadata;
use crate::kafka::client::errors::{describe, timeout_ms};
use crate::kafka::client::handle::Client;
use crate::kafka::client::partitions::PartitionList;

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

impl<R: DeliveryReports> ProducerClient<R> {
    /// Takes over the name of the producer's transactions.
    pub fn init_transactions(&mut self, limit: Duration) -> Result<(), TransactionError> {
        let client = self.client();
        // SAFETY: the client is alive; callbacks run inside this call only. The error is this call's.
        unsafe { told(client, rd::rd_kafka_init_transactions(client.as_ptr(), timeout_ms(limit))) }
    }

    pub fn begin_transaction(&mut self) -> Result<(), TransactionError> {
        let client = self.client();
        // SAFETY: the client is alive; a local step, nothing is sent. The error is this call's.
        unsafe { told(client, rd::rd_kafka_begin_transaction(client.as_ptr())) }
    }

    pub fn send_offsets(
        &mut self,
        offsets: &PartitionList,
        member: &GroupMetadata,
        limit: Duration,
    ) -> Result<(), TransactionError> {
        let (client, ms) = (self.client(), timeout_ms(limit));
        // SAFETY: client, list and metadata are alive during the call. The error is this call's.
        unsafe {
            let (offsets, member) = (offsets.as_ptr(), member.as_ptr());
            told(client, rd::rd_kafka_send_offsets_to_transaction(client.as_ptr(), offsets, member, ms))
        }
    }

    pub fn commit_transaction(&mut self, limit: Duration) -> Result<(), TransactionError> {
        let client = self.client();
        // SAFETY: the client is alive; callbacks run inside this call only. The error is this call's.
        unsafe { told(client, rd::rd_kafka_commit_transaction(client.as_ptr(), timeout_ms(limit))) }
    }

    pub fn abort_transaction(&mut self, limit: Duration) -> Result<(), TransactionError> {
        let client = self.client();
        // SAFETY: as in `commit_transaction`.
        unsafe { told(client, rd::rd_kafka_abort_transaction(client.as_ptr(), timeout_ms(limit))) }
    }
}
