//! Kafka: the only place that knows the client library.

mod admin;
pub mod batch_hand_over;
mod causes;
mod client_threads;
pub mod cluster;
mod commit_refusal;
pub mod consumer;
mod contact;
mod delivery_errors;
pub mod embedded;
mod events;
pub mod examine;
mod fast_rebalance;
#[cfg(wrapped_client)]
mod fetch_all_partitions;
pub mod finding;
mod headers;
pub mod identity;
mod inbox;
mod inquiry;
pub mod last_records;
pub mod load_consumer;
pub mod load_producer;
mod log_listener;
mod login;
pub mod message;
pub mod native;
mod offsets;
mod out_of_range;
pub mod producer;
#[cfg(wrapped_client)]
mod producer_without_spin;
#[cfg(wrapped_client)]
mod rebootstrap;
mod request_retries;
mod retriable;
mod review_linger;
mod rights;
pub mod settings;
pub mod starting_offsets;
mod topic_settings;
pub mod transactions;
mod wakeup;
pub mod wrapped;

/// The client library's version, as it says it: `2.12.1`.
pub fn client_version() -> String {
    rdkafka::util::get_rdkafka_version().1
}
