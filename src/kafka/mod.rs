//! Kafka: the only place that knows the client library.
//!
//! Its rooms import one way: `producer -> consumer -> cluster -> {failures, wrapped} -> client -> settings`. Only `client`, the
//! C interface behind safe calls, and `wrapped`, functions of ours before the client's own, contain `unsafe`.

pub mod client;
pub mod cluster;
pub mod consumer;
pub mod embedded;
mod failures;
pub mod load_consumer;
pub mod load_producer;
pub mod producer;
pub mod settings;
pub mod wrapped;

/// The client library's version, as it says it: `2.12.1`.
pub fn client_version() -> String {
    rdkafka::util::get_rdkafka_version().1
}
