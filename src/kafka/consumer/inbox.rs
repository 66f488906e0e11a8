//! What the lane's consumer hears from its client's callbacks: kept until the lane asks.
#![allow(unsafe_code, reason = "librdkafka's C interface; each block says why it holds")]

use std::collections::VecDeque;
use std::ffi::{c_char, c_int, c_void};
use std::time::Duration;

use rdkafka::bindings as rd;
use rdkafka::types::RDKafkaRespErr as Err;

use super::contact::on_statistics;
use crate::doors::SourceEvent;
use crate::kafka::client::{CallbackState, Conf, entries, log_error, to_result};
use crate::kafka::failures::commit_refusal::commit_refusal;
use crate::kafka::failures::rights;

/// What the callbacks leave behind for the owner.
#[derive(Default)]
pub(in crate::kafka) struct Inbox {
    pub(in crate::kafka) events: VecDeque<SourceEvent>,
    /// The client met an error that it cannot go on after.
    pub(in crate::kafka) fatal: bool,
    /// A commit was refused for want of a right, with this code.
    pub(in crate::kafka) denied: Option<i32>,
    /// How long ago the group was heard of, as the client said since somebody asked.
    pub(in crate::kafka) heard_ago: Option<Duration>,
}

/// Lets a client that is made of `conf` write to `inbox`, which must outlive it.
pub(in crate::kafka) fn attach(conf: &Conf, inbox: &CallbackState<Inbox>) {
    // SAFETY: the configuration is alive, and the callbacks match their C types.
    unsafe {
        rd::rd_kafka_conf_set_opaque(conf.as_ptr(), inbox.opaque());
        rd::rd_kafka_conf_set_rebalance_cb(conf.as_ptr(), Some(on_rebalance));
        rd::rd_kafka_conf_set_offset_commit_cb(conf.as_ptr(), Some(on_commit));
        rd::rd_kafka_conf_set_error_cb(conf.as_ptr(), Some(on_error));
        rd::rd_kafka_conf_set_stats_cb(conf.as_ptr(), Some(on_statistics));
    }
}

/// # Safety
/// Called by librdkafka inside a poll, with the opaque pointer given at creation.
pub(in crate::kafka) unsafe fn inbox<'a>(opaque: *mut c_void) -> &'a mut Inbox {
    // SAFETY: the box outlives the client, and nothing else refers to it during a poll.
    unsafe { &mut *opaque.cast::<Inbox>() }
}

/// Only notes the event: the lane drains, commits and then answers it.
unsafe extern "C" fn on_rebalance(
    rk: *mut rd::rd_kafka_t,
    err: Err,
    list: *mut rd::rd_kafka_topic_partition_list_t,
    opaque: *mut c_void,
) {
    // SAFETY: librdkafka's own list, client and our opaque, all valid during the call.
    let (inbox, partitions, lost) = unsafe {
        let partitions = entries(list).into_iter().map(|(at, _)| at.partition).collect();
        (inbox(opaque), partitions, rd::rd_kafka_assignment_lost(rk) == 1)
    };
    inbox.events.push_back(match err {
        Err::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => SourceEvent::Assigned(partitions),
        Err::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS if !lost => SourceEvent::Revoked(partitions),
        _ => SourceEvent::Lost(partitions),
    });
}

unsafe extern "C" fn on_commit(
    _: *mut rd::rd_kafka_t,
    err: Err,
    list: *mut rd::rd_kafka_topic_partition_list_t,
    opaque: *mut c_void,
) {
    // SAFETY: as in `on_rebalance`.
    let (inbox, offsets) = unsafe { (inbox(opaque), entries(list)) };
    let failed = offsets.iter().find_map(|(_, result)| result.err());
    let result = to_result(err).and(failed.map_or(Ok(()), Result::Err));
    inbox.denied = inbox.denied.or(result.err().filter(|code| rights::is_denied(*code)));
    let partitions = offsets.iter().map(|(at, _)| at.partition).collect();
    inbox.events.push_back(SourceEvent::Committed { partitions, result: result.map_err(commit_refusal) });
}

unsafe extern "C" fn on_error(_: *mut rd::rd_kafka_t, err: c_int, reason: *const c_char, opaque: *mut c_void) {
    if err == Err::RD_KAFKA_RESP_ERR__FATAL as c_int {
        // SAFETY: as in `on_rebalance`.
        unsafe { inbox(opaque) }.fatal = true;
    }
    // SAFETY: librdkafka's own string.
    unsafe { log_error("consumer", err, reason) };
}
