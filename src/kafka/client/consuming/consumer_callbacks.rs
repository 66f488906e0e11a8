//! What a consumer's client says in its callbacks, handed on to whoever keeps it.
#![allow(unsafe_code, reason = "librdkafka's C interface; each block says why it holds")]

use std::ffi::{c_char, c_int, c_void};

use rdkafka::bindings as rd;
use rdkafka::types::RDKafkaRespErr as Err;

use crate::doors::Progress;
use crate::kafka::client::callbacks::CallbackState;
use crate::kafka::client::conf::Conf;
use crate::kafka::client::errors::{log_error, to_result};
use crate::kafka::client::partitions::entries;

/// What the group does with partitions of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rebalance {
    Assigned,
    Revoked,
    Lost,
}

/// Who hears of it, inside a poll.
pub trait ConsumerEvents: Default {
    /// The member has to answer it.
    fn rebalanced(&mut self, what: Rebalance, partitions: Vec<i32>);

    /// A commit was answered: the first error is the code.
    fn committed(&mut self, progress: Vec<Progress>, result: Result<(), i32>);

    /// An error that the client reports about itself.
    fn failed(&mut self, code: i32);

    /// The client's statistics, a JSON document.
    fn statistics(&mut self, json: &[u8]);
}

/// Lets a client that is made of `conf` write to `events`, which must outlive it.
pub(super) fn attach<E: ConsumerEvents>(conf: &Conf, events: &CallbackState<E>) {
    // SAFETY: the configuration is alive, and the callbacks match their C types.
    unsafe {
        rd::rd_kafka_conf_set_opaque(conf.as_ptr(), events.opaque());
        rd::rd_kafka_conf_set_rebalance_cb(conf.as_ptr(), Some(on_rebalance::<E>));
        rd::rd_kafka_conf_set_offset_commit_cb(conf.as_ptr(), Some(on_commit::<E>));
        rd::rd_kafka_conf_set_error_cb(conf.as_ptr(), Some(on_error::<E>));
        rd::rd_kafka_conf_set_stats_cb(conf.as_ptr(), Some(on_statistics::<E>));
    }
}

/// # Safety
/// Called by librdkafka inside a poll, with the opaque pointer given at creation.
unsafe fn events<'a, E>(opaque: *mut c_void) -> &'a mut E {
    // SAFETY: the box outlives the client, and nothing else refers to it during a poll.
    unsafe { &mut *opaque.cast::<E>() }
}

unsafe extern "C" fn on_rebalance<E: ConsumerEvents>(
    rk: *mut rd::rd_kafka_t,
    err: Err,
    list: *mut rd::rd_kafka_topic_partition_list_t,
    opaque: *mut c_void,
) {
    // SAFETY: librdkafka's own list, client and our opaque, all valid during the call.
    let (events, partitions, lost) = unsafe {
        let partitions = entries(list).into_iter().map(|(at, _)| at.partition).collect();
        (events::<E>(opaque), partitions, rd::rd_kafka_assignment_lost(rk) == 1)
    };
    let what = match err {
        Err::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Rebalance::Assigned,
        Err::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS if !lost => Rebalance::Revoked,
        _ => Rebalance::Lost,
    };
    events.rebalanced(what, partitions);
}

unsafe extern "C" fn on_commit<E: ConsumerEvents>(
    _: *mut rd::rd_kafka_t,
    err: Err,
    list: *mut rd::rd_kafka_topic_partition_list_t,
    opaque: *mut c_void,
) {
    // SAFETY: as in `on_rebalance`.
    let (events, offsets) = unsafe { (events::<E>(opaque), entries(list)) };
    let failed = offsets.iter().find_map(|(_, result)| result.err());
    let result = to_result(err).and(failed.map_or(Ok(()), Result::Err));
    events.committed(offsets.into_iter().map(|(to, _)| to).collect(), result);
}

unsafe extern "C" fn on_error<E: ConsumerEvents>(
    _: *mut rd::rd_kafka_t,
    err: c_int,
    reason: *const c_char,
    opaque: *mut c_void,
) {
    // SAFETY: as in `on_rebalance`; librdkafka's own string.
    unsafe {
        events::<E>(opaque).failed(err);
        log_error("consumer", err, reason);
    }
}

unsafe extern "C" fn on_statistics<E: ConsumerEvents>(
    _: *mut rd::rd_kafka_t,
    json: *mut c_char,
    len: usize,
    opaque: *mut c_void,
) -> c_int {
    // SAFETY: as in `on_rebalance`; librdkafka's own text, valid during the call.
    unsafe { events::<E>(opaque).statistics(std::slice::from_raw_parts(json.cast::<u8>(), len)) };
    // The text stays the client's.
    0
}
