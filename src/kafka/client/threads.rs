//! Code of ours on the threads that a client starts: each has a value of ours at hand from its first moment on.
#![allow(unsafe_code, reason = "librdkafka tells its threads in C only; each block says why it holds")]

use std::ffi::{CStr, c_char, c_void};
use std::ptr;

use rdkafka::bindings as rd;
use rdkafka::types::RDKafkaRespErr;

use super::errors::NO_ERROR;

/// What a client's threads have at hand. It is never freed: nobody tells when the last of them is gone.
pub trait OnThreads: Sync + 'static {
    /// Its name among the client's interceptors.
    const NAME: &'static CStr;

    /// Called on each thread as it starts. `serves_broker`: it owns the connection to one.
    fn thread_started(&'static self, client: *mut rd::rd_kafka_t, serves_broker: bool);
}

/// Lets the threads of the client that is about to be made of `conf` begin with `ours`.
///
/// # Safety
/// `conf` is a configuration that no client has taken yet.
pub unsafe fn join<T: OnThreads>(conf: *mut rd::rd_kafka_conf_t, ours: &'static T) {
    let opaque = ptr::from_ref(ours).cast_mut().cast();
    // SAFETY: by the contract above; the name is static, and what the opaque pointer points to is never freed.
    unsafe { rd::rd_kafka_conf_interceptor_add_on_new(conf, T::NAME.as_ptr(), Some(on_new::<T>), opaque) };
}

unsafe extern "C" fn on_new<T: OnThreads>(
    client: *mut rd::rd_kafka_t,
    _: *const rd::rd_kafka_conf_t,
    opaque: *mut c_void,
    _: *mut c_char,
    _: usize,
) -> RDKafkaRespErr {
    // SAFETY: the client's own handle, as it is made; the opaque pointer is the one given to `join`.
    unsafe { rd::rd_kafka_interceptor_add_on_thread_start(client, T::NAME.as_ptr(), Some(on_start::<T>), opaque) }
}

unsafe extern "C" fn on_start<T: OnThreads>(
    client: *mut rd::rd_kafka_t,
    kind: rd::rd_kafka_thread_type_t,
    _: *const c_char,
    opaque: *mut c_void,
) -> RDKafkaRespErr {
    // SAFETY: the pointer given to `join`, of this type, to what is never freed.
    let ours = unsafe { &*opaque.cast::<T>() };
    ours.thread_started(client, kind == rd::rd_kafka_thread_type_t::RD_KAFKA_THREAD_BROKER);
    NO_ERROR
}
