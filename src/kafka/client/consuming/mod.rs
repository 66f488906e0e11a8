//! A consumer's client, what it says in its callbacks, and the messages that it hands out.

pub mod consumer_callbacks;
pub mod consumer_client;
pub mod group_metadata;
pub mod message;
pub mod raw_headers;
mod wakeup;
