//! Kafka: the only place that knows the client library.

mod admin;
mod causes;
mod client_threads;
pub mod cluster;
mod commit_refusal;
pub mod consumer;
mod contact;
pub mod delivery;
mod ear;
pub mod embedded;
mod events;
pub mod examine;
#[cfg(wrapped_client)]
mod fetch_whole;
pub mod finding;
mod haste;
mod headers;
mod held_copies;
pub mod identity;
#[cfg(wrapped_client)]
mod idle_wait;
mod inbox;
mod inquiry;
pub mod last_records;
pub mod load_consumer;
pub mod load_producer;
mod login;
pub mod message;
pub mod native;
mod offsets;
mod passing;
pub mod producer;
#[cfg(wrapped_client)]
mod rebootstrap;
mod repeats;
mod rights;
pub mod send_whole;
pub mod settings;
pub mod starting_offsets;
mod topic_settings;
pub mod transactions;
mod unread;
mod wakeup;
pub mod wrapped;

/// The client library's version, as it says it: `2.12.1`.
pub fn client_version() -> String {
    rdkafka::util::get_rdkafka_version().1
}
